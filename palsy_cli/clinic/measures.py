"""Excursions, closure, speed and delay of each side: at rest and in each movement.

An excursion is the peak minus the rest of the same face, both medians over many frames, after head movement has been
taken out (``face_frame``). Emotrics gives the position in one photograph under that name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.curves import CURVES, measure, philtrum_deviation, side_points
from palsy_cli.clinic.definitions import DEFINITIONS, EXCURSIONS
from palsy_cli.clinic.face_frame import FacePoints
from palsy_cli.records import SIDES, FloatArray, Measure, Movement, Scale, Side

Unit = Literal["mm", "eye distances", "mm²", "eye distances²", "degrees", "share", "mm/s", "eye distances/s", "s"]

#: A movement has begun on a side once it has made the first share of its excursion there; its speed is the mean from
#: there to the second.
_BEGUN, _NEARLY = 0.2, 0.8
#: A side may begin so many seconds before the movement as a whole is seen, and needs so many frames to be timed.
_LEAD_S, _FEWEST = 0.2, 5
#: An excursion below this, in eye distances (0.6 mm), has neither direction nor speed, nor a beginning.
LEAST = 0.01
_NOT_MADE = "this movement was not seen"


#: What moves in which task: points of one side (N, 68, 2) seen as the left's, and its rest (68, 2), to (N,).
Course = Callable[[FloatArray, FloatArray], FloatArray]


def _change(name: str, sign: float = 1.0) -> Course:
    """Change of a curve from its rest."""
    return lambda points, rest: sign * (CURVES[name](points) - CURVES[name](rest[None]))


def _corner(points: FloatArray, rest: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(points[:, 54] - rest[54], axis=1))


CLOSURES = ("gentle_eye_closure", "tight_eye_closure")
_COURSES: dict[str, tuple[str, Course]] = {
    "brow_excursion": ("brow_raise", _change("brow_height")),
    "commissure_excursion": ("smile", _corner),
    "alar_lift": ("snarl", _change("alar_height")),
    "commissure_narrowing": ("lip_pucker", _change("commissure_width", -1.0)),
    "lower_lip_depression": ("lower_teeth_EEE", _change("lower_lip_height", -1.0)),
}


def measure_face(
    face: FacePoints, at_rest: npt.NDArray[np.bool_], movements: Sequence[Movement]
) -> tuple[Measure, ...]:
    """All measures of a recording, in eye distances.

    Args:
        face: the points on the face.
        at_rest: (N,) frames at rest.
        movements: what was done, as found or as told.
    """
    found = [*_at_rest(face, at_rest)]
    for name in EXCURSIONS:
        found += _in_task(face, name, movements)
    for task in CLOSURES:
        found += _closure(face, task, movements)
    return tuple(found)


def _at_rest(face: FacePoints, at_rest: npt.NDArray[np.bool_]) -> list[Measure]:
    """Medians of all curves over the frames at rest."""
    used = at_rest & np.isfinite(face.points).all((1, 2))
    points, count = face.points[used], int(used.sum())
    curves = measure(points)
    found = []
    for name, sides in curves.items():
        left, right = (_median(sides[side]) for side in SIDES)
        found.append(Measure(name, "rest", left, right, frames=count))
    middle = _median(philtrum_deviation(points))
    return [*found, Measure("philtrum_deviation", "rest", middle=middle, frames=count)]


def _in_task(face: FacePoints, name: str, movements: Sequence[Movement]) -> list[Measure]:
    """Excursion, speed and delay of both sides in a task; its repetitions' median."""
    task, course = _COURSES[name]
    made = [one for one in movements if one.task == task]
    names = (name, f"{name}_speed", f"{name}_delay")
    if not made:
        return [Measure(each, task, reason=_NOT_MADE) for each in names]
    all_values = np.moveaxis(np.array([_course(face, course, one) for one in made]), 0, -1)
    frames = int(sum(one.peak.sum() for one in made))
    found = []
    for each, values in zip(names, all_values, strict=True):
        left, right = (_median(side[np.isfinite(side)]) for side in values)
        found.append(Measure(each, task, left, right, frames=frames, reason=_unless_both(left, right)))
    return found + (_smile(face, made) if task == "smile" else [])


def _unless_both(left: float | None, right: float | None) -> str | None:
    return "a side moved too little" if left is None or right is None else None


def _course(face: FacePoints, course: Course, movement: Movement) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Excursion, largest speed and delay behind the other side, (2,) each; NaN where there is none."""
    span = (face.times_s >= movement.onset_s - _LEAD_S) & (face.times_s <= movement.peak_s)
    moved = [course(side_points(face.points, side), _rest_of(face, side)) for side in SIDES]
    reached = np.array([_median(side[movement.peak & np.isfinite(side)]) or 0.0 for side in moved])
    speeds, begun = np.full(2, np.nan), np.full(2, np.nan)
    for i, side in enumerate(moved):
        known = span & np.isfinite(side)
        if reached[i] < LEAST or known.sum() < _FEWEST:
            continue
        times_s, steady = face.times_s[known], _steadied(side[known])
        begun[i], nearly = (_crossing(times_s, steady, share * reached[i]) for share in (_BEGUN, _NEARLY))
        if nearly > begun[i]:
            speeds[i] = (_NEARLY - _BEGUN) * reached[i] / (nearly - begun[i])
    return reached, speeds, begun - np.nanmin(begun) if np.isfinite(begun).any() else begun


def _steadied(course: FloatArray) -> FloatArray:
    """Means over three frames, which halve what landmarks tremble by."""
    padded = np.pad(course, 1, mode="edge")
    return np.asarray((padded[:-2] + padded[1:-1] + padded[2:]) / 3)


def _crossing(times_s: FloatArray, course: FloatArray, level: float) -> float:
    """When a course first rises through a level, between frames; NaN when it never does."""
    rises = np.flatnonzero((course[:-1] < level) & (course[1:] >= level))
    if not len(rises):
        return float("nan")
    i = int(rises[0])
    share = (level - course[i]) / (course[i + 1] - course[i])
    return float(times_s[i] + share * (times_s[i + 1] - times_s[i]))


def _smile(face: FacePoints, made: Sequence[Movement]) -> list[Measure]:
    """Direction of the corners' movement, and what shows between the lips."""
    peak = np.any([one.peak for one in made], axis=0) & np.isfinite(face.points).all((1, 2))
    angles: dict[Side, float | None] = {}
    for side in SIDES:
        moved = np.median(side_points(face.points[peak], side)[:, 54], axis=0) - _rest_of(face, side)[54]
        angles[side] = float(np.degrees(np.arctan2(moved[1], moved[0]))) if np.linalg.norm(moved) >= LEAST else None
    left, right = (_median(measure(face.points[peak])["dental_show"][side]) for side in SIDES)
    middle, count = _median(philtrum_deviation(face.points[peak])), int(peak.sum())
    unmoved = _unless_both(angles["left"], angles["right"])
    return [
        Measure("smile_angle", "smile", angles["left"], angles["right"], frames=count, reason=unmoved),
        Measure("dental_show", "smile", left, right, frames=count),
        Measure("philtrum_deviation", "smile", middle=middle, frames=count),
    ]


def _closure(face: FacePoints, task: str, movements: Sequence[Movement]) -> list[Measure]:
    """What stays open of each eye, and the share of its open fissure by which it closes."""
    made = [one for one in movements if one.task == task]
    if not made:
        return [Measure(name, task, reason=_NOT_MADE) for name in ("lagophthalmos", "closure")]
    peak = np.any([one.peak for one in made], axis=0) & np.isfinite(face.points).all((1, 2))
    now, rest = (measure(points)["fissure"] for points in (face.points[peak], face.rest[None]))
    left, right = (_median(now[side]) for side in SIDES)
    open_eye = [float(rest[side][0]) for side in SIDES]
    count = int(peak.sum())
    shut_left, shut_right = (
        None if value is None or whole < LEAST else float(np.clip(1.0 - value / whole, 0.0, 1.0))
        for value, whole in zip((left, right), open_eye, strict=True)
    )
    reason = None if None not in (shut_left, shut_right) else "an eye is closed at rest"
    return [
        Measure("lagophthalmos", task, left, right, frames=count),
        Measure("closure", task, shut_left, shut_right, frames=count, reason=reason),
    ]


def _rest_of(face: FacePoints, side: Side) -> FloatArray:
    """(68, 2) the rest, seen from one side as the left."""
    return np.asarray(side_points(face.rest[None], side)[0])


def _median(values: FloatArray) -> float | None:
    """Median, ``None`` of nothing."""
    return float(np.median(values)) if len(values) else None


def ratio_of(measure: Measure) -> float | None:
    """The smaller side's part of the larger (0..1); ``None`` where there is none, and of angles and times."""
    if DEFINITIONS[measure.name].kind in ("angle", "time") or measure.left is None or measure.right is None:
        return None
    larger = max(measure.left, measure.right)
    return max(0.0, min(measure.left, measure.right)) / larger if larger > 0 else None


def unit_of(measure: Measure, scale: Scale) -> tuple[Unit, float]:
    """In what a measure is given, and what it is multiplied by."""
    kind = DEFINITIONS[measure.name].kind
    if kind in ("angle", "share", "time"):
        plain: dict[str, Unit] = {"angle": "degrees", "share": "share", "time": "s"}
        return plain[kind], 1.0
    power = 2.0 if kind == "area" else 1.0
    names: dict[str, tuple[Unit, Unit]] = {
        "length": ("mm", "eye distances"),
        "area": ("mm²", "eye distances²"),
        "speed": ("mm/s", "eye distances/s"),
    }
    known, unknown = names[kind]
    return (unknown, 1.0) if scale.mm is None else (known, scale.mm**power)
