"""Light, camera and compression, applied to whole batches of pictures; none of it knows left from right."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from palsy_cli.records import ByteImage, FloatArray


def jitter_light(images: Tensor, *, rng: np.random.Generator, strength: float = 1.0) -> Tensor:
    """Vary light and camera, one draw a picture.

    Args:
        images: (N, C, H, W) float, 0..1.
        rng: source of randomness.
        strength: 1 for the usual range.

    Returns:
        Pictures of the same shape, clipped to 0..1: gain, offset, contrast, colour cast, a linear gradient of the
        light, blur on a quarter, noise.
    """
    n, channels, height, width = images.shape

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return torch.from_numpy(rng.uniform(low * strength, high * strength, (n, *shape, 1, 1)).astype(np.float32))

    x = images * torch.exp(draw(-0.45, 0.3, 1)) * torch.exp(draw(-0.12, 0.12, channels)) + draw(-0.08, 0.08, 1)
    mean = x.mean((1, 2, 3), keepdim=True)
    x = mean + (x - mean) * torch.exp(draw(-0.3, 0.3, 1))
    across = torch.linspace(-1, 1, width).view(1, 1, 1, -1)
    down = torch.linspace(-1, 1, height).view(1, 1, -1, 1)
    x = x * (1 + draw(-0.3, 0.3, 1) * across + draw(-0.2, 0.2, 1) * down).clamp(min=0.2)
    soft = torch.from_numpy(rng.random(n) < 0.25)
    if bool(soft.any()):
        x[soft] = functional.avg_pool2d(functional.pad(x[soft], (1, 1, 1, 1), mode="replicate"), 3, 1)
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(int(rng.integers(2**31))))
    return (x + noise * torch.from_numpy(rng.uniform(0, 0.03 * strength, (n, 1, 1, 1)).astype(np.float32))).clamp(0, 1)


def jitter_matrix(rng: np.random.Generator, *, size: int, degrees: float, scale: float, shift: float) -> FloatArray:
    """A random similarity (2, 3) about the middle of a crop.

    Args:
        rng: source of randomness.
        size: side of the crop in pixels.
        degrees: standard deviation of the rotation.
        scale: standard deviation of the logarithm of the enlargement.
        shift: standard deviation of the shift, as a share of ``size``.
    """
    middle = (size - 1) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), rng.normal(0, degrees), float(np.exp(rng.normal(0, scale))))
    matrix[:, 2] += rng.normal(0, shift * size, 2)
    return np.asarray(matrix, float)


def recompress(image: ByteImage, *, quality: int) -> ByteImage:
    """What JPEG of this quality (0..100) leaves of a picture."""
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
