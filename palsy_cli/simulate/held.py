"""A recorded, healthy person one half of whose face follows only a part of its own motion.

Nothing is drawn: the pixels are the person's own, the weak side is known, and the same recording without a lesion goes
through the same steps as its control. Each point is held by the weakness of the branch that moves it, and may misfire:
the lid closes as the mouth moves, the corner of the mouth follows the closing eye. What a weak muscle would leave at
rest (a hanging corner) is not added. Where a held lid stays open while the real one is closed, the eye is the person's
own from their calmest frame.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from palsy_cli.points import MIRROR_68
from palsy_cli.records import (
    ALL_AUS,
    SEVERITY_LABELS,
    SIDES,
    ByteImage,
    Clip,
    FloatArray,
    require_shape,
)
from palsy_cli.simulate.clips import TRUTH_SCHEMA, misfires_of, outlines_of
from palsy_cli.simulate.muscles import CORNERS, MIDLINE, close_lids, displacement, enforce_order
from palsy_cli.simulate.palsy import BRANCHES, Lesion
from palsy_cli.simulate.scores import house_brackmann, severity_of_grade
from palsy_cli.simulate.skin import EYES, SkinMesh, face_frame, lid_gap
from palsy_cli.simulate.template import mean_points
from palsy_cli.simulate.warp import fill_ring, warp_mesh
from palsy_cli.stages.alignment import compose, invert, transform_points
from palsy_cli.stages.video import iter_frames

#: Points that expressions hardly move: canthi and the bridge of the nose.
ANCHORS: tuple[int, ...] = (36, 39, 42, 45, 27, 28, 29, 30)
#: Share of the frames, the calmest, whose median is the resting face; and their least number.
CALM_SHARE, CALM_LEAST = 0.15, 5
#: Measures of an adult's face at rest and their spread, pupil distances (y down).
AT_REST: dict[str, tuple[float, float]] = {
    **{"mouth": (0.78, 0.12), "lips": (0.01, 0.03), "corners": (0.0, 0.04)},
    **{"eyes": (0.145, 0.04), "brows": (-0.34, 0.06)},
}
#: How softly one half passes into the other: scale of the logistic in pupil distances (10 to 90 % within 0.2).
BLEND = 0.045
#: Standard deviation in seconds of the Gaussian that smooths the points over time.
SMOOTH_S = 0.03
#: Points missing for no longer than this are filled in linearly.
GAP_S = 0.5
#: A held eye stretched by the first share of its opening begins to take the calm frame's pixels, by the second wholly.
LID_STRETCH = (0.3, 0.6)
#: Keeps noise of the anchors from being taken for a turn of the head (variance of depth, pupil distances squared).
TURN_RIDGE = 0.1

#: Branches of the facial nerve that move each of the 68 points.
BRANCHES_OF_POINT: tuple[str, ...] = tuple(
    "T" if 17 <= k <= 26 else "Z" if 36 <= k <= 47 else "ZB" if k in (48, 54, 60, 64)
    else "M" if k <= 16 or 55 <= k <= 59 or k >= 65 else "B"
    for k in range(68)
)  # fmt: skip
#: What a recorded face can show of synkinesis, (response, trigger): only lids and corners move by themselves.
MISFIRES: tuple[tuple[int, int], ...] = ((43, 12), (12, 43))

#: Depth of the patient's right half and the midline towards the viewer, from the canthi, in pupil distances.
_DEPTH_RIGHT: dict[int, float] = {
    **{0: -0.8, 1: -0.95, 2: -0.9, 3: -0.8, 4: -0.7, 5: -0.5, 6: -0.25, 7: -0.05, 8: 0.1},
    **{17: -0.1, 18: 0.02, 19: 0.13, 20: 0.21, 21: 0.25},
    **{27: 0.23, 28: 0.33, 29: 0.45, 30: 0.6, 31: 0.33, 32: 0.36, 33: 0.38},
    **{36: -0.05, 37: 0.05, 38: 0.09, 39: 0.05, 40: 0.1, 41: 0.06},
    **{48: 0.15, 49: 0.3, 50: 0.36, 51: 0.36, 57: 0.33, 58: 0.32, 59: 0.27},
    **{60: 0.16, 61: 0.33, 62: 0.33, 66: 0.31, 67: 0.31},
}
DEPTH: FloatArray = np.array([_DEPTH_RIGHT.get(k, _DEPTH_RIGHT.get(int(MIRROR_68[k]), 0.0)) for k in range(68)])


def fit_similarity(source: FloatArray, target: FloatArray) -> FloatArray:
    """Similarity (2, 3) that maps points (P, 2) to points (P, 2) with least squares, without mirroring."""
    start, end = source - source.mean(0), target - target.mean(0)
    scale = float((start**2).sum())
    cosine = float((start * end).sum()) / scale
    sine = float((start[:, 0] * end[:, 1] - start[:, 1] * end[:, 0]).sum()) / scale
    rotation = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([rotation, target.mean(0) - rotation @ source.mean(0)])


def fit_head(rest: FloatArray, points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How the head lies in a frame: a similarity and, for its turn, the shift that grows with depth.

    Args:
        rest: (68, 2) resting shape in the face's own frame.
        points: (68, 2) pixels.

    Returns:
        The similarity (2, 3) to pixels, and (2,) the shift of a point one pupil distance before the canthi, in the
        face's own frame. A small turn moves a point in proportion to its depth.
    """
    own, seen, depth = rest[list(ANCHORS)], points[list(ANCHORS)], DEPTH[list(ANCHORS)]
    one, zero = np.ones_like(depth), np.zeros_like(depth)
    along = np.column_stack([own[:, 0], -own[:, 1], one, zero, depth, zero])
    down = np.column_stack([own[:, 1], own[:, 0], zero, one, zero, depth])
    ridge = np.sqrt(TURN_RIDGE) * np.eye(6)[4:]
    right_hand = np.concatenate([seen[:, 0], seen[:, 1], np.zeros(2)])
    a, b, shift_x, shift_y, *turn = np.linalg.lstsq(np.vstack([along, down, ridge]), right_hand, rcond=None)[0]
    rotation = np.array([[a, -b], [b, a]])
    return np.column_stack([rotation, [shift_x, shift_y]]), np.linalg.solve(rotation, np.array(turn))


def resting_shape(points: FloatArray) -> FloatArray:
    """The person's resting face (68, 2) in its own frame: the median of the calmest frames.

    Calm are the frames most like a face at rest (``unrest``), not the commonest: somebody may smile most of the time.

    Args:
        points: (N, 68, 2) pixels; rows with NaN are left out.

    Raises:
        ValueError: no complete row.
    """
    complete = points[np.isfinite(points).all(axis=(1, 2))]
    if not len(complete):
        raise ValueError("resting_shape: no frame has all 68 points")
    middle, anchors = mean_points(), list(ANCHORS)
    for _ in range(2):
        aligned = np.stack([transform_points(p, fit_similarity(p[anchors], middle[anchors])) for p in complete])
        middle = np.median(aligned, axis=0)
    order = np.argsort([unrest(shape) for shape in aligned], kind="stable")
    rest = np.median(aligned[order[: max(CALM_LEAST, round(CALM_SHARE * len(aligned)))]], axis=0)
    return enforce_order(transform_points(rest, invert(face_frame(rest))))


def unrest(points: FloatArray) -> float:
    """How far a face (68, 2) is from that of an adult at rest: sum of squared deviations of five measures.

    Mouth's width, parting of the lips, height of the corners over the mouth's middle, opening of the eyes and height of
    the brows, each in units of a spread that is wide for people and narrow for expressions.
    """
    p = transform_points(points, invert(face_frame(points)))
    measures = {
        "mouth": p[54, 0] - p[48, 0],
        "lips": p[65:68, 1].mean() - p[61:64, 1].mean(),
        "corners": p[[48, 54], 1].mean() - p[[62, 66], 1].mean(),
        "eyes": np.mean([lid_gap(p, side) for side in SIDES]),
        "brows": p[17:27, 1].mean(),
    }
    return float(sum(((value - AT_REST[name][0]) / AT_REST[name][1]) ** 2 for name, value in measures.items()))


def steady_points(points: FloatArray, times_s: FloatArray) -> FloatArray:
    """Fill short gaps (``GAP_S``) and smooth (``SMOOTH_S``) points (N, 68, 2) over time; longer gaps stay NaN."""
    require_shape("points", points, (len(times_s), 68, 2))
    known = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    if not len(known):
        return points.copy()
    flat = points.reshape(len(points), -1)
    filled = np.column_stack([np.interp(times_s, times_s[known], column[known]) for column in flat.T])
    after = np.searchsorted(known, np.arange(len(points)))
    before = np.searchsorted(known, np.arange(len(points)), side="right") - 1
    bridged = (before >= 0) & (after < len(known))
    ends = times_s[known[np.clip(after, 0, len(known) - 1)]] - times_s[known[np.clip(before, 0, None)]]
    bridged &= ends <= GAP_S
    smooth = np.full_like(filled, np.nan)
    for k in np.flatnonzero(bridged):
        weight = np.where(bridged, np.exp(-0.5 * ((times_s - times_s[k]) / SMOOTH_S) ** 2), 0.0)
        near = weight > 1e-4
        smooth[k] = weight[near] @ filled[near] / weight[near].sum()
    return smooth.reshape(points.shape)


@dataclass(frozen=True)
class HeldFace:
    """One person's face, ready to be held back.

    Attributes:
        rest: (68, 2) resting shape in the face's own frame.
        mesh: over it.
        lesion: what is wrong with it; of its synkinesis, ``MISFIRES``.
        lost: (68,) share of its motion that each point loses: its branch's weakness on the weak half, nothing on the
            other, half at the midline.
    """

    rest: FloatArray
    mesh: SkinMesh
    lesion: Lesion
    lost: FloatArray

    @staticmethod
    def of(points: FloatArray, lesion: Lesion) -> HeldFace:
        """Find the resting face in points (N, 68, 2), pixels; raises ValueError as ``resting_shape`` does."""
        rest = resting_shape(points)
        across = rest[:, 0] - np.median(rest[list(MIDLINE), 0])
        if lesion.side == "none":
            return HeldFace(rest, SkinMesh.of(rest), lesion, np.zeros(68))
        towards = 1.0 if lesion.side == "left" else -1.0
        share = 1.0 / (1.0 + np.exp(np.clip(-towards * across / BLEND, -50.0, 50.0)))
        weakness = [lesion.of_branches(branches, lesion.side) for branches in BRANCHES_OF_POINT]
        shown = {pair: gain for pair, gain in lesion.synkinesis.items() if pair in MISFIRES}
        # The pixels are those of a healthy rest: nothing of a chronic one.
        lesion = dataclasses.replace(lesion, synkinesis=shown, chronic=False)
        return HeldFace(rest, SkinMesh.of(rest), lesion, share * np.array(weakness))

    def hold(self, image: ByteImage, points: FloatArray, *, calm: Calm | None = None) -> tuple[ByteImage, FloatArray]:
        """Hold one frame back.

        Args:
            image: (H, W, 3) RGB uint8.
            points: (68, 2) its points, pixels.
            calm: a frame of the same clip with open eyes, for lids that must stay open; they are stretched without it.

        Returns:
            The held frame and its points.
        """
        own, resting, to_pixels = self._shapes(points)
        held = enforce_order(self._misfired(own - self.lost[:, None] * (own - resting), own, resting))
        source, target = (transform_points(self.mesh.place(shape), to_pixels) for shape in (own, held))
        made = warp_mesh(image, source, target, self.mesh.triangles)
        if calm is not None and self.lesion.side != "none":
            needed = lid_gap(held, self.lesion.side)
            lacking = 1.0 - lid_gap(own, self.lesion.side) / max(needed, 1e-6)
            strength = float(np.clip((lacking - LID_STRETCH[0]) / (LID_STRETCH[1] - LID_STRETCH[0]), 0.0, 1.0))
            if strength > 0 and needed > 0:
                calm_to_pixels = self._shapes(calm.points)[2]
                eye = cv2.warpAffine(calm.image, compose(to_pixels, invert(calm_to_pixels)), image.shape[1::-1])
                fill_ring(made, np.asarray(eye, np.uint8), target[EYES[self.lesion.side]], strength=strength)
        return made, transform_points(held, to_pixels)

    def _misfired(self, held: FloatArray, own: FloatArray, resting: FloatArray) -> FloatArray:
        """``held`` (68, 2) with what the weak side does unasked, from how far its mouth and lids have really gone."""
        side = self.lesion.side
        if side == "none" or not self.lesion.synkinesis:
            return held
        corner, pull = CORNERS[side][0], displacement(12, side)
        smile = min(1.0, float(np.hypot(*(own - resting)[corner]) / np.hypot(*pull[corner])))
        closure = float(np.clip(1.0 - lid_gap(own, side) / max(lid_gap(resting, side), 1e-6), 0.0, 1.0))
        drives = {
            (response, side): self.lesion.gain_of((response, trigger), side) * (1.0 - self.lesion.of_au(response, side))
            for response, trigger in MISFIRES
        }
        moved = held + drives[12, side] * closure * pull
        close_lids(moved, {(43, side): drives[43, side] * smile}, side)
        return moved

    def _shapes(self, points: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """A frame's shape and the resting shape in its pose, (68, 2) in the face's own frame; its similarity (2, 3)."""
        to_pixels, turn = fit_head(self.rest, points)
        own = enforce_order(transform_points(points, invert(to_pixels)))
        return own, self.rest + DEPTH[:, None] * turn, to_pixels


class Calm(NamedTuple):
    """The calmest frame of a clip: ``image`` (H, W, 3) RGB uint8 and its points (68, 2) in pixels."""

    image: ByteImage
    points: FloatArray


def find_calm(clip: Clip, points: FloatArray) -> Calm | None:
    """The frame of a clip most like a face at rest; ``None`` when no frame has its points (N, 68, 2)."""
    known = np.flatnonzero(np.isfinite(points).all(axis=(1, 2)))
    if not len(known):
        return None
    best = int(min(known, key=lambda k: unrest(points[k])))
    with closing(iter_frames(clip, wanted={best})) as frames:
        return Calm(next(frames).image, points[best])


def hold_frames(
    clip: Clip, points: FloatArray, face: HeldFace, *, frames: int | None = None
) -> Iterator[tuple[ByteImage, FloatArray]]:
    """The clip's frames with one half held back, streaming.

    Args:
        clip: the recording.
        points: (N, 68, 2) pixels of its frames, NaN where the face is not seen; those frames stay as they are.
        face: whose, how much.
        frames: how many frames; all of them by default.

    Yields:
        (H, W, 3) RGB uint8 and the held points (68, 2), NaN where the face is not seen.
    """
    calm = find_calm(clip, points) if face.lost.any() else None
    with closing(iter_frames(clip)) as recorded:
        for frame in itertools.islice(recorded, len(points) if frames is None else min(frames, len(points))):
            own = points[frame.index]
            yield face.hold(frame.image, own, calm=calm) if np.isfinite(own).all() else (frame.image, own)


def held_truth(face: HeldFace, points: FloatArray, *, fps: float) -> dict[str, Any]:
    """What is known of a held clip, in the terms of ``clips.Truth.to_dict``; ``null`` with a reason for the rest.

    Args:
        face: the held face.
        points: (N, 68, 2) of the held frames.
        fps: frames per second of the written clip.
    """
    unknown, grade = "a recording does not tell what its person's muscles do", house_brackmann(face.lesion)
    return {
        "schema_version": TRUTH_SCHEMA,
        "weak_side": face.lesion.side,
        "weakness": {branch: float(face.lesion.weakness.get(branch, 0.0)) for branch in BRANCHES},
        "chronic": False,
        "synkinesis": misfires_of(face.lesion),
        "house_brackmann": grade,
        "severity": SEVERITY_LABELS[severity_of_grade(grade)],
        "fps": fps,
        "frames": len(points),
        "aus": list(ALL_AUS),
        "action_units": None,
        "action_units_reason": unknown,
        "movements": None,
        "movements_reason": unknown,
        "landmarks": [np.round(p, 2).tolist() if np.isfinite(p).all() else None for p in points],
        "region_outlines": [outlines_of(p) if np.isfinite(p).all() else None for p in points],
    }
