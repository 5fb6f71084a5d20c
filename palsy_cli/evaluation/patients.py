"""Simulated patients of known truth, made from photos of people that no network was trained on, and assessed.

Each patient performs the clinical protocol in a short video, and the movements of the units that it hardly shows; the
video goes the whole way of ``palsy assess``. What is kept of each is a ``Case``: numbers only, no pictures.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from palsy_cli import pipeline
from palsy_cli.config import Settings
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import ByteImage, FloatArray, Keyframes, Side, Symptoms, WeakSide
from palsy_cli.simulate.clips import Truth, simulate_clip
from palsy_cli.simulate.muscles import LID_PAIRS
from palsy_cli.simulate.palsy import SYNKINESIS_GAINS, Lesion, draw_misfires, uniform_lesion
from palsy_cli.simulate.photo_renderer import PhotoRenderer
from palsy_cli.simulate.scores import draw_lesion, severity_of_grade
from palsy_cli.simulate.script import ALL_UNITS, write_script
from palsy_cli.stages.action_units import estimate_by_helpers
from palsy_cli.stages.halves import split_halves
from palsy_cli.stages.symptoms import CLINICAL_REGIONS, find_symptoms

#: Frames per second and tempo of the videos: all movements in 25 seconds. Faster ones leave too few frames in which a
#: trigger is active to tell whether anything follows it.
FPS, TEMPO = 18.0, 1.5
#: Half of the patients of grades II to IV, on either side, are late ones with so many synkinetic pairs.
_SYNKINETIC_ROUNDS, _SYNKINETIC_PAIRS = (1, 2), 4
#: Weaknesses of the dose response.
DOSES: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Face:
    """A person: (H, W, 3) RGB uint8, the 68 points (68, 2) in its pixels, whether they look into the camera."""

    name: str
    image: ByteImage
    points: FloatArray
    frontal: bool = True


@dataclass(frozen=True)
class Patient:
    """Who, with which palsy; ``seed`` draws efforts, healthy asymmetry and sway."""

    person: int
    lesion: Lesion
    seed: int


@dataclass(frozen=True)
class Case:
    """One patient as known and as assessed.

    Attributes:
        person: number of the face.
        lesion: the truth.
        grade: true House-Brackmann grade, 1..6.
        points_error: (F,) mean error of the 68 points in each used frame, percent of the outer-canthal distance.
        corner_error: (F,) the same of the corners of eyes and mouth alone.
        eyes_open, true_eyes_open: (F, 2) how far each eye is open in each used frame, same unit.
        true_left, true_right: (K, 14) intensities 0..5 in the keyframes.
        left, right: (K, 14) as found.
        weak_sides: region -> side as found; the whole face is ``face``.
        severity, house_brackmann: probabilities (4,) and (6,), ``None`` when withheld.
        of_pictures, of_movement: the same of the House-Brackmann grade, each opinion alone.
        pairs: (response, trigger) flagged as synkinetic, per side.
        tested_synkinesis: whether any pair had enough keyframes.
        asymmetry: sum of |delta AM| over all units.
        ideal_sides, ideal_pairs: ``weak_sides`` and ``pairs`` that the same rules name from the true intensities: no
            network can do better with them.
        by_helpers: number of helper frames -> (left, right) as found with so many; empty when not asked for.
    """

    person: int
    lesion: Lesion
    grade: int
    points_error: FloatArray
    corner_error: FloatArray
    eyes_open: FloatArray
    true_eyes_open: FloatArray
    true_left: FloatArray
    true_right: FloatArray
    left: FloatArray
    right: FloatArray
    weak_sides: dict[str, WeakSide | None]
    severity: tuple[float, ...] | None
    house_brackmann: tuple[float, ...] | None
    pairs: frozenset[tuple[Side, int, int]]
    tested_synkinesis: bool
    asymmetry: float
    of_pictures: tuple[float, ...] | None = None
    of_movement: tuple[float, ...] | None = None
    ideal_sides: dict[str, WeakSide | None] = field(default_factory=dict)
    ideal_pairs: frozenset[tuple[Side, int, int]] = frozenset()
    by_helpers: dict[int, tuple[FloatArray, FloatArray]] = field(default_factory=dict)

    @property
    def true_severity(self) -> int:
        """0..3."""
        return severity_of_grade(self.grade)

    def true_weak_side(self, region: str) -> WeakSide:
        """The side that the lesion weakens in a region, or in the whole face."""
        units = CLINICAL_REGIONS.get(region) or tuple(au for aus in CLINICAL_REGIONS.values() for au in aus)
        if self.lesion.side == "none":
            return "none"
        return self.lesion.side if any(self.lesion.of_au(au, self.lesion.side) > 0 for au in units) else "none"


def plan_patients(people: int, count: int, *, seed: int = 0) -> list[Patient]:
    """Grades I to VI dealt evenly, sides by turns, half of the patients of grades II to IV synkinetic.

    Args:
        people: number of faces; each is used about ``count / people`` times.
        count: number of patients.
        seed: of the palsies' variation.
    """
    rng = np.random.default_rng(seed)
    patients = []
    for number in range(count):
        grade, side = number % 6 + 1, ("left", "right")[number // 6 % 2]
        lesion = draw_lesion(grade, side, rng)  # type: ignore[arg-type]
        if grade in (2, 3, 4) and number // 6 % 4 in _SYNKINETIC_ROUNDS:
            lesion = _synkinetic(lesion, rng)
        patients.append(Patient(number % people, lesion, seed=int(rng.integers(2**31))))
    return patients


def _synkinetic(lesion: Lesion, rng: np.random.Generator) -> Lesion:
    """The same weakness with severe misfiring in a few pairs."""
    chosen = dict.fromkeys(draw_misfires(_SYNKINETIC_PAIRS, rng), SYNKINESIS_GAINS["severe"])
    return dataclasses.replace(lesion, synkinesis=chosen, chronic=True)


def plan_doses(people: Sequence[int], *, seed: int = 0) -> list[Patient]:
    """Each of these people at every weakness of ``DOSES``, all else alike."""
    sides: tuple[Side, ...] = ("left", "right")
    return [
        Patient(person, uniform_lesion(dose, sides[i % 2]) if dose else Lesion(), seed=seed + i)
        for i, person in enumerate(people)
        for dose in DOSES
    ]


def film(
    patient: Patient, face: Face, folder: Path, *, tasks: Sequence[str] = ALL_UNITS, tempo: float = TEMPO
) -> tuple[Path, Truth]:
    """Write the patient's video into ``folder``: all movements, one after the other."""
    renderer = PhotoRenderer.of(face.image, face.points, seed=patient.seed)
    script = write_script(tasks, tempo=tempo, rng=np.random.default_rng([patient.seed, 3]))
    video = folder / "patient.mp4"
    truth = simulate_clip(video, renderer=renderer, lesion=patient.lesion, script=script, fps=FPS, seed=patient.seed)
    return video, truth


def examine(
    patient: Patient,
    face: Face,
    folder: Path,
    *,
    settings: Settings,
    models: ModelSet,
    helpers: Sequence[int] = (),
) -> Case:
    """Film one patient into ``folder`` and assess the film.

    Args:
        patient: who, with which palsy.
        face: the patient's photo.
        folder: where the film goes.
        settings: as for ``assess``.
        models: the networks.
        helpers: numbers of helper frames that the difference ensemble is tried with beside its setting.

    Raises:
        NoFaceError: the product does not find the face.
        ModelError: weights are missing.
    """
    video, truth = film(patient, face, folder)
    result = pipeline.assess(video, settings=settings, models=models)
    case = to_case(patient, truth, result, settings)
    return dataclasses.replace(case, by_helpers=_with_helpers(helpers, result.keyframes, settings, models))


def _with_helpers(
    helpers: Sequence[int], keyframes: Keyframes, settings: Settings, models: ModelSet
) -> dict[int, tuple[FloatArray, FloatArray]]:
    """Intensities (K, 14) of left and right under each number of helper frames; 0 is the OVPM alone."""
    if not helpers:
        return {}
    ovpm, dvpm = (cast("Any", models.get(name).module) for name in ("ovpm", "dvpm"))
    found = estimate_by_helpers(split_halves(keyframes), ovpm, dvpm, settings.action_units, helpers, seed=settings.seed)
    return {m: (units.left, units.right) for m, units in found.items()}


def to_case(patient: Patient, truth: Truth, result: Any, settings: Settings) -> Case:
    """What is kept of an ``Assessment`` beside its truth."""
    found = result.landmarks.points
    used = np.isfinite(found).all((1, 2))
    found, wanted = found[used], truth.points[used]
    unit = np.linalg.norm(wanted[:, 45] - wanted[:, 36], axis=-1)[:, None]
    percent = 100 * np.linalg.norm(found - wanted, axis=-1) / unit
    rows = result.keyframes.frames
    symptoms, grades = result.symptoms, result.grades
    true = dataclasses.replace(result.action_units, left=truth.left[rows], right=truth.right[rows])
    ideal = find_symptoms(true, settings.symptoms)
    deltas = [abs(each.delta_am) for each in symptoms.action_units if each.delta_am is not None]
    return Case(
        person=patient.person,
        lesion=patient.lesion,
        grade=truth.house_brackmann,
        points_error=percent.mean(1),
        corner_error=percent[:, [36, 39, 42, 45, 48, 54]].mean(1),
        eyes_open=100 * _eyes_open(found) / unit,
        true_eyes_open=100 * _eyes_open(wanted) / unit,
        true_left=true.left,
        true_right=true.right,
        left=result.action_units.left,
        right=result.action_units.right,
        weak_sides=_weak_sides(symptoms),
        severity=grades.severity,
        house_brackmann=grades.house_brackmann,
        pairs=_pairs(symptoms),
        tested_synkinesis=symptoms.synkinesis_present is not None,
        asymmetry=float(sum(deltas)),
        of_pictures=grades.house_brackmann_of_pictures,
        of_movement=grades.house_brackmann_of_movement,
        ideal_sides=_weak_sides(ideal),
        ideal_pairs=_pairs(ideal),
    )


def _eyes_open(points: FloatArray) -> FloatArray:
    """(F, 2) mean distance of the lids of the right and of the left eye, in the unit of the points (F, 68, 2)."""
    sides = [np.array(LID_PAIRS[side]).T for side in ("right", "left")]
    return np.stack([np.linalg.norm(points[:, up] - points[:, low], axis=-1).mean(1) for up, low in sides], axis=1)


def _weak_sides(symptoms: Symptoms) -> dict[str, WeakSide | None]:
    return {region.region: region.weak_side for region in symptoms.regions} | {"face": symptoms.weak_side}


def _pairs(symptoms: Symptoms) -> frozenset[tuple[Side, int, int]]:
    return frozenset((pair.side, pair.response_au, pair.trigger_au) for pair in symptoms.pairs)
