"""Hop 5: both halves of every keyframe, seen from the midline outwards (DEM, preprocessing)."""

from __future__ import annotations

from palsy_cli.records import ByteImage, HalfFaces, Keyframes
from palsy_cli.stages.alignment import ALIGNED_SIZE

MIDLINE = ALIGNED_SIZE // 2


def split_halves(keyframes: Keyframes) -> HalfFaces:
    """Both halves of every keyframe; see ``split_aligned``."""
    return split_aligned(keyframes.aligned)


def split_aligned(aligned: ByteImage) -> HalfFaces:
    """Cut aligned faces at the vertical midline and mirror the patient's right half.

    Args:
        aligned: (K, 512, 512, 3) RGB uint8; in an unmirrored picture the patient's left is at larger x.

    Returns:
        Left and right halves (K, 512, 256, 3), the midline at column 0 of both. They are views of the same memory.
    """
    return HalfFaces(left=aligned[:, :, MIDLINE:], right=aligned[:, :, :MIDLINE][:, :, ::-1])
