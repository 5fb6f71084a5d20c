"""The 68 points as they lie on the face: what the head does and how near it is are taken out.

Coordinates of the face: origin midway between the eyes, x towards the patient's left, y up, the unit one eye distance
(from the middle of one eye's canthi to that of the other's) at rest. Face and picture are held together by what moves
least with expression, the four canthi and the root of the nose.

Limits: a turn of the head foreshortens one side. Frames in which the nose tip leaves its resting place between the eyes
by more than ``max_head_turn`` are left out; within that, a mouth corner may err by half a millimetre.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray, require_shape

#: Points that hold face and picture together: canthi and the root of the nose.
STABLE: tuple[int, ...] = (27, 36, 39, 42, 45)
RIGHT_EYE, LEFT_EYE, NOSE_TIP = (36, 39), (42, 45), 30
#: Frames that are worked on at a time.
CHUNK = 4096


@dataclass(frozen=True)
class FacePoints:
    """The points of N frames in coordinates of the face.

    Attributes:
        times_s: (N,) seconds.
        points: (N, 68, 2) eye distances, x towards the patient's left, y up; NaN in frames that are left out.
        unit_px: (N,) pixels of an eye distance in that frame.
        rest: (68, 2) the face at rest.
        turned: (N,) True where the frame was left out because of the head's turn.
    """

    times_s: FloatArray
    points: FloatArray
    unit_px: FloatArray
    rest: FloatArray
    turned: npt.NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.times_s)
        require_shape("FacePoints.points", self.points, (n, 68, 2))
        require_shape("FacePoints.unit_px", self.unit_px, (n,))
        require_shape("FacePoints.rest", self.rest, (68, 2))
        require_shape("FacePoints.turned", self.turned, (n,))


def lay_on_face(
    points: FloatArray, times_s: FloatArray, at_rest: npt.NDArray[np.bool_], *, max_head_turn: float
) -> FacePoints | None:
    """Bring the points of a video into coordinates of the face.

    Args:
        points: (N, 68, 2) pixels of the upright, unmirrored picture; NaN where not measured.
        times_s: (N,) seconds.
        at_rest: (N,) True in frames that show the face at rest.
        max_head_turn: how far the nose tip may leave its resting place, in eye distances.

    Returns:
        ``None`` when no frame at rest has points.
    """
    seen = np.isfinite(points).all((1, 2))
    if not (seen & at_rest).any():
        return None
    rest = _resting_shape(_plane(points[seen & at_rest]))
    laid, unit_px = np.empty(points.shape, np.float32), np.empty(len(points))
    for start in range(0, len(points), CHUNK):
        own = slice(start, start + CHUNK)
        plane, unit_px[own] = _fit(_plane(points[own]), rest)
        laid[own] = _pairs(plane)
    away = np.linalg.norm(laid[:, NOSE_TIP] - _pairs(rest[NOSE_TIP]), axis=1)
    turned = np.asarray(seen & (away > max_head_turn))
    laid[turned] = np.nan
    return FacePoints(times_s, laid, unit_px, _pairs(rest), turned)


def carry(shape: FloatArray, points: FloatArray, weights: FloatArray) -> FloatArray:
    """Where a face (68, 2) goes that is turned, shifted and scaled onto each of others (N, 68, 2), in their pixels.

    By least squares with weights (N, 68), none below 0 and of each face more than one above.
    """
    one = _plane(shape)
    factor, start, end = _similarity(one, _plane(points), weights)
    return _pairs(((one - start) * factor + end).conj())


def per_frame(function: Callable[[FloatArray], FloatArray], points: FloatArray) -> FloatArray:
    """``function`` of points (N, 68, 2), some frames at a time: a video may be an hour long."""
    parts = [function(points[start : start + CHUNK]) for start in range(0, len(points), CHUNK)]
    return np.concatenate(parts) if parts else function(points)


def _plane(points: FloatArray) -> npt.NDArray[np.complex128]:
    """Points (..., 2) as complex numbers (...), y up."""
    return points[..., 0] - 1j * points[..., 1]


def _resting_shape(plane: npt.NDArray[np.complex128]) -> npt.NDArray[np.complex128]:
    """(68,) median of faces (M, 68), each with its eyes at -1/2 and 1/2."""
    right, left = plane[:, RIGHT_EYE].mean(1, keepdims=True), plane[:, LEFT_EYE].mean(1, keepdims=True)
    level = (plane - (right + left) / 2) / (left - right)
    return np.asarray(np.median(level.real, axis=0) + 1j * np.median(level.imag, axis=0))


def _fit(
    plane: npt.NDArray[np.complex128], rest: npt.NDArray[np.complex128]
) -> tuple[npt.NDArray[np.complex128], FloatArray]:
    """Turn, shift and scale each face (N, 68) so that its stable points lie on those of the rest, by least squares."""
    with np.errstate(invalid="ignore"):  # frames without points
        factor, start, end = _similarity(plane[:, STABLE], rest[list(STABLE)], np.ones(len(STABLE)))
    return (plane - start) * factor + end, 1.0 / np.abs(factor[:, 0])


def _similarity(
    source: npt.NDArray[np.complex128], goal: npt.NDArray[np.complex128], weights: FloatArray
) -> tuple[npt.NDArray[np.complex128], npt.NDArray[np.complex128], npt.NDArray[np.complex128]]:
    """What lays points (..., P) on others as ``(z - start) * factor + end``, each (..., 1), by least squares."""
    whole = weights.sum(-1, keepdims=True)
    start, end = ((weights * plane).sum(-1, keepdims=True) / whole for plane in (source, goal))
    arms = weights * (source - start).conj()
    factor = (arms * (goal - end)).sum(-1, keepdims=True)
    return factor / (weights * np.abs(source - start) ** 2).sum(-1, keepdims=True), start, end


def _pairs(plane: npt.NDArray[np.complex128]) -> FloatArray:
    """Complex numbers (...) as pairs (..., 2)."""
    return np.stack([plane.real, plane.imag], axis=-1)
