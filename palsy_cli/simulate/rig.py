"""How muscles move a face's points: a basis of displacements per action unit and side.

Two sources give the same kind of object: the displacement table that ships with the product (68 points,
``muscles.py``), and a blendshape rig measured on ICT-FaceKit (468 points, ``$PALSY_DATA/rig/au_rig.npz``), which
refines the table for training because it moves cheeks, lids and lips as whole surfaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from palsy_cli.documents import read_arrays
from palsy_cli.errors import DatasetError
from palsy_cli.records import FloatArray, Side
from palsy_cli.simulate.muscles import Drives

#: Action unit -> blendshapes and their weights at full strength. ``{side}`` is L or R; whole-face shapes are split at
#: the midline.
BLENDSHAPES: dict[int, dict[str, float]] = {
    1: {"browInnerUp_{side}": 1.0},
    2: {"browOuterUp_{side}": 1.0},
    4: {"browDown_{side}": 1.0},
    5: {"eyeWide_{side}": 1.0},
    6: {"cheekSquint_{side}": 1.0, "cheekRaiser_{side}": 0.7, "eyeSquint_{side}": 0.3},
    7: {"eyeSquint_{side}": 1.0},
    9: {"noseSneer_{side}": 1.0},
    10: {"mouthUpperUp_{side}": 1.0},
    12: {"mouthSmile_{side}": 1.0},
    14: {"mouthDimple_{side}": 1.0},
    15: {"mouthFrown_{side}": 1.6},
    16: {"mouthLowerDown_{side}": 1.0},
    17: {"mouthShrugLower": 1.0},
    18: {"mouthPucker": 1.0},
    20: {"mouthStretch_{side}": 1.0},
    24: {"mouthPress_{side}": 1.0},
    25: {"mouthLowerDown_{side}": 0.7, "mouthUpperUp_{side}": 0.5},
    26: {"jawOpen": 0.6},
    34: {"cheekPuff_{side}": 1.0},
    43: {"eyeBlink_{side}": 1.0},
}


@dataclass(frozen=True)
class Rig:
    """Displacement fields of P points, in outer-canthal distances, x to image-right, y down, z towards the viewer.

    Attributes:
        basis: (AU, side) -> (P, 3) at full strength.
        index68: (68,) positions of the 68 points among the P.
        neutral: (P, 3) neutral points: a map of the face and its depth.
    """

    basis: dict[tuple[int, Side], FloatArray]
    index68: npt.NDArray[np.int64]
    neutral: FloatArray

    def displacement(self, drives: Drives) -> FloatArray:
        """Sum of the driven fields, (P, 3)."""
        total = np.zeros((len(self.neutral), 3))
        for key, strength in drives.items():
            if strength and key in self.basis:
                total += strength * self.basis[key]
        return total

    def spread(self, displacement68: FloatArray, *, radius: float = 0.07) -> FloatArray:
        """Extend a displacement of the 68 points (68, 2) to all P points (P, 2) with Gaussian weights.

        ``radius`` is in outer-canthal distances; far from every moved point the field fades to zero.
        """
        away = self.neutral[:, None, :2] - self.neutral[self.index68][None, :, :2]
        weight = np.exp(-(away**2).sum(-1) / (2 * radius**2))
        return np.asarray(weight @ displacement68 / (weight.sum(1, keepdims=True) + 0.2))


def load_rig(path: Path) -> Rig:
    """Read the 468-point rig (``names``, ``d468``, ``c468``, ``mp68``); raises DatasetError when it is not there."""
    try:
        return _rig(read_arrays(path))
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"{path}: no readable rig ({error}); see docs/how-to/retrain.md") from error


def _rig(archive: Mapping[str, np.ndarray[Any, Any]]) -> Rig:
    """The rig of the arrays of its file; raises LookupError, TypeError or ValueError."""
    moves = dict(zip((str(n) for n in archive["names"]), archive["d468"].astype(float), strict=True))
    neutral, index68 = archive["c468"].astype(float), archive["mp68"].astype(int)
    if neutral.ndim != 2 or neutral.shape[1] != 3 or index68.shape != (68,):
        raise ValueError(f"points {neutral.shape}, places of the 68 {index68.shape}")
    if not 0 <= index68.min() <= index68.max() < len(neutral) or any(m.shape != neutral.shape for m in moves.values()):
        raise ValueError("names points that it does not have")
    left_share = 1 / (1 + np.exp(-neutral[:, :1] / 0.05))
    basis: dict[tuple[int, Side], FloatArray] = {}
    for au, shapes in BLENDSHAPES.items():
        for side, letter, share in (("left", "L", left_share), ("right", "R", 1 - left_share)):
            field = sum(
                weight * moves[name.format(side=letter)] * (1.0 if "{side}" in name else share)
                for name, weight in shapes.items()
            )
            basis[au, side] = np.asarray(field) * [1.0, -1.0, 1.0]  # type: ignore[index]
    return Rig(basis=basis, index68=index68, neutral=neutral * [1.0, -1.0, 1.0])
