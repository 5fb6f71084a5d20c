"""The layers that we build ourselves are those of the libraries, to the last weight's name."""

from __future__ import annotations

import pytest
import timm
import torch
import torchvision
from timm.models.resnet import Bottleneck as TimmBottleneck
from timm.models.resnet import make_blocks
from torch import nn

from palsy_cli.networks.backbones import VGG_CONVS, VGG_WIDTHS
from palsy_cli.networks.layers import HalvingMax, fold_norms, pool_first, residual_stages, vgg_block
from palsy_cli.networks.registry import build_network
from palsy_cli.networks.retinaface import box_iou, nms


def test_residual_stages_are_timms() -> None:
    torch.manual_seed(0)
    for stride in (8, 16, 32):
        ours = nn.Sequential(*residual_stages(6, (4, 6, 8, 8), (2, 1, 3, 2), output_stride=stride)).eval()
        stages, _ = make_blocks(
            (TimmBottleneck,) * 4, (4, 6, 8, 8), (2, 1, 3, 2), 6, output_stride=stride,
            act_layer=nn.ReLU, norm_layer=nn.BatchNorm2d,
        )  # fmt: skip
        theirs = nn.Sequential(*(stage for _, stage in stages)).eval()
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(2, 6, 32, 24)
        assert torch.equal(ours(x), theirs(x)) and x.shape[2] // ours(x).shape[2] == stride // 4


def test_vgg_blocks_are_timms() -> None:
    torch.manual_seed(0)
    theirs = timm.create_model("vgg16_bn", num_classes=0).features.eval()
    layers, inputs = [], 3
    for width, convs in zip(VGG_WIDTHS, VGG_CONVS["vgg16"], strict=True):
        layers += vgg_block(inputs, width, convs, batch_norm=True)
        inputs = width
    ours = nn.Sequential(*layers).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(1, 3, 64, 32)
    assert torch.equal(ours(x), theirs(x))


def test_overlap_and_suppression_are_torchvisions() -> None:
    torch.manual_seed(0)
    for count in (0, 1, 2, 40):
        low = 20 * torch.rand(count, 2, dtype=torch.float64)
        boxes = torch.cat([low, low + 20 * torch.rand(count, 2, dtype=torch.float64)], 1)
        scores = torch.rand(count, dtype=torch.float64)
        torch.testing.assert_close(box_iou(boxes, boxes[:7]), torchvision.ops.box_iou(boxes, boxes[:7]))
        for limit in (0.0, 0.2, 0.4, 0.9):
            assert torch.equal(nms(boxes, scores, max_iou=limit), torchvision.ops.nms(boxes, scores, limit))


def test_empty_boxes_overlap_nothing() -> None:
    point = torch.zeros(1, 4)
    assert box_iou(point, point).item() == 0.0


@pytest.mark.parametrize(
    ("name", "shape"), [("retinaface", (2, 3, 64, 96)), ("landmark_fcn", (2, 1, 96, 96)), ("ovpm", (2, 3, 128, 64))]
)
def test_folded_norms_do_not_change_the_answers(name: str, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = build_network(name, "tiny")
    if name == "ovpm":
        shape = (2, 3, *network.input_size)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.running_mean, layer.bias):
                nn.init.normal_(values, std=0.3)
            for values in (layer.running_var, layer.weight):
                nn.init.uniform_(values, 0.5, 2.0)
    x = torch.randn(shape)
    with torch.inference_mode():
        before = network.eval()(x)
        fold_norms(network)
        after = network(x)
        pool_first(network)
        torch.testing.assert_close(network(x), after, rtol=0, atol=0)
    for first, second in zip(before, after, strict=True) if isinstance(before, tuple) else [(before, after)]:
        torch.testing.assert_close(first, second, rtol=1e-3, atol=1e-4)
        assert first.std() > 0
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules())


@pytest.mark.parametrize("sides", [(8, 6), (7, 5), (2, 3)])
def test_maxima_of_rows_and_columns_are_max_pooling(sides: tuple[int, int]) -> None:
    x = torch.randn(2, 3, *sides, generator=torch.Generator().manual_seed(0))
    for layout in (torch.contiguous_format, torch.channels_last):
        assert torch.equal(HalvingMax()(x.to(memory_format=layout)), nn.functional.max_pool2d(x, 2))


def test_only_pooling_behind_a_relu_goes_first() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(2), nn.MaxPool2d(2), nn.ReLU(), nn.MaxPool2d(3))
    pool_first(network)
    kinds = [type(layer) for layer in network]
    assert kinds == [nn.Conv2d, HalvingMax, nn.ReLU, nn.MaxPool2d, nn.ReLU, nn.MaxPool2d]
