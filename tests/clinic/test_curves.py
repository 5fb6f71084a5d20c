"""Distances on the face, and the faults of other tools that must not return."""

from __future__ import annotations

import numpy as np
import pytest
from protocol import make_patient

from palsy_cli.clinic.curves import CURVES, height_at, measure, philtrum_deviation, side_points
from palsy_cli.points import MIRROR_68
from palsy_cli.records import FloatArray
from palsy_cli.simulate.template import mean_points


def upright(points: FloatArray) -> FloatArray:
    """One face (1, 68, 2) with y up."""
    return np.asarray(points * (1.0, -1.0))[None]


def test_an_even_face_measures_the_same_on_both_sides() -> None:
    points = upright(mean_points())
    points[:, :, 0] -= points[:, 27, 0]
    even = (points + points[:, MIRROR_68] * (-1.0, 1.0)) / 2
    for name, sides in measure(even).items():
        assert sides[0, 0] == pytest.approx(sides[0, 1], abs=1e-12), name
        assert np.isfinite(sides).all()
    assert philtrum_deviation(even)[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("tilt_deg", [2.0, 5.0, 10.0])
def test_lips_of_a_tilted_head_stay_where_they_are(tilt_deg: float) -> None:
    """Emotrics takes a coordinate's x for its y there: 60 against 60 pixels become 60 and 100 at 10 degrees."""
    plain, tilted = (measure(make_patient(tilt_deg=tilt).face.points[:5]) for tilt in (0.0, tilt_deg))
    for name in ("upper_lip_height", "lower_lip_height", "dental_show", "commissure_height"):
        np.testing.assert_allclose(tilted[name], plain[name], atol=1e-6)


def test_exchanging_the_sides_exchanges_the_measures() -> None:
    points = make_patient(5).face.points[40:60]
    found, mirrored = measure(points), measure(points[:, MIRROR_68] * (-1.0, 1.0))
    for name in CURVES:
        np.testing.assert_allclose(mirrored[name][:, 0], found[name][:, 1], atol=1e-12)
    np.testing.assert_allclose(philtrum_deviation(points[:, MIRROR_68] * (-1.0, 1.0)), -philtrum_deviation(points))


def test_a_side_seen_from_itself() -> None:
    points = make_patient().face.points[:1]
    right = side_points(points, "right")
    assert right[0, 54, 0] == -points[0, 48, 0] > 0 and right[0, 54, 1] == points[0, 48, 1]
    assert side_points(points, "left") is points


def test_a_line_goes_on_level_beyond_its_ends() -> None:
    points = np.zeros((5, 68, 2))
    points[:, 22:25] = [[0.0, 1.0], [1.0, 3.0], [2.0, 2.0]]
    found = height_at(points, (22, 23, 24), np.array([-1.0, 0.5, 1.0, 1.5, 9.0]))
    assert found.tolist() == [1.0, 2.0, 3.0, 2.5, 2.0]


def test_known_lengths() -> None:
    points = np.zeros((1, 68, 2))
    points[0, [42, 45]] = [[0.3, 0.0], [0.7, 0.0]]
    points[0, [43, 44]] = [[0.4, 0.1], [0.6, 0.1]]
    points[0, [47, 46]] = [[0.4, -0.05], [0.6, -0.05]]
    points[0, 22:27] = np.column_stack([np.linspace(0.2, 0.8, 5), np.full(5, 0.4)])
    points[0, 54] = 0.4, -1.0
    found = {name: sides[0, 0] for name, sides in measure(points).items()}
    assert found["fissure"] == pytest.approx(0.15) and found["mrd1"] == pytest.approx(0.1)
    assert found["mrd2"] == pytest.approx(0.05) and found["brow_height"] == pytest.approx(0.4)
    assert found["commissure_width"] == 0.4 and found["commissure_height"] == -1.0


def test_lids_and_lips_never_gape_less_than_nothing() -> None:
    points = make_patient().face.points[:1].copy()
    points[:, [43, 44], 1] -= 0.5
    points[:, [61, 62, 63], 1] -= 0.5
    found = measure(points)
    assert found["fissure"][0, 0] == 0.0 and found["dental_show"][0, 0] == 0.0
