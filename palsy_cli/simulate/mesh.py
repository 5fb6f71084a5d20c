"""Moving a painted canvas: landmarks pull a mesh, the head turns, and every output pixel looks up its canvas place."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay

from palsy_cli.records import FloatArray
from palsy_cli.simulate.appearance import View
from palsy_cli.simulate.shading import CANVAS_SIZE, EXTENT, ORIGIN, Plane, to_canvas

#: Neutral place of the cheeks' prominences (left, right), IPD units.
CHEEKS = np.array([(0.62, 0.52), (-0.62, 0.52)])
#: Places that expressions do not move.
_FIXED = np.array(
    [(x, y) for y in (-2.6, -1.75, -1.2) for x in (-1.3, -0.65, 0.0, 0.65, 1.3)]
    + [(side * x, y) for side in (-1, 1) for x, y in ((1.3, -0.5), (1.35, 0.2), (1.5, 1.0), (1.3, 2.2), (2.5, 0.0))]
    + [(side * x, y) for side in (-1, 1) for x, y in ((2.6, 2.5), (0.5, 2.25), (0.26, 0.02))]
    + [(0.0, 2.3), (0.0, 3.5), (0.0, -0.75), (-0.5, -0.8), (0.5, -0.8)]
)
#: The pivot of the head's turns (x, y, z) and the camera's distance, IPD units.
_PIVOT = np.array([0.0, 0.75, -0.55])
_CAMERA = 14.0
#: The neck follows the head's turns down to here (y of full and of no turn).
_NECK = (1.75, 2.7)


@dataclass(frozen=True)
class Camera:
    """Neutral space -> pixels: the head's rotation (3, 3), pixels per IPD, and the image place of the origin."""

    rotation: FloatArray
    scale: float
    centre: FloatArray

    @staticmethod
    def of(view: View, size: tuple[int, int]) -> Camera:
        """Camera of a view on a picture of (height, width)."""
        height, width = size
        side = float(min(height, width))
        yaw, pitch, roll = np.deg2rad([view.yaw, view.pitch, view.roll])
        # Columns are the images of x (image-right), y (down) and z (to the camera).
        turn_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
        turn_x = np.array([[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]])
        turn_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
        centre = np.array([width / 2 + side * view.shift_x, height * 0.455 + side * view.shift_y]) - 0.5
        return Camera(rotation=turn_z @ turn_x @ turn_y, scale=side * view.zoom, centre=centre)

    def project(self, points: FloatArray, z: FloatArray) -> FloatArray:
        """(N, 2) pixels of (N, 2) points with heights (N,), IPD units; the body below the neck does not turn."""
        solid = np.column_stack([points, z])
        turned = (solid - _PIVOT) @ self.rotation.T + _PIVOT
        share = np.clip((_NECK[1] - points[:, 1]) / (_NECK[1] - _NECK[0]), 0.0, 1.0)[:, None]
        share = share * share * (3.0 - 2.0 * share)
        placed = share * turned + (1.0 - share) * solid
        near = _CAMERA / (_CAMERA - placed[:, 2:])
        return np.asarray(self.centre + self.scale * placed[:, :2] * near)


@dataclass(frozen=True)
class FaceMesh:
    """Triangles over the canvas that follow the landmarks.

    Attributes:
        neutral: (68, 2) neutral landmarks, the first 68 vertices.
        vertices: (V, 2) neutral places, IPD units. z: (V,) heights.
        triangles: (T, 3) vertex indices, the ones inside eyes and mouth first, so that the rest covers them.
        spread: (V, 70) share of each control displacement (68 landmarks, 2 cheeks) at each vertex.
        relief: (H, W) canvas heights, for points between the vertices.
    """

    neutral: FloatArray
    vertices: FloatArray
    z: FloatArray
    triangles: npt.NDArray[np.int64]
    spread: FloatArray
    relief: Plane

    def move(self, points: FloatArray, cheeks: FloatArray) -> FloatArray:
        """(V, 2) vertices when the landmarks lie at (68, 2) ``points`` and the cheeks are shifted by (2, 2)."""
        moved = self.vertices + self.spread @ np.vstack([points - self.neutral, cheeks])
        moved[:68] = points
        return np.asarray(moved)

    def height_at(self, points: FloatArray) -> FloatArray:
        """(N,) height of the neutral surface at (N, 2) places."""
        return sample_heights(self.relief, points)


def sample_heights(relief: Plane, points: FloatArray) -> FloatArray:
    """(N,) heights of a canvas field at (N, 2) places in IPD units."""
    at = to_canvas(points).astype(np.float32)
    values = cv2.remap(relief, at[:, :1], at[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values[:, 0], float)


def build_mesh(neutral: FloatArray, relief: Plane) -> FaceMesh:
    """Lay a mesh over the canvas: the landmarks, a fine grid over the face, a coarse one elsewhere."""
    low = ORIGIN - 0.02
    high = ORIGIN + EXTENT + 0.02
    coarse = _lattice(low, high, 0.6)
    coarse = coarse[(np.abs(coarse[:, 0]) > 1.45) | (coarse[:, 1] < -2.0) | (coarse[:, 1] > 2.4)]
    fine = _lattice(np.array([-1.35, -1.9]), np.array([1.35, 2.3]), 0.135)
    gap = np.min(np.linalg.norm(fine[:, None] - neutral[None], axis=2), axis=1)
    vertices = np.vstack([neutral, fine[gap > 0.05], coarse])
    triangles = Delaunay(vertices).simplices
    order = np.argsort(~_inside_openings(vertices[triangles].mean(axis=1), neutral), kind="stable")
    return FaceMesh(
        neutral=neutral,
        vertices=vertices,
        z=sample_heights(relief, vertices),
        triangles=triangles[order].astype(np.int64),
        spread=_spread(vertices, neutral),
        relief=relief,
    )


def _lattice(low: FloatArray, high: FloatArray, step: float) -> FloatArray:
    counts = np.maximum(2, np.round((high - low) / step).astype(int) + 1)
    x, y = np.meshgrid(np.linspace(low[0], high[0], counts[0]), np.linspace(low[1], high[1], counts[1]))
    return np.column_stack([x.ravel(), y.ravel()])


def _inside_openings(places: FloatArray, points: FloatArray) -> npt.NDArray[np.bool_]:
    inside = np.zeros(len(places), bool)
    for ring in (points[36:42], points[42:48], points[60:68]):
        contour = ring.astype(np.float32)
        inside |= np.array([cv2.pointPolygonTest(contour, (float(x), float(y)), False) >= 0 for x, y in places])
    return inside


def _spread(vertices: FloatArray, neutral: FloatArray) -> FloatArray:
    """(V, 70) thin-plate interpolation of the control displacements.

    Skin above the mouth's seam ignores the lower inner lip and skin below it the upper one, or a parting of the lips
    would bend the whole face.
    """
    upper, lower = (61, 62, 63), (65, 66, 67)
    above = _thin_plate(vertices, neutral, without=lower)
    below = _thin_plate(vertices, neutral, without=upper)
    x = np.abs(vertices[:, 0])
    seam = np.interp(vertices[:, 0], neutral[[60, 62, 64], 0], neutral[[60, 62, 64], 1])
    softness = 0.004 + 0.5 * np.clip(x - abs(neutral[60, 0]), 0.0, None)
    share = 1.0 / (1.0 + np.exp(-np.clip((vertices[:, 1] - seam) / softness, -30.0, 30.0)))
    return np.asarray((1.0 - share[:, None]) * above + share[:, None] * below)


def _thin_plate(vertices: FloatArray, neutral: FloatArray, *, without: tuple[int, ...]) -> FloatArray:
    kept = [k for k in range(68) if k not in without]
    controls = np.vstack([neutral[kept], CHEEKS, _FIXED])
    n = len(controls)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = _kernel(controls, controls) + 2e-4 * np.eye(n)
    system[:n, n] = system[n, :n] = 1.0
    system[:n, n + 1 :] = controls
    system[n + 1 :, :n] = controls.T
    values = np.zeros((n + 3, n))
    values[:n] = np.eye(n)
    weights = np.linalg.solve(system, values)
    basis = np.hstack([_kernel(vertices, controls), np.ones((len(vertices), 1)), vertices])
    reached = basis @ weights
    # Far from the face nothing moves, whatever the plate's trend says.
    far = np.maximum(np.abs(vertices[:, 0]) - 1.5, np.maximum(vertices[:, 1] - 2.5, -1.9 - vertices[:, 1]))
    reached *= np.clip(1.0 - far / 0.6, 0.0, 1.0)[:, None]
    spread = np.zeros((len(vertices), 70))
    spread[:, [*kept, 68, 69]] = reached[:, : len(kept) + 2]
    return spread


def _kernel(a: FloatArray, b: FloatArray) -> FloatArray:
    squared = np.sum((a[:, None] - b[None]) ** 2, axis=2)
    return np.asarray(0.5 * squared * np.log(np.maximum(squared, 1e-12)))


def lookup_maps(
    mesh: FaceMesh, placed: FloatArray, size: tuple[int, int]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Where each output pixel lies on the canvas.

    Args:
        mesh: the triangles.
        placed: (V, 2) pixel of every vertex.
        size: (height, width).

    Returns:
        Two (H, W) float32 maps for ``cv2.remap``; pixels outside the mesh point off the canvas.
    """
    corners = placed[mesh.triangles]
    index = np.full(size, -1, np.int32)
    fixed = np.round(corners * 16).astype(np.int32)
    shown = (corners.min(axis=1) < np.array(size[::-1])).all(axis=1) & (corners.max(axis=1) > 0).all(axis=1)
    for k in np.flatnonzero(shown):
        cv2.fillConvexPoly(index, fixed[k], int(k), cv2.LINE_8, 4)
    edges = np.stack([corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]], axis=2)
    source = to_canvas(mesh.vertices)[mesh.triangles]
    source_edges = np.stack([source[:, 1] - source[:, 0], source[:, 2] - source[:, 0]], axis=2)
    determinant = np.linalg.det(edges)
    edges[np.abs(determinant) < 1e-3] = np.eye(2)
    matrix = source_edges @ np.linalg.inv(edges)
    offset = source[:, 0] - np.einsum("tij,tj->ti", matrix, corners[:, 0])
    # The last row serves the index -1.
    table = np.vstack([np.column_stack([matrix.reshape(-1, 4), offset]), [[0, 0, 0, 0, -99, -99]]]).astype(np.float32)
    rows, columns = np.arange(size[0], dtype=np.float32)[:, None], np.arange(size[1], dtype=np.float32)[None]
    a = [table[:, c][index] for c in range(6)]
    at_x = a[0] * columns + a[1] * rows + a[4]
    at_y = a[2] * columns + a[3] * rows + a[5]
    return at_x, np.minimum(at_y, np.float32(CANVAS_SIZE[0] - 1.5))
