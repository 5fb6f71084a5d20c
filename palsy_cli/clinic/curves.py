"""Distances, angles and areas of each side of the face, in every frame.

Each is written once, for a side seen as if it were the patient's left: x is lateral, points are numbered as
there. What Emotrics measures in one photograph is measured here in all frames; where it is known to err we differ
(heights are measured on the face's own axes, so that a tilted head changes nothing).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from palsy_cli.clinic.face_frame import per_frame
from palsy_cli.points import MIRROR_68
from palsy_cli.records import SIDES, FloatArray, Side

_CORNER, _ALA = 54, 35
_BROW, _UPPER_LID, _LOWER_LID = (22, 23, 24, 25, 26), (42, 43, 44, 45), (42, 47, 46, 45)
_OUTER_UPPER, _OUTER_LOWER = (51, 52, 53, 54), (57, 56, 55, 54)
_INNER_UPPER, _INNER_LOWER = (62, 63, 64), (66, 65, 64)
_HALF_MOUTH = (51, 52, 53, 54, 55, 56, 57)


def side_points(points: FloatArray, side: Side) -> FloatArray:
    """Points (N, 68, 2) of the face seen from one side as if it were the left: x lateral, left numbers."""
    if side == "left":
        return points
    return np.asarray(points[:, MIRROR_68] * (-1.0, 1.0))


def height_at(points: FloatArray, line: Sequence[int], x: FloatArray) -> FloatArray:
    """(N,) height of the line through some points, ordered from medial to lateral, at places x (N,).

    Beyond its ends the line goes on level.
    """
    height = points[:, line[0], 1].copy()
    for start, stop in zip(line, line[1:], strict=False):
        (x0, y0), (x1, y1) = points[:, start].T, points[:, stop].T
        width = np.where(x1 > x0, x1 - x0, 1.0)
        share = np.clip((x - x0) / width, 0.0, 1.0)
        height = np.where(x > x0, y0 + share * (y1 - y0), height)
    return height


def eye_centre(points: FloatArray) -> FloatArray:
    """(N, 2) middle of the canthi; the pupil lies there when a patient looks straight ahead."""
    return np.asarray(points[:, [42, 45]].mean(1))


def _brow_height(points: FloatArray) -> FloatArray:
    eye = eye_centre(points)
    return height_at(points, _BROW, eye[:, 0]) - eye[:, 1]


def _upper_lid(points: FloatArray) -> FloatArray:
    eye = eye_centre(points)
    return height_at(points, _UPPER_LID, eye[:, 0]) - eye[:, 1]


def _lower_lid(points: FloatArray) -> FloatArray:
    eye = eye_centre(points)
    return eye[:, 1] - height_at(points, _LOWER_LID, eye[:, 0])


def _fissure(points: FloatArray) -> FloatArray:
    gaps = points[:, [43, 44], 1] - points[:, [47, 46], 1]
    return np.asarray(np.maximum(gaps.mean(1), 0.0))


def _commissure_width(points: FloatArray) -> FloatArray:
    return points[:, _CORNER, 0]


def _commissure_height(points: FloatArray) -> FloatArray:
    return points[:, _CORNER, 1]


def _mid_lip(points: FloatArray, line: Sequence[int]) -> FloatArray:
    """(N,) height of a lip's line halfway between the mouth's middle and its corner."""
    middle = points[:, [51, 57], 0].mean(1)
    return height_at(points, line, (middle + points[:, _CORNER, 0]) / 2)


def _commissure_position(points: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(points[:, _CORNER] - points[:, 57], axis=1))


def _upper_lip(points: FloatArray) -> FloatArray:
    return _mid_lip(points, _OUTER_UPPER)


def _lower_lip(points: FloatArray) -> FloatArray:
    return _mid_lip(points, _OUTER_LOWER)


def _dental_show(points: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(_mid_lip(points, _INNER_UPPER) - _mid_lip(points, _INNER_LOWER), 0.0))


def _alar_height(points: FloatArray) -> FloatArray:
    return points[:, _ALA, 1]


def _mouth_area(points: FloatArray) -> FloatArray:
    x, y = points[:, _HALF_MOUTH, 0], points[:, _HALF_MOUTH, 1]
    following = np.roll(x, -1, 1), np.roll(y, -1, 1)
    return np.asarray(np.abs((x * following[1] - following[0] * y).sum(1)) / 2)


#: By the names of ``definitions``: points of one side (N, 68, 2), seen as the left, to (N,) eye distances, or squares.
CURVES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "brow_height": _brow_height,
    "mrd1": _upper_lid,
    "mrd2": _lower_lid,
    "fissure": _fissure,
    "commissure_width": _commissure_width,
    "commissure_height": _commissure_height,
    "commissure_position": _commissure_position,
    "upper_lip_height": _upper_lip,
    "lower_lip_height": _lower_lip,
    "dental_show": _dental_show,
    "alar_height": _alar_height,
    "mouth_area": _mouth_area,
}


def philtrum_deviation(points: FloatArray) -> FloatArray:
    """(N,) how far the upper lip's middle lies from the line midway between the eyes, towards the patient's left."""
    return points[:, 51, 0]


def measure(points: FloatArray) -> dict[str, FloatArray]:
    """Every curve: name -> (N, 2) of the left and the right, in eye distances (areas: squares); NaN where left out."""
    found = per_frame(_measure, points)
    return {name: found[:, :, column] for column, name in enumerate(CURVES)}


def _measure(points: FloatArray) -> FloatArray:
    """(N, 2, curves)."""
    seen = [side_points(points.astype(np.float64), side) for side in SIDES]
    return np.stack([np.stack([curve(side) for side in seen], axis=1) for curve in CURVES.values()], axis=2)
