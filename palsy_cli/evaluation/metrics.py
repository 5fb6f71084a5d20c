"""Figures of agreement between what was found and what is true (NumPy; nothing here knows a network).

Intensities come as (N, A): N measurements of A channels, a figure for each channel; a pair with a NaN counts nowhere.
Classes are whole numbers (N,). What each figure is stands beside its sums: ``evaluation.moments`` for intensities,
``evaluation.counts`` for classes. Errors of points are in ``evaluation.point_errors``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats

from palsy_cli.evaluation import counts as of_counts
from palsy_cli.evaluation import moments
from palsy_cli.evaluation.counts import Labels, Weights, class_counts, presence_counts
from palsy_cli.evaluation.moments import mean_of_known, moment_sums
from palsy_cli.records import FloatArray

#: Draws that are counted at once while people are drawn anew; bounds the memory.
_DRAWS_AT_ONCE = 2_000_000


def pearson(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) correlation of each channel, -1..1; NaN where one of the two is constant."""
    return moments.pearson_of(moment_sums(found, truth)[0])


def intraclass(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) ICC(3,1), consistency of two raters (``moments.consistency_of``); NaN where neither varies."""
    return moments.consistency_of(moment_sums(found, truth)[0])


def intraclass_agreement(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) ICC(2,1), absolute agreement of two raters (``moments.agreement_of``); NaN where nothing varies."""
    return moments.agreement_of(moment_sums(found, truth)[0])


def concordance(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) Lin's concordance correlation (``moments.concordance_of``), -1..1."""
    return moments.concordance_of(moment_sums(found, truth)[0])


def absolute_error(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) mean absolute difference of each channel, in the channels' unit."""
    return moments.absolute_error_of(moment_sums(found, truth)[0])


def root_mean_square(found: FloatArray, truth: FloatArray) -> FloatArray:
    """(A,) root of the mean squared difference of each channel, in the channels' unit."""
    return moments.root_mean_square_of(moment_sums(found, truth)[0])


def rounded_accuracy(found: FloatArray, truth: FloatArray) -> float:
    """DEM's accuracy: share of all (measurement, channel) pairs that are equal, both rounded half up, 0..1."""
    return float(moments.rounded_accuracy_of(moments.over_channels(moment_sums(found, truth)[0])))


@dataclass(frozen=True)
class Agreement:
    """Limits of agreement, in the measurements' unit, each with its confidence interval.

    Attributes:
        bias: mean of found minus true.
        low, high: bias -/+ 1.96 standard deviations.
        bias_interval, low_interval, high_interval: for independent pairs; of many frames of a few people they are too
            narrow, and people must be drawn anew instead.
    """

    bias: float
    low: float
    high: float
    bias_interval: tuple[float, float]
    low_interval: tuple[float, float]
    high_interval: tuple[float, float]


def bland_altman(found: FloatArray, truth: FloatArray, *, level: float = 0.95) -> Agreement:
    """Bias and limits of agreement of two measurements (Bland and Altman 1986).

    The variance of a limit is ``s^2 (1/n + 1.96^2 / (2 (n - 1)))`` (Bland and Altman 1999); intervals after Student.

    Args:
        found: (N,) of one.
        truth: (N,) of the other; pairs with a NaN do not count.
        level: of the confidence intervals, 0..1.

    Returns:
        All NaN with fewer than two pairs.
    """
    sums = moment_sums(np.reshape(found, (-1, 1)), np.reshape(truth, (-1, 1)))[0, 0]
    n, bias, spread = float(sums[0]), float(moments.bias_of(sums)), float(moments.scatter_of(sums))
    if n < 2:
        unknown = (math.nan, math.nan)
        return Agreement(math.nan, math.nan, math.nan, unknown, unknown, unknown)
    reach = float(stats.t.ppf(0.5 + level / 2, n - 1)) * spread

    def around(middle: float, width: float) -> tuple[float, float]:
        return middle - width, middle + width

    low, high = around(bias, 1.96 * spread)
    of_limit = reach * math.sqrt(1 / n + 1.96**2 / (2 * (n - 1)))
    return Agreement(bias, low, high, around(bias, reach / math.sqrt(n)), around(low, of_limit), around(high, of_limit))


def presence_f1(probability: FloatArray, truth: FloatArray, *, threshold: float = 0.5) -> FloatArray:
    """(A,) F1 of each unit, 0..1, found from ``threshold`` on; NaN for one that never occurs and is never found.

    Args:
        probability: (N, A).
        truth: (N, A) 0 or 1, NaN where not coded.
        threshold: 0.5 in ALGRNet.
    """
    return of_counts.dice_of(presence_counts(probability, truth, threshold=threshold)[0])[:, 1]


def presence_accuracy(probability: FloatArray, truth: FloatArray, *, threshold: float = 0.5) -> FloatArray:
    """(A,) share of right answers of each unit, 0..1; NaN for one that was coded nowhere."""
    return of_counts.accuracy_of(presence_counts(probability, truth, threshold=threshold)[0])


def confusion(truth: Labels, found: Labels, *, classes: int) -> npt.NDArray[np.int64]:
    """(classes, classes) counts, true classes down, found ones across."""
    return np.asarray(_counted(truth, found, classes), np.int64)


def accuracy(truth: Labels, found: Labels, *, classes: int) -> float:
    """Share of right answers, 0..1; NaN without any measurement."""
    return float(of_counts.accuracy_of(_counted(truth, found, classes)))


def acc_ovr_macro(truth: Labels, found: Labels, *, classes: int) -> float:
    """Mean over all classes of one-against-rest accuracy, 0..1: the literal reading of CEN's formula (E24)."""
    return float(of_counts.one_against_rest_of(_counted(truth, found, classes)).mean())


def recall(truth: Labels, found: Labels, *, classes: int) -> FloatArray:
    """(classes,) recall, 0..1; see ``evaluation.counts`` for classes without a trace."""
    return of_counts.recall_of(_counted(truth, found, classes))


def precision(truth: Labels, found: Labels, *, classes: int) -> FloatArray:
    """(classes,) precision, 0..1, CEN's confidence; see ``evaluation.counts`` for classes without a trace."""
    return of_counts.precision_of(_counted(truth, found, classes))


def dice(truth: Labels, found: Labels, *, classes: int) -> FloatArray:
    """(classes,) Dice, which is F1, 0..1; NaN for classes that neither occur nor are found."""
    return of_counts.dice_of(_counted(truth, found, classes))


def macro_f1(truth: Labels, found: Labels, *, classes: int) -> float:
    """Mean over the classes that occur of 2 TP / (2 TP + FP + FN), 0..1; NaN without any measurement."""
    return float(mean_of_known(dice(truth, found, classes=classes)))


def within_one(truth: Labels, found: Labels) -> float:
    """Share of measurements at most one class off, 0..1."""
    return float((np.abs(np.asarray(truth) - np.asarray(found)) <= 1).mean())


def cohen_kappa(truth: Labels, found: Labels, *, classes: int, weights: Weights = "none") -> float:
    """Cohen's kappa (``counts.kappa_of``), at most 1; 0 is chance. NaN where both know one class only."""
    return float(of_counts.kappa_of(_counted(truth, found, classes), weights=weights))


def quadratic_kappa(truth: Labels, found: Labels, *, classes: int) -> float:
    """Cohen's kappa with quadratic weights."""
    return cohen_kappa(truth, found, classes=classes, weights="quadratic")


def _counted(truth: Labels, found: Labels, classes: int) -> FloatArray:
    return np.asarray(class_counts(truth, found, np.zeros(len(truth), np.int64), classes=classes, groups=1)[0])


def rows_by_group(groups: Sequence[int] | npt.NDArray[np.integer]) -> list[npt.NDArray[np.int64]]:
    """The rows of each group (a person, an episode), groups in ascending order."""
    values = np.asarray(groups)
    if not len(values):
        return []
    order = np.argsort(values, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(values[order])) + 1)


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
    rows = rows_by_group(groups)
    drawn = (one for some in _drawn_groups(len(rows), rounds=rounds, seed=seed) for one in some)
    low, high = _percentiles(np.array([figure(np.concatenate([rows[i] for i in round_])) for round_ in drawn]), level)
    return float(low), float(high)


def bootstrap_sums(
    sums: FloatArray,
    figure: Callable[[FloatArray], FloatArray],
    *,
    rounds: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[FloatArray, FloatArray]:
    """``bootstrap_interval`` for figures of sums that add up over people: the same draws, no look at a measurement.

    Args:
        sums: (G, ...) of each person.
        figure: (..., *shape of one person's sums) to (...) or (..., M): one figure, or M at once.
        rounds: resamplings.
        level: share of the rounds within the interval, 0..1.
        seed: of the resampling.

    Returns:
        Lower and upper ends, () or (M,); NaN where no round gave a number.
    """
    people = len(sums)
    flat = sums.reshape(people, -1)
    values = []
    for drawn in _drawn_groups(people, rounds=rounds, seed=seed):
        cells = drawn + people * np.arange(len(drawn))[:, None]
        times = np.bincount(cells.ravel(), minlength=cells.size).reshape(cells.shape)
        values.append(figure((times @ flat).reshape(len(drawn), *sums.shape[1:])))
    return _percentiles(np.concatenate(values), level)


def _drawn_groups(count: int, *, rounds: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    """(R, count) numbers of the groups that make up R resamplings, until all rounds are drawn."""
    rng = np.random.default_rng(seed)
    at_once = max(1, _DRAWS_AT_ONCE // max(1, count))
    for start in range(0, rounds, at_once):
        yield rng.integers(count, size=(min(at_once, rounds - start), count))


def _percentiles(values: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
    """Ends of the interval over the first axis; a value that is no number counts in no round."""
    tail = 50 * (1 - level)
    columns = values.reshape(len(values), -1)
    ends = np.full((2, columns.shape[1]), np.nan)
    for i, column in enumerate(columns.T):
        known = column[np.isfinite(column)]
        if len(known):
            ends[:, i] = np.percentile(known, [tail, 100 - tail])
    return ends[0].reshape(values.shape[1:]), ends[1].reshape(values.shape[1:])
