"""Cutting at the midline."""

from __future__ import annotations

import numpy as np

from palsy_cli.records import ByteImage, Keyframes
from palsy_cli.stages.halves import split_halves


def keyframes(aligned: ByteImage) -> Keyframes:
    count = len(aligned)
    return Keyframes(
        frames=np.arange(count),
        times_s=np.arange(count) / 25,
        confidence=np.ones(count),
        aligned=aligned,
        faces=np.zeros((count, 8, 8, 3), np.uint8),
        face_points=np.zeros((count, 68, 2)),
    )


def noise(count: int = 2) -> ByteImage:
    return np.random.default_rng(0).integers(0, 256, (count, 512, 512, 3), np.uint8)


def test_mirrored_picture_exchanges_the_halves_exactly() -> None:
    aligned = noise()
    plain, mirrored = split_halves(keyframes(aligned)), split_halves(keyframes(aligned[:, :, ::-1]))
    assert np.array_equal(plain.left, mirrored.right) and np.array_equal(plain.right, mirrored.left)
    assert not np.array_equal(plain.left, plain.right)


def test_midline_is_column_zero_of_both() -> None:
    aligned = noise(1)
    halves = split_halves(keyframes(aligned))
    assert np.array_equal(halves.left[0, :, 0], aligned[0, :, 256])
    assert np.array_equal(halves.right[0, :, 0], aligned[0, :, 255])
    assert np.array_equal(halves.right[0, :, 255], aligned[0, :, 0]), "the patient's right is image-left"
    assert halves.left.shape == halves.right.shape == (1, 512, 256, 3)


def test_even_face_has_equal_halves() -> None:
    half = noise()[:, :, :256]
    halves = split_halves(keyframes(np.concatenate([half, half[:, :, ::-1]], axis=2)))
    assert np.array_equal(halves.left, halves.right)
