"""The skin of a pictured face as a mesh that follows its 68 points: eyes and mouth are openings that close and part.

All lengths are pupil distances in the face's own frame (``face_frame``).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay

from palsy_cli.records import FloatArray, Side, require_shape
from palsy_cli.simulate.mesh import build_mesh
from palsy_cli.simulate.muscles import INNER_LIP_PAIRS, LID_PAIRS
from palsy_cli.simulate.shading import CANVAS_SIZE

#: The eyes' contours.
EYES: dict[Side, list[int]] = {"right": list(range(36, 42)), "left": list(range(42, 48))}
#: The openings' contours, and into how many pieces their sides are cut. Lips that touch need short ones, or triangles
#: would reach across the mouth.
OPENINGS: tuple[tuple[tuple[int, ...], int], ...] = (
    (tuple(EYES["right"]), 2),
    (tuple(EYES["left"]), 2),
    (tuple(range(60, 68)), 6),
)
#: Thickness of the upper and the lower lid's rim, and of the inner lips'.
LID_RIMS = (0.008, 0.04)
LIP_RIM = 0.008
#: No vertex but the contour's own lies nearer to an opening.
CLEARANCE = 0.07
#: An eye whose lids are nearer than this in the neutral face counts as closed there.
_SHUT = 0.03


def face_frame(points68: FloatArray) -> FloatArray:
    """Similarity (2, 3) from the face's own frame to the picture of its 68 points (68, 2).

    The frame's origin lies midway between the pupils (the eye openings' centres), its unit is their distance, and x
    runs along the line through them to image-right.
    """
    require_shape("points68", points68, (68, 2))
    return frame_between(points68[36:42].mean(0), points68[42:48].mean(0))


def frame_between(right: FloatArray, left: FloatArray) -> FloatArray:
    """Similarity (2, 3) with its origin midway between two places (2,) and its x axis from one to the other."""
    across = left - right
    return np.column_stack([across, [-across[1], across[0]], (right + left) / 2])


def lid_gap(points: FloatArray, side: Side) -> float:
    """Mean opening of one eye of a level face (68, 2), in its units."""
    return float(np.mean([points[lower, 1] - points[upper, 1] for upper, lower in LID_PAIRS[side]]))


@dataclass(frozen=True)
class SkinMesh:
    """Triangles over one face in its own frame.

    Attributes:
        neutral: (68, 2) the face's neutral points.
        vertices: (V, 2) neutral places; the first 68 are the points with rims.
        spread: (V, 70) share of each control's displacement (68 points, left and right cheek) at each vertex.
        triangles: (T, 3) vertex indices, those inside the openings first, so that skin covers them.
    """

    neutral: FloatArray
    vertices: FloatArray
    spread: FloatArray
    triangles: npt.NDArray[np.int64]

    @staticmethod
    def of(neutral: FloatArray) -> SkinMesh:
        """Mesh of a face with these neutral points (68, 2), lids and lips in order (``muscles.enforce_order``)."""
        rimmed = _with_rims(neutral, neutral)
        full = build_mesh(rimmed, np.zeros(CANVAS_SIZE, np.float32))
        clear = 68 + np.flatnonzero(_depth_inside(full.vertices[68:], rimmed) < -CLEARANCE)
        shares = _contour_shares()
        vertices = np.vstack([rimmed, shares[:, :68] @ rimmed, full.vertices[clear]])
        triangles = Delaunay(vertices).simplices.astype(np.int64)
        openings_first = np.argsort(_depth_inside(vertices[triangles].mean(axis=1), rimmed) < 0, kind="stable")
        spread = np.vstack([np.eye(68, 70), shares, full.spread[clear]])
        return SkinMesh(neutral=neutral, vertices=vertices, spread=spread, triangles=triangles[openings_first])

    def place(self, points: FloatArray, cheeks: FloatArray | None = None) -> FloatArray:
        """(V, 2) vertices of the face whose points lie at (68, 2) ``points``, its cheeks shifted by (2, 2)."""
        shift = _with_rims(points, self.neutral) - self.vertices[:68]
        controls = np.vstack([shift, np.zeros((2, 2)) if cheeks is None else cheeks])
        return np.asarray(self.vertices + self.spread @ controls)


def _with_rims(points: FloatArray, neutral: FloatArray) -> FloatArray:
    """Points (68, 2) with lids and inner lips moved apart by their rims; the lids' rims vanish as the eye closes.

    What lies between a lid's point and its skin (lashes, a sliver of eyeball) thus vanishes when the lids meet.
    """
    shifted = points.copy()
    for upper, lower in (pair for pairs in LID_PAIRS.values() for pair in pairs):
        gap, own = (float(p[lower, 1] - p[upper, 1]) for p in (points, neutral))
        opened = float(np.clip(gap / max(own, _SHUT), 0.0, 1.0))
        shifted[upper, 1] -= LID_RIMS[0] * opened
        shifted[lower, 1] += LID_RIMS[1] * opened
        # Closed lids lie above each other, or a wedge of eyeball would stay between the slanting lines.
        middle = points[[upper, lower], 0].mean()
        shifted[[upper, lower], 0] = middle + opened * (points[[upper, lower], 0] - middle)
    for upper, lower in INNER_LIP_PAIRS:
        shifted[[upper, lower], 1] += [-LIP_RIM, LIP_RIM]
    return shifted


def _contour_shares() -> FloatArray:
    """(C, 70) shares of the 68 points at the places where the openings' sides are cut."""
    rows = []
    for ring, pieces in OPENINGS:
        for first, second in zip(ring, (*ring[1:], ring[0]), strict=True):
            for k in range(1, pieces):
                row = np.zeros(70)
                row[first], row[second] = 1 - k / pieces, k / pieces
                rows.append(row)
    return np.array(rows)


def _depth_inside(places: FloatArray, points: FloatArray) -> FloatArray:
    """(N,) distance of places (N, 2) to the contour of the nearest opening, positive inside."""
    rings = [points[list(ring)].astype(np.float32) for ring, _ in OPENINGS]
    return np.array([max(cv2.pointPolygonTest(ring, (float(x), float(y)), True) for ring in rings) for x, y in places])
