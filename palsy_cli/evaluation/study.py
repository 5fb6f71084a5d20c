"""What was predicted on labelled people: one record for each kind of answer, checked when it is made.

Rows are images, frames, videos or patients; each belongs to a subject. ``groups`` says what is known of a subject
(``{"SN001": {"sex": "f"}}``). A row without an answer is NaN or, for signs, the empty text: never left out.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from palsy_cli.errors import DatasetError
from palsy_cli.records import FloatArray

Groups = Mapping[str, Mapping[str, str]]
Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

#: The signs of a region: its weaker side, or none.
SIGNS: tuple[str, ...] = ("none", "left", "right")


@dataclass(frozen=True)
class NotRun:
    """In the place of a study that could not be made; ``reason`` stands in its tables."""

    reason: str


@dataclass(frozen=True, eq=False)
class PointsStudy:
    """Points of N images.

    Attributes:
        found: (N, 68, 2) pixels; NaN where no face was found.
        true: (N, 68, 2) pixels; NaN where a point was not marked.
        subjects: (N,).
        conditions: (N,) the expression or the part of the set, ``None`` where the set knows none.
        groups: what is known of the subjects.
    """

    found: FloatArray
    true: FloatArray
    subjects: Sequence[str]
    conditions: Sequence[str] | None = None
    groups: Groups = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together."""
        _expect("true", self.true, (len(self.subjects), 68, 2))
        _expect("found", self.found, self.true.shape)
        if self.conditions is not None and len(self.conditions) != len(self.subjects):
            raise ValueError(f"conditions: expected {len(self.subjects)}, got {len(self.conditions)}")


@dataclass(frozen=True, eq=False)
class PresenceStudy:
    """Presence of A units in N frames.

    Attributes:
        probability: (N, A) 0..1; NaN where no face was found.
        true: (N, A) 0 or 1; NaN where not coded.
        aus: the A units.
        subjects: (N,).
        groups: what is known of the subjects.
    """

    probability: FloatArray
    true: FloatArray
    aus: tuple[int, ...]
    subjects: Sequence[str]
    groups: Groups = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, and values off their scale."""
        _expect("true", self.true, (len(self.subjects), len(self.aus)))
        _expect("probability", self.probability, self.true.shape)
        _within("probability", self.probability, 0, 1)
        odd = self.true[np.isfinite(self.true) & (self.true != 0) & (self.true != 1)]
        if len(odd):
            raise ValueError(f"true: expected 0, 1 or NaN, got {odd[0]:g}")


@dataclass(frozen=True, eq=False)
class IntensityStudy:
    """Intensity of A units in N frames or half faces.

    Attributes:
        found: (N, A) 0..5; NaN where no face was found.
        true: (N, A) 0..5; NaN where not coded.
        aus: the A units.
        subjects: (N,).
        by_helpers: found intensities for each number of helper frames that was tried (DEM's m; 0 is the OVPM alone).
        groups: what is known of the subjects.
    """

    found: FloatArray
    true: FloatArray
    aus: tuple[int, ...]
    subjects: Sequence[str]
    by_helpers: Mapping[int, FloatArray] = field(default_factory=dict)
    groups: Groups = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, and values off their scale."""
        _expect("true", self.true, (len(self.subjects), len(self.aus)))
        _within("true", self.true, 0, 5)
        for name, found in (("found", self.found), *((f"found, m = {m}", x) for m, x in self.by_helpers.items())):
            _expect(name, found, self.true.shape)
            _within(name, found, 0, 5)


@dataclass(frozen=True, eq=False)
class GradeStudy:
    """One of C grades of each of N videos, images or patients.

    Attributes:
        probabilities: (N, C); a row of NaN where nothing was assessed.
        true: (N,) the place of the true grade among ``classes``.
        classes: names of the grades, in order.
        subjects: (N,).
        unit: what a row is, plural.
        groups: what is known of the subjects.
    """

    probabilities: FloatArray
    true: npt.NDArray[np.integer]
    classes: tuple[str, ...]
    subjects: Sequence[str]
    unit: str = "videos"
    groups: Groups = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, and grades that do not exist."""
        _expect("true", self.true, (len(self.subjects),))
        _expect("probabilities", self.probabilities, (len(self.subjects), len(self.classes)))
        _within("probabilities", self.probabilities, 0, 1)
        if len(self.true) and (self.true.min() < 0 or self.true.max() >= len(self.classes)):
            raise ValueError(f"true: expected 0..{len(self.classes) - 1}, got {self.true.min()}..{self.true.max()}")

    @property
    def assessed(self) -> npt.NDArray[np.bool_]:
        """(N,) where there is an answer."""
        return np.asarray(np.isfinite(self.probabilities).all(1))

    @property
    def found(self) -> npt.NDArray[np.int64]:
        """(N,) the most probable grade, the lowest of equals; -1 where nothing was assessed."""
        likely = np.where(self.assessed[:, None], self.probabilities, 0.0).argmax(1)
        return np.asarray(np.where(self.assessed, likely, -1), np.int64)


@dataclass(frozen=True, eq=False)
class SignStudy:
    """The weaker side of R regions of N patients (DEM's regions).

    Attributes:
        found, true: (N, R) of ``SIGNS``; the empty text where not assessed.
        regions: the R regions.
        subjects: (N,).
        groups: what is known of the subjects.
    """

    found: npt.NDArray[np.str_]
    true: npt.NDArray[np.str_]
    regions: tuple[str, ...]
    subjects: Sequence[str]
    groups: Groups = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together, and signs that do not exist."""
        _expect("true", self.true, (len(self.subjects), len(self.regions)))
        _expect("found", self.found, self.true.shape)
        for name, signs in (("found", self.found), ("true", self.true)):
            odd = sorted(set(signs.ravel().tolist()) - {*SIGNS, ""})
            if odd:
                raise ValueError(f"{name}: expected one of {', '.join(SIGNS)} or nothing, got {odd[0]!r}")

    @staticmethod
    def named(signs: npt.NDArray[np.str_]) -> npt.NDArray[np.bool_]:
        """(N, R) where there is a sign."""
        return np.asarray(np.char.str_len(signs) > 0)


#: What a float32 may be off a scale.
_SLACK = 1e-6

Study = PointsStudy | PresenceStudy | IntensityStudy | GradeStudy | SignStudy


def match(labels: Sequence[Key], predictions: Mapping[Key, Value]) -> list[Value]:
    """The prediction of each label, in the labels' order; predictions of nothing labelled are left aside.

    Raises:
        DatasetError: a label has no prediction. What is missing must not improve a mean.
    """
    missing = [key for key in labels if key not in predictions]
    if missing:
        first = missing[0]
        name = ", ".join(map(str, first)) if isinstance(first, tuple) else str(first)
        raise DatasetError(
            f"no prediction for {name}: {len(missing)} of {len(labels)} labels have none; "
            "predict every labelled frame, with empty values where no face was found"
        )
    return [predictions[key] for key in labels]


def _expect(name: str, array: npt.NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")


def _within(name: str, values: FloatArray, least: float, most: float) -> None:
    known = values[np.isfinite(values)]
    if len(known) and not (least - _SLACK <= known.min() and known.max() <= most + _SLACK):
        raise ValueError(f"{name}: expected {least:g}..{most:g}, got {known.min():g}..{known.max():g}")
