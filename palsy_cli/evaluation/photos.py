"""Detection and points on photos of people that no network was trained on, against the photos' own points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from palsy_cli.evaluation.figures import Figure, mean_over, measure
from palsy_cli.evaluation.patients import Face
from palsy_cli.evaluation.workers import Context
from palsy_cli.records import FloatArray
from palsy_cli.stages import alignment
from palsy_cli.stages.detection import Detections, choose_detector
from palsy_cli.stages.locating import locate

#: A detection is the photo's face when its eyes' middle lies within this part of the eye distance of the true one.
_SAME_FACE = 0.5


@dataclass(frozen=True)
class Measured:
    """One photo: whether the face was found, percent of error of the five and of the 68 points (NaN without)."""

    found: bool
    frontal: bool
    five: float = np.nan
    points: float = np.nan


def measure_photo(face: Face, context: Context) -> Measured:
    """Look for the face and its points in one photo.

    Five points: percent of the distance between the eyes; 68 points: percent of the outer-canthal distance.

    Raises:
        ModelError: weights are missing.
    """
    settings, true = context.settings, alignment.five_points(face.points)
    own = own_face(choose_detector(context.models, settings.face).detect([face.image])[0], true)
    if own is None:
        return Measured(found=False, frontal=face.frontal)
    fcn: Any = context.models.get("landmark_fcn").module
    located, sure = locate([face.image], own[None], fcn, settings.landmarks)
    measurable = sure.mean() >= settings.landmarks.min_peak
    points = percent_of(located[0], face.points, (36, 45)) if measurable else np.nan
    return Measured(found=True, frontal=face.frontal, five=percent_of(own, true, (0, 1)), points=points)


def photo_figures(photos: Sequence[Measured]) -> list[Figure]:
    """Recall and five-point error of the detector, error of the 68 points."""
    recall, five_error, error = (
        np.array([getattr(photo, name) for photo in photos], float) for name in ("found", "five", "points")
    )
    people = np.arange(len(photos))
    front = np.array([photo.frontal for photo in photos])
    withheld = (recall > 0) & np.isnan(error)
    note = f"{int((front & ~withheld).sum())} photos; {int((front & withheld).sum())} more withheld as no_landmarks"
    return [
        measure("detection", "recall, photos", mean_over(recall), people, target=">= 0.99"),
        measure("detection", "five-point error %, photos", lambda r: _mean(five_error[r]), people, target="<= 4"),
        measure("landmarks", "mean error %, frontal healthy photos", lambda r: _mean(error[r][front[r]]), people,
                target="<= 3.5", note=note),
        measure("landmarks", "mean error %, all photos", lambda r: _mean(error[r]), people, note="turned heads too"),
    ]  # fmt: skip


def own_face(found: Detections, true: FloatArray) -> FloatArray | None:
    """The five points (5, 2) of the detection that is the face with the ``true`` ones; ``None`` when it was missed."""
    unit = float(np.hypot(*(true[1] - true[0])))
    for points in found.points:
        if np.hypot(*(points[:2].mean(0) - true[:2].mean(0))) <= _SAME_FACE * unit:
            return np.asarray(points)
    return None


def percent_of(found: FloatArray, true: FloatArray, ends: tuple[int, int]) -> float:
    """Mean distance in percent of the distance between two of the true points."""
    unit = np.linalg.norm(true[ends[1]] - true[ends[0]])
    return float(100 * np.linalg.norm(found - true, axis=-1).mean() / unit)


def _mean(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")
