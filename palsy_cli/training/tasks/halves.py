"""Half faces as the difference ensemble sees them, cut from samples (DEM, preprocessing)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from palsy_cli.records import FloatArray
from palsy_cli.stages import alignment

#: Alignment that stretches a face this much more in one direction than in the other is none.
_MOST_STRETCH = 4.0


def half_face_alignment(stable: FloatArray, *, height: int) -> FloatArray:
    """Matrix (2, 3) from pixels with eyes and nose tip ``stable`` (3, 2) to the aligned face of that height."""
    return alignment.scaled(alignment.three_point_affine(stable), height / alignment.ALIGNED_SIZE)


def alignable(points: FloatArray) -> np.ndarray[Any, Any]:
    """Which of the faces (N, 68, 2) three points can align: not those turned so far that the nose tip meets an eye."""
    matrices = [alignment.three_point_affine(three)[:, :2] for three in alignment.stable_points(points)]
    stretch = np.linalg.svd(np.stack(matrices), compute_uv=False)
    return np.asarray(stretch[:, 0] < _MOST_STRETCH * stretch[:, 1])


def split(faces: np.ndarray[Any, Any], scale: float, *, mirror_x: bool = False) -> Tensor:
    """(B, H, 2W, C) to (2B, C, H, W): left halves, then mirrored right halves, midline at column 0."""
    half = faces.shape[2] // 2
    right = faces[:, :, :half][:, :, ::-1]
    if mirror_x:
        right = right * np.array([-1.0, 1.0], np.float32)
    both = np.concatenate([faces[:, :, half:], right]).astype(np.float32) * np.float32(scale)
    return torch.from_numpy(np.ascontiguousarray(both.transpose(0, 3, 1, 2)))
