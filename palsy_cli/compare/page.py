"""``comparison.html``: one page that opens offline, runs no script and fetches nothing.

It is made from the content of ``comparison.json`` alone, and every number in it names its place there (``data-path``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from markupsafe import Markup

from palsy_cli.compare.document import REAL
from palsy_cli.compare.plots import Dot, Row, change_chart
from palsy_cli.records import SEVERITY_LABELS
from palsy_cli.report import templating
from palsy_cli.report.page.measures import UNIT_PLACES
from palsy_cli.report.plots import sparkline
from palsy_cli.report.terms import LEFT_COLOUR, NOTICE, RIGHT_COLOUR, ROMAN, TASK_NAMES

#: Decimals of a value by its unit.
_PLACES: dict[str, int] = dict(UNIT_PLACES) | {"%": 0, "AU steps": 2, "share": 2, "grade": 0, "class": 0, "points": 0}
#: What a verdict is called.
VERDICT_WORDS: dict[str, str] = {
    "better": "better",
    "worse": "worse",
    "changed": "changed",
    "within": "within measuring error",
    "unknown": "not known whether real",
    "not assessed": "not assessed",
}
_SIDE_WORDS = {"left": "left", "right": "right", "difference": "left − right", None: ""}
#: Sections of the chart; speeds and delays are left to the table.
_DRAWN = ("grades", "regions", "movements")
_TABLES = (
    ("grades", "Grades and scales", "Of the networks, and by rule from measured lengths. A range stands where an item "
     "cannot be seen."),
    ("movements", "Movements", "What each side did, from the rest of the same visit to the peak of the movement."),
    ("rest", "The face at rest", "Each visit beside the rest of the first; left − right tells how even the face is."),
    ("regions", "Asymmetry of regions", "Active means of the left minus those of the right, summed over the region’s "
     "units: below zero, the left moves less."),
    ("action units", "Strength of each side", "Mean intensity, 0 to 5, where a unit is active on either side."),
    ("synkinesis", "Synkinesis", "How much oftener the response goes with the trigger on this side than on the other, "
     "0 to 1: every pair that a visit names."),
)  # fmt: skip


def render_comparison(told: dict[str, Any]) -> str:
    """The page as text.

    Args:
        told: the content of ``comparison.json``.
    """
    lines = list(enumerate(told["lines"]))
    return templating.render(
        "comparison.html.j2",
        {},
        notice=NOTICE,
        left_colour=LEFT_COLOUR,
        right_colour=RIGHT_COLOUR,
        c=told,
        several=len(told["visits"]) > 2,
        num=num,
        tiles=[tile(i, line) for i, line in lines if line["section"] == "grades"],
        counts=[(verdict, VERDICT_WORDS[verdict], count) for verdict, count in told["summary"].items()],
        main=[view(told, i) for i in told["main_changes"]],
        chart=Markup(change_chart(chart_rows(told))),
        tables=[(title, note, groups(told, section)) for section, title, note in _TABLES],
        unseen=unseen(told),
        trained_on=trained_on(told),
    )


def num(path: str, value: float, form: str = "fixed", places: int = 0) -> Markup:
    """One number of the JSON as an element that says where it is from, and how it is written."""
    return Markup('<span data-path="{}" data-form="{}" data-places="{}">{}</span>').format(
        path, form, places, written(value, form, places)
    )


def written(value: float, form: str, places: int) -> str:
    """A number as text: ``fixed`` or ``signed`` decimals, a ``roman`` grade, a ``severity``."""
    if form == "roman":
        return ROMAN[int(value) - 1]
    if form == "severity":
        return SEVERITY_LABELS[int(value)]
    rounded = round(value, places) + 0.0
    text = f"{rounded:{'+' if form == 'signed' and rounded else ''}.{places}f}"
    return text.replace("-", "−")


def cell(path: str, value: Any, line: dict[str, Any], *, form: str = "fixed", more: int = 0) -> Markup:
    """A value of a line: a number, both ends of a range, or an en dash; ``more`` decimals than usual."""
    if value is None:
        return Markup("–")
    places = _PLACES[line["unit"]] + more
    if isinstance(value, list):
        ends = [num(f"{path}[{i}]", end, form, places) for i, end in enumerate(value)]
        return Markup(" to ").join(ends)
    return num(path, value, form, places)


def value_form(line: dict[str, Any]) -> str:
    """How the values of a line are written; changes of them are plain numbers."""
    forms = {"grade": "roman", "class": "severity"}
    signed = line["better"] == "zero"
    return forms.get(line["unit"], "signed" if signed else "fixed")


def view(told: dict[str, Any], position: int) -> dict[str, Any]:
    """One line as a row of a table."""
    line = told["lines"][position]
    path = f"lines[{position}]"
    last = len(line["steps"]) - 1
    finer = int(_PLACES[line["unit"]] < 2)  # so that a change and what is detectable do not look alike
    of_change = 0 if line["unit"] in ("grade", "class", "points") else finer
    values = [cell(f"{path}.values[{i}]", v, line, form=value_form(line)) for i, v in enumerate(line["values"])]
    step = line["steps"][last]
    return {
        "title": line["title"],
        "task": TASK_NAMES[line["task"]] if line["section"] in ("rest", "movements") else "",
        "side": _SIDE_WORDS[line["side"]],
        "css": line["side"] if line["side"] in ("left", "right") else "",
        "unit": line["unit"],
        "values": list(zip(values, line["flagged"] or [False] * len(values), strict=True)),
        "reasons": [reason for reason in line["reasons"] if reason],
        "change": cell(f"{path}.change", line["change"], line, form="signed", more=of_change),
        "smallest": cell(f"{path}.smallest_detectable_change", line["smallest_detectable_change"], line, more=finer),
        "verdict": line["verdict"],
        "verdict_words": VERDICT_WORDS[line["verdict"]],
        "step": cell(f"{path}.steps[{last}].change", step["change"], line, form="signed", more=of_change),
        "step_real": step["verdict"] in REAL,
        "trend": trend(told, line) if len(line["values"]) > 2 else None,
    }


def trend(told: dict[str, Any], line: dict[str, Any]) -> Markup:
    """The values of a line over the visits, ranges at their middles."""
    values = [sum(v) / 2 if isinstance(v, list) else v for v in line["values"]]
    known = [v for v in values if v is not None] or [0.0]
    words = (written(v, value_form(line), _PLACES[line["unit"]]) if v is not None else "not assessed" for v in values)
    title = f"{line['title']}: {', '.join(words)}"
    if line["better"] == "zero":
        most = max(map(abs, known)) or 1.0
        span = (-most, most)
    else:  # from zero, or from the lowest below it
        low = min(0.0, *known)
        values = [v if v is None else v - low for v in values]
        span = (0.0, max(known) - low or 1.0)
    days = [visit["date"] for visit in told["visits"]]
    places = [float(date.fromisoformat(day).toordinal()) for day in days] if all(days) else None
    return Markup(sparkline(values, span, title=title, at=places, width=120.0))


def tile(position: int, line: dict[str, Any]) -> dict[str, Any]:
    """A grade or scale as a card: first and last value, and the verdict."""
    path, form, last = f"lines[{position}]", value_form(line), len(line["values"]) - 1
    ends = [(f"{path}.values[{i}]", line["values"][i]) for i in (0, last)]
    return {
        "title": line["title"],
        "first": cell(*ends[0], line, form=form),
        "last": cell(*ends[1], line, form=form),
        "known": any(value is not None for _, value in ends),
        "verdict": line["verdict"],
        "verdict_words": VERDICT_WORDS[line["verdict"]],
        "reason": next(filter(None, line["reasons"]), None),
    }


def groups(told: dict[str, Any], section: str) -> list[tuple[str, list[dict[str, Any]]]]:
    """The rows of a section that some visit has a value for, by movement."""
    found: dict[str, list[dict[str, Any]]] = {}
    for i, line in enumerate(told["lines"]):
        if line["section"] == section and any(value is not None for value in line["values"]):
            row = view(told, i)
            found.setdefault(row["task"] if section == "movements" else "", []).append(row)
    return list(found.items())


def unseen(told: dict[str, Any]) -> list[tuple[str, str]]:
    """What no visit has a value for, once for both sides, with the first visit's reason."""
    found = {}
    for line in told["lines"]:
        if all(value is None for value in line["values"]):
            task = f" ({TASK_NAMES[line['task']].lower()})" if line["section"] == "movements" else ""
            found[line["title"] + task] = line["reasons"][0]
    return list(found.items())


def trained_on(told: dict[str, Any]) -> list[str]:
    """What the weights of all visits saw, each once."""
    models = (card for visit in told["visits"] for card in visit["models"].values())
    return list(dict.fromkeys(card["trained_on"] for card in models))


def chart_rows(told: dict[str, Any]) -> Iterator[Row]:
    """Changes in units of what measuring can do, both sides of a measure in one row; grades, regions and movements."""
    rows: dict[tuple[str, str | None], list[Dot]] = {}
    tasks: dict[str, set[str]] = {}
    for line in told["lines"]:
        drawn = line["section"] in _DRAWN and not line["measure"].endswith(("_speed", "_delay"))
        if drawn and line["smallest_detectable_change"]:
            rows.setdefault((line["title"], line["task"]), []).append(dot(line))
            tasks.setdefault(line["title"], set()).add(line["task"])
    for (title, task), dots in rows.items():
        told_apart = task is not None and len(tasks[title]) > 1
        yield Row(f"{title}, {TASK_NAMES[task or 'rest'].lower()}" if told_apart else title, tuple(dots))


def dot(line: dict[str, Any]) -> Dot:
    """A change over the smallest detectable one, towards health above zero where that can be said."""
    if line["better"] == "zero":
        change = abs(line["values"][0]) - abs(line["values"][-1])
    else:
        change = _certain(line["change"]) * (-1.0 if line["better"] == "less" else 1.0)
    return Dot(
        change / line["smallest_detectable_change"],
        side=line["side"] if line["side"] in ("left", "right") else "",
        sided=line["better"] != "neither",
        real=line["verdict"] in REAL,
    )


def _certain(change: float | list[float]) -> float:
    """A change, or what a range of changes leaves certain: its end nearest to zero, which it may hold."""
    low, high = change if isinstance(change, list) else (change, change)
    return max(low, min(high, 0.0))
