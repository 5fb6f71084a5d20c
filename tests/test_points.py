"""Renaming the points of a mirrored face, and how far its eyes are apart."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.networks.algrnet_regions import MIRROR_49, POINTS_49
from palsy_cli.points import MIRROR_5, MIRROR_68, eye_distance


@pytest.mark.parametrize("order", [MIRROR_5, MIRROR_68, np.array(MIRROR_49)])
def test_twice_is_nothing(order: np.ndarray) -> None:
    assert sorted(order) == list(range(len(order)))
    assert np.array_equal(order[order], np.arange(len(order)))


def test_only_the_midline_stays() -> None:
    assert [k for k in range(68) if MIRROR_68[k] == k] == [8, 27, 28, 29, 30, 33, 51, 57, 62, 66]
    assert [k for k in range(5) if MIRROR_5[k] == k] == [2]


def test_parts_go_to_their_twins() -> None:
    right, left = {36, 37, 38, 39, 40, 41}, {42, 43, 44, 45, 46, 47}
    assert {int(MIRROR_68[k]) for k in right} == left
    assert (MIRROR_68[36], MIRROR_68[39], MIRROR_68[48], MIRROR_68[17], MIRROR_68[60]) == (45, 42, 54, 26, 64)
    assert [POINTS_49[k] for k in MIRROR_49] == [MIRROR_68[k] for k in POINTS_49]


def test_tables_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        MIRROR_68[0] = 1


def test_eyes_are_as_far_apart_as_they_were_put() -> None:
    """Of every face of a row by itself, however the head is turned in the picture; NaN where it is not seen."""
    faces = np.full((3, 68, 2), np.nan)
    faces[0, 36:42], faces[0, 42:48] = (10.0, 20.0), (50.0, 50.0)
    faces[1] = faces[0][MIRROR_68] * 2.0
    assert eye_distance(faces) == pytest.approx([50.0, 100.0, np.nan], nan_ok=True)
    assert eye_distance(faces[0]) == pytest.approx(50.0)
