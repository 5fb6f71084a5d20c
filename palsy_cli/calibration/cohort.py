"""The healthy cohort: finished assessments, by person, all measured with the same weights and settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palsy_cli.config import Settings, apply_values, measured_with, setting_types
from palsy_cli.documents import read_json
from palsy_cli.errors import ConfigError, DatasetError
from palsy_cli.exports.visits import Visit, find_visits
from palsy_cli.files import ACTION_UNITS_CSV, ASSESSMENT_JSON
from palsy_cli.norms import MEASURING_NETWORKS, Norms
from palsy_cli.records import ActionUnits
from palsy_cli.report.csv_report import load_action_units


@dataclass(frozen=True)
class Person:
    """One healthy person: the name that folders or tables give, and the intensities of each recording."""

    name: str
    recordings: tuple[ActionUnits, ...]


@dataclass(frozen=True)
class HealthyCohort:
    """People in the order of their names, and how all of them were measured.

    ``models`` is name to SHA-256 of the weights that intensities depend on; ``versions`` are those of palsy.
    """

    people: tuple[Person, ...]
    settings: Settings
    models: dict[str, str]
    versions: tuple[str, ...]


@dataclass(frozen=True)
class _Measured:
    """How one recording was measured."""

    path: Path
    settings: Settings
    models: dict[str, str]
    aus: tuple[int, ...]


def read_cohort(results: Path, visits_csv: Path | None = None) -> HealthyCohort:
    """Every assessment in ``results`` or below it, with its table of action units.

    A person is a patient of the batch that wrote the results, else of ``visits_csv``, else a folder.

    Args:
        results: what ``palsy batch`` or several ``palsy assess`` wrote.
        visits_csv: columns ``folder``, ``patient`` and ``session``, as for ``palsy export``.

    Raises:
        DatasetError: there is no assessment, or two were not measured alike (the first that differs is named).
        InputError: a file cannot be used.
    """
    if results.is_dir() and not any(results.rglob(ASSESSMENT_JSON)):
        first_do = f"assess the recordings first (palsy batch {results} -o OUT) and give OUT"
        raise DatasetError(f"{results}: no {ASSESSMENT_JSON} in it or below; {first_do}")
    first: _Measured | None = None
    people: dict[str, list[ActionUnits]] = {}
    versions: set[str] = set()
    for visit in find_visits(results, visits_csv):
        units, _, _ = load_action_units(visit.folder / ACTION_UNITS_CSV)
        measured = _how_measured(visit, units)
        first = first or measured
        for difference in _differences(first, measured):
            told = f"{measured.path}: {difference} in {first.path}"
            raise DatasetError(f"{told}; assess all recordings with the same weights and settings")
        people.setdefault(visit.patient, []).append(units)
        versions.add(visit.findings.version)
    if first is None:
        raise DatasetError(f"{results}: no assessment belongs to a recording of its batch; run palsy batch again")
    cohort = tuple(Person(name, tuple(people[name])) for name in sorted(people))
    return HealthyCohort(cohort, first.settings, first.models, tuple(sorted(versions)))


def _how_measured(visit: Visit, units: ActionUnits) -> _Measured:
    path = visit.folder / ASSESSMENT_JSON
    models = {name: visit.findings.models[name].sha256 for name in MEASURING_NETWORKS if name in visit.findings.models}
    if not models:
        raise DatasetError(f"{path}: names no weights, so nothing can be bound to them; assess the video again")
    return _Measured(path, _settings(path), models, units.aus)


def _settings(path: Path) -> Settings:
    """The settings that an assessment states; its JSON was checked before."""
    stated = read_json(path)["run"].get("settings")
    flat = dict(_by_full_name(stated)) if isinstance(stated, dict) else {}
    if set(flat) != set(setting_types()):
        raise DatasetError(f"{path}: was written by a palsy of other settings; assess the recordings again")
    try:
        return apply_values(Settings(), flat | {"symptoms.norms": Norms()})
    except ConfigError as error:
        raise DatasetError(f"{path}: {error}; assess the video again") from error


def _by_full_name(tree: Mapping[str, Any]) -> Iterable[tuple[str, object]]:
    """``("face.nms_iou", 0.4)`` and so on: one level of groups, whatever their values are."""
    for group, values in tree.items():
        if isinstance(values, dict):
            yield from ((f"{group}.{name}", value) for name, value in values.items())
        else:
            yield group, values


def _differences(first: _Measured, other: _Measured) -> Iterable[str]:
    """What was not measured alike, in words."""
    for name in sorted({*first.models, *other.models}):
        mine, theirs = (each.models.get(name, "absent")[:12] for each in (first, other))
        if first.models.get(name) != other.models.get(name):
            yield f"{name} is {theirs}, but {mine}"
    before = measured_with(first.settings)
    for setting, value in measured_with(other.settings).items():
        if value != before[setting]:
            yield f"{setting} is {value!r}, but {before[setting]!r}"
    if first.aus != other.aus:
        yield f"{ACTION_UNITS_CSV} has {len(other.aus)} action units, but {len(first.aus)}"
