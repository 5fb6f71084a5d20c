"""Errors of points: what they are worth, what they do not depend on, and what is missing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from palsy_cli.evaluation.point_errors import (
    REGIONS_68,
    answered,
    box_scale,
    failure_rate,
    interocular,
    nme_frobenius,
    nme_interocular,
    nme_mean,
    nme_of_regions,
)

ERRORS = (nme_mean, nme_frobenius, nme_interocular)


def faces(count: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Found and true points of some images."""
    rng = np.random.default_rng(seed)
    true = rng.uniform(20, 200, (count, 68, 2))
    return true + rng.normal(0, 3, true.shape), true


def test_regions_are_all_points_once() -> None:
    assert sorted(p for points in REGIONS_68.values() for p in points) == list(range(68))


@pytest.mark.parametrize("error", ERRORS)
def test_perfect_points_have_no_error(error: object) -> None:
    _, true = faces()
    assert error(true, true).tolist() == [0.0] * 5  # type: ignore[operator]


@pytest.mark.parametrize("error", ERRORS)
def test_a_larger_or_shifted_picture_changes_nothing(error: object) -> None:
    found, true = faces()
    turned = np.array([[0.0, -1.0], [1.0, 0.0]])  # a quarter turn: the box turns with the face
    for change in (lambda x: 2.5 * x, lambda x: x + [30, -70], lambda x: 0.5 * x @ turned.T + 9):
        assert error(change(found), change(true)) == pytest.approx(error(found, true))  # type: ignore[operator]


def test_the_two_definitions_differ_by_the_root_of_68_at_most() -> None:
    found, true = faces()
    moved = true + [3.0, 4.0]
    assert nme_mean(moved, true) == pytest.approx(5 / box_scale(true))
    assert nme_frobenius(moved, true) == pytest.approx(math.sqrt(68) * nme_mean(moved, true))
    assert (nme_frobenius(found, true) >= math.sqrt(68) * nme_mean(found, true)).all()


def test_scales() -> None:
    true = np.zeros((1, 68, 2))
    true[0, 36], true[0, 45], true[0, 8] = (10, 10), (13, 14), (0, 40)
    assert box_scale(true) == pytest.approx([math.sqrt(13 * 40)]) and interocular(true) == pytest.approx([5])
    assert np.isnan(box_scale(np.zeros((1, 68, 2)))).all() and np.isnan(interocular(np.zeros((1, 68, 2)))).all()


def test_points_that_were_not_marked_count_nowhere() -> None:
    found, true = faces(1)
    found[0] = true[0] + [3, 4]
    true[0, 5:30] = np.nan
    found[0, 7] = np.nan
    assert nme_mean(found, true) == pytest.approx(5 / box_scale(true))
    assert nme_frobenius(found, true) == pytest.approx(math.sqrt(68) * 5 / box_scale(true))
    assert np.isnan(nme_of_regions(found, true)["brows"]).all() and answered(found, true).all()
    true[:] = np.nan
    assert np.isnan([error(found, true) for error in ERRORS]).all()


def test_a_point_without_an_answer_makes_a_failure_of_its_image() -> None:
    found, true = faces(4)
    found[:] = true
    found[1, 50] = np.nan
    found[2] = true[2] + interocular(true)[2]
    errors = nme_interocular(found, true)
    assert np.isnan(errors[1]) and np.isfinite(nme_of_regions(found, true)["eyes"]).all()
    everything = np.full(4, True)
    assert failure_rate(errors, everything) == 0.5
    assert failure_rate(errors, np.array([True, False, False, True])) == 0.0
    assert math.isnan(failure_rate(errors, ~everything))


def test_a_region_has_its_own_points_and_the_whole_faces_scale() -> None:
    found, true = faces(1)
    found[:] = true
    found[0, list(REGIONS_68["mouth"])] += [0, 2]
    have = nme_of_regions(found, true)
    assert have["mouth"] == pytest.approx(2 / box_scale(true))
    assert all(have[name][0] == 0 for name in REGIONS_68 if name != "mouth")
