"""From half faces to findings: ``facs``, ``action_units``, ``cooccurrence``, ``synkinesis`` and ``symptoms``."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch

from palsy_cli.config import ActionUnitSettings
from palsy_cli.facs import fraction_of_intensity, intensity_of_fraction
from palsy_cli.networks.dem import choose_helpers, ensemble
from palsy_cli.records import ALL_AUS, ActionUnits, ByteImage, HalfFaces
from palsy_cli.selftest.checks import Check
from palsy_cli.selftest.golden import Facts, golden_settings
from palsy_cli.selftest.stand_ins import GREY_STEP, BrightnessDVPM, BrightnessOVPM, table_of
from palsy_cli.stages.action_units import estimate_action_units, half_tensor, normalise
from palsy_cli.stages.cooccurrence import cells_under_test, cooccurrence, normal_mask, wilson_interval
from palsy_cli.stages.symptoms import find_symptoms

#: A weak left mouth, even brows, a late left lid, and AU6 that moves with AU20 on the left only.
PATIENT = table_of(
    [
        (5, {}),
        (6, {12: (2.0, 4.0), 25: (1.0, 3.0)}),
        (6, {1: (3.0, 3.2), 2: (4.0, 4.0)}),
        (2, {43: (1.0, 3.0)}),
        (4, {43: (5.0, 5.0)}),
        (6, {20: (3.0, 3.2), 6: (2.0, 0.0)}),
        (4, {17: (3.0, 3.0), 9: (2.0, 0.0)}),
    ]
)


def steps_of_intensity() -> Facts:
    """FACS steps A to E as shares of the full movement, there and back."""
    return {"shares": fraction_of_intensity(np.arange(0, 5.5, 0.5)), "of_half": intensity_of_fraction(0.5)}


def known_faces() -> Facts:
    """Half faces of known brightness through networks that read it exactly: rest found, differences added."""
    left, right = [0.0, 1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 4.0], [0.0, 2.0, 0.0, 4.0, 0.0, 4.5, 0.0, 5.0]
    settings = golden_settings().action_units
    paper = dataclasses.replace(settings, rest_reference=False, decode="argmax", antisymmetric=False)
    found = _estimate(left, right, settings)
    literal = _estimate(left, right, paper)
    return {
        "rest": found.rest,
        "left": found.left[:, 0],
        "right": found.right[:, 13],
        "paper_rest": literal.rest,
        "paper_left": literal.left[:, 0],
    }


def small_parts() -> Facts:
    """What a network is shown of a half face, eq. 3 and the draw of helpers."""
    image = np.zeros((1, 512, 256, 3), np.uint8)
    image[:, :256] = 255
    shown = normalise(half_tensor(image, (4, 2)))
    return {
        "shown": shown[0, 0, :, 0].numpy(),
        "ensemble": ensemble(torch.tensor([1.0, 2.0]), torch.tensor([2.5, 2.0])).item(),
        "clipped": ensemble(torch.tensor([4.0]), torch.tensor([2.5])).item(),
        "helpers": choose_helpers(9, 4, 3, seed=0),
    }


def tested_cells() -> Facts:
    """How many triggers are tested for each response, and which cells the extra channels add."""
    extra = cells_under_test(ALL_AUS, extra_channels=True) & ~cells_under_test(ALL_AUS, extra_channels=False)
    return {
        "of_each_response": normal_mask().sum(1),
        "extra": [[ALL_AUS[row], ALL_AUS[column]] for row, column in np.argwhere(extra)],
    }


def conditional_chances() -> Facts:
    """P(response | trigger) of the made-up patient, where there are enough frames; Wilson's interval."""
    settings = golden_settings().symptoms
    table = cooccurrence(PATIENT, threshold=settings.active_threshold, min_support=settings.min_support)
    six, twenty, nine, seventeen = (ALL_AUS.index(au) for au in (6, 20, 9, 17))
    return {
        "left_6_given_left_20": table.left_given_left[six, twenty],
        "right_6_given_left_20": table.right_given_left[six, twenty],
        "frames_of_20": table.support_left[six, twenty],
        "left_9_given_left_17": table.left_given_left[nine, seventeen],
        "interval_of_8_in_10": wilson_interval(8, 10),
    }


def misfires() -> Facts:
    """Synkinetic pairs of made-up patients on both sides of each limit."""
    return {
        "patient": _pairs(PATIENT),
        "difference_0.35": _pairs(_misfiring(frames=7, of=20)),
        "difference_0.30": _pairs(_misfiring(frames=6, of=20)),
        "five_frames": _pairs(_misfiring(frames=5, of=5)),
        "four_frames": _pairs(_misfiring(frames=4, of=4)),
        "excess_0.6": _pairs(_misfiring(frames=8, of=8, response=0.6)),
        "excess_0.4": _pairs(_misfiring(frames=8, of=8, response=0.7, other=0.3)),
        "other_side_weak": _pairs(_misfiring(frames=8, of=8, trigger=(4.0, 3.4))),
        "two_triggers": _pairs(table_of([(5, {}), (8, {20: (3.0, 3.0), 9: (2.5, 2.5), 1: (2.0, 0.0)})])),
    }


def weak_sides() -> Facts:
    """Asymmetry of the made-up patient, and the dead zone on both sides of its two limits."""
    found = find_symptoms(PATIENT, golden_settings().symptoms)
    deltas = {mean.au: mean.delta_am for mean in found.action_units}
    pairs = {
        "relative_0.20": (4.2, 5.0),
        "relative_0.10": (4.6, 5.0),
        "step_0.24": (0.52, 0.76),
        "step_0.26": (0.5, 0.76),
    }
    return {
        "delta_am": {f"au{au}": deltas[au] for au in (1, 6, 12, 25, 43)},
        "regions": {region.region: region.weak_side for region in found.regions},
        "relative": {region.region: region.relative for region in found.regions},
        "face": [found.weak_side, found.relative],
        "dead_zone": {name: _weak_side_of_smile(*sides) for name, sides in pairs.items()},
        "mirrored_face": find_symptoms(_exchanged(PATIENT), golden_settings().symptoms).weak_side,
    }


def checks() -> list[Check]:
    """All cases of this file."""
    cases = {
        "facs": (steps_of_intensity,),
        "action_units": (known_faces, small_parts),
        "cooccurrence": (tested_cells, conditional_chances),
        "synkinesis": (misfires,),
        "symptoms": (weak_sides,),
    }
    return [Check(stage, case.__name__, case) for stage, listed in cases.items() for case in listed]


def _estimate(left: Sequence[float], right: Sequence[float], settings: ActionUnitSettings) -> ActionUnits:
    halves = HalfFaces(_pictures(left), _pictures(right))
    return estimate_action_units(
        halves, cast("Any", BrightnessOVPM()), cast("Any", BrightnessDVPM()), settings, seed=golden_settings().seed
    )


def _pictures(levels: Sequence[float]) -> ByteImage:
    """Half faces as bright as these intensities."""
    return np.stack([np.full((512, 256, 3), round(GREY_STEP * level), np.uint8) for level in levels])


def _misfiring(
    *, frames: int, of: int, trigger: tuple[float, float] = (3.0, 3.0), response: float = 2.0, other: float = 0.0
) -> ActionUnits:
    """AU1 follows AU20 on the left in some of its keyframes, with ``other`` on the right."""
    both = {20: trigger, 1: (response, other)}
    return table_of([(5, {}), (frames, both), (of - frames, {20: trigger})])


def _pairs(units: ActionUnits) -> list[list[Any]]:
    """Side, response and trigger of what is flagged."""
    found = find_symptoms(units, golden_settings().symptoms)
    return [[pair.side, pair.response_au, pair.trigger_au] for pair in found.pairs]


def _weak_side_of_smile(left: float, right: float) -> str | None:
    return find_symptoms(table_of([(3, {}), (6, {12: (left, right)})]), golden_settings().symptoms).weak_side


def _exchanged(units: ActionUnits) -> ActionUnits:
    return dataclasses.replace(units, left=units.right, right=units.left)
