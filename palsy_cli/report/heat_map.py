"""Which units work together on one side only, as a matrix of cells."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from palsy_cli.records import FloatArray, Side
from palsy_cli.report.page.told import Told
from palsy_cli.report.plots import INK, PAPER, SIDE_COLOURS, SOFT, label, num, shape, svg
from palsy_cli.stages.cooccurrence import BoolArray

CELL, LEFT, TOP = 27, 42, 44


@dataclass(frozen=True)
class HeatMap:
    """One difference matrix: rows respond, columns trigger on ``trigger_side``; all (A, A).

    ``difference`` is P(response on the other side) - P(response on the trigger's side), NaN without support. ``told``
    holds it and its support under ``synkinesis``.
    """

    told: Told
    difference: FloatArray
    tested: BoolArray
    flagged: BoolArray
    names: tuple[str, ...]
    trigger_side: Side


def draw(data: HeatMap, *, title: str) -> str:
    """The matrix as cells coloured by the side that shows the extra response; untested hatched, unsupported blank."""
    size = CELL * len(data.names)
    body = [
        _hatch(data.tested),
        label(LEFT + size / 2, 11, f"trigger, on the {data.trigger_side}", text_anchor="middle", font_size=11),
        label(-(TOP + size / 2), 10, "response", transform="rotate(-90)", text_anchor="middle", font_size=11),
    ]
    for index, name in enumerate(data.names):
        middle = (index + 0.5) * CELL
        body.append(label(LEFT + middle, TOP - 7, f"AU{name}", text_anchor="middle", font_size=9, fill=INK))
        body.append(label(LEFT - 5, TOP + middle + 4, f"AU{name}", text_anchor="end", font_size=9, fill=INK))
    order = np.argsort(data.flagged, axis=None, kind="stable")  # flagged cells last, so that their frame lies on top
    for row, column in zip(*np.unravel_index(order, data.flagged.shape), strict=True):
        body.append(_cell(data, int(row), int(column)))
    return svg(LEFT + size + 2, TOP + size + 2, title, body, css="heat")


def _hatch(tested: BoolArray) -> str:
    """Lines over what is not tested, in one path: a pattern would be printed as a picture for each cell."""
    corners = [(LEFT + column * CELL, TOP + row * CELL) for row, column in np.argwhere(~tested).tolist()]
    third = CELL / 3
    strokes = ((0, third, third, 0), (0, CELL, CELL, 0), (2 * third, CELL, CELL, 2 * third))
    d = "".join(
        f"M{num(x + x0)} {num(y + y0)}L{num(x + x1)} {num(y + y1)}" for x, y in corners for x0, y0, x1, y1 in strokes
    )
    return shape("path", d=d or "M0 0", stroke="var(--outline)", stroke_width=0.6, fill="none", **{"class": "hatch"})


def _cell(data: HeatMap, row: int, column: int) -> str:
    """One cell with its tooltip."""
    box: dict[str, float | str] = {"x": LEFT + column * CELL, "y": TOP + row * CELL, "width": CELL, "height": CELL}
    box |= {"stroke": PAPER}
    if not data.tested[row, column]:
        return shape("rect", **(box | {"fill": "none"}))
    place = f"trigger_{data.trigger_side}[{row}][{column}]"
    support = (f"synkinesis.support.{place}", 0)
    cells = f"AU{data.names[row]} when AU{data.names[column]} works"
    value = float(data.difference[row, column])
    if not math.isfinite(value):
        tip = data.told.tip(f"{cells}: too few keyframes ({{support}})", support=support)
        return shape("rect", tip, **(box | {"fill": PAPER}))
    toward: Side = "left" if (value > 0) == (data.trigger_side == "right") else "right"
    path = f"synkinesis.differences.{place}"
    words = f"{cells}: {{value}} (towards the {toward}), {{support}} keyframes"
    tip = data.told.tip(words, value=(path, 2), support=support)
    box |= {"stroke": INK, "stroke_width": 2} if data.flagged[row, column] else {}
    ground = shape("rect", **(box | {"fill": SOFT}))
    strength = min(1.0, abs(value))
    cell = ground + shape("rect", tip, **(box | {"fill": SIDE_COLOURS[toward], "fill_opacity": strength}))
    if strength < 0.2:
        return cell
    middle = {"x": LEFT + (column + 0.5) * CELL, "y": TOP + (row + 0.5) * CELL + 3.5}
    number = data.told(path, 2, "size", tag="tspan")
    colour = PAPER if strength > 0.55 else INK
    return cell + shape("text", number, **middle, text_anchor="middle", font_size=9.5, fill=colour, **{"class": "over"})
