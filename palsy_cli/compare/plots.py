"""The chart of changes, as SVG whose colours are those of the page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from palsy_cli.report.plots import label, path, scale, shape, svg

#: The chart ends at so many smallest detectable changes; what goes beyond is drawn at its edge as an arrow.
_EDGE = 4.0


@dataclass(frozen=True)
class Dot:
    """One change in smallest detectable changes.

    Attributes:
        at: below zero away from health, above it towards health; where neither is better, less and more.
        side: ``left``, ``right`` or blank.
        sided: whether it has a better direction.
        real: whether it exceeds what measuring can do.
    """

    at: float
    side: str
    sided: bool
    real: bool


@dataclass(frozen=True)
class Row:
    """One measure with its sides."""

    title: str
    dots: tuple[Dot, ...]


def change_chart(rows: Iterable[Row]) -> str:
    """Rows of dots beside a band within which measuring alone may change a value; empty text without rows."""
    drawn = list(rows)
    if not drawn:
        return ""
    row, start, width, top = 22.0, 262.0, 640.0, 22.0
    x = scale(-_EDGE, _EDGE, start, width - 14)
    bottom = top + row * len(drawn)
    body = [
        shape("rect", x=x(-1), y=top - 4, width=x(1) - x(-1), height=bottom - top + 8, **{"class": "band"}),
        shape("line", x1=x(0), x2=x(0), y1=top - 4, y2=bottom + 4, **{"class": "axis"}),
        _words(x(-_EDGE), 11, "← worse or less", "start"),
        _words(x(_EDGE), 11, "better or more →", "end"),
        _words(x(0), bottom + 18, "within measuring error", "middle"),
    ]
    for i, each in enumerate(drawn):
        y = top + (i + 0.5) * row
        body.append(_words(start - 12, y + 4, each.title, "end"))
        body.append(shape("line", x1=start, x2=width, y1=y, y2=y, **{"class": "rule"}))
        body += [_dot(x(max(-_EDGE, min(_EDGE, one.at))), y, one) for one in each.dots]
    title = f"Changes of {len(drawn)} measures from the first to the last visit, in smallest detectable changes"
    return svg(width, bottom + 24, title, body, css="changes")


def _words(x: float, y: float, text: str, anchor: str) -> str:
    return label(x, y, text, text_anchor=anchor, font_size=12, fill="currentColor")


def _dot(x: float, y: float, one: Dot) -> str:
    """Left is a circle, right a square, neither a diamond; hollow: no direction is better; pale: within the error."""
    css = " ".join(filter(None, ("dot", one.side, "" if one.sided else "hollow", "" if one.real else "pale")))
    if abs(one.at) > _EDGE:
        tip = 6.0 if one.at > 0 else -6.0
        return shape("path", d=path([(x + tip, y), (x - tip, y - 6), (x - tip, y + 6)], closed=True), **{"class": css})
    if one.side == "left":
        return shape("circle", cx=x, cy=y, r=5.0, **{"class": css})
    if one.side == "right":
        return shape("rect", x=x - 4.5, y=y - 4.5, width=9, height=9, **{"class": css})
    return shape("path", d=path([(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y)], closed=True), **{"class": css})
