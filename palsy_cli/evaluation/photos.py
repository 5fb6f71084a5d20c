"""Detection and points on photos of people that no network was trained on, against the photos' own points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from palsy_cli.config import Settings
from palsy_cli.evaluation.figures import Figure, mean_over, measure
from palsy_cli.evaluation.patients import Face
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import FloatArray
from palsy_cli.stages import alignment
from palsy_cli.stages.detection import Detections, choose_detector
from palsy_cli.stages.landmarks import locate

#: A detection is the photo's face when its eyes' middle lies within this part of the eye distance of the true one.
_SAME_FACE = 0.5


def photo_figures(
    faces: Sequence[Face],
    *,
    settings: Settings,
    models: ModelSet,
    on_face: Callable[[int], None] | None = None,
) -> list[Figure]:
    """Recall and five-point error of the detector, error of the 68 points, each photo on its own.

    Five points: percent of the distance between the eyes; 68 points: percent of the outer-canthal distance.

    Raises:
        ModelError: weights are missing.
    """
    fcn: Any = models.get("landmark_fcn").module
    detector = choose_detector(models, settings.face)
    found, five, points = [], [], []
    for number, face in enumerate(faces):
        own = own_face(detector.detect([face.image])[0], alignment.five_points(face.points))
        found.append(own is not None)
        five.append(np.nan if own is None else percent_of(own, alignment.five_points(face.points), (0, 1)))
        if own is None:
            points.append(np.nan)
        else:
            located, sure = locate([face.image], own[None], fcn, settings.landmarks)
            measurable = sure.mean() >= settings.landmarks.min_peak
            points.append(percent_of(located[0], face.points, (36, 45)) if measurable else np.nan)
        if on_face is not None:
            on_face(number + 1)
    recall, five_error, error = (np.array(values, float) for values in (found, five, points))
    people = np.arange(len(faces))
    front = np.array([face.frontal for face in faces])
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
