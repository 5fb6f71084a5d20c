"""A measure as the values it is the median of: so that it can be drawn anew for its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray, Interval, Measure


@dataclass(frozen=True)
class Sampled:
    """Values of one measure.

    Attributes:
        name, task: as the measure's.
        parts: for each repetition (n, 2) values of the left and the right in n frames, or (n, 1) of the midline; NaN
            where a side has none.
        blocks: for each repetition (n,) which of the values belong together: neighbouring frames are not independent.
        reason: why a side may have no value.
    """

    name: str
    task: str
    parts: tuple[FloatArray, ...]
    blocks: tuple[npt.NDArray[np.int64], ...]
    reason: str | None = None

    def measure(self) -> Measure:
        """The median of the repetitions' medians."""
        values = [_known(value) for value in self._values()]
        return self.of(values)

    def of(self, values: list[float | None]) -> Measure:
        """The measure with these values, of the left and the right or of the midline."""
        frames = sum(len(part) for part in self.parts)
        reason = self.reason if None in values else None
        if len(values) == 1:
            return Measure(self.name, self.task, middle=values[0], frames=frames, reason=reason)
        left, right = values
        return Measure(self.name, self.task, left, right, frames=frames, reason=reason)

    def _values(self) -> FloatArray:
        if not sum(len(part) for part in self.parts):
            return np.full(self.parts[0].shape[1] if self.parts else 2, np.nan)
        return np.asarray(np.median([np.median(part, axis=0) for part in self.parts if len(part)], axis=0))

    def drawn(self, rounds: int, rng: np.random.Generator) -> FloatArray | None:
        """(rounds, sides) the measure, its blocks drawn anew with replacement; ``None`` for fewer than two."""
        if sum(len(np.unique(own)) for own in self.blocks) < 2:
            return None
        pairs = [(part, own) for part, own in zip(self.parts, self.blocks, strict=True) if len(own)]
        repeated = [_drawn_medians(part, own, rounds, rng) for part, own in pairs]
        if len(repeated) > 1:  # repetitions differ among themselves, too
            chosen = rng.integers(len(repeated), size=(rounds, len(repeated)))
            repeated = list(np.stack(repeated)[chosen, np.arange(rounds)[:, None]].transpose(1, 0, 2))
        return np.asarray(np.median(repeated, axis=0))


def _drawn_medians(
    values: FloatArray, blocks: npt.NDArray[np.int64], rounds: int, rng: np.random.Generator
) -> FloatArray:
    """(rounds, sides) medians of values (n, sides) whose blocks are drawn anew; as weights, not as copies."""
    names, own = np.unique(blocks, return_inverse=True)
    drawn = rng.integers(len(names), size=(rounds, len(names)))
    times = np.stack([np.bincount(row, minlength=len(names)) for row in drawn])[:, own]
    return np.stack([_weighted_medians(column, times) for column in values.T], axis=1)


def _weighted_medians(values: FloatArray, times: npt.NDArray[np.int64]) -> FloatArray:
    """(rounds,) medians of values (n,), each counted so many times (rounds, n)."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(times[:, order], axis=1)
    half = reached[:, -1:] / 2.0
    low, high = (reached >= half).argmax(1), (reached > half).argmax(1)
    ordered = values[order]
    return np.asarray((ordered[low] + ordered[high]) / 2.0)


def interval_of(drawn: FloatArray) -> Interval | None:
    """The middle 95 % of drawn values (rounds,); ``None`` where some are none."""
    if not np.isfinite(drawn).all():
        return None
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(low), float(high)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
