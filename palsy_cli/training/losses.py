"""Losses shared by tasks."""

from __future__ import annotations

import torch
from torch import Tensor


def soft_cross_entropy(logits: Tensor, values: Tensor, *, low: int) -> Tensor:
    """Cross-entropy against a continuous value on an ordinal scale, shared between its two neighbouring classes.

    Args:
        logits: (N, A, C); class c stands for the value ``c + low``.
        values: (N, A) targets.
        low: value of the first class.

    Returns:
        Mean over samples and channels. For whole numbers it is the plain cross-entropy of DEM.
    """
    position = (values - low).clamp(0, logits.shape[-1] - 1)
    below = position.floor().clamp(max=logits.shape[-1] - 2)
    upper = (position - below).unsqueeze(-1)
    index = below.long().unsqueeze(-1)
    log_p = torch.log_softmax(logits, -1)
    return -((1 - upper) * log_p.gather(-1, index) + upper * log_p.gather(-1, index + 1)).mean()


def bell_centres(heatmaps: Tensor) -> Tensor:
    """Where each heat map points to, differentiable: the centre of mass of its positive values' fourth powers.

    Args:
        heatmaps: (N, P, H, W).

    Returns:
        (N, P, 2) float32 ``(x, y)`` in map pixels; 0 where a map is nowhere positive.
    """
    mass = heatmaps.float().clamp(min=0.0) ** 4
    columns, rows = mass.sum(2), mass.sum(3)
    whole = rows.sum(2).clamp(min=1e-6)
    x, y = ((line * torch.arange(line.shape[2], device=line.device)).sum(2) / whole for line in (columns, rows))
    return torch.stack([x, y], dim=-1)
