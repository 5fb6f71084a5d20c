"""Every figure agrees with another implementation of it: scikit-learn, pingouin, SciPy."""

from __future__ import annotations

import numpy as np
import pandas
import pingouin
import pytest
from scipy import stats
from sklearn import metrics as sklearn

from palsy_cli.evaluation import metrics
from palsy_cli.evaluation.counts import jaccard_of

SEEDS = range(6)
AGREES = {"rel": 1e-9, "abs": 1e-9, "nan_ok": True}
CLASSES = 6


def grades(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """True and found grades; with odd seeds some classes are missing on one side or on both."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, CLASSES, 200) if seed % 2 == 0 else rng.choice([0, 2, 3], 40)
    found = np.clip(truth + rng.integers(-2, 3, len(truth)), 0, CLASSES - 1 - seed % 2)
    return truth, found


def intensities(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Found and true intensities of one unit: whole numbers with many ties, or any numbers with an offset."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 6, 150).astype(float)
    found = np.clip(truth + rng.normal(0.4, 1.0, 150), 0, 5)
    return (np.floor(found + 0.5), truth) if kind == "ties" else (found + 3, truth + rng.random(150))


@pytest.mark.parametrize("seed", SEEDS)
def test_grades(seed: int) -> None:
    truth, found = grades(seed)
    every = {"labels": range(CLASSES), "zero_division": 0}
    seen = {"average": "macro", "zero_division": 0}  # means over the classes that occur on either side
    traced = np.isin(np.arange(CLASSES), np.union1d(truth, found))
    whole = sklearn.confusion_matrix(truth, found, labels=range(CLASSES))
    assert (metrics.confusion(truth, found, classes=CLASSES) == whole).all()
    exact = sklearn.accuracy_score(truth, found)
    assert metrics.accuracy(truth, found, classes=CLASSES) == pytest.approx(exact, **AGREES)
    for own, other in (
        (metrics.recall, sklearn.recall_score),
        (metrics.precision, sklearn.precision_score),
        (metrics.dice, sklearn.f1_score),
    ):
        have = own(truth, found, classes=CLASSES)
        assert have[traced] == pytest.approx(other(truth, found, average=None, **every)[traced], **AGREES)
        assert np.isnan(have[~traced]).all()
        assert np.nanmean(have) == pytest.approx(other(truth, found, **seen), **AGREES)
    assert metrics.macro_f1(truth, found, classes=CLASSES) == pytest.approx(
        sklearn.f1_score(truth, found, **seen), **AGREES
    )
    overlap = jaccard_of(metrics.confusion(truth, found, classes=CLASSES).astype(float))
    assert np.nanmean(overlap) == pytest.approx(sklearn.jaccard_score(truth, found, **seen), **AGREES)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa(seed: int, weights: str) -> None:
    truth, found = grades(seed)
    other = sklearn.cohen_kappa_score(
        truth, found, labels=range(CLASSES), weights=None if weights == "none" else weights
    )
    assert metrics.cohen_kappa(truth, found, classes=CLASSES, weights=weights) == pytest.approx(other, **AGREES)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_against_rest(seed: int) -> None:
    truth, found = grades(seed)
    each = [sklearn.accuracy_score(truth == c, found == c) for c in range(CLASSES)]
    assert metrics.acc_ovr_macro(truth, found, classes=CLASSES) == pytest.approx(np.mean(each), **AGREES)


@pytest.mark.parametrize("seed", SEEDS)
def test_presence_without_what_was_not_coded(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = (rng.random((120, 4)) < [0.05, 0.3, 0.9, 0]).astype(float)
    chances = np.round(rng.random((120, 4)), 1) * [1, 1, 1, 0.4]  # tenths: some are exactly at the threshold
    truth[rng.random(truth.shape) < 0.2] = np.nan
    chances[rng.random(truth.shape) < 0.1] = np.nan
    f1, right = metrics.presence_f1(chances, truth), metrics.presence_accuracy(chances, truth)
    for unit in range(4):
        known = np.isfinite(truth[:, unit]) & np.isfinite(chances[:, unit])
        real, said = truth[known, unit] == 1, chances[known, unit] >= 0.5
        never = not real.any() and not said.any()
        assert f1[unit] == pytest.approx(np.nan if never else sklearn.f1_score(real, said), **AGREES)
        assert right[unit] == pytest.approx(sklearn.accuracy_score(real, said), **AGREES)
    assert np.isnan(f1[3])  # never occurs, never found


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["ties", "offset"])
def test_intensities(seed: int, kind: str) -> None:
    found, truth = intensities(seed, kind)
    rng = np.random.default_rng(seed)
    holes = rng.random(150) < 0.1
    columns = np.stack([found, np.where(holes, np.nan, found)], axis=1), np.stack([truth, truth], axis=1)
    for unit, known in enumerate((np.full(150, True), ~holes)):
        x, y = found[known], truth[known]
        count = len(x)
        long = pandas.DataFrame(
            {"target": np.tile(np.arange(count), 2), "rater": np.repeat([0, 1], count), "score": np.r_[x, y]}
        )
        icc = pingouin.intraclass_corr(long, targets="target", raters="rater", ratings="score")["ICC"].to_numpy()
        # Rows in every version of pingouin: ICC(1,1), ICC(2,1), ICC(3,1), then those of mean ratings.
        assert metrics.intraclass_agreement(*columns)[unit] == pytest.approx(icc[1], **AGREES)
        assert metrics.intraclass(*columns)[unit] == pytest.approx(icc[2], **AGREES)
        assert metrics.pearson(*columns)[unit] == pytest.approx(stats.pearsonr(x, y).statistic, **AGREES)
        assert metrics.absolute_error(*columns)[unit] == pytest.approx(sklearn.mean_absolute_error(y, x), **AGREES)
        assert metrics.root_mean_square(*columns)[unit] ** 2 == pytest.approx(
            sklearn.mean_squared_error(y, x), **AGREES
        )
        shifted = 2 * np.cov(x, y, ddof=0)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
        assert metrics.concordance(*columns)[unit] == pytest.approx(shifted, **AGREES)
        agreement = metrics.bland_altman(columns[0][:, unit], columns[1][:, unit])
        of_bias = stats.t.interval(0.95, count - 1, loc=(x - y).mean(), scale=stats.sem(x - y))
        assert agreement.bias_interval == pytest.approx(of_bias, **AGREES)
        assert agreement.high - agreement.bias == pytest.approx(1.96 * (x - y).std(ddof=1), **AGREES)
