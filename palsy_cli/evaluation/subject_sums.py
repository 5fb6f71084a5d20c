"""Sums of each subject, from which a figure and its interval over subjects are made (NumPy).

Frames of one person resemble each other, so an interval must come from people drawn anew. All our figures can be made
from sums that add up over people: confusion matrices, moments, sums of errors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palsy_cli.evaluation.metrics import bootstrap_sums
from palsy_cli.evaluation.moments import sum_by_group
from palsy_cli.evaluation.results import EMPTY, Cell
from palsy_cli.records import FloatArray
from palsy_cli.stages.cooccurrence import wilson_interval

#: (..., *shape of one subject's sums) to (...) or (..., M): one figure, or M at once, for any number of totals.
Figure = Callable[[FloatArray], FloatArray]
ROUNDS = 1000


@dataclass(frozen=True, eq=False)
class SubjectSums:
    """Sums (G, ...) of G subjects; what is added up is up to the figure."""

    subjects: tuple[str, ...]
    sums: FloatArray

    @classmethod
    def of(cls, values: FloatArray, subjects: Sequence[str]) -> SubjectSums:
        """Add up rows (N, ...) of each subject."""
        names, own = number_subjects(subjects)
        return cls(names, sum_by_group(values, own, groups=len(names)))

    def only(self, subjects: Collection[str]) -> SubjectSums:
        """The sums of some of the subjects."""
        chosen = [i for i, name in enumerate(self.subjects) if name in subjects]
        return SubjectSums(tuple(self.subjects[i] for i in chosen), self.sums[chosen])

    def value(self, figure: Figure) -> FloatArray:
        """The figure over all subjects."""
        return np.asarray(figure(self.sums.sum(0)))

    def cells(self, figure: Figure, *, scale: float = 1.0) -> list[Cell]:
        """M figures with their 95 % intervals.

        Args:
            figure: its results.
            scale: 100 for percent.

        Returns:
            M cells; one for a figure that is a single number. Empty where there is no number, and without an interval
            for a single subject.
        """
        values = np.atleast_1d(self.value(figure)) * scale
        low = high = np.full(values.shape, np.nan)
        if len(self.subjects) > 1:
            low, high = (np.atleast_1d(end) * scale for end in bootstrap_sums(self.sums, figure, rounds=ROUNDS))
        return [_cell(*ends) for ends in zip(values.tolist(), low.tolist(), high.tolist(), strict=True)]

    def cell(self, figure: Figure, *, scale: float = 1.0) -> Cell:
        """One figure with its 95 % interval."""
        return self.cells(figure, scale=scale)[0]


def number_subjects(subjects: Sequence[str] | npt.NDArray[np.str_]) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """All subjects, sorted, and (N,) the place of each row's subject among them."""
    names, own = np.unique(np.asarray(subjects, dtype=str), return_inverse=True)
    return tuple(names.tolist()), own.astype(np.int64)


def share_cell(hits: int, trials: int, *, scale: float = 1.0) -> Cell:
    """A share of independent patients with Wilson's interval, which holds for few of them and for shares near 1."""
    if not trials:
        return EMPTY
    low, high = wilson_interval(hits, trials)
    return Cell(hits / trials * scale, (low * scale, high * scale))


def _cell(value: float, low: float, high: float) -> Cell:
    if not math.isfinite(value):
        return EMPTY
    return Cell(value, (low, high) if math.isfinite(low) else None)
