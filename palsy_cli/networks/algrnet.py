"""ALGRNet: adaptive local-global relational network for action units and palsy severity (Ge et al.)."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from palsy_cli.networks.algrnet_layers import (
    AttentionRefine,
    Fusion,
    Gate,
    MultiScaleRegionLayer,
    SkipBiLSTM,
    feature_block,
)
from palsy_cli.networks.algrnet_regions import (
    DISFA_12_AUS,
    MIRROR_49,
    PALSY_REGIONS,
    AdaptiveHeads,
    RegionGeometry,
    RegionShape,
    au_regions,
    eye_centre_distance,
    fixed_shape,
    to_49,
)
from palsy_cli.records import SIDES

__all__ = [
    "MIRROR_49",
    "SIZES",
    "ALGRNet",
    "ALGROutput",
    "alignment_loss",
    "au_loss",
    "au_probabilities",
    "au_total_loss",
    "occurrence_weights",
    "palsy_loss",
    "to_49",
]

#: Constructor arguments of each size, for the severity of a palsy.
SIZES: dict[str, dict[str, Any]] = {
    "paper": {"mode": "palsy"},
    "compact": {
        "mode": "palsy",
        "stem": (8, 16),
        "feature": (24, 32, 40),
        "hidden": 16,
        "fc": 128,
        "local_fc": 16,
        "crop": 96,
        "sides_apart": True,
    },
    "tiny": {
        "mode": "palsy",
        "stem": (4, 4),
        "feature": (4, 6, 8),
        "hidden": 4,
        "fc": 16,
        "local_fc": 4,
        "crop": 64,
    },
}

#: Label of an action unit that nobody coded (BP4D).
MISSING_LABEL = 9
#: Weight of the alignment loss beside the classification losses (ALGRNet).
ALIGNMENT_WEIGHT = 0.5


class ALGROutput(NamedTuple):
    """What ALGRNet says of N faces.

    Attributes:
        landmarks: (N, 49, 2) crop pixels.
        au_logits_local: (N, n, 2) absent / present, one head per region; ``None`` in mode ``palsy``.
        au_logits_integrated: (N, n, 2) of the head over all regions; ``None`` in mode ``palsy``.
        grade_logits: (N, grades) normal, low, medium, high; ``None`` in mode ``au``.
        hidden: (N, fc) what the last layer of the integrated head reads.
    """

    landmarks: Tensor
    au_logits_local: Tensor | None
    au_logits_integrated: Tensor | None
    grade_logits: Tensor | None
    hidden: Tensor | None = None


class ALGRNet(nn.Module):
    """Adaptive local-global relational network (ALGRNet, section 3).

    Stem, alignment branch, adaptive regions around the predicted landmarks, skip-BiLSTM over the regions from top
    to bottom, fusion with a global feature, one refining block per region, heads. Mode ``au`` has one region per
    action unit; mode ``palsy`` has one per muscle group and side.

    The published ablations are ``skip_bilstm=False`` (w/o S-B), ``plain_bilstm=True`` (BiLSTM),
    ``fusion_refining=False`` (w/o F&R: the related maps enter the refining block as they are, without the global
    branch) and ``adaptive=False`` (w/o Ada).
    """

    def __init__(
        self,
        *,
        mode: Literal["au", "palsy"] = "au",
        aus: tuple[int, ...] = DISFA_12_AUS,
        stem: tuple[int, int] = (32, 64),
        feature: tuple[int, int, int] = (96, 128, 160),
        hidden: int = 64,
        fc: int = 512,
        local_fc: int = 64,
        crop: int = 176,
        grades: int = 4,
        gate: Gate = "scalar",
        skip_bilstm: bool = True,
        plain_bilstm: bool = False,
        fusion_refining: bool = True,
        adaptive: bool = True,
        attention_refine: bool = False,
        sides_apart: bool = False,
    ) -> None:
        """Build the network; the defaults are the paper's.

        Args:
            mode: ``au`` for action units, ``palsy`` for severity.
            aus: action units of mode ``au``, top to bottom; lists of DISFA (8 or 12) and BP4D (12) are in
                ``algrnet_regions``.
            stem: channels of the two stem layers.
            feature: channels of the feature blocks.
            hidden: channels of the relational maps; must equal ``stem[1]`` (eq. 11 adds the two).
            fc: units of the alignment and integrated heads; the adaptive heads have half as many.
            local_fc: units of the local heads.
            crop: input side in pixels, a multiple of 16 and at least 32; the maps have a quarter of it.
            grades: severity classes of mode ``palsy``.
            gate: one skip gate per map (``scalar``) or per channel (``channel``).
            skip_bilstm: relate the regions at all.
            plain_bilstm: relate neighbours only.
            fusion_refining: fuse every region with the global feature.
            adaptive: learn offsets and scales; otherwise they are JAA-Net's.
            attention_refine: refine the attention maps by a small network as JAA-Net does.
            sides_apart: in mode ``palsy``, give the integrated head the mean refined feature of each side, and
                normalisation and a ReLU between its layers. As published it gets one mean over all regions and stays
                linear, which cannot answer how much two sides differ.

        Raises:
            ValueError: an argument does not fit.
        """
        super().__init__()
        if crop % 16 or crop < 32:
            raise ValueError(f"crop: expected a multiple of 16 that is at least 32, got {crop}")
        if skip_bilstm and hidden != stem[1]:
            raise ValueError(f"hidden must equal stem[1] (eq. 11 adds them): {hidden} and {stem[1]}")
        if sides_apart and mode != "palsy":
            raise ValueError("sides_apart: only the regions of mode 'palsy' have a side")
        if mode not in ("au", "palsy"):
            raise ValueError(f"mode: expected 'au' or 'palsy', got {mode!r}")
        self.mode, self.crop = mode, crop
        self.regions = PALSY_REGIONS if mode == "palsy" else au_regions(tuple(aus))
        self.aus = () if mode == "palsy" else tuple(aus)
        count, channels = len(self.regions), stem[1]
        flat = feature[-1] * (crop // 32) ** 2

        self.stem = nn.Sequential(
            MultiScaleRegionLayer(3, stem[0]),
            nn.MaxPool2d(2),
            MultiScaleRegionLayer(stem[0], channels),
            nn.MaxPool2d(2),
        )
        self.align_features = feature_block(channels, feature)
        self.align_hidden, self.align_points = nn.Linear(flat, fc), nn.Linear(fc, 2 * 49)
        self.start_from_mean_face(torch.full((49, 2), (crop - 1) / 2))
        self.adaptive = AdaptiveHeads(flat, count, hidden=fc // 2) if adaptive else None
        self.geometry = RegionGeometry(self.regions, crop=crop, side=crop // 4)
        self.refine_attention = AttentionRefine(count, channels=hidden) if attention_refine else None
        self.relations = SkipBiLSTM(channels, count, gate=gate, plain=plain_bilstm) if skip_bilstm else None
        self.global_features = feature_block(channels, feature) if fusion_refining else None
        self.fusion = nn.ModuleList(
            Fusion(channels, feature[-1], channels) for _ in range(count if fusion_refining else 0)
        )
        self.refining = nn.ModuleList(feature_block(channels, feature) for _ in range(count))
        outputs = grades if mode == "palsy" else 2 * count
        self.sides_apart = sides_apart
        self.integrated_head = _integrated_head(flat, fc, outputs, sides_apart=sides_apart)
        self.local_heads = nn.ModuleList(
            nn.Sequential(nn.Linear(flat, local_fc), nn.Linear(local_fc, 2)) for _ in range(len(self.aus))
        )

    def forward(self, x: Tensor) -> ALGROutput:
        """Look at aligned faces.

        Args:
            x: (N, 3, crop, crop), RGB scaled to -1..1.

        Raises:
            ValueError: another shape.
        """
        if x.ndim != 4 or tuple(x.shape[1:]) != (3, self.crop, self.crop):
            raise ValueError(f"ALGRNet: expected (N, 3, {self.crop}, {self.crop}), got {tuple(x.shape)}")
        features = self.stem(x.contiguous(memory_format=torch.channels_last))
        aligned = self.align_features(features).flatten(1)
        landmarks, shape = self.locate(aligned)
        attention = self.attend(landmarks, shape).to(features.dtype)
        maps = [features * attention[:, i, None] for i in range(len(self.regions))]
        if self.relations is not None:
            maps = self.relations(maps)
        refined = self._refine(maps, features)
        hidden = self.integrated_head[:2](torch.cat((aligned, *self._means(refined)), 1))
        together = self.integrated_head[2](hidden).float()
        if self.mode == "palsy":
            return ALGROutput(landmarks, None, None, together, hidden)
        local = torch.stack([head(r) for head, r in zip(self.local_heads, refined, strict=True)], 1).float()
        return ALGROutput(landmarks, local, together.reshape(len(x), -1, 2), None, hidden)

    def locate(self, aligned: Tensor) -> tuple[Tensor, RegionShape]:
        """Landmarks (N, 49, 2) in crop pixels and region shapes from the flat alignment feature.

        Runs in float32 under autocast, too: bfloat16 would round positions to half a pixel.
        """
        with torch.autocast(aligned.device.type, enabled=False):
            aligned = aligned.float()
            landmarks = self.align_points(self.align_hidden(aligned)).reshape(-1, 49, 2)
            if self.adaptive is not None:
                return landmarks, self.adaptive(aligned)
            return landmarks, fixed_shape(len(aligned), len(self.regions), like=landmarks)

    def attend(self, landmarks: Tensor, shape: RegionShape) -> Tensor:
        """Attention maps (N, n, crop / 4, crop / 4), values 0..1."""
        if self.refine_attention is None:
            return self.geometry.attention(landmarks, shape)
        wide = self.geometry.attention(landmarks, shape, margin=self.refine_attention.margin)
        refined: Tensor = self.refine_attention(wide)
        return refined

    def _means(self, refined: list[Tensor]) -> list[Tensor]:
        """Mean refined feature over all regions, or over those of each side."""
        if not self.sides_apart:
            return [torch.stack(refined).mean(0)]
        sides = [region.side for region in self.regions]
        return [
            torch.stack([r for r, own in zip(refined, sides, strict=True) if own == side]).mean(0)
            for side in reversed(SIDES)
        ]

    def _refine(self, maps: list[Tensor], features: Tensor) -> list[Tensor]:
        if self.global_features is not None:
            glob = self.global_features(features)
            maps = [fuse(s, glob) for fuse, s in zip(self.fusion, maps, strict=True)]
        return [block(s).flatten(1) for block, s in zip(self.refining, maps, strict=True)]

    @torch.no_grad()
    def start_from_mean_face(self, points: Tensor) -> None:
        """Let the alignment head start at a mean face, (49, 2) crop pixels, instead of the crop's centre.

        Training gets there by itself, but loses its first steps on the way.
        """
        self.align_points.bias.copy_(points.flatten())


def _integrated_head(flat: int, fc: int, outputs: int, *, sides_apart: bool) -> nn.Sequential:
    """Two linear layers on the alignment feature and the mean refined ones, of ``flat`` values each."""
    if sides_apart:
        between: nn.Module = nn.Sequential(nn.BatchNorm1d(fc), nn.ReLU())
        return nn.Sequential(nn.Linear((1 + len(SIDES)) * flat, fc), between, nn.Linear(fc, outputs))
    return nn.Sequential(nn.Linear(2 * flat, fc), nn.Identity(), nn.Linear(fc, outputs))


def fuse_softmax(logits: Tensor) -> Tensor:
    """Patient probabilities from the frames of all movements: the mean softmax, (F, 4) -> (4,).

    The paper does not say how a video is graded.

    Raises:
        ValueError: no frame, or not a matrix.
    """
    if logits.ndim != 2 or len(logits) == 0:
        raise ValueError(f"fuse_softmax: expected (F, grades) with F > 0, got {tuple(logits.shape)}")
    return logits.float().softmax(-1).mean(0)


def au_probabilities(output: ALGROutput) -> Tensor:
    """Probability that each action unit is present, (N, n): mean of the local and the integrated head.

    Raises:
        ValueError: the output is of mode ``palsy``.
    """
    if output.au_logits_local is None or output.au_logits_integrated is None:
        raise ValueError("au_probabilities: this output has no action units (mode 'palsy')")
    heads = (output.au_logits_local, output.au_logits_integrated)
    return torch.stack([head.softmax(-1)[..., 1] for head in heads]).mean(0)


def alignment_loss(landmarks: Tensor, target: Tensor) -> Tensor:
    """Sum over the points of the squared distance / (2 d_o^2), mean over the batch (ALGRNet, alignment loss).

    Args:
        landmarks: (N, 49, 2) predicted.
        target: (N, 49, 2) true, in the same pixels; d_o is the distance of its eye centres.
    """
    squared = ((landmarks - target) ** 2).sum((1, 2))
    return (squared / (2 * eye_centre_distance(target) ** 2)).mean()


def au_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted cross-entropy plus weighted Dice of one head (ALGRNet, eqs 2-3).

    The Dice denominator is the sum of the squares; the printed product makes the loss negative at its optimum.
    Dice runs over the batch, per action unit, with tau = 1. Uncoded labels (9) count in neither.

    Args:
        logits: (N, n, 2) absent / present.
        labels: (N, n) 0, 1 or 9.
        weights: (n,) of ``occurrence_weights``.
    """
    log_p = logits.float().log_softmax(-1)
    known = (labels != MISSING_LABEL).to(log_p.dtype)
    truth = (labels == 1).to(log_p.dtype)
    entropy = -(truth * log_p[..., 1] + (1 - truth) * log_p[..., 0]) * known
    mean_entropy = entropy.sum(0) / known.sum(0).clamp_min(1)
    p = log_p[..., 1].exp() * known
    truth = truth * known
    dice = 1 - (2 * (truth * p).sum(0) + 1) / ((truth**2).sum(0) + (p**2).sum(0) + 1)
    return (weights * (mean_entropy + dice)).mean()


def au_total_loss(output: ALGROutput, labels: Tensor, points: Tensor, weights: Tensor) -> Tensor:
    """Loss of mode ``au``: both heads plus half the alignment loss (ALGRNet).

    Args:
        output: of the network.
        labels: (N, n) 0, 1 or 9 (not coded).
        points: (N, 49, 2) true landmarks in crop pixels.
        weights: (n,) of ``occurrence_weights``.

    Raises:
        ValueError: the output is of mode ``palsy``.
    """
    if output.au_logits_local is None or output.au_logits_integrated is None:
        raise ValueError("au_total_loss: this output has no action units (mode 'palsy')")
    heads = au_loss(output.au_logits_local, labels, weights) + au_loss(output.au_logits_integrated, labels, weights)
    return heads + ALIGNMENT_WEIGHT * alignment_loss(output.landmarks, points)


def palsy_loss(output: ALGROutput, grades: Tensor, points: Tensor, weights: Tensor) -> Tensor:
    """Loss of mode ``palsy``: weighted cross-entropy plus half the alignment loss (ALGRNet).

    Args:
        output: of the network.
        grades: (N,) class numbers.
        points: (N, 49, 2) true landmarks in crop pixels.
        weights: (grades,) of ``occurrence_weights``.

    Raises:
        ValueError: the output is of mode ``au``.
    """
    if output.grade_logits is None:
        raise ValueError("palsy_loss: this output has no grades (mode 'au')")
    entropy = functional.cross_entropy(output.grade_logits, grades, reduction="none")
    return (weights[grades] * entropy).mean() + ALIGNMENT_WEIGHT * alignment_loss(output.landmarks, points)


def occurrence_weights(rates: Tensor) -> Tensor:
    """w_i = n / r_i / sum_j (1 / r_j): rare classes weigh more, the mean weight is 1 (ALGRNet).

    Args:
        rates: (n,) occurrence rates in the training fold, above 0.

    Raises:
        ValueError: a rate is 0 or less, or not finite.
    """
    if not bool((rates > 0).all() and rates.isfinite().all()):
        raise ValueError(f"occurrence_weights: every rate must be above 0, got {rates.tolist()}")
    inverse = 1 / rates
    return inverse * len(rates) / inverse.sum()
