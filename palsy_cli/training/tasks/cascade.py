"""Training of the cascaded encoder in its two stages: segmentation (E1), then House-Brackmann with E1 frozen (E2)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from palsy_cli.evaluation.calibration import fit_temperature
from palsy_cli.evaluation.metrics import confusion, macro_f1, rows_by_group, within_one
from palsy_cli.networks.device import beside
from palsy_cli.networks.hb_cascade import GRADES, REGION_CLASSES, HBCascade, SegmentationEncoder, fuse_log_softmax
from palsy_cli.records import FloatArray
from palsy_cli.simulate.scores import whole_grade
from palsy_cli.stages import alignment
from palsy_cli.stages.grading import encoder_alignment, encoder_tensor
from palsy_cli.stages.regions import region_masks
from palsy_cli.training.augment import jitter_light, jitter_matrix
from palsy_cli.training.batches import count_batches, deal
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.samples import FaceSamples, graded_rows
from palsy_cli.training.tasks.lessons import Taught, lesson_losses, lessons_of


class _FaceCrops:
    """Upright crops with random framing, mirror and light, shared by both stages."""

    def __init__(self, samples: FaceSamples, *, size: int, batch_size: int, training: Any) -> None:
        self.samples, self.size, self.batch_size, self.training = samples, size, batch_size, training
        self.steps_per_epoch = count_batches(len(training), batch_size=batch_size)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[Any, Tensor, list[FloatArray], Any]]:
        """Rows, crops (B, 3, S, S) normalised, points (68, 2) of each, which of them are mirrored (B,)."""
        for rows in itertools.islice(deal(self.training, batch_size=self.batch_size, rng=rng), self.steps_per_epoch):
            yield rows, *self.cut(rows, rng)

    def cut(self, rows: Any, rng: np.random.Generator | None) -> tuple[Tensor, list[FloatArray], Any]:
        """Crops and points of some rows, and which are mirrored; without ``rng`` framed as at inference."""
        crops, points, mirrored = zip(*(self._one(int(row), rng) for row in rows), strict=True)
        x = np.stack(crops)
        if rng is None:
            return encoder_tensor(x), list(points), np.array(mirrored)
        lit = jitter_light(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).float() / 255, rng=rng)
        return encoder_tensor((lit * 255).byte().permute(0, 2, 3, 1).numpy()), list(points), np.array(mirrored)

    def _one(self, row: int, rng: np.random.Generator | None) -> tuple[Any, FloatArray, bool]:
        own = self.samples.points[row]
        matrix = encoder_alignment(own, size=self.size)
        if rng is not None:
            wobble = jitter_matrix(rng, size=self.size, degrees=5, scale=0.05, shift=0.02)
            matrix = alignment.compose(wobble, matrix)
        crop = alignment.warp(self.samples.images[row], matrix, (self.size, self.size))
        points = alignment.transform_points(own, matrix)
        if rng is not None and rng.random() < 0.5:
            return np.ascontiguousarray(crop[:, ::-1]), alignment.mirror_points(points, self.size), True
        return crop, points, False


class SegmentationTask:
    """Stage A: pixel-wise cross-entropy against the regions drawn from the 68 points."""

    score_name = "miou"

    def __init__(self, module: SegmentationEncoder, samples: FaceSamples, *, size: int, batch_size: int) -> None:
        self.module = module
        self.check = np.flatnonzero(samples.held_out)[::8][:200]
        self.crops = _FaceCrops(samples, size=size, batch_size=batch_size, training=np.flatnonzero(samples.learned))
        # An epoch is a quarter of the pictures, so that progress is seen and saved often.
        self.steps_per_epoch = self.crops.steps_per_epoch = max(1, self.crops.steps_per_epoch // 4)

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(crops (B, 3, S, S), classes (B, S, S))``."""
        return prefetch((x, self._masks(points)) for _, x, points, _ in self.crops.batches(rng))

    def _masks(self, points: list[FloatArray]) -> Tensor:
        size = (self.crops.size, self.crops.size)
        return torch.from_numpy(np.stack([region_masks(p, size) for p in points]).astype(np.int64))

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Cross-entropy per pixel."""
        crops, masks = batch
        return {"loss": functional.cross_entropy(self.module(crops)[0].float(), masks)}

    def validate(self) -> dict[str, float]:
        """Mean IoU over the classes and pixel accuracy on held-out people."""
        counts = np.zeros((REGION_CLASSES, REGION_CLASSES), np.int64)
        for start in range(0, len(self.check), 16):
            x, points, _ = self.crops.cut(self.check[start : start + 16], None)
            guess = self.module(beside(self.module, x))[0].argmax(1).cpu().numpy().ravel()
            counts += confusion(self._masks(points).numpy().ravel(), guess, classes=REGION_CLASSES)
        hits = np.diag(counts)
        iou = hits / np.maximum(counts.sum(0) + counts.sum(1) - hits, 1)
        return {"miou": float(iou.mean()), "pixel_accuracy": float(hits.sum() / counts.sum())}

    def better(self, new: float, old: float) -> bool:
        """Larger is better."""
        return new >= old


class GraderTask:
    """Stage B: six grades by cross-entropy; E1 is frozen inside the module unless that is ``end_to_end``.

    Args:
        module: the network.
        samples: faces with grades.
        batch_size: faces a batch.
        literal: the grades alone, as published; otherwise (ours) the lessons beside them.
    """

    score_name = "f1"

    def __init__(self, module: HBCascade, samples: FaceSamples, *, batch_size: int, literal: bool = False) -> None:
        self.cascade, self.samples, self.literal = module, samples, literal
        hidden = cast("nn.Linear", module.grader.head[-1]).in_features
        self.module: nn.Module = module if literal else Taught(module, self._look, hidden=hidden)
        training, self.check = graded_rows(samples)
        self.crops = _FaceCrops(samples, size=module.input_size, batch_size=batch_size, training=training)
        self.steps_per_epoch = self.crops.steps_per_epoch

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(crops (B, 3, S, S), grades (B,) 0..5, lessons (B, LESSONS))``, the last unless ``literal``."""
        return prefetch(
            (x, self._grades(rows), *(() if self.literal else (lessons_of(self.samples, rows, mirrored=mirrored),)))
            for rows, x, _, mirrored in self.crops.batches(rng)
        )

    def _look(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, S, S) -> logits (N, 6) and what the layer before them sees."""
        with torch.no_grad():
            z = self.cascade.encoder.encode(x)
        seen = self.cascade.grader.embed(x, z)
        return self.cascade.grader.head[-1](seen).float(), seen

    def _grades(self, rows: Any) -> Tensor:
        """Whole grades 0..5."""
        return torch.tensor([whole_grade(float(grade)) - 1 for grade in self.samples.grade[rows]])

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Cross-entropy of the grades, squared errors of the lessons unless ``literal``."""
        crops, grades, *lessons = batch
        logits, *learned = [self.module(crops)] if self.literal else self.module(crops)
        parts = {"grade": functional.cross_entropy(logits, grades)}
        if not self.literal:
            parts |= lesson_losses(learned[0], lessons[0])
        return {"loss": sum(parts.values(), torch.zeros(())), **parts}

    def validate(self) -> dict[str, float]:
        """Macro F1, accuracy, share within one grade of frames; F1 and temperature of episodes; on held-out people."""
        rows = [self.check[start : start + 32] for start in range(0, len(self.check), 32)]
        crops = (beside(self.module, self.crops.cut(some, None)[0]) for some in rows)
        logits = torch.cat([self.cascade(x).cpu() for x in crops])
        guess, real = logits.argmax(-1).numpy(), self._grades(self.check).numpy()
        episodes = rows_by_group(self.samples.episode[self.check])
        fused = np.array([int(fuse_log_softmax(logits[own]).argmax()) for own in episodes])
        patients = real[[own[0] for own in episodes]]
        return {
            "f1": macro_f1(real, guess, classes=GRADES),
            "accuracy": float((guess == real).mean()),
            "within_one": within_one(real, guess),
            "patient_f1": macro_f1(patients, fused, classes=GRADES),
            "temperature": fit_temperature(logits, patients, episodes, fuse_log_softmax),
        }

    def better(self, new: float, old: float) -> bool:
        """Larger is better; a later epoch wins a tie."""
        return new >= old
