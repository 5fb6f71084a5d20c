"""What goes on at a moment of a recording: intensities of action units, and the movement."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palsy_cli.records import ActionUnits, FloatArray, Movement, Side, Symptoms
from palsy_cli.report.terms import TASK_NAMES


@dataclass(frozen=True)
class Course:
    """AU intensities 0..5 of the units that were ever active, A of them, at the times (K,) of the keyframes.

    ``left`` and ``right`` are (K, A).
    """

    aus: tuple[int, ...]
    times_s: FloatArray
    left: FloatArray
    right: FloatArray

    @staticmethod
    def of(units: ActionUnits, symptoms: Symptoms, times_s: FloatArray) -> Course:
        """The units that have an active mean, in their order."""
        aus = tuple(mean.au for mean in symptoms.action_units if mean.am_left is not None)
        columns = [units.channel(au) for au in aus]
        return Course(aus, times_s, units.left[:, columns], units.right[:, columns])

    def at(self, time_s: float, side: Side) -> FloatArray:
        """(A,) on the straight line between the keyframes before and after; NaN before the first and after the last."""
        values = self.left if side == "left" else self.right
        if not len(values):
            return np.full(len(self.aus), np.nan)
        along = (np.interp(time_s, self.times_s, unit, left=np.nan, right=np.nan) for unit in values.T)
        return np.array(list(along), float)


def movement_at(movements: tuple[Movement, ...], time_s: float) -> str | None:
    """Name of the movement that lasts at a time; ``None`` between movements."""
    for one in movements:
        if one.onset_s <= time_s <= one.offset_s:
            return TASK_NAMES[one.task] if one.task else "Another movement"
    return None
