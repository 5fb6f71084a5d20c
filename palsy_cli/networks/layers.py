"""Layers that more than one network has, and those of VGG and ResNet, named as in timm, whose weights fit.

timm itself is imported only where one of its other backbones is asked for: that takes two seconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def hidden_layer(inputs: int, outputs: int, *, batch_norm: bool, dropout: float) -> list[nn.Module]:
    """A fully connected layer of VGG's classifier: linear, normalised if asked for, ReLU, dropout (0..1).

    Without normalisation a small classifier on inputs that are all positive hardly learns from random weights.
    """
    norm: list[nn.Module] = [nn.BatchNorm1d(outputs)] if batch_norm else []
    return [nn.Linear(inputs, outputs), *norm, nn.ReLU(inplace=True), nn.Dropout(dropout)]


def vgg_block(inputs: int, outputs: int, convs: int, *, batch_norm: bool, bias: bool = True) -> list[nn.Module]:
    """A block of VGG: 3x3 convolutions, each normalised if asked for and with a ReLU, then 2x2 max-pooling."""
    layers: list[nn.Module] = []
    for channels in (inputs, *[outputs] * (convs - 1)):
        layers.append(nn.Conv2d(channels, outputs, 3, padding=1, bias=bias))
        if batch_norm:
            layers.append(nn.BatchNorm2d(outputs))
        layers.append(nn.ReLU(inplace=True))
    return [*layers, nn.MaxPool2d(2)]


def fold_norms(network: nn.Module) -> None:
    """Take each batch norm into the convolution before it, in place: the same answers, one pass over each map less.

    Only in an ``nn.Sequential`` and in a ``Bottleneck`` is it certain what comes before. The network must be in
    evaluation mode and is of no use for training afterwards.
    """
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential | Bottleneck):
            continue
        for (name, layer), (after, norm) in itertools.pairwise(list(module.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layer, norm))
                setattr(module, after, nn.Identity())


class HalvingMax(nn.Module):
    """2x2 max-pooling, (N, C, H, W) to (N, C, H // 2, W // 2), by two maxima of whole rows and columns.

    Where the channels are last in memory that takes half the time of PyTorch's own on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Of odd sides the last row or column is left out, as ``nn.MaxPool2d(2)`` does."""
        height, width = x.shape[-2] // 2 * 2, x.shape[-1] // 2 * 2
        rows = torch.maximum(x[..., 0:height:2, :width], x[..., 1:height:2, :width])
        return torch.maximum(rows[..., 0::2], rows[..., 1::2])


def pool_first(network: nn.Module) -> None:
    """Let 2x2 max-pooling go before the ReLU in front of it, in place: the same answers, a quarter of the values."""
    for module in list(network.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for (name, layer), (after, pooling) in itertools.pairwise(list(module.named_children())):
            if isinstance(layer, nn.ReLU) and isinstance(pooling, nn.MaxPool2d) and _halves(pooling):
                setattr(module, name, HalvingMax())
                setattr(module, after, layer)


def _halves(pooling: nn.MaxPool2d) -> bool:
    """Whether it takes the largest of each 2x2 pixels."""
    return (pooling.kernel_size, pooling.stride, pooling.padding, pooling.dilation) == (2, 2, 0, 1)


@runtime_checkable
class Joinable(Protocol):
    """A network of several stages, between which linear layers can be made one."""

    def join_stages(self) -> None:
        """Make them one, in place."""
        ...


def make_ready(network: nn.Module, device: str) -> None:
    """Bring a network that will only be used into the form in which it is fastest, in place.

    Args:
        network: in evaluation mode.
        device: where it goes, a PyTorch device name.
    """
    fold_norms(network)
    if torch.device(device).type == "cpu":
        pool_first(network)
    if isinstance(network, Joinable):
        network.join_stages()
    network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]


class Bottleneck(nn.Module):
    """A residual block of ResNet-50 and deeper (He et al., CVPR 2016, fig. 5): 1x1, 3x3 and 1x1 convolution.

    Args:
        inputs: channels of the input.
        width: inner channels; the output has ``expansion`` times as many.
        stride: of the 3x3 convolution and of the way around it.
        dilation: of the 3x3 convolution.
        project: the way around is a 1x1 convolution, not the input itself.
    """

    expansion = 4

    def __init__(self, inputs: int, width: int, *, stride: int, dilation: int, project: bool) -> None:
        super().__init__()
        outputs = self.expansion * width
        self.conv1, self.bn1 = nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)
        around = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.downsample = nn.Sequential(*around) if project else None

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, expansion * width, ceil(H / stride), ceil(W / stride))."""
        around = x if self.downsample is None else self.downsample(x)
        x = self.bn1(self.conv1(x)).relu_()
        x = self.bn2(self.conv2(x)).relu_()
        x = self.bn3(self.conv3(x))
        return (x + around).relu_()


def residual_stages(
    inputs: int, widths: tuple[int, ...], blocks: tuple[int, ...], *, output_stride: int
) -> Iterator[nn.Sequential]:
    """The stages of a ResNet behind its stem, whose stride is 4.

    Args:
        inputs: channels of the stem.
        widths: inner channels of each stage.
        blocks: blocks of each stage.
        output_stride: stages that would reduce the map further dilate instead, from their second block on.
    """
    reached, dilation = 4, 1
    for number, (width, count) in enumerate(zip(widths, blocks, strict=True)):
        before, stride = dilation, 1 if number == 0 else 2
        if reached >= output_stride:
            dilation, stride = dilation * stride, 1
        reached *= stride
        project = stride != 1 or inputs != Bottleneck.expansion * width
        stage = [Bottleneck(inputs, width, stride=stride, dilation=before, project=project)]
        inputs = Bottleneck.expansion * width
        stage += [Bottleneck(inputs, width, stride=1, dilation=dilation, project=False) for _ in range(count - 1)]
        yield nn.Sequential(*stage)
