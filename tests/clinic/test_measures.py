"""Excursions, closure, speed and delay, against what the muscles did."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from protocol import Patient, make_patient

from palsy_cli.clinic.definitions import DEFINITIONS, EXCURSIONS
from palsy_cli.clinic.measures import measure_face, ratio_of, unit_of
from palsy_cli.clinic.tasks import find_movements
from palsy_cli.points import MIRROR_68
from palsy_cli.records import Measure, Scale


def measured(patient: Patient) -> dict[tuple[str, str], Measure]:
    face = patient.face
    return {(m.task, m.name): m for m in measure_face(face, patient.at_rest, find_movements(face))}


@pytest.fixture(scope="module")
def weak() -> dict[tuple[str, str], Measure]:
    """Grade IV of the left: 40 % of the movement is left."""
    return measured(make_patient(4))


def test_the_weak_side_moves_less(weak: dict[tuple[str, str], Measure]) -> None:
    for excursion in EXCURSIONS:
        found = next(m for (_, name), m in weak.items() if name == excursion)
        assert found.left is not None and found.right is not None
        assert 0 < found.left < 0.7 * found.right and ratio_of(found) == pytest.approx(found.left / found.right)


def test_a_smile_is_as_large_as_its_muscle_makes_it(weak: dict[tuple[str, str], Measure]) -> None:
    """Zygomaticus major moves the corner by 6.5 mm outwards and 7 mm up (63 mm between the pupils)."""
    found = weak["smile", "commissure_excursion"]
    assert found.right is not None and 9.0 < 63.0 * found.right < 11.5
    angle = weak["smile", "smile_angle"]
    assert angle.right == pytest.approx(47.0, abs=4.0) and ratio_of(angle) is None


def test_lengths_within_the_points_error_are_not_compared() -> None:
    shown = Measure("dental_show", "rest", 0.001, 0.003)
    assert ratio_of(shown) is None
    assert ratio_of(dataclasses.replace(shown, right=0.03)) == pytest.approx(0.001 / 0.03)


def test_the_eye_that_does_not_close(weak: dict[tuple[str, str], Measure]) -> None:
    for task, left_open in (("gentle_eye_closure", 0.5), ("tight_eye_closure", 0.32)):
        closure, gap = weak[task, "closure"], weak[task, "lagophthalmos"]
        assert closure.right == pytest.approx(1.0, abs=0.02) and gap.right == pytest.approx(0.0, abs=0.002)
        assert closure.left == pytest.approx(1.0 - left_open, abs=0.06) and gap.left is not None and gap.left > 0.03


def test_the_weak_side_is_late_and_slow(weak: dict[tuple[str, str], Measure]) -> None:
    delay, speed = (weak["smile", f"commissure_excursion_{what}"] for what in ("delay", "speed"))
    assert delay.right == 0.0 and delay.left is not None and 0.03 < delay.left < 0.2
    assert speed.left is not None and speed.right is not None and speed.left < 0.5 * speed.right


@pytest.mark.parametrize("noise_mm", [0.2, 0.4])
def test_trembling_points_change_excursions_little(noise_mm: float) -> None:
    still, trembling = measured(make_patient(3)), measured(make_patient(3, noise_mm=noise_mm))
    errors = [
        abs(getattr(m, side) - getattr(trembling[key], side)) * 63.0
        for key, m in still.items()
        for side in ("left", "right")
        if key[1] in EXCURSIONS
    ]
    assert np.median(errors) < 0.3 and max(errors) < 1.0


@pytest.mark.parametrize(("tilt_deg", "unit_px"), [(10.0, 100.0), (-10.0, 100.0), (0.0, 50.0), (0.0, 200.0)])
def test_a_tilted_head_and_another_size_change_no_measure(tilt_deg: float, unit_px: float) -> None:
    plain, other = measured(make_patient(4)), measured(make_patient(4, tilt_deg=tilt_deg, unit_px=unit_px))
    assert plain.keys() == other.keys()
    for key, one in plain.items():
        for place in ("left", "right", "middle"):
            value = getattr(one, place)
            same = None if value is None else pytest.approx(value, rel=0.03, abs=1e-4)
            assert getattr(other[key], place) == same, (key, place)


def test_sides_and_measures_are_exchanged_together() -> None:
    patient = make_patient(4, seed=2)
    mirrored = dataclasses.replace(patient, points=patient.points[:, MIRROR_68] * (-1.0, 1.0))
    found, other = measured(patient), measured(mirrored)
    assert found.keys() == other.keys()
    for key, m in found.items():
        assert other[key].left == pytest.approx(m.right, abs=1e-5) and other[key].right == pytest.approx(
            m.left, abs=1e-5
        )
        assert other[key].middle == (None if m.middle is None else pytest.approx(-m.middle, abs=1e-5))


def test_a_side_that_does_not_move_has_neither_speed_nor_direction() -> None:
    """Emotrics divides by a side's movement unless it is exactly 0."""
    found = measured(make_patient(6))
    for name in ("commissure_excursion_speed", "commissure_excursion_delay"):
        one = found["smile", name]
        assert one.left is None and one.right is not None and one.reason == "a side moved too little"
    for one in found.values():
        assert all(value is None or np.isfinite(value) for value in (one.left, one.right, one.middle))


def test_what_was_not_done_is_not_assessed() -> None:
    patient = make_patient()
    found = measure_face(patient.face, patient.at_rest, ())
    missing = [m for m in found if m.task != "rest"]
    assert missing and all(m.left is m.right is None and m.reason == "this movement was not seen" for m in missing)
    assert all(m.reason is None and m.frames == patient.at_rest.sum() for m in found if m.task == "rest")


def test_units_follow_the_scale() -> None:
    known, unknown = Scale(60.0, 2.0, "iris"), Scale(None, None, None, "closed")
    fissure, area, speed, angle = (
        Measure(name, "rest") for name in ("fissure", "mouth_area", "brow_excursion_speed", "smile_angle")
    )
    assert unit_of(fissure, known) == ("mm", 60.0) and unit_of(area, known) == ("mm²", 3600.0)
    assert unit_of(speed, known) == ("mm/s", 60.0) and unit_of(fissure, unknown) == ("eye distances", 1.0)
    assert unit_of(angle, known) == ("degrees", 1.0) == unit_of(angle, unknown)


def test_every_measure_is_explained(weak: dict[tuple[str, str], Measure]) -> None:
    of_lids_over_time = {"blink_rate", "blink_closure", "closure_intensity"}
    assert {name for _, name in weak} == set(DEFINITIONS) - of_lids_over_time
    assert all(each.formula and each.source and each.title for each in DEFINITIONS.values())
