"""Letters, lines and dots on a picture: any letter of DejaVu Sans, which comes with Matplotlib, at any size.

OpenCV's own letters are ASCII, and thin.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import cv2
import matplotlib
import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palsy_cli.records import ByteImage, FloatArray

Colour = tuple[int, int, int]
Anchor = Literal["left", "middle", "right"]

#: Letters are drawn this much larger and averaged; points are given to 1/16 pixel.
_FINE, _SHIFT = 4, 4


def rgb(colour: str) -> Colour:
    """``#0072B2`` as red, green and blue, 0..255."""
    red, green, blue = (int(colour[index : index + 2], 16) for index in (1, 3, 5))
    return red, green, blue


def write(
    image: ByteImage,
    words: str,
    place: tuple[float, float],
    *,
    size: float,
    colour: str,
    bold: bool = False,
    anchor: Anchor = "left",
) -> None:
    """Write one line of text into an RGB picture; what lies outside of it is cut off.

    Args:
        image: (H, W, 3), changed.
        words: what to write.
        place: x of the anchor and y of the base line, pixels.
        size: of the letters, pixels (what typographers call em).
        colour: as ``#rrggbb``.
        bold: heavy letters.
        anchor: which part of the line ``x`` is.
    """
    mask, left, above = _mask_of(words, round(size * _FINE), bold)
    x = place[0] - {"left": 0.0, "middle": 0.5, "right": 1.0}[anchor] * width_of(words, size=size, bold=bold)
    blend(image, mask, (round(x) + left, round(place[1]) - above), colour)


def blend(image: ByteImage, mask: ByteImage, corner: tuple[int, int], colour: str) -> None:
    """Put a colour where a mask (H, W), 0..255, says how much of it; ``corner`` is the mask's x and y."""
    x, y = corner
    first_x, first_y = max(x, 0), max(y, 0)
    inside = image[first_y : max(y + mask.shape[0], 0), first_x : max(x + mask.shape[1], 0)]
    share = mask[first_y - y :, first_x - x :][: inside.shape[0], : inside.shape[1], None].astype(np.float32) / 255
    inside[:] = np.rint(inside + (np.array(rgb(colour), np.float32) - inside) * share).astype(np.uint8)


@lru_cache(maxsize=4096)
def width_of(words: str, *, size: float, bold: bool = False) -> float:
    """Pixels that a line of text is wide."""
    return float(_outline(words, size, bold).vertices[:, 0].max()) if words.strip() else 0.0


def wrap(words: str, *, size: float, width: float, most: int | None = None) -> list[str]:
    """Lines no wider than ``width``, at most so many; what is left out is marked by three dots."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if width_of(longer, size=size) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    if most is not None and len(lines) > most:
        last = [*lines[most - 1].split(), "…"]
        while len(last) > 2 and width_of(" ".join(last), size=size) > width:
            del last[-2]
        lines = [*lines[: most - 1], " ".join(last)]
    return lines


def line(image: ByteImage, points: FloatArray, *, colour: str, width: int) -> None:
    """A smooth line through points (K, 2); nothing when one of them is unknown or far outside."""
    if np.isfinite(points).all() and np.abs(points).max() < 1 << 14:
        corners = np.rint(points * (1 << _SHIFT)).astype(np.int32)
        cv2.polylines(image, [corners], False, rgb(colour), width, cv2.LINE_AA, _SHIFT)


def dot(image: ByteImage, place: Sequence[float], radius: float, *, colour: str) -> None:
    """A filled circle."""
    x, y, wide = (round(value * (1 << _SHIFT)) for value in (*place, radius))
    cv2.circle(image, (x, y), wide, rgb(colour), cv2.FILLED, cv2.LINE_AA, _SHIFT)


@lru_cache(maxsize=1)
def _fonts() -> tuple[FontProperties, FontProperties]:
    """Plain and bold; named by file, so that no list of the system's fonts is made."""
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return FontProperties(fname=folder / "DejaVuSans.ttf"), FontProperties(fname=folder / "DejaVuSans-Bold.ttf")


def _outline(words: str, size: float, bold: bool) -> TextPath:
    # A dollar would begin a formula.
    return TextPath((0, 0), words.replace("$", r"\$"), size=size, prop=_fonts()[bold])


@lru_cache(maxsize=1024)
def _mask_of(words: str, fine_size: int, bold: bool) -> tuple[ByteImage, int, int]:
    """How much of each pixel the letters cover, 0..255; its first column, and its rows above the base line."""
    polygons = _outline(words, fine_size, bold).to_polygons() if words.strip() else []
    if not polygons:
        return np.zeros((1, 1), np.uint8), 0, 1
    corners = np.concatenate(polygons)
    left, below = (math.floor(value / _FINE) - 1 for value in corners.min(axis=0))
    right, above = (math.ceil(value / _FINE) + 1 for value in corners.max(axis=0))
    wide, tall = right - left, above - below
    fine = np.zeros((tall * _FINE, wide * _FINE), np.uint8)
    down = [(np.array(each) - (left * _FINE, above * _FINE)) * (1, -1) * (1 << _SHIFT) for each in polygons]
    cv2.fillPoly(fine, [np.rint(each).astype(np.int32) for each in down], 255, cv2.LINE_8, _SHIFT)
    return cv2.resize(fine, (wide, tall), interpolation=cv2.INTER_AREA), left, above
