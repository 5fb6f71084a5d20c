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
from palsy_cli.points import MIRROR_68
from palsy_cli.records import FloatArray
from palsy_cli.simulate.muscles import INNER_LIP_PAIRS, LID_PAIRS
from palsy_cli.stages import alignment
from palsy_cli.stages.locating import CROP, standardise
from palsy_cli.training.augment import jitter_light, jitter_matrix
from palsy_cli.training.batches import count_batches, deal
from palsy_cli.training.losses import bell_centres
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.samples import FaceSamples, shown_more

#: Points whose distance says how far an eye or the lips are open: (upper, lower).
_UPPER, _LOWER = (list(ends) for ends in zip(*LID_PAIRS["right"], *LID_PAIRS["left"], *INNER_LIP_PAIRS, strict=True))
#: Weights of squared distances of points and of squared errors of openings, pixels squared of the crop. A bell of five
#: pixels hardly changes when a lid moves by two, and by heat maps alone no lid was ever seen to close.
_POINTS, _OPENINGS = 1.0, 8.0
#: Faces that close an eye this far are shown so many times an epoch: one in ten does.
_CLOSING, _CLOSING_TIMES = 2.5, 4


class LandmarkTask:
    """Cascaded FCN: both stages' heat maps against Gaussians (AFLFP, eq. 2).

    Args:
        module: the network.
        samples: simulated faces.
        batch_size: faces a batch.
        literal: as published: the maps alone, faces as they are. Otherwise (ours) also the points that the maps centre
            on and how far eyes and lips are open, with random framing, mirror and light.
    """

    score_name = "error_percent"

    def __init__(self, module: CascadedFCN, samples: FaceSamples, *, batch_size: int, literal: bool) -> None:
        self.module, self.samples, self.batch_size, self.literal = module, samples, batch_size, literal
        self.training = np.flatnonzero(samples.learned)
        if not literal and 43 in samples.aus:
            closure = np.nan_to_num(np.maximum(samples.left, samples.right)[self.training, samples.aus.index(43)])
            self.training = shown_more(self.training, closure >= _CLOSING, times=_CLOSING_TIMES)
        self.check = np.flatnonzero(samples.held_out)[::4][:640]
        self.steps_per_epoch = count_batches(len(self.training), batch_size=batch_size)

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(crops (B, 1, 96, 96), points (B, 68, 2), marked (B, 68))``."""
        return prefetch(self._batch(rows, rng) for rows in deal(self.training, batch_size=self.batch_size, rng=rng))

    def _batch(self, rows: np.ndarray[Any, Any], rng: np.random.Generator) -> tuple[Tensor, ...]:
        marked = np.ones((len(rows), 68), bool) if self.samples.marked is None else self.samples.marked[rows]
        if self.literal:
            return *_plain(self.samples, rows), torch.from_numpy(marked)
        crops, points, mirrored = zip(*(_draw(self.samples, int(row), rng) for row in rows), strict=True)
        x = torch.from_numpy(np.stack(crops)).float().unsqueeze(1) / 255
        marked = np.where(np.array(mirrored)[:, None], marked[:, MIRROR_68], marked)
        y = torch.from_numpy(np.stack(points)).float()
        return standardise(jitter_light(x, rng=rng)), y, torch.from_numpy(marked)

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Eq. 2 of AFLFP, and unless ``literal`` the errors of points and of openings in pixels."""
        crops, points, marked = batch
        first, second = self.module(crops)
        some = None if bool(marked.all()) else marked
        parts = {"maps": cascade_loss(first, second, gaussian_targets(points), marked=some)}
        if not self.literal:
            centres = torch.stack([bell_centres(first), bell_centres(second)])
            parts["points"] = _POINTS * _squared((centres - points) * marked.unsqueeze(-1)).sum()
            parts["openings"] = _OPENINGS * _squared(_openings(centres) - _openings(points)).sum()
        return {"loss": sum(parts.values(), torch.zeros(())), **parts}

    def validate(self) -> dict[str, float]:
        """Mean error of points, and of the lids' openings, on held-out people, framed as at inference.

        Both in percent of the outer-canthal distance.
        """
        errors: list[FloatArray] = []
        lids: list[float] = []
        for start in range(0, len(self.check), 64):
            x, points = _plain(self.samples, self.check[start : start + 64])
            found, _ = decode_heatmaps(self.module(beside(self.module, x))[1].float(), top_k=25, weighted=True)
            truth = points.numpy()
            unit = np.hypot(*(truth[:, 45] - truth[:, 36]).T)
            errors.append(100 * np.hypot(*np.moveaxis(found.cpu().numpy() - truth, -1, 0)).mean(1) / unit)
            apart = (_openings(found.cpu()) - _openings(torch.from_numpy(truth)))[:, :4].norm(dim=2).numpy()
            lids += (100 * apart.mean(1) / unit).tolist()
        return {"error_percent": float(np.concatenate(errors).mean()), "lid_error_percent": float(np.mean(lids))}

    def better(self, new: float, old: float) -> bool:
        """Smaller is better."""
        return new < old


def _openings(points: Tensor) -> Tensor:
    """(..., 7, 2) from the upper to the lower point of four lid pairs and three lip pairs."""
    return points[..., _LOWER, :] - points[..., _UPPER, :]


def _squared(errors: Tensor) -> Tensor:
    """Mean squared length of (stages, N, P, 2) vectors, for each stage."""
    return errors.square().sum(-1).mean((1, 2))


def _plain(samples: FaceSamples, rows: np.ndarray[Any, Any]) -> tuple[Tensor, Tensor]:
    """Standardised crops (B, 1, 96, 96) and points (B, 68, 2), framed as at inference."""
    crops, points = zip(*(_frame(samples, int(row)) for row in rows), strict=True)
    x = torch.from_numpy(np.stack(crops)).float().unsqueeze(1) / 255
    return standardise(x), torch.from_numpy(np.stack(points)).float()


def _frame(samples: FaceSamples, row: int) -> tuple[np.ndarray[Any, Any], FloatArray]:
    """Grey 96x96 crop (uint8) and its points, framed as at inference."""
    matrix = alignment.crop_similarity(alignment.five_points(samples.points[row]), size=CROP)
    crop = alignment.warp_grey(samples.images[row], matrix, (CROP, CROP))
    return crop, alignment.transform_points(samples.points[row], matrix)


def _draw(samples: FaceSamples, row: int, rng: np.random.Generator) -> tuple[np.ndarray[Any, Any], FloatArray, bool]:
    """The same, framed as a wobbly detector would, at times of low resolution or mirrored; whether it is mirrored."""
    matrix = alignment.crop_similarity(alignment.five_points(samples.points[row]), size=CROP)
    matrix = alignment.compose(jitter_matrix(rng, size=CROP, degrees=7, scale=0.07, shift=0.03), matrix)
    crop = alignment.warp_grey(samples.images[row], matrix, (CROP, CROP))
    points = alignment.transform_points(samples.points[row], matrix)
    mirrored = bool(rng.random() < 0.5)
    if mirrored:
        crop, points = np.ascontiguousarray(crop[:, ::-1]), alignment.mirror_points(points, CROP)
    if rng.random() < 0.2:
        side = int(rng.integers(36, CROP))
        crop = cv2.resize(cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA), (CROP, CROP))
    return crop, points, mirrored
