"""Action-unit intensities of half faces and their differences: the difference ensemble of DEM (Niu et al.).

``OVPM`` reads one half face; ``DVPM`` reads only the differences of the OVPM's maps of two half faces and
predicts the difference of their intensities (DEM, eqs. 1 and 2). The functions below decode both and average
the anchored predictions (DEM, eq. 3; the printed Algorithm 1 adds to the wrong frame's value, erratum E14).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor, nn

from palsy_cli.networks.backbones import PLAIN_CONVS, VGG_CONVS, VGG_WIDTHS, Trunk, pooled_head, tap_widths
from palsy_cli.networks.layers import hidden_layer, vgg_block

Fusion = Literal["concat", "add"]

#: Convolutions before each max-pool (VGG-19).
CONVS_PER_BLOCK = VGG_CONVS["vgg19"]

#: Maps handed from the OVPM to the DVPM, one after each max-pool.
TAPS = len(CONVS_PER_BLOCK)

#: Largest intensity; OVPM classes are 0..5 and DVPM classes -5..5.
MAX_INTENSITY = 5

#: Width of the hidden layers of VGG.
VGG_FC = 4096

#: Twelve action units and the two extra channels (43 and 18).
_SMALL: dict[str, Any] = {"aus": 14, "batch_norm": True, "dropout": 0.2}
_COMPACT = _SMALL | {"widths": (16, 32, 64, 128, 128), "fc_dim": 256, "input_size": (128, 64)}
_TINY = _SMALL | {"widths": (4, 4, 8, 8, 8), "fc_dim": 16, "input_size": (64, 32)}

#: Constructor arguments of each size of the OVPM; ``paper`` is DEM's VGG-19.
OVPM_SIZES: dict[str, dict[str, Any]] = {"paper": {}, "compact": _COMPACT, "tiny": _TINY}

#: Constructor arguments of each size of the DVPM.
DVPM_SIZES: dict[str, dict[str, Any]] = {
    "paper": {},
    "compact": _COMPACT | {"displacement": True},
    "tiny": _TINY | {"displacement": True},
}


class OVPM(nn.Module):
    """Original-value model: half face to AU intensities, with its maps as by-product (DEM, fig. 5).

    VGG-19: features, 7x7 average pooling, two hidden layers; 139.9 M parameters at the paper's size. Other backbones
    (DEM, table 4) end as published, all but VGG-16 in a single fully connected layer or nearly so.

    Args:
        widths: channels of VGG's five blocks.
        fc_dim: width of VGG's two hidden layers.
        aus: action units.
        classes: intensity classes per AU.
        input_size: (height, width) in pixels of the half face.
        batch_norm: normalise after every convolution and hidden layer of VGG; for small sizes trained from scratch.
        dropout: probability after both hidden layers of VGG.
        backbone: one of ``backbones.BACKBONES``; one that is no VGG takes its own widths and head.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = VGG_WIDTHS,
        fc_dim: int = VGG_FC,
        aus: int = 12,
        classes: int = MAX_INTENSITY + 1,
        *,
        input_size: tuple[int, int] = (512, 256),
        batch_norm: bool = False,
        dropout: float = 0.5,
        backbone: str = "vgg19",
    ) -> None:
        super().__init__()
        check_widths(widths, input_size)
        self.aus, self.classes, self.backbone = aus, classes, backbone
        self.input_size: tuple[int, int] = (input_size[0], input_size[1])
        self.blocks = nn.ModuleList()
        self.trunk: Trunk | None = None
        if backbone in VGG_CONVS:
            self.blocks = vgg_blocks(3, widths, VGG_CONVS[backbone], batch_norm=batch_norm)
            self.head = fc_head(widths[-1], fc_dim, aus * classes, dropout, batch_norm=batch_norm)
        else:
            check_backbone(backbone, widths, fc_dim, input_size, batch_norm=batch_norm)
            self.trunk = Trunk(backbone)
            self.head = pooled_head(backbone, self.trunk.widths[-1], aus * classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, aus, classes) of half faces (N, 3, H, W); raises ValueError for another shape."""
        return self.forward_with_taps(x)[0]

    def taps(self, x: Tensor) -> list[Tensor]:
        """The maps F(1)..F(5) after each halving: (N, channels k, H / 2^(k+1), W / 2^(k+1)) for k = 0..4.

        Raises:
            ValueError: ``x`` is not (N, 3, H, W) of the network's input size.
        """
        height, width = self.input_size
        if x.ndim != 4 or x.shape[1:] != (3, height, width):
            raise ValueError(f"x: expected shape (N, 3, {height}, {width}), got {tuple(x.shape)}")
        if self.trunk is not None:
            return cast("list[Tensor]", self.trunk(x))
        maps = []
        for block in self.blocks:
            x = block(x)
            maps.append(x)
        return maps

    def forward_with_taps(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """``forward`` and ``taps`` in one pass."""
        maps = self.taps(x)
        return self.head(maps[-1]).unflatten(1, (self.aus, self.classes)), maps


class Fuse(nn.Module):
    """Join a block's output with the difference of the same depth, then ReLU.

    Differences are signed, a block's output is not: plain addition forces one scale on both. ``concat`` has a
    1x1 convolution that starts exactly as the addition ([I | I], zero bias) and may learn to weigh them.
    """

    def __init__(self, channels: int, fusion: Fusion) -> None:
        super().__init__()
        self.mix: nn.Conv2d | None = None
        if fusion == "concat":
            self.mix = nn.Conv2d(2 * channels, channels, 1)
            identity = torch.eye(channels)
            with torch.no_grad():
                self.mix.weight.copy_(torch.cat([identity, identity], dim=1)[:, :, None, None])
                nn.init.zeros_(self.mix.bias)  # type: ignore[arg-type]

    def forward(self, hidden: Tensor, difference: Tensor) -> Tensor:
        """Both inputs and the result are (N, channels, h, w)."""
        if self.mix is None:
            return torch.relu(hidden + difference)
        return torch.relu(self.mix(torch.cat([hidden, difference.to(hidden.dtype)], dim=1)))


class DVPM(nn.Module):
    """Difference-value model: differences of the OVPM's maps to intensity differences -5..5 (DEM, eqs. 1, 2).

    VGG-19's blocks 2 to 5 run on the first difference, sign kept; after each block the difference of that
    depth is fused in. No picture enters. 141.3 M parameters at the paper's size. ``tap_scale`` (5,) is a
    fixed factor per tap, 1 / standard deviation of the OVPM's map over the training data. Beside a backbone that
    is no VGG the blocks are VGG's in form, with that backbone's channels, normalisation and head.

    Args:
        widths: channels of the OVPM's five blocks if that is a VGG.
        fc_dim: width of VGG's two hidden layers.
        aus: action units.
        fusion: ``concat`` or ``add``, see ``Fuse``.
        input_size: (height, width) in pixels of the OVPM's input.
        batch_norm: normalise inside the blocks and the hidden layers.
        dropout: probability after both hidden layers of VGG.
        displacement: add a side output: how far the skin moved between both frames.
        backbone: the OVPM's.
    """

    classes = 2 * MAX_INTENSITY + 1
    tap_scale: Tensor

    def __init__(
        self,
        widths: tuple[int, ...] = VGG_WIDTHS,
        fc_dim: int = VGG_FC,
        aus: int = 12,
        fusion: Fusion = "concat",
        *,
        input_size: tuple[int, int] = (512, 256),
        batch_norm: bool = False,
        dropout: float = 0.5,
        displacement: bool = False,
        backbone: str = "vgg19",
    ) -> None:
        super().__init__()
        check_widths(widths, input_size)
        if fusion not in ("concat", "add"):
            raise ValueError(f"fusion: expected 'concat' or 'add', got {fusion!r}")
        convs, is_vgg = VGG_CONVS.get(backbone, PLAIN_CONVS), backbone in VGG_CONVS
        if not is_vgg:
            check_backbone(backbone, widths, fc_dim, input_size, batch_norm=batch_norm)
            widths, batch_norm = tap_widths(backbone), True
        self.aus, self.widths, self.backbone = aus, tuple(widths), backbone
        self.input_size: tuple[int, int] = (input_size[0], input_size[1])
        self.blocks = vgg_blocks(widths[0], widths[1:], convs[1:], batch_norm=batch_norm)
        self.fuse = nn.ModuleList(Fuse(width, fusion) for width in widths[1:])
        self.head = (
            fc_head(widths[-1], fc_dim, aus * self.classes, dropout, batch_norm=batch_norm)
            if is_vgg
            else pooled_head(backbone, widths[-1], aus * self.classes)
        )
        self.displacement = nn.Conv2d(widths[2], 2, 1) if displacement else None
        self.register_buffer("tap_scale", torch.ones(TAPS))

    def set_tap_scale(self, std: Tensor) -> None:
        """Set ``tap_scale`` to 1 / ``std`` (5,), as ``tap_std`` measures it; ValueError unless positive."""
        if std.shape != (TAPS,) or not bool(torch.isfinite(std).all() and (std > 0).all()):
            raise ValueError(f"std: expected {TAPS} positive finite values, got {std.tolist()}")
        self.tap_scale.copy_(1.0 / std)

    def forward(self, differences: Sequence[Tensor]) -> Tensor:
        """Logits (N, aus, 11) of five differences (see ``difference``); class c is the difference c - 5.

        Raises:
            ValueError: not five maps of the OVPM's tap shapes.
        """
        return self.forward_with_displacement(differences)[0]

    def forward_with_displacement(self, differences: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """``forward`` and the displacement map (N, 2, H/8, W/8), ``None`` when there is no such head.

        The map holds ``(x, y)`` in the unit of its training targets; no later layer reads it.
        """
        self._check(differences)
        scaled = [delta * self.tap_scale[k].to(delta.dtype) for k, delta in enumerate(differences)]
        hidden, displacement = scaled[0], None
        for k, (block, fuse) in enumerate(zip(self.blocks, self.fuse, strict=True), start=1):
            hidden = fuse(block(hidden), scaled[k])
            if k == 2 and self.displacement is not None:
                displacement = self.displacement(hidden)
        return self.head(hidden).unflatten(1, (self.aus, self.classes)), displacement

    def _check(self, differences: Sequence[Tensor]) -> None:
        """Raise ValueError unless ``differences`` are five maps of the tap shapes and one batch size."""
        height, width = self.input_size
        shapes = [tuple(delta.shape) for delta in differences]
        batch = shapes[0][0] if shapes and shapes[0] else 0
        wanted = [(batch, c, height >> k, width >> k) for k, c in enumerate(self.widths, start=1)]
        if shapes != wanted:
            raise ValueError(f"differences: expected shapes {wanted}, got {shapes}")


def check_widths(widths: Sequence[int], input_size: Sequence[int]) -> None:
    """Raise ValueError unless there are five widths and the input survives five halvings."""
    if len(widths) != TAPS:
        raise ValueError(f"widths: expected {TAPS} values, got {len(widths)}")
    if len(input_size) != 2 or min(input_size) < 2**TAPS:
        raise ValueError(f"input_size: expected two sides of at least {2**TAPS}, got {tuple(input_size)}")


def check_backbone(
    backbone: str, widths: Sequence[int], fc_dim: int, input_size: Sequence[int], *, batch_norm: bool
) -> None:
    """Raise ValueError when a backbone that is no VGG is asked for VGG's sizes, or for sides that 32 divides not."""
    if (tuple(widths), fc_dim, batch_norm) != (VGG_WIDTHS, VGG_FC, False):
        raise ValueError(f"backbone: {backbone} has no widths, fc_dim and batch_norm to choose; take size paper")
    if any(side % 2**TAPS for side in input_size):
        raise ValueError(f"input_size: {backbone} needs multiples of {2**TAPS}, got {tuple(input_size)}")


def vgg_blocks(channels_in: int, widths: Sequence[int], convs: Sequence[int], *, batch_norm: bool) -> nn.ModuleList:
    """VGG's features, one ``nn.Sequential`` per block, each ended by a max-pool; He initialised."""
    inputs = (channels_in, *widths[:-1])
    blocks = nn.ModuleList(
        nn.Sequential(*vgg_block(*sizes, batch_norm=batch_norm, bias=not batch_norm))
        for sizes in zip(inputs, widths, convs, strict=True)
    )
    for layer in blocks.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return blocks


def fc_head(channels: int, fc_dim: int, outputs: int, dropout: float, *, batch_norm: bool) -> nn.Sequential:
    """VGG's classifier: 7x7 average pooling, two hidden layers, one linear layer."""
    hidden = [
        layer
        for inputs in (channels * 49, fc_dim)
        for layer in hidden_layer(inputs, fc_dim, batch_norm=batch_norm, dropout=dropout)
    ]
    head = nn.Sequential(nn.AdaptiveAvgPool2d((7, 7)), nn.Flatten(), *hidden, nn.Linear(fc_dim, outputs))
    linears = [layer for layer in head if isinstance(layer, nn.Linear)]
    for layer in linears:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)
    nn.init.normal_(linears[-1].weight, std=0.01)  # start near equal odds for all classes
    return head


def copy_vgg19(network: OVPM | DVPM, state: Mapping[str, Tensor]) -> None:
    """Start ``network``'s convolutions from a VGG-19 state dict (keys ``features.<i>.weight`` and ``.bias``).

    The DVPM takes blocks 2 to 5. Only networks of the paper's widths without batch normalisation fit.

    Raises:
        ValueError: the network is no VGG-19, the state dict lacks layers or their shapes differ.
    """
    if network.backbone != "vgg19":
        raise ValueError(f"network: expected a VGG-19, got {network.backbone}")
    indices = sorted({int(key.split(".")[1]) for key in state if key.startswith("features.")})
    convs = [layer for layer in network.blocks.modules() if isinstance(layer, nn.Conv2d)]
    if len(indices) != sum(CONVS_PER_BLOCK):
        raise ValueError(f"state: expected {sum(CONVS_PER_BLOCK)} convolutions, got {len(indices)}")
    for index, conv in zip(indices[-len(convs) :], convs, strict=True):
        weight, bias = state[f"features.{index}.weight"], state[f"features.{index}.bias"]
        if weight.shape != conv.weight.shape or conv.bias is None:
            shapes = f"{tuple(weight.shape)} does not fit {tuple(conv.weight.shape)}"
            raise ValueError(f"features.{index}: {shapes}, or the network has batch normalisation")
        with torch.no_grad():
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)


def difference(taps_i: Sequence[Tensor], taps_j: Sequence[Tensor]) -> list[Tensor]:
    """DEM, eq. 1: ``F_i - F_j`` for every tap; raises ValueError when their shapes differ."""
    shapes_i, shapes_j = ([tuple(tap.shape) for tap in taps] for taps in (taps_i, taps_j))
    if shapes_i != shapes_j:
        raise ValueError(f"taps differ: {shapes_i}, {shapes_j}")
    return [a - b for a, b in zip(taps_i, taps_j, strict=True)]


def tap_std(batches: Iterable[Sequence[Tensor]]) -> Tensor:
    """Standard deviation (5,) of each tap over all batches (at least one), for ``DVPM.set_tap_scale``."""
    totals = torch.zeros(3, TAPS, dtype=torch.float64)
    for taps in batches:
        for k, tap in enumerate(taps):
            values = tap.detach().double()
            totals[0, k] += values.numel()
            totals[1, k] += values.sum().cpu()
            totals[2, k] += values.square().sum().cpu()
    count, total, squares = totals
    if not bool((count > 0).all()):
        raise ValueError("batches: expected at least one batch of taps, got none")
    variance: Tensor = squares / count - (total / count) ** 2
    return variance.clamp(min=0.0).sqrt().float()


def expected_intensity(logits: Tensor) -> Tensor:
    """Mean class 0..5 under the softmax of (..., 6) logits (reading B of DEM's unstated decoding)."""
    return _expectation(logits, first=0, last=MAX_INTENSITY)


def expected_difference(logits: Tensor) -> Tensor:
    """Mean difference -5..5 under the softmax of (..., 11) logits."""
    return _expectation(logits, first=-MAX_INTENSITY, last=MAX_INTENSITY)


def argmax_intensity(logits: Tensor) -> Tensor:
    """Most probable class 0..5 of (..., 6) logits, as float32 (reading A)."""
    _check_classes(logits, MAX_INTENSITY + 1)
    return logits.argmax(dim=-1).float()


def argmax_difference(logits: Tensor) -> Tensor:
    """Most probable difference -5..5 of (..., 11) logits, as float32."""
    _check_classes(logits, 2 * MAX_INTENSITY + 1)
    return (logits.argmax(dim=-1) - MAX_INTENSITY).float()


def _expectation(logits: Tensor, *, first: int, last: int) -> Tensor:
    """Mean of the integers ``first..last`` under the softmax over the last axis, in float32."""
    _check_classes(logits, last - first + 1)
    values = torch.arange(first, last + 1, device=logits.device)
    return (logits.float().softmax(dim=-1) * values).sum(dim=-1)


def _check_classes(logits: Tensor, classes: int) -> None:
    """Raise ValueError unless the last axis has ``classes`` entries."""
    if logits.ndim < 1 or logits.shape[-1] != classes:
        raise ValueError(f"logits: expected shape (..., {classes}), got {tuple(logits.shape)}")


def ensemble(anchor: Tensor, delta: Tensor) -> Tensor:
    """DEM, eq. 3: ``clip(mean_j(Y_j + dY_ij), 0, 5)``.

    Args:
        anchor: (m, ...) intensities Y_j of the helper frames, m >= 1.
        delta: (m, ...) predicted Y_i - Y_j.

    Returns:
        (...) intensities 0..5 of frame i. Without helpers (m = 0) the caller takes the OVPM's value.

    Raises:
        ValueError: the shapes differ or m is 0.
    """
    if anchor.shape != delta.shape or anchor.ndim < 1 or anchor.shape[0] < 1:
        raise ValueError(f"expected equal shapes (m >= 1, ...), got {[*anchor.shape]}, {[*delta.shape]}")
    return (anchor + delta).mean(dim=0).clamp(0.0, float(MAX_INTENSITY))


def choose_helpers(count: int, index: int, m: int, *, seed: int = 0) -> tuple[int, ...]:
    """Draw the helper frames j of frame ``index``: no repeats, never ``index``, all when fewer exist.

    Args:
        count: frames of the set, indices 0..count-1.
        index: the frame that is helped.
        m: helpers wanted.
        seed: same seed, count and index: same helpers, whatever else was drawn before.

    Returns:
        Ascending indices, ``min(m, count - 1)`` of them.

    Raises:
        ValueError: ``index`` outside the set, or ``m`` negative.
    """
    if not 0 <= index < count or m < 0:
        raise ValueError(f"no helpers for count={count}, index={index}, m={m}")
    others = [j for j in range(count) if j != index]
    drawn = np.random.default_rng([seed, index]).choice(len(others), size=min(m, count - 1), replace=False)
    return tuple(sorted(others[k] for k in drawn))
