"""RetinaFace with a MobileNet-0.25 backbone: face box, confidence and five points (Deng et al., CVPR 2020).

Shapes: N pictures, A anchors, G faces. Coordinates are pixels of the network's input with pixel centres at
integers, so the mirror image of ``x`` in a picture of width ``w`` is ``w - 1 - x``. The five points are the
patient's right eye, left eye, nose tip, right and left mouth corner (image-left eye first when unmirrored).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from palsy_cli.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

#: Anchor edge lengths in pixels on each pyramid level, and the levels' strides.
ANCHOR_SIZES: tuple[tuple[int, ...], ...] = ((16, 32), (64, 128), (256, 512))
STRIDES: tuple[int, ...] = (8, 16, 32)
ANCHORS_PER_CELL = 2
#: Scale of the regressed offsets of centres and points, and of the logarithms of width and height.
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2
#: ``match``: this anchor is background; this anchor is not used.
BACKGROUND, IGNORED = -1, -2
#: ... and the overlap from which a face gets its best anchor in any case.
OWN_ANCHOR_IOU = 0.2
#: Backgrounds per face anchor in the class loss, and the weights of the three losses.
NEGATIVES_PER_POSITIVE = 7
#: A picture without a face teaches as many backgrounds as one with so many face anchors (about one face has them).
EMPTY_AS_FACES = 20
BOX_WEIGHT, CLASS_WEIGHT, POINT_WEIGHT = 2.0, 1.0, 1.0

#: Mean grey values of blue, green and red that the network takes off (the ImageNet means of Caffe's days).
MEAN_BGR = (104.0, 117.0, 123.0)
#: Keyword arguments of each size. The paper's light network is small enough to serve as ``compact`` too.
SIZES: dict[str, dict[str, Any]] = {
    "paper": {"width": 0.25, "out_channels": 64},
    "compact": {"width": 0.25, "out_channels": 64},
    "tiny": {"width": 0.0625, "out_channels": 16},
}


#: Slope of a LeakyReLU below zero, None for no activation.
Slope = float | None


class ConvNorm(nn.Sequential):
    """Convolution without bias, batch norm and, if ``slope`` is not None, LeakyReLU."""

    def __init__(
        self, c_in: int, c_out: int, *, kernel: int = 3, stride: int = 1, groups: int = 1, slope: Slope = 0.1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(c_out)
        if slope is not None:
            self.activation = nn.LeakyReLU(slope, inplace=True)
        nn.init.kaiming_normal_(self.conv.weight, a=slope or 0.0)


class Separable(nn.Module):
    """Depthwise 3x3 then pointwise convolution (MobileNetV1)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.depth = ConvNorm(inputs, inputs, stride=stride, groups=inputs)
        self.point = ConvNorm(inputs, outputs, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, ceil(H / stride), ceil(W / stride))."""
        return cast("Tensor", self.point(self.depth(x)))


class Backbone(nn.Module):
    """MobileNetV1 up to stride 32; ``width`` 0.25 gives 64, 128 and 256 channels at strides 8, 16 and 32."""

    def __init__(self, width: float) -> None:
        super().__init__()
        c32, c64, c128, c256, c512, c1024 = (max(2, round(n * width)) for n in (32, 64, 128, 256, 512, 1024))
        early = [Separable(c32, c64), Separable(c64, c128, stride=2), Separable(c128, c128)]
        early += [Separable(c128, c256, stride=2), Separable(c256, c256)]
        self.early = nn.Sequential(ConvNorm(3, c32, stride=2), *early)
        rest = (Separable(c512, c512) for _ in range(5))
        self.middle = nn.Sequential(Separable(c256, c512, stride=2), *rest)
        self.late = nn.Sequential(Separable(c512, c1024, stride=2), Separable(c1024, c1024))
        self.channels = (c256, c512, c1024)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, H, W) to the maps at strides 8, 16 and 32."""
        fine = self.early(x)
        middle = self.middle(fine)
        return fine, middle, self.late(middle)


class Pyramid(nn.Module):
    """Feature pyramid: each level gets the coarser ones added, then smoothed."""

    def __init__(self, channels: Sequence[int], outputs: int, *, slope: float) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(ConvNorm(c, outputs, kernel=1, slope=slope) for c in channels)
        self.smooth = nn.ModuleList(ConvNorm(outputs, outputs, slope=slope) for _ in channels[:-1])

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Three maps, fine to coarse, to three maps of ``outputs`` channels and the same sizes."""
        levels = [layer(x) for layer, x in zip(self.lateral, maps, strict=True)]
        for i in (1, 0):
            coarser = functional.interpolate(levels[i + 1], size=levels[i].shape[-2:], mode="nearest")
            levels[i] = self.smooth[i](levels[i] + coarser)
        return levels


class Context(nn.Module):
    """SSH context module: 3x3, 5x5 and 7x7 fields of view (the latter two as stacks of 3x3), concatenated."""

    def __init__(self, channels: int, *, slope: float) -> None:
        super().__init__()
        self.near = ConvNorm(channels, channels // 2, slope=None)
        self.reduce = ConvNorm(channels, channels // 4, slope=slope)
        self.wide = ConvNorm(channels // 4, channels // 4, slope=None)
        self.deepen = ConvNorm(channels // 4, channels // 4, slope=slope)
        self.widest = ConvNorm(channels // 4, channels // 4, slope=None)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to the same shape."""
        reduced = self.reduce(x)
        return functional.relu(torch.cat([self.near(x), self.wide(reduced), self.widest(self.deepen(reduced))], dim=1))


class RetinaFace(nn.Module):
    """Single-stage face detector (RetinaFace, section 3; the light network with a MobileNet-0.25 backbone).

    Args:
        width: MobileNetV1 width multiplier.
        out_channels: channels of the pyramid, a multiple of 4.
        mean: grey values 0..255 taken from the input's channels, in the order the network sees them.
        bgr: the network sees blue, green, red instead of red, green, blue.
    """

    def __init__(
        self,
        *,
        width: float = 0.25,
        out_channels: int = 64,
        mean: Sequence[float] = MEAN_BGR,
        bgr: bool = True,
    ) -> None:
        super().__init__()
        if out_channels % 4:
            raise ValueError(f"out_channels: expected a multiple of 4, got {out_channels}")
        # Narrow pyramids leak below zero, wide ones do not, as in the checkpoints that users have.
        slope = 0.1 if out_channels <= 64 else 0.0
        self.mean, self.bgr = tuple(float(m) for m in mean), bgr
        self.backbone = Backbone(width)
        self.pyramid = Pyramid(self.backbone.channels, out_channels, slope=slope)
        self.context = nn.ModuleList(Context(out_channels, slope=slope) for _ in STRIDES)
        self.class_heads = nn.ModuleList(nn.Conv2d(out_channels, ANCHORS_PER_CELL * 2, 1) for _ in STRIDES)
        self.box_heads = nn.ModuleList(nn.Conv2d(out_channels, ANCHORS_PER_CELL * 4, 1) for _ in STRIDES)
        self.point_heads = nn.ModuleList(nn.Conv2d(out_channels, ANCHORS_PER_CELL * 10, 1) for _ in STRIDES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Regress every anchor.

        Args:
            images: (N, 3, H, W) as ``preprocess`` makes them.

        Returns:
            Box offsets (N, A, 4), logits (N, A, 2) of background and face, point offsets (N, A, 10), in the
            order of ``anchors(H, W)``.

        Raises:
            ValueError: ``images`` has another shape.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images: expected shape (N, 3, H, W), got {tuple(images.shape)}")
        maps = [block(x) for block, x in zip(self.context, self.pyramid(self.backbone(images)), strict=True)]
        boxes, logits, points = (
            torch.cat([_per_anchor(head(x), values) for head, x in zip(heads, maps, strict=True)], dim=1)
            for heads, values in ((self.box_heads, 4), (self.class_heads, 2), (self.point_heads, 10))
        )
        return boxes, logits, points

    def preprocess(self, images: Tensor) -> Tensor:
        """RGB values 0..255, (N, H, W, 3) of any number type, to the network's input (N, 3, H, W) float32.

        The channels stay last in memory, as the network wants them.
        """
        x = (images.flip(-1) if self.bgr else images).to(torch.float32)
        return (x - x.new_tensor(self.mean)).permute(0, 3, 1, 2)


def _per_anchor(x: Tensor, values: int) -> Tensor:
    """(N, anchors * values, H, W) to (N, H * W * anchors, values)."""
    return x.permute(0, 2, 3, 1).reshape(len(x), -1, values)


def anchors(height: int, width: int, *, device: torch.device | str | None = None) -> Tensor:
    """The anchors of a picture: (A, 4) centre x, centre y, width, height in pixels, fine level first."""
    levels = []
    for stride, sizes in zip(STRIDES, ANCHOR_SIZES, strict=True):
        rows, columns = math.ceil(height / stride), math.ceil(width / stride)
        # A cell covers pixels k*stride .. (k+1)*stride-1; the middle of those pixel centres is its centre.
        y = (torch.arange(rows, device=device) + 0.5) * stride - 0.5
        x = (torch.arange(columns, device=device) + 0.5) * stride - 0.5
        size = torch.tensor(sizes, dtype=torch.float32, device=device)
        cy, cx, edge = torch.meshgrid(y, x, size, indexing="ij")
        levels.append(torch.stack([cx, cy, edge, edge], dim=-1).reshape(-1, 4))
    return torch.cat(levels)


def encode(boxes: Tensor, points: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """What the network should answer at each anchor for its face; the inverse of ``decode``.

    Args:
        boxes: (..., 4) ``x1, y1, x2, y2`` pixels, one face per anchor.
        points: (..., 5, 2) pixels.
        anchors: (..., 4) as ``anchors`` returns them.

    Returns:
        Box offsets (..., 4) and point offsets (..., 10).
    """
    centre, size = anchors[..., :2], anchors[..., 2:]
    low, high = boxes[..., :2], boxes[..., 2:]
    shift = ((low + high) / 2 - centre) / (CENTRE_VARIANCE * size)
    scale = torch.log((high - low).clamp_min(1e-6) / size) / SIZE_VARIANCE
    offsets = (points - centre.unsqueeze(-2)) / (CENTRE_VARIANCE * size.unsqueeze(-2))
    return torch.cat([shift, scale], dim=-1), offsets.flatten(-2)


def decode(boxes_raw: Tensor, points_raw: Tensor, anchors: Tensor) -> tuple[Tensor, Tensor]:
    """Turn offsets (..., A, 4) and (..., A, 10) at anchors (A, 4) into pixels; the inverse of ``encode``.

    Returns:
        Boxes (..., A, 4) ``x1, y1, x2, y2`` and points (..., A, 5, 2).
    """
    centre, size = anchors[..., :2], anchors[..., 2:]
    middle = centre + boxes_raw[..., :2] * CENTRE_VARIANCE * size
    half = size * torch.exp(boxes_raw[..., 2:] * SIZE_VARIANCE) / 2
    offsets = points_raw.reshape(*points_raw.shape[:-1], 5, 2)
    points = centre.unsqueeze(-2) + offsets * CENTRE_VARIANCE * size.unsqueeze(-2)
    return torch.cat([middle - half, middle + half], dim=-1), points


def nms(boxes: Tensor, scores: Tensor, *, max_iou: float) -> Tensor:
    """Positions (K,) of the boxes (D, 4) to keep, best first; no two overlap by more than ``max_iou``."""
    order = scores.argsort(descending=True, stable=True)
    beyond = (box_iou(boxes[order], boxes[order]) > max_iou).tolist()
    kept: list[int] = []
    for place, overlaps in enumerate(beyond):
        if not any(overlaps[better] for better in kept):
            kept.append(place)
    return order[kept]


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union (D, M) of boxes (D, 4) and (M, 4), ``x1, y1, x2, y2``; 0 where both are empty."""
    low = torch.maximum(first[:, None, :2], second[None, :, :2])
    high = torch.minimum(first[:, None, 2:], second[None, :, 2:])
    common = (high - low).clamp_min(0).prod(-1)
    area, area_too = ((boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (first, second))
    return common / (area[:, None] + area_too[None] - common).clamp_min(1e-9)


def match(anchors: Tensor, boxes: Tensor, *, positive: float = 0.35, negative: float = 0.35) -> Tensor:
    """Say which face each anchor answers for.

    An anchor takes the face that it overlaps most when the IoU reaches ``positive``; a face's best anchor is
    its own from an IoU of 0.2, so that small faces do not go without.

    Args:
        anchors: (A, 4) centre and size.
        boxes: (G, 4) ``x1, y1, x2, y2``; G may be 0.
        positive: smallest IoU of a face anchor.
        negative: largest IoU of a background anchor; those between are not used.

    Returns:
        (A,) index of the face, ``BACKGROUND`` or ``IGNORED``.
    """
    assigned = torch.full((len(anchors),), BACKGROUND, dtype=torch.int64, device=anchors.device)
    if len(boxes) == 0:
        return assigned
    half = anchors[:, 2:] / 2
    iou = box_iou(torch.cat([anchors[:, :2] - half, anchors[:, :2] + half], dim=1), boxes)
    best, face = iou.max(dim=1)
    assigned[best > negative] = IGNORED
    assigned = torch.where(best >= positive, face, assigned)
    overlap, own = iou.max(dim=0)
    fair = overlap >= OWN_ANCHOR_IOU
    assigned[own[fair]] = torch.arange(len(boxes), device=anchors.device)[fair]
    return assigned


def multibox_loss(
    outputs: tuple[Tensor, Tensor, Tensor], anchors: Tensor, boxes: Sequence[Tensor], points: Sequence[Tensor]
) -> dict[str, Tensor]:
    """The training loss: class, box and points (RetinaFace, eq. 1, without the dense branch).

    Args:
        outputs: what ``forward`` returned for N pictures.
        anchors: (A, 4) of the pictures' size.
        boxes: N tensors (G, 4) of the faces; G may be 0.
        points: N tensors (G, 5, 2); a face whose points are not known has NaN there.

    Returns:
        Scalars ``loss`` (weighted 2:1:1), ``boxes``, ``classes``, ``points``, each per face anchor.
    """
    boxes_raw, logits, points_raw = (x.float() for x in outputs)
    assigned = torch.stack([match(anchors, b) for b in boxes])
    wanted_boxes, wanted_points = _targets(assigned, anchors, boxes, points)
    face = assigned >= 0
    known = face & wanted_points.isfinite().all(dim=-1)
    parts = {
        "boxes": _smooth_l1(boxes_raw[face], wanted_boxes[face]),
        "classes": _class_loss(logits, assigned) / face.sum().clamp_min(1),
        "points": _smooth_l1(points_raw[known], wanted_points[known]),
    }
    loss = BOX_WEIGHT * parts["boxes"] + CLASS_WEIGHT * parts["classes"] + POINT_WEIGHT * parts["points"]
    return {"loss": loss, **parts}


def _smooth_l1(found: Tensor, wanted: Tensor) -> Tensor:
    """Summed over the values of an anchor, mean over anchors (M, values); 0 for none."""
    return functional.smooth_l1_loss(found, wanted, reduction="sum") / max(1, len(found))


def _targets(
    assigned: Tensor, anchors: Tensor, boxes: Sequence[Tensor], points: Sequence[Tensor]
) -> tuple[Tensor, Tensor]:
    """Wanted offsets (N, A, 4) and (N, A, 10); meaningless where no face is assigned."""
    wanted_boxes = anchors.new_zeros((*assigned.shape, 4))
    wanted_points = anchors.new_zeros((*assigned.shape, 10))
    for i, own in enumerate(assigned >= 0):
        face = assigned[i, own]
        wanted_boxes[i, own], wanted_points[i, own] = encode(boxes[i][face], points[i][face], anchors[own])
    return wanted_boxes, wanted_points


def _class_loss(logits: Tensor, assigned: Tensor) -> Tensor:
    """Summed cross-entropy over face anchors and, picture by picture, the hardest backgrounds."""
    face = assigned >= 0
    losses = functional.cross_entropy(logits.transpose(1, 2), face.long(), reduction="none")
    hardness = losses.detach().masked_fill(assigned != BACKGROUND, -1.0)
    rank = hardness.argsort(dim=1, descending=True).argsort(dim=1)
    faces = face.sum(dim=1, keepdim=True)
    quota = NEGATIVES_PER_POSITIVE * torch.where(faces > 0, faces, EMPTY_AS_FACES)
    hard = (rank < quota) & (assigned == BACKGROUND)
    return losses[face | hard].sum()


def load_upstream(state: Mapping[str, Tensor]) -> RetinaFace:
    """The detector of the upstream checkpoint ``mobilenet0.25_Final.pth``, in evaluation mode.

    Every tensor must be there, and none may be left over.

    Args:
        state: its tensors by name. The file is a pickle, which palsy never opens; whoever trusts it reads it.

    Raises:
        ModelError: these are none of such a checkpoint.
    """
    state = {str(key).removeprefix("module."): value for key, value in state.items()}
    names = dict(_upstream_names())
    network = RetinaFace()
    if set(state) != set(names):
        odd = sorted(set(state) ^ set(names))[0]
        raise ModelError(f"no RetinaFace MobileNet-0.25 checkpoint ({odd} does not fit); try another")
    try:
        network.load_state_dict({names[key]: value for key, value in state.items()}, strict=True)
    except RuntimeError as error:
        raise ModelError("no RetinaFace MobileNet-0.25, a shape differs; try another") from error
    return network.eval()


def _upstream_names() -> Iterator[tuple[str, str]]:
    """Each tensor's name in the upstream checkpoint and ours."""
    yield from _conv_norm_names("body.stage1.0", "backbone.early.0")
    stages = (("stage1", "early", range(1, 6)), ("stage2", "middle", range(6)), ("stage3", "late", range(2)))
    for stage, own, blocks in stages:
        for i in blocks:
            yield from _conv_norm_names(f"body.{stage}.{i}", f"backbone.{own}.{i}.depth")
            yield from _conv_norm_names(f"body.{stage}.{i}", f"backbone.{own}.{i}.point", offset=3)
    for i in range(len(STRIDES)):
        yield from _conv_norm_names(f"fpn.output{i + 1}", f"pyramid.lateral.{i}")
        for theirs, own in _FIELDS.items():
            yield from _conv_norm_names(f"ssh{i + 1}.conv{theirs}", f"context.{i}.{own}")
        for theirs, own in _HEAD_NAMES.items():
            for kind in ("weight", "bias"):
                yield f"{theirs}.{i}.conv1x1.{kind}", f"{own}.{i}.{kind}"
    for i in range(len(STRIDES) - 1):
        yield from _conv_norm_names(f"fpn.merge{i + 1}", f"pyramid.smooth.{i}")


_HEAD_NAMES = {"ClassHead": "class_heads", "BboxHead": "box_heads", "LandmarkHead": "point_heads"}
_FIELDS = {"3X3": "near", "5X5_1": "reduce", "5X5_2": "wide", "7X7_2": "deepen", "7x7_3": "widest"}


def _conv_norm_names(theirs: str, own: str, *, offset: int = 0) -> Iterator[tuple[str, str]]:
    """Names of one convolution and its batch norm; upstream numbers the layers of a sequence."""
    yield f"{theirs}.{offset}.weight", f"{own}.conv.weight"
    for kind in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
        yield f"{theirs}.{offset + 1}.{kind}", f"{own}.norm.{kind}"
