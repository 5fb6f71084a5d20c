"""Scores: presets hit their own grade; scores are monotone."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.records import SIDES
from palsy_cli.simulate.palsy import (
    HB_WEAKNESS,
    Lesion,
    draw_side_gains,
    house_brackmann_preset,
    synkinetic_preset,
    uniform_lesion,
)
from palsy_cli.simulate.scores import (
    draw_lesion,
    fngs,
    house_brackmann,
    house_brackmann_from_weakness,
    severity_label,
    severity_of_grade,
    sunnybrook,
    synkinesis_level,
)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("grade", range(1, 7))
def test_presets_score_their_own_grade(side, grade):
    lesion = house_brackmann_preset(grade, side)
    assert house_brackmann(lesion) == grade
    assert fngs(lesion).total == 4 * grade
    assert fngs(lesion).grade == grade


def test_from_weakness():
    assert [house_brackmann_from_weakness(dict.fromkeys("TZBMC", f)) for f in HB_WEAKNESS] == [
        1,
        2,
        3,
        4,
        5,
        6,
    ]


def test_healthy_asymmetry_stays_grade_one():
    grades = [house_brackmann(Lesion(), draw_side_gains(np.random.default_rng(seed))) for seed in range(1000)]
    assert np.mean(np.array(grades) == 1) >= 0.90


def test_all_scores_are_monotone_in_weakness():
    lesions = [uniform_lesion(f, "left") for f in np.linspace(0, 1, 41)]
    assert np.all(np.diff([house_brackmann(lesion) for lesion in lesions]) >= 0)
    assert np.all(np.diff([fngs(lesion).total for lesion in lesions]) >= 0)
    assert np.all(np.diff([sunnybrook(lesion).composite for lesion in lesions]) <= 0)


def test_sunnybrook_ends():
    assert sunnybrook(Lesion()).composite == 100
    assert sunnybrook(house_brackmann_preset(6, "left")).composite == 0


def test_synkinesis_counts():
    assert synkinesis_level(Lesion()) == 0
    levels = [synkinesis_level(synkinetic_preset("left", level=name)) for name in ("mild", "moderate", "severe")]
    assert levels == [1, 2, 3]
    assert house_brackmann(synkinetic_preset("left", weakness=0.2, level="moderate")) >= 3
    items = sunnybrook(Lesion(side="left", weakness={"Z": 0.3}, synkinesis={(43, 12): 0.6})).synkinesis
    assert items["open_mouth_smile"] == 3 and items["lip_pucker"] == 0


def test_severity_map():
    assert [severity_of_grade(g) for g in range(1, 7)] == [0, 1, 2, 2, 3, 3]
    assert severity_label(house_brackmann_preset(4, "right")) == "medium"
    with pytest.raises(ValueError):
        severity_of_grade(0)


@pytest.mark.parametrize("grade", range(1, 7))
def test_a_drawn_lesion_varies_and_keeps_its_grade(grade: int) -> None:
    rng = np.random.default_rng(grade)
    drawn = [draw_lesion(grade, "left", rng) for _ in range(30)]
    assert {house_brackmann(lesion) for lesion in drawn} == {grade}
    assert len({tuple(lesion.weakness.values()) for lesion in drawn}) in (range(1, 2) if grade == 1 else range(20, 31))
