"""Excursions, closure and what the face is like at rest, of each side.

An excursion is the peak minus the rest of the same face, both medians over many frames, after head movement has been
taken out (``face_frame``). Emotrics gives the position in one photograph under that name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.curves import CURVES, measure, philtrum_deviation, side_points
from palsy_cli.clinic.definitions import DEFINITIONS, EXCURSIONS
from palsy_cli.clinic.face_frame import FacePoints, per_frame
from palsy_cli.clinic.samples import Sampled
from palsy_cli.clinic.timing import LEAST, time_course
from palsy_cli.records import SIDES, ActionUnits, FloatArray, Measure, Movement, Scale, Side

Unit = Literal[
    "mm", "mm²", "mm/s", "eye distances", "eye distances²", "eye distances/s",
    "degrees", "share", "s", "AU steps", "per minute",
]  # fmt: skip
BoolArray = npt.NDArray[np.bool_]

NOT_MADE = "this movement was not seen"
TOO_LITTLE = "a side moved too little"
#: Lengths below this on both sides, in eye distances (half a millimetre), are no more than the points' own error.
_NOTHING = 0.008
#: What moves in which task: points of one side (N, 68, 2) seen as the left's, and its rest (68, 2), to (N,).
Course = Callable[[FloatArray, FloatArray], FloatArray]


def _change(name: str, sign: float = 1.0) -> Course:
    """Change of a curve from its rest."""
    return lambda points, rest: sign * (CURVES[name](points) - CURVES[name](rest[None]))


def _from_corner(points: FloatArray, rest: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(points[:, 54] - rest[54], axis=1))


#: Keyframes of a closure count from this share of the largest reading on.
_HELD = 0.8
CLOSURES = ("gentle_eye_closure", "tight_eye_closure")
_COURSES: dict[str, tuple[str, Course]] = {
    "brow_excursion": ("brow_raise", _change("brow_height")),
    "commissure_excursion": ("smile", _from_corner),
    "alar_lift": ("snarl", _change("alar_height")),
    "commissure_narrowing": ("lip_pucker", _change("commissure_width", -1.0)),
    "lower_lip_depression": ("lower_teeth_EEE", _change("lower_lip_height", -1.0)),
}


def measure_face(face: FacePoints, at_rest: BoolArray, movements: Sequence[Movement]) -> tuple[Measure, ...]:
    """All measures of a recording, in eye distances.

    Args:
        face: the points on the face.
        at_rest: (N,) frames at rest.
        movements: what was done, as found or as told.
    """
    blocks = np.arange(len(face.times_s))
    samples = [one.measure() for one in sample_face(face, at_rest, movements, blocks)]
    return by_task([*samples, *time_movements(face, movements)])


def by_task(measures: Sequence[Measure]) -> tuple[Measure, ...]:
    """The same, those of each task together; tasks in the order in which they first come."""
    tasks = list(dict.fromkeys(one.task for one in measures))
    return tuple(sorted(measures, key=lambda one: tasks.index(one.task)))


def sample_face(
    face: FacePoints, at_rest: BoolArray, movements: Sequence[Movement], blocks: npt.NDArray[np.int64]
) -> list[Sampled]:
    """What each measure but speeds and delays is the median of.

    Args:
        face: the points on the face.
        at_rest: (N,) frames at rest.
        movements: what was done.
        blocks: (N,) which frames belong together.
    """
    frames = _Frames(face, measure(face.points), np.asarray(np.isfinite(face.points).all((1, 2))), blocks)
    found = list(frames.at_rest(at_rest))
    for name, (task, _) in _COURSES.items():
        made = [one for one in movements if one.task == task]
        found.append(frames.sampled(name, task, _moved(face, name), made))
        if task == "smile":
            found += frames.smile(made)
    for task in CLOSURES:
        found += frames.closure(task, [one for one in movements if one.task == task])
    return found


@dataclass(frozen=True)
class _Frames:
    """What all measures are taken from: the face, its curves, in which frames it is seen, which belong together."""

    face: FacePoints
    curves: dict[str, FloatArray]
    seen: BoolArray
    blocks: npt.NDArray[np.int64]

    def at_rest(self, at_rest: BoolArray) -> Iterator[Sampled]:
        """All curves in the frames at rest."""
        used = at_rest & self.seen
        for name, values in {**self.curves, "philtrum_deviation": self._philtrum()}.items():
            yield Sampled(name, "rest", (values[used],), (self.blocks[used],), "no frame at rest was seen")

    def sampled(
        self, name: str, task: str, values: FloatArray, made: Sequence[Movement], reason: str | None = None
    ) -> Sampled:
        """The values (N, sides) of one measure at the peak of each repetition; why a side may have none, if seen."""
        peaks = self._peaks(made)
        parts = tuple(values[peak] for peak in peaks) or (values[:0],)
        own_blocks = tuple(self.blocks[peak] for peak in peaks) or (self.blocks[:0],)
        return Sampled(name, task, parts, own_blocks, reason if made and reason else NOT_MADE)

    def smile(self, made: Sequence[Movement]) -> Iterator[Sampled]:
        """Direction of the corners' movement, and what shows between the lips."""
        angles = np.full((len(self.seen), 2), np.nan)
        for column, side in enumerate(SIDES):
            moved = _corner(self.face.points, side) - _corner(self.face.rest[None], side)
            peaks = (moved[peak] for peak in self._peaks(made) if len(peak))
            reached = _median([float(np.median(np.linalg.norm(own, axis=1))) for own in peaks])
            if reached is not None and reached >= LEAST:
                angles[:, column] = np.degrees(np.arctan2(moved[:, 1], moved[:, 0]))
        yield self.sampled("smile_angle", "smile", angles, made, TOO_LITTLE)
        yield self.sampled("dental_show", "smile", self.curves["dental_show"], made)
        yield self.sampled("philtrum_deviation", "smile", self._philtrum(), made)

    def closure(self, task: str, made: Sequence[Movement]) -> Iterator[Sampled]:
        """What stays open of each eye, and the share of its open fissure by which it closes."""
        now, rest = self.curves["fissure"], measure(self.face.rest[None])["fissure"]
        whole = np.where(rest >= LEAST, rest, np.nan)
        yield self.sampled("lagophthalmos", task, now, made)
        yield self.sampled("closure", task, np.clip(1.0 - now / whole, 0.0, 1.0), made, "an eye is closed at rest")

    def _peaks(self, made: Sequence[Movement]) -> list[npt.NDArray[np.int64]]:
        """The frames of each peak in which the face is seen."""
        return [one.peak[self.seen[one.peak]] for one in made]

    def _philtrum(self) -> FloatArray:
        """(N, 1)."""
        return philtrum_deviation(self.face.points)[:, None]


def sample_closure(times_s: FloatArray, action_units: ActionUnits, movements: Sequence[Movement]) -> Iterator[Sampled]:
    """How far the network reads each eye as closed (AU43, 0..5) in the keyframes (K,) of the closures, half and on."""
    if 43 not in action_units.aus:
        return
    column = action_units.channel(43)
    values = np.stack([action_units.left[:, column], action_units.right[:, column]], axis=1)
    for task in CLOSURES:
        parts, blocks = [], []
        for one in (each for each in movements if each.task == task):
            during = np.flatnonzero((times_s >= one.onset_s) & (times_s <= one.offset_s))
            most = values[during].max(initial=0.0)
            held = during[values[during].max(1) >= _HELD * most] if most > 0 else during
            parts.append(values[held])
            blocks.append(held)
        yield Sampled(
            "closure_intensity", task, tuple(parts) or (values[:0],), tuple(blocks) or (np.arange(0),), NOT_MADE
        )


def _corner(points: FloatArray, side: Side) -> FloatArray:
    """(N, 2) the mouth's corner, seen from its side."""
    return points[:, 54] if side == "left" else points[:, 48] * (-1.0, 1.0)


def _moved(face: FacePoints, name: str) -> FloatArray:
    """(N, 2) how far each side has moved in each frame."""
    course, rest = _COURSES[name][1], [side_points(face.rest[None], side)[0] for side in SIDES]

    def moved(points: FloatArray) -> FloatArray:
        sides = (course(side_points(points, side), own) for side, own in zip(SIDES, rest, strict=True))
        return np.stack(list(sides), axis=1)

    return per_frame(moved, face.points)


def time_movements(face: FacePoints, movements: Sequence[Movement]) -> Iterator[Measure]:
    """Speed and delay of each side in each task; the repetitions' medians."""
    for name in EXCURSIONS:
        task = _COURSES[name][0]
        made = [one for one in movements if one.task == task]
        moved = _moved(face, name) if made else np.zeros((0, 2))
        courses = [time_course(face.times_s, moved, one) for one in made]
        frames = sum(len(one.peak) for one in made)
        for what, values in zip(("speed", "delay"), zip(*courses, strict=True) if made else ((), ()), strict=True):
            left, right = (_median([value[side] for value in values]) for side in (0, 1))
            unknown = None if None not in (left, right) else TOO_LITTLE if made else NOT_MADE
            yield Measure(f"{name}_{what}", task, left, right, frames=frames, reason=unknown)


def _median(values: Sequence[float]) -> float | None:
    """Median of those known, ``None`` of nothing."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else None


def ratio_of(measure: Measure) -> float | None:
    """The smaller side's part of the larger (0..1); ``None`` of angles, times, and next to nothing."""
    kind = DEFINITIONS[measure.name].kind
    if kind in ("angle", "time") or measure.left is None or measure.right is None:
        return None
    larger = max(measure.left, measure.right)
    if kind == "length" and larger < _NOTHING:
        return None
    return max(0.0, min(measure.left, measure.right)) / larger if larger > 0 else None


def unit_of(measure: Measure, scale: Scale) -> tuple[Unit, float]:
    """In what a measure is given, and what it is multiplied by."""
    kind = DEFINITIONS[measure.name].kind
    plain: dict[str, Unit] = {
        "angle": "degrees",
        "share": "share",
        "time": "s",
        "intensity": "AU steps",
        "rate": "per minute",
    }
    if kind in plain:
        return plain[kind], 1.0
    power = 2.0 if kind == "area" else 1.0
    names: dict[str, tuple[Unit, Unit]] = {
        "length": ("mm", "eye distances"),
        "area": ("mm²", "eye distances²"),
        "speed": ("mm/s", "eye distances/s"),
    }
    known, unknown = names[kind]
    return (unknown, 1.0) if scale.mm is None else (known, scale.mm**power)
