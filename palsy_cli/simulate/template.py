"""The neutral frontal face: 68 points built from mean adult head measures, and the ways in which people differ.

Units are IPD (pupil distance 1, 63 mm), origin midway between the pupils, x to image-right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palsy_cli.points import MIRROR_68
from palsy_cli.records import FloatArray
from palsy_cli.simulate.muscles import MM_PER_IPD

#: The patient's right half and the midline in mm from the pupils' midpoint (x negative = image-left, y down). Face
#: width 140, gonial width 112, pupil to chin 112, intercanthal 33, fissure 29 x 9.7, nose 32 wide, mouth 51 wide.
RIGHT_HALF_MM: dict[int, tuple[float, float]] = {
    **{0: (-70.0, 1.0), 1: (-69.3, 20.0), 2: (-67.3, 38.5), 3: (-63.5, 57.0), 4: (-56.0, 74.0)},
    **{5: (-45.5, 89.0), 6: (-32.0, 101.0), 7: (-16.5, 109.5), 8: (0.0, 112.0)},
    **{17: (-50.5, -17.5), 18: (-43.5, -24.0), 19: (-34.0, -26.5), 20: (-24.0, -25.5), 21: (-14.0, -22.0)},
    **{27: (0.0, -1.5), 28: (0.0, 11.0), 29: (0.0, 23.0), 30: (0.0, 34.5)},
    **{31: (-15.0, 42.0), 32: (-8.0, 45.0), 33: (0.0, 46.5)},
    **{
        36: (-45.8, -0.6),
        37: (-36.8, -5.3),
        38: (-26.6, -5.2),
        39: (-16.8, 1.8),
        40: (-26.8, 4.5),
        41: (-36.6, 4.5),
    },
    **{
        48: (-25.5, 70.0),
        49: (-15.8, 64.8),
        50: (-5.6, 61.6),
        51: (0.0, 62.9),
        57: (0.0, 80.2),
        58: (-7.4, 79.4),
    },
    **{
        59: (-16.6, 76.2),
        60: (-22.6, 69.9),
        61: (-8.6, 68.8),
        62: (0.0, 69.3),
        66: (0.0, 70.1),
        67: (-8.6, 69.8),
    },
}


@dataclass(frozen=True)
class FaceShape:
    """How one face differs from the mean: factors about 1, shifts in IPD units.

    Attributes:
        width: of the whole outline. jaw: of the outline below the mouth. chin: length below the mouth.
        brow_height: shift of the brows (positive = down). brow_arch: steepness of the brows.
        eye_width, eye_open, eye_tilt: fissure's size and the rise of the outer corner. nose_width, nose_length.
        mouth_width, upper_lip, lower_lip: lips' size. mouth_height: shift of the mouth.
    """

    width: float = 1.0
    jaw: float = 1.0
    chin: float = 1.0
    brow_height: float = 0.0
    brow_arch: float = 1.0
    eye_width: float = 1.0
    eye_open: float = 1.0
    eye_tilt: float = 0.0
    nose_width: float = 1.0
    nose_length: float = 1.0
    mouth_width: float = 1.0
    upper_lip: float = 1.0
    lower_lip: float = 1.0
    mouth_height: float = 0.0


def draw_shape(rng: np.random.Generator) -> FaceShape:
    """Draw a face's shape: normal spreads of adults, cut at two standard deviations."""

    def about(mean: float, sd: float) -> float:
        return float(mean + sd * np.clip(rng.standard_normal(), -2.0, 2.0))

    return FaceShape(
        width=about(1.0, 0.035),
        jaw=about(0.98, 0.05),
        chin=about(1.0, 0.07),
        brow_height=about(0.0, 0.03),
        brow_arch=about(0.95, 0.2),
        eye_width=about(1.0, 0.045),
        eye_open=about(1.0, 0.10),
        eye_tilt=about(0.01, 0.015),
        nose_width=about(1.02, 0.11),
        nose_length=about(1.0, 0.05),
        mouth_width=about(1.0, 0.06),
        upper_lip=about(1.0, 0.22),
        lower_lip=about(1.0, 0.18),
        mouth_height=about(0.0, 0.025),
    )


def mean_points() -> FloatArray:
    """(68, 2) mean face, IPD units."""
    points = np.full((68, 2), np.nan)
    for point, (x, y) in RIGHT_HALF_MM.items():
        points[point] = (x / MM_PER_IPD, y / MM_PER_IPD)
        points[MIRROR_68[point]] = (-x / MM_PER_IPD, y / MM_PER_IPD)
    return points


def neutral_points(shape: FaceShape | None = None) -> FloatArray:
    """(68, 2) symmetric neutral face of the given shape (the mean one by default), IPD units."""
    s = shape or FaceShape()
    points = mean_points()
    stomion = points[62, 1]
    jaw = points[:17]
    low = np.clip((jaw[:, 1] - 0.3) / 1.2, 0.0, 1.0)
    jaw[:, 0] *= s.width * (1.0 + (s.jaw - 1.0) * low)
    below = np.clip(jaw[:, 1] - stomion, 0.0, None)
    jaw[:, 1] += (s.chin - 1.0) * below * 1.3
    brows = points[17:27]
    base = brows[:, 1].max()
    brows[:, 1] = base + (brows[:, 1] - base) * s.brow_arch + s.brow_height
    brows[:, 0] *= 0.5 + 0.5 * s.width
    for first, centre in ((36, -0.5), (42, 0.5)):
        eye = points[first : first + 6]
        eye[:, 0] = centre + (eye[:, 0] - centre) * s.eye_width
        eye[:, 1] = eye[:, 1] * s.eye_open - s.eye_tilt * (np.abs(eye[:, 0]) - 0.5) / 0.23
    nose = points[27:36]
    nose[:, 1] = nose[0, 1] + (nose[:, 1] - nose[0, 1]) * s.nose_length
    nose[4:, 0] *= s.nose_width
    mouth = points[48:68]
    mouth[:, 0] *= s.mouth_width
    for part, factor in (((49, 50, 51, 52, 53), s.upper_lip), ((55, 56, 57, 58, 59), s.lower_lip)):
        points[list(part), 1] = stomion + (points[list(part), 1] - stomion) * factor
    mouth[:, 1] += s.mouth_height + 0.4 * (s.nose_length - 1.0)
    return points
