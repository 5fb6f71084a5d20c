"""68 facial points from heat maps: the two-stage cascaded fully convolutional network of AFLFP (Xia et al.).

Each stage is a VGG-16 encoder with an FCN-8s decoder whose transposed convolutions do not overlap (kernel =
stride): x4 and x2 bring the two deeper scores to 12x12, where they are summed with the third, and x8 brings
the sum to 96x96. The second stage sees the picture and the first stage's maps; both are trained together
(AFLFP, eq. 2).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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

    def tiles(self, x: Tensor, channels: Sequence[int] | None = None) -> Tensor:
        """(N, channels_in, H, W) to (N, H, W, tile, tile, channels), some of ``channels_out`` or all."""
        count, channels_in, height, width = x.shape
        weight = self.weight if channels is None else self.weight[:, list(channels)]
        tile = weight.shape[-1]
        pixels = x.permute(0, 2, 3, 1).reshape(-1, channels_in)
        tiles = functional.linear(pixels, weight.permute(2, 3, 1, 0).reshape(-1, channels_in))
        return tiles.view(count, height, width, tile, tile, weight.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels_in, H, W) to (N, channels_out, H * tile, W * tile)."""
        return _laid_out(self.tiles(x))


def _laid_out(tiles: Tensor) -> Tensor:
    """The picture (N, C, H * tile, W * tile), channels last in memory, of tiles (N, H, W, tile, tile, C)."""
    count, height, width, tile, _, channels = tiles.shape
    rows = tiles.transpose(2, 3).reshape(count, height * tile, width * tile, channels)
    return rows.permute(0, 3, 1, 2)


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
        heatmaps: Tensor = self.b10(self.scores(self.blocks[0](x)))
        return heatmaps

    def scores(self, f1: Tensor) -> Tensor:
        """What becomes the heat maps by ``b10``, (N, points, 12, 12), of block B1's answer (N, C, 48, 48)."""
        f2 = self.blocks[1](f1)
        f3 = self.blocks[2](f2)
        f4 = self.blocks[3](f3)
        a: Tensor = self.b7(self.b6(self.blocks[4](f4)))
        b: Tensor = self.b9(self.score_activation(self.b8_f4(f4)))
        c: Tensor = self.score_activation(self.b8_f3(f3))
        return a + b + c


class JoinedInput(nn.Module):
    """The first stage's ``b10`` and the second stage's first convolution as one, over maps of 12x12.

    Both are linear and nothing lies between them, so that the large maps of the first stage, over a megabyte a
    face, need not be made. A pixel of an 8x8 tile depends on that tile and its neighbours. The answers are those of the
    two layers but for rounding.

    Args:
        upsampling: ``b10`` of the first stage.
        convolution: 3x3, over its maps and the picture; its norm folded into it.
    """

    def __init__(self, upsampling: TiledUpsampling, convolution: nn.Conv2d) -> None:
        super().__init__()
        scores, maps, self.tile, _ = upsampling.weight.shape
        kernel = convolution.weight.detach()
        with torch.no_grad():
            # The answer to a one in the middle of 3x3 tiles is the kernel, seen from the other side.
            one = torch.zeros(scores, scores, 3, 3, device=kernel.device)
            one[range(scores), range(scores), 1, 1] = 1.0
            answer = functional.conv2d(upsampling(one), kernel[:, :maps], padding=1)
            answer = answer.view(scores, -1, 3, self.tile, 3, self.tile).flip(2, 4)
        self.weight = nn.Parameter(answer.permute(3, 5, 1, 0, 2, 4).flatten(0, 2).contiguous())
        self.picture = nn.Parameter(kernel[:, maps:].clone())
        self.bias = None if convolution.bias is None else nn.Parameter(convolution.bias.detach().clone())

    def forward(self, scores: Tensor, picture: Tensor) -> Tensor:
        """(N, points, 12, 12) and (N, 1, 96, 96) to the convolution's answer (N, C, 96, 96)."""
        coarse = functional.conv2d(scores, self.weight, padding=1)
        count, _, height, width = coarse.shape
        tiles = coarse.permute(0, 2, 3, 1).reshape(count, height, width, self.tile, self.tile, -1)
        answer = functional.conv2d(picture, self.picture, self.bias, padding=1)
        in_tiles = answer.permute(0, 2, 3, 1).view(count, height, self.tile, width, self.tile, -1)
        in_tiles += tiles.transpose(2, 3)  # a view of the answer: nothing is laid out first
        return answer


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
        self.joined: JoinedInput | None = None

    def join_stages(self) -> None:
        """Get ready for ``tiles``, in place; norms must have been folded. Later training would go unnoticed."""
        first = self.stage2.blocks[0][0]  # type: ignore[index]
        self.joined = JoinedInput(self.stage1.b10, first)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Heat maps of both stages; inference uses the second.

        Args:
            x: (N, 1, 96, 96) grey crops, each with mean 0 and standard deviation 1.

        Returns:
            ``(h1, h2)``, each (N, points, 96, 96); about 0..1 after training, unbounded in principle.

        Raises:
            ValueError: another input shape.
        """
        picture = _checked(x)
        h1 = self.stage1(picture)
        h2 = self.stage2(self._beside(h1, picture))
        return h1, h2

    def tiles(self, x: Tensor, *, stages: int = 2, points: Sequence[int] | None = None) -> Tensor:
        """The last heat maps alone, for ``decode_tiles``.

        Args:
            x: as for ``forward``.
            stages: 2, or 1 for the first stage's maps, which take a third of the work.
            points: which maps, all if ``None``.

        Returns:
            (N, 12, 12, 8, 8, points), the 96x96 pixels of each map in tiles of 8x8.

        Raises:
            ValueError: another input shape.
        """
        picture = _checked(x)
        scores = self.stage1.scores(self.stage1.blocks[0](picture))
        if stages == 1:
            return self.stage1.b10.tiles(scores, points)
        return self.stage2.b10.tiles(self.stage2.scores(self._second_block(scores, picture)), points)

    def _second_block(self, scores: Tensor, picture: Tensor) -> Tensor:
        """The answer of the second stage's block B1."""
        block: Any = self.stage2.blocks[0]
        if self.joined is None:
            return block(self._beside(self.stage1.b10(scores), picture))  # type: ignore[no-any-return]
        return block[1:](self.joined(scores, picture))  # type: ignore[no-any-return]

    @staticmethod
    def _beside(maps: Tensor, picture: Tensor) -> Tensor:
        """The second stage's input."""
        return torch.cat([maps, picture.to(maps.dtype)], dim=1)


def _checked(x: Tensor) -> Tensor:
    """Crops (N, 1, 96, 96), channels last; raises ValueError for another shape.

    One channel has no order of its own; without a word the maps would be put into another one and back.
    """
    if x.ndim != 4 or x.shape[1:] != (1, INPUT_SIDE, INPUT_SIDE):
        raise ValueError(f"x: expected shape (N, 1, {INPUT_SIDE}, {INPUT_SIDE}), got {tuple(x.shape)}")
    return x.to(memory_format=torch.channels_last)


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
    return decode_tiles(heatmaps.permute(0, 2, 3, 1)[:, :, :, None, None], top_k=top_k, weighted=weighted)


def decode_tiles(tiles: Tensor, *, top_k: int = 25, weighted: bool = False) -> tuple[Tensor, Tensor]:
    """As ``decode_heatmaps``, from maps in tiles (N, rows, columns, tile, tile, P) that ``CascadedFCN.tiles`` gives."""
    _, rows, columns, tile, _, _ = tiles.shape
    area = rows * columns * tile * tile
    if not 1 <= top_k <= area:
        raise ValueError(f"top_k: expected 1..{area}, got {top_k}")
    values, places = _largest(tiles.flatten(1, 4), top_k)
    which, within = places.div(tile * tile, rounding_mode="floor"), places % (tile * tile)
    x = which % columns * tile + within % tile
    y = which.div(columns, rounding_mode="floor") * tile + within.div(tile, rounding_mode="floor")
    weights = torch.ones_like(values)
    if weighted:
        positive = values.clamp(min=0.0)
        weights = torch.where(positive.sum(-1, keepdim=True) > 0, positive, weights)
    weights = weights / weights.sum(-1, keepdim=True)
    points = (torch.stack([x, y], dim=-1) * weights.unsqueeze(-1)).sum(dim=-2)
    return points, values.amax(-1).clamp(0.0, 1.0)


def _largest(maps: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The largest values of maps (N, pixels, P), in float32, and which pixels they are, each (N, P, count).

    The ``count`` largest lie in the ``count`` groups of the largest maxima, however a map is cut into groups. Pixels
    that lie far apart make a group, so that whole rows are compared with each other and nothing is copied; few
    values are left to sort.
    """
    n, pixels, points = maps.shape
    group = _GROUP if pixels % _GROUP == 0 and pixels >= _GROUP * count else 1
    groups = pixels // group
    grouped = maps.reshape(n, group, groups, points)
    best = grouped.amax(1).transpose(1, 2).contiguous().topk(count, dim=-1, sorted=False).indices
    members = grouped.gather(2, best.transpose(1, 2).unsqueeze(1).expand(-1, group, -1, -1))
    values, places = members.permute(0, 3, 1, 2).float().flatten(2).topk(count, dim=-1, sorted=False)
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
