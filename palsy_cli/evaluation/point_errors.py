"""Errors of the 68 points, each image by itself (NumPy).

A point that was not marked (NaN in the truth) counts nowhere. An image without an answer for one of its marked points
has no error (NaN): it is counted as a failure and never left out in silence. Errors are shares, 0.05 being 5 %.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray

#: Points of each region, iBUG order.
REGIONS_68: dict[str, tuple[int, ...]] = {
    "brows": tuple(range(17, 27)),
    "eyes": tuple(range(36, 48)),
    "nose": tuple(range(27, 36)),
    "mouth": tuple(range(48, 68)),
    "jaw": tuple(range(17)),
}
#: The outer eye corners, between which 300-W measures a face.
_EYE_CORNERS = (36, 45)
#: An image has failed above this share of the interocular distance (300-W).
FAILURE = 0.08


def distances(found: FloatArray, true: FloatArray) -> FloatArray:
    """(N, 68) pixels between found and marked points; NaN where a point was not marked or not found."""
    return np.asarray(np.hypot(*np.moveaxis(found - true, -1, 0)))


def box_scale(true: FloatArray) -> FloatArray:
    """(N,) ``sqrt(w h)`` of the tight box around the marked points, pixels; NaN where that has no area."""
    known = np.isfinite(true)
    least, most = np.where(known, true, np.inf).min(1), np.where(known, true, -np.inf).max(1)
    width, height = np.where(known.any(1), most - least, 0).T
    area = width * height
    return np.where(area > 0, np.sqrt(np.where(area > 0, area, 1)), np.nan)


def interocular(true: FloatArray) -> FloatArray:
    """(N,) pixels between the outer eye corners; NaN where one was not marked or both are the same."""
    apart = np.hypot(*(true[:, _EYE_CORNERS[0]] - true[:, _EYE_CORNERS[1]]).T)
    return np.where(apart > 0, apart, np.nan)


def nme_mean(found: FloatArray, true: FloatArray) -> FloatArray:
    """(N,) mean distance over the marked points by ``box_scale``: the usual normalised error."""
    return _mean_distance(found, true) / box_scale(true)


def nme_frobenius(found: FloatArray, true: FloatArray) -> FloatArray:
    """(N,) root of the *sum* of squared distances by ``box_scale``: AFLFP's eq. 3 as written, in its tables (E5).

    Sixty-eight equal distances give ``sqrt(68)`` times ``nme_mean``. Where fewer points were marked, the sum is scaled
    up to 68, so that images stay comparable.
    """
    squares, count = np.nansum(distances(found, true) ** 2, 1), _marked(true).sum(1)
    whole = np.sqrt(squares * 68 / np.maximum(count, 1)) / box_scale(true)
    return np.where(answered(found, true), whole, np.nan)


def nme_interocular(found: FloatArray, true: FloatArray) -> FloatArray:
    """(N,) mean distance over the marked points by the distance between the outer eye corners (300-W)."""
    return _mean_distance(found, true) / interocular(true)


def nme_of_regions(found: FloatArray, true: FloatArray) -> dict[str, FloatArray]:
    """Each of ``REGIONS_68``: (N,) mean distance over its marked points by ``box_scale`` of the whole face."""
    scale = box_scale(true)
    return {
        name: _mean_distance(found[:, list(points)], true[:, list(points)]) / scale
        for name, points in REGIONS_68.items()
    }


def failure_rate(errors: FloatArray, measurable: npt.NDArray[np.bool_], *, limit: float = FAILURE) -> float:
    """Share of the measurable images whose error is above ``limit`` or that were not answered; NaN without any.

    Args:
        errors: (N,) of one of the functions above.
        measurable: (N,) where the truth allows that error (``interocular(true)`` is finite, say).
        limit: as a share.
    """
    failed = ~(errors <= limit)
    return float(failed[measurable].mean()) if measurable.any() else float("nan")


def answered(found: FloatArray, true: FloatArray) -> npt.NDArray[np.bool_]:
    """(N,) whether something was marked and every marked point was found."""
    marked = _marked(true)
    return np.asarray(marked.any(1) & (np.isfinite(found).all(-1) | ~marked).all(1))


def _marked(true: FloatArray) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isfinite(true).all(-1))


def _mean_distance(found: FloatArray, true: FloatArray) -> FloatArray:
    whole = np.nansum(distances(found, true), 1) / np.maximum(_marked(true).sum(1), 1)
    return np.where(answered(found, true), whole, np.nan)
