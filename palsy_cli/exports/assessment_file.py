"""Read ``assessment.json``; whatever does not fit its schema is one line of error that names the place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from palsy_cli.documents import Unreadable, read_json
from palsy_cli.errors import InputError
from palsy_cli.exports.findings import (
    GRADES,
    NO_REASON,
    REGIONS,
    WEAK_SIDES,
    Findings,
    Graded,
    Pair,
    Recording,
    RegionFinding,
)
from palsy_cli.files import ASSESSMENT_JSON
from palsy_cli.records import ALL_AUS, SEVERITY_LABELS, SIDES, ModelCard
from palsy_cli.report.json_report import SCHEMA_VERSION

#: Far beyond whatever is measured; a greater number is damage.
_LARGEST = 1e12


@dataclass(frozen=True)
class _Node:
    """A value of the file with its place, so that an error can say where it is."""

    path: Path
    where: str
    raw: Any

    def fail(self, needed: str) -> NoReturn:
        shown = json.dumps(self.raw)
        shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
        raise InputError(f"{self.path}: {self.where} is {shown}; it must be {needed}; assess the video again")

    def __getitem__(self, key: str) -> _Node:
        if not isinstance(self.raw, dict) or key not in self.raw:
            place = f"{self.where}.{key}" if self.where else key
            raise InputError(f"{self.path}: no {place}; give an {ASSESSMENT_JSON} as `palsy assess` writes it")
        return _Node(self.path, f"{self.where}.{key}" if self.where else key, self.raw[key])

    @property
    def absent(self) -> bool:
        return self.raw is None

    def items(self) -> list[_Node]:
        if not isinstance(self.raw, list):
            self.fail("a list")
        return [_Node(self.path, f"{self.where}[{i}]", raw) for i, raw in enumerate(self.raw)]

    def text(self, *, may_be_blank: bool = True) -> str:
        """One line of printable text: line ends and control characters would break a table."""
        if not isinstance(self.raw, str):
            self.fail("text")
        words = "".join(char for char in " ".join(self.raw.split()) if char.isprintable())
        if not words and not may_be_blank:
            self.fail("text that is not blank")
        return words

    def number(self, low: float = -_LARGEST, high: float = _LARGEST) -> float:
        if isinstance(self.raw, bool) or not isinstance(self.raw, (int, float)) or not low <= self.raw <= high:
            self.fail(f"a number from {low:g} to {high:g}")
        return float(self.raw)

    def count(self) -> int:
        if isinstance(self.raw, bool) or not isinstance(self.raw, int) or not 0 <= self.raw <= _LARGEST:
            self.fail("a whole number, zero or more")
        return self.raw

    def flag(self) -> bool:
        if not isinstance(self.raw, bool):
            self.fail("true or false")
        return self.raw

    def choice(self, options: Sequence[Any]) -> Any:
        if isinstance(self.raw, bool) or self.raw not in options:
            self.fail(f"one of {', '.join(map(str, options))}")
        return options[options.index(self.raw)]  # 3.0 is 3, as in JSON

    def reason(self, key: str) -> str:
        """The reason beside a value that is absent."""
        node = self[key]
        return (None if node.absent else node.text()) or NO_REASON


def read_findings(path: Path) -> Findings:
    """Read one ``assessment.json``.

    Raises:
        InputError: the file cannot be read, is no JSON, has another schema version, lacks a key or holds a value
            outside its range.
    """
    root = _Node(path, "", _parse(path))
    version = root["schema_version"].raw
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version is {version!r}, this palsy reads {SCHEMA_VERSION}; assess the video again"
        )
    run, synkinesis, grades = root["run"], root["synkinesis"], root["grades"]
    weak_side, present = root["weak_side"], synkinesis["present"]
    severity, graded = _severity(grades["severity"]), _house_brackmann(grades["house_brackmann"])
    return Findings(
        version=run["version"].text(may_be_blank=False),
        settings_sha256=run["settings_sha256"].text(),
        models=_models(root["models"]),
        recording=_recording(root["video"], root["quality"]),
        weak_side=None if weak_side.absent else weak_side.choice(WEAK_SIDES),
        weak_side_reason=root.reason("weak_side_reason") if weak_side.absent else None,
        regions=tuple(_region(root["asymmetry"]["regions"], name) for name in REGIONS),
        synkinesis_present=None if present.absent else present.flag(),
        synkinesis_reason=synkinesis.reason("present_reason") if present.absent else None,
        pairs=tuple(_pair(pair) for pair in synkinesis["pairs"].items()),
        severity=severity,
        severity_reason=grades.reason("severity_reason") if severity is None else None,
        house_brackmann=graded,
        house_brackmann_reason=grades.reason("house_brackmann_reason") if graded is None else None,
    )


def _parse(path: Path) -> Any:
    """The JSON of a file; raises InputError."""
    try:
        return read_json(path)
    except Unreadable as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); assess the video again") from error


def _models(node: _Node) -> dict[str, ModelCard]:
    if not isinstance(node.raw, dict) or not all(name and name.isprintable() for name in node.raw):
        node.fail("a table of models by name")
    return {name: _card(node[name]) for name in sorted(node.raw)}


def _card(node: _Node) -> ModelCard:
    name = node["name"].text(may_be_blank=False)
    return ModelCard(name=name, sha256=node["sha256"].text(), trained_on=node["trained_on"].text())


def _recording(video: _Node, quality: _Node) -> Recording:
    fps, duration = video["fps"], video["duration_s"]
    return Recording(
        width=video["width"].count(),
        height=video["height"].count(),
        frames=video["frames"].count(),
        fps=None if fps.absent else fps.number(),
        duration_s=None if duration.absent else duration.number(),
        mirrored=video["mirrored"].flag(),
        usable_frames=quality["usable_frames"].count(),
        keyframes=quality["keyframes"].count(),
    )


def _region(regions: _Node, name: str) -> RegionFinding:
    node = regions[name]
    if node.absent:
        return RegionFinding(name, None, None, regions.reason(f"{name}_reason"))
    return RegionFinding(name, node["weak_side"].choice(WEAK_SIDES), node["delta_am"].number(), None)


def _pair(node: _Node) -> Pair:
    return Pair(
        side=node["side"].choice(SIDES),
        response_au=node["response_au"].choice(ALL_AUS),
        trigger_side=node["trigger_side"].choice(SIDES),
        trigger_au=node["trigger_au"].choice(ALL_AUS),
        difference=node["difference"].number(0, 1),
        support=node["support"].count(),
    )


def _severity(node: _Node) -> Graded[str] | None:
    if node.absent:
        return None
    chances = tuple(node["probabilities"][label].number(0, 1) for label in SEVERITY_LABELS)
    return Graded(node["label"].choice(SEVERITY_LABELS), chances)


def _house_brackmann(node: _Node) -> Graded[int] | None:
    if node.absent:
        return None
    chances = tuple(chance.number(0, 1) for chance in node["probabilities"].items())
    if len(chances) != len(GRADES):
        node["probabilities"].fail(f"a list of {len(GRADES)} probabilities")
    return Graded(node["grade"].choice(GRADES), chances)
