"""Cascaded encoder for the House-Brackmann grade (CEN, Wang et al.).

Stage A: a dilated ResNet-101 (E1) with multi-scale attention learns to segment the parts of a face. Stage B: with E1
frozen, its latent map and the image enter a VGG-16 (E2), which learns the grade. The paper once names E2 as the
frozen one, by mistake.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from palsy_cli.networks.backbones import VGG_CONVS, VGG_WIDTHS
from palsy_cli.networks.layers import Bottleneck, hidden_layer, residual_stages, vgg_block

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Input normalisation of both encoders: ``(RGB / 255 - mean) / std`` (ImageNet).
IMAGE_MEAN: tuple[float, float, float] = (0.485, 0.456, 0.406)
IMAGE_STD: tuple[float, float, float] = (0.229, 0.224, 0.225)

#: House-Brackmann has six grades; the paper's Fig. 7 speaks of five.
GRADES = 6
#: Classes of ``stages.regions.REGION_NAMES``.
REGION_CLASSES = 10

#: Constructor arguments of each size.
SIZES: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {
        "encoder": {"channels": (16, 32, 64, 128), "stem_width": 16, "reduced": 64},
        "grader": {"divisor": 4, "batch_norm": True, "pool": 4, "fc": 128, "dropout": 0.2},
        "input_size": 128,
    },
    "tiny": {
        "encoder": {"layers": (1, 1, 1, 1), "channels": (4, 4, 8, 8), "stem_width": 4, "reduced": 8},
        "grader": {"condition": 4, "divisor": 32, "batch_norm": True, "pool": 2, "fc": 16},
        "input_size": 64,
    },
}


class DilatedResNet(nn.Module):
    """ResNet of bottlenecks with output stride 8: the last two stages dilate (2 and 4) instead of striding.

    Parameter names are those of timm's ``resnet101``, so that ImageNet weights fit the paper's size.
    """

    def __init__(
        self,
        *,
        layers: tuple[int, ...] = (3, 4, 23, 3),
        channels: tuple[int, ...] = (64, 128, 256, 512),
        stem_width: int = 64,
    ) -> None:
        """``layers`` blocks per stage with ``channels`` inner channels; the output has four times the last."""
        super().__init__()
        self.conv1 = nn.Conv2d(3, stem_width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.act1 = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = residual_stages(stem_width, channels, layers, output_stride=8)
        self.stages = tuple(f"layer{number}" for number in range(1, len(channels) + 1))
        for name, stage in zip(self.stages, stages, strict=True):
            self.add_module(name, stage)
        self.outputs = channels[-1] * Bottleneck.expansion
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, outputs, H / 8, W / 8)."""
        x = self.maxpool(self.act1(self.bn1(self.conv1(x))))
        for name in self.stages:
            x = self.get_submodule(name)(x)
        return x


def _conv_bn_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class SpatialAttention(nn.Module):
    """Attention between all positions of a map at one kernel size (CEN, eqs 1-2).

    Like the paper's, the scores are not divided by the root of the channels; the weight starts at 0.
    """

    def __init__(self, channels: int, *, kernel: int, qk_reduction: int = 1) -> None:
        """``qk_reduction`` divides the channels of queries and keys (1: the paper; 8: DANet)."""
        super().__init__()
        inner = channels // qk_reduction
        self.query = _conv_bn_relu(channels, inner, kernel)
        self.key = _conv_bn_relu(channels, inner, kernel)
        self.value = _conv_bn_relu(channels, channels, kernel)
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        query, key, value = (part(x).flatten(2).mT for part in (self.query, self.key, self.value))
        # s_ji = softmax_i(Q_i . K_j): position j asks with its key.
        attended = functional.scaled_dot_product_attention(key, query, value, scale=1.0)
        return self.weight * attended.mT.reshape(x.shape)


class ChannelAttention(nn.Module):
    """Attention between the channels of a map (CEN, eqs 3-4), without convolutions; the weight starts at 0."""

    def __init__(self) -> None:
        """Nothing to choose."""
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> the same shape."""
        rows = x.flatten(2)
        return self.weight * functional.scaled_dot_product_attention(rows, rows, rows, scale=1.0).reshape(x.shape)


class SegmentationEncoder(nn.Module):
    """E1: dilated ResNet-101, multi-scale spatial and channel attention, pixel classifier (CEN, stage A)."""

    def __init__(
        self,
        *,
        layers: tuple[int, ...] = (3, 4, 23, 3),
        channels: tuple[int, ...] = (64, 128, 256, 512),
        stem_width: int = 64,
        reduced: int = 256,
        kernels: tuple[int, ...] = (3, 5, 7),
        qk_reduction: int = 1,
        classes: int = REGION_CLASSES,
    ) -> None:
        """Build the encoder; the defaults are the paper's (256x256 input, 2048x32x32 latent).

        Args:
            layers: blocks per stage.
            channels: inner channels per stage; the latent has four times the last.
            stem_width: channels of the first convolution.
            reduced: channels of the attention part.
            kernels: one spatial attention per kernel size.
            qk_reduction: see ``SpatialAttention``.
            classes: segmentation classes.
        """
        super().__init__()
        self.backbone = DilatedResNet(layers=layers, channels=channels, stem_width=stem_width)
        self.latent_channels = self.backbone.outputs
        self.reduce = _conv_bn_relu(self.latent_channels, reduced, 3)
        self.spatial = nn.ModuleList(SpatialAttention(reduced, kernel=k, qk_reduction=qk_reduction) for k in kernels)
        self.fuse = nn.Conv2d(len(kernels) * reduced, reduced, 3, padding=1)
        self.channel = ChannelAttention()
        self.classifier = nn.Conv2d(reduced, classes, 1)

    def encode(self, x: Tensor) -> Tensor:
        """The latent map alone: (N, 3, H, W) -> z (N, latent_channels, H / 8, W / 8)."""
        if x.ndim != 4 or x.shape[1] != 3:
            raise ValueError(f"SegmentationEncoder: expected (N, 3, H, W), got {tuple(x.shape)}")
        return cast("Tensor", self.backbone(x.contiguous(memory_format=torch.channels_last)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Segment faces.

        Args:
            x: (N, 3, H, W) RGB, normalised by ``IMAGE_MEAN`` and ``IMAGE_STD``.

        Returns:
            Logits (N, classes, H, W) and the latent map z (N, latent_channels, H / 8, W / 8).

        Raises:
            ValueError: another shape.
        """
        z = self.encode(x)
        reduced = self.reduce(z)
        spatial = self.fuse(torch.cat([attend(reduced) for attend in self.spatial], 1))
        small = self.classifier(spatial + self.channel(reduced) + reduced)
        logits = functional.interpolate(small.float(), x.shape[-2:], mode="bilinear", align_corners=False)
        return logits, z


def _vgg16_features(inputs: int, *, divisor: int, batch_norm: bool) -> nn.Sequential:
    """The convolutions of VGG-16 in timm's order, channels divided by ``divisor``."""
    layers: list[nn.Module] = []
    for width, convs in zip(VGG_WIDTHS, VGG_CONVS["vgg16"], strict=True):
        layers += vgg_block(inputs, width // divisor, convs, batch_norm=batch_norm)
        inputs = width // divisor
    return nn.Sequential(*layers)


class HouseBrackmannGrader(nn.Module):
    """E2: VGG-16 on the image and the condensed latent map of E1 (CEN, stage B).

    The paper does not say how z enters. Here a 1x1 convolution condenses it, bilinear upsampling brings it to the
    size of the image, and the first convolution sees both. Its weights on the condition start ten times smaller
    than He's, so that a pretrained first layer keeps its meaning.
    """

    def __init__(
        self,
        latent_channels: int = 2048,
        *,
        condition: int = 16,
        divisor: int = 1,
        batch_norm: bool = False,
        pool: int = 7,
        fc: int = 4096,
        dropout: float = 0.5,
    ) -> None:
        """Build the grader; the defaults are the paper's.

        Args:
            latent_channels: channels of z.
            condition: channels of the condensed z.
            divisor: divides the channels of VGG-16.
            batch_norm: normalise after every convolution and hidden layer; without it a network that is not
                pretrained stays at the constant answer.
            pool: side of the map that enters the fully connected layers.
            fc: units of the two hidden layers.
            dropout: dropped part of those, 0..1.
        """
        super().__init__()
        self.condense = nn.Conv2d(latent_channels, condition, 1)
        self.features = _vgg16_features(3 + condition, divisor=divisor, batch_norm=batch_norm)
        self.pool = nn.AdaptiveAvgPool2d(pool)
        hidden = [
            layer
            for inputs in (512 // divisor * pool * pool, fc)
            for layer in hidden_layer(inputs, fc, batch_norm=batch_norm, dropout=dropout)
        ]
        self.head = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(fc, GRADES))
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        layers = [m for m in (*self.features, *self.head[:-1]) if isinstance(m, nn.Conv2d | nn.Linear)]
        for layer in layers:
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        layers[0].weight[:, 3:] *= 0.1

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Grade images.

        Args:
            x: (N, 3, H, W) RGB, normalised as for E1.
            z: (N, latent_channels, h, w) latent map of E1.

        Returns:
            Logits (N, 6) of grades I to VI.

        Raises:
            ValueError: other shapes.
        """
        return cast("Tensor", self.head[-1](self.embed(x, z)).float())

    def embed(self, x: Tensor, z: Tensor) -> Tensor:
        """What the last layer reads, (N, fc); arguments and errors as ``forward``."""
        if x.ndim != 4 or x.shape[1] != 3 or z.ndim != 4 or len(z) != len(x):
            raise ValueError(f"HouseBrackmannGrader: got image {tuple(x.shape)} and latent {tuple(z.shape)}")
        condition = self.condense(z)
        condition = functional.interpolate(condition, x.shape[-2:], mode="bilinear", align_corners=False)
        both = torch.cat((x.to(condition.dtype), condition), 1).contiguous(memory_format=torch.channels_last)
        return cast("Tensor", self.head[:-1](self.pool(self.features(both))))


class HBCascade(nn.Module):
    """E1 and E2 in a row (CEN). E1 is frozen, in evaluation mode and outside the graph, unless ``end_to_end``.

    Stage A trains ``SegmentationEncoder`` alone; stage B trains this.
    """

    def __init__(
        self,
        encoder: SegmentationEncoder | Mapping[str, Any] | None = None,
        grader: HouseBrackmannGrader | Mapping[str, Any] | None = None,
        *,
        input_size: int = 256,
        end_to_end: bool = False,
    ) -> None:
        """Join both parts.

        Args:
            encoder: E1, or the keyword arguments that build it (none: the paper's).
            grader: E2, or its keyword arguments; it takes ``latent_channels`` from E1.
            input_size: side in pixels of the images that this network is meant for.
            end_to_end: train E1 with the grade (the paper's ablation).
        """
        super().__init__()
        first = encoder if isinstance(encoder, SegmentationEncoder) else SegmentationEncoder(**(encoder or {}))
        if not isinstance(grader, HouseBrackmannGrader):
            grader = HouseBrackmannGrader(first.latent_channels, **(grader or {}))
        self.encoder, self.grader = first, grader
        self.input_size, self.end_to_end = input_size, end_to_end
        self.encoder.requires_grad_(end_to_end)
        self.train(self.training)

    def train(self, mode: bool = True) -> HBCascade:
        """Set the mode of E2, and of E1 only when it learns."""
        super().train(mode)
        if not self.end_to_end:
            self.encoder.eval()
        return self

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """What stage B's optimiser may move."""
        return (parameter for parameter in self.parameters() if parameter.requires_grad)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) normalised RGB -> logits (N, 6) of grades I to VI."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.end_to_end):
            z = self.encoder.encode(x)
        return cast("Tensor", self.grader(x, z))


def fuse_log_softmax(logits: Tensor) -> Tensor:
    """Patient probabilities from the peak frames of all tasks: softmax of the mean log-softmax, (F, 6) -> (6,).

    The paper grades single images only.

    Raises:
        ValueError: no frame, or not a matrix.
    """
    if logits.ndim != 2 or len(logits) == 0:
        raise ValueError(f"fuse_log_softmax: expected (F, {GRADES}) with F > 0, got {tuple(logits.shape)}")
    return logits.float().log_softmax(-1).mean(0).softmax(-1)
