"""Agreement of intensities, from sums that add up over people (NumPy).

Each figure of agreement needs no more than ten sums of every channel. Sums of people add up, so a figure of people
drawn anew costs no second look at the measurements: a thousand rounds over a hundred thousand frames take a moment.

A pair of which either value is missing (NaN) counts nowhere. All figures accept sums (..., 10) and give (...).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray

#: What is added up: pairs; found x and true y, each less its channel's mean; their squares and product; the difference
#: d = found - true, its square and its size; pairs in which the found value rounds to the true one.
SUMS: tuple[str, ...] = ("n", "x", "y", "xx", "yy", "xy", "d", "dd", "away", "hits")
_N, _X, _Y, _XX, _YY, _XY, _D, _DD, _AWAY, _HITS = range(len(SUMS))
#: Less than this share of the sum of squares is no variation but rounding.
_ROUNDING = 1e-12


def sum_by_group(values: FloatArray, own: npt.NDArray[np.integer], *, groups: int) -> FloatArray:
    """(G, ...) sums of the rows of each group.

    Args:
        values: (N, ...).
        own: (N,) the group of each row, 0..groups - 1.
        groups: how many there are; one without rows gets zeros.
    """
    sums = np.zeros((groups, *values.shape[1:]))
    if len(values):
        order = np.argsort(own, kind="stable")
        present, starts = np.unique(own[order], return_index=True)
        sums[present] = np.add.reduceat(values[order], starts, axis=0)
    return sums


def moment_sums(
    found: FloatArray, truth: FloatArray, own: npt.NDArray[np.integer] | None = None, *, groups: int = 1
) -> FloatArray:
    """(G, A, 10) ``SUMS`` of every group and channel.

    Args:
        found: (N, A).
        truth: (N, A).
        own: (N,) the group of each row, 0..groups - 1; ``None`` is one group.
        groups: how many there are.
    """
    own = np.zeros(len(found), np.int64) if own is None else own
    known = np.isfinite(found) & np.isfinite(truth)
    x, y = np.where(known, found, 0.0), np.where(known, truth, 0.0)
    a, b = _centred(x, known), _centred(y, known)
    d = x - y
    hits = known & (np.floor(x + 0.5) == np.floor(y + 0.5))
    columns = (known, a, b, a * a, b * b, a * b, d, d * d, np.abs(d), hits)
    return np.stack([sum_by_group(np.asarray(column, float), own, groups=groups) for column in columns], axis=-1)


def _centred(values: FloatArray, known: npt.NDArray[np.bool_]) -> FloatArray:
    """Known values less their channel's mean, zeros elsewhere; a constant channel becomes exactly zero."""
    if not len(values):
        return values
    least = np.where(known, values, np.inf).min(0)
    most = np.where(known, values, -np.inf).max(0)
    mean = values.sum(0) / np.maximum(known.sum(0), 1)
    middle = np.clip(mean, np.where(known.any(0), least, 0), np.where(known.any(0), most, 0))
    return np.where(known, values - middle, 0.0)


def pearson_of(sums: FloatArray) -> FloatArray:
    """Pearson's correlation, -1..1; NaN where one of the two is constant."""
    return _ratio(_joint(sums), np.sqrt(_spread(sums, _XX, _X) * _spread(sums, _YY, _Y)))


def consistency_of(sums: FloatArray) -> FloatArray:
    """ICC(3,1) of two raters: two-way mixed, consistency, single measurement (Shrout and Fleiss 1979, case 3).

    ``(BMS - EMS) / (BMS + EMS)`` with the mean squares between targets and of the residual; NaN where neither varies.
    """
    return _ratio(2 * _joint(sums), _spread(sums, _XX, _X) + _spread(sums, _YY, _Y))


def agreement_of(sums: FloatArray) -> FloatArray:
    """ICC(2,1) of two raters: two-way random, absolute agreement, single measurement (Shrout and Fleiss 1979, case 2).

    ``(BMS - EMS) / (BMS + EMS + 2 (JMS - EMS) / n)``, JMS being the mean square between the raters: unlike ICC(3,1) it
    counts a constant offset as disagreement. NaN with fewer than two pairs or where nothing varies.
    """
    n, both, joint = sums[..., _N], _spread(sums, _XX, _X) + _spread(sums, _YY, _Y), _joint(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        targets, residual = (both / 2 + joint) / (n - 1), (both / 2 - joint) / (n - 1)
        raters = n * bias_of(sums) ** 2 / 2
        return _ratio(targets - residual, targets + residual + 2 * (raters - residual) / n)


def concordance_of(sums: FloatArray) -> FloatArray:
    """Concordance correlation ``2 s_xy / (s_x^2 + s_y^2 + bias^2)``, over n (Lin 1989); NaN if nothing varies."""
    around = _spread(sums, _XX, _X) + _spread(sums, _YY, _Y) + sums[..., _N] * bias_of(sums) ** 2
    return _ratio(2 * _joint(sums), around)


def absolute_error_of(sums: FloatArray) -> FloatArray:
    """Mean absolute difference."""
    return _mean(sums, _AWAY)


def root_mean_square_of(sums: FloatArray) -> FloatArray:
    """Root of the mean squared difference."""
    return np.asarray(np.sqrt(_mean(sums, _DD)))


def bias_of(sums: FloatArray) -> FloatArray:
    """Mean of found minus true."""
    return _mean(sums, _D)


def scatter_of(sums: FloatArray) -> FloatArray:
    """Standard deviation (n - 1) of found minus true; NaN with fewer than two pairs."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.sqrt(_spread(sums, _DD, _D) / (sums[..., _N] - 1)))


def rounded_accuracy_of(sums: FloatArray) -> FloatArray:
    """Share of pairs that are the same, both rounded half up (DEM's accuracy; its labels are whole numbers anyway)."""
    return _mean(sums, _HITS)


def over_channels(sums: FloatArray) -> FloatArray:
    """(..., 10) of (..., A, 10): all channels taken as one, for figures of differences only.

    Each channel is centred on its own mean, so correlations cannot be taken from these sums.
    """
    return np.asarray(sums.sum(-2))


def mean_of_known(values: FloatArray) -> FloatArray:
    """(...) mean over the last axis of the values that are no NaN; NaN where all are."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(-1) / known.sum(-1))


def _mean(sums: FloatArray, column: int) -> FloatArray:
    return _ratio(sums[..., column], sums[..., _N])


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    """NaN where there is nothing to divide by."""
    return np.asarray(np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan))


def _joint(sums: FloatArray) -> FloatArray:
    """Sum of products around the means."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., _XY] - sums[..., _X] * sums[..., _Y] / sums[..., _N])


def _spread(sums: FloatArray, square: int, linear: int) -> FloatArray:
    """Sum of squares around the mean; exactly zero where nothing but rounding is left of it."""
    with np.errstate(invalid="ignore", divide="ignore"):
        left = sums[..., square] - sums[..., linear] ** 2 / sums[..., _N]
        return np.asarray(np.where(left > _ROUNDING * sums[..., square], left, np.where(np.isnan(left), left, 0.0)))
