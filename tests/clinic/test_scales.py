"""Scales by rule: right on patients whose muscles are known, silent where something is missing."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import pytest
from factories import make_assessment
from protocol import make_patient

from palsy_cli.clinic.measures import measure_face
from palsy_cli.clinic.scales import EXPRESSIONS, REGIONS, fngs, fngs_grade, house_brackmann, sunnybrook
from palsy_cli.clinic.tasks import find_movements
from palsy_cli.config import ScaleSettings
from palsy_cli.records import ClinicMeasures, Scale, ScaleScore, Symptoms
from palsy_cli.simulate import scores
from palsy_cli.simulate.palsy import Lesion, house_brackmann_preset

SETTINGS = ScaleSettings()
GRADES = (1, 2, 3, 4, 5, 6)


@lru_cache
def measured(grade: int, mm: float | None = 63.0) -> ClinicMeasures:
    patient = make_patient(grade, noise_mm=0.2)
    face = patient.face
    movements = find_movements(face)
    measures = measure_face(face, patient.at_rest, movements)
    return ClinicMeasures(Scale(mm, None, "ipd" if mm else None), movements, measures)


@lru_cache
def symptoms(*, misrouted: bool = False) -> Symptoms:
    found = make_assessment().symptoms
    return found if misrouted else dataclasses.replace(found, pairs=(), synkinesis_present=False)


def truth(grade: int) -> Lesion:
    return house_brackmann_preset(grade, "left") if grade > 1 else Lesion()


@pytest.mark.parametrize("grade", GRADES)
def test_the_grade_is_that_of_the_muscles_or_next_to_it(grade: int) -> None:
    found = house_brackmann(measured(grade), symptoms(), SETTINGS)
    assert found.reason is None and found.low == found.high
    assert found.low is not None and abs(found.low - grade) <= 1
    assert set(REGIONS) <= set(found.items) and all(item.basis for item in found.items.values())


def test_grades_rise_with_weakness() -> None:
    totals = [fngs(measured(grade), symptoms(), SETTINGS) for grade in GRADES]
    composites = [sunnybrook(measured(grade), symptoms(), SETTINGS) for grade in GRADES]
    grades = [house_brackmann(measured(grade), symptoms(), SETTINGS).low for grade in GRADES]
    assert grades == sorted(grades) and len(set(grades)) >= 5  # type: ignore[type-var]
    lows = [score.low for score in totals]
    assert lows == sorted(lows) and lows[0] in (4, 5, 6) and lows[-1] >= 22  # type: ignore[type-var, operator]
    highs = [score.high for score in composites]
    assert highs == sorted(highs, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize("grade", GRADES)
def test_sunnybrook_is_a_range_that_holds_the_truth_or_nearly(grade: int) -> None:
    found = sunnybrook(measured(grade), symptoms(), SETTINGS)
    true = scores.sunnybrook(truth(grade)).composite
    assert found.low is not None and found.high == found.low + 10, "the cheek may be 0 to 2, times 5"
    assert found.low - 8 <= true <= found.high + 8
    assert {name for name in found.items if name.startswith("voluntary")} == {f"voluntary_{e}" for e in EXPRESSIONS}


def test_without_millimetres_what_hangs_at_rest_is_open() -> None:
    with_mm, without = (sunnybrook(measured(6, mm), symptoms(), SETTINGS) for mm in (63.0, None))
    assert without.items["resting_mouth"].value is None and without.items["resting_mouth"].basis == "no millimetres"
    assert without.low is not None and without.high is not None and with_mm.low is not None
    assert without.high - without.low == 20 and without.low <= with_mm.low


def test_what_was_not_made_is_not_graded() -> None:
    known = measured(3)
    gone = {"commissure_excursion", "closure", "lagophthalmos"}
    for name in gone:
        less = [
            dataclasses.replace(m, left=None, right=None, reason="this movement was not seen") if m.name == name else m
            for m in known.measures
        ]
        for scale in (house_brackmann, fngs, sunnybrook):
            found: ScaleScore = scale(dataclasses.replace(known, measures=tuple(less)), symptoms(), SETTINGS)
            if name == "lagophthalmos" and scale is not house_brackmann:
                continue
            assert found.low is None and found.reason is not None and "not seen" in found.reason, (name, scale)
    nothing = ClinicMeasures(Scale(None, None, None), reason="no rest")
    assert house_brackmann(nothing, symptoms(), SETTINGS).low is None


def test_synkinesis_counts() -> None:
    plain, misrouted = (fngs(measured(1), symptoms(misrouted=m), SETTINGS) for m in (False, True))
    assert plain.items["secondary"].value == 0 and (misrouted.items["secondary"].value or 0) >= 1
    grades = [house_brackmann(measured(1), symptoms(misrouted=m), SETTINGS).low for m in (False, True)]
    assert grades[0] is not None and grades[1] is not None and grades[0] < grades[1]


def test_faces_that_do_not_move_at_all_are_not_compared() -> None:
    known = measured(1)
    still = [
        dataclasses.replace(m, left=0.002, right=0.001) if m.name == "brow_excursion" else m for m in known.measures
    ]
    found = house_brackmann(dataclasses.replace(known, measures=tuple(still)), symptoms(), SETTINGS)
    assert found.low is None and found.reason == "brow is not known: neither side moved"


@pytest.mark.parametrize(("total", "grade"), [(4, 1), (5, 2), (9, 2), (10, 3), (15, 4), (20, 5), (24, 6), (27, 6)])
def test_fngs_totals_have_grades(total: int, grade: int) -> None:
    assert fngs_grade(total) == grade
