"""Figures of classes from confusion matrices, which add up over people (NumPy).

Matrices come as (..., C, C), true classes down, found ones across. A class that neither occurs nor is ever found has no
figure (NaN) and stays out of means; a class that occurs and is never found, or is found and never occurs, scores 0:
answers in the wrong class must cost something.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from palsy_cli.evaluation.moments import sum_by_group
from palsy_cli.records import FloatArray

Labels = npt.NDArray[np.integer]
Weights = Literal["none", "linear", "quadratic"]


def class_counts(
    truth: Labels, found: Labels, own: npt.NDArray[np.integer], *, classes: int, groups: int
) -> FloatArray:
    """(G, C, C) confusion matrix of each group.

    Args:
        truth: (N,) classes 0..classes - 1.
        found: the same.
        own: (N,) the group of each row, 0..groups - 1.
        classes: C.
        groups: G.
    """
    cells = (np.asarray(own, np.int64) * classes + truth) * classes + found
    return np.bincount(cells, minlength=groups * classes**2).reshape(groups, classes, classes).astype(float)


def presence_counts(
    probability: FloatArray,
    truth: FloatArray,
    own: npt.NDArray[np.integer] | None = None,
    *,
    groups: int = 1,
    threshold: float = 0.5,
) -> FloatArray:
    """(G, A, 2, 2) confusion matrix, absent then present, of every group and unit.

    Args:
        probability: (N, A); a unit is found from ``threshold`` on.
        truth: (N, A) 0 or 1. Where either is NaN nothing is counted.
        own: (N,) the group of each row, 0..groups - 1; ``None`` is one group.
        groups: G.
        threshold: 0.5 in ALGRNet.
    """
    own = np.zeros(len(truth), np.int64) if own is None else own
    known = np.isfinite(probability) & np.isfinite(truth)
    with np.errstate(invalid="ignore"):
        said, real = probability >= threshold, truth > 0.5
    cells = [known & (real == a) & (said == b) for a in (False, True) for b in (False, True)]
    sums = [sum_by_group(cell.astype(float), own, groups=groups) for cell in cells]
    return np.stack(sums, axis=-1).reshape(groups, truth.shape[1], 2, 2)


def accuracy_of(counts: FloatArray) -> FloatArray:
    """(...) share of right answers, 0..1: trace over total; of pixels, the pixel accuracy."""
    return _share(_hits(counts).sum(-1), counts.sum((-2, -1)))


def recall_of(counts: FloatArray) -> FloatArray:
    """(..., C) ``TP / (TP + FN)``."""
    return _of_classes(_hits(counts), counts.sum(-1), counts)


def precision_of(counts: FloatArray) -> FloatArray:
    """(..., C) ``TP / (TP + FP)``, which CEN calls confidence."""
    return _of_classes(_hits(counts), counts.sum(-2), counts)


def dice_of(counts: FloatArray) -> FloatArray:
    """(..., C) ``2 TP / (2 TP + FP + FN)``: Dice, which is F1."""
    return _of_classes(2 * _hits(counts), counts.sum(-1) + counts.sum(-2), counts)


def jaccard_of(counts: FloatArray) -> FloatArray:
    """(..., C) ``TP / (TP + FP + FN)``: intersection over union, whose mean over classes is the mIoU."""
    return _of_classes(_hits(counts), counts.sum(-1) + counts.sum(-2) - _hits(counts), counts)


def one_against_rest_of(counts: FloatArray) -> FloatArray:
    """(..., C) ``(TP + TN) / total`` of each class against all others (E24); with many classes high in any case."""
    whole = counts.sum((-2, -1))[..., None]
    wrong = counts.sum(-1) + counts.sum(-2) - 2 * _hits(counts)
    return _share(whole - wrong, whole)


def within_one_of(counts: FloatArray) -> FloatArray:
    """(...) share of answers at most one class off, 0..1."""
    near = np.abs(np.subtract.outer(np.arange(counts.shape[-1]), np.arange(counts.shape[-1]))) <= 1
    return _share((counts * near).sum((-2, -1)), counts.sum((-2, -1)))


def kappa_of(counts: FloatArray, *, weights: Weights = "quadratic") -> FloatArray:
    """(...) Cohen's kappa, at most 1; 0 is chance. NaN where both sides know the same one class only.

    Args:
        counts: (..., C, C).
        weights: how much a wrong answer costs: the same wherever it lies (``none``), its distance in classes, or the
            square of it (Cohen 1968).
    """
    apart = np.abs(np.subtract.outer(np.arange(counts.shape[-1]), np.arange(counts.shape[-1]))).astype(float)
    cost = {"none": (apart > 0).astype(float), "linear": apart, "quadratic": apart**2}[weights]
    whole = counts.sum((-2, -1))
    with np.errstate(invalid="ignore", divide="ignore"):
        chance = counts.sum(-1)[..., :, None] * counts.sum(-2)[..., None, :] / whole[..., None, None]
        return np.asarray(1 - _share((cost * counts).sum((-2, -1)), (cost * chance).sum((-2, -1))))


def _hits(counts: FloatArray) -> FloatArray:
    return np.asarray(np.diagonal(counts, axis1=-2, axis2=-1))


def _of_classes(part: FloatArray, whole: FloatArray, counts: FloatArray) -> FloatArray:
    """Share of each class; 0 where only the denominator is empty, NaN for classes without any trace."""
    traced = (counts.sum(-1) + counts.sum(-2)) > 0
    return np.where(traced, part / np.where(whole > 0, whole, 1), np.nan)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(whole > 0, part / whole, np.nan))
