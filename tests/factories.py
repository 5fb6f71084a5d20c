"""A realistic assessment without any model: a ten-second clip of a left-sided palsy with synkinesis."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.curves import measure
from palsy_cli.clinic.examine import Examined
from palsy_cli.clinic.face_frame import lay_on_face
from palsy_cli.clinic.intervals import score_with_intervals
from palsy_cli.clinic.measures import measure_face, sample_face
from palsy_cli.clinic.stills import Stills
from palsy_cli.clinic.tasks import find_movements
from palsy_cli.config import Settings
from palsy_cli.records import (
    ALL_AUS,
    ActionUnits,
    Assessment,
    ClinicMeasures,
    Clip,
    FaceTrack,
    Grades,
    Keyframes,
    Landmarks,
    ModelCard,
    RunInfo,
    Scale,
)
from palsy_cli.stages.symptoms import find_symptoms

FPS = 29.97
FRAMES = 300
SYNTHETIC = "drawn faces with simulated palsy only; no person's picture"

#: A protocol: from, to (seconds) and the units that the person uses.
TASKS: tuple[tuple[float, float, dict[int, float]], ...] = (
    (0.8, 2.2, {1: 3.0, 2: 3.4, 5: 1.2}),
    (2.4, 3.4, {4: 2.6}),
    (3.6, 5.0, {43: 4.6, 6: 2.2, 4: 1.0}),
    (5.2, 6.8, {12: 4.0, 6: 2.4, 25: 2.6}),
    (7.0, 7.9, {9: 2.8, 4: 1.4, 25: 0.9}),
    (8.1, 8.9, {20: 2.4, 25: 3.0}),
    (9.0, 9.7, {18: 3.6, 17: 1.4}),
)
#: Response, trigger, gain: the misrouted nerve of the weak side.
MISROUTED: tuple[tuple[int, int, float], ...] = ((43, 12, 0.55), (6, 20, 0.8), (12, 43, 0.5), (17, 12, 0.45))


def neutral_points() -> npt.NDArray[np.float64]:
    """(68, 2) of a plain face within 512 x 512, symmetric about x = 256."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.stack([256 + 150 * np.cos(angle), 215 + 205 * np.sin(angle) ** 1.15], 1)
    brow = np.array([[138, 178], [160, 160], [186, 155], [212, 160], [234, 170]], float)
    bridge = np.array([[256, 200], [256, 228], [256, 256], [256, 284]], float)
    base = np.array([[226, 302], [241, 308], [256, 312], [271, 308], [286, 302]], float)
    eye = np.array([[152, 210], [170, 199], [192, 199], [210, 212], [191, 219], [170, 219]], float)
    lips = np.array(
        [[204, 352], [224, 343], [243, 338], [256, 341], [269, 338], [288, 343], [308, 352], [288, 365],
         [270, 372], [256, 374], [242, 372], [224, 365], [212, 352], [242, 350], [256, 351], [270, 350], [300, 352],
         [270, 355], [256, 356], [242, 355]],
        float,
    )  # fmt: skip

    def mirrored(part: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return part * (-1, 1) + (512, 0)

    left_eye = mirrored(eye)[[3, 2, 1, 0, 5, 4]]
    return np.concatenate([jaw, brow, mirrored(brow)[::-1], bridge, base, eye, left_eye, lips])


def moved(left: dict[int, float], right: dict[int, float]) -> npt.NDArray[np.float64]:
    """The face with units at work: brows, lids and mouth corners are enough to look at."""
    points = neutral_points()
    sides = (
        (right, [17, 18, 19, 20, 21], (37, 38), (41, 40), (48, 49, 59, 60), -1),
        (left, [22, 23, 24, 25, 26], (44, 43), (46, 47), (54, 53, 55, 64), 1),
    )
    for units, brow, upper, lower, corner, out in sides:
        points[brow, 1] += -5 * units.get(2, 0) + 5 * units.get(4, 0) * np.array([0.4, 0.6, 0.8, 1, 1])[::-out]
        for top, bottom in zip(upper, lower, strict=True):
            closed = min(1.0, units.get(43, 0) / 4.6 + units.get(6, 0) * 0.1)
            points[top, 1] += (points[bottom, 1] - points[top, 1]) * closed
        weights = np.array([1, 0.5, 0.5, 1])
        points[list(corner), 0] += out * weights * (6 * units.get(12, 0) + 4 * units.get(20, 0) - 5 * units.get(18, 0))
        points[list(corner), 1] -= weights * 7 * units.get(12, 0)
    drop = 3.5 * max(left.get(25, 0), right.get(25, 0))
    points[[56, 57, 58, 65, 66, 67], 1] += drop
    return points


def intensities(time_s: float, *, left_strength: float, misrouted: bool) -> tuple[dict[int, float], dict[int, float]]:
    """Units of both sides at a moment."""
    right: dict[int, float] = {}
    for start, end, units in TASKS:
        if start < time_s < end:
            rise = min(1.0, (time_s - start) / 0.4, (end - time_s) / 0.4)
            right |= {au: height * rise for au, height in units.items()}
    left = {au: value * (1.0 if au in (5, 26) else left_strength) for au, value in right.items()}
    if misrouted:
        for response, trigger, gain in MISROUTED:
            if trigger in right:
                left[response] = max(left.get(response, 0.0), gain * right[trigger])
    return left, right


def make_assessment(
    *, left_strength: float = 0.5, misrouted: bool = True, keyframes: int = 48, **changes: Any
) -> Assessment:
    """An assessment of a made-up clip; ``changes`` replace fields of the record.

    Args:
        left_strength: 0..1, intensity of the left relative to the right.
        misrouted: add synkinesis on the left.
        keyframes: how many keyframes, evenly spread.
        changes: fields of ``Assessment`` to replace.
    """
    rng = np.random.default_rng(7)
    times = np.arange(FRAMES) / FPS
    chosen = np.linspace(0, FRAMES - 1, keyframes).round().astype(np.int64)
    left, right = np.zeros((2, keyframes, len(ALL_AUS)))
    all_points = np.zeros((FRAMES, 68, 2))
    for frame, time_s in enumerate(times):
        units = intensities(time_s, left_strength=left_strength, misrouted=misrouted)
        all_points[frame] = moved(*units)
        for k in np.flatnonzero(chosen == frame):
            for side, values in zip((left, right), units, strict=True):
                side[k] = [values.get(au, 0.0) for au in ALL_AUS]
    left, right = (np.clip(side + rng.normal(0, 0.08, side.shape), 0, 5) for side in (left, right))
    units = ActionUnits(ALL_AUS, left, right, rest=(0,))
    reasons = ["blurred" if 100 <= f < 106 else "no_face" if f in (205, 206) else "" for f in range(FRAMES)]
    seen = np.array([reason != "no_face" for reason in reasons])
    to_video = all_points * 1.4 + (200, 560) + rng.normal(0, 0.3, all_points.shape)
    to_video[~seen] = np.nan
    settings = Settings()
    record = Assessment(
        clip=Clip(Path("patients/visit 2.mp4"), "ab" * 32, FPS, 1080, 1920),
        track=FaceTrack(
            times_s=times,
            boxes=np.where(seen[:, None], [350.0, 700, 780, 1200], np.nan),
            points=np.where(seen[:, None, None], np.zeros((5, 2)) + 500.0, np.nan),
            confidence=np.where(seen, 0.97, 0.0),
            reasons=tuple(reasons),
            other_faces=0,
        ),
        landmarks=Landmarks(to_video, np.where(seen, 0.93, 0.0)),
        keyframes=Keyframes(
            frames=chosen,
            times_s=times[chosen],
            confidence=np.full(keyframes, 0.97),
            aligned=np.zeros((keyframes, 512, 512, 3), np.uint8),
            faces=np.stack([picture(all_points[frame]) for frame in chosen]),
            face_points=all_points[chosen] / 2,
        ),
        action_units=units,
        symptoms=find_symptoms(units, settings.symptoms),
        grades=Grades(
            severity=(0.03, 0.22, 0.64, 0.11),
            house_brackmann=(0.02, 0.12, 0.55, 0.22, 0.07, 0.02),
            frames=tuple(int(frame) for frame in chosen[[8, 9, 19, 20, 27, 28, 29, 40]]),
        ),
        clinic=ClinicMeasures(Scale(None, None, None)),
        scales={},
        models={
            name: ModelCard(f"{name}-compact-1", f"{index:x}7f3" * 16, SYNTHETIC)
            for index, name in enumerate(("retinaface", "landmark_fcn", "ovpm", "dvpm", "algrnet", "hb_cascade"))
        },
        warnings=("The clip shows no lip depression; AU15 could not be provoked.",),
        run=RunInfo(
            version="0.1.0",
            device="cpu",
            seed=0,
            profile="clinical",
            settings_sha256=settings.fingerprint(),
            seconds={"video": 0.8, "face": 3.1, "landmarks": 2.2, "keyframes": 0.4, "action_units": 9.6, "grades": 4.0},
            settings=dataclasses.asdict(settings),
        ),
    )
    few = dataclasses.replace(settings, clinic=dataclasses.replace(settings.clinic, rounds=20))
    symptoms, clinic, scales = score_with_intervals(record.action_units, record.symptoms, measured(record), few)
    return dataclasses.replace(record, **{"symptoms": symptoms, "clinic": clinic, "scales": scales, **changes})


def measured(record: Assessment) -> Examined:
    """The measures from the points alone, which takes no time; ``examine`` follows the skin, too."""
    at_rest = record.track.times_s < 0.2
    face = lay_on_face(record.landmarks.points, record.track.times_s, at_rest, max_head_turn=0.1)
    assert face is not None
    movements = find_movements(face)
    clinic = ClinicMeasures(
        Scale(None, None, None, "no open eye at rest in which the iris could be measured; give --ipd-mm"),
        movements,
        measure_face(face, at_rest, movements),
        curves=measure(face.points),
        rest_points=face.rest,
        rest_frames=int(at_rest.sum()),
    )
    return Examined(clinic, tuple(sample_face(face, at_rest, movements, np.arange(len(at_rest)) // 4)))


def stills_of(keyframes: Keyframes) -> Stills:
    """Stills that show what the keyframes show."""
    faces = np.stack([cv2.cvtColor(face, cv2.COLOR_RGB2GRAY) for face in keyframes.faces])
    return Stills(keyframes.frames, faces, keyframes.face_points)


def picture(points: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """A crude drawing, (256, 256, 3) RGB, standing in for a photo."""
    image = np.full((256, 256, 3), 236, np.uint8)
    cv2.fillPoly(image, [(points[:17] / 2).astype(np.int32)], (214, 176, 150))
    for part in (points[36:42], points[42:48], points[48:60]):
        cv2.polylines(image, [(part / 2).astype(np.int32)], True, (70, 40, 40), 2)
    return image
