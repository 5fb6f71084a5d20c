"""A sheet to write and draw on in units instead of pixels, so that it looks the same at any size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from palsy_cli.overlay import lettering
from palsy_cli.overlay.colours import LINE, MUTED
from palsy_cli.records import ByteImage

#: A line's height in letter sizes.
LEADING = 1.4


@dataclass(frozen=True)
class Sheet:
    """An RGB picture (H, W, 3) on which lengths are given in units of so many pixels; y runs down."""

    image: ByteImage
    unit: float

    @property
    def height(self) -> float:
        """In units."""
        return float(self.image.shape[0] / self.unit)

    def copy(self) -> Sheet:
        """The same on a picture of its own."""
        return Sheet(self.image.copy(), self.unit)

    def write(
        self,
        words: str,
        place: tuple[float, float],
        *,
        size: float,
        colour: str = MUTED,
        bold: bool = False,
        anchor: lettering.Anchor = "left",
        within: float = math.inf,
    ) -> None:
        """Write one line as ``lettering.write`` does; smaller than ``size`` where it would be wider than ``within``."""
        size = min(size, size * within / max(self.width_of(words, size=size, bold=bold), 1e-9))
        x, y = (length * self.unit for length in place)
        lettering.write(self.image, words, (x, y), size=size * self.unit, colour=colour, bold=bold, anchor=anchor)

    def width_of(self, words: str, *, size: float, bold: bool = False) -> float:
        """How wide a line is."""
        return lettering.width_of(words, size=size * self.unit, bold=bold) / self.unit

    def wrap(self, words: str, *, size: float, width: float, most: int | None = None) -> list[str]:
        """Lines no wider than ``width``; see ``lettering.wrap``."""
        return lettering.wrap(words, size=size * self.unit, width=width * self.unit, most=most)

    def paragraph(self, lines: list[str], place: tuple[float, float], *, size: float) -> float:
        """Write lines below each other; returns where the base line of one more would be."""
        x, y = place
        for words in lines:
            self.write(words, (x, y), size=size)
            y += LEADING * size
        return y

    def box(self, place: tuple[float, float], size: tuple[float, float], *, colour: str) -> None:
        """A filled rectangle; ``size`` is width and height."""
        (left, top), (right, bottom) = place, np.add(place, size)
        first_x, last_x, first_y, last_y = (max(round(v * self.unit), 0) for v in (left, right, top, bottom))
        self.image[first_y:last_y, first_x:last_x] = lettering.rgb(colour)

    def rule(self, place: tuple[float, float], *, wide: float = 0.0, tall: float = 0.0) -> None:
        """A thin line, across or down."""
        thin = max(1.0, self.unit / 20) / self.unit
        self.box(place, (max(wide, thin), max(tall, thin)), colour=LINE)

    def dot(self, place: tuple[float, float], radius: float, *, colour: str) -> None:
        """A filled circle."""
        x, y = (length * self.unit for length in place)
        lettering.dot(self.image, (x, y), radius * self.unit, colour=colour)
