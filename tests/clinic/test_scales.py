"""Scales by rule: right on patients whose muscles are known, silent where something is missing."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import pytest
from factories import make_assessment
from protocol import make_patient

from palsy_cli.clinic.measures import measure_face
from palsy_cli.clinic.overrides import read_overrides
from palsy_cli.clinic.scales import EXPRESSIONS, REGIONS, RULES, fngs_grade, score_scales
from palsy_cli.clinic.tasks import find_movements
from palsy_cli.config import ScaleSettings
from palsy_cli.errors import UsageError
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


def scored(scale: str, clinic: ClinicMeasures, found: Symptoms | None = None, *set_by_hand: str) -> ScaleScore:
    by_hand = read_overrides(set_by_hand)
    return score_scales(clinic, found or symptoms(), SETTINGS, by_hand=by_hand)[scale]


def truth(grade: int) -> Lesion:
    return house_brackmann_preset(grade, "left") if grade > 1 else Lesion()


@pytest.mark.parametrize("grade", GRADES)
def test_the_grade_is_that_of_the_muscles_or_next_to_it(grade: int) -> None:
    found = scored("house_brackmann", measured(grade))
    assert found.reason is None and found.low == found.high
    assert found.low is not None and abs(found.low - grade) <= 1
    assert set(REGIONS) <= set(found.items) and all(item.basis for item in found.items.values())


def test_grades_rise_with_weakness() -> None:
    totals = [scored("fngs", measured(grade)) for grade in GRADES]
    composites = [scored("sunnybrook", measured(grade)) for grade in GRADES]
    grades = [scored("house_brackmann", measured(grade)).low for grade in GRADES]
    assert grades == sorted(grades) and len(set(grades)) >= 5  # type: ignore[type-var]
    lows = [score.low for score in totals]
    assert lows == sorted(lows) and lows[0] in (4, 5, 6) and lows[-1] >= 22  # type: ignore[type-var, operator]
    highs = [score.high for score in composites]
    assert highs == sorted(highs, reverse=True)  # type: ignore[type-var]


@pytest.mark.parametrize("grade", GRADES)
def test_sunnybrook_is_a_range_that_holds_the_truth_or_nearly(grade: int) -> None:
    found = scored("sunnybrook", measured(grade))
    true = scores.sunnybrook(truth(grade)).composite
    assert found.low is not None and found.high == found.low + 10, "the cheek may be 0 to 2, times 5"
    assert found.low - 8 <= true <= found.high + 8
    assert {name for name in found.items if name.startswith("voluntary")} == {f"voluntary_{e}" for e in EXPRESSIONS}


def test_without_millimetres_what_hangs_at_rest_is_open() -> None:
    with_mm, without = (scored("sunnybrook", measured(6, mm)) for mm in (63.0, None))
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
        for scale in RULES:
            found = scored(scale, dataclasses.replace(known, measures=tuple(less)))
            if name == "lagophthalmos" and scale != "house_brackmann":
                continue
            assert found.low is None and found.reason is not None and "not seen" in found.reason, (name, scale)
    nothing = ClinicMeasures(Scale(None, None, None), reason="no rest")
    assert scored("house_brackmann", nothing).low is None


def test_synkinesis_counts() -> None:
    plain, misrouted = (scored("fngs", measured(1), symptoms(misrouted=m)) for m in (False, True))
    assert plain.items["secondary"].value == 0 and (misrouted.items["secondary"].value or 0) >= 1
    grades = [scored("house_brackmann", measured(1), symptoms(misrouted=m)).low for m in (False, True)]
    assert grades[0] is not None and grades[1] is not None and grades[0] < grades[1]


def test_faces_that_do_not_move_at_all_are_not_compared() -> None:
    known = measured(1)
    still = [
        dataclasses.replace(m, left=0.002, right=0.001) if m.name == "brow_excursion" else m for m in known.measures
    ]
    found = scored("house_brackmann", dataclasses.replace(known, measures=tuple(still)))
    assert found.low is None and found.reason == "brow is not known: neither side moved"


@pytest.mark.parametrize(("total", "grade"), [(4, 1), (5, 2), (9, 2), (10, 3), (15, 4), (20, 5), (24, 6), (27, 6)])
def test_fngs_totals_have_grades(total: int, grade: int) -> None:
    assert fngs_grade(total) == grade


def test_a_score_like_the_eface_falls_with_weakness() -> None:
    scores_ = [scored("eface_like", measured(grade)) for grade in GRADES]
    lows = [score.low for score in scores_]
    assert lows == sorted(lows, reverse=True), lows  # type: ignore[type-var]
    assert lows[0] is not None and lows[0] > 90 and lows[-1] is not None and lows[-1] < 65
    folds = [item for name, item in scores_[0].items.items() if name.endswith("nasolabial_fold")]
    assert len(folds) == 2 and not any(item.known for item in folds)
    misrouted = scored("eface_like", measured(1), symptoms(misrouted=True)).low
    assert misrouted is not None and misrouted < lows[0]


def test_too_wide_counts_like_too_narrow() -> None:
    """Items at rest are bipolar: 100 is balance."""
    found = symptoms()
    weak = dataclasses.replace(found, weak_side="left")
    values = []
    for left in (0.8, 1.0, 1.25):
        rest = [
            dataclasses.replace(m, left=left * (m.right or 0.0)) if (m.name, m.task) == ("brow_height", "rest") else m
            for m in measured(1).measures
        ]
        item = scored("eface_like", dataclasses.replace(measured(1), measures=tuple(rest)), weak).items["static_brow"]
        values.append(item.value)
    assert values == pytest.approx([80.0, 100.0, 75.0])


def test_items_set_by_hand_count_and_say_so() -> None:
    plain = scored("sunnybrook", measured(4))
    by_hand = scored("sunnybrook", measured(4), None, "sunnybrook.resting_cheek=1", "fngs.brow=6")
    item = by_hand.items["resting_cheek"]
    assert item.by_hand and item.value == 1 and item.basis.startswith("set by hand; before: not assessed")
    assert plain.low is not None and by_hand.low == by_hand.high == plain.low + 5
    assert not any(item.by_hand for item in plain.items.values())
    less = [dataclasses.replace(m, left=None, reason="not seen") if m.name == "brow_excursion" else m
            for m in measured(4).measures]  # fmt: skip
    unseen = dataclasses.replace(measured(4), measures=tuple(less))
    assert scored("house_brackmann", unseen).low is None
    assert scored("house_brackmann", unseen, None, "house_brackmann.brow=0.4").low is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sunnybrook.resting_cheek", "write scale.item=value"),
        ("resting_cheek=1", "write scale.item=value"),
        ("sunnybrook.resting_chek=1", "did you mean sunnybrook.resting_cheek?"),
        ("fngs.brow=7", "a whole number from 1 to 6"),
        ("fngs.brow=2.5", "a whole number from 1 to 6"),
        ("house_brackmann.oral=nan", "a number from 0 to 1"),
        ("house_brackmann.oral=much", "a number from 0 to 1"),
    ],
)
def test_what_cannot_be_set_is_refused(text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told.replace("?", r"\?")):
        read_overrides([text])


def test_what_may_be_set_is_what_there_is() -> None:
    for name, rule in RULES.items():
        assert set(rule.values) == set(scored(name, measured(2)).items)
