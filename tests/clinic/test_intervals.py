"""How sure results are when keyframes are drawn anew."""

from __future__ import annotations

import dataclasses
from functools import lru_cache

import numpy as np
import pytest
from factories import make_assessment
from protocol import make_patient

from palsy_cli.clinic.examine import Examined
from palsy_cli.clinic.intervals import draw_symptoms, score_with_intervals
from palsy_cli.clinic.measures import measure_face, sample_face
from palsy_cli.clinic.tasks import find_movements
from palsy_cli.config import ClinicSettings, ScaleSettings, Settings
from palsy_cli.records import ActionUnits, ClinicMeasures, Scale, ScaleScore, Symptoms

SETTINGS = Settings(clinic=ClinicSettings(rounds=60), scales=ScaleSettings(widest_grades=1.0))


@lru_cache
def examined(grade: int, noise_mm: float) -> Examined:
    patient = make_patient(grade, noise_mm=noise_mm)
    face, movements = patient.face, find_movements(patient.face)
    clinic = ClinicMeasures(Scale(63.0, None, "ipd"), movements, measure_face(face, patient.at_rest, movements))
    blocks = np.arange(len(patient.times_s)) // 8
    return Examined(clinic, tuple(sample_face(face, patient.at_rest, movements, blocks)))


@lru_cache
def units() -> ActionUnits:
    return make_assessment().action_units


def scored(grade: int = 4, noise_mm: float = 0.2) -> tuple[Symptoms, ClinicMeasures, dict[str, ScaleScore]]:
    return score_with_intervals(units(), make_assessment().symptoms, examined(grade, noise_mm), SETTINGS)


def test_values_do_not_change_and_lie_within_their_intervals() -> None:
    symptoms, clinic, _ = scored()
    before = examined(4, 0.2).clinic
    for old, new in zip(before.measures, clinic.measures, strict=True):
        assert (old.left, old.right, old.middle) == (new.left, new.right, new.middle)
        for value, ends in ((new.left, new.left_interval), (new.middle, new.middle_interval)):
            if ends is not None and value is not None:
                assert ends[0] - 1e-9 <= value <= ends[1] + 1e-9, new
    timed = [m for m in clinic.measures if m.name.endswith(("_speed", "_delay"))]
    assert timed and all(m.left_interval is None for m in timed)
    for region in symptoms.regions:
        if region.delta_am is not None:
            low, high = region.delta_interval or (np.inf, -np.inf)
            assert low <= region.delta_am <= high and 0.0 <= (region.agreement or -1) <= 1.0
    assert symptoms.delta_interval is not None and symptoms.agreement is not None
    assert all(pair.agreement is not None for pair in symptoms.pairs)


def test_trembling_points_widen_intervals() -> None:
    widths = []
    for noise_mm in (0.1, 0.6):
        _, clinic, _ = scored(noise_mm=noise_mm)
        ends = [m.right_interval for m in clinic.measures if m.name.endswith("excursion")]
        widths.append(np.mean([high - low for low, high in filter(None, ends)]))
    assert widths[1] > 2 * widths[0]


def test_totals_have_intervals_around_them() -> None:
    _, _, scales = scored()
    for name, score in scales.items():
        assert score.low is not None and score.high is not None and score.interval is not None, name
        assert score.interval[0] <= score.low and score.high <= score.interval[1]


@pytest.mark.parametrize(("least", "reason"), [(0.15, "anything from grade"), (0.001, "give no grade")])
def test_a_grade_that_could_be_any_is_withheld(least: float, reason: str) -> None:
    """In every other keyframe the left hardly moved, or nothing did."""
    found = examined(4, 0.2)
    sides = np.array([least, 1.0 if least > 0.01 else least])
    tossed = [
        dataclasses.replace(
            one,
            parts=tuple(
                part * np.where(own[:, None] % 2, sides, 2.0) for part, own in zip(one.parts, one.blocks, strict=True)
            ),
        )
        if one.task != "rest"
        else one
        for one in found.samples
    ]
    unsure = Examined(found.clinic, tuple(tossed))
    before, after = (
        score_with_intervals(units(), make_assessment().symptoms, one, SETTINGS)[2]["house_brackmann"]
        for one in (found, unsure)
    )
    assert before.low is not None
    assert after.low is None and after.high is None and reason in (after.reason or "")


def test_the_same_seed_draws_the_same_and_sides_are_alike() -> None:
    one, two = (draw_symptoms(units(), SETTINGS.symptoms, rounds=5, seed=3) for _ in range(2))
    assert [each.delta_am for each in one] == [each.delta_am for each in two]
    swapped = ActionUnits(units().aus, units().right, units().left)
    other = draw_symptoms(swapped, SETTINGS.symptoms, rounds=5, seed=3)
    assert [each.delta_am for each in one] == pytest.approx([-(each.delta_am or 0.0) for each in other])
    assert draw_symptoms(ActionUnits(units().aus, units().left[:1], units().right[:1]), SETTINGS.symptoms, rounds=5,
                         seed=0) == ()  # fmt: skip
