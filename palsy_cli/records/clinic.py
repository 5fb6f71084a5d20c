"""What the clinic measures on a face: millimetres, movements, scales."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from palsy_cli.records.face import FloatArray, Interval, require_shape

MeasureKind = Literal["length", "area", "angle", "share", "speed", "time", "intensity", "rate"]
ScaleSource = Literal["iris", "ipd", "mm-per-px"]
MovementSource = Literal["found", "table", "file name"]


@dataclass(frozen=True)
class Scale:
    """Millimetres of an eye distance at rest and the standard error of that; ``None`` and a reason when unknown.

    ``source`` says where it is from; ``irises`` how many were measured, and ``iris_mm`` what they alone would say.
    """

    mm: float | None
    error_mm: float | None
    source: ScaleSource | None
    reason: str | None = None
    irises: int = 0
    iris_mm: float | None = None


@dataclass(frozen=True)
class ToldTask:
    """What a user says was done, and when (seconds; infinite for a whole recording)."""

    task: str
    onset_s: float
    offset_s: float
    source: MovementSource = "table"


@dataclass(frozen=True)
class Movement:
    """One movement of the face in a video of N frames.

    Attributes:
        task: its name, ``None`` when it is none of those known.
        onset_s, peak_s, offset_s: when it begins, is furthest, and is over, in seconds.
        peak: (P,) the frames in which it is furthest, in order; an hour has a thousand movements.
        likeness: 0..1, how much it is like the task.
        points: (68, 2) the face at its peak, in coordinates of the face; NaN when it was not seen.
        source: who says what it is and when.
    """

    task: str | None
    onset_s: float
    peak_s: float
    offset_s: float
    peak: npt.NDArray[np.int64]
    likeness: float
    points: FloatArray
    source: MovementSource = "found"

    def __post_init__(self) -> None:
        require_shape("Movement.points", self.points, (68, 2))


@dataclass(frozen=True)
class Measure:
    """One measure of both sides, or of the midline (then ``middle``); ``None`` with a reason where not assessed.

    Lengths are in eye distances at rest, areas in their squares, speeds in eye distances a second, angles in degrees,
    times in seconds, shares run from 0 to 1.

    Attributes:
        name: as ``clinic.definitions`` explains it.
        task: in which movement, or ``rest``.
        left, right: the sides' values.
        middle: a value of the midline.
        frames: how many frames it rests on.
        reason: why a value is missing.
        left_interval, right_interval, middle_interval: 95 %, its stills or keyframes drawn anew; ``None`` of speeds and
            delays, and where all frames belong to one of these.
    """

    name: str
    task: str
    left: float | None = None
    right: float | None = None
    middle: float | None = None
    frames: int = 0
    reason: str | None = None
    left_interval: Interval | None = None
    right_interval: Interval | None = None
    middle_interval: Interval | None = None


@dataclass(frozen=True)
class ClinicMeasures:
    """What a ruler on the face would say.

    Coordinates of the face: origin midway between the eyes, x towards the patient's left, y up, in eye distances.

    Attributes:
        scale: millimetres, if known.
        movements: in order of time.
        measures: at rest and in each movement; empty beside a reason.
        curves: name -> (N, 2) of the left and of the right in every frame, in eye distances (areas: their squares);
            NaN where left out.
        rest_points: (68, 2) the face at rest, in coordinates of the face; ``None`` beside a reason.
        rest_frames: how many frames the rest was taken from.
        turned_frames: how many were left out because the head was turned.
        reason: why nothing was measured.
    """

    scale: Scale
    movements: tuple[Movement, ...] = ()
    measures: tuple[Measure, ...] = ()
    curves: dict[str, FloatArray] = field(default_factory=dict)
    rest_points: FloatArray | None = None
    rest_frames: int = 0
    turned_frames: int = 0
    reason: str | None = None


@dataclass(frozen=True)
class ScaleItem:
    """One item of a clinical scale: its value, and what that rests on or why there is none; ``by_hand`` if set so."""

    value: float | None
    basis: str
    frames: int = 0
    by_hand: bool = False

    @property
    def known(self) -> bool:
        """Whether there is a value."""
        return self.value is not None


@dataclass(frozen=True)
class ScaleScore:
    """A clinical scale by rule: its items by name and its total, a range where an item can be anything.

    ``low`` and ``high`` are equal where all items are known, ``None`` beside a reason where it is not assessed.
    ``interval`` is from the low of ``low`` to the high of ``high`` in 95 % of the draws of keyframes.
    """

    items: dict[str, ScaleItem] = field(default_factory=dict)
    low: float | None = None
    high: float | None = None
    reason: str | None = None
    interval: Interval | None = None
