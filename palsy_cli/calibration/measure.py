"""Norms from a healthy cohort: co-occurrence, thresholds of single cells, dead zones. Pure NumPy; needs no model.

Every person counts once, whatever the number of recordings. Both sides are treated alike: a cohort seen in a mirror
gives the same norms. Limits are 95th percentiles, rounded up, so that they hold for those who set them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from palsy_cli.calibration.cohort import HealthyCohort, Person
from palsy_cli.config import SymptomSettings
from palsy_cli.errors import DatasetError
from palsy_cli.evaluation.metrics import bootstrap_interval
from palsy_cli.norms import Norms
from palsy_cli.records import ActionUnits, Cooccurrence, FloatArray, Symptoms
from palsy_cli.stages.cooccurrence import cells_under_test, cooccurrence
from palsy_cli.stages.symptoms import find_symptoms

#: Fewer people than this give no norms, and a cell or region that fewer show keeps what is built in.
MIN_PEOPLE = 5
#: Fewer people than this leave the 95th percentile to a single one of them.
ADVISED_PEOPLE = 20
#: Share of healthy people that a limit leaves inside.
SHARE = 0.95
FACE = "face"
_DECIMALS = 4


@dataclass(frozen=True)
class Limit:
    """A 95th percentile with its 95 % interval over people drawn anew."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class RegionLimits:
    """How unlike the sides of healthy people are in a region, or in the whole ``face``.

    ``relative`` is a share 0..1, ``absolute`` in intensity steps; ``None`` when fewer than ``MIN_PEOPLE`` show it.
    """

    region: str
    people: int
    relative: Limit | None
    absolute: Limit | None


@dataclass(frozen=True, eq=False)
class HealthyNorms:
    """What a cohort gives.

    Attributes:
        norms: what acts: the tested cells and their thresholds.
        dead_zone_relative: the largest limit of any region or the face: each verdict spares 95 % of healthy people.
        dead_zone_absolute: the smallest limit of any region: a floor for noise, which must swallow no small region.
        regions: the limits that they were chosen from, the face last.
        probability: (A, A) P(row active | column active), mean over people; NaN where nobody shows the column.
        low, high: (A, A) its 95 % interval over people drawn anew; NaN where fewer than ``MIN_PEOPLE`` show it.
        cell_people: (A, A) people who show the cell.
        recordings: how many were counted.
        left_out: names of the people in whom too little is seen.
    """

    norms: Norms
    dead_zone_relative: float
    dead_zone_absolute: float
    regions: tuple[RegionLimits, ...]
    probability: FloatArray
    low: FloatArray
    high: FloatArray
    cell_people: npt.NDArray[np.int64]
    recordings: int
    left_out: tuple[str, ...]


def measure_norms(cohort: HealthyCohort, *, upper: bool = False, rounds: int = 1000, seed: int = 0) -> HealthyNorms:
    """Measure a healthy cohort (DEM, section on symptoms; E19).

    Dead zones are measured with the new cells and thresholds, since misfirings found by them do not count as movement.

    Args:
        cohort: at least ``MIN_PEOPLE`` people in whom something is seen.
        upper: leave a pair untested already when the upper end of its interval exceeds one half, not its mean.
        rounds: resamplings of the intervals.
        seed: of the resampling.

    Raises:
        DatasetError: too few people.
    """
    settings = cohort.settings.symptoms
    people = tuple(person for person in cohort.people if shows_enough(person, settings))
    left_out = tuple(person.name for person in cohort.people if person not in people)
    if len(people) < MIN_PEOPLE:
        missing = f" ({len(left_out)} more show too little: {', '.join(left_out)})" if left_out else ""
        raise DatasetError(
            f"{len(people)} healthy people{missing}; at least {MIN_PEOPLE} are needed and {ADVISED_PEOPLE} advised: "
            "record and assess more"
        )
    aus = people[0].recordings[0].aus
    shares = np.stack([same_side(person, settings) for person in people])
    known = np.isfinite(shares)
    count = known.sum(0)
    probability = _mean_known(shares)
    low, high = _intervals(shares, rounds=rounds, seed=seed)
    common = (high if upper else probability) > 0.5
    built_in = cells_under_test(aus, extra_channels=True)
    norms = Norms(
        people=len(people),
        aus=aus,
        unexpected=_rows(np.where(count >= MIN_PEOPLE, ~common, built_in)),
        thresholds=_rows(_thresholds(people, settings)),
        models=cohort.models,
    )
    regions = region_limits(people, dataclasses.replace(settings, norms=norms), rounds=rounds, seed=seed)
    relative, absolute = _dead_zones(regions)
    recordings = sum(len(person.recordings) for person in people)
    return HealthyNorms(norms, relative, absolute, regions, probability, low, high, count, recordings, left_out)


def shows_enough(person: Person, settings: SymptomSettings) -> bool:
    """Whether any recording has a region to assess and a cell with support."""
    return any(
        symptoms.weak_side is not None and bool(np.isfinite(symptoms.cooccurrence.left_given_left).any())
        for symptoms in (find_symptoms(units, settings) for units in person.recordings)
    )


def same_side(person: Person, settings: SymptomSettings) -> FloatArray:
    """P(row active | column active) within a side, (A, A), mean over both sides of all recordings (DEM, eq. 7)."""
    tables = [_table(units, settings) for units in person.recordings]
    return _mean_known(np.stack([half for each in tables for half in (each.left_given_left, each.right_given_right)]))


def side_difference(units: ActionUnits, settings: SymptomSettings) -> FloatArray:
    """|D| of a recording (DEM, eqs. 8-9), (A, A): the larger of both triggers, since either would flag the pair."""
    table = _table(units, settings)
    return np.fmax(np.abs(table.difference_left), np.abs(table.difference_right))


def percentile(values: FloatArray, weights: FloatArray, *, share: float = SHARE) -> float:
    """The smallest of the values (N,) that at least ``share`` of the weight (N,) does not exceed; NaN without values.

    With one recording a person and fewer than 20 people that is the largest.
    """
    if not len(values):
        return float("nan")
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, share * total[-1] - 1e-9)])


def region_limits(
    people: Sequence[Person], settings: SymptomSettings, *, rounds: int, seed: int
) -> tuple[RegionLimits, ...]:
    """Limits of the asymmetry of each region and of the whole face, which comes last."""
    found: dict[str, list[tuple[int, float, float]]] = {}
    for number, person in enumerate(people):
        for units in person.recordings:
            for region, delta, relative in _asymmetries(find_symptoms(units, settings)):
                found.setdefault(region, []).append((number, relative, delta))
    return tuple(_limits_of(region, rows, rounds=rounds, seed=seed) for region, rows in found.items())


def _asymmetries(symptoms: Symptoms) -> list[tuple[str, float, float]]:
    """(region, absolute, relative) of what could be assessed."""
    face = (FACE, symptoms.delta_am, symptoms.relative)
    every = [*((each.region, each.delta_am, each.relative) for each in symptoms.regions), face]
    return [
        (name, abs(delta), abs(relative))
        for name, delta, relative in every
        if delta is not None and relative is not None
    ]


def _limits_of(region: str, rows: Sequence[tuple[int, float, float]], *, rounds: int, seed: int) -> RegionLimits:
    owner = np.array([number for number, _, _ in rows])
    count = len(set(owner.tolist()))
    if count < MIN_PEOPLE:
        return RegionLimits(region, count, None, None)
    weights = _weights(owner)

    def limit(column: int) -> Limit:
        values = np.array([row[column] for row in rows])
        ends = bootstrap_interval(
            lambda drawn: percentile(values[drawn], weights[drawn]), owner, rounds=rounds, seed=seed
        )
        return Limit(_up(percentile(values, weights)), *ends)

    return RegionLimits(region, count, limit(1), limit(2))


def _weights(owner: npt.NDArray[np.int64]) -> FloatArray:
    """One divided by the number of the same person's rows."""
    _, own, counts = np.unique(owner, return_inverse=True, return_counts=True)
    return np.asarray(1.0 / counts[own])


def _dead_zones(regions: Sequence[RegionLimits]) -> tuple[float, float]:
    relative = [each.relative.value for each in regions if each.relative is not None]
    absolute = [each.absolute.value for each in regions if each.absolute is not None and each.region != FACE]
    if not relative or not absolute:
        raise DatasetError(f"no region was seen in {MIN_PEOPLE} people; have them do the whole battery of movements")
    return max(relative), min(absolute)


def _thresholds(people: Sequence[Person], settings: SymptomSettings) -> FloatArray:
    """95th percentile of |D| in each cell, (A, A); 0 where fewer than ``MIN_PEOPLE`` show it."""
    recordings = [(number, units) for number, person in enumerate(people) for units in person.recordings]
    owner = np.array([number for number, _ in recordings])
    stack = np.stack([side_difference(units, settings) for _, units in recordings])
    limits = np.zeros(stack.shape[1:])
    for row, column in np.ndindex(limits.shape):
        values = stack[:, row, column]
        known = np.isfinite(values)
        if len(set(owner[known].tolist())) >= MIN_PEOPLE:
            limits[row, column] = _up(percentile(values[known], _weights(owner[known])))
    return limits


def _intervals(shares: FloatArray, *, rounds: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Bootstrap intervals over people of every cell's mean, (A, A) each; ``shares`` is (people, A, A)."""
    low, high = np.full((2, *shares.shape[1:]), np.nan)
    for row, column in np.ndindex(low.shape):
        values = shares[np.isfinite(shares[:, row, column]), row, column]
        if len(values) < MIN_PEOPLE:
            continue
        if np.ptp(values) == 0:  # drawing anew changes nothing
            low[row, column] = high[row, column] = values[0]
            continue
        low[row, column], high[row, column] = _interval_of_mean(values, rounds=rounds, seed=seed)
    return low, high


def _interval_of_mean(values: FloatArray, *, rounds: int, seed: int) -> tuple[float, float]:
    return bootstrap_interval(lambda drawn: float(values[drawn].mean()), range(len(values)), rounds=rounds, seed=seed)


def _table(units: ActionUnits, settings: SymptomSettings) -> Cooccurrence:
    return cooccurrence(units, threshold=settings.active_threshold, min_support=settings.min_support)


def _mean_known(stack: FloatArray) -> FloatArray:
    """Mean over the first axis of what is no NaN; NaN where nothing is."""
    known = np.isfinite(stack)
    count = known.sum(0)
    mean = np.full(count.shape, np.nan)
    np.divide(np.where(known, stack, 0.0).sum(0), count, out=mean, where=count > 0)
    return mean


def _up(value: float) -> float:
    """Rounded up to the decimals of a file, so that whoever set the limit stays inside."""
    return float(math.ceil(round(value * 10**_DECIMALS, 6)) / 10**_DECIMALS)


def _rows(cells: npt.NDArray[Any]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row) for row in cells.tolist())
