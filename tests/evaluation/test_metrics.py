"""Figures of agreement, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.evaluation import counts, moments
from palsy_cli.evaluation.metrics import (
    absolute_error,
    accuracy,
    bland_altman,
    bootstrap_interval,
    bootstrap_sums,
    cohen_kappa,
    concordance,
    confusion,
    dice,
    intraclass,
    intraclass_agreement,
    macro_f1,
    pearson,
    presence_f1,
    quadratic_kappa,
    recall,
    rounded_accuracy,
    rows_by_group,
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


def test_sums_of_people_give_the_interval_of_their_rows() -> None:
    """The quick way and the slow way draw the same people and find the same figure of them."""
    rng = np.random.default_rng(2)
    person = rng.integers(0, 17, 600)
    truth = rng.integers(0, 6, (600, 3)).astype(float)
    found = np.clip(truth + rng.normal(0.3, 1, truth.shape) + person[:, None] / 20, 0, 5)
    found[rng.random(found.shape) < 0.05] = np.nan
    grade, said = truth[:, 0].astype(int), np.clip(truth[:, 0] + rng.integers(-1, 2, 600), 0, 5).astype(int)

    def slow(rows: np.ndarray) -> float:
        return float(np.nanmean(intraclass(found[rows], truth[rows])))

    sums = moments.moment_sums(found, truth, person, groups=17)
    low, high = bootstrap_sums(sums, lambda s: moments.mean_of_known(moments.consistency_of(s)), rounds=60, seed=3)
    assert (low, high) == pytest.approx(bootstrap_interval(slow, person, rounds=60, seed=3), rel=1e-9)

    matrices = counts.class_counts(grade, said, person, classes=6, groups=17)
    both = bootstrap_sums(matrices, lambda c: np.stack([counts.kappa_of(c), counts.accuracy_of(c)], axis=-1), rounds=60)
    by_rows = [
        bootstrap_interval(lambda r: quadratic_kappa(grade[r], said[r], classes=6), person, rounds=60),
        bootstrap_interval(lambda r: accuracy(grade[r], said[r], classes=6), person, rounds=60),
    ]
    assert np.stack(both, axis=1) == pytest.approx(np.array(by_rows), rel=1e-9)


def test_many_people_are_drawn_in_several_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    sums = np.random.default_rng(0).random((30, 2))

    def ratio(some: np.ndarray) -> np.ndarray:
        return np.asarray(some[..., 0] / some[..., 1])

    at_once = bootstrap_sums(sums, ratio, rounds=100)
    monkeypatch.setattr("palsy_cli.evaluation.metrics._DRAWS_AT_ONCE", 90)
    assert at_once == bootstrap_sums(sums, ratio, rounds=100)


def test_absolute_agreement_counts_an_offset() -> None:
    truth = JUDGES[:, :1]
    assert intraclass(truth + 3, truth) == pytest.approx([1])
    assert intraclass_agreement(truth + 3, truth)[0] < 0.5
    assert concordance(truth + 3, truth)[0] < 0.5
    assert concordance(truth, truth) == pytest.approx([1]) == intraclass_agreement(truth, truth)


def test_what_is_missing_counts_nowhere() -> None:
    truth, found = np.array([[0.0, 1.0], [2.0, np.nan], [5.0, 3.0]]), np.array([[1.0, 1.0], [np.nan, 2.0], [5.0, 4.0]])
    assert absolute_error(found, truth) == pytest.approx([0.5, 0.5])
    assert rounded_accuracy(found, truth) == 0.5
    assert np.isnan(absolute_error(np.full((2, 1), np.nan), np.zeros((2, 1)))).all()


def test_constant_channels_have_no_correlation_whatever_rounding_leaves() -> None:
    constant, other = np.full((7, 1), 0.1), np.random.default_rng(0).random((7, 1))
    for figure in (pearson, intraclass):
        assert np.isnan(figure(constant, constant)).all()
    assert np.isnan(pearson(constant, other)).all()
    # The same within people drawn anew: all of one person, who never moved.
    sums = moments.moment_sums(np.r_[constant, other], np.r_[other, other], np.repeat([0, 1], 7), groups=2)
    assert np.isnan(moments.pearson_of(2 * sums[0])).all()


def test_intensities_round_half_up() -> None:
    assert rounded_accuracy(np.array([[0.5, 1.49, 2.5, 3.0]]), np.array([[1.0, 1.0, 2.0, 3.0]])) == 0.75


def test_limits_of_agreement() -> None:
    found, truth = np.array([1.0, 2.0, 3.0, 6.0]), np.array([0.0, 2.0, 4.0, 4.0])
    have = bland_altman(found, truth)
    spread = np.std([1, 0, -1, 2], ddof=1)
    assert (have.bias, have.high - have.bias, have.bias - have.low) == pytest.approx(
        (0.5, 1.96 * spread, 1.96 * spread)
    )
    for middle, (low, high) in ((have.bias, have.bias_interval), (have.low, have.low_interval)):
        assert low < middle < high and middle - low == pytest.approx(high - middle)
    narrow, wide = have.bias_interval, have.high_interval
    assert wide[1] - wide[0] > narrow[1] - narrow[0]
    assert np.isnan(bland_altman(found[:1], truth[:1]).bias)


def test_a_unit_that_never_occurs_and_is_never_found_has_no_f1() -> None:
    truth = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, np.nan, 0.0]])
    chances = np.array([[0.5, 0.2, 0.2], [0.1, 0.1, 0.9], [0.7, 0.9, 0.1]])
    assert presence_f1(chances, truth)[[0, 2]].tolist() == [1.0, 0.0]
    assert np.isnan(presence_f1(chances, truth)[1])


def test_kappa_of_grades_counted_from_the_other_end() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 6, 90)
    found = np.clip(truth + rng.integers(-1, 2, 90), 0, 5)
    for weights in ("none", "linear", "quadratic"):
        have = cohen_kappa(truth, found, classes=6, weights=weights)
        assert cohen_kappa(5 - truth, 5 - found, classes=6, weights=weights) == pytest.approx(have, rel=1e-12)
        assert cohen_kappa(found, truth, classes=6, weights=weights) == pytest.approx(have, rel=1e-12)
    # Exchanging two grades in the middle is no reversal: only unweighted kappa does not mind.
    other = np.array([0, 2, 1, 3, 4, 5])
    assert cohen_kappa(other[truth], other[found], classes=6) == pytest.approx(cohen_kappa(truth, found, classes=6))
    assert quadratic_kappa(other[truth], other[found], classes=6) < quadratic_kappa(truth, found, classes=6)


def test_a_grade_that_is_never_named_costs_its_recall_and_its_precision() -> None:
    truth, found = np.array([0, 0, 1, 1]), np.array([0, 0, 0, 2])
    assert recall(truth, found, classes=4)[:3].tolist() == [1.0, 0.0, 0.0]
    assert dice(truth, found, classes=4)[:3] == pytest.approx([0.8, 0.0, 0.0])
    assert np.isnan(dice(truth, found, classes=4)[3])


@pytest.mark.parametrize("groups", [[], [3], [2, 0, 2, 2, 0, 7], [1, 1, 1]])
def test_rows_of_each_group_in_ascending_order(groups: list[int]) -> None:
    found = rows_by_group(groups)
    assert [groups[rows[0]] for rows in found] == sorted(set(groups))
    assert sorted(int(row) for rows in found for row in rows) == list(range(len(groups)))
    for rows in found:
        assert rows.tolist() == sorted(rows) and len({groups[row] for row in rows}) == 1
