"""The panel beside the picture: result, movement, a pair of bars for each action unit, the film's course, the notice.

Lengths are in units (``layout``). What never changes is drawn once.
"""

from __future__ import annotations

import numpy as np

from palsy_cli.overlay.colours import INK, SOFT, blend
from palsy_cli.overlay.course import Course, movement_at
from palsy_cli.overlay.layout import PANEL_UNITS, Layout
from palsy_cli.overlay.sheet import LEADING, Sheet
from palsy_cli.records import SIDES, Assessment, ByteImage, Grades, Side, Symptoms
from palsy_cli.report.plots import percent, scale
from palsy_cli.report.terms import AU_NAMES, LEFT_COLOUR, NOTICE, RIGHT_COLOUR, ROMAN
from palsy_cli.report.words import weak_side_words

_COLOURS: dict[Side, str] = {"left": LEFT_COLOUR, "right": RIGHT_COLOUR}
#: Letters: the headline, results, everything else, small print.
_HEAD, _RESULT, _PLAIN, _SMALL = 1.35, 0.95, 0.64, 0.54
#: First and last column of what stands in the panel, and that in which bars begin.
_LEFT, _RIGHT, _BARS = 0.9, PANEL_UNITS - 0.9, 9.6
_WIDTH = _RIGHT - _LEFT
#: Rows of action units are no further apart; bars end at this intensity.
_PITCH, _MOST = 1.9, 5.0
#: Movements in the strip; how much of its colour a bar keeps in a frame that was not used.
_MOVEMENT, _PALE = "#9fb3c4", 0.35
_TITLE = "Action unit"
_LEGEND = "Dots: keyframes, in which action units were measured. In between, bars are interpolated."


class Panel:
    """Draws the panel of one assessment, frame by frame."""

    def __init__(self, assessment: Assessment, layout: Layout) -> None:
        width = layout.width - layout.picture[0]
        self.sheet = Sheet(np.full((layout.height, width, 3), 255, np.uint8), layout.unit)
        self.movements, self.unmeasured = assessment.clinic.movements, assessment.clinic.reason
        self.keyframes = frozenset(assessment.keyframes.frames.tolist())
        self.course = Course.of(assessment.action_units, assessment.symptoms, assessment.keyframes.times_s)
        self.along = scale(0.0, float(assessment.track.times_s[-1]), _LEFT, _RIGHT)
        self.bar_x = scale(0.0, _MOST, _BARS, _RIGHT)
        self.sheet.rule((0, 0), tall=self.sheet.height)
        self.now_y = self._grades(assessment.grades, self._weakness(assessment.symptoms)) + 1.25
        self._unmeasured()
        self.strip_y = self._strip(assessment, self._notice())
        self.rows_y, self.pitch = self._rows(self.now_y + 0.7, self.strip_y - 1.2)

    def draw(self, frame: int, time_s: float, *, used: bool) -> ByteImage:
        """The panel (H, W, 3) at one frame; where that was not used, bars are pale and no rest is claimed.

        A dot stands beside the heading of the bars in keyframes.
        """
        sheet = self.sheet.copy()
        name = movement_at(self.movements, time_s)
        if name is not None:
            sheet.write(name, (_LEFT, self.now_y), size=_RESULT, colour=INK, bold=True)
        elif used and self.unmeasured is None:
            sheet.write("No movement", (_LEFT, self.now_y), size=_RESULT)
        sheet.write(f"{time_s:.1f} s", (_RIGHT, self.now_y), size=_RESULT, colour=INK, anchor="right")
        self._bars(sheet, time_s, used=used)
        if frame in self.keyframes:
            sheet.dot((_LEFT + sheet.width_of(_TITLE, size=_PLAIN) + 0.6, self.rows_y - 1.32), 0.2, colour=INK)
        sheet.box((self.along(time_s) - 0.06, self.strip_y - 0.6), (0.12, 1.2), colour=INK)
        return sheet.image

    def _weakness(self, symptoms: Symptoms) -> float:
        """The weak side, or the reason why none is named; returns where it ends."""
        sheet, side = self.sheet, symptoms.weak_side
        colour = _COLOURS[side] if side == "left" or side == "right" else INK
        sheet.write("Weakness", (_LEFT, 1.4), size=_PLAIN)
        sheet.write(weak_side_words(symptoms), (_LEFT, 3.0), size=_HEAD, colour=colour, bold=True, within=_WIDTH)
        lines = sheet.wrap(sentence(symptoms.weak_side_reason), size=_PLAIN, width=_WIDTH, most=2)
        return sheet.paragraph(lines if side is None else [], (_LEFT, 4.0), size=_PLAIN)

    def _grades(self, grades: Grades, top: float) -> float:
        """Severity and House-Brackmann beside each other; returns where they end, below a rule."""
        label, grade = grades.severity_label, grades.house_brackmann_grade
        severity = label and f"{label.capitalize()}, {percent(max(grades.severity or (0.0,)))}"
        of_six = grade and f"{ROMAN[grade - 1]}, {percent(max(grades.house_brackmann or (0.0,)))}"
        bottom, half = top + 2.5, _WIDTH / 2
        for x, title, value, reason in (
            (_LEFT, "Severity", severity, grades.severity_reason),
            (_LEFT + half, "House–Brackmann grade", of_six, grades.house_brackmann_reason),
        ):
            self.sheet.write(title, (x, top + 0.7), size=_PLAIN)
            shown = value or "Not assessed"
            self.sheet.write(shown, (x, top + 1.9), size=_RESULT, colour=INK, bold=True, within=half - 0.8)
            lines = [] if value else self.sheet.wrap(sentence(reason), size=_SMALL, width=half - 0.8, most=3)
            bottom = max(bottom, self.sheet.paragraph(lines, (x, top + 2.8), size=_SMALL))
        self.sheet.rule((_LEFT, bottom), wide=_WIDTH)
        return bottom

    def _unmeasured(self) -> None:
        """Why no movements are named."""
        if self.unmeasured is not None:
            words = f"Movements not assessed: {self.unmeasured}"
            lines = self.sheet.wrap(words, size=_SMALL, width=_WIDTH - 4.0, most=2)
            self.sheet.paragraph(lines, (_LEFT, self.now_y - 0.35), size=_SMALL)

    def _notice(self) -> float:
        """The notice at the foot; returns where it begins."""
        lines = self.sheet.wrap(NOTICE, size=_SMALL, width=_WIDTH)
        top = self.sheet.height - LEADING * _SMALL * len(lines) - 0.8
        self.sheet.box((0.1, top), (PANEL_UNITS, self.sheet.height), colour=SOFT)
        self.sheet.paragraph(lines, (_LEFT, top + 0.9), size=_SMALL)
        return top

    def _strip(self, assessment: Assessment, bottom: float) -> float:
        """The film's course: movements as blocks, keyframes as dots; returns the height of its middle."""
        lines = self.sheet.wrap(_LEGEND, size=_SMALL, width=_WIDTH)
        y = bottom - LEADING * _SMALL * len(lines) - 1.0
        self.sheet.box((_LEFT, y - 0.4), (_WIDTH, 0.8), colour=SOFT)
        for one in self.movements:
            start, end = self.along(one.onset_s), self.along(one.offset_s)
            self.sheet.box((start, y - 0.4), (end - start, 0.8), colour=_MOVEMENT)
        for time_s in assessment.keyframes.times_s:
            self.sheet.dot((self.along(float(time_s)), y), 0.12, colour=INK)
        self.sheet.paragraph(lines, (_LEFT, y + 1.2), size=_SMALL)
        return y

    def _rows(self, top: float, bottom: float) -> tuple[float, float]:
        """Names and scale of the action units; returns where the first row begins, and how far rows are apart."""
        sheet, aus, first = self.sheet, self.course.aus, top + 2.5
        sheet.rule((_LEFT, top), wide=_WIDTH)
        if not aus:
            sheet.write("No action unit was active on either side.", (_LEFT, top + 1.4), size=_PLAIN)
            return first, _PITCH
        pitch = min((bottom - first) / len(aus), _PITCH)
        sheet.write(_TITLE, (_LEFT, top + 1.4), size=_PLAIN)
        right = _RIGHT
        for side in reversed(SIDES):
            sheet.write(side, (right, top + 1.4), size=_PLAIN, colour=_COLOURS[side], bold=True, anchor="right")
            right -= sheet.width_of(side, size=_PLAIN, bold=True) + 0.75
            sheet.box((right, top + 0.93), (0.5, 0.5), colour=_COLOURS[side])
            right -= 0.8
        for step in range(round(_MOST) + 1):
            sheet.write(str(step), (self.bar_x(step), first - 0.15), size=_SMALL, anchor="middle")
            sheet.rule((self.bar_x(step), first), tall=pitch * len(aus))
        for row, au in enumerate(aus):
            y = first + (row + 0.5) * pitch + 0.22
            sheet.write(f"AU{au}", (_LEFT, y), size=_PLAIN, colour=INK, bold=True)
            sheet.write(AU_NAMES[au].name, (_LEFT + 2.3, y), size=0.58, within=_BARS - _LEFT - 2.7)
        return first, pitch

    def _bars(self, sheet: Sheet, time_s: float, *, used: bool) -> None:
        """The left's bar above the right's."""
        start, thick = self.bar_x(0.0), 0.36 * self.pitch
        for side, shift in zip(SIDES, (0.12, 0.52), strict=True):
            colour = _COLOURS[side] if used else blend(_COLOURS[side], _PALE)
            for row, value in enumerate(self.course.at(time_s, side)):
                if np.isfinite(value):
                    place = start, self.rows_y + (row + shift) * self.pitch
                    sheet.box(place, (self.bar_x(float(value)) - start, thick), colour=colour)


def sentence(reason: str | None) -> str:
    """A reason, as it begins a line."""
    return reason[:1].upper() + reason[1:] if reason else "No reason was recorded"
