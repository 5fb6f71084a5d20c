"""Figures as SVG text, written by hand: crisp at any size, small, the same bytes every time, no script and no font.

Each function returns one ``<svg>`` with a title for screen readers. Blue is the patient's left, orange the right; shape
and dash tell them apart too, so that a black-and-white print can be read. Colours are variables that the page sets for
light, dark and print (``--left``, ``--right``, ``--ink`` ...). Numbers at axes are of class ``axis``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import groupby

import numpy as np

from palsy_cli.records import Side

INK, MUTED, LINE, SOFT, PAPER = "var(--ink)", "var(--muted)", "var(--line)", "var(--soft)", "var(--paper)"
SIDE_COLOURS: dict[Side, str] = {"left": "var(--left)", "right": "var(--right)"}


def svg(width: float, height: float, title: str, body: Iterable[str], *, css: str = "") -> str:
    """Wrap shapes into one accessible picture of ``width`` x ``height`` user units."""
    name = escape(title, quote=True)
    style = f' class="{css}"' if css else ""
    return (
        f'<svg{style} viewBox="0 0 {num(width)} {num(height)}" width="{num(width)}" role="img" aria-label="{name}">'
        f"<title>{name}</title>{''.join(body)}</svg>"
    )


def shape(name: str, content: str = "", /, **attributes: float | str) -> str:
    """One element; underscores in names become dashes, numbers get two decimals at most. ``content`` is markup."""
    pairs = "".join(
        f' {key.replace("_", "-")}="{value if isinstance(value, str) else num(value)}"'
        for key, value in attributes.items()
    )
    return f"<{name}{pairs}>{content}</{name}>" if content else f"<{name}{pairs}/>"


def label(x: float, y: float, words: str, /, **attributes: float | str) -> str:
    """Text at a point; size 10 and muted unless told otherwise."""
    defaults: dict[str, float | str] = {"font_size": 10, "fill": MUTED}
    return shape("text", escape(words), x=x, y=y, **(defaults | attributes))


def at_axis(x: float, y: float, words: str, /, **attributes: float | str) -> str:
    """A number at an axis: part of the drawing, not a result."""
    return label(x, y, words, **({"class": "axis"} | attributes))


def num(value: float) -> str:
    """A short number: two decimals at most, no trailing zeros."""
    return f"{round(float(value), 2) + 0.0:.2f}".rstrip("0").rstrip(".")


def path(points: Iterable[Sequence[float]], *, closed: bool = False) -> str:
    """The ``d`` of a line through points."""
    return "M" + "L".join(f"{num(p[0])} {num(p[1])}" for p in points) + ("Z" if closed else "")


def ticks(low: float, high: float, *, wanted: int = 5) -> list[float]:
    """Round positions between two values, about ``wanted`` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """Map ``low..high`` to ``start..end``; everything to the middle when the range is empty."""
    if not high > low:
        return lambda _: (start + end) / 2
    return lambda value: start + (value - low) / (high - low) * (end - start)


def probability_bars(names: Sequence[str], chances: Sequence[float], texts: Sequence[str], *, title: str) -> str:
    """Horizontal bars of probabilities, ``texts`` (markup) beside them; the largest is dark."""
    row, start, width = 21, 64, 300
    best = int(np.argmax(chances))
    body = []
    for index, (name, chance, text) in enumerate(zip(names, chances, texts, strict=True)):
        y = index * row
        colour, weight = (INK, "600") if index == best else (MUTED, "400")
        body += [
            label(start - 8, y + 14, name, text_anchor="end", font_size=12, fill=colour, font_weight=weight),
            shape("rect", x=start, y=y + 4, width=180, height=13, rx=2, fill=SOFT),
            shape("rect", x=start, y=y + 4, width=max(1.0, 180 * chance), height=13, rx=2, fill=colour),
            shape("text", text, x=start + 188, y=y + 14, font_size=12, fill=colour, font_weight=weight),
        ]
    return svg(width, row * len(names) + 2, title, body)


def percent(share: float) -> str:
    """A share 0..1 as whole percent; ``<1 %`` rather than a false zero."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def pair_bars(left: float, right: float, *, title: str) -> str:
    """Two bars on the scale 0..5: the left above the right."""
    body = [shape("line", x1=64 * k, x2=64 * k, y1=0, y2=22, stroke=LINE) for k in range(6)]
    body += [
        shape("rect", x=0, y=2, width=64 * left, height=8, fill=SIDE_COLOURS["left"]),
        shape("rect", x=0, y=12, width=64 * right, height=8, fill=SIDE_COLOURS["right"]),
    ]
    return svg(321, 22, title, body, css="bars")


def symmetry_bar(share: float, colour: str, *, title: str, normal: float | None = None) -> str:
    """What one side reaches of the other, 0..1, as a part of a full bar; a line where healthy variation begins."""
    width = 150
    body = [
        shape("rect", x=0, y=3, width=width, height=10, rx=2, fill=SOFT),
        shape("rect", x=0, y=3, width=max(2.0, width * min(1.0, share)), height=10, rx=2, fill=colour),
    ]
    if normal is not None:
        body.append(shape("line", x1=width * normal, x2=width * normal, y1=0, y2=16, stroke=INK, stroke_width=1.4))
    return svg(width, 16, title, body, css="symmetry")


def sparkline(
    values: Sequence[float | None],
    span: tuple[float, float],
    *,
    title: str,
    at: Sequence[float] | None = None,
    width: float = 200.0,
) -> str:
    """Values over sessions, at equal distances or where ``at`` places them; where one is missing the line breaks.

    A span around zero is one of sides: zero is a line, and dots below it (left moves less) have the colour of the left.
    Colours are those of the page's classes ``axis``, ``line`` and ``dot``.
    """
    height = 34.0
    places = list(at or range(len(values)))
    x, y = scale(places[0], max(places[-1], places[0] + 1), 5, width - 5), scale(*span, height - 5, 5)
    sided = span[0] < 0
    level = y(0.0) if sided else height - 1
    body = [shape("line", x1=0, x2=width, y1=level, y2=level, **{"class": "axis"})]
    points = [None if v is None else (x(place), y(v)) for place, v in zip(places, values, strict=True)]
    for known, run in groupby(points, key=lambda point: point is not None):
        if known:
            body.append(shape("path", d=path(point for point in run if point), **{"class": "line"}))
    for point, value in zip(points, values, strict=True):
        if point is not None and value is not None:
            css = ("left" if value < 0 else "right" if value > 0 else "") if sided else ""
            body.append(shape("circle", cx=point[0], cy=point[1], r=2.6, **{"class": f"dot {css}".strip()}))
    return svg(width, height, title, body, css="course")
