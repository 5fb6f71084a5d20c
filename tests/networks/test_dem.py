"""The difference ensemble: both networks, decoding, anchoring and helper choice."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from palsy_cli.networks.dem import (
    DVPM,
    DVPM_SIZES,
    OVPM,
    OVPM_SIZES,
    Fuse,
    argmax_difference,
    argmax_intensity,
    choose_helpers,
    copy_vgg19,
    difference,
    ensemble,
    expected_difference,
    expected_intensity,
    tap_std,
    vgg_blocks,
)

FUSIONS = ("concat", "add")


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def tiny_ovpm(seed: int = 0, **overrides: object) -> OVPM:
    torch.manual_seed(seed)
    return OVPM(**(OVPM_SIZES["tiny"] | overrides))


def tiny_dvpm(seed: int = 0, **overrides: object) -> DVPM:
    torch.manual_seed(seed)
    return DVPM(**(DVPM_SIZES["tiny"] | overrides))


def faces(count: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, 64, 32, generator=torch.Generator().manual_seed(seed))


def random_differences(count: int = 2, seed: int = 0) -> list[Tensor]:
    """Signed maps of the tiny network's tap shapes."""
    generator = torch.Generator().manual_seed(seed)
    widths = OVPM_SIZES["tiny"]["widths"]
    return [torch.randn(count, width, 64 >> k, 32 >> k, generator=generator) for k, width in enumerate(widths, start=1)]


def one_hot_logits(classes: Tensor, count: int) -> Tensor:
    """Logits of a head that is certain of ``classes``."""
    return 200.0 * nn.functional.one_hot(classes, count).float()


def test_paper_sizes_have_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        ovpm, dvpm = OVPM(**OVPM_SIZES["paper"]), DVPM(**DVPM_SIZES["paper"])
    assert parameters(ovpm) / 1e6 == pytest.approx(139.9, abs=0.05)
    assert parameters(dvpm) / 1e6 == pytest.approx(141.3, abs=0.05)


def test_paper_shapes() -> None:
    with torch.device("meta"):
        ovpm, dvpm = OVPM(), DVPM()
        logits, taps = ovpm.forward_with_taps(torch.empty(1, 3, 512, 256))
        delta = dvpm(difference(taps, taps))
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (64, 256, 128),
        (128, 128, 64),
        (256, 64, 32),
        (512, 32, 16),
        (512, 16, 8),
    ]
    assert logits.shape == (1, 12, 6)
    assert delta.shape == (1, 12, 11)


def test_block_layout_is_vgg19() -> None:
    with torch.device("meta"):
        layers = [layer for block in OVPM().blocks for layer in block.children()]
    pools = [k for k, layer in enumerate(layers) if isinstance(layer, nn.MaxPool2d)]
    assert pools == [4, 9, 18, 27, 36]


@pytest.mark.parametrize("size", ["compact", "tiny"])
def test_small_sizes_fit_each_other(size: str) -> None:
    ovpm, dvpm = OVPM(**OVPM_SIZES[size]).eval(), DVPM(**DVPM_SIZES[size]).eval()
    height, width = ovpm.input_size
    with torch.no_grad():
        logits, taps = ovpm.forward_with_taps(torch.randn(2, 3, height, width))
        delta, displacement = dvpm.forward_with_displacement(difference(taps, [tap.flip(0) for tap in taps]))
    assert logits.shape == (2, 14, 6)
    assert delta.shape == (2, 14, 11)
    assert displacement is not None
    assert displacement.shape == (2, 2, height // 8, width // 8)


def test_displacement_head_is_optional_and_a_side_output() -> None:
    with_head, without = tiny_dvpm().eval(), tiny_dvpm(displacement=False).eval()
    without.load_state_dict(
        {key: value for key, value in with_head.state_dict().items() if not key.startswith("displacement")}
    )
    maps = random_differences()
    with torch.no_grad():
        logits, displacement = without.forward_with_displacement(maps)
        assert displacement is None
        assert torch.equal(logits, with_head(maps))


def test_taps_are_those_of_the_forward_pass() -> None:
    network = tiny_ovpm().eval()
    with torch.no_grad():
        logits, taps = network.forward_with_taps(faces())
        assert torch.equal(logits, network(faces()))
        assert all(torch.equal(a, b) for a, b in zip(taps, network.taps(faces()), strict=True))


def test_identical_frames_have_no_difference() -> None:
    network = tiny_ovpm().eval()
    with torch.no_grad():
        maps = difference(network.taps(faces()), network.taps(faces()))
    assert len(maps) == 5
    assert all(torch.count_nonzero(delta) == 0 for delta in maps)


def test_different_frames_differ_at_every_tap_with_both_signs() -> None:
    network = tiny_ovpm().eval()
    with torch.no_grad():
        maps = difference(network.taps(faces(seed=0)), network.taps(faces(seed=1)))
    assert all(delta.min() < 0 < delta.max() for delta in maps)


@pytest.mark.parametrize("batch_norm", [True, False])
def test_gradient_reaches_every_parameter_of_the_ovpm(batch_norm: bool) -> None:
    network = tiny_ovpm(batch_norm=batch_norm, fc_dim=64)
    logits = network(faces(8))
    nn.functional.cross_entropy(logits.flatten(0, 1), torch.arange(8 * 14) % 6).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("batch_norm", [True, False])
def test_gradient_reaches_every_parameter_of_the_dvpm(fusion: str, batch_norm: bool) -> None:
    network = tiny_dvpm(fusion=fusion, batch_norm=batch_norm, fc_dim=64)
    logits, displacement = network.forward_with_displacement(random_differences(8))
    assert displacement is not None
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), torch.arange(8 * 14) % 11)
    (loss + displacement.square().mean()).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_difference_matters(fusion: str) -> None:
    network = tiny_dvpm(fusion=fusion, batch_norm=False, fc_dim=64).eval()
    maps = random_differences()
    with torch.no_grad():
        whole = network(maps)
        for k in range(5):
            partial = [torch.zeros_like(m) if k == i else m for i, m in enumerate(maps)]
            assert not torch.allclose(network(partial), whole)


def test_fusion_starts_as_addition() -> None:
    concat, add = tiny_dvpm(fusion="concat").eval(), tiny_dvpm(fusion="add").eval()
    missing, unexpected = add.load_state_dict(concat.state_dict(), strict=False)
    assert missing == []
    assert all(".mix." in key for key in unexpected) and len(unexpected) == 8
    with torch.no_grad():
        torch.testing.assert_close(concat(random_differences()), add(random_differences()))


@pytest.mark.parametrize("fusion", FUSIONS)
def test_fusing_adds_then_rectifies(fusion: str) -> None:
    hidden, delta = torch.rand(1, 3, 4, 4), torch.randn(1, 3, 4, 4)
    with torch.no_grad():
        result = Fuse(3, fusion)(hidden, delta)
    torch.testing.assert_close(result, (hidden + delta).clamp(min=0))


def test_sign_of_the_first_difference_is_kept() -> None:
    network = tiny_dvpm().eval()
    maps = [torch.zeros_like(m) for m in random_differences()]
    maps[0] = random_differences()[0]
    with torch.no_grad():
        assert not torch.allclose(network(maps), network([-m for m in maps]))


def test_tap_scale_multiplies_the_differences_and_is_stored() -> None:
    scaled, plain = tiny_dvpm().eval(), tiny_dvpm().eval()
    std = torch.tensor([0.5, 1.0, 2.0, 4.0, 8.0])
    scaled.set_tap_scale(std)
    maps = random_differences()
    with torch.no_grad():
        torch.testing.assert_close(scaled([m * s for m, s in zip(maps, std, strict=True)]), plain(maps))
        assert not torch.allclose(scaled(maps), plain(maps))
    assert torch.equal(scaled.state_dict()["tap_scale"], 1 / std)
    assert not scaled.tap_scale.requires_grad


@pytest.mark.parametrize("std", [torch.ones(4), torch.tensor([1.0, 1, 1, 1, 0]), torch.full((5,), float("nan"))])
def test_useless_tap_scale_raises(std: Tensor) -> None:
    with pytest.raises(ValueError, match="std"):
        tiny_dvpm().set_tap_scale(std)


def test_tap_std_over_batches_is_that_of_all_values() -> None:
    parts = [random_differences(3, seed=k) for k in range(3)]
    whole = torch.stack([torch.cat(maps).std(correction=0) for maps in zip(*parts, strict=True)])
    torch.testing.assert_close(tap_std(parts), whole)
    with pytest.raises(ValueError, match="batch"):
        tap_std([])


@pytest.mark.parametrize("shape", [(1, 1, 64, 32), (1, 3, 32, 64), (3, 64, 32), (1, 3, 64, 33)])
def test_wrong_face_shape_raises(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        tiny_ovpm()(torch.zeros(shape))


def test_wrong_difference_shapes_raise() -> None:
    network = tiny_dvpm()
    maps = random_differences()
    wrong = [[], maps[:4], [*maps, maps[-1]], maps[::-1]]
    wrong += [[maps[0][:1], *maps[1:]], [maps[0][:, :, 1:], *maps[1:]]]
    for bad in wrong:
        with pytest.raises(ValueError, match="differences"):
            network(bad)
    with pytest.raises(ValueError, match="taps differ"):
        difference(maps, maps[:4])


def test_wrong_arguments_raise() -> None:
    with pytest.raises(ValueError, match="widths"):
        OVPM(widths=(4, 4, 8, 8))
    with pytest.raises(ValueError, match="input_size"):
        tiny_dvpm(input_size=(64, 31))
    with pytest.raises(ValueError, match="fusion"):
        tiny_dvpm(fusion="multiply")


def test_vgg19_weights_can_be_copied() -> None:
    torch.manual_seed(0)
    widths, plan = (3, 4, 5, 6, 7), {"fc_dim": 4, "input_size": (32, 32)}
    source = nn.Sequential(
        *(layer for block in vgg_blocks(3, widths, (2, 2, 4, 4, 4), batch_norm=False) for layer in block)
    )
    state = {f"features.{key}": value for key, value in source.state_dict().items()}
    ovpm, dvpm = OVPM(widths, **plan), DVPM(widths, **plan)
    copy_vgg19(ovpm, state)
    copy_vgg19(dvpm, state)
    x = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        taps = ovpm.taps(x)
        assert torch.equal(taps[-1], source(x))
        assert torch.equal(dvpm.blocks[0](taps[0]), taps[1])
    with pytest.raises(ValueError, match="does not fit"):
        copy_vgg19(tiny_ovpm(batch_norm=False), state)
    with pytest.raises(ValueError, match="16 convolutions"):
        copy_vgg19(ovpm, {})


def test_expectations_are_the_class_values_when_certain() -> None:
    intensities = torch.arange(6)
    differences = torch.arange(-5, 6)
    torch.testing.assert_close(expected_intensity(one_hot_logits(intensities, 6)), intensities.float())
    torch.testing.assert_close(expected_difference(one_hot_logits(differences + 5, 11)), differences.float())
    assert torch.equal(argmax_intensity(one_hot_logits(intensities, 6)), intensities.float())
    assert torch.equal(argmax_difference(one_hot_logits(differences + 5, 11)), differences.float())


def test_expectation_is_the_mean_of_the_distribution() -> None:
    probabilities = torch.tensor([[0.1, 0.2, 0.3, 0.4, 0.0, 0.0]])
    assert expected_intensity(probabilities.log()).item() == pytest.approx(2.0, abs=1e-5)
    assert argmax_intensity(probabilities.log()).item() == 3.0
    assert expected_difference(torch.zeros(2, 11)).tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_expectations_stay_in_range() -> None:
    logits = 30 * torch.randn(50, 14, 11, generator=torch.Generator().manual_seed(0))
    assert expected_difference(logits).abs().max() <= 5 + 1e-5
    low, high = expected_intensity(logits[..., :6]).aminmax()
    assert low >= 0 and high <= 5 + 1e-5


@pytest.mark.parametrize(
    ("decode", "classes"),
    [(expected_intensity, 11), (argmax_intensity, 11), (expected_difference, 6), (argmax_difference, 6)],
)
def test_decoders_refuse_other_classes(decode: Callable[[Tensor], Tensor], classes: int) -> None:
    with pytest.raises(ValueError, match="logits"):
        decode(torch.zeros(2, classes))


@pytest.mark.parametrize(
    ("decode_value", "decode_delta"),
    [(expected_intensity, expected_difference), (argmax_intensity, argmax_difference)],
)
def test_perfect_heads_give_the_true_value(
    decode_value: Callable[[Tensor], Tensor], decode_delta: Callable[[Tensor], Tensor]
) -> None:
    truth = torch.randint(0, 6, (9, 12), generator=torch.Generator().manual_seed(0))
    for i in range(9):
        helpers = list(choose_helpers(9, i, 3, seed=1))
        anchor = decode_value(one_hot_logits(truth[helpers], 6))
        delta = decode_delta(one_hot_logits(truth[i] - truth[helpers] + 5, 11))
        torch.testing.assert_close(ensemble(anchor, delta), truth[i].float())


def test_ensemble_averages_the_anchored_values() -> None:
    anchor, delta = torch.tensor([[1.0, 2.0], [3.0, 0.0]]), torch.tensor([[1.0, -1.0], [0.0, 2.0]])
    assert ensemble(anchor, delta).tolist() == [2.5, 1.5]


def test_ensemble_is_clipped_after_the_mean() -> None:
    assert ensemble(torch.tensor([[5.0, 0.0]]), torch.tensor([[4.0, -3.0]])).tolist() == [5.0, 0.0]
    # -1 and 3 average to 1; clipping each first would give 1.5.
    assert ensemble(torch.tensor([[0.0], [3.0]]), torch.tensor([[-1.0], [0.0]])).tolist() == [1.0]


def test_ensemble_without_helpers_raises() -> None:
    with pytest.raises(ValueError, match="m >= 1"):
        ensemble(torch.zeros(0, 12), torch.zeros(0, 12))
    with pytest.raises(ValueError, match="m >= 1"):
        ensemble(torch.zeros(2, 12), torch.zeros(1, 12))


def test_helpers_are_distinct_seeded_and_never_the_frame_itself() -> None:
    for index in range(10):
        helpers = choose_helpers(10, index, 4, seed=7)
        assert helpers == choose_helpers(10, index, 4, seed=7)
        assert len(set(helpers)) == 4
        assert index not in helpers
        assert set(helpers) <= set(range(10))


def test_other_seeds_draw_other_helpers() -> None:
    assert len({choose_helpers(50, 3, 2, seed=seed) for seed in range(20)}) > 10


def test_all_frames_are_drawn_about_equally_often() -> None:
    drawn = np.bincount([j for seed in range(600) for j in choose_helpers(7, 2, 2, seed=seed)], minlength=7)
    assert drawn[2] == 0
    assert np.delete(drawn, 2).min() > 150  # 200 expected, standard deviation 12


@pytest.mark.parametrize("m", [4, 5, 100])
def test_all_others_help_when_fewer_exist(m: int) -> None:
    assert choose_helpers(5, 2, m) == (0, 1, 3, 4)


@pytest.mark.parametrize(("count", "m"), [(1, 2), (5, 0)])
def test_no_helpers(count: int, m: int) -> None:
    assert choose_helpers(count, 0, m) == ()


@pytest.mark.parametrize(("count", "index", "m"), [(5, 5, 2), (5, -1, 2), (5, 0, -1)])
def test_wrong_helper_requests_raise(count: int, index: int, m: int) -> None:
    with pytest.raises(ValueError, match="no helpers"):
        choose_helpers(count, index, m)
