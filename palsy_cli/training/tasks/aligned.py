"""Faces as ALGRNet sees them: eyes level, a square around eyes, nose and mouth, with 49 points."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from palsy_cli.networks.algrnet_regions import LEFT_EYE, RIGHT_EYE, to_49
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.stages import alignment
from palsy_cli.stages.grading import ALGR_CROP, ALGR_FACE, algr_alignment, algr_tensor
from palsy_cli.training.augment import jitter_light, jitter_matrix
from palsy_cli.training.samples import FaceSamples

#: Corners of the eyes among the 49 points: right outer, left outer.
_OUTER_CORNERS = RIGHT_EYE[0], LEFT_EYE[3]


class AlignedFaces:
    """Cuts batches of aligned faces out of samples.

    Args:
        samples: faces with 68 points.
        crop: side of the network's input in pixels.
        literal: vary them as published (random crop of the larger face, random mirror); otherwise (ours) turn, enlarge
            and shift a little, mirror, and vary the light.
    """

    def __init__(self, samples: FaceSamples, *, crop: int, literal: bool = False) -> None:
        self.samples, self.crop, self.literal = samples, crop, literal

    def cut(
        self, rows: np.ndarray[Any, Any], rng: np.random.Generator | None
    ) -> tuple[Tensor, Tensor, np.ndarray[Any, Any]]:
        """Some faces.

        Args:
            rows: (B,) which.
            rng: varies them; ``None`` shows each as at inference.

        Returns:
            Faces (B, 3, crop, crop) of -1..1, their 49 points (B, 49, 2) in pixels, and which are mirrored (B,) bool.
        """
        faces, points, mirrored = [], [], []
        for row in rows:
            face, own = self._one(int(row), rng)
            flip = rng is not None and rng.random() < 0.5
            if flip:
                face, own = np.ascontiguousarray(face[:, ::-1]), alignment.mirror_points(own, self.crop)
            faces.append(face)
            points.append(to_49(own))
            mirrored.append(flip)
        x = algr_tensor(np.stack(faces))
        if rng is not None and not self.literal:
            x = (jitter_light((x + 1) / 2, rng=rng) - 0.5) / 0.5
        return x, torch.from_numpy(np.stack(points)).float(), np.array(mirrored)

    def mean_points(self, rows: np.ndarray[Any, Any]) -> Tensor:
        """(49, 2) mean of the first 400 of some faces, where the alignment head may begin."""
        points = [to_49(self._one(int(row), None)[1]) for row in rows[:400]]
        return torch.from_numpy(np.mean(points, 0)).float()

    def _one(self, row: int, rng: np.random.Generator | None) -> tuple[ByteImage, FloatArray]:
        side, own = self.crop, self.samples.points[row]
        matrix = algr_alignment(own, crop=side)
        if rng is not None:
            matrix = alignment.compose(self._wobble(rng), matrix)
        face = alignment.warp(self.samples.images[row], matrix, (side, side))
        return face, alignment.transform_points(own, matrix)

    def _wobble(self, rng: np.random.Generator) -> FloatArray:
        if not self.literal:
            return jitter_matrix(rng, size=self.crop, degrees=2, scale=0.03, shift=0.04)
        margin = self.crop * (ALGR_FACE - ALGR_CROP) / ALGR_CROP / 2
        return np.column_stack([np.eye(2), rng.uniform(-margin, margin, 2)])


def point_errors(found: Tensor, points: Tensor) -> FloatArray:
    """(B,) mean distance of the 49 points (B, 49, 2), percent of the distance of the outer eye corners."""
    right, left = _OUTER_CORNERS
    unit = (points[:, left] - points[:, right]).norm(dim=-1)
    return np.asarray(100 * (found - points).norm(dim=-1).mean(1) / unit)
