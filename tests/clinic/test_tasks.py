"""Movements are found when they are made, by their own names."""

from __future__ import annotations

import numpy as np
import pytest
from protocol import Patient, make_patient

from palsy_cli.clinic.tasks import TASKS, EyeReadings, find_movements, task_name, told_movements
from palsy_cli.records import Movement, ToldTask
from palsy_cli.simulate.script import PROTOCOL


def hits(patient: Patient, found: tuple[Movement, ...]) -> int:
    """How many movements of the script were found within 0.3 s, by name, beginning and end."""
    script = patient.script
    return sum(
        any(
            one.task == task_name(told.task)
            and abs(one.onset_s - told.start_s) <= 0.3
            and abs(one.offset_s - told.release_s - script.offset_s) <= 0.3
            for one in found
        )
        for told in script.movements
    )


def closures(patient: Patient, eyes: EyeReadings | None) -> list[str | None]:
    return [one.task for one in find_movements(patient.face, eyes) if "closure" in str(one.task)]


@pytest.mark.parametrize("grade", [1, 3, 5, 6])
def test_the_protocol_is_found(grade: int) -> None:
    patient = make_patient(grade, seed=grade, noise_mm=0.2)
    found = find_movements(patient.face)
    assert hits(patient, found) >= len(PROTOCOL) - 1 and len(found) <= len(PROTOCOL) + 1
    for one in found:
        assert one.onset_s < one.peak_s < one.offset_s and len(one.peak) and 0.0 <= one.likeness <= 1.0


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
    assert {task_name(task) for task in PROTOCOL} <= set(TASKS)


def test_what_a_user_says_counts() -> None:
    """A table names tasks and times; the peak is where most of that task is seen between them."""
    patient = make_patient(3, noise_mm=0.2)
    told = [
        ToldTask(task_name(one.task), one.start_s, one.release_s + patient.script.offset_s)
        for one in patient.script.movements
    ]
    made = told_movements(patient.face, told)
    assert [one.task for one in made] == [one.task for one in told] and {one.source for one in made} == {"table"}
    for one, move in zip(made, patient.script.movements, strict=True):
        assert move.start_s < one.peak_s < move.release_s + 0.3 and one.onset_s == move.start_s
        assert patient.times_s[one.peak].min() >= move.start_s + 0.2


def test_a_task_that_was_not_seen_has_no_peak() -> None:
    patient = make_patient(3)
    patient.points[50:120] = np.nan
    (one,) = told_movements(patient.face, [ToldTask("smile", 2.2, 4.5)])
    assert not len(one.peak) and np.isnan(one.points).all() and one.peak_s == pytest.approx(3.35)


def test_an_eye_that_the_networks_read_as_closed_closes() -> None:
    """A closure during which the points of the whole lower face slip is like no task."""
    patient = make_patient(1, noise_mm=0.1)
    first = patient.script.movements[1]
    during = (patient.times_s > first.start_s + 0.2) & (patient.times_s < first.release_s + 0.3)
    patient.points[during, 48:] += (0.0, 12.0)
    patient.points[during, 31:36] += (0.0, 9.0)
    eyes = EyeReadings(closed=np.where(during, 4.6, 0.2), squeezed=np.zeros(len(during)))
    (alone,), (read,) = (
        [one for one in find_movements(patient.face, told) if first.start_s < one.peak_s < first.release_s + 0.5]
        for told in (None, eyes)
    )
    assert alone.task not in ("gentle_eye_closure", "tight_eye_closure")
    assert read.task in ("gentle_eye_closure", "tight_eye_closure")


def test_a_blink_during_a_smile_closes_no_eye() -> None:
    patient = make_patient(1, noise_mm=0.1)
    smile = next(one for one in patient.script.movements if task_name(one.task) == "smile")
    closed = np.zeros(len(patient.times_s))
    closed[np.abs(patient.times_s - smile.release_s + 0.3) < 0.1] = 4.6
    found = find_movements(patient.face, EyeReadings(closed, squeezed=np.zeros(len(closed))))
    assert any(one.task == "smile" and smile.start_s < one.peak_s < smile.release_s for one in found)


def test_two_closures_are_told_apart_by_the_brows() -> None:
    patient = make_patient(3, seed=3, noise_mm=0.1)
    gentle, tight = patient.script.movements[1:3]
    during = (patient.times_s > gentle.start_s) & (patient.times_s < tight.release_s + 1.0)
    patient.points[during, 17:27] -= (0.0, 3.0)
    assert closures(patient, None) == ["gentle_eye_closure", "tight_eye_closure"]


@pytest.mark.parametrize("squeezed", [(0.2, 4.0), (4.0, 0.2), (0.2, 0.2), (4.0, 4.0), (np.nan, 4.0)])
def test_a_closure_in_which_the_cheek_is_raised_is_tight(squeezed: tuple[float, float]) -> None:
    """Whatever the brows do; what the networks did not see is told by the points."""
    patient = make_patient(1, seed=3, noise_mm=0.1)
    au6 = np.full(len(patient.times_s), np.nan)
    for move, intensity in zip(patient.script.movements[1:3], squeezed, strict=True):
        au6[(patient.times_s > move.start_s) & (patient.times_s < move.release_s + 0.5)] = intensity
    eyes = EyeReadings(closed=np.full_like(au6, np.nan), squeezed=au6)
    assert closures(patient, eyes) == [("gentle", "tight")[one > 1.5] + "_eye_closure" for one in squeezed]


def test_movements_that_run_into_each_other_are_parted() -> None:
    """A patient who hardly rests between two tasks: the face comes back half-way only."""
    patient = make_patient(1)
    pucker, puff = patient.script.movements[5:7]
    between = (patient.times_s > pucker.release_s) & (patient.times_s < puff.start_s + 0.5)
    held = patient.points[np.flatnonzero(patient.times_s <= pucker.release_s)[-1]]
    patient.points[between] = 0.65 * patient.points[between] + 0.35 * held
    found = {one.task: one for one in find_movements(patient.face)}
    assert {"lip_pucker", "cheek_puff"} <= set(found)
    assert found["lip_pucker"].offset_s <= found["cheek_puff"].onset_s
