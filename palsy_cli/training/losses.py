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
