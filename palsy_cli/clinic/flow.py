"""Where the skin under each point of the resting face has gone, by dense optical flow from that face to others.

The 68 points are found in each frame anew, by a network that has seen more faces at rest than at their extremes: it
takes back half of a movement and lends one side some of the other's (``docs/benchmarks/2026-11-22-measures.md``). What
the skin shows moves with the skin. So the points of a resting face are followed into others.

Limits: what comes into view or vanishes cannot be followed; lids are not, see ``examine``.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from palsy_cli.records import ByteImage, FloatArray

#: Dense inverse search (Kroeger et al., ECCV 2016) down to single pixels; smoothing afterwards changes nothing here.
_FINEST_SCALE, _STEPS, _PATCH, _STRIDE, _SMOOTHINGS = 0, 12, 8, 5, 0


def follow(rest: ByteImage, points: FloatArray, faces: ByteImage) -> FloatArray:
    """Follow points from one face into others, twice: in the pictures and in their mirror images.

    So left and right are treated alike, and where both differ neither can be trusted: a patch that has vanished, as
    that of a mouth's corner which opens, is found here and there.

    Args:
        rest: (S, S) grey crop.
        points: (68, 2) pixels in it.
        faces: (M, S, S) grey crops of the same person, framed alike.

    Returns:
        (2, M, 68, 2) pixels in each, once by the pictures and once by their mirror images.
    """
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # how a picture is shared out among threads changes the flow
    try:
        with ThreadPoolExecutor(max(1, threads)) as pool:
            moved = list(pool.map(lambda other: _moved(rest, other, points), faces))
    finally:
        cv2.setNumThreads(threads)
    return np.asarray(points + np.reshape(moved, (-1, 2, 68, 2)).swapaxes(0, 1))


def _moved(first: ByteImage, other: ByteImage, points: FloatArray) -> FloatArray:
    """(2, 68, 2) displacement of points from one grey picture to another, by the pictures and their mirror images."""
    plain = _sample(_flow(first, other), points)
    mirrored_points = (first.shape[1] - 1 - points[:, 0], points[:, 1])
    flipped = _flow(np.asarray(cv2.flip(first, 1), np.uint8), np.asarray(cv2.flip(other, 1), np.uint8))
    mirrored = _sample(flipped, np.column_stack(mirrored_points)) * (-1.0, 1.0)
    return np.stack([plain, mirrored])


def _flow(first: ByteImage, other: ByteImage) -> FloatArray:
    """(S, S, 2) displacement of every pixel."""
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    search.setFinestScale(_FINEST_SCALE)
    search.setGradientDescentIterations(_STEPS)
    search.setPatchSize(_PATCH)
    search.setPatchStride(_STRIDE)
    search.setVariationalRefinementIterations(_SMOOTHINGS)
    return np.asarray(search.calc(first, other, None))


def _sample(flow: FloatArray, points: FloatArray) -> FloatArray:
    """(68, 2) the flow at points between pixels, at the border outside."""
    places = points.astype(np.float32)
    moved = cv2.remap(flow, places[:, :1], places[:, 1:], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved[:, 0], np.float64)
