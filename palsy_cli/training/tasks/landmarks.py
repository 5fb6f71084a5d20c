"""Training of the 68-point network on simulated faces, palsied ones among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from palsy_cli.networks.device import beside
from palsy_cli.networks.landmark_fcn import CascadedFCN, cascade_loss, decode_heatmaps, gaussian_targets
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.stages import alignment
from palsy_cli.stages.landmarks import CROP, standardise
from palsy_cli.training.augment import jitter_light, jitter_matrix
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.samples import FaceSamples


class LandmarkTask:
    """Cascaded FCN: both stages' heat maps against Gaussians (AFLFP, eq. 2)."""

    score_name = "error_percent"

    def __init__(self, module: CascadedFCN, samples: FaceSamples, *, batch_size: int) -> None:
        self.module, self.samples, self.batch_size = module, samples, batch_size
        self.training = np.flatnonzero(~samples.held_out)
        self.check = np.flatnonzero(samples.held_out)[::4][:640]
        self.steps_per_epoch = max(1, len(self.training) // batch_size)

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(crops (B, 1, 96, 96), points (B, 68, 2))`` with random framing, mirror and light."""
        order = rng.permutation(self.training)
        batches = (
            self._batch(np.sort(order[i * self.batch_size : (i + 1) * self.batch_size]), rng)
            for i in range(self.steps_per_epoch)
        )
        return prefetch(batches)

    def _batch(self, rows: np.ndarray[Any, Any], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        crops, points = zip(*(_draw(self.samples, int(row), rng) for row in rows), strict=True)
        x = torch.from_numpy(np.stack(crops)).float().unsqueeze(1) / 255
        return standardise(jitter_light(x, rng=rng)), torch.from_numpy(np.stack(points)).float()

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Eq. 2 of AFLFP."""
        crops, points = batch
        first, second = self.module(crops)
        return {"loss": cascade_loss(first, second, gaussian_targets(points))}

    def validate(self) -> dict[str, float]:
        """Mean point error on held-out people, percent of the outer-canthal distance, framed as at inference."""
        errors = []
        for start in range(0, len(self.check), 64):
            rows = self.check[start : start + 64]
            crops, points = zip(*(_frame(self.samples, int(row)) for row in rows), strict=True)
            x = standardise(torch.from_numpy(np.stack(crops)).float().unsqueeze(1) / 255)
            found, _ = decode_heatmaps(self.module(beside(self.module, x))[1].float(), top_k=25, weighted=True)
            truth = np.stack(points)
            unit = np.hypot(*(truth[:, 45] - truth[:, 36]).T)
            errors.append(100 * np.hypot(*np.moveaxis(found.cpu().numpy() - truth, -1, 0)).mean(1) / unit)
        return {"error_percent": float(np.concatenate(errors).mean())}

    def better(self, new: float, old: float) -> bool:
        """Smaller is better."""
        return new < old


def _frame(samples: FaceSamples, row: int) -> tuple[np.ndarray[Any, Any], FloatArray]:
    """Grey 96x96 crop (uint8) and its points, framed as at inference."""
    matrix = alignment.crop_similarity(alignment.five_points(samples.points[row]), size=CROP)
    return _grey_crop(samples.images[row], matrix), alignment.transform_points(samples.points[row], matrix)


def _draw(samples: FaceSamples, row: int, rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], FloatArray]:
    """The same, framed as a wobbly detector would, at times mirrored and of low resolution."""
    matrix = alignment.crop_similarity(alignment.five_points(samples.points[row]), size=CROP)
    matrix = alignment.compose(jitter_matrix(rng, size=CROP, degrees=7, scale=0.07, shift=0.03), matrix)
    crop = _grey_crop(samples.images[row], matrix)
    points = alignment.transform_points(samples.points[row], matrix)
    if rng.random() < 0.5:
        crop, points = np.ascontiguousarray(crop[:, ::-1]), alignment.mirror_points(points, CROP)
    if rng.random() < 0.2:
        side = int(rng.integers(36, CROP))
        crop = cv2.resize(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), (CROP, CROP))
    return crop, points


def _grey_crop(image: ByteImage, matrix: FloatArray) -> np.ndarray[Any, Any]:
    return np.asarray(cv2.cvtColor(alignment.warp(image, matrix, (CROP, CROP)), cv2.COLOR_RGB2GRAY), np.uint8)
