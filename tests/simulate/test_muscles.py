"""Muscles: mirror symmetry, caps, apertures."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.points import MIRROR_68
from palsy_cli.records import SIDES
from palsy_cli.simulate.muscles import (
    CORNERS,
    LID_PAIRS,
    MIDLINE,
    MM_PER_IPD,
    MUSCLES,
    displacement,
    mirror_points,
    move_points,
)
from palsy_cli.simulate.template import neutral_points


def both(**units: float) -> dict[tuple[int, str], float]:
    return {(int(name[2:]), side): value for name, value in units.items() for side in SIDES}


def test_mirror_is_an_involution_that_keeps_the_midline():
    assert np.array_equal(MIRROR_68[MIRROR_68], np.arange(68))
    assert [k for k in range(68) if MIRROR_68[k] == k] == sorted(MIDLINE)


@pytest.mark.parametrize("au", sorted(MUSCLES))
def test_left_mirrors_right(au):
    assert np.allclose(displacement(au, "left"), mirror_points(displacement(au, "right")))
    assert np.any(displacement(au, "right") != 0)


def test_directions_follow_image_convention():
    right, left = displacement(12, "right")[48], displacement(12, "left")[54]
    assert right[0] < 0 < left[0]  # outwards: the patient's right lies at image-left
    assert right[1] < 0 and left[1] < 0  # up
    assert np.hypot(*right) * MM_PER_IPD == pytest.approx(np.hypot(6.5, 7.0))


def test_unknown_unit_is_refused():
    with pytest.raises(ValueError, match="99"):
        displacement(99, "left")
    with pytest.raises(ValueError, match="99"):
        move_points(neutral_points(), {(99, "left"): 1.0})


def test_no_drive_moves_nothing():
    assert np.allclose(move_points(neutral_points(), {}).points, neutral_points())


def test_symmetric_drives_give_a_symmetric_face():
    drives = both(au12=1.0, au1=0.6, au43=0.5, au25=0.7)
    moved = move_points(neutral_points(), drives).points
    assert np.allclose(moved, mirror_points(moved))


@pytest.mark.parametrize("weakness", [0.2, 0.4, 0.6, 0.8, 1.0])
@pytest.mark.parametrize(("au", "points"), [(12, CORNERS), (1, {"right": (21,), "left": (22,)})])
def test_excursion_ratio_is_one_minus_weakness(weakness, au, points):
    neutral = neutral_points()
    shift = move_points(neutral, {(au, "right"): 1.0 - weakness, (au, "left"): 1.0}).points - neutral
    ratio = np.hypot(*shift[points["right"][0]]) / np.hypot(*shift[points["left"][0]])
    assert ratio == pytest.approx(1.0 - weakness)


@pytest.mark.parametrize("drive", [0.0, 0.3, 0.68, 1.0])
def test_closure_leaves_the_stated_aperture(drive):
    neutral = neutral_points()
    moved = move_points(neutral, both(au43=drive, au7=drive, au6=drive)).points
    for upper, lower in LID_PAIRS["right"]:
        assert moved[lower, 1] - moved[upper, 1] == pytest.approx(
            (1 - drive) * (neutral[lower, 1] - neutral[upper, 1]), abs=1e-9
        )


def test_midline_is_drawn_to_the_stronger_side():
    neutral = neutral_points()
    moved = move_points(neutral, {(12, "left"): 1.0}).points
    assert moved[51, 0] > neutral[51, 0] + 2.0 / MM_PER_IPD


def test_caps_and_order_hold_for_any_drives():
    rng = np.random.default_rng(3)
    neutral = neutral_points()
    for _ in range(50):
        drives = {(au, side): float(rng.uniform(0, 1.1)) for au in MUSCLES for side in SIDES}
        shift = move_points(neutral, drives).points
        for pairs in LID_PAIRS.values():
            assert all(shift[upper, 1] <= shift[lower, 1] + 1e-9 for upper, lower in pairs)
        assert all(shift[a, 1] <= shift[b, 1] + 1e-9 for a, b in ((61, 67), (62, 66), (63, 65), (51, 62), (66, 57)))
        for outer, _ in CORNERS.values():
            assert np.hypot(*(shift - neutral)[outer]) * MM_PER_IPD <= 15.0 + 1e-6


def test_brow_lift_is_capped():
    neutral = neutral_points()
    shift = move_points(neutral, both(au1=1.1, au2=1.1)).points - neutral
    assert np.linalg.norm(shift[17:27], axis=1).max() * MM_PER_IPD <= 10.5 + 1e-6
