"""Hop 5: both halves of every keyframe, seen from the midline outwards (DEM, preprocessing)."""

from __future__ import annotations

import numpy as np

from palsy_cli.records import HalfFaces, Keyframes
from palsy_cli.stages.alignment import ALIGNED_SIZE

MIDLINE = ALIGNED_SIZE // 2


def split_halves(keyframes: Keyframes) -> HalfFaces:
    """Cut the aligned faces at the vertical midline and mirror the patient's right half.

    Args:
        keyframes: K aligned faces 512x512; in an unmirrored picture the patient's left is at larger x.

    Returns:
        Left and right halves (K, 512, 256, 3), the midline at column 0 of both.
    """
    left = keyframes.aligned[:, :, MIDLINE:]
    right = keyframes.aligned[:, :, :MIDLINE][:, :, ::-1]
    return HalfFaces(np.ascontiguousarray(left), np.ascontiguousarray(right))
