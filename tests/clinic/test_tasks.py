"""Movements are found when they are made, by their own names."""

from __future__ import annotations

import numpy as np
import pytest
from protocol import Patient, make_patient

from palsy_cli.clinic.tasks import TASKS, find_movements
from palsy_cli.records import Movement
from palsy_cli.simulate.script import PROTOCOL


def called(task: str) -> str:
    """Name of a task of the simulator among those that are found."""
    return "smile" if task.endswith("_smile") else task


def hits(patient: Patient, found: tuple[Movement, ...]) -> int:
    """How many movements of the script were found within 0.3 s, by name, beginning and end."""
    script = patient.script
    return sum(
        any(
            one.task == called(told.task)
            and abs(one.onset_s - told.start_s) <= 0.3
            and abs(one.offset_s - told.release_s - script.offset_s) <= 0.3
            for one in found
        )
        for told in script.movements
    )


@pytest.mark.parametrize("grade", [1, 3, 5, 6])
def test_the_protocol_is_found(grade: int) -> None:
    patient = make_patient(grade, seed=grade, noise_mm=0.2)
    found = find_movements(patient.face)
    assert hits(patient, found) >= len(PROTOCOL) - 1 and len(found) <= len(PROTOCOL) + 1
    for one in found:
        assert one.onset_s < one.peak_s < one.offset_s and one.peak.any() and 0.0 <= one.likeness <= 1.0


def test_a_face_that_rests_makes_no_movement() -> None:
    patient = make_patient(noise_mm=0.3)
    patient.points[:] = patient.points[:1] + np.random.default_rng(1).normal(0, 0.5, patient.points.shape)
    assert find_movements(patient.face) == ()


def test_a_blink_is_no_task() -> None:
    patient = make_patient()
    open_eyes = patient.points[0]
    patient.points[:] = open_eyes
    for lid, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        patient.points[100:105, lid] = open_eyes[lower]
        patient.points[200:230, lid] = open_eyes[lower]
    found = find_movements(patient.face)
    assert [one.task for one in found] == ["gentle_eye_closure"] and found[0].onset_s == pytest.approx(8.0, abs=0.2)


def test_gaps_do_not_hide_what_was_seen() -> None:
    patient = make_patient(3, noise_mm=0.2)
    patient.points[::7] = np.nan
    assert hits(patient, find_movements(patient.face)) >= len(PROTOCOL) - 2
    patient.points[:] = np.nan
    patient.points[0] = make_patient(3).points[0]
    assert find_movements(patient.face) == ()


def test_every_task_of_the_protocol_has_a_name() -> None:
    assert {called(task) for task in PROTOCOL} <= set(TASKS)
