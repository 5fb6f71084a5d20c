"""``comparison.json`` and ``comparison.csv``: everything that a comparison tells, as plain values.

A value is a number; ``[low, high]`` where a scale is a range; ``null`` beside a reason where a visit has none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import palsy_cli
from palsy_cli.compare import Comparison
from palsy_cli.compare.change import VERDICTS, Change, Span
from palsy_cli.compare.lines import Line
from palsy_cli.compare.scale import CommonScale
from palsy_cli.compare.visits import Visit
from palsy_cli.report.csv_report import to_csv
from palsy_cli.report.json_report import number
from palsy_cli.report.terms import TASK_NAMES

SCHEMA_VERSION = "1.0"
#: Verdicts that say that something happened.
REAL = ("better", "worse", "changed")


def comparison_dict(comparison: Comparison) -> dict[str, Any]:
    """The content of ``comparison.json``; the same visits give the same."""
    lines = [line_dict(line) for line in comparison.lines]
    counts = Counter(line["verdict"] for line in lines)
    return {
        "schema_version": SCHEMA_VERSION,
        "forced": list(comparison.forced),
        "warnings": list(comparison.warnings),
        "visits": [visit_dict(visit) for visit in comparison.visits],
        "weak_side": comparison.weak_side,
        "same_scale": comparison.scale.mm is not None,
        "scale": scale_dict(comparison.scale),
        "summary": {verdict: counts[verdict] for verdict in VERDICTS},
        "main_changes": main_changes(lines),
        "lines": lines,
        "run": {"version": palsy_cli.__version__},
    }


def visit_dict(visit: Visit) -> dict[str, Any]:
    """One visit: which recording, how it was measured, its own scale."""
    findings = visit.findings
    return {
        "name": visit.name,
        "date": visit.date.isoformat() if visit.date else None,
        "video": {"name": visit.video, "sha256": visit.video_sha256, "mirrored": findings.recording.mirrored},
        "quality": {
            "frames": findings.recording.frames,
            "usable_frames": findings.recording.usable_frames,
            "keyframes": findings.recording.keyframes,
        },
        "weak_side": findings.weak_side,
        "weak_side_reason": findings.weak_side_reason,
        "scale": {
            "mm_per_eye_distance": number(visit.scale.mm),
            "error_mm": number(visit.scale.error_mm),
            "source": visit.scale.source,
            "reason": visit.scale.reason,
        },
        "models": {
            role: {"name": card.name, "sha256": card.sha256, "trained_on": card.trained_on}
            for role, card in findings.models.items()
        },
        "run": {
            "version": findings.version,
            "profile": visit.profile,
            "settings_sha256": findings.settings_sha256,
        },
    }


def scale_dict(scale: CommonScale) -> dict[str, Any]:
    """The scale of all lengths."""
    return {
        "mm_per_eye_distance": number(scale.mm),
        "error_mm": number(scale.error_mm) if scale.mm is not None else None,
        "own_scales_differ_by": number(scale.apart) if scale.mm is not None else None,
        "reason": scale.reason,
    }


def line_dict(line: Line) -> dict[str, Any]:
    """One measure at every visit, its change from the first to the last and from each to the next."""
    what, whole = line.what, line.change()
    return {
        "section": what.section,
        "measure": what.measure,
        "title": what.title,
        "task": what.task or None,
        "side": what.side or None,
        "unit": what.unit,
        "better": what.aim,
        "values": [span(value) for value in line.values],
        "reasons": list(line.reasons),
        "flagged": list(line.flagged) or None,
        "standard_errors": [number(error) for error in line.errors],
        "standard_error_source": line.precision.source if line.precision else None,
        **change_dict(whole),
        "steps": [change_dict(line.change(i, i + 1)) for i in range(len(line.values) - 1)],
    }


def change_dict(change: Change | None) -> dict[str, Any]:
    """A change and its verdict."""
    return {
        "change": span(change.value) if change else None,
        "smallest_detectable_change": number(change.smallest) if change else None,
        "verdict": change.verdict if change else "not assessed",
    }


def span(value: Span | None) -> float | list[float | None] | None:
    """A number, or the ends of a range."""
    if value is None:
        return None
    return [number(value.low), number(value.high)] if value.is_range else number(value.low)


def main_changes(lines: list[dict[str, Any]]) -> list[int]:
    """Positions of the lines that changed, grades first, then by how far each exceeds what measuring can do."""

    def rank(position: int) -> tuple[bool, float]:
        line = lines[position]
        ends = line["change"] if isinstance(line["change"], list) else [line["change"]]
        sure = min(abs(end) for end in ends)
        return line["section"] != "grades", -sure / (line["smallest_detectable_change"] or 1e-9)

    return sorted((i for i, line in enumerate(lines) if line["verdict"] in REAL), key=rank)


def comparison_csv(told: dict[str, Any]) -> str:
    """``comparison.csv`` of a ``comparison_dict``: a row for every line, two where a value is a range."""
    names = [visit["name"] for visit in told["visits"]]
    header = ("section", "measure", "task", "side", "unit", "bound", *names)
    return to_csv((*header, "change", "smallest_detectable_change", "verdict"), _rows(told["lines"]))


def _rows(lines: list[dict[str, Any]]) -> Iterator[list[object]]:
    for line in lines:
        numbers = [*line["values"], line["change"]]
        ranged = any(isinstance(each, list) for each in numbers)
        for position, bound in enumerate(("low", "high") if ranged else ("",)):
            cells = [each[position] if isinstance(each, list) else each for each in numbers]
            words = [line[key] or "" for key in ("section", "measure", "task", "side", "unit")]
            rest = [*cells, line["smallest_detectable_change"]]
            yield [*words, bound, *("" if cell is None else cell for cell in rest), line["verdict"]]


def main_rows(told: dict[str, Any], *, most: int = 20) -> list[tuple[str, str, str, str, str, str]]:
    """The main changes as rows of text: measure, side, change, smallest detectable change, unit, verdict.

    The grades always; of other lines the first that changed.
    """
    lines = told["lines"]
    grades = [i for i, line in enumerate(lines) if line["section"] == "grades"]
    shown = [lines[i] for i in dict.fromkeys([*grades, *told["main_changes"]])][:most]
    return [(_name(line), line["side"] or "", *_texts(line), line["unit"], line["verdict"]) for line in shown]


def _name(line: dict[str, Any]) -> str:
    """Title, and the movement where there is one."""
    moved = line["section"] == "movements"
    return f"{line['title']}, {TASK_NAMES[line['task']].lower()}" if moved else str(line["title"])


def _texts(line: dict[str, Any]) -> tuple[str, str]:
    """Change and smallest detectable change."""
    ends = line["change"] if isinstance(line["change"], list) else [line["change"]]
    change = " to ".join("" if end is None else f"{end:+.2f}" for end in ends)
    smallest = line["smallest_detectable_change"]
    return change, "" if smallest is None else f"{smallest:.2f}"
