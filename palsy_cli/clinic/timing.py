"""How fast each side moves, and how long after the other it begins."""

from __future__ import annotations

import numpy as np

from palsy_cli.records import FloatArray, Movement

#: A movement has begun on a side once it has made the first share of its excursion there; its speed is the mean from
#: there to the second.
_BEGUN, _NEARLY = 0.2, 0.8
#: A side may begin so many seconds before the movement as a whole is seen, and needs so many frames to be timed.
_LEAD_S, _FEWEST = 0.2, 5
#: An excursion below this, in eye distances (0.6 mm), has neither direction nor speed, nor a beginning.
LEAST = 0.01


def time_course(times_s: FloatArray, moved: FloatArray, movement: Movement) -> tuple[FloatArray, FloatArray]:
    """Speed of each side and its delay after the side that begins first, (2,) each; NaN where there is none.

    Args:
        times_s: (N,) seconds.
        moved: (N, 2) how far each side has moved.
        movement: when.
    """
    span = (times_s >= movement.onset_s - _LEAD_S) & (times_s <= movement.peak_s)
    speeds, begun = np.full(2, np.nan), np.full(2, np.nan)
    for i, side in enumerate(moved.T):
        seen = np.isfinite(side)
        known, peak = span & seen, movement.peak[seen[movement.peak]]
        reached = float(np.median(side[peak])) if len(peak) else 0.0
        if reached < LEAST or known.sum() < _FEWEST:
            continue
        steady = _steadied(side[known])
        begun[i], nearly = (_crossing(times_s[known], steady, share * reached) for share in (_BEGUN, _NEARLY))
        if nearly > begun[i]:
            speeds[i] = (_NEARLY - _BEGUN) * reached / (nearly - begun[i])
    return speeds, begun - np.nanmin(begun) if np.isfinite(begun).any() else begun


def _steadied(course: FloatArray) -> FloatArray:
    """Means over three frames, which halve what landmarks tremble by."""
    padded = np.pad(course, 1, mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def _crossing(times_s: FloatArray, course: FloatArray, level: float) -> float:
    """When a course first rises through a level, between frames; NaN when it never does."""
    rises = np.flatnonzero((course[:-1] < level) & (course[1:] >= level))
    if not len(rises):
        return float("nan")
    i = int(rises[0])
    share = (level - course[i]) / (course[i + 1] - course[i])
    return float(times_s[i] + share * (times_s[i + 1] - times_s[i]))
