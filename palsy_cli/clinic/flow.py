"""Where the skin under each point of the resting face has gone, by dense optical flow from that face to others.

The 68 points are found in each frame anew, by a network that has seen more faces at rest than at their extremes: it
takes back half of a movement and lends one side some of the other's (``docs/benchmarks/2026-11-22-measures.md``). What
the skin shows moves with the skin. So the points of a resting face are followed into others.

What comes into view or vanishes cannot be followed, as lids that close. Lids are not (see ``skin``); elsewhere each way
comes with how far it may be trusted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.points import eye_distance
from palsy_cli.records import ByteImage, FloatArray

#: Dense inverse search (Kroeger et al., ECCV 2016) down to single pixels; smoothing afterwards changes nothing here.
_FINEST_SCALE, _STEPS, _PATCH, _STRIDE, _SMOOTHINGS = 0, 12, 8, 5, 0
#: How far around a point the search begins with the way of that point, in eye distances; pixels between those for which
#: that is worked out.
_REACH, _COARSE_PX = 0.15, 4
#: Ways by the pictures and by their mirror images that differ by so much, in eye distances (five millimetres), are half
#: trusted; how suddenly trust is lost.
_APART, _STEEPNESS = 0.08, 4
#: How alike what is around a point must look before and after: below the first not trusted, from the second on wholly.
_UNLIKE, _ALIKE = 0.2, 0.5
#: Pixels around a point that are compared, and grey levels that are noise.
_AROUND_PX, _NOISE = 8, 4.0


@dataclass(frozen=True)
class Followed:
    """Where points have gone in M faces.

    Attributes:
        points: (M, 68, 2) pixels.
        trust: (M, 68) 0..1, how far what was found can be what was looked for.
    """

    points: FloatArray
    trust: FloatArray


def follow(rest: ByteImage, points: FloatArray, faces: ByteImage, begin: FloatArray | None = None) -> Followed:
    """Follow points from one face into others.

    Each face is followed together with its mirror image, so that left and right are treated alike. A point is trusted
    where both find it in one place and where it looks there as it did before.

    Args:
        rest: (S, S) grey crop.
        points: (68, 2) pixels in it.
        faces: (M, S, S) grey crops of the same person, framed alike.
        begin: (M, 68, 2) where in each of these the search for the points begins, as far as they are known; else where
            they were. What went far at once (a mouth's corner that opens over teeth) is found from half of the way.
    """
    spread = _Spread(points, rest.shape[0])

    def one(other: ByteImage, ways: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        return _follow(rest, other, points, None if ways is None else spread(ways))

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # how a picture is shared out among threads changes the flow
    try:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            found = list(pool.map(one, faces, [None] * len(faces) if begin is None else begin - points))
    finally:
        cv2.setNumThreads(threads)
    return Followed(np.stack([own for own, _ in found]), np.stack([trust for _, trust in found]))


class _Spread:
    """What points do, spread over the picture: everywhere the mean of the ways of those around."""

    def __init__(self, points: FloatArray, side: int) -> None:
        """Take the points (68, 2), and the side of their picture, in pixels."""
        middles = np.arange(0, side, _COARSE_PX) + (_COARSE_PX - 1) / 2
        x, y = np.meshgrid(middles, middles)
        apart = np.linalg.norm(np.stack([x, y], axis=-1)[:, :, None] - points, axis=-1)
        nearest = apart.min(-1, keepdims=True)  # however far that is, it counts
        weights = np.exp(0.5 * (nearest**2 - apart**2) / (_REACH * eye_distance(points)) ** 2)
        self._weights, self._side = weights / weights.sum(-1, keepdims=True), side

    def __call__(self, ways: FloatArray) -> FloatArray:
        """(S, S, 2) displacement of every pixel, by those of the points (68, 2)."""
        coarse = (self._weights @ ways).astype(np.float32)
        return np.asarray(cv2.resize(coarse, (self._side, self._side), interpolation=cv2.INTER_LINEAR))


def _follow(
    first: ByteImage, other: ByteImage, points: FloatArray, near: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """(68, 2) where points of one grey picture are in another, by the pictures and their mirror images; (68,) trust."""
    plain = _sample(_flow(first, other, near), points)
    mirrored_points = (first.shape[1] - 1 - points[:, 0], points[:, 1])
    mirrored_near = None if near is None else _mirror(near) * np.array((-1.0, 1.0), np.float32)
    flipped = _flow(_mirror(first), _mirror(other), mirrored_near)
    mirrored = _sample(flipped, np.column_stack(mirrored_points)) * (-1.0, 1.0)
    found = points + (plain + mirrored) / 2
    apart = np.linalg.norm(plain - mirrored, axis=1) / eye_distance(points)
    alike = np.clip((_likeness(first, other, points, found) - _UNLIKE) / (_ALIKE - _UNLIKE), 0.0, 1.0)
    return found, fade(alike, apart, half=_APART, steepness=_STEEPNESS)


def _mirror(picture: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Left and right of (S, S, ...) exchanged."""
    return np.ascontiguousarray(picture[:, ::-1])


def fade(trust: FloatArray | float, apart: FloatArray, *, half: float, steepness: int) -> FloatArray:
    """What is left of trust in something that lies so far from where it should: half of it at ``half``."""
    return np.asarray(trust / (1.0 + (apart / half) ** steepness))


def _likeness(first: ByteImage, other: ByteImage, points: FloatArray, found: FloatArray) -> FloatArray:
    """(68,) correlation (-1..1) of what lies around points of two pictures; 1 where both are even."""
    one, two = _around(first, points), _around(other, found)
    noise = _NOISE**2 * one.shape[1]
    together, apart = (one * two).sum(1), np.sqrt((one**2).sum(1) * (two**2).sum(1))
    return np.asarray((together + noise) / (apart + noise))


def _around(picture: ByteImage, points: FloatArray) -> FloatArray:
    """(68, P) the pixels around each point, less their mean."""
    steps = np.arange(-_AROUND_PX, _AROUND_PX + 1)
    x, y = (points[:, None, None, :] + np.stack(np.meshgrid(steps, steps), axis=-1)).reshape(68, -1, 2).T
    found = cv2.remap(
        picture, x.T.astype(np.float32), y.T.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float64)
    return np.asarray(found - found.mean(1, keepdims=True))


def _flow(first: ByteImage, other: ByteImage, near: FloatArray | None) -> FloatArray:
    """(S, S, 2) displacement of every pixel, looked for near one (S, S, 2) that is overwritten."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(_FINEST_SCALE)
    search.setGradientDescentIterations(_STEPS)
    search.setPatchSize(_PATCH)
    search.setPatchStride(_STRIDE)
    search.setVariationalRefinementIterations(_SMOOTHINGS)
    return np.asarray(search.calc(first, other, near))


def _sample(flow: FloatArray, points: FloatArray) -> FloatArray:
    """(68, 2) the flow at points between pixels, at the border outside."""
    places = points.astype(np.float32)
    moved = cv2.remap(flow, places[:, :1], places[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved[:, 0], np.float64)
