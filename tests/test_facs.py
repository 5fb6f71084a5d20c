"""FACS steps and shares of the full movement."""

from __future__ import annotations

import numpy as np

from palsy_cli.facs import fraction_of_intensity, intensity_of_fraction


def test_intensity_map_and_its_inverse() -> None:
    levels = np.arange(6.0)
    assert fraction_of_intensity(levels).tolist() == [0.0, 0.10, 0.22, 0.45, 0.75, 1.0]
    some = np.linspace(0, 5, 41)
    assert np.allclose(intensity_of_fraction(fraction_of_intensity(some)), some)
    assert fraction_of_intensity(-1.0) == 0 and fraction_of_intensity(9.0) == 1
