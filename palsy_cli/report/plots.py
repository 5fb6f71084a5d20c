"""Figures as SVG text, written by hand: crisp at any size, small, the same bytes every time, no script and no font.

Each function returns one ``<svg>`` with a title for screen readers. Blue is the patient's left, orange the right; shape
and dash tell them apart too, so that a black-and-white print can be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

import numpy as np

from palsy_cli.records import FloatArray
from palsy_cli.report.terms import LEFT_COLOUR, RIGHT_COLOUR
from palsy_cli.stages.cooccurrence import BoolArray, IntArray

INK, MUTED, LINE, SOFT = "#1b2430", "#5b6672", "#d5dbe1", "#eef1f4"


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


def probability_bars(names: Sequence[str], chances: Sequence[float], *, title: str) -> str:
    """Horizontal bars of probabilities; the largest is dark."""
    row, start, width = 21, 64, 300
    best = int(np.argmax(chances))
    body = []
    for index, (name, chance) in enumerate(zip(names, chances, strict=True)):
        y = index * row
        colour, weight = (INK, "600") if index == best else (MUTED, "400")
        body += [
            label(start - 8, y + 14, name, text_anchor="end", font_size=12, fill=colour, font_weight=weight),
            shape("rect", x=start, y=y + 4, width=180, height=13, rx=2, fill=SOFT),
            shape("rect", x=start, y=y + 4, width=max(1.0, 180 * chance), height=13, rx=2, fill=colour),
            label(start + 188, y + 14, percent(chance), font_size=12, fill=colour, font_weight=weight),
        ]
    return svg(width, row * len(names) + 2, title, body)


def percent(share: float) -> str:
    """A share 0..1 as whole percent; ``<1 %`` rather than a false zero."""
    return "<1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def gauge(signed: float, dead_zone: float | None, *, title: str) -> str:
    """Relative asymmetry -1..1 on a line: left end = left weaker, grey = the dead zone, dot = the face."""
    x = scale(-1, 1, 6, 144)
    body = [shape("rect", x=6, y=7, width=138, height=4, rx=2, fill=SOFT)]
    if dead_zone:
        body.append(shape("rect", x=x(-dead_zone), y=4, width=x(dead_zone) - x(-dead_zone), height=10, fill=LINE))
    outside = abs(signed) > (dead_zone or 0)
    colour = (LEFT_COLOUR if signed < 0 else RIGHT_COLOUR) if outside else MUTED
    body += [
        shape("line", x1=75, x2=75, y1=2, y2=16, stroke=MUTED),
        shape("circle", cx=x(max(-1.0, min(1.0, signed))), cy=9, r=5.5, fill=colour, stroke="#fff", stroke_width=1.5),
    ]
    return svg(150, 18, title, body, css="gauge")


def pair_bars(left: float, right: float, *, title: str) -> str:
    """Two bars on the scale 0..5: the left above the right."""
    body = [shape("line", x1=64 * k, x2=64 * k, y1=0, y2=22, stroke=LINE) for k in range(6)]
    body += [
        shape("rect", x=0, y=2, width=64 * left, height=8, fill=LEFT_COLOUR),
        shape("rect", x=0, y=12, width=64 * right, height=8, fill=RIGHT_COLOUR),
    ]
    return svg(321, 22, title, body, css="bars")


@dataclass(frozen=True)
class Curves:
    """One unit over time: ``x`` (K,) seconds or picture numbers, ``left`` and ``right`` (K,) 0..5, NaN = gap."""

    x: FloatArray
    left: FloatArray
    right: FloatArray
    title: str
    unit: str = "s"
    threshold: float = 0.5


def curves(data: Curves, *, span: tuple[float, float]) -> str:
    """Both sides of one unit over ``span``: left = solid blue with dots, right = dashed orange with squares."""
    width, height, top, bottom, first, last = 340, 132, 8, 106, 24, 330
    x = scale(*span, first, last)
    y = scale(0, 5, bottom, top)
    body = []
    for step in range(6):
        body.append(shape("line", x1=first, x2=last, y1=y(step), y2=y(step), stroke=LINE if step == 0 else SOFT))
        body.append(label(first - 6, y(step) + 3.5, str(step), text_anchor="end"))
    body.append(
        shape(
            "line", x1=first, x2=last, y1=y(data.threshold), y2=y(data.threshold), stroke=MUTED, stroke_dasharray="1 3"
        )
    )
    for value in ticks(*span):
        body.append(label(x(value), bottom + 20, num(value), text_anchor="middle"))
    body.append(label(last, bottom + 20, data.unit, text_anchor="start", dx=3) if data.unit == "s" else "")
    marks = "".join(f"M{num(x(value))} {bottom}v5" for value in data.x)
    body.append(shape("path", d=marks or "M0 0", stroke=MUTED, fill="none", stroke_width=0.8))
    for values, colour, dash, dot in (
        (data.right, RIGHT_COLOUR, "5 3", square),
        (data.left, LEFT_COLOUR, "none", circle),
    ):
        known = [(x(a), y(b)) for a, b in zip(data.x, values, strict=True) if math.isfinite(b)]
        if known:
            body.append(
                shape("path", d=path(known), fill="none", stroke=colour, stroke_width=1.6, stroke_dasharray=dash)
            )
            body += [dot(*point, colour) for point in known]
    return svg(width, height, data.title, body, css="curve")


def circle(x: float, y: float, colour: str) -> str:
    """The mark of the left side."""
    return shape("circle", cx=x, cy=y, r=2.2, fill=colour)


def square(x: float, y: float, colour: str) -> str:
    """The mark of the right side."""
    return shape("rect", x=x - 1.9, y=y - 1.9, width=3.8, height=3.8, fill="#fff", stroke=colour)


@dataclass(frozen=True)
class HeatMap:
    """One difference matrix: rows respond, columns trigger on ``trigger_side``; all (A, A).

    ``difference`` is P(response on the other side) - P(response on the trigger's side), NaN without support.
    """

    difference: FloatArray
    tested: BoolArray
    flagged: BoolArray
    support: IntArray
    names: tuple[str, ...]
    trigger_side: str


def heat_map(data: HeatMap, *, title: str) -> str:
    """The matrix as cells coloured by the side that shows the extra response; untested hatched, unsupported blank."""
    cell, left, top = 27, 42, 44
    size = cell * len(data.names)
    pattern = f"hatch-{data.trigger_side}"
    body = [
        shape(
            "defs",
            shape(
                "pattern",
                shape("rect", width=5, height=5, fill="#fff") + shape("path", d="M0 5L5 0", stroke="#dbe0e6"),
                id=pattern, width="5", height="5", patternUnits="userSpaceOnUse",
            ),
        ),
        label(left + size / 2, 11, f"trigger, on the {data.trigger_side}", text_anchor="middle", font_size=11),
        shape("text", "response", x=-(top + size / 2), y=10, transform="rotate(-90)", text_anchor="middle",
              font_size=11, fill=MUTED),
    ]  # fmt: skip
    for index, name in enumerate(data.names):
        middle = (index + 0.5) * cell
        body.append(label(left + middle, top - 7, name, text_anchor="middle", font_size=11, fill=INK))
        body.append(label(left - 7, top + middle + 4, name, text_anchor="end", font_size=11, fill=INK))
    order = np.argsort(data.flagged, axis=None, kind="stable")  # flagged cells last, so that their frame lies on top
    for row, column in zip(*np.unravel_index(order, data.flagged.shape), strict=True):
        body.append(heat_cell(data, int(row), int(column), x=left + column * cell, y=top + row * cell, side=cell))
    return svg(left + size + 2, top + size + 2, title, body, css="heat")


def heat_cell(data: HeatMap, row: int, column: int, *, x: float, y: float, side: float) -> str:
    """One cell with its tooltip."""
    box: dict[str, float | str] = {"x": x, "y": y, "width": side, "height": side, "stroke": "#fff"}
    response, trigger = data.names[row], data.names[column]
    value = float(data.difference[row, column])
    if not data.tested[row, column]:
        return shape("rect", **(box | {"fill": f"url(#hatch-{data.trigger_side})"}))
    support = f"{int(data.support[row, column])} keyframes"
    if not math.isfinite(value):
        tip = f"AU{response} given AU{trigger}: too few keyframes ({support})"
        return shape("rect", tooltip(tip), **(box | {"fill": "#fff", "stroke": "#fff"}))
    toward_left = (value > 0) == (data.trigger_side == "right")
    fill = blend(LEFT_COLOUR if toward_left else RIGHT_COLOUR, min(1.0, abs(value)))
    tip = f"AU{response} given AU{trigger}: difference {abs(value):.2f}"
    if abs(value) >= 0.005:
        tip += f" towards the {'left' if toward_left else 'right'}"
    box |= {"fill": fill}
    if data.flagged[row, column]:
        box |= {"stroke": INK, "stroke_width": 2}
    cell = shape("rect", tooltip(f"{tip}, {support}"), **box)
    if abs(value) < 0.2:
        return cell
    colour = "#fff" if abs(value) > 0.55 else INK
    words = f"{abs(value):.2f}".removeprefix("0")
    middle = {"x": x + side / 2, "y": y + side / 2 + 3.5}
    return cell + shape("text", words, **middle, text_anchor="middle", font_size=9.5, fill=colour)


def tooltip(words: str) -> str:
    """What a pointer shows over a shape."""
    return f"<title>{escape(words)}</title>"


def blend(colour: str, amount: float) -> str:
    """Pale grey (0) to ``colour`` (1)."""
    pairs = ((int(SOFT[index : index + 2], 16), int(colour[index : index + 2], 16)) for index in (1, 3, 5))
    return "#" + "".join(f"{round(pale + (full - pale) * amount):02x}" for pale, full in pairs)


def frame_strip(times: FloatArray, usable: BoolArray, keyframes: FloatArray, *, title: str) -> str:
    """Which frames could be used: a bar over time with gaps, and a tick for each keyframe."""
    width = 1144
    low, high = float(times[0]), float(times[-1])
    x = scale(low, high, 2, width - 2)
    edges = np.flatnonzero(np.diff(usable.astype(np.int8))) + 1
    body = []
    for run in np.split(np.arange(len(times)), edges):
        start, end = x(float(times[run[0]])), x(float(times[min(run[-1] + 1, len(times) - 1)]))
        fill = "#9fb3c4" if usable[run[0]] else "#fff"
        body.append(shape("rect", x=start, y=8, width=max(0.8, end - start), height=12, fill=fill))
    body.append(shape("rect", x=2, y=8, width=width - 4, height=12, fill="none", stroke=MUTED))
    marks = "".join(f"M{num(x(float(value)))} 1v26" for value in keyframes)
    body.append(shape("path", d=marks or "M0 0", stroke=INK, fill="none", stroke_width=1.2))
    for value in ticks(low, high, wanted=8):
        anchor = "start" if value == low else "middle"
        body.append(label(x(value), 40, f"{num(value)} s", text_anchor=anchor, font_size=11))
    return svg(width, 44, title, body, css="strip")


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
