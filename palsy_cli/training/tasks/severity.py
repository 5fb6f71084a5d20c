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
from palsy_cli.networks.device import beside
from palsy_cli.simulate.scores import severity_of_grade
from palsy_cli.training.batches import count_batches, deal
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.samples import FaceSamples, graded_rows
from palsy_cli.training.tasks.aligned import AlignedFaces, point_errors
from palsy_cli.training.tasks.lessons import Taught, lesson_losses, lessons_of


class SeverityTask:
    """Frames with a grade.

    Args:
        module: the network, mode ``palsy``.
        samples: faces with grades.
        batch_size: faces a batch.
        literal: as published: the grade and the points, random crop and mirror. Otherwise (ours) also the lessons, and
            the light varies.
    """

    score_name = "f1"

    def __init__(self, module: ALGRNet, samples: FaceSamples, *, batch_size: int, literal: bool = False) -> None:
        self.network, self.literal = module, literal
        hidden = cast("nn.Linear", module.integrated_head[2]).in_features
        self.module: nn.Module = module if literal else Taught(module, self._look, hidden=hidden)
        self.samples, self.batch_size = samples, batch_size
        self.faces = AlignedFaces(samples, crop=module.crop, literal=literal)
        self.training, self.check = graded_rows(samples)
        module.start_from_mean_face(self.faces.mean_points(self.training))
        self.grades = severities(samples.grade)
        own = self.grades[self.training]
        rates = np.bincount(own, minlength=4) / max(len(own), 1)
        self.weights = occurrence_weights(torch.from_numpy(rates.clip(1e-6)).float())
        self.steps_per_epoch = count_batches(len(self.training), batch_size=batch_size)

    def _look(self, x: Tensor) -> tuple[ALGROutput, Tensor]:
        output: ALGROutput = self.network(x)
        return output, cast("Tensor", output.hidden)

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(faces (B, 3, S, S), points (B, 49, 2), grades (B,), lessons (B, LESSONS) unless literal)``."""
        return prefetch(self._batch(rows, rng) for rows in deal(self.training, batch_size=self.batch_size, rng=rng))

    def _batch(self, rows: np.ndarray[Any, Any], rng: np.random.Generator | None) -> tuple[Tensor, ...]:
        faces, points, mirrored = self.faces.cut(rows, rng)
        grades = torch.from_numpy(self.grades[rows])
        lessons = () if self.literal else (lessons_of(self.samples, rows, mirrored=mirrored),)
        return faces, points, grades, *lessons

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Weighted cross-entropy plus half the alignment loss (ALGRNet), and the lessons unless ``literal``."""
        faces, points, grades, *lessons = batch
        output, *learned = [self.module(faces)] if self.literal else self.module(faces)
        output = output._replace(landmarks=output.landmarks.float(), grade_logits=output.grade_logits.float())
        parts = {"grade": palsy_loss(output, grades, points, self.weights.to(points.device))}
        if not self.literal:
            parts |= lesson_losses(learned[0], lessons[0])
        return {"loss": sum(parts.values(), torch.zeros(())), **parts}

    def validate(self) -> dict[str, float]:
        """Macro F1 of frames and of whole episodes, temperature, points' error (% of the outer-canthal distance)."""
        found, errors = [], []
        for start in range(0, len(self.check), 32):
            faces, points, *_ = self._batch(self.check[start : start + 32], None)
            output = self.network(beside(self.network, faces))
            found.append(output.grade_logits.float().cpu())
            errors.append(point_errors(output.landmarks.float().cpu(), points))
        logits, real = torch.cat(found), self.grades[self.check]
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


def severities(grades: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """(N,) severity 0..3 of House-Brackmann grades (N,), halves allowed; 0 where there is none (grade 0)."""
    return np.array([severity_of_grade(float(grade)) if grade else 0 for grade in grades])
