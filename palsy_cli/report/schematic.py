"""A face drawn from its 68 points: shows side, rest and strongest movement without showing the patient."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palsy_cli.records import FloatArray
from palsy_cli.report.plots import MUTED, label, path, shape, svg
from palsy_cli.report.terms import LEFT_COLOUR, RIGHT_COLOUR

WIDTH, HEIGHT = 300, 320

#: Lines of the iBUG layout on the patient's right and left, and those that belong to neither.
RIGHT_LINES: tuple[tuple[int, ...], ...] = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8),
    (17, 18, 19, 20, 21),
    (36, 37, 38, 39, 40, 41, 36),
    (33, 32, 31),
    (51, 50, 49, 48, 59, 58, 57),
    (62, 61, 60, 67, 66),
)
LEFT_LINES: tuple[tuple[int, ...], ...] = (
    (8, 9, 10, 11, 12, 13, 14, 15, 16),
    (22, 23, 24, 25, 26),
    (42, 43, 44, 45, 46, 47, 42),
    (33, 34, 35),
    (51, 52, 53, 54, 55, 56, 57),
    (62, 63, 64, 65, 66),
)
MIDDLE_LINES: tuple[tuple[int, ...], ...] = ((27, 28, 29, 30),)


def face(points: FloatArray, *, title: str, behind: FloatArray | None = None) -> str:
    """Draw one face, the patient's right on the left of the picture, as it is seen from the front.

    Args:
        points: (68, 2) in any pixels.
        title: what a screen reader says.
        behind: (68, 2) the same face in another state, drawn in grey below, laid over it by the eyes.
    """
    body = [
        label(10, 22, "R", font_size=17, font_weight="700", fill=RIGHT_COLOUR),
        label(WIDTH - 10, 22, "L", font_size=17, font_weight="700", fill=LEFT_COLOUR, text_anchor="end"),
        label(26, 22, "patient’s right", font_size=11),
        label(WIDTH - 26, 22, "patient’s left", font_size=11, text_anchor="end"),
    ]
    if behind is not None:
        body += lines(on_canvas(behind), RIGHT_LINES + LEFT_LINES + MIDDLE_LINES, "#c3cad2", 1.4)
    placed = on_canvas(points)
    body += lines(placed, MIDDLE_LINES, MUTED, 2.0)
    body += lines(placed, RIGHT_LINES, RIGHT_COLOUR, 2.2)
    body += lines(placed, LEFT_LINES, LEFT_COLOUR, 2.2)
    return svg(WIDTH, HEIGHT, title, body, css="face")


def on_canvas(points: FloatArray) -> FloatArray:
    """Turn, scale and shift so that the eye centres come to lie at the same two places, (68, 2)."""
    right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    across = left - right
    distance = float(np.hypot(*across)) or 1.0
    cosine, sine = across / distance
    turned = (points - (left + right) / 2) @ np.array([[cosine, -sine], [sine, cosine]])
    placed: FloatArray = turned * (118 / distance) + (WIDTH / 2, 116)
    return placed


def lines(points: FloatArray, parts: Sequence[Sequence[int]], colour: str, width: float) -> list[str]:
    """One path per part; a part with an unknown point is left out."""
    drawn = []
    for part in parts:
        corners = points[list(part)]
        if np.isfinite(corners).all():
            drawn.append(
                shape(
                    "path",
                    d=path(corners.tolist()),
                    fill="none",
                    stroke=colour,
                    stroke_width=width,
                    stroke_linecap="round",
                    stroke_linejoin="round",
                )
            )
    return drawn
