"""Whatever the head and the camera do, the face stays what it is."""

from __future__ import annotations

import numpy as np
import pytest
from protocol import make_patient

from palsy_cli.clinic.face_frame import LEFT_EYE, RIGHT_EYE, carry, lay_on_face
from palsy_cli.points import MIRROR_68


@pytest.mark.parametrize(("tilt_deg", "unit_px"), [(10.0, 100.0), (-10.0, 50.0), (0.0, 200.0)])
def test_tilt_and_size_change_nothing(tilt_deg: float, unit_px: float) -> None:
    plain = make_patient(4).face
    other = make_patient(4, tilt_deg=tilt_deg, unit_px=unit_px).face
    np.testing.assert_allclose(other.points, plain.points, atol=1e-9)
    np.testing.assert_allclose(other.unit_px, plain.unit_px * unit_px / 100.0)


def test_the_axes_are_those_of_the_face() -> None:
    face = make_patient().face
    eyes = face.rest[list(RIGHT_EYE)].mean(0), face.rest[list(LEFT_EYE)].mean(0)
    np.testing.assert_allclose(eyes, [[-0.5, 0.0], [0.5, 0.0]], atol=1e-9)
    assert face.rest[8, 1] < face.rest[30, 1] < face.rest[19, 1], "chin, nose, brow: y runs up"


def test_a_mirrored_face_lies_mirrored() -> None:
    patient = make_patient(4)
    mirrored = patient.points[:, MIRROR_68] * (-1.0, 1.0) + (1000.0, 0.0)
    face = lay_on_face(mirrored, patient.times_s, patient.at_rest, max_head_turn=0.1)
    assert face is not None
    np.testing.assert_allclose(face.points, patient.face.points[:, MIRROR_68] * (-1.0, 1.0), atol=1e-9)


def test_a_turned_head_is_left_out() -> None:
    patient = make_patient()
    patient.points[100:110, 30, 0] += 20.0  # the nose tip goes aside by a fifth of the eye distance
    face = patient.face
    assert np.flatnonzero(face.turned).tolist() == list(range(100, 110))
    assert np.isnan(face.points[100:110]).all() and np.isfinite(face.points[110]).all()


def test_frames_without_points_stay_so() -> None:
    patient = make_patient()
    patient.points[50] = np.nan
    face = patient.face
    assert np.isnan(face.points[50]).all() and not face.turned[50]


def test_without_a_rest_there_is_no_face() -> None:
    patient = make_patient()
    assert lay_on_face(patient.points, patient.times_s, np.zeros(len(patient.times_s), bool), max_head_turn=0.1) is None
    patient.points[patient.at_rest] = np.nan
    assert lay_on_face(patient.points, patient.times_s, patient.at_rest, max_head_turn=0.1) is None


def test_a_face_goes_where_the_points_that_count_say() -> None:
    points = make_patient(4).points[:3]
    shape, weights = points[0], np.zeros((3, 68))
    weights[:, [0, 16, 27, 33]] = 0.5, 1.0, 1.0, 0.2
    turn = np.array([[1.2, 0.3], [-0.3, 1.2]])
    others = np.stack([shape, shape @ turn + (40.0, -5.0), shape[::-1] @ turn])
    others[1, 36:48] += 25.0, -10.0  # they do not count
    carried = carry(shape, others, weights)
    np.testing.assert_allclose(carried[:2], [shape, shape @ turn + (40.0, -5.0)], atol=1e-9)
    unlike = np.linalg.norm(carried[2] - others[2], axis=1)[weights[2] > 0]
    assert np.isfinite(carried).all() and unlike.max() > 1.0
