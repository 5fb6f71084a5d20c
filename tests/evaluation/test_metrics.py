"""Figures of agreement, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.evaluation.metrics import (
    absolute_error,
    bootstrap_interval,
    confusion,
    intraclass,
    macro_f1,
    pearson,
    quadratic_kappa,
    within_one,
)

#: Shrout and Fleiss (1979), table 2: six targets, four judges; their ICC(3,1) is 0.71 over all four.
JUDGES = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)


def anova_icc31(scores: np.ndarray) -> float:
    """ICC(3,1) from the sums of squares, for any number of raters."""
    targets, raters = scores.shape
    whole = scores.mean()
    between = raters * ((scores.mean(1) - whole) ** 2).sum() / (targets - 1)
    rater = targets * ((scores.mean(0) - whole) ** 2).sum()
    residual = ((scores - whole) ** 2).sum() - between * (targets - 1) - rater
    error = residual / ((targets - 1) * (raters - 1))
    return float((between - error) / (between + (raters - 1) * error))


def test_intraclass_is_that_of_the_sums_of_squares() -> None:
    assert anova_icc31(JUDGES) == pytest.approx(0.71, abs=0.005)  # the published figure: the yardstick is right
    for other in (1, 2, 3):
        have = intraclass(JUDGES[:, [0]], JUDGES[:, [other]])
        assert have.shape == (1,) and have[0] == pytest.approx(anova_icc31(JUDGES[:, [0, other]]))


def test_a_constant_offset_is_consistent_but_wrong() -> None:
    truth = JUDGES[:, :2]
    assert intraclass(truth + 3, truth) == pytest.approx([1, 1])
    assert pearson(truth + 3, truth) == pytest.approx([1, 1])
    assert absolute_error(truth + 3, truth) == pytest.approx([3, 3])


def test_pearson() -> None:
    truth = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    found = np.array([[2.0, 0.0], [1.0, 1.0], [0.0, 2.0]])
    have = pearson(found, truth)
    assert have[0] == pytest.approx(-1) and np.isnan(have[1])


def test_confusion_counts_every_measurement_once() -> None:
    counts = confusion(np.array([0, 0, 2, 1]), np.array([0, 1, 2, 1]), classes=3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_macro_f1() -> None:
    truth = np.array([0, 0, 0, 0, 1, 1])
    assert macro_f1(truth, truth, classes=4) == 1.0
    # Class 0: 2*3/(4+4); class 1: 2*1/(2+2). Classes that never occur do not count.
    assert macro_f1(truth, np.array([0, 0, 0, 1, 1, 0]), classes=4) == pytest.approx((0.75 + 0.5) / 2)
    assert np.isnan(macro_f1(np.array([], int), np.array([], int), classes=4))


def test_within_one() -> None:
    assert within_one(np.array([1, 2, 3, 4]), np.array([1, 3, 5, 1])) == 0.5


def test_quadratic_kappa() -> None:
    truth = np.array([0, 1, 2, 3, 4, 5])
    assert quadratic_kappa(truth, truth, classes=6) == 1.0
    assert quadratic_kappa(truth, truth[::-1], classes=6) == pytest.approx(-1.0)
    # Two classes: quadratic weights are plain weights. Observed 0.75, expected 0.5.
    assert quadratic_kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]), classes=2) == pytest.approx(0.5)
    assert quadratic_kappa(truth, np.clip(truth + 1, 0, 5), classes=6) > quadratic_kappa(
        truth, np.clip(truth + 2, 0, 5), classes=6
    )
    assert np.isnan(quadratic_kappa(np.zeros(3, int), np.zeros(3, int), classes=6))


def test_interval_draws_people_not_measurements() -> None:
    rng = np.random.default_rng(1)
    person = np.repeat(np.arange(20), 50)
    values = rng.normal(size=20)[person] + rng.normal(0, 0.1, 1000)

    def mean(rows: np.ndarray) -> float:
        return float(values[rows].mean())

    low, high = bootstrap_interval(mean, person, rounds=300)
    naive = bootstrap_interval(mean, np.arange(1000), rounds=300)
    assert low < values.mean() < high and high - low > 3 * (naive[1] - naive[0])
    assert (low, high) == bootstrap_interval(mean, person, rounds=300)


def test_an_interval_of_nothing_is_unknown() -> None:
    assert np.isnan(bootstrap_interval(lambda rows: float("nan"), [0, 1], rounds=5)).all()
