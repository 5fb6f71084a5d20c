"""Fit the settings `grades.movement_*`: how much asymmetry of movement speaks for which House-Brackmann grade.

    python docs/benchmarks/movement_cuts.py [PATIENTS]

Films simulated patients of people that the networks were trained on ($PALSY_DATA; default 48), measures their action
units along the true points (a little noise for the landmark network's), and fits the ordinal logistic model of
`palsy_cli.stages.grade_fusion` by maximum likelihood. Prints a row a patient, then the settings.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
from pathlib import Path
from typing import cast

import numpy as np
from scipy import optimize

from palsy_cli.config import Execution, GradeSettings, Settings
from palsy_cli.datasets.people import Photo, read_photos, read_rig
from palsy_cli.evaluation.patients import Face, Patient, film, plan_patients
from palsy_cli.networks.dem import DVPM, OVPM
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import FaceTrack, FloatArray, Keyframes, Landmarks
from palsy_cli.simulate.clips import Truth
from palsy_cli.simulate.scores import house_brackmann
from palsy_cli.stages.action_units import estimate_action_units
from palsy_cli.stages.alignment import five_points
from palsy_cli.stages.grade_fusion import movement_chances
from palsy_cli.stages.halves import split_halves
from palsy_cli.stages.keyframes import find_candidates, select_keyframes
from palsy_cli.stages.symptoms import find_symptoms
from palsy_cli.stages.video import read_clip

#: Standard deviation of each point in each frame, outer-canthal distances.
POINT_NOISE = 0.006
NAMES = tuple(f"movement_cut_{number}" for number in range(1, 6))


def main(count: int, data: Path) -> None:
    """Measure, fit, print."""
    index68 = read_rig(data).index68
    people = [photo for photo in read_photos(data) if photo.calm and not photo.held_out]
    models, settings = ModelSet.of(Execution()), Settings()
    people = [people[i] for i in np.random.default_rng(4).permutation(len(people))]
    rows = []
    for patient in plan_patients(len(people), count, seed=11):
        grade, asymmetry = measure(patient, people[patient.person], index68, models, settings)
        if asymmetry is not None:
            rows.append((grade, asymmetry))
            say(f"grade {grade}, asymmetry {asymmetry:.3f}")
    fitted = fit(np.array([grade for grade, _ in rows]), np.array([asymmetry for _, asymmetry in rows]))
    for name in (*NAMES, "movement_spread", "movement_outliers"):
        say(f"grades.{name} = {getattr(fitted, name):.3f}")
    said = [int(np.argmax(movement_chances(asymmetry, fitted))) + 1 for _, asymmetry in rows]
    say(f"exact on these patients: {np.mean([s == grade for s, (grade, _) in zip(said, rows, strict=True)]):.2f}")


def measure(
    patient: Patient, photo: Photo, index68: FloatArray, models: ModelSet, settings: Settings
) -> tuple[int, float | None]:
    """True grade of the weakness, without synkinesis, and measured asymmetry of the whole face."""
    face = Face(photo.path.name, photo.read(), photo.points[index68])
    with tempfile.TemporaryDirectory() as folder:
        video, truth = film(patient, face, Path(folder))
        halves = split_halves(keyframes_of(video, truth, settings))
    ovpm, dvpm = cast("OVPM", models.get("ovpm").module), cast("DVPM", models.get("dvpm").module)
    units = estimate_action_units(halves, ovpm, dvpm, settings.action_units, seed=settings.seed)
    weakness = dataclasses.replace(truth.lesion, synkinesis={})
    return house_brackmann(weakness), find_symptoms(units, settings.symptoms).relative


def keyframes_of(video: Path, truth: Truth, settings: Settings) -> Keyframes:
    """Keyframes along the true points."""
    unit = np.linalg.norm(truth.points[:, 45] - truth.points[:, 36], axis=1).mean()
    noise = np.random.default_rng(truth.seed).normal(0, POINT_NOISE * unit, truth.points.shape)
    points, count = truth.points + noise, len(truth.points)
    track = FaceTrack(
        times_s=np.arange(count) / truth.fps,
        boxes=np.hstack([points.min(1), points.max(1)]),
        points=five_points(points),
        confidence=np.ones(count),
        reasons=("",) * count,
        other_faces=0,
    )
    clip, landmarks = read_clip(video), Landmarks(points, np.ones(count))
    candidates = find_candidates(clip, track, landmarks, settings.keyframes, settings.face)
    return select_keyframes(clip, track, landmarks, candidates, settings.keyframes, settings.face)


def fit(grades: FloatArray, asymmetries: FloatArray) -> GradeSettings:
    """Cuts in ascending order, a spread of at least 0.02 and a share of outliers that make the grades likeliest.

    The share is 0.05 at least: people that the networks have never seen are misread more often than these.
    """

    def settings_of(values: FloatArray) -> GradeSettings:
        cuts = np.cumsum(np.abs(values[:5]))
        model = dict(zip(NAMES, cuts.tolist(), strict=True))
        spread, outliers = np.abs(values[5:]).tolist()
        return GradeSettings(**model, movement_spread=0.02 + spread, movement_outliers=min(1.0, 0.05 + outliers))

    def surprise(values: FloatArray) -> float:
        model = settings_of(values)
        chances = [movement_chances(asymmetry, model) for asymmetry in asymmetries]
        return -float(np.mean([np.log(c[grade - 1]) for c, grade in zip(chances, grades, strict=True)]))

    start = np.array([0.1, 0.15, 0.2, 0.2, 0.25, 0.05, 0.05])
    found = optimize.minimize(surprise, start, method="Nelder-Mead", options={"maxiter": 6000, "maxfev": 6000})
    return settings_of(found.x)


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 48, Path(os.environ["PALSY_DATA"]))
