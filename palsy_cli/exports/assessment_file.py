"""Read ``assessment.json``; whatever does not fit its schema is one line of error that names the place."""

from __future__ import annotations

from pathlib import Path

from palsy_cli.exports.findings import (
    GRADES,
    REGIONS,
    WEAK_SIDES,
    Findings,
    Graded,
    Pair,
    Recording,
    RegionFinding,
)
from palsy_cli.exports.nodes import Node, open_assessment
from palsy_cli.records import ALL_AUS, SEVERITY_LABELS, SIDES, ModelCard


def read_findings(path: Path) -> Findings:
    """Read one ``assessment.json``.

    Raises:
        InputError: the file cannot be read, is no JSON, has another schema version, lacks a key or holds a value
            outside its range.
    """
    return findings_of(open_assessment(path))


def findings_of(root: Node) -> Findings:
    """What an export may say of an opened ``assessment.json``; raises InputError as ``read_findings`` does."""
    run, synkinesis, grades = root["run"], root["synkinesis"], root["grades"]
    weak_side, present = root["weak_side"], synkinesis["present"]
    severity, graded = _severity(grades["severity"]), _house_brackmann(grades["house_brackmann"])
    return Findings(
        version=run["version"].text(may_be_blank=False),
        settings_sha256=run["settings_sha256"].text(),
        models={name: _card(card) for name, card in root["models"].table().items()},
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


def _card(node: Node) -> ModelCard:
    name = node["name"].text(may_be_blank=False)
    return ModelCard(name=name, sha256=node["sha256"].text(), trained_on=node["trained_on"].text())


def _recording(video: Node, quality: Node) -> Recording:
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


def _region(regions: Node, name: str) -> RegionFinding:
    node = regions[name]
    if node.absent:
        return RegionFinding(name, None, None, regions.reason(f"{name}_reason"))
    return RegionFinding(name, node["weak_side"].choice(WEAK_SIDES), node["delta_am"].number(), None)


def _pair(node: Node) -> Pair:
    return Pair(
        side=node["side"].choice(SIDES),
        response_au=node["response_au"].choice(ALL_AUS),
        trigger_side=node["trigger_side"].choice(SIDES),
        trigger_au=node["trigger_au"].choice(ALL_AUS),
        difference=node["difference"].number(0, 1),
        support=node["support"].count(),
    )


def _severity(node: Node) -> Graded[str] | None:
    if node.absent:
        return None
    chances = tuple(node["probabilities"][label].number(0, 1) for label in SEVERITY_LABELS)
    return Graded(node["label"].choice(SEVERITY_LABELS), chances)


def _house_brackmann(node: Node) -> Graded[int] | None:
    if node.absent:
        return None
    chances = tuple(chance.number(0, 1) for chance in node["probabilities"].items())
    if len(chances) != len(GRADES):
        node["probabilities"].fail(f"a list of {len(GRADES)} probabilities")
    return Graded(node["grade"].choice(GRADES), chances)
