"""The 68 points as lines in the colours of the patient's sides, and letters that name the sides."""

from __future__ import annotations

import numpy as np

from palsy_cli.overlay import lettering
from palsy_cli.overlay.colours import MUTED
from palsy_cli.overlay.layout import View
from palsy_cli.points import eye_distance
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.report.schematic import LEFT_LINES, MIDDLE_LINES, RIGHT_LINES
from palsy_cli.report.terms import LEFT_COLOUR, RIGHT_COLOUR

#: A line is this part of the distance of the eyes wide, within these limits, in pixels.
_LINE_SHARE, _THIN, _THICK = 1 / 80, 1, 4
#: Letters are this part of the distance of the eyes high, within these limits, and so far from the jaw's line.
_LETTER_SHARE, _LETTER_PX, _ASIDE = 0.24, (16, 44), 0.3


def usual_eye_distance(points: FloatArray) -> float:
    """Median distance of the eyes' middles in frames (N, 68, 2) that show them, pixels; 0 when none does."""
    distances = eye_distance(points)
    known = np.isfinite(distances)
    return float(np.median(distances[known])) if known.any() else 0.0


def draw_face(image: ByteImage, points: FloatArray, view: View, *, eyes_px: float) -> None:
    """Draw one face's 68 points, (68, 2) in pixels of the recording; nothing where they are NaN.

    Args:
        image: the film's picture, changed.
        points: (68, 2).
        view: where they lie in it.
        eyes_px: distance of the eyes in the film, which lines and letters go by.
    """
    placed = view.place(points)
    wide = int(np.clip(round(_LINE_SHARE * eyes_px), _THIN, _THICK))
    for parts, colour in ((MIDDLE_LINES, MUTED), (RIGHT_LINES, RIGHT_COLOUR), (LEFT_LINES, LEFT_COLOUR)):
        for part in parts:
            lettering.line(image, placed[list(part)], colour=colour, width=wide)
    name_sides(image, placed, eyes_px=eyes_px)


def name_sides(image: ByteImage, placed: FloatArray, *, eyes_px: float) -> None:
    """R and L beside the upper ends of the jaw, (68, 2) in pixels of the film; kept inside the picture."""
    across = placed[16] - placed[0]
    length = float(np.hypot(*across))
    if not (np.isfinite(length) and length > 0):
        return
    size = float(np.clip(_LETTER_SHARE * eyes_px, *_LETTER_PX))
    round_px = 0.72 * size
    aside = across / length * (_ASIDE * eyes_px + size / 2)
    for letter, place, colour in (("R", placed[0] - aside, RIGHT_COLOUR), ("L", placed[16] + aside, LEFT_COLOUR)):
        x, y = np.clip(place, round_px, np.array(image.shape[1::-1]) - round_px)
        lettering.dot(image, (x, y), round_px, colour="#ffffff")
        lettering.write(image, letter, (x, y + 0.36 * size), size=size, colour=colour, bold=True, anchor="middle")
