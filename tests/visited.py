"""Visits of a made-up patient, as ``palsy assess`` writes them, and what may differ between them."""

from __future__ import annotations

import copy
import dataclasses
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from factories import make_assessment

from palsy_cli.compare import Comparison, compare
from palsy_cli.compare.document import comparison_dict
from palsy_cli.records import Scale
from palsy_cli.report.json_report import assessment_json

Json = dict[str, Any]
OTHER = {"left": "right", "right": "left"}


@lru_cache
def _text(left_strength: float, mm: float | None) -> str:
    made = make_assessment(left_strength=left_strength)
    if mm is not None:
        made = dataclasses.replace(made, clinic=dataclasses.replace(made.clinic, scale=Scale(mm, 0.5, "ipd")))
    return assessment_json(made)


def visit(*, left_strength: float = 0.5, mm: float | None = 62.0) -> Json:
    """The content of an ``assessment.json``: a left-sided palsy with synkinesis; of its own, to be changed."""
    return json.loads(_text(left_strength, mm))


def write(folder: Path, *visits: Json) -> list[Path]:
    """Each visit in a folder of its own, the recordings of which differ."""
    places = []
    for i, data in enumerate(visits, start=1):
        data = copy.deepcopy(data)
        if data["video"]["sha256"] == "ab" * 32:
            data["video"]["sha256"] = f"{i:064x}"
        places.append(folder / f"v{i}")
        places[-1].mkdir(parents=True, exist_ok=True)
        (places[-1] / "assessment.json").write_text(json.dumps(data), encoding="utf-8")
    return places


def compared(folder: Path, *visits: Json, **options: Any) -> Comparison:
    """Written and compared."""
    return compare(write(folder, *visits), **options)


def lines(comparison: Comparison) -> dict[tuple[str, str, str | None, str | None], Json]:
    """Lines of ``comparison.json`` by section, measure, task and side."""
    told = comparison_dict(comparison)["lines"]
    return {(line["section"], line["measure"], line["task"], line["side"]): line for line in told}


def measure(data: Json, name: str, task: str) -> Json:
    """One of the clinic's measures, to be changed."""
    return next(one for one in data["clinic"]["measures"] if (one["name"], one["task"]) == (name, task))


def made(data: Json) -> list[Json]:
    """The measures of movements that have values on both sides."""
    return [one for one in data["clinic"]["measures"] if one["task"] != "rest" and one["left"] is not None]


def flipped(data: Json) -> Json:
    """The same face seen in a mirror: left and right exchanged."""
    data = copy.deepcopy(data)
    data["weak_side"] = OTHER.get(data["weak_side"], data["weak_side"])
    for unit in data["asymmetry"]["action_units"]:
        unit["am_left"], unit["am_right"] = unit["am_right"], unit["am_left"]
    for region in data["asymmetry"]["regions"].values():
        if isinstance(region, dict):
            region["delta_am"] = -region["delta_am"]
            region["weak_side"] = OTHER.get(region["weak_side"], region["weak_side"])
    for pair in data["synkinesis"]["pairs"]:
        pair["side"], pair["trigger_side"] = OTHER[pair["side"]], OTHER[pair["trigger_side"]]
    tables = data["synkinesis"]["matrices"]
    data["synkinesis"]["matrices"] = {
        f"{a}_given_{b}": tables[f"{OTHER[a]}_given_{OTHER[b]}"] for a in OTHER for b in OTHER
    }
    support = data["synkinesis"]["support"]
    support["trigger_left"], support["trigger_right"] = support["trigger_right"], support["trigger_left"]
    for one in data["clinic"]["measures"]:
        one["left"], one["right"] = one["right"], one["left"]
        one["middle"] = None if one["middle"] is None else -one["middle"]
    return data
