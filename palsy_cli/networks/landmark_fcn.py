"""68 facial points from heat maps: the two-stage cascaded fully convolutional network of AFLFP (Xia et al.).

Each stage is a VGG-16 encoder with an FCN-8s decoder whose transposed convolutions do not overlap (kernel =
stride): x4 and x2 bring the two deeper scores to 12x12, where they are summed with the third, and x8 brings
the sum to 96x96. The second stage sees the picture and the first stage's maps; both are trained together
(AFLFP, eq. 2).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

#: Side in pixels of the grey face crop and of the heat maps.
INPUT_SIDE = 96

#: Points of the iBUG mark-up.
POINTS = 68

#: Constructor arguments of each size; ``paper`` is AFLFP, table 1.
SIZES: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": {"widths": (16, 32, 64, 128, 128), "b6_channels": 256, "batch_norm": True},
    "tiny": {"widths": (4, 8, 8, 8, 8), "b6_channels": 16, "batch_norm": True},
}

#: 3x3 convolutions in blocks B1 to B5 (VGG-16).
_CONVS_PER_BLOCK = (2, 2, 3, 3, 3)

#: Pixels whose largest response stands for them while the largest of a map are looked for.
_GROUP = 16


def _conv(channels_in: int, channels_out: int, kernel: int, *, batch_norm: bool) -> list[nn.Module]:
    """A convolution that keeps the size, batch normalisation if asked for, and a ReLU."""
    layers: list[nn.Module] = [nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=not batch_norm)]
    if batch_norm:
        layers.append(nn.BatchNorm2d(channels_out))
    return [*layers, nn.ReLU(inplace=True)]


class TiledUpsampling(nn.Module):
    """A transposed convolution whose kernel is its stride, without bias: every input pixel becomes a tile of its own.

    That is one matrix product per pixel, which takes half the time of the general operation on a CPU and leaves the
    channels last. The weight (channels_in, channels_out, tile, tile) is that of ``nn.ConvTranspose2d``.
    """

    def __init__(self, channels_in: int, channels_out: int, tile: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels_in, channels_out, tile, tile))

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) to (N, channels_out, H * tile, W * tile)."""
        count, _, height, width = x.shape
        channels_in, channels_out, tile, _ = self.weight.shape
        pixels = x.permute(0, 2, 3, 1).reshape(-1, channels_in)
        tiles = functional.linear(pixels, self.weight.permute(2, 3, 1, 0).reshape(-1, channels_in))
        rows = tiles.view(count, height, width, tile, tile, channels_out).transpose(2, 3)
        return rows.reshape(count, height * tile, width * tile, channels_out).permute(0, 3, 1, 2)


class FCNStage(nn.Module):
    """One stage of the cascade (AFLFP, table 1): (N, C, 96, 96) to (N, points, 96, 96), no output activation.

    Args:
        channels_in: channels of the input: 1 in the first stage, points + 1 in the second.
        widths: channels of the blocks B1 to B5.
        b6_channels: channels of block B6.
        points: number of heat maps.
        batch_norm: normalise after every 3x3 convolution and in B6; for small sizes trained from scratch.
        score_relu: ReLU on the two 1x1 skip scores (the Keras variant of this decoder).
    """

    def __init__(
        self,
        channels_in: int,
        *,
        widths: tuple[int, ...],
        b6_channels: int,
        points: int,
        batch_norm: bool = False,
        score_relu: bool = False,
    ) -> None:
        super().__init__()
        blocks = []
        previous = channels_in
        for width, convs in zip(widths, _CONVS_PER_BLOCK, strict=True):
            layers: list[nn.Module] = []
            for _ in range(convs):
                layers += _conv(previous, width, 3, batch_norm=batch_norm)
                previous = width
            blocks.append(nn.Sequential(*layers, nn.MaxPool2d(2)))
        self.blocks = nn.ModuleList(blocks)
        self.b6 = nn.Sequential(
            *_conv(previous, b6_channels, 3, batch_norm=batch_norm),
            *_conv(b6_channels, b6_channels, 1, batch_norm=batch_norm),
        )
        self.b7 = TiledUpsampling(b6_channels, points, 4)
        self.b8_f4 = nn.Conv2d(widths[3], points, 1)
        self.b8_f3 = nn.Conv2d(widths[2], points, 1)
        self.b9 = TiledUpsampling(points, points, 2)
        self.b10 = TiledUpsampling(points, points, 8)
        self.score_activation: nn.Module = nn.ReLU() if score_relu else nn.Identity()
        self._initialise()

    def _initialise(self) -> None:
        """He normal before a ReLU, unit gain elsewhere; the last layer starts small: maps are near zero."""
        skip_scores = {self.b8_f4, self.b8_f3}
        for module in self.modules():
            if isinstance(module, TiledUpsampling):
                # An output pixel sees one input pixel, so the fan-in has no kernel area.
                nn.init.normal_(module.weight, std=1.0 / math.sqrt(len(module.weight)))
            elif isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="linear" if module in skip_scores else "relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        with torch.no_grad():
            self.b10.weight.mul_(0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels_in, 96, 96) to heat maps (N, points, 96, 96)."""
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        f3, f4 = maps[2], maps[3]
        a = self.b7(self.b6(x))
        b = self.b9(self.score_activation(self.b8_f4(f4)))
        c = self.score_activation(self.b8_f3(f3))
        heatmaps: Tensor = self.b10(a + b + c)
        return heatmaps


class CascadedFCN(nn.Module):
    """Two FCN stages; the second refines with the picture and the first one's maps as input (AFLFP, table 1).

    At the paper's size the stages have 55,196,552 and 55,235,720 parameters.

    Args:
        widths: channels of the blocks B1 to B5.
        b6_channels: channels of block B6.
        points: number of heat maps.
        batch_norm: see ``FCNStage``; the paper has none.
        score_relu: see ``FCNStage``.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (64, 128, 256, 512, 512),
        b6_channels: int = 4096,
        points: int = POINTS,
        *,
        batch_norm: bool = False,
        score_relu: bool = False,
    ) -> None:
        super().__init__()
        if len(widths) != len(_CONVS_PER_BLOCK):
            raise ValueError(f"widths: expected {len(_CONVS_PER_BLOCK)} values, got {len(widths)}")
        self.points = points

        def stage(channels_in: int) -> FCNStage:
            return FCNStage(
                channels_in,
                widths=tuple(widths),
                b6_channels=b6_channels,
                points=points,
                batch_norm=batch_norm,
                score_relu=score_relu,
            )

        self.stage1 = stage(1)
        self.stage2 = stage(points + 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Heat maps of both stages; inference uses the second.

        Args:
            x: (N, 1, 96, 96) grey crops, each with mean 0 and standard deviation 1.

        Returns:
            ``(h1, h2)``, each (N, points, 96, 96); about 0..1 after training, unbounded in principle.

        Raises:
            ValueError: another input shape.
        """
        if x.ndim != 4 or x.shape[1:] != (1, INPUT_SIDE, INPUT_SIDE):
            raise ValueError(f"x: expected shape (N, 1, {INPUT_SIDE}, {INPUT_SIDE}), got {tuple(x.shape)}")
        h1 = self.stage1(x)
        # One channel has no order of its own; without a word the maps would be put into another one and back.
        picture = x.to(h1.dtype).to(memory_format=torch.channels_last)
        h2 = self.stage2(torch.cat([h1, picture], dim=1))
        return h1, h2


def gaussian_targets(points: Tensor, *, sigma: float = 5.0, size: int = INPUT_SIDE) -> Tensor:
    """Training heat maps with peak 1 (AFLFP, eq. 1 without its contradictory factor).

    Args:
        points: (N, P, 2) finite ``(x, y)`` in pixels of the crop; points outside leave a part of the bell.
        sigma: standard deviation in pixels.
        size: side of the maps in pixels.

    Returns:
        (N, P, size, size) float32 (float64 for float64 points), 0..1.

    Raises:
        ValueError: wrong shape, or ``sigma`` or ``size`` not positive.
    """
    if points.ndim != 3 or points.shape[-1] != 2:
        raise ValueError(f"points: expected shape (N, P, 2), got {tuple(points.shape)}")
    if sigma <= 0 or size < 1:
        raise ValueError(f"sigma and size must be positive, got {sigma} and {size}")
    points = points if points.dtype == torch.float64 else points.float()
    grid = torch.arange(size, device=points.device, dtype=points.dtype)
    profiles = torch.exp(-((grid - points.unsqueeze(-1)) ** 2) / (2.0 * sigma**2))
    return profiles[..., 1, :, None] * profiles[..., 0, None, :]


def decode_heatmaps(heatmaps: Tensor, *, top_k: int = 25, weighted: bool = False) -> tuple[Tensor, Tensor]:
    """Points from heat maps: the mean position of the ``top_k`` largest responses (AFLFP, inference).

    Args:
        heatmaps: (N, P, H, W).
        top_k: responses that are averaged.
        weighted: weigh each position by its response, negative responses counting nothing; where none is
            positive the plain mean is taken.

    Returns:
        ``(points, confidence)``: (N, P, 2) float32 ``(x, y)`` in map pixels, and (N, P) the largest response
        clipped to 0..1.

    Raises:
        ValueError: wrong shape, or ``top_k`` outside 1..H*W.
    """
    if heatmaps.ndim != 4:
        raise ValueError(f"heatmaps: expected shape (N, P, H, W), got {tuple(heatmaps.shape)}")
    height, width = heatmaps.shape[-2:]
    if not 1 <= top_k <= height * width:
        raise ValueError(f"top_k: expected 1..{height * width}, got {top_k}")
    values, places = _largest(heatmaps, top_k)
    positions = torch.stack([places % width, places.div(width, rounding_mode="floor")], dim=-1).float()
    weights = torch.ones_like(values)
    if weighted:
        positive = values.clamp(min=0.0)
        weights = torch.where(positive.sum(-1, keepdim=True) > 0, positive, weights)
    weights = weights / weights.sum(-1, keepdim=True)
    return (positions * weights.unsqueeze(-1)).sum(dim=-2), values[..., 0].clamp(0.0, 1.0)


def _largest(maps: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest values of maps (N, P, H, W), largest first, in float32, and their places in the flat map.

    The ``count`` largest lie in the ``count`` groups of the largest maxima, however a map is cut into groups. Pixels
    that lie far apart make a group, so that whole rows are compared with each other, and with channels last, as the
    network gives them, nothing is copied; few values are left to sort.
    """
    n, points, height, width = maps.shape
    group = _GROUP if height * width % _GROUP == 0 and height * width >= _GROUP * count else 1
    groups = height * width // group
    grouped = maps.permute(0, 2, 3, 1).reshape(n, group, groups, points)
    best = grouped.amax(1).transpose(1, 2).contiguous().topk(count, dim=-1).indices
    members = grouped.gather(2, best.transpose(1, 2).unsqueeze(1).expand(-1, group, -1, -1))
    values, places = members.permute(0, 3, 1, 2).float().flatten(2).topk(count, dim=-1)
    return values, places.div(count, rounding_mode="floor") * groups + best.gather(2, places % count)


def cascade_loss(h1: Tensor, h2: Tensor, targets: Tensor, *, marked: Tensor | None = None) -> Tensor:
    """AFLFP, eq. 2: squared error summed over pixels, averaged over points and batch, both stages alike.

    Args:
        h1: (N, P, H, W) maps of stage 1.
        h2: (N, P, H, W) maps of stage 2.
        targets: (N, P, H, W) from ``gaussian_targets``.
        marked: (N, P) True for the points that count; ``None`` counts all.

    Returns:
        A float32 scalar.

    Raises:
        ValueError: the shapes differ.
    """
    if not h1.shape == h2.shape == targets.shape:
        raise ValueError(f"shapes differ: {tuple(h1.shape)}, {tuple(h2.shape)}, {tuple(targets.shape)}")
    if marked is not None:
        h1, h2, targets = (maps[marked].unsqueeze(1) for maps in (h1, h2, targets))
    area = targets.shape[-2] * targets.shape[-1]
    # One copy in the maps' own layout and precision is cheaper than passes over two different ones.
    goal = torch.empty_like(h1).copy_(targets)
    first, second = (functional.mse_loss(maps, goal) for maps in (h1, h2))
    return area * (first.float() + second.float())
