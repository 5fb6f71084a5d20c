"""The measured movement beside the pictures."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from factories import make_assessment

from palsy_cli.config import GradeSettings
from palsy_cli.records import Grades, Symptoms
from palsy_cli.stages.grade_fusion import NO_MOVEMENT, join_opinions, movement_chances, severity_chances

SETTINGS = GradeSettings()
EVEN = Grades(severity=(0.25,) * 4, house_brackmann=(1 / 6,) * 6)


def symptoms_of(asymmetry: float | None, *, synkinesis: bool = False) -> Symptoms:
    return dataclasses.replace(make_assessment().symptoms, relative=asymmetry, synkinesis_present=synkinesis)


@pytest.mark.parametrize("trust", [0.0, 0.6, 1.0])
def test_a_face_that_misfires_is_of_grade_three_at_least_as_far_as_that_is_believed(trust: float) -> None:
    settings = dataclasses.replace(SETTINGS, synkinesis_trust=trust)
    for asymmetry in (0.0, 0.1, 0.5):
        plain, late = (movement_chances(asymmetry, settings, synkinesis=found) for found in (False, True))
        assert late[:2] == pytest.approx((1 - trust) * plain[:2])
        assert late.sum() == pytest.approx(1.0) and late[3:] == pytest.approx(plain[3:])


def test_by_default_misfiring_is_believed_more_than_not() -> None:
    joined = join_opinions(EVEN, symptoms_of(0.0, synkinesis=True), SETTINGS)
    assert joined.house_brackmann_grade == 3


def test_chances_are_chances_and_rise_with_the_asymmetry() -> None:
    expected = [movement_chances(x, SETTINGS) @ np.arange(1, 7) for x in np.linspace(0, 1, 21)]
    assert (np.diff(expected) > 0).all() and expected[0] < 1.5 and expected[-1] > 5.5
    for x in (0.0, 0.3, 1.0):
        chances = movement_chances(x, SETTINGS)
        assert chances.shape == (6,) and chances.min() > 0 and chances.sum() == pytest.approx(1)


def test_even_odds_at_a_cut() -> None:
    sharp = dataclasses.replace(SETTINGS, movement_spread=0.001, movement_outliers=0.0)
    third = movement_chances(SETTINGS.movement_cut_3, sharp)
    assert third[2] == pytest.approx(0.5, abs=1e-3) and third[3] == pytest.approx(0.5, abs=1e-3)


def test_pictures_that_are_sure_outvote_a_misread_movement() -> None:
    sure = dataclasses.replace(EVEN, house_brackmann=(0.002, 0.002, 0.002, 0.002, 0.002, 0.99))
    told = {share: dataclasses.replace(SETTINGS, movement_outliers=share) for share in (0.0, 0.1)}
    grades = {share: join_opinions(sure, symptoms_of(0.0), each).house_brackmann_grade for share, each in told.items()}
    assert grades == {0.0: 1, 0.1: 6}


def test_side_does_not_matter() -> None:
    assert np.array_equal(movement_chances(0.4, SETTINGS), movement_chances(-0.4, SETTINGS))


def test_severities_are_sums_of_grades() -> None:
    assert severity_chances(np.array([0.1, 0.2, 0.05, 0.15, 0.3, 0.2])).tolist() == pytest.approx([0.1, 0.2, 0.2, 0.5])


def test_pictures_that_know_nothing_leave_the_word_to_the_movement() -> None:
    joined = join_opinions(EVEN, symptoms_of(0.55), SETTINGS)
    assert joined.house_brackmann == pytest.approx(tuple(movement_chances(0.55, SETTINGS)))
    assert joined.house_brackmann_of_movement == pytest.approx(joined.house_brackmann)
    assert joined.house_brackmann_of_pictures == EVEN.house_brackmann and joined.severity_of_pictures == EVEN.severity
    assert (
        joined.severity is not None and sum(joined.severity) == pytest.approx(1) and joined.severity_label == "medium"
    )


def test_what_was_withheld_stays_withheld() -> None:
    joined = join_opinions(Grades(None, None, "no movement", "no movement"), symptoms_of(0.5), SETTINGS)
    assert joined.severity is None and joined.house_brackmann is None and joined.severity_reason == "no movement"


def test_where_no_region_moved_no_grade_is_told() -> None:
    withheld = join_opinions(dataclasses.replace(EVEN, frames=(3,)), symptoms_of(None), SETTINGS)
    assert withheld == Grades(None, None, NO_MOVEMENT, NO_MOVEMENT)
    unfit = dataclasses.replace(EVEN, severity=None, severity_reason="too weak a network")
    assert join_opinions(unfit, symptoms_of(None), SETTINGS).severity_reason == "too weak a network"


@pytest.mark.parametrize("asymmetry", [None, 0.5])
def test_pictures_alone_each_network_for_itself(asymmetry: float | None) -> None:
    settings = dataclasses.replace(SETTINGS, together=False, with_movement=False)
    assert join_opinions(EVEN, symptoms_of(asymmetry), settings) == EVEN


def test_the_severity_tells_grades_apart_and_follows_the_joint_one() -> None:
    torn = Grades(severity=(0.1, 0.1, 0.7, 0.1), house_brackmann=(0.02, 0.34, 0.32, 0.3, 0.01, 0.01))
    joined = join_opinions(torn, symptoms_of(0.5), dataclasses.replace(SETTINGS, with_movement=False))
    assert torn.house_brackmann_grade == 2 and joined.house_brackmann_grade == 3
    assert joined.severity == pytest.approx(tuple(severity_chances(np.array(joined.house_brackmann))))
    assert joined.house_brackmann_of_movement is None and joined.severity_of_pictures == torn.severity


def test_a_withheld_severity_says_nothing_of_the_grade() -> None:
    known = dataclasses.replace(EVEN, severity=None, severity_reason="too weak a network")
    joined = join_opinions(known, symptoms_of(0.55), SETTINGS)
    assert joined.severity is None
    assert joined.house_brackmann == pytest.approx(tuple(movement_chances(0.55, SETTINGS)))
