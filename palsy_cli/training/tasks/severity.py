"""Training of ALGRNet's palsy mode: four grades of severity, points alongside (ALGRNet, losses)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from palsy_cli.evaluation.calibration import fit_temperature
from palsy_cli.evaluation.metrics import macro_f1, rows_by_group
from palsy_cli.networks.algrnet import ALGRNet, ALGROutput, fuse_softmax, occurrence_weights, palsy_loss
from palsy_cli.networks.algrnet_regions import to_49
from palsy_cli.networks.device import beside
from palsy_cli.records import FloatArray
from palsy_cli.simulate.scores import severity_of_grade
from palsy_cli.stages import alignment
from palsy_cli.stages.grading import algr_alignment
from palsy_cli.training.augment import jitter_light, jitter_matrix
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.samples import FaceSamples, graded_rows
from palsy_cli.training.tasks.lessons import Taught, lesson_losses, lessons_of


class SeverityTask:
    """Frames of lesion episodes with muscles at work; random crop and mirror as published, and light."""

    score_name = "f1"

    def __init__(self, module: ALGRNet, samples: FaceSamples, *, batch_size: int) -> None:
        self.network = module
        self.module = Taught(module, self._look, hidden=cast("nn.Linear", module.integrated_head[2]).in_features)
        self.samples, self.batch_size = samples, batch_size
        self.training, self.check = graded_rows(samples)
        self.grades = np.array([0, *(severity_of_grade(g) for g in range(1, 7))])
        own = self.grades[samples.grade[self.training]]
        rates = np.bincount(own, minlength=4) / max(len(own), 1)
        self.weights = occurrence_weights(torch.from_numpy(rates.clip(1e-6)).float())
        self.steps_per_epoch = max(1, len(self.training) // batch_size)

    def _look(self, x: Tensor) -> tuple[ALGROutput, Tensor]:
        output: ALGROutput = self.network(x)
        return output, cast("Tensor", output.hidden)

    def start_from_mean_face(self) -> None:
        """Let the alignment head begin at the mean face of the training people."""
        points = [self._crop(int(row), np.eye(2, 3))[1] for row in self.training[:400]]
        self.network.start_from_mean_face(torch.from_numpy(to_49(np.mean(points, 0))).float())

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(faces (B, 3, S, S), points (B, 49, 2), grades (B,), lessons (B, LESSONS))``."""
        order = rng.permutation(self.training)
        size = self.batch_size
        rows = (np.sort(order[i * size : (i + 1) * size]) for i in range(self.steps_per_epoch))
        return prefetch(self._batch(row, rng) for row in rows)

    def _batch(self, rows: np.ndarray[Any, Any], rng: np.random.Generator | None) -> tuple[Tensor, ...]:
        faces, points, mirrored = [], [], []
        side = self.network.crop
        for row in rows:
            wobble: FloatArray = np.eye(2, 3)
            if rng is not None:
                wobble = jitter_matrix(rng, size=side, degrees=2, scale=0.03, shift=0.04)
            face, own = self._crop(int(row), wobble)
            mirrored.append(rng is not None and rng.random() < 0.5)
            if mirrored[-1]:
                face, own = np.ascontiguousarray(face[:, ::-1]), alignment.mirror_points(own, side)
            faces.append(face)
            points.append(to_49(own))
        x = torch.from_numpy(np.stack(faces).transpose(0, 3, 1, 2).copy()).float() / 255
        x = x if rng is None else jitter_light(x, rng=rng)
        grades = torch.from_numpy(self.grades[self.samples.grade[rows]])
        lessons = lessons_of(self.samples, rows, mirrored=mirrored)
        return (x - 0.5) / 0.5, torch.from_numpy(np.stack(points)).float(), grades, lessons

    def _crop(self, row: int, wobble: FloatArray) -> tuple[Any, FloatArray]:
        side = self.network.crop
        matrix = alignment.compose(wobble, algr_alignment(self.samples.points[row], crop=side))
        face = alignment.warp(self.samples.images[row], matrix, (side, side))
        return face, alignment.transform_points(self.samples.points[row], matrix)

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Weighted cross-entropy plus half the alignment loss (ALGRNet), and the lessons."""
        faces, points, grades, lessons = batch
        output, learned = self.module(faces)
        output = output._replace(landmarks=output.landmarks.float(), grade_logits=output.grade_logits.float())
        parts = {
            "grade": palsy_loss(output, grades, points, self.weights.to(points.device)),
            **lesson_losses(learned, lessons),
        }
        return {"loss": sum(parts.values(), torch.zeros(())), **parts}

    def validate(self) -> dict[str, float]:
        """Macro F1 of frames and of whole episodes, temperature, points' error (% of the outer-canthal distance)."""
        found, errors = [], []
        for start in range(0, len(self.check), 32):
            faces, points, *_ = self._batch(self.check[start : start + 32], None)
            output = self.network(beside(self.network, faces))
            found.append(output.grade_logits.float().cpu())
            away = (output.landmarks.float().cpu() - points).norm(dim=-1).mean(1)
            errors.append((100 * away / (points[:, 28] - points[:, 19]).norm(dim=-1)).numpy())
        logits, real = torch.cat(found), self.grades[self.samples.grade[self.check]]
        guess = logits.argmax(-1).numpy()
        episodes = rows_by_group(self.samples.episode[self.check])
        fused = np.array([int(fuse_softmax(logits[own]).argmax()) for own in episodes])
        patients = real[[own[0] for own in episodes]]
        return {
            "f1": macro_f1(real, guess, classes=4),
            "accuracy": float((guess == real).mean()),
            "patient_f1": macro_f1(patients, fused, classes=4),
            "temperature": fit_temperature(logits, patients, episodes, fuse_softmax),
            "point_error_percent": float(np.concatenate(errors).mean()),
        }

    def better(self, new: float, old: float) -> bool:
        """Larger is better; a later epoch wins a tie."""
        return new >= old
