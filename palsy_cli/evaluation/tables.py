"""Figures as tables: Markdown to read, CSV and JSON to go on with."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palsy_cli.evaluation.figures import Figure
from palsy_cli.files import atomic_write
from palsy_cli.text import markdown_cell

_HEAD = ("what", "figure", "ours", "95 %", "target", "met", "paper (other data)", "note")


@dataclass(frozen=True)
class Pages:
    """A table of figures as files: what it is called, its title, what was measured, on what."""

    name: str
    title: str
    figures: tuple[Figure, ...]
    about: dict[str, Any]

    def markdown(self) -> str:
        """The table, and what it rests on, as a page."""
        lines = [f"{key}: {value}" for key, value in self.about.items()]
        return to_markdown(self.figures, title=self.title, about=lines)

    def write(self, out: Path) -> None:
        """``<name>.md``, ``<name>.csv``, ``<name>.json``."""
        atomic_write(out / f"{self.name}.md", self.markdown(), private=False)
        atomic_write(out / f"{self.name}.csv", to_csv(self.figures), private=False)
        atomic_write(out / f"{self.name}.json", to_json(self.figures, about=self.about), private=False)


def to_markdown(figures: Sequence[Figure], *, title: str, about: Iterable[str]) -> str:
    """A page: title, a line each of how it was measured, the table."""
    lines = [f"# {title}", "", *(f"- {line}" for line in about), "", _row(_HEAD), _row(["---"] * len(_HEAD))]
    return "\n".join([*lines, *(_row(cells(figure)) for figure in figures)]) + "\n"


def cells(figure: Figure) -> list[str]:
    """One figure as the texts of its row."""
    interval = "" if figure.interval is None else f"{figure.interval[0]:.3g} to {figure.interval[1]:.3g}"
    reached = meets(figure)
    return [
        figure.group,
        figure.name,
        "not measured" if figure.value is None else f"{figure.value:.3g}",
        interval,
        figure.target,
        "" if reached is None else ("yes" if reached else "no"),
        figure.published,
        figure.note,
    ]


def meets(figure: Figure) -> bool | None:
    """Whether a figure reaches its target (``>= x`` or ``<= x``); ``None`` without one or without a value."""
    if figure.value is None or not figure.target:
        return None
    relation, limit = figure.target.split()
    return figure.value >= float(limit) if relation == ">=" else figure.value <= float(limit)


def to_csv(figures: Sequence[Figure]) -> str:
    """The same rows, numbers unrounded."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("group", "figure", "value", "low", "high", "target", "met", "published", "note"))
    for figure in figures:
        low, high = figure.interval or ("", "")
        value = "" if figure.value is None else figure.value
        reached = meets(figure)
        met = "" if reached is None else int(reached)
        writer.writerow(
            (figure.group, figure.name, value, low, high, figure.target, met, figure.published, figure.note)
        )
    return stream.getvalue()


def to_json(figures: Sequence[Figure], *, about: dict[str, Any]) -> str:
    """The same as JSON, with what it rests on."""
    rows = [{**dataclasses.asdict(figure), "met": meets(figure)} for figure in figures]
    return json.dumps({"schema_version": "1.0", **about, "figures": rows}, indent=2, allow_nan=False) + "\n"


def _row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(map(markdown_cell, texts)) + " |"
