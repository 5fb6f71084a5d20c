"""Intensities of both halves, with perfect networks and with random ones."""

from __future__ import annotations

import dataclasses
from typing import Literal

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from palsy_cli.config import ActionUnitSettings
from palsy_cli.networks import device
from palsy_cli.networks.dem import DVPM, OVPM, expected_intensity
from palsy_cli.networks.registry import build_network
from palsy_cli.records import ALL_AUS, ActionUnits, ByteImage, HalfFaces
from palsy_cli.stages.action_units import (
    _best_rest,
    _calmest_first,
    _Side,
    estimate_action_units,
    half_tensor,
    normalise,
)

CLINICAL = ActionUnitSettings()
PAPER = ActionUnitSettings(decode="argmax", rest_reference=False, antisymmetric=False)
#: Grey steps per unit of intensity in the pictures that the perfect networks read.
STEP = 40


def between_classes(values: Tensor, *, low: int, classes: int) -> Tensor:
    """Logits (N, 14, classes) whose expectation is ``values`` (N, 1), the same in every channel."""
    away = (values - torch.arange(low, low + classes)).abs()
    return (1 - away).clamp(min=1e-9).log()[:, None].expand(-1, len(ALL_AUS), -1)


class PerfectOVPM(nn.Module):
    """Reads the intensity from the brightness; its one map is the intensity itself."""

    input_size = (8, 4)

    def __init__(self) -> None:
        super().__init__()
        self.unit = nn.Parameter(torch.ones(()))

    def forward_with_taps(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        level = ((x * 0.25 + 0.5) * 255 / STEP).mean((1, 2, 3))[:, None] * self.unit
        return between_classes(level, low=0, classes=6), [level]


class PerfectDVPM(nn.Module):
    """Reads the difference of intensities from the difference of maps."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        return between_classes(maps[0], low=-5, classes=11)


def pictures(levels: list[float]) -> ByteImage:
    return np.stack([np.full((512, 256, 3), round(STEP * level), np.uint8) for level in levels])


def perfect(left: list[float], right: list[float], settings: ActionUnitSettings, seed: int = 0) -> ActionUnits:
    halves = HalfFaces(pictures(left), pictures(right))
    return estimate_action_units(halves, PerfectOVPM(), PerfectDVPM(), settings, seed=seed)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def random_networks() -> tuple[OVPM, DVPM]:
    torch.manual_seed(3)
    ovpm, dvpm = (build_network(name, "tiny").eval() for name in ("ovpm", "dvpm"))
    assert isinstance(ovpm, OVPM) and isinstance(dvpm, DVPM)
    with torch.no_grad():  # untrained heads answer nearly alike for every picture
        for module in (ovpm, dvpm):
            module.head[-1].weight *= 300
    return ovpm, dvpm


def noisy_halves(count: int = 5, seed: int = 0) -> HalfFaces:
    small = np.random.default_rng(seed).integers(0, 256, (2, count, 16, 8, 3), np.uint8)
    left, right = ([cv2.resize(each, (256, 512)) for each in side] for side in small)
    return HalfFaces(np.stack(left), np.stack(right))


def test_perfect_networks_give_the_intensity() -> None:
    """DEM, eq. 3: adding the difference to the helper's value gives the frame's own value."""
    levels = [0.0, 3.0, 1.0, 5.0, 2.0]
    for helpers in (0, 1, 2, 4):
        settings = dataclasses.replace(PAPER, helpers=helpers)
        found = perfect(levels, levels[::-1], settings)
        assert np.allclose(found.left, np.array(levels)[:, None], atol=1e-5), helpers
        assert np.allclose(found.right, np.array(levels[::-1])[:, None], atol=1e-5)
    assert found.rest == () and found.aus == ALL_AUS


def test_expectation_reads_between_the_classes() -> None:
    levels = [0.0, 2.5, 1.25]
    found = perfect(levels, levels, dataclasses.replace(CLINICAL, rest_reference=False))
    assert np.allclose(found.left, np.array(levels)[:, None], atol=1e-4)


def test_rest_is_found_wherever_it_is() -> None:
    levels = [3.0, 2.0, 4.0, 1.0, 0.0, 2.5, 5.0, 3.5, 4.5]
    found = perfect(levels, [*levels[:6], 1.0, 3.0, 4.0], CLINICAL)
    assert found.rest[0] == 4
    assert np.allclose(found.left, np.array(levels)[:, None], atol=1e-3)


def test_a_face_comes_back_to_its_rest() -> None:
    """A single frame that reads lower is a faint movement misread, as long as another reading recurs."""
    levels = [2.0, 2.0, 5.0, 1.3, 2.0, 4.0, 2.0]
    assert perfect(levels, levels, CLINICAL).rest[0] in (0, 1, 4, 6)
    once = [2.0, 4.0, 5.0, 1.3, 3.0]
    assert perfect(once, once, CLINICAL).rest == (3,)


def test_a_movement_below_the_rest_in_some_units_is_not_the_rest() -> None:
    """Who knits the brow strongly lowers it: all other brows lie further above the knitted one than it is knitted."""
    lifted, knitted = [0.0] * 12 + [-2.0] * 5, [0.0] * 12 + [0.2, 0.2, 0.2, 0.2, 0.2]
    levels = torch.tensor([lifted, knitted]).T.expand(2, -1, -1)
    tried = {frame: levels - levels[:, [frame]] for frame in (0, 11, 14)}
    assert tried[14].clamp(max=0).sum() > tried[0].clamp(max=0).sum()
    assert _best_rest(tried) in (0, 11)


def test_values_count_from_the_patients_own_rest() -> None:
    """A face that reads 1 on the left and 2 on the right at rest is at rest there."""
    left, right = [1.0, 1.0, 3.0, 4.0, 1.0, 2.0], [2.0, 2.0, 2.0, 5.0, 2.0, 3.0]
    found = perfect(left, right, CLINICAL)
    assert set(found.rest) <= {0, 1, 4} and len(found.rest) == 2
    assert np.allclose(found.left, np.array(left)[:, None] - 1, atol=1e-4)
    assert np.allclose(found.right, np.array(right)[:, None] - 2, atol=1e-4)
    assert np.abs(found.left[list(found.rest)]).max() < 1e-3


def test_the_rest_and_the_calmest_frames_help() -> None:
    """Whatever the seed; a random helper in strong movement would be read worse."""
    rest, anchors = (2,), [torch.tensor([[3.0], [1.0], [0.0], [0.5]]), torch.tensor([[3.0], [1.0], [0.0], [2.5]])]
    assert _calmest_first(rest, anchors) == [2, 1, 3, 0]
    levels = [3.0, 2.0, 4.0, 1.0, 0.0, 2.5]
    one, two = (perfect(levels, levels, CLINICAL, seed=seed) for seed in (0, 1))
    assert np.array_equal(one.left, two.left)


@pytest.mark.parametrize("helpers", [1, 2])
def test_below_rest_is_zero(helpers: int) -> None:
    """... and helpers that lie below the rest do not lift the resting frames."""
    settings = dataclasses.replace(CLINICAL, helpers=helpers)
    found = perfect([1.0, 1.0, 5.0], [3.0, 3.0, 1.0], settings)
    assert set(found.rest) == {0, 1}
    assert found.right.min() >= 0 and np.allclose(found.right, 0, atol=1e-3)


@pytest.mark.parametrize("settings", [CLINICAL, PAPER])
def test_shapes_and_range(random_networks: tuple[OVPM, DVPM], settings: ActionUnitSettings) -> None:
    found = estimate_action_units(noisy_halves(), *random_networks, settings)
    assert found.left.shape == found.right.shape == (5, 14)
    for side in (found.left, found.right):
        assert side.min() >= 0 and side.max() <= 5 and side.std() > 0.1


@pytest.mark.parametrize("settings", [CLINICAL, PAPER])
def test_sides_are_treated_alike(random_networks: tuple[OVPM, DVPM], settings: ActionUnitSettings) -> None:
    halves = noisy_halves()
    plain = estimate_action_units(halves, *random_networks, settings)
    exchanged = estimate_action_units(HalfFaces(halves.right, halves.left), *random_networks, settings)
    assert np.array_equal(plain.left, exchanged.right) and np.array_equal(plain.right, exchanged.left)
    assert plain.rest == exchanged.rest
    even = estimate_action_units(HalfFaces(halves.left, halves.left), *random_networks, settings)
    assert np.array_equal(even.left, even.right)


@pytest.mark.parametrize("decode", ["expectation", "argmax"])
def test_asked_both_ways_round_a_difference_changes_its_sign(
    random_networks: tuple[OVPM, DVPM], decode: Literal["expectation", "argmax"]
) -> None:
    side = _Side(noisy_halves().left, *random_networks, dataclasses.replace(CLINICAL, decode=decode), 16)
    there, back = (side.deltas(pairs, antisymmetric=True) for pairs in ([(0, 1), (2, 3)], [(1, 0), (3, 2)]))
    assert torch.count_nonzero(there) > 0
    assert torch.equal(there, -back)
    assert torch.count_nonzero(side.deltas([(4, 4)], antisymmetric=True)) == 0


def test_same_seed_same_answer(random_networks: tuple[OVPM, DVPM]) -> None:
    halves = noisy_halves(8)
    settings = dataclasses.replace(CLINICAL, rest_reference=False)
    first, again, other = (estimate_action_units(halves, *random_networks, settings, seed=s) for s in (0, 0, 1))
    assert np.array_equal(first.left, again.left) and np.array_equal(first.right, again.right)
    assert not np.array_equal(first.left, other.left), "the seed chooses the helpers"


def test_batches_do_not_matter(random_networks: tuple[OVPM, DVPM], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "cpu_has_bf16", lambda: False)  # how bf16 rounds depends on the batch
    halves = noisy_halves()
    one, all_at_once = (estimate_action_units(halves, *random_networks, CLINICAL, batch_size=b) for b in (1, 64))
    assert np.allclose(one.left, all_at_once.left, atol=1e-4)


def test_no_helper_is_the_single_frame_network(random_networks: tuple[OVPM, DVPM]) -> None:
    ovpm, dvpm = random_networks
    halves = noisy_halves()
    settings = dataclasses.replace(CLINICAL, helpers=0, rest_reference=False)
    found = estimate_action_units(halves, ovpm, dvpm, settings)
    with torch.inference_mode():
        alone = expected_intensity(ovpm(normalise(half_tensor(halves.left, ovpm.input_size))))
    assert np.allclose(found.left, alone.numpy(), atol=1e-5)


def test_one_keyframe_is_enough(random_networks: tuple[OVPM, DVPM]) -> None:
    found = estimate_action_units(noisy_halves(1), *random_networks, CLINICAL)
    assert found.left.shape == (1, 14) and np.isfinite(found.left).all() and found.rest == ()


def test_half_faces_become_small_tensors() -> None:
    x = half_tensor(pictures([1.0, 4.0]), (192, 96))
    assert x.shape == (2, 3, 192, 96) and torch.allclose(x[1], torch.tensor(4 * STEP / 255))
    assert torch.allclose(normalise(torch.tensor([0.0, 1.0])), torch.tensor([-2.0, 2.0]))
