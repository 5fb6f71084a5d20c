"""Simulated patients: who they are, and what is kept of them."""

from __future__ import annotations

from collections import Counter

from palsy_cli.evaluation.patients import DOSES, plan_doses, plan_patients
from palsy_cli.simulate.scores import house_brackmann


def test_grades_and_sides_are_dealt_evenly() -> None:
    patients = plan_patients(7, 72)
    assert [patient.person for patient in patients] == [i % 7 for i in range(72)]
    sides = Counter(patient.lesion.side for patient in patients)
    assert sides == {"none": 12, "left": 30, "right": 30}
    for number, patient in enumerate(patients):
        grade, dealt = house_brackmann(patient.lesion), number % 6 + 1
        # Misfiring muscles are worse than the weakness alone.
        assert grade >= dealt if patient.lesion.synkinesis else grade == dealt
    assert len({patient.seed for patient in patients}) == 72


def test_synkinesis_belongs_to_late_palsies_that_can_misfire() -> None:
    patients = plan_patients(7, 72)
    misfiring = [patient.lesion for patient in patients if patient.lesion.synkinesis]
    assert Counter(lesion.side for lesion in misfiring) == {"left": 9, "right": 9}
    for lesion in misfiring:
        assert lesion.chronic and len(lesion.synkinesis) == 4
        assert len({response for response, _ in lesion.synkinesis}) == 4
        assert all(lesion.gain_of(pair, lesion.side) > 0 for pair in lesion.synkinesis)  # type: ignore[arg-type]


def test_the_plan_follows_the_seed() -> None:
    assert plan_patients(7, 12, seed=1) == plan_patients(7, 12, seed=1) != plan_patients(7, 12, seed=2)


def test_doses_differ_in_nothing_but_the_weakness() -> None:
    patients = plan_doses([4, 9])
    assert [patient.person for patient in patients] == [4] * 5 + [9] * 5
    for start in (0, 5):
        own = patients[start : start + 5]
        assert len({patient.seed for patient in own}) == 1
        assert [max(p.lesion.weakness.values(), default=0.0) for p in own] == list(DOSES)
