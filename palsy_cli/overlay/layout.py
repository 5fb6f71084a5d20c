"""Where what lies in a film: the picture on the left, a panel on the right, and how large letters are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from palsy_cli.records import FloatArray

#: Longest side of a film, and the least height of a picture that is shown larger than it is, in pixels.
LONGEST_PX, LEAST_PX = 1920, 720
#: Side of the square in which a face without its picture is drawn, pixels.
STAGE_PX = 1080
#: Part of it that a face without its picture takes.
_FACE_SHARE = 0.62
#: Width and least height of the panel, in units; a unit is the size of its letters, at least so many pixels.
PANEL_UNITS, HEIGHT_UNITS, LEAST_UNIT_PX = 18, 36, 20
#: A panel is no wider than this part of a picture, unless letters would become too small.
_PANEL_SHARE = 0.6


@dataclass(frozen=True)
class Layout:
    """A film of ``width`` x ``height`` pixels, both even.

    Attributes:
        picture: width and height at which the picture is shown, from the left edge, halfway up.
        unit: size of letters in the panel, which takes the rest of the width, pixels.
    """

    picture: tuple[int, int]
    unit: float

    @cached_property
    def width(self) -> int:
        """Of the film."""
        return _even(self.picture[0] + PANEL_UNITS * self.unit)

    @cached_property
    def height(self) -> int:
        """Of the film."""
        return _even(max(self.picture[1], HEIGHT_UNITS * self.unit))

    @property
    def top(self) -> int:
        """First row of the picture."""
        return (self.height - self.picture[1]) // 2


def lay_out(width: int, height: int) -> Layout:
    """The film of a picture of this size: no side longer than 1920, small pictures enlarged, letters legible."""
    tallest = max(height, LEAST_PX)
    fitting = (_of_height(width / height, tall) for tall in range(tallest, 0, -1))
    return next(one for one in fitting if max(one.width, one.height) <= LONGEST_PX)


def _of_height(aspect: float, tall: int) -> Layout:
    """With a picture of this height."""
    unit = min(tall / HEIGHT_UNITS, _PANEL_SHARE * aspect * tall / PANEL_UNITS)
    return Layout((max(1, round(aspect * tall)), tall), max(unit, LEAST_UNIT_PX))


def _even(value: float) -> int:
    """The next even number, as the colours of a film want it."""
    return 2 * int(np.ceil(value / 2))


@dataclass(frozen=True)
class View:
    """How points come to lie in the film's picture: ``scale`` times them, plus ``shift``."""

    scale: float
    shift: tuple[float, float]

    def place(self, points: FloatArray) -> FloatArray:
        """(K, 2) pixels of the recording -> pixels of the film's picture."""
        return np.asarray(points * self.scale + self.shift)


def view_of_picture(layout: Layout, width: int) -> View:
    """Points on a picture of this width, shown as the layout says; pixel centres are at integers."""
    scale = layout.picture[0] / width
    return View(scale, ((scale - 1) / 2, (scale - 1) / 2))


def view_of_points(layout: Layout, points: FloatArray) -> View:
    """The face alone, (N, 68, 2) with NaN where absent: as large as nearly all frames allow, and never moved after."""
    seen = points[np.isfinite(points).all((1, 2))]
    if not len(seen):
        return View(1.0, (0.0, 0.0))
    low, high = np.percentile(seen.min(axis=1), 2, axis=0), np.percentile(seen.max(axis=1), 98, axis=0)
    scale = _FACE_SHARE * min(layout.picture) / max(*(high - low), 1.0)
    shift = np.array(layout.picture) / 2 - scale * (low + high) / 2
    return View(float(scale), (float(shift[0]), float(shift[1])))
