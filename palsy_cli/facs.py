"""FACS intensity 0..5 and share of the full movement: the steps A to E are not equally wide. Columns by unit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palsy_cli.records import FloatArray

#: Share of the full movement at the FACS intensities 0, A, B, C, D, E (C and D span the wider ranges). Ours: FACS
#: names the order and the wide steps, not the numbers.
FRACTIONS: tuple[float, ...] = (0.0, 0.10, 0.22, 0.45, 0.75, 1.00)


def fraction_of_intensity(intensity: float | FloatArray) -> FloatArray:
    """phi: AU intensity 0..5 -> share of the full movement 0..1, piecewise linear; clipped outside."""
    return np.asarray(np.interp(intensity, np.arange(6.0), FRACTIONS))


def intensity_of_fraction(fraction: float | FloatArray) -> FloatArray:
    """Inverse of phi: share of the full movement 0..1 -> AU intensity 0..5; clipped outside."""
    return np.asarray(np.interp(fraction, FRACTIONS, np.arange(6.0)))


def columns_of(values: FloatArray, aus: Sequence[int], *, wanted: Sequence[int]) -> FloatArray:
    """(N, A) values of the units ``aus`` as (N, W) of those ``wanted``; NaN for units that are not among them."""
    padded = np.column_stack([values, np.full(len(values), np.nan)])
    return np.asarray(padded[:, [aus.index(au) if au in aus else -1 for au in wanted]])
