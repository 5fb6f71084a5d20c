"""Numbers of the page, each taken from ``assessment.json`` and marked with the place where it stands there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from markupsafe import Markup

from palsy_cli.report.plots import percent
from palsy_cli.report.terms import ROMAN

#: How a value is written: as it is, with its sign, without it, as percent, as a Roman numeral, or how many entries.
Style = Literal["plain", "signed", "size", "percent", "roman", "count"]
_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
NOTHING = "–"


@dataclass(frozen=True)
class Told:
    """The content of ``assessment.json``: the page shows its values and no others."""

    data: dict[str, Any]

    def at(self, path: str) -> Any:
        """The value at a place such as ``clinic.measures[3].left``; raises LookupError where there is none."""
        value: Any = self.data
        for index, key in _STEP.findall(path):
            value = value[int(index)] if index else value[key]
        return value

    def __call__(self, path: str, places: int | None = None, style: Style = "plain", tag: str = "span") -> Markup:
        """One value as text within an element that names its place: ``data-path``, ``data-places``, ``data-as``.

        Args:
            path: where it stands in ``assessment.json``.
            places: decimals; ``None`` for text and whole numbers.
            style: how it is written.
            tag: the element; ``tspan`` within a picture.
        """
        marks = Markup(' data-path="{}"').format(path)
        marks += Markup("") if places is None else Markup(' data-places="{}"').format(places)
        marks += Markup("") if style == "plain" else Markup(' data-as="{}"').format(style)
        return Markup("<{0}{1}>{2}</{0}>").format(tag, marks, written(self.at(path), places, style))

    def tip(self, words: str, **paths: tuple[str, int]) -> Markup:
        """What a pointer shows over a shape: ``words`` with the values at (path, decimals) put in, in that order."""
        texts = {name: written(self.at(path), places) for name, (path, places) in paths.items()}
        places_ = ";".join(str(places) for _, places in paths.values())
        marks = Markup(' data-path="{}" data-places="{}"').format(";".join(p for p, _ in paths.values()), places_)
        return Markup("<title{}>{}</title>").format(marks if paths else Markup(""), words.format(**texts))


def written(value: Any, places: int | None = None, style: Style = "plain") -> str:
    """A value as a reader sees it; a dash where there is none, and a true minus sign."""
    if value is None:
        return NOTHING
    if style == "count":
        return str(len(value))
    if style == "roman":
        return ROMAN[int(value) - 1]
    if style == "percent":
        return percent(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    number = abs(value) if style == "size" else value
    text = str(number) if places is None else f"{round(number, places) + 0.0:.{places}f}"
    plus = "+" if style == "signed" and float(text) > 0 else ""
    return plus + text.replace("-", "−")
