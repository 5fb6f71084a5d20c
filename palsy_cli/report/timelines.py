"""Figures over time: muscle activity, distances on the face, and which frames could be used."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from palsy_cli.records import SIDES, FloatArray, Side
from palsy_cli.report.plots import (
    INK,
    LINE,
    MUTED,
    PAPER,
    SIDE_COLOURS,
    SOFT,
    at_axis,
    label,
    num,
    path,
    scale,
    shape,
    svg,
    ticks,
)
from palsy_cli.stages.cooccurrence import BoolArray

#: A course is drawn through at most so many points, each the mean of the frames around it: an hour has a hundred
#: thousand frames, a page of paper has a few hundred dots.
MOST_POINTS = 600
#: Units of width that a letter of a movement's name takes.
_LETTER = 5.2
#: Where courses begin and end, and how tall their names and each panel are.
_ENDS, _HEAD, _PANEL = (40.0, 752.0), 30.0, 96.0
_DASHES: dict[Side, str] = {"left": "none", "right": "5 3"}


@dataclass(frozen=True)
class Span:
    """A movement over time: its name, in full and short, and when it begins, is furthest and ends, in seconds."""

    name: str
    short: str
    onset_s: float
    peak_s: float
    offset_s: float


@dataclass(frozen=True)
class Curves:
    """One unit over time: ``x`` (K,) seconds or picture numbers, ``left`` and ``right`` (K,) 0..5, NaN = gap."""

    x: FloatArray
    left: FloatArray
    right: FloatArray
    title: str
    unit: str = "s"
    threshold: float = 0.5
    spans: Sequence[Span] = ()


def curves(data: Curves, *, span: tuple[float, float]) -> str:
    """Both sides of one unit over ``span``: left = solid blue with dots, right = dashed orange with squares."""
    width, height, top, bottom, first, last = 340, 132, 8, 106, 24, 330
    x = scale(*span, first, last)
    y = scale(0, 5, bottom, top)
    body = [_shade(each, x, top, bottom) for each in data.spans]
    for step in range(6):
        body.append(shape("line", x1=first, x2=last, y1=y(step), y2=y(step), stroke=LINE))
        body.append(at_axis(first - 6, y(step) + 3.5, str(step), text_anchor="end"))
    limit = y(data.threshold)
    body.append(shape("line", x1=first, x2=last, y1=limit, y2=limit, stroke=MUTED, stroke_dasharray="1 3"))
    for value in ticks(*span):
        body.append(at_axis(x(value), bottom + 20, num(value), text_anchor="middle"))
    body.append(label(last, bottom + 20, data.unit, text_anchor="start", dx=3) if data.unit else "")
    marks = "".join(f"M{num(x(value))} {bottom}v5" for value in data.x)
    body.append(shape("path", d=marks or "M0 0", stroke=MUTED, fill="none", stroke_width=0.8))
    both: tuple[tuple[Side, FloatArray], ...] = (("right", data.right), ("left", data.left))
    for side, values in both:
        known = [(x(a), y(b)) for a, b in zip(data.x, values, strict=True) if math.isfinite(b)]
        if known:
            body += [*_line(path(known), side), dots(known, side)]
    return svg(width, height, data.title, body, css="curve")


def dots(places: Sequence[tuple[float, float]], side: Side, size: float = 2.2) -> str:
    """The marks of a side in one path: discs of the left, hollow squares of the right."""
    style = {"fill": SIDE_COLOURS["left"]} if side == "left" else {"fill": PAPER, "stroke": SIDE_COLOURS["right"]}
    edge, radius = num(1.72 * size), num(size)
    square = f"m{num(-0.86 * size)} {num(-0.86 * size)}h{edge}v{edge}h-{edge}z"
    disc = f"m-{radius} 0a{radius} {radius} 0 1 0 {num(2 * size)} 0a{radius} {radius} 0 1 0 {num(-2 * size)} 0"
    around = disc if side == "left" else square
    d = "".join(f"M{num(x)} {num(y)}{around}" for x, y in places)
    return shape("path", d=d or "M0 0", **style, **{"class": f"dots {side}"})


@dataclass(frozen=True)
class Course:
    """One distance over time: ``values`` (N, 2) of left and right, NaN = gap, in the unit that ``title`` names."""

    title: str
    values: FloatArray


def courses(times_s: FloatArray, panels: Sequence[Course], spans: Sequence[Span], *, title: str) -> str:
    """Distances one below the other over the same time (N,), movements shaded and named above, their peaks marked."""
    x = scale(float(times_s[0]), float(times_s[-1]), *_ENDS)
    bottom = _HEAD + len(panels) * _PANEL
    body = [_shade(each, x, _HEAD - 4, bottom) for each in spans]
    body += _names(spans, x)
    for index, panel in enumerate(panels):
        body += _panel(times_s, panel, spans, x=x, top=_HEAD + index * _PANEL)
    for value in ticks(float(times_s[0]), float(times_s[-1]), wanted=10):
        body.append(at_axis(x(value), bottom + 14, num(value), text_anchor="middle"))
    body.append(label(_ENDS[1], bottom + 28, "seconds", text_anchor="end"))
    return svg(760, bottom + 32, title, body, css="courses")


def _names(spans: Sequence[Span], x: Callable[[float], float]) -> list[str]:
    """Names above the bands, in two rows; one that has no room in either is left to its band's tooltip."""
    free = [0.0, 0.0]
    body = []
    for each in spans:
        middle, half = x((each.onset_s + each.offset_s) / 2), _LETTER * len(each.short) / 2
        row = next((row for row in (1, 0) if middle - half >= free[row]), None)
        if row is not None:
            free[row] = middle + half + _LETTER
            body.append(label(middle, 10 + 12 * row, each.short, text_anchor="middle", fill=INK))
    return body


def _panel(
    times_s: FloatArray, panel: Course, spans: Sequence[Span], *, x: Callable[[float], float], top: float
) -> list[str]:
    """One distance of both sides."""
    known = panel.values[np.isfinite(panel.values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    margin = 0.06 * (high - low) or 0.5
    y = scale(low - margin, high + margin, top + _PANEL - 8, top + 20)
    body = [label(_ENDS[0], top + 13, panel.title, font_size=11, fill=INK, font_weight="600")]
    for value in ticks(low - margin, high + margin, wanted=3):
        body.append(shape("line", x1=_ENDS[0], x2=_ENDS[1], y1=y(value), y2=y(value), stroke=LINE))
        body.append(at_axis(_ENDS[0] - 5, y(value) + 3.5, num(value).replace("-", "−"), text_anchor="end"))
    for side in reversed(SIDES):
        values = panel.values[:, SIDES.index(side)]
        middles, means = thinned(times_s, values)
        parts = _runs([(x(a), y(b)) if math.isfinite(b) else None for a, b in zip(middles, means, strict=True)])
        body += _line("".join(path(part) for part in parts), side) if parts else []
        peaks = [int(np.argmin(np.abs(times_s - each.peak_s))) for each in spans]
        seen = [frame for frame in peaks if math.isfinite(values[frame])]
        body.append(dots([(x(float(times_s[frame])), y(float(values[frame]))) for frame in seen], side, 3.0))
    return body


def thinned(times_s: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A course (N,) as means of equally many frames each, at most ``MOST_POINTS``; NaN where no frame has a value."""
    step = max(1, math.ceil(len(values) / MOST_POINTS))
    starts = np.arange(0, len(values), step)
    seen = np.isfinite(values)
    counts = np.add.reduceat(seen.astype(int), starts)
    sums = np.add.reduceat(np.where(seen, values, 0.0).astype(float), starts)
    means = np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0)
    return np.asarray(times_s[np.minimum(starts + step // 2, len(values) - 1)]), means


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """What lies between gaps, where it has a length."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is None:
            runs.append([])
        else:
            runs[-1].append(point)
    return [run for run in runs if len(run) > 1]


def _line(d: str, side: Side) -> list[str]:
    """A side's line."""
    return [
        shape("path", d=d, fill="none", stroke=SIDE_COLOURS[side], stroke_width=1.6, stroke_dasharray=_DASHES[side])
    ]


def _shade(span: Span, x: Callable[[float], float], top: float, bottom: float) -> str:
    """The time of a movement as a pale band that tells its name."""
    start, end = x(span.onset_s), x(span.offset_s)
    box = {"x": start, "y": top, "width": max(1.0, end - start), "height": bottom - top}
    return shape("rect", shape("title", span.name), **box, fill=SOFT)


def frame_strip(times: FloatArray, usable: BoolArray, keyframes: FloatArray, *, title: str) -> str:
    """Which frames could be used: a bar over time with gaps, and a tick for each keyframe."""
    width = 760
    low, high = float(times[0]), float(times[-1])
    x = scale(low, high, 2, width - 2)
    edges = np.flatnonzero(np.diff(usable.astype(np.int8))) + 1
    body = []
    for run in np.split(np.arange(len(times)), edges):
        start, end = x(float(times[run[0]])), x(float(times[min(run[-1] + 1, len(times) - 1)]))
        fill = "var(--used)" if usable[run[0]] else PAPER
        body.append(shape("rect", x=start, y=8, width=max(0.8, end - start), height=12, fill=fill))
    body.append(shape("rect", x=2, y=8, width=width - 4, height=12, fill="none", stroke=MUTED))
    marks = "".join(f"M{num(x(float(value)))} 1v26" for value in keyframes)
    body.append(shape("path", d=marks or "M0 0", stroke=INK, fill="none", stroke_width=1.2))
    for value in ticks(low, high, wanted=8):
        anchor = "start" if value == low else "middle"
        body.append(at_axis(x(value), 40, f"{num(value)} s", text_anchor=anchor))
    return svg(width, 44, title, body, css="strip")
