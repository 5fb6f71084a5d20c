"""Where ALGRNet looks: region centres from 49 landmarks, adaptive offsets and scales, attention maps.

The centre rules of the action units are those of JAA-Net, which ALGRNet uses unchanged; the rules of the twelve
palsy regions are this project's, because the paper only shows them in a figure. All lengths are in units of ``s``,
the distance of the inner eye corners, except where a docstring says pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from palsy_cli.points import MIRROR_68, POINTS_49
from palsy_cli.records import CORE_AUS, SIDES, Side

if TYPE_CHECKING:
    import numpy as np

#: ``mirrored[i] = points[MIRROR_49[i]]`` renames the points of a horizontally flipped face (its own inverse).
MIRROR_49: tuple[int, ...] = tuple(POINTS_49.index(int(MIRROR_68[k])) for k in POINTS_49)

RIGHT_EYE = tuple(range(19, 25))
LEFT_EYE = tuple(range(25, 31))
RIGHT_INNER_CORNER, LEFT_INNER_CORNER = 22, 25

#: Largest scale factor; half of it is JAA-Net's fixed 0.14, where training starts.
MAX_SCALE = 0.28
#: Standard deviation of a map in units of (map side x scale): least-squares fit to JAA-Net's linear ramp at 0.14.
SIGMA_FACTOR = 0.40

DISFA_12_AUS: tuple[int, ...] = CORE_AUS
DISFA_8_AUS: tuple[int, ...] = (1, 2, 4, 6, 9, 12, 25, 26)
BP4D_12_AUS: tuple[int, ...] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)

Points = TypeVar("Points", "np.ndarray[Any, Any]", Tensor)


@dataclass(frozen=True)
class Centre:
    """The mean of some of the 49 points, moved ``down`` (in units of ``s``; negative is up)."""

    points: tuple[int, ...]
    down: float = 0.0


@dataclass(frozen=True)
class Region:
    """What one branch looks at.

    Attributes:
        name: label, for example ``"AU12"`` or ``"modiolus_right"``.
        centres: one centre, or two of which the patient's right (image left) or upper one comes first.
        mirrored: the two centres mirror each other, so that their horizontal offsets are opposite.
        side: the patient's side that it lies on; ``None`` when it spans both.
    """

    name: str
    centres: tuple[Centre, ...]
    mirrored: bool = False
    side: Side | None = None


def _pair(right: int, left: int, down: float = 0.0) -> tuple[tuple[Centre, ...], bool]:
    return (Centre((right,), down), Centre((left,), down)), True


_LIP_CORNERS = _pair(31, 37)
_CHIN = _pair(41, 39, 1 / 2)
_LIP_MIDDLES = (Centre((34,)), Centre((40,))), False

#: Centres and mirroring per action unit (ALGRNet, after JAA-Net); AU5 and AU20 are this project's extension.
_AU_CENTRES: dict[int, tuple[tuple[Centre, ...], bool]] = {
    1: _pair(4, 5, -1 / 2),
    2: _pair(1, 8, -1 / 3),
    4: _pair(2, 7, 1 / 3),
    5: ((Centre((20, 21)), Centre((26, 27))), True),
    6: _pair(24, 29, 1.0),
    7: _pair(21, 26),
    9: _pair(15, 17, -1 / 2),
    10: _pair(43, 45),
    12: _LIP_CORNERS,
    14: _LIP_CORNERS,
    15: _LIP_CORNERS,
    17: _CHIN,
    20: _pair(31, 37, 1 / 6),
    23: _LIP_MIDDLES,
    24: _LIP_MIDDLES,
    25: _LIP_MIDDLES,
    26: _CHIN,
}

#: The action units that ALGRNet can look for.
KNOWN_AUS: tuple[int, ...] = tuple(_AU_CENTRES)

#: Six muscle groups, top to bottom: where each lies on the patient's right and left.
_MUSCLE_GROUPS: dict[str, tuple[Centre, Centre]] = {
    "frontalis": (Centre((2,), -1 / 2), Centre((7,), -1 / 2)),
    "orbicularis_oculi": (Centre(RIGHT_EYE), Centre(LEFT_EYE)),
    "cheek": (Centre((24,), 1.0), Centre((29,), 1.0)),
    "ala": (Centre((14,)), Centre((18,))),
    "modiolus": (Centre((31,)), Centre((37,))),
    "lower_lip": (Centre((41,), 1 / 2), Centre((39,), 1 / 2)),
}

#: One branch for each group and side.
PALSY_REGIONS: tuple[Region, ...] = tuple(
    Region(f"{group}_{side}", (centre,), side=side)
    for group, centres in _MUSCLE_GROUPS.items()
    for side, centre in zip(reversed(SIDES), centres, strict=True)
)


def au_regions(aus: tuple[int, ...]) -> tuple[Region, ...]:
    """The regions of some action units, in their order.

    Raises:
        ValueError: no centre rule is known for one of them.
    """
    unknown = [au for au in aus if au not in _AU_CENTRES]
    if unknown or not aus:
        raise ValueError(f"no region is known for AU {unknown}; known are {sorted(_AU_CENTRES)}")
    return tuple(Region(f"AU{au}", *_AU_CENTRES[au]) for au in aus)


def to_49(points68: Points) -> Points:
    """Take the 49 inner points of the 68: (..., 68, 2) -> (..., 49, 2), array or tensor.

    Raises:
        ValueError: not 68 points.
    """
    if points68.ndim < 2 or points68.shape[-2] != 68:
        raise ValueError(f"points68: expected shape (..., 68, 2), got {tuple(points68.shape)}")
    return points68[..., list(POINTS_49), :]


def eye_centre_distance(points49: Tensor) -> Tensor:
    """Distance of the two eye centres, (..., 49, 2) pixels -> (...) pixels."""
    right, left = points49[..., RIGHT_EYE, :].mean(-2), points49[..., LEFT_EYE, :].mean(-2)
    distance: Tensor = torch.linalg.vector_norm(right - left, dim=-1)
    return distance


class RegionShape(NamedTuple):
    """Offsets (N, n, 2) in units of ``s`` (each within +/-0.5) and scale factors (N, n) within 0..0.28."""

    offsets: Tensor
    scales: Tensor


class AdaptiveHeads(nn.Module):
    """Offsets and scale factors of the regions (ALGRNet, adaptive region learning).

    Two heads of two fully connected layers on the flattened alignment feature. Their last layers start at zero, so
    that training starts at JAA-Net's fixed setting: no offset, scale 0.14.
    """

    def __init__(self, features: int, regions: int, *, hidden: int) -> None:
        """Heads from ``features`` numbers over ``hidden`` units to ``regions`` regions."""
        super().__init__()
        self.offsets = self._head(features, hidden, 2 * regions)
        self.scales = self._head(features, hidden, regions)

    @staticmethod
    def _head(features: int, hidden: int, outputs: int) -> nn.Sequential:
        last = nn.Linear(hidden, outputs)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        return nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), last)

    def forward(self, features: Tensor) -> RegionShape:
        """Map (N, features) to the shapes of the regions."""
        offsets = 0.5 * torch.tanh(self.offsets(features)).reshape(len(features), -1, 2)
        return RegionShape(offsets, MAX_SCALE * torch.sigmoid(self.scales(features)))


def fixed_shape(count: int, regions: int, *, like: Tensor) -> RegionShape:
    """JAA-Net's fixed regions for ``count`` faces: no offset, scale 0.14."""
    return RegionShape(like.new_zeros(count, regions, 2), like.new_full((count, regions), MAX_SCALE / 2))


class RegionGeometry(nn.Module):
    """Turns landmarks and region shapes into attention maps; has no parameters.

    A region with one centre holds it twice, so that every region has two columns.
    """

    def __init__(self, regions: tuple[Region, ...], *, crop: int, side: int) -> None:
        """Maps of ``side`` x ``side`` cells over crops of ``crop`` x ``crop`` pixels."""
        super().__init__()
        self.crop, self.side = crop, side
        mean, down, sign = torch.zeros(len(regions), 2, 49), torch.zeros(len(regions), 2), torch.ones(len(regions), 2)
        for i, region in enumerate(regions):
            for k in range(2):
                centre = region.centres[min(k, len(region.centres) - 1)]
                mean[i, k, list(centre.points)] = 1 / len(centre.points)
                down[i, k] = centre.down
            sign[i, 1] = -1.0 if region.mirrored else 1.0
        self.mean: Tensor
        self.down: Tensor
        self.sign: Tensor
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("down", down, persistent=False)
        self.register_buffer("sign", sign, persistent=False)

    def centres(self, landmarks: Tensor, offsets: Tensor) -> Tensor:
        """Region centres.

        Args:
            landmarks: (N, 49, 2) crop pixels. No gradient is carried back to them: only the offsets learn.
            offsets: (N, n, 2) in units of ``s``.

        Returns:
            (N, n, 2, 2) crop pixels: region, centre, (x, y).
        """
        points = landmarks.detach()
        s = (points[:, RIGHT_INNER_CORNER, 0] - points[:, LEFT_INNER_CORNER, 0]).abs()[:, None, None]
        base = torch.einsum("rkp,npc->nrkc", self.mean, points)
        x = base[..., 0] + s * self.sign * offsets[:, :, None, 0]
        y = base[..., 1] + s * (self.down + offsets[:, :, None, 1])
        return torch.stack((x, y), -1)

    def attention(self, landmarks: Tensor, shape: RegionShape, *, margin: int = 0) -> Tensor:
        """Approximate Gaussians around the centres, the larger of the two at each cell.

        The linear ramp of JAA-Net ends in a box, which has no gradient in its size; hence the Gaussian.

        Args:
            landmarks: (N, 49, 2) crop pixels.
            shape: offsets and scales of the n regions.
            margin: cells added on every side.

        Returns:
            (N, n, side + 2 margin, side + 2 margin), values 0..1.
        """
        centres = self.centres(landmarks, shape.offsets)
        # Cell k covers the pixels 4k..4k+3: its centre is pixel 4k + 1.5. This keeps mirrored maps mirrored.
        cells = (centres + 0.5) * (self.side / self.crop) - 0.5
        sigma = (SIGMA_FACTOR * self.side * shape.scales).clamp_min(0.25)[:, :, None, None]
        grid = torch.arange(-margin, self.side + margin, device=cells.device, dtype=cells.dtype)
        exponent = -((grid - cells[..., None]) ** 2) / (2 * sigma[..., None]) / sigma[..., None]
        along_x, along_y = exponent[..., 0, :], exponent[..., 1, :]
        return (along_y[..., :, None] + along_x[..., None, :]).amax(2).exp()
