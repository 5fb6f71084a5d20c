"""Training of the difference ensemble: OVPM first, then DVPM on the frozen OVPM's maps (DEM, training section)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from palsy_cli.evaluation.metrics import pearson
from palsy_cli.networks.dem import DVPM, OVPM, difference, expected_difference, expected_intensity, tap_std
from palsy_cli.networks.device import beside
from palsy_cli.records import CORE_AUS, ByteImage, FloatArray
from palsy_cli.stages import alignment
from palsy_cli.stages.action_units import normalise
from palsy_cli.training.augment import jitter_light
from palsy_cli.training.batches import count_batches, deal
from palsy_cli.training.losses import soft_cross_entropy
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.samples import FaceSamples, shown_more
from palsy_cli.training.tasks.halves import alignable, half_face_alignment, split

#: Noise of each alignment point as a share of the eye distance.
_POINT_NOISE = 0.008
#: Share of pairs whose second frame is the person's rest, the helper that matters most.
_REST_SHARE = 0.65
#: Where one side does something alone while both do something else a face is shown so many times an epoch: each pair of
#: units is rare, and what is rare is taken for nothing.
_MISFIRE_TIMES = 2
#: A unit is at work from this intensity on, and still below the other.
_AT_WORK, _IDLE = 1.0, 0.3
#: Weights of squared error, cross-entropy and displacement; squared error is what learns (labels are mostly zero).
_SQUARED, _CLASSES, _FLOW = 0.3, 0.02, 0.3
#: Weight of the squared error of left minus right: how far one person's skin moves is alike on both sides and cancels
#: there, and the asymmetry of a mild palsy is smaller than it.
_SIDES = 0.15
#: Longest displacement in pixels of the cached crop.
_FARTHEST = 24.0
#: Aligned pixel to cell of the displacement grid: cell centres lie at 8 k + 3.5.
_TO_CELLS = np.array([[1 / 8, 0, -7 / 16], [0, 1 / 8, -7 / 16]])


class Pair(nn.Module):
    """OVPM and DVPM side by side, so that one optimiser may train both."""

    def __init__(self, ovpm: OVPM, dvpm: DVPM) -> None:
        super().__init__()
        self.ovpm, self.dvpm = ovpm, dvpm


class DifferenceTask:
    """Pairs of frames of one person and side: both intensities, their difference, the skin's displacement.

    Args:
        ovpm: single-frame network; frozen when ``freeze_ovpm``.
        dvpm: difference network; while the OVPM learns it is the companion that teaches the OVPM's maps to be
            comparable between frames (one frame alone cannot know the person's resting face).
        samples: simulated faces.
        batch_size: half faces a batch, even.
        freeze_ovpm: stage two, as published: OVPM fixed, DVPM learns.
    """

    score_name = "pcc"

    def __init__(self, ovpm: OVPM, dvpm: DVPM, samples: FaceSamples, *, batch_size: int, freeze_ovpm: bool) -> None:
        self.module, self.samples, self.freeze_ovpm = Pair(ovpm, dvpm), samples, freeze_ovpm
        self.height, self.width = ovpm.input_size
        self.faces = batch_size // 2
        self.aus = ovpm.aus
        unfit = samples.episode[~alignable(samples.points)]
        labelled = np.isfinite(samples.left[:, 0]) & ~np.isin(samples.episode, unfit)
        self.partners = _partners(samples, labelled)
        learned = np.flatnonzero(labelled & samples.learned)
        self.training = shown_more(learned, _misfires(samples, learned), times=_MISFIRE_TIMES)
        self.check = np.flatnonzero(labelled & samples.held_out & ~samples.rest)[:640]
        self.steps_per_epoch = count_batches(len(self.training), batch_size=self.faces)
        for parameter in ovpm.parameters():
            parameter.requires_grad_(not freeze_ovpm)

    def measure_taps(self) -> None:
        """Set the DVPM's fixed scales from the OVPM's maps of some training faces."""
        rng = np.random.default_rng(2)
        ovpm = self.module.ovpm.eval()
        with torch.inference_mode():
            maps = [ovpm.taps(self._pairs(rng.choice(self.training, 16), rng)[0]) for _ in range(6)]
        self.module.dvpm.set_tap_scale(tap_std(maps).clone())

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(now, other, labels now, labels other, flow difference)``, 2 x faces half faces a batch."""
        return prefetch(self._pairs(rows, rng) for rows in deal(self.training, batch_size=self.faces, rng=rng))

    def _pairs(
        self, rows: np.ndarray[Any, Any], rng: np.random.Generator, *, plain: bool = False
    ) -> tuple[Tensor, ...]:
        others = np.array([self._partner(int(row), rng, rest=plain) for row in rows])
        if not plain:  # the network is asked both ways round
            rows, others = np.where(rng.random(len(rows)) < 0.5, [rows, others], [others, rows])
        noise = 0.0 if plain else _POINT_NOISE
        now, flow_now = self._halves(rows, rng, noise)
        other, flow_other = self._halves(others, rng, noise)
        if not plain:
            seed = int(rng.integers(2**31))  # one room, one camera: both frames share it ...
            now, other = (jitter_light(x, rng=np.random.default_rng(seed), strength=0.7) for x in (now, other))
            now, other = (jitter_light(x, rng=rng, strength=0.3) for x in (now, other))  # ... nearly
        labels = [torch.from_numpy(_labels(self.samples, ix)[:, : self.aus]).float() for ix in (rows, others)]
        return normalise(now), normalise(other), *labels, flow_now - flow_other

    def _partner(self, row: int, rng: np.random.Generator, *, rest: bool) -> int:
        rests, rows = self.partners[int(self.samples.episode[row])]
        pool = rests if rest or rng.random() < _REST_SHARE else rows
        pool = pool[pool != row]
        return int(pool[rng.integers(len(pool))])

    def _halves(self, rows: np.ndarray[Any, Any], rng: np.random.Generator, noise: float) -> tuple[Tensor, Tensor]:
        """Half faces (2B, 3, H, W) in 0..1, lefts first, and displacement (2B, 2, H/8, W/8) in pixels."""
        faces, flows = zip(*(self._aligned(int(row), rng, noise) for row in rows), strict=True)
        return split(np.stack(faces), 1.0 / 255), split(np.stack(flows), 1.0, mirror_x=True)

    def _aligned(self, row: int, rng: np.random.Generator, noise: float) -> tuple[ByteImage, FloatArray]:
        stable = alignment.stable_points(self.samples.points[row])
        unit = float(np.hypot(*(stable[1] - stable[0])))
        matrix = half_face_alignment(stable + rng.normal(0, noise * unit, (3, 2)), height=self.height)
        face = alignment.warp(self.samples.images[row], matrix, (self.height, 2 * self.width))
        # Cell (i, j) of the cached field was sampled at pixel (8 j + 4, 8 i + 4) of the cached crop.
        to_cells = np.array([[1 / 8, 0, -0.5], [0, 1 / 8, -0.5]])
        cells = alignment.compose(_TO_CELLS, alignment.compose(matrix, alignment.invert(to_cells)))
        # A fold at the picture's edge may throw a cell far away; no skin moves further than this.
        flow = np.asarray(cast("FloatArray", self.samples.flow)[row], np.float32).clip(-_FARTHEST, _FARTHEST)
        moved = alignment.warp_field(flow, cells, (self.height // 8, 2 * self.width // 8))
        return face, moved @ matrix[:, :2].T

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Squared errors of intensities, differences, asymmetry, displacement; soft cross-entropy of the first two."""
        now, other, y_now, y_other, flow = batch
        ovpm, dvpm = self.module.ovpm, self.module.dvpm
        both = torch.cat([now, other]).contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(not self.freeze_ovpm):
            logits, taps = ovpm.forward_with_taps(both)
        n = len(now)
        changes, displacement = dvpm.forward_with_displacement(difference([t[:n] for t in taps], [t[n:] for t in taps]))
        y = torch.cat([y_now, y_other])
        moved, changed = expected_difference(changes.float()), y_now - y_other
        parts = {
            "value": _intensity_loss(expected_intensity(logits.float()), logits.float(), y, low=0),
            "difference": _intensity_loss(moved, changes.float(), changed, low=-5),
            "sides": _SIDES * functional.mse_loss(_left_minus_right(moved), _left_minus_right(changed)),
        }
        if displacement is not None:
            parts["displacement"] = _FLOW * functional.mse_loss(displacement.float(), flow)
        return {"loss": sum(parts.values(), torch.zeros(())), **parts}

    def validate(self) -> dict[str, float]:
        """PCC and MAE (mean over AUs) of rest + difference, and of the single frame, on held-out people."""
        rng = np.random.default_rng(3)
        with_rest, alone, truth = [], [], []
        for start in range(0, len(self.check), 32):
            now, rest, y_now, y_rest, _ = self._pairs(self.check[start : start + 32], rng, plain=True)
            now, rest = (beside(self.module, x).contiguous(memory_format=torch.channels_last) for x in (now, rest))
            logits, taps = self.module.ovpm.forward_with_taps(now)
            changes = self.module.dvpm(difference(taps, self.module.ovpm.taps(rest)))
            with_rest.append((y_rest + expected_difference(changes.float()).cpu()).numpy())
            alone.append(expected_intensity(logits.float()).cpu().numpy())
            truth.append(y_now.numpy())
        y = np.concatenate(truth)
        found, single = np.concatenate(with_rest).clip(0, 5), np.concatenate(alone)
        own = pearson(found, y)
        names = [f"au{au}" for au in CORE_AUS] + [f"au{au}" for au in (43, 18)]
        return {
            "pcc": float(np.nanmean(own)),
            "mae": float(np.abs(found - y).mean()),
            "pcc_alone": float(np.nanmean(pearson(single, y))),
            **{name: float(value) for name, value in zip(names, own, strict=False)},
        }

    def better(self, new: float, old: float) -> bool:
        """Larger is better; a later epoch wins a tie."""
        return new >= old


def _misfires(samples: FaceSamples, rows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which of these rows show one unit at work on both sides and another on one side alone."""
    both = np.minimum(samples.left[rows], samples.right[rows])
    either = np.maximum(samples.left[rows], samples.right[rows])
    return np.asarray((both >= _AT_WORK).any(1) & ((both < _IDLE) & (either >= _AT_WORK)).any(1))


def _partners(samples: FaceSamples, labelled: np.ndarray[Any, Any]) -> dict[int, tuple[Any, Any]]:
    """Episode -> (its resting rows, all its rows)."""
    found = {}
    for episode in np.unique(samples.episode[labelled]):
        rows = np.flatnonzero(samples.episode == episode)
        found[int(episode)] = (rows[samples.rest[rows]], rows)
    return found


def _labels(samples: FaceSamples, rows: np.ndarray[Any, Any]) -> FloatArray:
    return np.concatenate([samples.left[rows], samples.right[rows]])


def _left_minus_right(halves: Tensor) -> Tensor:
    """(2B, A), lefts first, to (B, A)."""
    left, right = halves.chunk(2)
    return left - right


def _intensity_loss(found: Tensor, logits: Tensor, wanted: Tensor, *, low: int) -> Tensor:
    return _SQUARED * functional.mse_loss(found, wanted) + _CLASSES * soft_cross_entropy(logits, wanted, low=low)
