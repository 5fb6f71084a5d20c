"""A face drawn from its 68 points: shows side, rest and movement without showing the patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from palsy_cli.points import MIRROR_68
from palsy_cli.records import SIDES, FloatArray, Movement, Side
from palsy_cli.report.plots import MUTED, SIDE_COLOURS, at_axis, label, num, path, shape, svg

WIDTH, HEIGHT = 300, 320
#: The face with arrows: its size, an eye distance and the middle between the eyes, in its units.
ARROWS_WIDTH, ARROWS_HEIGHT, EYE_DISTANCE, BETWEEN_EYES = 420, 436, 146.0, (210.0, 148.0)
#: Arrows are so many times as long as the movement is on the drawn face, or the smallest would hide in their heads.
MAGNIFIED = 2.0
#: What the bar below stands for, in millimetres and in eye distances.
_BAR_MM, _BAR = 5, 0.1
GREY = "var(--outline)"

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


@dataclass(frozen=True)
class Pull:
    """What one movement moves: a point of the patient's left, and where its number stands, seen from the left.

    Attributes:
        tasks: movements that show it, the first that was made counting.
        measure: the measure whose value stands beside the arrow, and whose sides it compares.
        point: of the iBUG layout.
        away: from the arrow's tip to the number, lateral and down, in units of the drawing.
    """

    name: str
    tasks: tuple[str, ...]
    measure: str
    point: int
    away: tuple[float, float]


PULLS: tuple[Pull, ...] = (
    Pull("brow", ("brow_raise",), "brow_excursion", 24, (0.0, -9.0)),
    Pull("eyelid", ("gentle_eye_closure", "tight_eye_closure"), "closure", 44, (0.0, 20.0)),
    Pull("nasal wing", ("snarl",), "alar_lift", 35, (10.0, 4.0)),
    Pull("mouth corner (smile)", ("smile",), "commissure_excursion", 54, (9.0, -4.0)),
    Pull("mouth corner (pucker)", ("lip_pucker",), "commissure_narrowing", 54, (38.0, 24.0)),
    Pull("lower lip", ("lower_teeth_EEE",), "lower_lip_depression", 56, (12.0, 18.0)),
)


def face(points: FloatArray, *, title: str, behind: FloatArray | None = None) -> str:
    """Draw one face, the patient's right on the left of the picture, as it is seen from the front.

    Args:
        points: (68, 2) in any pixels.
        title: what a screen reader says.
        behind: (68, 2) the same face in another state, drawn in grey below, laid over it by the eyes.
    """
    body = side_letters(WIDTH)
    if behind is not None:
        body += lines(on_canvas(behind), RIGHT_LINES + LEFT_LINES + MIDDLE_LINES, GREY, 1.4)
    body += _coloured(on_canvas(points))
    return svg(WIDTH, HEIGHT, title, body, css="face")


def small_face(points: FloatArray, rest: FloatArray, *, title: str) -> str:
    """A movement's peak over the rest in grey, both (68, 2) in coordinates of the face."""
    body = lines(of_face(rest), RIGHT_LINES + LEFT_LINES + MIDDLE_LINES, GREY, 3.0)
    body += _coloured(of_face(points), width=3.6)
    return svg(ARROWS_WIDTH, ARROWS_HEIGHT, title, body, css="face")


def with_arrows(
    rest: FloatArray,
    movements: Sequence[Movement],
    numbers: Mapping[tuple[str, Side], str],
    *,
    mm: float | None,
    title: str,
) -> str:
    """The face at rest in grey, with an arrow of each side for each movement that was made, and a bar of their length.

    Args:
        rest: (68, 2) in coordinates of the face.
        movements: what was made.
        numbers: markup beside the arrow of (name of the pull, side); an arrow without one is not drawn.
        mm: millimetres in an eye distance, if known.
        title: what a screen reader says.
    """
    body = side_letters(ARROWS_WIDTH) + lines(of_face(rest), RIGHT_LINES + LEFT_LINES + MIDDLE_LINES, GREY, 2.0)
    for pull in PULLS:
        peak = peak_of(pull, movements)
        if peak is not None:
            shown = [side for side in SIDES if (pull.name, side) in numbers]
            body += [each for side in shown for each in _arrow(pull, side, rest, peak, numbers[pull.name, side])]
    length = MAGNIFIED * EYE_DISTANCE * (_BAR_MM / mm if mm else _BAR)
    foot, words = ARROWS_HEIGHT - 8, f"{_BAR_MM} mm" if mm else f"{_BAR} eye distances"
    body.append(shape("path", d=f"M12 {foot - 9}v9h{num(length)}v-9", fill="none", stroke=MUTED, stroke_width=1.4))
    body.append(at_axis(18 + length, foot, words, font_size=12))
    return svg(ARROWS_WIDTH, ARROWS_HEIGHT, title, body, css="face")


def peak_of(pull: Pull, movements: Sequence[Movement]) -> FloatArray | None:
    """(68, 2) the face at the peak of the movement that shows a pull, its repetitions' median; ``None`` if none."""
    made = next((task for task in pull.tasks if any(one.task == task for one in movements)), None)
    peaks = [one.points for one in movements if one.task == made and made is not None]
    return np.asarray(np.median(peaks, axis=0)) if peaks else None


def _arrow(pull: Pull, side: Side, rest: FloatArray, peak: FloatArray, number: str) -> list[str]:
    """The arrow of one side with its number."""
    point = pull.point if side == "left" else int(MIRROR_68[pull.point])
    start, end = of_face(rest)[point], of_face(peak)[point]
    tip = start + MAGNIFIED * (end - start)
    out = 1.0 if side == "left" else -1.0
    x, y = tip + (out * pull.away[0], pull.away[1])
    anchor = "middle" if pull.away[0] == 0 else "start" if side == "left" else "end"
    text = shape("text", number, x=x, y=y, font_size=13, font_weight="600", text_anchor=anchor,
                 fill=f"var(--{side}-ink)", **{"class": "number"})  # fmt: skip
    return [*_shaft(start, tip, SIDE_COLOURS[side]), text]


def _shaft(start: FloatArray, tip: FloatArray, colour: str) -> list[str]:
    """A line with a head; a dot marks where it begins, which is all that is left of a movement that was none."""
    along = tip - start
    length = float(np.hypot(*along))
    body = [shape("circle", cx=start[0], cy=start[1], r=2.6, fill=colour)]
    if length < 1.0:
        return body
    head = min(9.0, 0.6 * length)
    unit = along / length
    neck, aside = tip - head * unit, 0.5 * head * np.array([-unit[1], unit[0]])
    corners = [tip.tolist(), (neck + aside).tolist(), (neck - aside).tolist()]
    shaft = shape("path", d=path([start.tolist(), neck.tolist()]), stroke=colour, stroke_width=2.6, fill="none")
    return [*body, shaft, shape("path", d=path(corners, closed=True), fill=colour)]


def side_letters(width: float) -> list[str]:
    """Which side of the picture is which of the patient's."""
    return [
        label(10, 22, "R", font_size=17, font_weight="700", fill="var(--right-ink)"),
        label(width - 10, 22, "L", font_size=17, font_weight="700", fill="var(--left-ink)", text_anchor="end"),
        label(28, 22, "patient’s right", font_size=12),
        label(width - 26, 22, "patient’s left", font_size=12, text_anchor="end"),
    ]


def of_face(points: FloatArray) -> FloatArray:
    """(68, 2) in coordinates of the face (eye distances, y up) to places of the drawing with arrows."""
    placed: FloatArray = points * (EYE_DISTANCE, -EYE_DISTANCE) + BETWEEN_EYES
    return placed


def on_canvas(points: FloatArray) -> FloatArray:
    """Turn, scale and shift so that the eye centres come to lie at the same two places, (68, 2)."""
    right, left = points[36:42].mean(axis=0), points[42:48].mean(axis=0)
    across = left - right
    distance = float(np.hypot(*across)) or 1.0
    cosine, sine = across / distance
    turned = (points - (left + right) / 2) @ np.array([[cosine, -sine], [sine, cosine]])
    placed: FloatArray = turned * (118 / distance) + (WIDTH / 2, 116)
    return placed


def _coloured(placed: FloatArray, *, width: float = 2.2) -> list[str]:
    """A face in the colours of its sides."""
    body = lines(placed, MIDDLE_LINES, MUTED, 0.9 * width)
    body += lines(placed, RIGHT_LINES, SIDE_COLOURS["right"], width)
    return body + lines(placed, LEFT_LINES, SIDE_COLOURS["left"], width)


def lines(points: FloatArray, parts: Sequence[Sequence[int]], colour: str, width: float) -> list[str]:
    """One path per part; a part with an unknown point is left out."""
    style: dict[str, float | str] = {"fill": "none", "stroke": colour, "stroke_width": width}
    style |= {"stroke_linecap": "round", "stroke_linejoin": "round"}
    corners = [points[list(part)] for part in parts]
    return [shape("path", d=path(each.tolist()), **style) for each in corners if np.isfinite(each).all()]
