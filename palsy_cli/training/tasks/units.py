"""Training of ALGRNet's first mode: which action units are present in a face (ALGRNet, sections 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palsy_cli.evaluation.metrics import presence_f1
from palsy_cli.networks.algrnet import MISSING_LABEL, ALGRNet, au_probabilities, au_total_loss, occurrence_weights
from palsy_cli.networks.device import beside
from palsy_cli.records import FloatArray
from palsy_cli.training.batches import count_batches, deal
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.samples import FaceSamples
from palsy_cli.training.tasks.aligned import AlignedFaces, point_errors


class PresenceTask:
    """Both heads by weighted cross-entropy and Dice, points alongside.

    A unit is present in a face when it is on either side. Weights follow how often each unit occurs in the training.

    Args:
        module: the network, mode ``au``.
        samples: faces with intensities or occurrences.
        columns: the column of ``samples.left`` and ``right`` of each of the network's units.
        present_from: label from which a unit counts as present.
        batch_size: faces a batch.
        literal: random crop and mirror alone, as published.
    """

    score_name = "f1"

    def __init__(
        self,
        module: ALGRNet,
        samples: FaceSamples,
        *,
        columns: Sequence[int],
        present_from: float,
        batch_size: int,
        literal: bool,
    ) -> None:
        self.module, self.samples, self.batch_size = module, samples, batch_size
        self.faces = AlignedFaces(samples, crop=module.crop, literal=literal)
        self.labels = present_units(samples, columns, present_from=present_from)
        coded = (self.labels != MISSING_LABEL).any(1)
        self.training = np.flatnonzero(coded & samples.learned)
        self.check = np.flatnonzero(coded & samples.held_out)
        own = self.labels[self.training]
        rates = (own == 1).sum(0) / np.maximum((own != MISSING_LABEL).sum(0), 1)
        self.weights = occurrence_weights(torch.from_numpy(rates.clip(1e-3)).float())
        self.steps_per_epoch = count_batches(len(self.training), batch_size=batch_size)
        module.start_from_mean_face(self.faces.mean_points(self.training))

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(faces (B, 3, S, S), points (B, 49, 2), labels (B, n))``."""
        return prefetch(self._batch(rows, rng) for rows in deal(self.training, batch_size=self.batch_size, rng=rng))

    def _batch(self, rows: np.ndarray[Any, Any], rng: np.random.Generator) -> tuple[Tensor, ...]:
        faces, points, _ = self.faces.cut(rows, rng)
        return faces, points, torch.from_numpy(self.labels[rows])

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Both heads plus half the alignment loss."""
        faces, points, labels = batch
        output = self.module(faces)
        output = output._replace(landmarks=output.landmarks.float())
        return {"loss": au_total_loss(output, labels, points, self.weights.to(points.device))}

    def validate(self) -> dict[str, float]:
        """Mean F1 over the units at threshold 0.5, and the points' error, on held-out people."""
        found, errors = presence_of(self.module, self.samples, self.check)
        own = self.labels[self.check]
        each = presence_f1(found, np.where(own == MISSING_LABEL, np.nan, own))
        names = {f"f1_au{au}": float(value) for au, value in zip(self.module.aus, each, strict=True)}
        return {"f1": float(np.nanmean(each)), "point_error_percent": float(errors.mean()), **names}

    def better(self, new: float, old: float) -> bool:
        """Larger is better; a later epoch wins a tie."""
        return new >= old


def present_units(samples: FaceSamples, columns: Sequence[int], *, present_from: float) -> np.ndarray[Any, Any]:
    """(N, n) 1 where a unit is present on either side, 0 where on none, 9 where nobody coded it."""
    present = present_on_either(samples.left, samples.right, present_from=present_from)[:, list(columns)]
    return np.where(np.isfinite(present), present, MISSING_LABEL).astype(np.int64)


def present_on_either(left: FloatArray, right: FloatArray, *, present_from: float) -> FloatArray:
    """1 where a unit is present on either side, 0 where on none, NaN where neither is coded; (N, A) as both sides."""
    stronger = np.fmax(left, right)
    return np.where(np.isfinite(stronger), stronger >= present_from, np.nan)


def presence_of(network: ALGRNet, samples: FaceSamples, rows: np.ndarray[Any, Any]) -> tuple[FloatArray, FloatArray]:
    """Probabilities (N, n) that each unit is present, and the points' errors (N,), of some faces."""
    faces = AlignedFaces(samples, crop=network.crop)
    found, errors = [], []
    with torch.no_grad():
        for start in range(0, len(rows), 32):
            crops, points, _ = faces.cut(rows[start : start + 32], None)
            output = network(beside(network, crops))
            found.append(au_probabilities(output).float().cpu().numpy())
            errors.append(point_errors(output.landmarks.float().cpu(), points))
    return np.concatenate(found), np.concatenate(errors)
