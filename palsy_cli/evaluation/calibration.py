"""Probabilities that can be believed: one temperature per grading network, fitted on people it was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palsy_cli.evaluation.counts import Labels

#: Temperatures that are tried, evenly spaced in the logarithm.
_TRIED = np.geomspace(0.2, 5.0, 65)


def fit_temperature(logits: Tensor, truth: Labels, patients: Sequence[Any], fuse: Callable[[Tensor], Tensor]) -> float:
    """The temperature under which the patients' fused probabilities are most likely (temperature scaling, Guo et al.).

    Dividing all logits by one number moves no argmax of a single frame; it makes a network less or more sure.

    Args:
        logits: (F, C) of F frames.
        truth: (P,) the true class of each patient.
        patients: the rows of each of the P patients' frames.
        fuse: logits (f, C) of one patient to probabilities (C,).

    Returns:
        0.2 to 5; above 1 the network was too sure of itself.
    """
    rows, classes = torch.arange(len(patients)), torch.from_numpy(np.asarray(truth, np.int64))

    def surprise(temperature: float) -> float:
        odds = torch.stack([fuse(logits[own] / temperature) for own in patients])
        return float(-odds[rows, classes].clamp_min(1e-9).log().mean())

    return float(min(_TRIED, key=surprise))
