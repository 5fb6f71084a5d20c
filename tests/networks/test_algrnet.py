"""ALGRNet: regions, blocks, ablations, heads and losses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from palsy_cli.networks.algrnet import (
    MIRROR_49,
    SIZES,
    ALGRNet,
    ALGROutput,
    alignment_loss,
    au_loss,
    au_probabilities,
    au_total_loss,
    occurrence_weights,
    palsy_loss,
    to_49,
)
from palsy_cli.networks.algrnet_layers import Fusion, PatchConv, SkipBiLSTM, SkipConvLSTM, feature_block
from palsy_cli.networks.algrnet_regions import (
    BP4D_12_AUS,
    DISFA_8_AUS,
    DISFA_12_AUS,
    PALSY_REGIONS,
    POINTS_49,
    RegionGeometry,
    RegionShape,
    au_regions,
    eye_centre_distance,
    fixed_shape,
)

ABLATIONS = (
    {},
    {"skip_bilstm": False},
    {"plain_bilstm": True},
    {"fusion_refining": False},
    {"adaptive": False},
    {"gate": "channel"},
    {"attention_refine": True},
    {"skip_bilstm": False, "fusion_refining": False, "adaptive": False},
)


def tiny(seed: int = 0, **overrides: object) -> ALGRNet:
    torch.manual_seed(seed)
    return ALGRNet(**(SIZES["tiny"] | overrides))


def faces(count: int = 2, side: int = 64, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def half_face_points() -> dict[int, tuple[float, float]]:
    """Patient's right half (image left) and midline of a symmetric face, offsets from (88, 88) in a 176 crop."""
    brow = {0: (-42, -38), 1: (-36, -43), 2: (-28, -45), 3: (-20, -43), 4: (-11, -40)}
    nose = {10: (0, -30), 11: (0, -22), 12: (0, -14), 13: (0, -5), 14: (-10, 6), 15: (-5, 8), 16: (0, 9)}
    eye = {19: (-35, -30), 20: (-29, -34), 21: (-22, -34), 22: (-15, -29), 23: (-22, -27), 24: (-29, -27)}
    lips = {31: (-20, 22), 32: (-12, 18), 33: (-5, 16), 34: (0, 17), 40: (0, 30), 41: (-6, 29), 42: (-13, 27)}
    inner = {43: (-6, 21), 44: (0, 21), 47: (0, 24), 48: (-6, 24)}
    return brow | nose | eye | lips | inner


def symmetric_face(crop: int = 176) -> Tensor:
    """(49, 2) crop pixels, mirror symmetric about (crop - 1) / 2."""
    points = torch.zeros(49, 2)
    for number, offset in half_face_points().items():
        points[number] = torch.tensor(offset)
        points[MIRROR_49[number]] = torch.tensor((-offset[0], offset[1]))
    return (points + 88.0 - 0.5) * crop / 176 if crop != 176 else points + 87.5


def skewed_faces(count: int = 2, crop: int = 176) -> Tensor:
    noise = torch.randn(count, 49, 2, generator=torch.Generator().manual_seed(3)) * 3
    return symmetric_face(crop) + noise


def mirror(points: Tensor, crop: int = 176) -> Tensor:
    flipped = points[:, list(MIRROR_49)].clone()
    flipped[..., 0] = crop - 1 - flipped[..., 0]
    return flipped


# --- points -----------------------------------------------------------------------------------------------------


def test_the_49_points_leave_out_jaw_and_inner_lip_corners() -> None:
    points = np.stack((np.arange(68), -np.arange(68)), 1)
    chosen = to_49(points)
    assert sorted(set(range(68)) - set(chosen[:, 0])) == [*range(17), 60, 64]
    assert torch.equal(to_49(torch.as_tensor(points)[None]), torch.as_tensor(chosen)[None])
    with pytest.raises(ValueError, match="68"):
        to_49(points[:49])


def test_the_mirror_exchanges_sides_and_is_its_own_inverse() -> None:
    assert [MIRROR_49[i] for i in MIRROR_49] == list(range(49))
    pairs_68 = {17: 26, 21: 22, 27: 27, 31: 35, 36: 45, 37: 44, 39: 42, 40: 47, 41: 46, 48: 54, 49: 53, 56: 58}
    pairs_68 |= {51: 51, 57: 57, 61: 63, 62: 62, 65: 67, 66: 66, 55: 59}
    for a, b in pairs_68.items():
        assert MIRROR_49[POINTS_49.index(a)] == POINTS_49.index(b)


# --- regions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aus", [DISFA_12_AUS, DISFA_8_AUS, BP4D_12_AUS])
def test_every_au_has_two_centres_that_mirror_or_share_the_midline(aus: tuple[int, ...]) -> None:
    geometry = RegionGeometry(au_regions(aus), crop=176, side=44)
    centres = geometry.centres(symmetric_face()[None], torch.zeros(1, len(aus), 2))[0]
    for region, (first, second) in zip(au_regions(aus), centres, strict=True):
        if region.mirrored:
            torch.testing.assert_close(first[0], 175 - second[0])
            torch.testing.assert_close(first[1], second[1])
            assert first[0] < second[0], f"{region.name}: the patient's right (image left) comes first"
        else:
            assert float(first[0]) == float(second[0]) == 87.5
            assert first[1] < second[1], f"{region.name}: the upper one comes first"


def test_au_centres_follow_the_published_rules() -> None:
    points = symmetric_face()
    s = float(points[25, 0] - points[22, 0])
    aus = (1, 2, 4, 5, 6, 12, 17, 20, 26)
    centres = RegionGeometry(au_regions(aus), crop=176, side=44).centres(points[None], torch.zeros(1, len(aus), 2))
    expected = {
        1: points[4] - torch.tensor([0, s / 2]),
        2: points[1] - torch.tensor([0, s / 3]),
        4: points[2] + torch.tensor([0, s / 3]),
        5: (points[20] + points[21]) / 2,
        6: points[24] + torch.tensor([0, s]),
        12: points[31],
        17: points[41] + torch.tensor([0, s / 2]),
        20: points[31] + torch.tensor([0, s / 6]),
        26: points[41] + torch.tensor([0, s / 2]),
    }
    for i, au in enumerate(aus):
        torch.testing.assert_close(centres[0, i, 0], expected[au])


def test_an_unknown_au_is_refused() -> None:
    with pytest.raises(ValueError, match="27"):
        au_regions((1, 27))
    with pytest.raises(ValueError, match="known"):
        au_regions(())


def test_palsy_branches_run_top_to_bottom_right_then_left() -> None:
    geometry = RegionGeometry(PALSY_REGIONS, crop=176, side=44)
    centres = geometry.centres(symmetric_face()[None], torch.zeros(1, 12, 2))[0]
    assert len(PALSY_REGIONS) == 12
    assert all(r.name.endswith(("_right", "_left")[i % 2]) for i, r in enumerate(PALSY_REGIONS))
    right, left = centres[::2, 0], centres[1::2, 0]
    assert (right[:, 0] < 87.5).all() and (left[:, 0] > 87.5).all()
    torch.testing.assert_close(right[:, 0], 175 - left[:, 0])
    assert (right[1:, 1] > right[:-1, 1]).all()
    assert (centres[:, 0] == centres[:, 1]).all(), "one point per palsy branch"


@pytest.mark.parametrize("regions", [PALSY_REGIONS, au_regions(DISFA_12_AUS)])
def test_attention_peaks_at_the_centres(regions: tuple) -> None:
    geometry = RegionGeometry(regions, crop=176, side=44)
    points = symmetric_face()[None]
    shape = fixed_shape(1, len(regions), like=points)
    maps = geometry.attention(points, shape)[0]
    cells = (geometry.centres(points, shape.offsets)[0] + 0.5) / 4 - 0.5
    assert maps.min() >= 0 and maps.max() <= 1
    for one_map, (first, second) in zip(maps, cells, strict=True):
        peak = torch.nonzero(one_map == one_map.max())[0].flip(0)
        assert min(float((peak - first).abs().max()), float((peak - second).abs().max())) <= 0.5
        for x, y in (first, second):
            assert one_map[round(float(y)), round(float(x))] > 0.95


def test_attention_is_the_gaussian_of_the_scale() -> None:
    points = symmetric_face()[None]
    geometry = RegionGeometry(PALSY_REGIONS[8:9], crop=176, side=44)
    e = torch.tensor([[0.2]])
    one_map = geometry.attention(points, RegionShape(torch.zeros(1, 1, 2), e))[0, 0]
    cx, cy = ((geometry.centres(points, torch.zeros(1, 1, 2))[0, 0, 0] + 0.5) / 4 - 0.5).tolist()
    sigma = 0.40 * 44 * 0.2
    expected = math.exp(-((20 - cx) ** 2 + (30 - cy) ** 2) / (2 * sigma**2))
    assert float(one_map[30, 20]) == pytest.approx(expected, rel=1e-4)


def test_a_margin_only_adds_cells_around() -> None:
    points = skewed_faces()
    geometry = RegionGeometry(PALSY_REGIONS, crop=176, side=44)
    shape = fixed_shape(2, 12, like=points)
    wide = geometry.attention(points, shape, margin=4)
    assert wide.shape == (2, 12, 52, 52)
    torch.testing.assert_close(wide[..., 4:-4, 4:-4], geometry.attention(points, shape))


def test_a_vanishing_scale_and_a_degenerate_face_stay_finite() -> None:
    geometry = RegionGeometry(PALSY_REGIONS, crop=176, side=44)
    maps = geometry.attention(torch.full((1, 49, 2), 87.5), RegionShape(torch.zeros(1, 12, 2), torch.zeros(1, 12)))
    assert maps.isfinite().all()


@pytest.mark.parametrize("crop", [96, 176])
def test_mirrored_faces_have_mirrored_maps(crop: int) -> None:
    points = skewed_faces(crop=crop)
    au = RegionGeometry(au_regions(DISFA_12_AUS), crop=crop, side=crop // 4)
    shape = fixed_shape(2, 12, like=points)
    torch.testing.assert_close(au.attention(mirror(points, crop), shape), au.attention(points, shape).flip(-1))
    palsy = RegionGeometry(PALSY_REGIONS, crop=crop, side=crop // 4)
    swapped = palsy.attention(points, shape).flip(-1).unflatten(1, (6, 2)).flip(2).flatten(1, 2)
    torch.testing.assert_close(palsy.attention(mirror(points, crop), shape), swapped)


def test_mirrored_centres_take_opposite_horizontal_offsets() -> None:
    points = symmetric_face()[None]
    s = float(points[0, 25, 0] - points[0, 22, 0])
    offsets = torch.tensor([[[0.25, -0.1], [0.25, -0.1]]])
    geometry = RegionGeometry(au_regions((12, 25)), crop=176, side=44)
    moved = geometry.centres(points, offsets) - geometry.centres(points, torch.zeros_like(offsets))
    expected = torch.tensor([[[0.25, -0.1], [-0.25, -0.1]], [[0.25, -0.1], [0.25, -0.1]]]) * s
    torch.testing.assert_close(moved[0], expected, atol=1e-4, rtol=0)


def test_regions_follow_landmarks_without_pulling_at_them() -> None:
    points = skewed_faces().requires_grad_()
    offsets = torch.zeros(2, 12, 2, requires_grad=True)
    scales = torch.full((2, 12), 0.14, requires_grad=True)
    RegionGeometry(PALSY_REGIONS, crop=176, side=44).attention(points, RegionShape(offsets, scales)).sum().backward()
    assert points.grad is None
    assert offsets.grad is not None and offsets.grad.abs().sum() > 0
    assert scales.grad is not None and (scales.grad > 0).all(), "a larger scale widens the map"


def test_training_starts_at_the_fixed_regions() -> None:
    adaptive = tiny().adaptive
    assert adaptive is not None
    offsets, scales = adaptive(torch.randn(3, 32))
    assert (offsets == 0).all()
    torch.testing.assert_close(scales, torch.full((3, 12), 0.14))


def test_offsets_and_scales_are_bounded() -> None:
    adaptive = tiny().adaptive
    assert adaptive is not None
    for head in (adaptive.offsets, adaptive.scales):
        nn.init.normal_(head[-1].weight, std=100.0)
    offsets, scales = adaptive(torch.randn(8, 32) * 10)
    assert offsets.abs().max() <= 0.5 and scales.min() >= 0 and scales.max() <= 0.28
    assert offsets.abs().max() > 0.49, "the heads do reach their bounds"


# --- blocks -----------------------------------------------------------------------------------------------------


def test_patch_convolution_equals_one_convolution_per_patch() -> None:
    torch.manual_seed(0)
    layer = PatchConv(4, 2, grid=2).eval()
    nn.init.uniform_(layer.norm.weight, 0.5, 2.0)
    x = torch.randn(3, 4, 8, 12)
    y = layer(x)
    for row in range(2):
        for column in range(2):
            patch = 2 * row + column
            part = (slice(None), slice(None), slice(4 * row, 4 * row + 4), slice(6 * column, 6 * column + 6))
            scale = layer.norm.weight[4 * patch : 4 * patch + 4] / math.sqrt(1 + layer.norm.eps)
            active = torch.relu(x[part] * scale[:, None, None])
            weight, bias = layer.conv.weight[2 * patch : 2 * patch + 2], layer.conv.bias[2 * patch : 2 * patch + 2]
            torch.testing.assert_close(y[part], torch.conv2d(active, weight, bias, padding=1))
    with pytest.raises(ValueError, match="2x2"):
        layer(torch.randn(1, 4, 7, 8))


@pytest.mark.parametrize("gate", ["scalar", "channel"])
def test_skip_lstm_equals_the_written_recurrence(gate: str) -> None:
    torch.manual_seed(0)
    lstm = SkipConvLSTM(3, 4, gate=gate)
    maps = [torch.randn(2, 3, 5, 5) for _ in range(4)]
    weight = torch.cat((lstm.input_conv.weight, lstm.state_conv.weight), 1)
    states: list[Tensor] = []
    cell = torch.zeros(2, 3, 5, 5)
    for v in maps:
        past = torch.zeros_like(v)
        for j, h in enumerate(states):
            linear = lstm.gates[j]
            pre = torch.conv2d(torch.cat((h, v), 1), linear.weight[:, :, None, None], linear.bias)
            past = past + torch.sigmoid(pre.mean((2, 3), keepdim=True)) * h
        z = torch.conv2d(torch.cat((v, past), 1), weight, lstm.input_conv.bias, padding=1)
        i, f, o, g = z.chunk(4, 1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        states.append(torch.sigmoid(o) * torch.tanh(cell))
    for ours, expected in zip(lstm(maps), states, strict=True):
        torch.testing.assert_close(ours, expected)


def test_bilstm_adds_the_mean_of_both_directions_and_plain_sees_all_steps() -> None:
    torch.manual_seed(0)
    for plain in (False, True):
        relation = SkipBiLSTM(3, 4, plain=plain)
        maps = [torch.randn(1, 3, 4, 4) for _ in range(4)]
        ahead, back = relation.forwards(maps), relation.backwards(maps[::-1])[::-1]
        for s, v, a, b in zip(relation(maps), maps, ahead, back, strict=True):
            torch.testing.assert_close(s, v + (a + b) / 2)
        changed = [maps[0], *maps[1:3], maps[3] + 1]
        assert not torch.equal(relation(changed)[0], relation(maps)[0]), "the last step reaches the first"


def test_fusion_mixes_two_unit_vectors_and_may_condense_first() -> None:
    torch.manual_seed(0)
    fusion = Fusion(3, 5, 4)
    local, glob = torch.randn(2, 3, 12, 12), torch.randn(2, 5, 3, 3)
    fused = fusion(local, glob)
    up = nn.functional.interpolate(glob, (12, 12), mode="bilinear", align_corners=False)
    (gate_l, value_l), (gate_g, value_g) = fusion.local(local).chunk(2, 1), fusion.glob(up).chunk(2, 1)
    alpha = torch.sigmoid(gate_l + gate_g)
    expected = alpha * value_g / value_g.norm(dim=1, keepdim=True)
    expected = expected + (1 - alpha) * value_l / value_l.norm(dim=1, keepdim=True)
    torch.testing.assert_close(fused, expected)


def test_feature_block_turns_44_cells_into_5() -> None:
    assert feature_block(4, (2, 3, 6))(torch.randn(1, 4, 44, 44)).shape == (1, 6, 5, 5)


# --- the network ------------------------------------------------------------------------------------------------


def expected_parameters(n: int, outputs: int, local: bool) -> int:
    """From the layer table of the paper's size; convolutions before a batch norm have no bias, others have."""

    def stem(ci: int, co: int) -> int:
        def patch(grid: int, a: int, b: int) -> int:
            return grid**2 * (2 * a + 9 * a * b + b)

        parts = patch(8, co, co // 2) + patch(4, co // 2, co // 4) + patch(2, co // 4, co // 4)
        return 9 * ci * co + parts + 2 * co

    def block(*widths: int) -> int:
        pairs = zip(widths[:-1], widths[1:], strict=True)
        return sum(9 * a * b + 2 * b + 9 * b * b + 2 * b for a, b in pairs)

    hl = block(64, 96, 128, 160)
    align = 4000 * 512 + 512 + 512 * 98 + 98
    adaptive = 2 * (4000 * 256 + 256) + 257 * 2 * n + 257 * n
    lstm = 2 * (9 * 128 * 256 + 256 + (n - 1) * 129)
    fusion = n * (65 * 128 + 161 * 128)
    head = 8000 * 512 + 512 + 513 * outputs
    locals_ = n * (4000 * 64 + 64 + 64 * 2 + 2) if local else 0
    return stem(3, 32) + stem(32, 64) + (2 + n) * hl + align + adaptive + lstm + fusion + head + locals_


def test_the_papers_size_has_the_parameters_of_its_table() -> None:
    with torch.device("meta"):
        assert parameters(ALGRNet()) == expected_parameters(12, 24, local=True) == 25_270_924
        assert parameters(ALGRNet(aus=DISFA_8_AUS)) == expected_parameters(8, 16, local=True)
        assert parameters(ALGRNet(**SIZES["paper"])) == expected_parameters(12, 4, local=False) == 22_186_336


@pytest.mark.parametrize("size", ["paper", "compact", "tiny"])
def test_shapes_of_every_size(size: str) -> None:
    config = SIZES[size]
    x = faces(1, config.get("crop", 176))
    with torch.no_grad():
        output = ALGRNet(**config).eval()(x)
        both = ALGRNet(**(config | {"mode": "au", "sides_apart": False})).eval()(x)
    assert output.landmarks.shape == (1, 49, 2) and output.grade_logits.shape == (1, 4)
    assert output.au_logits_local is None and output.au_logits_integrated is None
    assert both.au_logits_local.shape == both.au_logits_integrated.shape == (1, 12, 2)
    assert both.grade_logits is None


@pytest.mark.parametrize("overrides", ABLATIONS, ids=lambda o: "-".join(o) or "full")
@pytest.mark.parametrize("mode", ["au", "palsy"])
def test_gradient_reaches_every_parameter(mode: str, overrides: dict[str, object]) -> None:
    network = tiny(mode=mode, **overrides)
    if network.adaptive is not None:  # Their last layers start at zero and would stop the gradient of the first.
        for head in (network.adaptive.offsets, network.adaptive.scales):
            nn.init.normal_(head[-1].weight, std=0.1)
    network.start_from_mean_face(symmetric_face(64))
    output = network(faces())
    points = symmetric_face(64).expand(2, 49, 2)
    if mode == "au":
        loss = au_total_loss(output, torch.tensor([[0, 1] * 6, [1, 0] * 6]), points, torch.ones(12))
    else:
        loss = palsy_loss(output, torch.tensor([0, 3]), points, torch.ones(4))
    loss.backward()
    dead = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


def test_ablations_remove_what_they_name() -> None:
    names = {key.split(".")[0] for key in tiny().state_dict()}
    assert names - {k.split(".")[0] for k in tiny(skip_bilstm=False).state_dict()} == {"relations"}
    assert names - {k.split(".")[0] for k in tiny(adaptive=False).state_dict()} == {"adaptive"}
    without = {k.split(".")[0] for k in tiny(fusion_refining=False).state_dict()}
    assert names - without == {"fusion", "global_features"}
    assert not any("gates" in key for key in tiny(plain_bilstm=True).state_dict())


def test_batch_order_does_not_matter() -> None:
    network = tiny().eval()
    x = faces(3)
    with torch.no_grad():
        torch.testing.assert_close(network(x.flip(0)).grade_logits, network(x).grade_logits.flip(0))


def test_landmarks_keep_full_precision_under_autocast() -> None:
    network = tiny().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        output = network(faces())
    assert output.landmarks.dtype == output.grade_logits.dtype == torch.float32


def test_start_from_mean_face() -> None:
    network = tiny().eval()
    with torch.no_grad():
        before = network(faces()).landmarks
        network.start_from_mean_face(symmetric_face(64))
        after = network(faces()).landmarks
    torch.testing.assert_close(after - before, (symmetric_face(64) - 31.5).expand(2, 49, 2))


@pytest.mark.parametrize("bad", [{"crop": 88}, {"crop": 16}, {"hidden": 8}, {"mode": "grade"}, {"stem": (6, 4)}])
def test_arguments_that_do_not_fit_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        tiny(**bad)


def test_wrong_input_is_refused() -> None:
    for shape in ((2, 3, 80, 80), (2, 1, 64, 64), (3, 64, 64)):
        with pytest.raises(ValueError, match="expected"):
            tiny()(torch.zeros(shape))


# --- losses -----------------------------------------------------------------------------------------------------


def certain(labels: Tensor, strength: float = 60.0) -> Tensor:
    """Logits that are sure of ``labels``."""
    present = strength * (2 * (labels == 1).float() - 1)
    return torch.stack((-present, present), -1) / 2


def test_au_loss_is_zero_at_its_optimum_and_never_negative() -> None:
    labels = torch.tensor([[0, 1, 1], [0, 0, 1], [0, 1, 1]])
    weights = occurrence_weights(torch.tensor([0.1, 0.5, 0.9]))
    assert float(au_loss(certain(labels), labels, weights)) == pytest.approx(0, abs=1e-6)
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        logits = torch.randn(3, 3, 2, generator=generator) * 10
        assert float(au_loss(logits, labels, weights)) >= 0


def test_au_loss_of_one_unit_by_hand() -> None:
    logits = torch.tensor([[[0.0, 0.0]], [[0.0, math.log(3)]]])
    labels = torch.tensor([[0], [1]])
    entropy = -(math.log(0.5) + math.log(0.75)) / 2
    dice = 1 - (2 * 0.75 + 1) / (1 + 0.25 + 0.5625 + 1)
    assert float(au_loss(logits, labels, torch.ones(1))) == pytest.approx(entropy + dice, rel=1e-6)


def test_missing_labels_do_not_count() -> None:
    logits = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([[1, 9], [0, 9], [9, 9], [9, 9]])
    loss = au_loss(logits, labels, torch.ones(2))
    torch.testing.assert_close(loss, au_loss(logits[:2, :1], labels[:2, :1], torch.ones(1)) / 2)
    loss.backward()
    assert (logits.grad[2:] == 0).all() and (logits.grad[:, 1] == 0).all()
    assert (logits.grad[:2, 0] != 0).all()


def test_alignment_loss_is_in_units_of_the_eye_distance() -> None:
    target = skewed_faces()
    assert float(alignment_loss(target, target)) == 0
    moved = target + torch.tensor([3.0, 4.0])
    expected = (49 * 25 / (2 * eye_centre_distance(target) ** 2)).mean()
    torch.testing.assert_close(alignment_loss(moved, target), expected)
    torch.testing.assert_close(alignment_loss(2 * moved, 2 * target), expected)


def test_palsy_loss_weighs_the_class_and_half_the_alignment() -> None:
    target = skewed_faces()
    output = ALGROutput(target + 2, None, None, torch.zeros(2, 4))
    loss = palsy_loss(output, torch.tensor([0, 2]), target, torch.tensor([2.0, 1.0, 0.5, 0.5]))
    expected = math.log(4) * (2.0 + 0.5) / 2 + 0.5 * float(alignment_loss(target + 2, target))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_losses_refuse_the_other_mode() -> None:
    palsy = ALGROutput(skewed_faces(), None, None, torch.zeros(2, 4))
    au = ALGROutput(skewed_faces(), torch.zeros(2, 3, 2), torch.zeros(2, 3, 2), None)
    with pytest.raises(ValueError, match="mode 'au'"):
        palsy_loss(au, torch.zeros(2, dtype=torch.long), skewed_faces(), torch.ones(4))
    with pytest.raises(ValueError, match="mode 'palsy'"):
        au_total_loss(palsy, torch.zeros(2, 3), skewed_faces(), torch.ones(3))
    with pytest.raises(ValueError, match="mode 'palsy'"):
        au_probabilities(palsy)


def test_final_probability_is_the_mean_of_both_heads() -> None:
    local = torch.tensor([[[0.0, 0.0], [0.0, math.log(3)]]])
    whole = torch.tensor([[[0.0, math.log(9)], [math.log(3), 0.0]]])
    probabilities = au_probabilities(ALGROutput(torch.zeros(1, 49, 2), local, whole, None))
    torch.testing.assert_close(probabilities, torch.tensor([[0.7, 0.5]]))


def test_occurrence_weights_are_inverse_rates_with_mean_one() -> None:
    weights = occurrence_weights(torch.tensor([0.1, 0.2, 0.4]))
    torch.testing.assert_close(weights * torch.tensor([0.1, 0.2, 0.4]) / weights[0], torch.full((3,), 0.1))
    assert float(weights.mean()) == pytest.approx(1)
    with pytest.raises(ValueError, match="above 0"):
        occurrence_weights(torch.tensor([0.1, 0.0]))


def test_one_batch_can_be_learned() -> None:
    network = tiny()
    network.start_from_mean_face(symmetric_face(64))
    x, grades, points = faces(4), torch.arange(4), skewed_faces(4, 64)
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = palsy_loss(network(x), grades, points, torch.ones(4))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_sides_apart_tells_one_side_from_the_other() -> None:
    """As published the head sees one mean over all regions, the same when left and right regions change places."""
    refined = [torch.randn(1, 3, generator=torch.Generator().manual_seed(k)) for k in range(12)]
    exchanged = [refined[k ^ 1] for k in range(12)]
    small = {**SIZES["tiny"], "sides_apart": False}
    published, ours = ALGRNet(**small), ALGRNet(**{**small, "sides_apart": True})
    assert torch.allclose(published._means(refined)[0], published._means(exchanged)[0])
    right, left = ours._means(refined)
    assert torch.equal(left, ours._means(exchanged)[0]) and not torch.allclose(right, left)
    assert isinstance(published.integrated_head[1], torch.nn.Identity)
    assert isinstance(ours.integrated_head[1][-1], torch.nn.ReLU)
    with pytest.raises(ValueError, match="sides_apart"):
        ALGRNet(mode="au", sides_apart=True)
