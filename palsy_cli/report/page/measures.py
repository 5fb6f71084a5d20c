"""Tables of the clinic: the measures in each movement, and the scales by rule with their items."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.report.page.explained import measure_words
from palsy_cli.report.page.told import NOTHING, Style, Told
from palsy_cli.report.terms import SCALE_NAMES, TASK_NAMES

#: Decimals of a measure by its unit; a share is told as percent.
UNIT_PLACES: dict[str, int] = {
    "mm": 1,
    "eye distances": 3,
    "mm²": 0,
    "eye distances²": 4,
    "mm/s": 0,
    "eye distances/s": 2,
    "degrees": 0,
    "s": 2,
    "AU steps": 1,
    "per minute": 0,
}


def groups(told: Told) -> dict[str, Any]:
    """The measures at rest and in each movement that was seen, and which were not."""
    found: dict[str, list[dict[str, Any]]] = {}
    for index, one in enumerate(told.at("clinic.measures")):
        found.setdefault(one["task"], []).append(_row(told, one, f"clinic.measures[{index}]"))
    made = {"rest", *(one["task"] for one in told.at("clinic.movements"))}
    others = [
        Markup("{} {}").format(task_name(one["task"]).lower(), _times(told, index))
        for index, one in enumerate(told.at("clinic.movements"))
        if one["task"] not in found
    ]
    return {
        "groups": [(task_name(task), _all_times(told, task), rows) for task, rows in found.items() if task in made],
        "not_made": [task_name(task).lower() for task in found if task not in made],
        "others": others,
    }


def task_name(task: str | None) -> str:
    """A movement as a heading says it."""
    return "Another movement" if task is None else TASK_NAMES.get(task, task.replace("_", " ").capitalize())


def _all_times(told: Told, task: str) -> Markup:
    """When a movement was made, each time that it was."""
    times = [_times(told, i) for i, one in enumerate(told.at("clinic.movements")) if one["task"] == task]
    return Markup(", ").join(times)


def _times(told: Told, index: int) -> Markup:
    """From when to when a movement lasted; blank for pictures."""
    if told.at("video.fps") is None:
        return Markup("")
    place = f"clinic.movements[{index}]"
    return Markup("{}–{} s").format(told(f"{place}.onset_s", 1), told(f"{place}.offset_s", 1))


def _row(told: Told, one: dict[str, Any], path: str) -> dict[str, Any]:
    """A line of the table: both sides or the midline, the unit, and how the sides compare."""
    unit, percent = one["unit"], one["unit"] == "share"
    places: int | None = None if percent else UNIT_PLACES.get(unit, 2)
    style: Style = "percent" if percent else "plain"
    left, right = (
        told(f"{path}.{side}", places, style) + interval(told, f"{path}.{side}_interval", places, style)
        for side in ("left", "right")
    )
    return {
        "name": one["name"],
        "title": DEFINITIONS[one["name"]].title if one["name"] in DEFINITIONS else one["name"].replace("_", " "),
        "how": measure_words(one["name"]),
        "left": left,
        "right": right,
        "middle": None if one["middle"] is None else _middle(told, one, path, places),
        "unit": "" if percent else unit,
        "frames": told(f"{path}.frames"),
        "ratio": None if one["ratio"] is None else told(f"{path}.ratio", None, "percent"),
        "reason": told(f"{path}.reason") if one["reason"] else None,
    }


def _middle(told: Told, one: dict[str, Any], path: str, places: int | None) -> Markup:
    """A value of both sides together; a length of the midline with the side to which it lies."""
    if one["unit"] == "per minute":
        return told(f"{path}.middle", places)
    aside, ends = "left" if one["middle"] > 0 else "right", one["middle_interval"]
    known = Markup("")
    if ends is not None:
        style: Style = "size" if ends[0] * ends[1] > 0 else "signed"
        known = interval(told, f"{path}.middle_interval", places, style)
    return told(f"{path}.middle", places, "size") + f" to the {aside}" + known


def interval(told: Told, path: str, places: int | None, style: Style = "plain") -> Markup:
    """The 95 % interval at a place in small type, sizes from the smaller to the larger; nothing where there is none."""
    known = told.at(path)
    if known is None:
        return Markup("")
    order = sorted((0, 1), key=lambda end: abs(known[end])) if style == "size" else (0, 1)
    ends = (told(f"{path}[{end}]", places, style) for end in order)
    return Markup(' <small class="interval">{}</small>').format(Markup(" to ").join(ends))


def scale_words(told: Told) -> Markup:
    """Where millimetres come from, and how sure they are."""
    scale = told.at("clinic.scale")
    if scale["mm_per_eye_distance"] is None:
        return Markup("No millimetres: {}. Lengths are in eye distances at rest.").format(scale["reason"] or NOTHING)
    irises = "iris" if scale["irises"] == 1 else "irises"
    sources = {
        "ipd": "the distance of the pupils that was given",
        "mm-per-px": "the millimetres in a pixel that were given",
        "iris": Markup("{} {} at rest").format(told("clinic.scale.irises"), irises),
    }
    error = Markup(" ± {}").format(told("clinic.scale.error_mm", 1)) if scale["error_mm"] else ""
    share = Markup(" Every length may be {} off as a whole.").format(told("clinic.scale.error_share", None, "percent"))
    return Markup("Scale: {}{} mm between the eyes, from {}.{}").format(
        told("clinic.scale.mm_per_eye_distance", 1), error, sources[scale["source"]], share if scale["error_mm"] else ""
    )


def scale_total(told: Told, name: str) -> Markup | str:
    """The total of a scale, a range where it is one."""
    low, high = (told.at(f"scales.{name}.{end}") for end in ("low", "high"))
    if low is None:
        return "Not assessed"
    ends = [told(f"scales.{name}.{end}", 0, _style(name)) for end in (("low",) if low == high else ("low", "high"))]
    return Markup(" to ").join(ends)


def _style(name: str) -> Style:
    return "roman" if name == "house_brackmann" else "plain"


def scale_name(name: str) -> str:
    """A scale as a heading says it."""
    return SCALE_NAMES.get(name, name.replace("_", " ").capitalize())


def scales(told: Told) -> list[dict[str, Any]]:
    """Scales by rule: total in words, what it rests on, and the items."""
    found = []
    for name, score in told.at("scales").items():
        place = f"scales.{name}"
        items = [
            (item.replace("_", " "), told(f"{place}.items.{item}.value", _item_places(value["value"])),
             told(f"{place}.items.{item}.basis"), value["by_hand"])
            for item, value in score["items"].items()
        ]  # fmt: skip
        found.append(
            {
                "name": scale_name(name),
                "total": scale_total(told, name),
                "interval": interval(told, f"{place}.interval", 0, _style(name)),
                "reason": told(f"{place}.reason") if score["reason"] else None,
                "items": items,
            }
        )
    return found


def _item_places(value: float | None) -> int:
    """Items are whole numbers, or shares."""
    return 0 if value is None or float(value).is_integer() else 2
