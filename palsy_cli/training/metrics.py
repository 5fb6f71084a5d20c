"""Figures that validation reports."""

from __future__ import annotations

from typing import Any

import numpy as np


def macro_f1(truth: np.ndarray[Any, Any], found: np.ndarray[Any, Any], *, classes: int) -> float:
    """Mean over the classes that occur of 2 TP / (2 TP + FP + FN), for whole-number labels (N,)."""
    scores = []
    for label in range(classes):
        true, guessed = truth == label, found == label
        if true.any() or guessed.any():
            scores.append(2 * float((true & guessed).sum()) / float(true.sum() + guessed.sum()))
    return float(np.mean(scores)) if scores else float("nan")
