"""Simulated patients who perform the clinical protocol at its own pace, measured as a clinic would, beside the truth.

True lengths are those of the simulated points, in millimetres of a face whose eyes are 63 mm apart; the assessment is
told that distance, so that the figures are those of the measures and not of the scale.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palsy_cli import pipeline
from palsy_cli.clinic.definitions import EXCURSIONS
from palsy_cli.clinic.face_frame import lay_on_face
from palsy_cli.clinic.measures import measure_face
from palsy_cli.clinic.tasks import TASKS, task_name
from palsy_cli.config import Settings
from palsy_cli.evaluation.patients import Face, Patient, film
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import SIDES, FloatArray, Measure, Movement
from palsy_cli.simulate.clips import Truth
from palsy_cli.simulate.scores import sunnybrook
from palsy_cli.simulate.script import PROTOCOL, Script

#: The distance of the pupils that the simulator's millimetres are meant for.
IPD_MM = 63.0
#: A movement is found when it begins and ends within so many seconds of the truth.
TOLERANCE_S = 0.3
#: What is compared side by side: excursions, and what stays open of an eye.
LENGTHS: tuple[str, ...] = (*EXCURSIONS, "lagophthalmos")


@dataclass(frozen=True)
class Length:
    """One measured length of one side and the truth, mm."""

    name: str
    task: str
    weak: bool
    found_mm: float
    true_mm: float


@dataclass(frozen=True)
class MeasureCase:
    """One patient as known and as measured.

    Attributes:
        person: number of the face.
        grade: true House-Brackmann grade.
        composite: true Sunnybrook composite.
        found, missed: names of movements that were found in their place, and that were not.
        invented: how many movements were found that nobody made.
        lengths: those known of both.
        missing: how many lengths the truth has and the assessment does not.
        by_rule, by_network: House-Brackmann grades, ``None`` where withheld.
        low, high: Sunnybrook's range, ``None`` where withheld.
        reasons: why a scale was withheld.
    """

    person: int
    grade: int
    composite: int
    found: tuple[str, ...]
    missed: tuple[str, ...]
    invented: int
    lengths: tuple[Length, ...]
    missing: int
    by_rule: int | None
    by_network: int | None
    low: float | None
    high: float | None
    reasons: tuple[str, ...] = ()


def measure_patient(patient: Patient, face: Face, folder: Path, *, settings: Settings, models: ModelSet) -> MeasureCase:
    """Film one patient's protocol into ``folder``, assess the film and lay its measures beside the truth.

    Raises:
        NoFaceError: the product does not find the face.
        ModelError: weights are missing.
    """
    video, truth = film(patient, face, folder, tasks=PROTOCOL, tempo=1.0)
    told = dataclasses.replace(settings, clinic=dataclasses.replace(settings.clinic, ipd_mm=IPD_MM))
    result = pipeline.assess(video, settings=told, models=models)
    made = true_movements(truth.script, result.track.times_s)
    found, missed, invented = match(made, result.clinic.movements)
    lengths, missing = _lengths(true_measures(truth, result.track.times_s, made), result.clinic.measures, truth)
    by_rule, composite = result.scales["house_brackmann"], result.scales["sunnybrook"]
    return MeasureCase(
        person=patient.person,
        grade=truth.house_brackmann,
        composite=sunnybrook(truth.lesion).composite,
        found=found,
        missed=missed,
        invented=invented,
        lengths=lengths,
        missing=missing,
        by_rule=None if by_rule.low is None else int(by_rule.low),
        by_network=result.grades.house_brackmann_grade,
        low=composite.low,
        high=composite.high,
        reasons=tuple(score.reason for score in (by_rule, composite) if score.reason),
    )


def true_movements(script: Script, times_s: FloatArray) -> tuple[Movement, ...]:
    """The script's movements as the measures take them: furthest while they are held."""
    made = []
    for one in script.movements:
        held = np.flatnonzero((times_s >= one.start_s + 0.8 * script.onset_s) & (times_s <= one.release_s))
        middle = (one.start_s + script.onset_s + one.release_s) / 2
        over_s = one.release_s + script.offset_s
        made.append(Movement(task_name(one.task), one.start_s, middle, over_s, held, 1.0, np.zeros((68, 2))))
    return tuple(made)


def true_measures(truth: Truth, times_s: FloatArray, made: Sequence[Movement]) -> tuple[Measure, ...]:
    """What the measures say of the true points."""
    points = truth.points[: len(times_s)]
    still = np.all([(times_s <= one.onset_s) | (times_s > one.offset_s + 0.1) for one in made], axis=0)
    face = lay_on_face(points, times_s, still, max_head_turn=np.inf)
    if face is None:
        raise ValueError("true_measures: the script has no rest")
    return measure_face(face, still, made)


def match(
    made: Sequence[Movement], seen: Sequence[Movement], tolerance_s: float = TOLERANCE_S
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Which movements were found by name, beginning and end, which were missed, and how many of no movement were."""
    left = [one for one in seen if one.task in TASKS]
    found: list[str] = []
    missed: list[str] = []
    for one in made:
        hit = next((each for each in left if each.task == one.task and _same_time(each, one, tolerance_s)), None)
        (found if hit else missed).append(str(one.task))
        if hit is not None:
            left.remove(hit)
    return tuple(found), tuple(missed), len(left)


def _same_time(one: Movement, other: Movement, tolerance_s: float) -> bool:
    apart = abs(one.onset_s - other.onset_s), abs(one.offset_s - other.offset_s)
    return max(apart) <= tolerance_s


def _lengths(true: Sequence[Measure], found: Sequence[Measure], truth: Truth) -> tuple[tuple[Length, ...], int]:
    """Lengths that both know, and how many only the truth does."""
    seen = {(one.name, one.task): one for one in found}
    pairs = list(_sides(true, seen, truth))
    known = tuple(one for one in pairs if np.isfinite(one.found_mm))
    return known, len(pairs) - len(known)


def _sides(true: Sequence[Measure], seen: dict[tuple[str, str], Measure], truth: Truth) -> Iterator[Length]:
    for one in true:
        if one.name not in LENGTHS:
            continue
        for side in SIDES:
            wanted, own = getattr(one, side), seen.get((one.name, one.task))
            value = None if own is None else getattr(own, side)
            if wanted is not None:
                found_mm = np.nan if value is None else IPD_MM * value
                yield Length(one.name, one.task, truth.weak_side == side, found_mm, IPD_MM * wanted)
