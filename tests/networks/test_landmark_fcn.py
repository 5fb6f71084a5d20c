"""The landmark network: shapes, published parameter counts, heat maps and their decoding."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from palsy_cli.networks.landmark_fcn import (
    SIZES,
    CascadedFCN,
    TiledUpsampling,
    cascade_loss,
    decode_heatmaps,
    decode_tiles,
    gaussian_targets,
)
from palsy_cli.networks.layers import make_ready


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def tiny(seed: int = 0, **overrides: object) -> CascadedFCN:
    torch.manual_seed(seed)
    return CascadedFCN(**(SIZES["tiny"] | overrides))


def some_points(seed: int = 0, count: int = 2) -> torch.Tensor:
    """Points far enough from the border for a whole bell."""
    return 20 + 56 * torch.rand(count, 68, 2, generator=torch.Generator().manual_seed(seed))


def test_paper_size_has_the_published_parameter_counts() -> None:
    with torch.device("meta"):
        network = CascadedFCN(**SIZES["paper"])
    assert parameters(network.stage1) == 55_196_552
    assert parameters(network.stage2) == 55_235_720


def test_paper_size_keeps_96_pixels() -> None:
    with torch.device("meta"):
        h1, h2 = CascadedFCN()(torch.empty(1, 1, 96, 96))
    assert h1.shape == h2.shape == (1, 68, 96, 96)


@pytest.mark.parametrize("overrides", [{}, {"batch_norm": False}, {"score_relu": True}, {"points": 5}])
def test_forward_shapes(overrides: dict[str, object]) -> None:
    network = tiny(**overrides).eval()
    with torch.no_grad():
        h1, h2 = network(torch.randn(2, 1, 96, 96))
    assert h1.shape == h2.shape == (2, network.points, 96, 96)
    assert torch.isfinite(h2).all()


@pytest.mark.parametrize("tile", [2, 8])
def test_tiled_upsampling_is_the_transposed_convolution(tile: int) -> None:
    torch.manual_seed(tile)
    ours = TiledUpsampling(5, 3, tile)
    nn.init.normal_(ours.weight)
    theirs = nn.ConvTranspose2d(5, 3, tile, stride=tile, bias=False)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 5, 4, 6)
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x), atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3, 96, 96), (1, 1, 95, 96), (1, 96, 96), (1, 1, 96, 128)])
def test_wrong_input_shape_raises(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected shape"):
        tiny()(torch.zeros(shape))


def test_wrong_number_of_widths_raises() -> None:
    with pytest.raises(ValueError, match="widths"):
        CascadedFCN(widths=(4, 8, 8, 8))


@pytest.mark.parametrize("batch_norm", [True, False])
def test_gradient_reaches_every_parameter(batch_norm: bool) -> None:
    network = tiny(batch_norm=batch_norm)
    h1, h2 = network(torch.randn(4, 1, 96, 96))
    cascade_loss(h1, h2, gaussian_targets(some_points(count=4))).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.abs().max() > 0]
    assert silent == []


def test_second_stage_trains_the_first() -> None:
    network = tiny()
    _, h2 = network(torch.randn(2, 1, 96, 96))
    h2.square().mean().backward()
    grad = network.stage1.b10.weight.grad
    assert grad is not None and grad.abs().max() > 0


def test_second_stage_sees_the_picture_and_the_first_maps() -> None:
    network = tiny().eval()
    x = torch.randn(1, 1, 96, 96)
    with torch.no_grad():
        h1, h2 = network(x)
        assert torch.allclose(h2, network.stage2(torch.cat([h1, x], dim=1)), atol=1e-5)
        assert not torch.allclose(h2, network.stage2(torch.cat([h1, 0 * x], dim=1)))
        assert not torch.allclose(h2, network.stage2(torch.cat([0 * h1, x], dim=1)))


def settled() -> CascadedFCN:
    """A network whose batch norms do something, in evaluation mode."""
    network = tiny()
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.bias, std=0.3)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize("ready", [False, True], ids=["as trained", "ready"])
@pytest.mark.parametrize("points", [None, [5, 60, 2]])
def test_tiles_are_the_pixels_of_the_last_maps(ready: bool, points: list[int] | None) -> None:
    network, x = settled(), torch.randn(2, 1, 96, 96)
    with torch.no_grad():
        maps = network(x)
        if ready:
            make_ready(network, "cpu")
        for stages, wanted in enumerate(maps, start=1):
            tiles = network.tiles(x, stages=stages, points=points)
            assert tiles.shape == (2, 12, 12, 8, 8, 68 if points is None else 3)
            there = tiles.permute(0, 5, 1, 3, 2, 4).reshape(2, -1, 96, 96)
            torch.testing.assert_close(there, wanted if points is None else wanted[:, points], rtol=1e-3, atol=1e-4)
            assert wanted.std() > 1e-3


def test_points_of_tiles_are_those_of_the_map() -> None:
    maps = torch.randn(2, 3, 24, 40)
    tiles = maps.view(2, 3, 3, 8, 5, 8).permute(0, 2, 4, 3, 5, 1)
    for weighted in (False, True):
        for found, wanted in zip(
            decode_tiles(tiles, top_k=7, weighted=weighted),
            decode_heatmaps(maps, top_k=7, weighted=weighted),
            strict=True,
        ):
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)


def test_batch_order_does_not_matter() -> None:
    network = tiny().eval()
    x = torch.randn(3, 1, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(network(x)[1].flip(0), network(x.flip(0))[1], rtol=1e-4, atol=1e-5)


def test_all_three_depths_reach_the_maps() -> None:
    stage = tiny().eval().stage1
    x = torch.randn(1, 1, 96, 96)
    with torch.no_grad():
        whole = stage(x)
        for layer in (stage.b7, stage.b9, stage.b8_f3):
            kept = layer.weight.clone()
            layer.weight.zero_()
            assert not torch.allclose(stage(x), whole)
            layer.weight.copy_(kept)


def test_targets_peak_at_one_and_fall_by_sigma() -> None:
    points = torch.tensor([[[40.0, 60.0]]])
    maps = gaussian_targets(points, sigma=5.0)
    assert maps.shape == (1, 1, 96, 96)
    assert maps[0, 0, 60, 40] == 1.0
    assert maps.max() == 1.0
    assert maps[0, 0, 60, 45].item() == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert maps[0, 0, 55, 40].item() == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert maps[0, 0, 63, 44].item() == pytest.approx(math.exp(-0.5), rel=1e-5)


def test_targets_of_points_outside_are_cut_bells() -> None:
    maps = gaussian_targets(torch.tensor([[[-5.0, 48.0], [500.0, 48.0]]]))
    assert maps[0, 0].max().item() == pytest.approx(math.exp(-0.5), rel=1e-5)
    assert maps[0, 1].max() == 0.0


@pytest.mark.parametrize("weighted", [False, True])
def test_decoding_recovers_points(weighted: bool) -> None:
    points = some_points()
    found, confidence = decode_heatmaps(gaussian_targets(points), weighted=weighted)
    error = (found - points).norm(dim=-1)
    # The mean of 25 whole pixels cannot be finer than a fraction of a pixel.
    assert error.mean() < 0.2
    assert error.max() < 0.5
    assert confidence.min() > 0.98 and confidence.max() <= 1.0


def test_decoding_is_exact_for_a_symmetric_neighbourhood() -> None:
    points = torch.tensor([[[40.0, 60.0], [25.0, 30.0]]])
    for top_k in (1, 5, 25):
        for weighted in (False, True):
            found, _ = decode_heatmaps(gaussian_targets(points), top_k=top_k, weighted=weighted)
            torch.testing.assert_close(found, points, rtol=0, atol=1e-4)


def test_decoding_averages_the_largest_responses() -> None:
    maps = torch.full((1, 1, 4, 6), -1.0)
    maps[0, 0, 1, 2], maps[0, 0, 3, 4] = 3.0, 1.0
    plain, confidence = decode_heatmaps(maps, top_k=2)
    weighted, _ = decode_heatmaps(maps, top_k=2, weighted=True)
    assert plain.tolist() == [[[3.0, 2.0]]]
    assert weighted.tolist() == [[[2.5, 1.5]]]
    assert confidence.tolist() == [[1.0]]


@pytest.mark.parametrize("side", [(96, 96), (48, 50), (7, 9)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_largest_are_found_wherever_they_lie(side: tuple[int, int], layout: torch.memory_format) -> None:
    maps = torch.randn(2, 5, *side, generator=torch.Generator().manual_seed(0)).to(memory_format=layout)
    places = maps.flatten(2).topk(25).indices
    wanted = torch.stack([places % side[1], places // side[1]], dim=-1).float().mean(2)
    found, confidence = decode_heatmaps(maps, top_k=25)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4)
    torch.testing.assert_close(confidence, maps.amax((2, 3)).clamp(0, 1), rtol=0, atol=0)


def test_weighted_decoding_ignores_negative_responses() -> None:
    maps = torch.full((1, 1, 4, 6), -5.0)
    maps[0, 0, 1, 2] = 0.5
    found, confidence = decode_heatmaps(maps, top_k=24, weighted=True)
    assert found.tolist() == [[[2.0, 1.0]]]
    assert confidence.tolist() == [[0.5]]


def test_decoding_of_a_map_without_response_is_finite() -> None:
    found, confidence = decode_heatmaps(torch.full((1, 1, 8, 8), -1.0), weighted=True)
    assert torch.isfinite(found).all()
    assert confidence.tolist() == [[0.0]]


@pytest.mark.parametrize("top_k", [0, 37])
def test_decoding_refuses_a_top_k_outside_the_map(top_k: int) -> None:
    with pytest.raises(ValueError, match="top_k"):
        decode_heatmaps(torch.zeros(1, 1, 6, 6), top_k=top_k)


def test_wrong_shapes_raise() -> None:
    with pytest.raises(ValueError, match="heatmaps"):
        decode_heatmaps(torch.zeros(1, 6, 6))
    with pytest.raises(ValueError, match="points"):
        gaussian_targets(torch.zeros(68, 2))
    with pytest.raises(ValueError, match="positive"):
        gaussian_targets(torch.zeros(1, 68, 2), sigma=0.0)
    with pytest.raises(ValueError, match="differ"):
        cascade_loss(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4))


def test_loss_is_the_equation() -> None:
    torch.manual_seed(0)
    h1, h2, goal = torch.randn(3, 2, 68, 12, 12)
    per_image = [
        sum(float((h[i, n] - goal[i, n]).square().sum()) for h in (h1, h2) for n in range(68)) / 68 for i in range(2)
    ]
    assert cascade_loss(h1, h2, goal).item() == pytest.approx(sum(per_image) / 2, rel=1e-5)
    assert cascade_loss(goal, goal, goal) == 0.0


def test_training_gets_below_the_loss_of_empty_maps() -> None:
    network = tiny()  # seeds torch
    x = torch.randn(2, 1, 96, 96)
    goal = gaussian_targets(some_points())
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(36):
        optimizer.zero_grad()
        loss = cascade_loss(*network(x), goal)
        loss.backward()
        optimizer.step()
    empty = torch.zeros_like(goal)
    assert loss < 0.95 * cascade_loss(empty, empty, goal)
