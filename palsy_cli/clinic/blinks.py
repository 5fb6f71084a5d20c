"""Blinks: how many a minute, and how far each eye goes.

A blink is a closure that is over within half a second, outside the movements on request. Lids are those of the points,
which show a short blink less deep than it is; a blink counts from where either eye has lost a third of its opening.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.samples import Sampled
from palsy_cli.records import FloatArray, Measure, Movement

#: An eye has begun to blink with the first share of its opening lost, and has blinked with the second.
_BEGUN, _DEEP = 0.15, 0.33
#: Seconds: the longest blink, what is watched at least before a rate is told, the margin around movements.
_LONGEST_S, _WATCHED_S, _MARGIN_S = 0.5, 10.0, 0.3
#: Frames a second below which a blink may fall between two frames.
_LEAST_FPS = 12.0


def find_blinks(
    times_s: FloatArray, fissure: FloatArray, rest: FloatArray, movements: Sequence[Movement]
) -> tuple[Measure, Sampled]:
    """Rate, and the share of its opening that each eye closes by, as ``rest`` measures.

    Args:
        times_s: (N,) seconds.
        fissure: (N, 2) palpebral fissure of the left and right eye; NaN where it is not seen.
        rest: (2,) the same of the resting face.
        movements: what was done on request, which is no blink.
    """
    watched = _outside(times_s, movements) & np.isfinite(fissure).all(1)
    steps = np.diff(times_s, append=times_s[-1:])
    seconds = float(np.minimum(steps, 1.0)[watched].sum())
    why_not = _why_not(times_s, rest, seconds)
    if why_not is not None:
        nothing = Sampled("blink_closure", "rest", (np.zeros((0, 2)),), (np.arange(0),), why_not)
        return Measure("blink_rate", "rest", reason=why_not), nothing
    lost = np.where(watched[:, None], 1.0 - fissure / rest, np.nan)
    deepest = np.array([lost[span].max(0) for span in _spans(times_s, lost)]).reshape(-1, 2)
    rate = Measure("blink_rate", "rest", middle=60.0 * len(deepest) / seconds, frames=int(watched.sum()))
    closed = np.clip(deepest, 0.0, 1.0)
    return rate, Sampled("blink_closure", "rest", (closed,), (np.arange(len(closed)),), "no blink was seen")


def _outside(times_s: FloatArray, movements: Sequence[Movement]) -> npt.NDArray[np.bool_]:
    """(N,) True where nothing is done on request."""
    outside = np.ones(len(times_s), bool)
    for one in movements:
        outside &= (times_s < one.onset_s - _MARGIN_S) | (times_s > one.offset_s + _MARGIN_S)
    return outside


def _why_not(times_s: FloatArray, rest: FloatArray, seconds: float) -> str | None:
    """Why blinks are not counted."""
    if not (rest > 0).all():
        return "an eye is closed at rest"
    if len(times_s) < 2 or 1.0 / float(np.median(np.diff(times_s))) < _LEAST_FPS:
        return f"fewer than {_LEAST_FPS:.0f} frames a second: blinks may be missed"
    if seconds < _WATCHED_S:
        return f"only {seconds:.0f} s are seen between the movements; {_WATCHED_S:.0f} are needed"
    return None


def _spans(times_s: FloatArray, lost: FloatArray) -> Iterator[slice]:
    """The frames of each blink: both eyes are open before and after it."""
    most = lost.max(1)
    begun = np.concatenate([[False], most > _BEGUN, [False]])
    edges = np.flatnonzero(np.diff(begun.astype(np.int8)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if start == 0 or stop == len(most) or not np.isfinite(most[[start - 1, stop]]).all():
            continue
        if times_s[stop] - times_s[start - 1] <= _LONGEST_S + 2 * _step(times_s) and most[start:stop].max() >= _DEEP:
            yield slice(int(start), int(stop))


def _step(times_s: FloatArray) -> float:
    return float(np.median(np.diff(times_s)))
