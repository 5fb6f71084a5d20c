"""``palsy evaluate measures``: movements, millimetres and scales by rule against simulated patients' truth."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import palsy_cli
from palsy_cli.config import Execution, Settings
from palsy_cli.console import ProgressCallback
from palsy_cli.errors import NoFaceError, UsageError
from palsy_cli.evaluation.figures import Figure, measure
from palsy_cli.evaluation.measure_cases import LENGTHS, TOLERANCE_S, Length, MeasureCase, measure_patient
from palsy_cli.evaluation.patients import FPS, Face, Patient, plan_patients
from palsy_cli.evaluation.run import calm_faces, read_faces
from palsy_cli.evaluation.tables import Pages
from palsy_cli.evaluation.workers import Context, Workers
from palsy_cli.networks.manifest_file import read_manifest

#: An excursion is right within so many millimetres or this part of the truth, whichever is more.
_NEAR_MM, _NEAR_SHARE = 1.0, 0.1


def evaluate_measures(
    data: Path,
    *,
    patients: int = 30,
    settings: Settings | None = None,
    execution: Execution | None = None,
    seed: int = 0,
    workers: int = 0,
    on_progress: ProgressCallback | None = None,
) -> Pages:
    """Film simulated patients, each another person as long as there are any, and measure their films.

    Args:
        data: the training data's folder; only people held out of training are used.
        patients: how many, grades I to VI dealt evenly.
        settings: as for ``assess``.
        execution: device and models.
        seed: of the patients.
        workers: processes; 0 chooses (``evaluation.workers``).
        on_progress: told stage, done, in all.

    Raises:
        DatasetError: the folder is incomplete or holds nobody who was held out.
        UsageError: fewer than one patient.
        ModelError: weights are missing.
    """
    if patients < 1:
        raise UsageError(f"{patients} patients: at least one is needed")
    settings, execution = settings or Settings(), execution or Execution()
    tell = on_progress or (lambda stage, done, total: None)
    started = time.perf_counter()
    calm = calm_faces(read_faces(data), data)
    visits = [_Visit(patient, calm[patient.person]) for patient in plan_patients(len(calm), patients, seed=seed)]
    with Workers(settings, execution, count=workers) as pool:
        cases = [case for case in pool.map(_measure, visits, partial(tell, "patients")) if case is not None]
        weights = {entry.name: entry.sha256[:12] for entry in read_manifest(pool.context.models.directory)}
    about: dict[str, Any] = {
        "version": palsy_cli.__version__,
        "patients": f"{len(cases)} of {patients} could be assessed, {len({case.person for case in cases})} people",
        "films": f"the clinical protocol at its own pace, {FPS:.0f} frames a second",
        "settings": settings.fingerprint(),
        "weights": weights,
        "seconds": round(time.perf_counter() - started, 1),
    }
    title = "Measures and scales by rule, simulated people never trained on"
    return Pages("measures", title, (*movement_figures(cases), *length_figures(cases), *scale_figures(cases)), about)


@dataclass(frozen=True)
class _Visit:
    """One patient and the face to film."""

    patient: Patient
    face: Face


def _measure(visit: _Visit, context: Context) -> MeasureCase | None:
    """The patient's case; ``None`` when the face is not found."""
    with tempfile.TemporaryDirectory() as place:
        try:
            return measure_patient(
                visit.patient, visit.face, Path(place), settings=context.settings, models=context.models
            )
        except NoFaceError:
            return None


def movement_figures(cases: Sequence[MeasureCase]) -> list[Figure]:
    """F1 of the movements, and how many of each task were found."""
    people = [case.person for case in cases]
    counts = np.array([(len(c.found), len(c.missed), c.invented) for c in cases], float).reshape(-1, 3)
    hits, missed, invented = counts.T

    def f1(rows: Any) -> float:
        return float(2 * hits[rows].sum() / (2 * hits[rows].sum() + missed[rows].sum() + invented[rows].sum()))

    note = f"name, beginning and end within {TOLERANCE_S} s; {int(invented.sum())} invented"
    figures = [measure("movements", "F1", f1, people, target=">= 0.9", note=note)]
    for task in sorted({task for case in cases for task in (*case.found, *case.missed)}):
        figures.append(_found(task, [case for case in cases if task in (*case.found, *case.missed)]))
    return figures


def _found(task: str, cases: Sequence[MeasureCase]) -> Figure:
    """In how many patients a task was found in its place."""
    found = np.array([task in case.found for case in cases], float)
    people = [case.person for case in cases]
    return measure("movements", f"found, {task}", lambda rows: float(found[rows].mean()), people)


def length_figures(cases: Sequence[MeasureCase]) -> list[Figure]:
    """Errors of the excursions, of all and of each, of the weak side alone, and how many were not measured."""
    rows = [(one, case.person) for case in cases for one in case.lengths]
    excursions = [row for row in rows if row[0].name != "lagophthalmos"]
    weak = [row for row in excursions if row[0].weak]
    missing = sum(case.missing for case in cases)
    figures = [
        _of_lengths("median error mm", _median_error, excursions, target="<= 1.0",
                    note=f"{missing} lengths of {missing + len(rows)} not measured"),
        _of_lengths("within 1 mm or 10 %", _near, excursions),
        _of_lengths("median error mm, weak side", _median_error, weak),
    ]  # fmt: skip
    for name in LENGTHS:
        own = [row for row in rows if row[0].name == name]
        figures.append(_of_lengths(f"median error mm, {name}", _median_error, own))
        figures.append(_of_lengths(f"slope of found over true, {name}", _slope, own))
    return figures


def _of_lengths(
    name: str,
    figure: Callable[[Sequence[Length]], float],
    rows: Sequence[tuple[Length, int]],
    *,
    target: str = "",
    note: str = "",
) -> Figure:
    """A figure of lengths, each with its person."""
    return measure(
        "lengths",
        name,
        lambda chosen: figure([rows[i][0] for i in chosen]),
        [person for _, person in rows],
        target=target,
        note=note,
    )


def _median_error(lengths: Sequence[Length]) -> float:
    return float(np.median([abs(one.found_mm - one.true_mm) for one in lengths]))


def _near(lengths: Sequence[Length]) -> float:
    near = [abs(one.found_mm - one.true_mm) <= max(_NEAR_MM, _NEAR_SHARE * abs(one.true_mm)) for one in lengths]
    return float(np.mean(near))


def _slope(lengths: Sequence[Length]) -> float:
    """Of the line through nothing moved, nothing found."""
    found, true = np.array([(one.found_mm, one.true_mm) for one in lengths]).T
    return float(found @ true / (true @ true))


def scale_figures(cases: Sequence[MeasureCase]) -> list[Figure]:
    """House-Brackmann and Sunnybrook by rule, each of those that were given, and how many were."""
    graded = [case for case in cases if case.by_rule is not None]
    apart = np.array([abs((case.by_rule or 0) - case.grade) for case in graded], float)
    scored = [case for case in cases if case.low is not None and case.high is not None]
    ranges = np.array([(case.low, case.high, case.composite) for case in scored], float).reshape(-1, 3)
    beside = np.abs(ranges[:, :2].mean(1) - ranges[:, 2])
    inside = (ranges[:, 0] <= ranges[:, 2]) & (ranges[:, 2] <= ranges[:, 1])
    given, people = [case.by_rule is not None for case in cases], [case.person for case in cases]
    scores = [case.low is not None for case in cases]
    graded_people, scored_people = [case.person for case in graded], [case.person for case in scored]
    return [
        measure("House-Brackmann by rule", "within one grade", lambda r: float((apart[r] <= 1).mean()), graded_people,
                target=">= 0.95"),
        measure("House-Brackmann by rule", "the same grade", lambda r: float((apart[r] == 0).mean()), graded_people),
        measure("House-Brackmann by rule", "given", lambda r: float(np.mean(np.array(given)[r])), people,
                note=_commonest(cases)),
        measure("Sunnybrook", "median error of the range's middle", lambda r: float(np.median(beside[r])),
                scored_people, target="<= 8"),
        measure("Sunnybrook", "truth within the range", lambda r: float(inside[r].mean()), scored_people),
        measure("Sunnybrook", "given", lambda r: float(np.mean(np.array(scores)[r])), people),
    ]  # fmt: skip


def _commonest(cases: Sequence[MeasureCase]) -> str:
    """Why scales were withheld most often."""
    reasons = [reason for case in cases for reason in case.reasons]
    if not reasons:
        return ""
    most = max(sorted(set(reasons)), key=reasons.count)
    return f"withheld most often for: {most} ({reasons.count(most)} times)"
