"""The building blocks of ALGRNet: patch-wise stem, feature block, skip-BiLSTM, fusion and refining."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

Gate = Literal["scalar", "channel"]


class PatchConv(nn.Module):
    """Batch norm, ReLU and 3x3 convolution with own weights for each patch of a ``grid`` x ``grid`` division.

    The patches are folded into the channels, so that one grouped convolution serves them all. Every patch is padded
    with zeros at its own border.
    """

    def __init__(self, inputs: int, outputs: int, *, grid: int) -> None:
        """``inputs`` and ``outputs`` are channels of the unfolded map."""
        super().__init__()
        patches = grid * grid
        self.grid = grid
        self.norm = nn.BatchNorm2d(patches * inputs)
        self.conv = nn.Conv2d(patches * inputs, patches * outputs, 3, padding=1, groups=patches)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W); H and W must be multiples of the grid."""
        g, (n, _, height, width) = self.grid, x.shape
        if height % g or width % g:
            raise ValueError(f"PatchConv: a {height}x{width} map cannot be divided into {g}x{g} patches")
        h, w = height // g, width // g
        rows = x.permute(0, 2, 3, 1).reshape(n, g, h, g, w, -1)
        folded = rows.permute(0, 2, 4, 1, 3, 5).reshape(n, h, w, -1).permute(0, 3, 1, 2)
        y: Tensor = self.conv(functional.relu(self.norm(folded)))
        unfolded = y.permute(0, 2, 3, 1).reshape(n, h, w, g, g, -1).permute(0, 3, 1, 4, 2, 5)
        return unfolded.reshape(n, height, width, -1).permute(0, 3, 1, 2)


class MultiScaleRegionLayer(nn.Module):
    """Hierarchical multi-scale region layer (ALGRNet stem, after JAA-Net).

    A convolution, then three patch-wise ones on ever larger patches, each on the output of the one before; their
    concatenation is added to the first convolution's output.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        """``outputs`` must be a multiple of four."""
        super().__init__()
        if outputs % 4:
            raise ValueError(f"MultiScaleRegionLayer: outputs must be a multiple of 4, got {outputs}")
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.fine = PatchConv(outputs, outputs // 2, grid=8)
        self.middle = PatchConv(outputs // 2, outputs // 4, grid=4)
        self.coarse = PatchConv(outputs // 4, outputs // 4, grid=2)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) -> (N, outputs, H, W)."""
        whole = self.conv(x)
        fine = self.fine(whole)
        middle = self.middle(fine)
        parts = torch.cat((fine, middle, self.coarse(middle)), 1)
        return functional.relu(self.norm(whole + parts))


def feature_block(inputs: int, channels: tuple[int, ...]) -> nn.Sequential:
    """Per entry of ``channels``: twice (3x3 convolution, batch norm, ReLU), then a 2x2 max pool (ALGRNet, HL)."""
    layers: list[nn.Module] = []
    for width in channels:
        for _ in range(2):
            layers += [nn.Conv2d(inputs, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            inputs = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


class SkipConvLSTM(nn.Module):
    """One direction of the skip-BiLSTM (ALGRNet, eqs 7-9; eq. 10 is the same on the reversed sequence).

    The hidden state that enters step t is the gated sum over all earlier steps, the cell state is the previous
    step's. The gate is the sigmoid of the spatial mean of a 1x1 convolution of [h_j, v_t]; a mean and a 1x1
    convolution commute, so the means are taken first. ``plain`` passes h of the previous step alone (ablation).
    """

    def __init__(self, channels: int, steps: int, *, gate: Gate = "scalar", plain: bool = False) -> None:
        """``steps`` branches of ``channels`` channels; the gate is one number per map or one per channel."""
        super().__init__()
        self.channels, self.plain = channels, plain
        self.input_conv = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        # Without a bias of its own: input and state convolutions are one convolution of the concatenation.
        self.state_conv = nn.Conv2d(channels, 4 * channels, 3, padding=1, bias=False)
        if not plain:
            self.gates = nn.ModuleList(
                nn.Linear(2 * channels, 1 if gate == "scalar" else channels) for _ in range(steps - 1)
            )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """``steps`` maps (N, channels, S, S) in the order of the recurrence -> the hidden states, alike."""
        inputs = self.input_conv(torch.cat(maps)).chunk(len(maps))
        states: list[Tensor] = []
        means: list[Tensor] = []
        cell: Tensor | None = None
        for t, v in enumerate(maps):
            z = inputs[t] if t == 0 else inputs[t] + self.state_conv(self._past(states, means, v))
            keep_in, forget, out = torch.sigmoid(z[:, : 3 * self.channels]).chunk(3, 1)
            update = keep_in * torch.tanh(z[:, 3 * self.channels :])
            cell = update if cell is None else torch.addcmul(update, forget, cell)
            states.append(out * torch.tanh(cell))
            means.append(states[-1].mean((2, 3)))
        return states

    def _past(self, states: list[Tensor], means: list[Tensor], v: Tensor) -> Tensor:
        """The hidden state that enters a step: gated sum over the earlier ones (ALGRNet, eqs. 8-9)."""
        if self.plain:
            return states[-1]
        mean_v = v.mean((2, 3))
        total = torch.zeros_like(states[0])
        for gate, state, mean in zip(self.gates, states, means, strict=False):
            weight = torch.sigmoid(gate(torch.cat((mean, mean_v), 1)))
            total = torch.addcmul(total, weight[:, :, None, None].to(state.dtype), state)
        return total


class SkipBiLSTM(nn.Module):
    """Relations between the branches: s_t = v_t + (h_t forward + h_t backward) / 2 (ALGRNet, eqs 7-11)."""

    def __init__(self, channels: int, steps: int, *, gate: Gate = "scalar", plain: bool = False) -> None:
        """As ``SkipConvLSTM``; both directions have their own weights."""
        super().__init__()
        self.forwards = SkipConvLSTM(channels, steps, gate=gate, plain=plain)
        self.backwards = SkipConvLSTM(channels, steps, gate=gate, plain=plain)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """``steps`` maps (N, channels, S, S), top to bottom of the face -> as many maps of the same shape."""
        ahead, back = self.forwards(maps), self.backwards(maps[::-1])[::-1]
        return [v + (a + b) / 2 for v, a, b in zip(maps, ahead, back, strict=True)]


class Fusion(nn.Module):
    """Gated fusion of one branch with the global feature (ALGRNet, eqs 12-13)."""

    def __init__(self, local: int, glob: int, channels: int) -> None:
        """``local`` and ``glob`` are the channels of the two inputs, ``channels`` those of the output."""
        super().__init__()
        self.channels = channels
        self.local = nn.Conv2d(local, 2 * channels, 1)
        self.glob = nn.Conv2d(glob, 2 * channels, 1)

    def forward(self, local: Tensor, glob: Tensor) -> Tensor:
        """(N, local, S, S) and (N, glob, s, s) -> (N, channels, S, S).

        The 1x1 convolutions of the global feature run before the bilinear upsampling, which gives the same.
        """
        upsampled = functional.interpolate(self.glob(glob), local.shape[-2:], mode="bilinear", align_corners=False)
        gate_local, value_local = self.local(local).chunk(2, 1)
        gate_global, value_global = upsampled.chunk(2, 1)
        alpha = torch.sigmoid(gate_local + gate_global)
        normal_local, normal_global = (functional.normalize(value, dim=1) for value in (value_local, value_global))
        return alpha * normal_global + (1 - alpha) * normal_local


class AttentionRefine(nn.Module):
    """JAA-Net's refining of attention maps: four unpadded 3x3 convolutions per region, sigmoid (option)."""

    #: Cells that the four convolutions take away on every side.
    margin = 4

    def __init__(self, regions: int, *, channels: int = 64) -> None:
        """One small network per region, run as grouped convolutions."""
        super().__init__()
        widths = (1, channels, channels, channels, 1)
        self.convs = nn.ModuleList(
            nn.Conv2d(regions * a, regions * b, 3, groups=regions) for a, b in zip(widths[:-1], widths[1:], strict=True)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(N, regions, S + 8, S + 8) -> (N, regions, S, S), values 0..1."""
        for conv in self.convs[:-1]:
            maps = functional.relu(conv(maps))
        return torch.sigmoid(self.convs[-1](maps))
