"""Assessed patients for the tests of what is made of them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from palsy_cli.evaluation.patients import Case
from palsy_cli.simulate.scores import house_brackmann, severity_of_grade

REGIONS = ("eyebrows", "eyes", "mouth", "face")


def one_hot(place: int, count: int) -> tuple[float, ...]:
    """All odds on one of several classes."""
    return tuple(float(i == place) for i in range(count))


def perfect_case(patient: Any, rng: np.random.Generator) -> Case:
    """A planned patient of whom everything was found as it is; nine keyframes of random intensities."""
    left, right = rng.uniform(0, 5, (2, 9, 14))
    lesion, grade = patient.lesion, house_brackmann(patient.lesion)
    pairs = frozenset((lesion.side, *pair) for pair in lesion.synkinesis)
    case = Case(
        patient.person, lesion, grade, np.full(9, 2.0), np.full(9, 3.0), left[:, :2], left[:, :2],
        left, right, left, right,
        {}, one_hot(severity_of_grade(grade), 4), one_hot(grade - 1, 6), pairs, True,
        sum(lesion.weakness.values()),
    )  # fmt: skip
    sides = {region: case.true_weak_side(region) for region in REGIONS}
    alone = case.house_brackmann
    return dataclasses.replace(
        case, weak_sides=sides, of_pictures=alone, of_movement=alone, ideal_sides=sides, ideal_pairs=pairs
    )
