"""Lesions: drives, labels, signs at rest, presets."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.facs import fraction_of_intensity
from palsy_cli.records import ALL_AUS, SIDES
from palsy_cli.simulate.muscles import MM_PER_IPD, is_opposed, mirror_points
from palsy_cli.simulate.palsy import (
    HB_WEAKNESS,
    SYNKINESIS_PAIRS,
    Lesion,
    au_labels,
    central_preset,
    draw_misfires,
    draw_side_gains,
    effective_drive,
    fold_depth,
    house_brackmann_preset,
    random_lesion,
    rest_displacement,
    side_drive,
    synkinetic_preset,
    uniform_lesion,
    zonal_preset,
)


@pytest.mark.parametrize("side", SIDES)
def test_weakness_scales_the_drive_of_one_side_only(side):
    other = "left" if side == "right" else "right"
    drives = effective_drive({12: 1.0, 1: 0.5}, uniform_lesion(0.6, side))
    assert drives[12, side] == pytest.approx(0.4) and drives[12, other] == pytest.approx(1.0)
    assert drives[1, side] == pytest.approx(0.2) and drives[1, other] == pytest.approx(0.5)


def test_muscles_of_other_nerves_are_spared():
    drives = effective_drive({5: 1.0, 26: 1.0, 9: 1.0}, house_brackmann_preset(6, "left"))
    assert drives[5, "left"] == drives[26, "left"] == 1.0
    assert drives[9, "left"] == 0.0


@pytest.mark.parametrize(
    ("weakness", "gentle", "tight"),
    [(0.0, 0.0, 0.0), (0.2, 0.0, 0.0), (0.4, 0.25, 0.0), (0.6, 0.5, 0.32), (1, 1, 1)],
)
def test_residual_fissure(weakness, gentle, tight):
    lesion = uniform_lesion(weakness, "right")
    assert 1 - side_drive({43: 1.0}, "right", lesion)[43] == pytest.approx(gentle)
    assert 1 - side_drive({43: 1.0, 6: 1.0, 7: 1.0}, "right", lesion)[43] == pytest.approx(tight)


def test_synkinesis_acts_on_the_weak_living_side_only():
    lesion = Lesion(side="left", weakness={"Z": 0.4}, synkinesis={(43, 12): 0.5})
    drives = effective_drive({12: 1.0}, lesion)
    assert drives[43, "left"] == pytest.approx(0.6 * 0.5)
    assert (43, "right") not in drives
    dead = Lesion(side="left", weakness={"Z": 0.8}, synkinesis={(43, 12): 0.5})
    assert (43, "left") not in effective_drive({12: 1.0}, dead)


def test_labels_invert_the_intensity_map():
    drives = effective_drive({12: float(fraction_of_intensity(4.0)), 43: 1.0}, Lesion())
    labels = au_labels(drives, "left")
    assert labels.shape == (len(ALL_AUS),)
    assert labels[ALL_AUS.index(12)] == pytest.approx(4.0)
    assert labels[ALL_AUS.index(43)] == pytest.approx(5.0)
    assert labels[ALL_AUS.index(1)] == 0.0


def test_healthy_gains_differ_by_about_seven_percent():
    differences = []
    for seed in range(300):
        gains = draw_side_gains(np.random.default_rng(seed))
        assert all(0.87 <= value <= 1.13 for value in gains.values.values())
        differences += [abs(gains.of_region(r, "left") - gains.of_region(r, "right")) for r in ("brow", "mouth")]
    assert 0.05 < np.mean(differences) < 0.09


def test_rest_signs():
    complete = rest_displacement(house_brackmann_preset(6, "left")) * MM_PER_IPD
    assert complete[54, 1] == pytest.approx(4.0)  # corner hangs
    assert complete[24, 1] == pytest.approx(4.0)  # brow hangs
    assert (complete[46, 1] - complete[44, 1]) == pytest.approx(2.5)  # fissure wider
    assert complete[51, 0] == pytest.approx(-3.0)  # the patient's right lies at negative x
    assert np.all(rest_displacement(uniform_lesion(0.5, "left")) == 0)
    right = rest_displacement(house_brackmann_preset(6, "right")) * MM_PER_IPD
    assert np.allclose(right, mirror_points(complete))
    late = rest_displacement(synkinetic_preset("right")) * MM_PER_IPD
    assert late[48, 1] < 0 and late[48, 0] < 0
    assert fold_depth(house_brackmann_preset(6, "left"), "left") == 0.0
    assert fold_depth(house_brackmann_preset(6, "left"), "right") == 1.0
    assert fold_depth(synkinetic_preset("right"), "right") > 1.0


def test_presets():
    assert house_brackmann_preset(1, "left").side == "none"
    jittered = house_brackmann_preset(4, "left", rng=np.random.default_rng(0))
    assert len(set(jittered.weakness.values())) > 1
    assert np.mean(list(jittered.weakness.values())) == pytest.approx(HB_WEAKNESS[3], abs=0.15)
    assert zonal_preset("T", "left").of_au(12, "left") == 0.0
    central = central_preset("right", weakness=1.0)
    assert central.of_au(1, "right") == 0.0 and central.of_au(15, "right") == 1.0
    few = synkinetic_preset("left", pairs=3, rng=np.random.default_rng(1))
    assert len(few.synkinesis) == 3 and set(few.synkinesis) <= set(SYNKINESIS_PAIRS)


def test_misfires_can_be_told_apart():
    for seed in range(60):
        pairs = draw_misfires(5, np.random.default_rng(seed))
        assert len(pairs) == len({response for response, _ in pairs}) == 5
        for response, trigger in pairs:
            assert not is_opposed(response, [other for other, cause in pairs if cause == trigger])
    assert draw_misfires(3, np.random.default_rng(0)) == draw_misfires(3, np.random.default_rng(0))


def test_random_patients_are_valid_and_repeatable():
    kinds = [random_lesion(np.random.default_rng(seed)) for seed in range(80)]
    assert kinds == [random_lesion(np.random.default_rng(seed)) for seed in range(80)]
    assert {lesion.side for lesion in kinds} == {"left", "right", "none"}
    assert any(lesion.synkinesis for lesion in kinds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": "up"},
        {"side": "left", "weakness": {"X": 0.5}},
        {"side": "left", "weakness": {"T": 1.5}},
        {"side": "none", "weakness": {"T": 0.5}},
        {"side": "left", "synkinesis": {(6, 99): 0.5}},
    ],
)
def test_impossible_lesions_are_refused(wrong):
    with pytest.raises(ValueError):
        Lesion(**wrong)


def test_preset_grade_out_of_range():
    with pytest.raises(ValueError):
        house_brackmann_preset(7, "left")
