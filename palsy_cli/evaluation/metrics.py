"""Figures of agreement between what was found and what is true (NumPy; nothing here knows a network).

Intensities come as (N, A): N measurements of A channels, a figure for each channel. Classes are whole numbers (N,).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray

Labels = npt.NDArray[np.integer]


def pearson(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) correlation of each channel, -1..1; NaN where one of the two is constant."""
    a, b = found - found.mean(0), truth - truth.mean(0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0)))


def intraclass(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) ICC(3,1) of two raters: two-way mixed, consistency, single measurement (Shrout and Fleiss, case 3).

    ``(BMS - EMS) / (BMS + EMS)`` with the mean squares between targets and of the residual; NaN where neither varies.
    """
    both = np.stack([found, truth])
    targets, raters, whole = both.mean(0), both.mean(1, keepdims=True), both.mean((0, 1))
    between = 2 * ((targets - whole) ** 2).sum(0)
    residual = ((both - targets - raters + whole) ** 2).sum((0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((between - residual) / (between + residual))


def absolute_error(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) mean absolute difference of each channel, in the channels' unit."""
    return np.asarray(np.abs(found - truth).mean(0))


def confusion(truth: Labels, found: Labels, *, classes: int) -> npt.NDArray[np.int64]:
    """(classes, classes) counts, true classes down, found ones across."""
    pairs = np.asarray(truth, np.int64) * classes + np.asarray(found, np.int64)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def macro_f1(truth: Labels, found: Labels, *, classes: int) -> float:
    """Mean over the classes that occur of 2 TP / (2 TP + FP + FN), 0..1; NaN without any measurement."""
    counts = confusion(truth, found, classes=classes)
    either = counts.sum(0) + counts.sum(1)
    seen = either > 0
    return float((2 * np.diag(counts)[seen] / either[seen]).mean()) if seen.any() else float("nan")


def within_one(truth: Labels, found: Labels) -> float:
    """Share of measurements at most one class off, 0..1."""
    return float((np.abs(np.asarray(truth) - np.asarray(found)) <= 1).mean())


def quadratic_kappa(truth: Labels, found: Labels, *, classes: int) -> float:
    """Cohen's kappa with quadratic weights, at most 1; 0 is chance. NaN where either side knows one class only."""
    counts = confusion(truth, found, classes=classes).astype(float)
    away = np.subtract.outer(np.arange(classes), np.arange(classes)) ** 2
    expected = np.outer(counts.sum(1), counts.sum(0)) / counts.sum()
    disagreement = float((away * expected).sum())
    return 1 - float((away * counts).sum()) / disagreement if disagreement else float("nan")


def rows_by_group(groups: Sequence[int] | npt.NDArray[np.integer]) -> list[npt.NDArray[np.int64]]:
    """The rows of each group (a person, an episode), groups in ascending order."""
    names, own = np.unique(np.asarray(groups), return_inverse=True)
    return [np.flatnonzero(own == i) for i in range(len(names))]


def bootstrap_interval(
    figure: Callable[[npt.NDArray[np.int64]], float],
    groups: Sequence[int] | npt.NDArray[np.integer],
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a figure when people, not measurements, are drawn anew.

    Args:
        figure: takes rows, gives a number; NaN counts in no round.
        groups: (N,) the person of each row.
        rounds: resamplings.
        level: share of the rounds within the interval, 0..1.
        seed: of the resampling.

    Returns:
        Lower and upper end; both NaN when no round gave a number.
    """
    rng = np.random.default_rng(seed)
    rows = rows_by_group(groups)
    values = [figure(np.concatenate([rows[i] for i in rng.integers(len(rows), size=len(rows))])) for _ in range(rounds)]
    known = np.array([value for value in values if np.isfinite(value)])
    if not len(known):
        return float("nan"), float("nan")
    tail = 50 * (1 - level)
    low, high = np.percentile(known, [tail, 100 - tail])
    return float(low), float(high)
