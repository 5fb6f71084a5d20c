"""One visit of a patient: everything of an ``assessment.json`` that is compared with other visits."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.measures import Unit
from palsy_cli.errors import InputError
from palsy_cli.exports.assessment_file import findings_of
from palsy_cli.exports.findings import GRADES, NO_REASON, Findings
from palsy_cli.exports.nodes import Node, open_assessment
from palsy_cli.exports.visits import patient_of_batch
from palsy_cli.files import ASSESSMENT_JSON
from palsy_cli.records import ALL_AUS, SIDES, AuAsymmetry, Measure, Scale, ScaleScore, ScaleSource, Side
from palsy_cli.report.terms import SCALE_NAMES, TASK_NAMES

#: (response, side of the trigger, trigger).
Cell = tuple[int, Side, int]
#: Settings that say where millimetres come from; they may differ between visits that were measured alike.
_OF_SCALE = ("clinic.ipd_mm", "clinic.mm_per_px")
#: Power of the eye distance in a unit.
_POWERS: dict[Unit, int] = {"mm": 1, "mm/s": 1, "mm²": 2}


@dataclass(frozen=True)
class Shares:
    """P(response | trigger) of the left and of the right response, 0..1, from ``support`` keyframes of the trigger."""

    left: float
    right: float
    support: int


@dataclass(frozen=True)
class Visit:
    """One visit.

    Attributes:
        name: the date, else ``visit 1`` and so on.
        date: when it was, if that was told.
        path: its ``assessment.json``.
        patient: whose it is, as the batch that assessed it says; ``None`` where none does.
        video: name of the recording's file, without its folder.
        video_sha256: digest of the recording.
        findings: sides, regions, synkinesis, grades, models.
        profile: name of the settings.
        settings: full name -> value of what changes an answer, where the scale comes from left out.
        action_units: active means of each side.
        scale: millimetres of an eye distance in this recording.
        measures: of the clinic, lengths in eye distances whatever the file's unit.
        clinic_reason: why there are none.
        scales: clinical scales by rule.
        shares: co-occurrence of units, where it has support.
    """

    name: str
    date: datetime.date | None
    path: Path
    patient: str | None
    video: str
    video_sha256: str
    findings: Findings
    profile: str
    settings: dict[str, object]
    action_units: tuple[AuAsymmetry, ...]
    scale: Scale
    measures: tuple[Measure, ...]
    clinic_reason: str | None
    scales: dict[str, ScaleScore]
    shares: dict[Cell, Shares]


def read_visit(place: Path, name: str, date: datetime.date | None = None) -> Visit:
    """Read an ``assessment.json``, or the one in a folder.

    Raises:
        InputError: there is none, or it cannot be used.
    """
    path = place / ASSESSMENT_JSON if place.is_dir() else place
    if not path.exists():
        raise InputError(f"{path}: no such file; give what `palsy assess` wrote, a folder or its {ASSESSMENT_JSON}")
    root = open_assessment(path)
    clinic, video, run = root["clinic"], root["video"], root["run"]
    scale = _scale(clinic["scale"])
    return Visit(
        name=name,
        date=date,
        path=path,
        patient=patient_of_batch(path.parent),
        video=Path(video["path"].text()).name,
        video_sha256=video["sha256"].text(may_be_blank=False),
        findings=findings_of(root),
        profile=run["profile"].text(),
        settings=dict(_settings(run["settings"])),
        action_units=tuple(_means(unit) for unit in root["asymmetry"]["action_units"].items()),
        scale=scale,
        measures=tuple(_measure(one, scale) for one in clinic["measures"].items()),
        clinic_reason=_text(clinic["reason"]),
        scales={name: _score(name, score) for name, score in root["scales"].table().items() if name in SCALE_NAMES},
        shares=dict(_shares(root["synkinesis"])),
    )


def _text(node: Node) -> str | None:
    return None if node.absent else node.text()


def _number(node: Node, low: float = -1e6, high: float = 1e6) -> float | None:
    return None if node.absent else node.number(low, high)


def _settings(settings: Node) -> Iterator[tuple[str, object]]:
    """Full names with values as text or numbers: groups are one level deep."""
    for group, node in settings.table().items():
        of_group = node.table().items() if isinstance(node.raw, dict) else [("", node)]
        for name, value in of_group:
            full = f"{group}.{name}".rstrip(".")
            if full not in _OF_SCALE:
                yield full, value.raw


def _means(node: Node) -> AuAsymmetry:
    left, right = (_number(node[f"am_{side}"], 0, 5) for side in SIDES)
    delta = None if left is None or right is None else left - right
    return AuAsymmetry(node["au"].choice(ALL_AUS), left, right, delta, node["active_keyframes"].count())


def _scale(node: Node) -> Scale:
    mm, source = _number(node["mm_per_eye_distance"], 1, 1000), node["source"]
    return Scale(
        mm=mm,
        error_mm=_number(node["error_mm"], 0, 1000),
        source=None if source.absent else source.choice(get_args(ScaleSource)),
        reason=node.reason("reason") if mm is None else None,
        irises=node["irises"].count(),
        iris_mm=_number(node["iris_mm_per_eye_distance"], 1, 1000),
    )


def _measure(node: Node, scale: Scale) -> Measure:
    """One measure, its lengths, areas and speeds turned from millimetres into eye distances."""
    name, unit = node["name"].choice(list(DEFINITIONS)), node["unit"].choice(get_args(Unit))
    power = _POWERS.get(unit, 0)
    if power and scale.mm is None:
        node["unit"].fail("in eye distances where no scale is known")
    factor = (scale.mm or 1.0) ** -power
    values = (_number(node[place]) for place in ("left", "right", "middle"))
    left, right, middle = (None if value is None else factor * value for value in values)
    task = node["task"].choice(list(TASK_NAMES))
    return Measure(name, task, left, right, middle, node["frames"].count(), _text(node["reason"]))


def _score(name: str, node: Node) -> ScaleScore:
    """A scale by rule; House-Brackmann has whole grades."""
    ends = node["low"], node["high"]
    if ends[0].absent or ends[1].absent:
        return ScaleScore(reason=node.reason("reason"))
    low, high = (end.choice(GRADES) if name == "house_brackmann" else end.number(-1000, 1000) for end in ends)
    if high < low:
        node["high"].fail(f"at least {low:g}")
    return ScaleScore(low=low, high=high)


def _shares(synkinesis: Node) -> Iterator[tuple[Cell, Shares]]:
    """Every cell that has support on both sides of the response."""
    aus = [node.choice(ALL_AUS) for node in synkinesis["aus"].items()]
    for trigger_side in SIDES:
        tables = [synkinesis["matrices"][f"{side}_given_{trigger_side}"] for side in SIDES]
        tables.append(synkinesis["support"][f"trigger_{trigger_side}"])
        rows = [_square(table, len(aus)) for table in tables]
        for i, response in enumerate(aus):
            for j, trigger in enumerate(aus):
                left, right, support = (table[i][j] for table in rows)
                if not left.absent and not right.absent:
                    shares = Shares(left.number(0, 1), right.number(0, 1), support.count())
                    yield (response, trigger_side, trigger), shares


def _square(table: Node, size: int) -> list[list[Node]]:
    rows = [row.items() for row in table.items()]
    if len(rows) != size or any(len(row) != size for row in rows):
        table.fail(f"a table of {size} rows of {size}")
    return rows


def reason_of(visit: Visit, reason: str | None) -> str:
    """Why a visit has no value, with the visit's name."""
    return f"{visit.name}: {reason or NO_REASON}"


def first_difference(visits: Iterable[Visit]) -> str | None:
    """The first setting that two visits were not assessed alike with, in words; ``None`` when there is none."""
    first, *others = visits
    for other in others:
        for name in sorted({*first.settings, *other.settings}):
            mine, theirs = (each.settings.get(name, "absent") for each in (first, other))
            if mine != theirs:
                return f"{name} is {mine!r} in {first.name}, {theirs!r} in {other.name}"
    return None
