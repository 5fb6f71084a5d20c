"""Variation of light and framing."""

from __future__ import annotations

import numpy as np
import torch

from palsy_cli.stages.alignment import transform_points
from palsy_cli.training.augment import jitter_light, jitter_matrix, recompress


def pictures(count: int = 6) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).uniform(0.2, 0.8, (count, 3, 24, 20)).astype(np.float32))


def test_light_keeps_shape_and_range_and_the_original() -> None:
    x = pictures()
    before = x.clone()
    lit = jitter_light(x, rng=np.random.default_rng(1))
    assert lit.shape == x.shape and torch.equal(x, before)
    assert float(lit.min()) >= 0 and float(lit.max()) <= 1
    assert bool(((lit - x).abs().mean((1, 2, 3)) > 0.005).all()), "every picture is varied"


def test_same_draw_gives_the_same_light() -> None:
    x = pictures()
    first, again, other = (jitter_light(x, rng=np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_no_strength_leaves_all_but_the_blur() -> None:
    x = pictures(16)
    lit = jitter_light(x, rng=np.random.default_rng(1), strength=0.0)
    changed = (lit - x).abs().amax((1, 2, 3)) > 1e-4
    assert 0 < int(changed.sum()) < 10


def test_light_does_not_know_left_from_right() -> None:
    """The mean gradient over many draws has no direction."""
    flat = torch.full((2000, 1, 4, 8), 0.5)
    lit = jitter_light(flat, rng=np.random.default_rng(3)).mean((0, 1, 2))
    assert abs(float(lit[0] - lit[-1])) < 0.02


def test_grey_pictures_have_one_channel() -> None:
    assert jitter_light(pictures()[:, :1], rng=np.random.default_rng(0)).shape == (6, 1, 24, 20)


def test_framing_turns_about_the_middle() -> None:
    rng = np.random.default_rng(4)
    middle = np.array([47.5, 47.5])
    for _ in range(20):
        still = jitter_matrix(rng, size=96, degrees=10, scale=0.1, shift=0.0)
        assert np.allclose(transform_points(middle, still), middle)
        linear = still[:, :2]
        assert np.allclose(linear @ linear.T, np.eye(2) * np.linalg.det(linear)), "a similarity, never a mirror"
    assert np.allclose(jitter_matrix(rng, size=96, degrees=0, scale=0, shift=0), np.eye(2, 3))


def test_recompressed_picture_is_nearly_the_same() -> None:
    image = np.kron(np.random.default_rng(5).integers(0, 255, (4, 4, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    good, bad = (np.abs(recompress(image, quality=q).astype(int) - image).mean() for q in (95, 10))
    assert good < 6 and good < bad
