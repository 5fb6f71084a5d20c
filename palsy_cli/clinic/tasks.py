"""Which movements a patient made, and when: found in how the 68 points leave their places at rest.

A movement is told by its direction, not by its strength: what each task moves on a healthy face is laid beside what the
stronger side did. Each measure counts by how much larger it is than what landmarks tremble by.

Limits: cheeks that puff move the outline of the jaw by three millimetres and nothing else, which weak landmarks lose.
A movement that is none of the tasks (speech) is given the most similar name or none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.curves import measure, side_points
from palsy_cli.clinic.face_frame import FacePoints, per_frame
from palsy_cli.records import SIDES, FloatArray, Movement, ToldTask

BoolArray = npt.NDArray[np.bool_]

#: Millimetres in an eye distance of the face on which ``_FULL`` was measured.
_MM = 63.0
#: What is looked at, and by how many millimetres landmarks of a still face tremble in it.
_TREMBLE: dict[str, float] = {
    "brow_height": 0.5, "fissure": 0.6, "commissure_width": 0.4, "commissure_height": 0.4, "upper_lip_height": 0.4,
    "lower_lip_height": 0.5, "alar_height": 0.4, "brow_pinch": 0.5, "lip_gap": 0.5, "cheek_width": 0.5, "jaw_drop": 1.0,
}  # fmt: skip
#: Millimetres by which each task changes them on a healthy face (``simulate.muscles``, from published means).
_FULL: dict[str, dict[str, float]] = {
    "brow_raise": {"brow_height": 9.6, "fissure": 0.9, "brow_pinch": 0.5},
    "frown": {"brow_height": -4.9, "fissure": -0.9, "brow_pinch": 2.5},
    "gentle_eye_closure": {"fissure": -9.8},
    "tight_eye_closure": {"brow_height": -1.6, "fissure": -9.8, "commissure_height": 0.5, "alar_height": 0.4,
                          "brow_pinch": 0.9},
    "snarl": {"brow_height": -1.1, "fissure": -0.6, "upper_lip_height": 5.3, "alar_height": 4.2, "brow_pinch": 1.4,
              "lip_gap": 2.7},
    "open_smile": {"fissure": -1.1, "commissure_width": 6.7, "commissure_height": 7.4, "upper_lip_height": 5.0,
                   "lower_lip_height": 1.8, "alar_height": 0.8, "lip_gap": 4.4},
    "close_smile": {"fissure": -0.7, "commissure_width": 5.6, "commissure_height": 5.8, "upper_lip_height": 3.3,
                    "lower_lip_height": 2.4, "alar_height": 0.4},
    "lip_pucker": {"commissure_width": -7.0, "upper_lip_height": 0.5, "lower_lip_height": -0.4, "lip_gap": -0.6},
    "cheek_puff": {"commissure_width": -1.1, "upper_lip_height": -0.4, "lower_lip_height": 0.4, "cheek_width": 3.4},
    "lower_teeth_EEE": {"commissure_width": 6.0, "commissure_height": -1.0, "lower_lip_height": -5.6, "lip_gap": 6.8},
    "open_mouth": {"commissure_height": -3.3, "lower_lip_height": -8.7, "lip_gap": 13.7, "jaw_drop": 10.0},
}  # fmt: skip
#: With lips apart or closed, it is a smile.
_NAMES = {"open_smile": "smile", "close_smile": "smile"}

#: A movement begins and ends at this share of the full one, and must reach that.
_EDGE, _REACHED = 0.15, 0.35
#: Two movements meet where not more than this share is left of the smaller.
_VALLEY = 0.6
#: The bottom between them is as wide as this share rises above its lowest.
_FLAT = 0.2
#: The shares of its peak through which the line is drawn that tells when a closure begins and ends.
_LINE = (0.2, 0.5)
#: Seconds: of smoothing, of pauses that do not end a movement, of the shortest movement, of the longest blink.
_SMOOTH_S, _PAUSE_S, _SHORTEST_S, _BLINK_S = 0.06, 0.15, 0.4, 0.5
#: Movements less similar (cosine) to every task than this have no name.
_SIMILAR = 0.6
#: A closure in which the cheek raiser is read so strong (AU6) is the latter.
_CLOSURES, _SQUEEZED = ("gentle_eye_closure", "tight_eye_closure"), 1.5
#: Gentle and tight closures of one recording differ by so many millimetres in the height of the brows.
_BROWS_MM = 0.7
#: An eye that the networks read as closed so far (AU43) closes, whatever else the face does.
_SHUT = 3.5
#: Frames at this share of a movement's greatest extent or more are its peak.
_PEAK = 0.8


def task_name(movement: str) -> str:
    """The task that a movement of the simulator's script, or of the table above, belongs to."""
    return _NAMES.get(movement, movement)


TASKS: tuple[str, ...] = tuple(dict.fromkeys(map(task_name, _FULL)))


@dataclasses.dataclass(frozen=True)
class EyeReadings:
    """What the networks read of the eyes in N frames, on the stronger side (0..5); NaN in frames they did not see.

    Attributes:
        closed: (N,) how far an eye is closed (AU43).
        squeezed: (N,) how far the cheek is raised (AU6): by the orbital part of the eye's muscle, which works when eyes
            are closed tightly; the palpebral part alone closes them gently.
    """

    closed: FloatArray
    squeezed: FloatArray


def find_movements(face: FacePoints, eyes: EyeReadings | None = None) -> tuple[Movement, ...]:
    """The movements of a video in order, blinks left out.

    Args:
        face: the points of N frames.
        eyes: what the networks read of them; without, the points alone tell.
    """
    if eyes is None:
        eyes = EyeReadings(*np.full((2, len(face.times_s)), np.nan))
    moved = _course(face)
    extent = np.nan_to_num(_extent(moved))
    spans = list(_spans(face.times_s, extent))
    rooms = zip([None, *spans], [*spans[1:], None], strict=False)
    found = (_movement(face, moved, extent, eyes.closed, span, room) for span, room in zip(spans, rooms, strict=False))
    return tuple(_told_apart([one for one in found if one is not None], moved, eyes.squeezed))


def _told_apart(found: Sequence[Movement], moved: FloatArray, squeezed: FloatArray) -> Iterator[Movement]:
    """The same, but whether a closure is gentle or tight is what the networks read.

    If they did not see each, and all have one name, they are told apart by the brows, which a tight one draws down.
    """
    closures = [one for one in found if one.task in _CLOSURES]
    read = [_median_read(squeezed, one.peak) for one in closures]
    names = [
        one.task if np.isnan(au6) else _CLOSURES[au6 >= _SQUEEZED] for one, au6 in zip(closures, read, strict=True)
    ]
    brows = np.array([_brows_mm(moved[one.peak]) for one in closures])
    if np.isnan(read).any() and len(set(names)) == 1 and np.ptp(brows) > _BROWS_MM:
        names = [_CLOSURES[int(low)] for low in brows < (brows.min() + brows.max()) / 2]
    own = iter(names)
    for one in found:
        yield dataclasses.replace(one, task=next(own)) if one.task in _CLOSURES else one


def _median_read(readings: FloatArray, frames: npt.NDArray[np.int64]) -> float:
    """The median (a blink during a smile closes no eye) of what was read in some frames; NaN if nothing was."""
    read = readings[frames][np.isfinite(readings[frames])]
    return float(np.median(read)) if len(read) else np.nan


def _brows_mm(moved: FloatArray) -> float:
    """How much higher the brow is than at rest, millimetres, on the side whose eye closes more."""
    brows, fissures = np.median(moved[:, :, :2], axis=0).T
    return float(brows[int(np.argmin(fissures))] * _TREMBLE["brow_height"])


def told_movements(face: FacePoints, told: Sequence[ToldTask]) -> tuple[Movement, ...]:
    """The movements that a user names, each furthest where most of its task is seen between its times."""
    moved = _course(face)
    return tuple(_told_movement(face, moved, one) for one in told)


def _told_movement(face: FacePoints, moved: FloatArray, told: ToldTask) -> Movement:
    """One of them; nowhere furthest when the face is not seen meanwhile."""
    times_s, directions, lengths = face.times_s, *_directions()
    rows = [row for row, name in enumerate(_FULL) if task_name(name) == told.task]
    extent = (moved @ directions[rows].T / lengths[rows]).max((1, 2))
    within = (times_s >= told.onset_s) & (times_s <= told.offset_s) & np.isfinite(extent)
    peak = _furthest(extent, np.flatnonzero(within))
    onset_s, offset_s = (float(t) for t in np.clip((told.onset_s, told.offset_s), times_s[0], times_s[-1]))
    return Movement(
        task=told.task,
        onset_s=onset_s,
        peak_s=float(np.median(times_s[peak])) if len(peak) else (onset_s + offset_s) / 2,
        offset_s=offset_s,
        peak=peak,
        likeness=1.0,
        points=np.median(face.points[peak], axis=0) if len(peak) else np.full((68, 2), np.nan),
        source=told.source,
    )


def _furthest(extent: FloatArray, frames: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Those of the frames of a movement that are its peak."""
    return np.asarray(frames[extent[frames] >= _PEAK * extent[frames].max(initial=0.0)])


def _course(face: FacePoints) -> FloatArray:
    """``_moved``, smoothed over time; NaN where the face is not seen."""
    moved = _moved(face)
    known = np.asarray(np.isfinite(moved).all((1, 2)))
    moved[known] = _smooth(moved[known], face.times_s[known])
    moved[~known] = np.nan
    return moved


def _moved(face: FacePoints) -> FloatArray:
    """(N, 2, F) how far each side left its place at rest, in parts of what landmarks tremble by."""
    now, rest = per_frame(_features, face.points), _features(face.rest[None])
    return np.asarray((now - rest) * _MM / np.array(list(_TREMBLE.values())))


def _features(points: FloatArray) -> FloatArray:
    """(N, 2, F) what ``_TREMBLE`` names, in eye distances, of both sides."""
    curves = measure(points)
    jaw, gap = -points[:, 8, 1], points[:, 62, 1] - points[:, 66, 1]
    cheeks = np.mean([side_points(points, side)[:, 11:14, 0].mean(1) for side in SIDES], axis=0)
    sides = []
    for column, side in enumerate(SIDES):
        pinch = -side_points(points, side)[:, 22, 0]
        more = {"brow_pinch": pinch, "lip_gap": gap, "cheek_width": cheeks, "jaw_drop": jaw}
        sides.append(np.stack([more[name] if name in more else curves[name][:, column] for name in _TREMBLE], axis=1))
    return np.stack(sides, axis=1)


def _smooth(values: FloatArray, times_s: FloatArray) -> FloatArray:
    """A Gaussian mean over time, whatever the pace of the frames."""
    smooth = np.empty_like(values)
    starts = np.searchsorted(times_s, times_s - 3 * _SMOOTH_S)
    stops = np.searchsorted(times_s, times_s + 3 * _SMOOTH_S, side="right")
    for i, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        weights = np.exp(-0.5 * ((times_s[start:stop] - times_s[i]) / _SMOOTH_S) ** 2)
        smooth[i] = np.tensordot(weights / weights.sum(), values[start:stop], axes=1)
    return smooth


def _directions() -> tuple[FloatArray, FloatArray]:
    """Unit vectors (T, F) of the tasks, in order, and the lengths (T,) of the full movements."""
    full = np.array([[task.get(name, 0.0) / tremble for name, tremble in _TREMBLE.items()] for task in _FULL.values()])
    lengths = np.linalg.norm(full, axis=1)
    return full / lengths[:, None], lengths


def _extent(moved: FloatArray) -> FloatArray:
    """(N,) the largest share of a full task that a side's movement holds."""
    directions, lengths = _directions()
    return np.asarray((moved @ directions.T / lengths).max((1, 2)))


def _spans(times_s: FloatArray, extent: FloatArray) -> Iterator[slice]:
    """The frames of each movement: connected but for pauses, long and large enough."""
    moving = np.flatnonzero(extent > _EDGE)
    if not len(moving):
        return
    breaks = np.flatnonzero(np.diff(times_s[moving]) > _PAUSE_S + np.median(np.diff(times_s)))
    for first, last in zip([0, *breaks + 1], [*breaks, len(moving) - 1], strict=True):
        for span in _parted(times_s, extent, slice(int(moving[first]), int(moving[last]) + 1)):
            if _length_s(times_s, span) >= _SHORTEST_S and extent[span].max() >= _REACHED:
                yield span


def _parted(times_s: FloatArray, extent: FloatArray, span: slice) -> Iterator[slice]:
    """A span, parted where the face comes near its rest between two movements without reaching it."""
    own = extent[span]
    before, after = np.maximum.accumulate(own), np.maximum.accumulate(own[::-1])[::-1]
    depth = own / np.maximum(np.minimum(before, after), 1e-9)
    lowest = float(depth.min())
    bottom = span.start + np.flatnonzero(_one_run(depth <= lowest + _FLAT, int(np.argmin(depth))))
    parts = slice(span.start, int(bottom[0]) + 1), slice(int(bottom[-1]), span.stop)
    if lowest > _VALLEY or min(_length_s(times_s, part) for part in parts) < _SHORTEST_S:
        yield span
        return
    for part in parts:
        yield from _parted(times_s, extent, part)


def _one_run(chosen: BoolArray, place: int) -> BoolArray:
    """Those of the chosen that are connected with one of them."""
    others = np.flatnonzero(~chosen)
    before, after = others[others < place], others[others > place]
    run = np.zeros(len(chosen), bool)
    run[(before[-1] + 1 if len(before) else 0) : (after[0] if len(after) else len(chosen))] = True
    return run


def _length_s(times_s: FloatArray, span: slice) -> float:
    return float(times_s[span.stop - 1] - times_s[span.start])


def _edges(times_s: FloatArray, course: FloatArray, peak: npt.NDArray[np.int64], room: slice) -> tuple[float, float]:
    """When a closure begins and ends: where the line through two shares of its peak meets nothing, before and after.

    Lids come from the points in every frame, so that their course is steep, and late: points close an eye late.

    Args:
        times_s: (N,) seconds.
        course: (N,) how far the movement is made.
        peak: (P,) frames in which it is furthest.
        room: frames within which it may begin and end.
    """
    height = float(np.median(course[peak]))
    if height <= 0:  # the networks alone say that the eye closes
        return float(times_s[peak[0]]), float(times_s[peak[-1]])
    before = slice(room.start, int(peak[0]) + 1)
    after = slice(int(peak[-1]), room.stop)
    onset_s = _edge(times_s[before][::-1], course[before][::-1] / height)
    offset_s = _edge(times_s[after], course[after] / height)
    return onset_s, offset_s


def _edge(times_s: FloatArray, share: FloatArray) -> float:
    """When a falling share reaches nothing, by the line through its passages of ``_LINE``; at most the last time."""
    low, high = _LINE
    below = np.flatnonzero(~(share > low))  # frames in which the face is not seen end it, too
    if not len(below):
        return float(times_s[-1])
    end = int(below[0])
    above = np.flatnonzero(share[:end] >= high)
    start = int(above[-1]) if len(above) else 0
    reached_s = float(times_s[end] + low / (high - low) * (times_s[end] - times_s[start]))
    return float(np.clip(reached_s, *sorted((times_s[end], times_s[-1]))))


def _movement(
    face: FacePoints,
    moved: FloatArray,
    extent: FloatArray,
    closed: FloatArray,
    span: slice,
    room: tuple[slice | None, slice | None],
) -> Movement | None:
    """What kind of movement lies in some frames, between those before and after it; ``None`` for a blink."""
    times_s, peak = face.times_s, _furthest(extent, np.arange(span.start, span.stop))
    furthest = np.median(moved[peak], axis=0)
    side = int(np.argmax(np.linalg.norm(furthest, axis=1)))
    likeness = _directions()[0] @ furthest[side] / np.linalg.norm(furthest[side])
    shut = _median_read(closed, peak) >= _SHUT
    allowed = [name in _CLOSURES or not shut for name in _FULL]
    best = int(np.argmax(np.where(allowed, likeness, -np.inf)))
    nearest = list(_FULL)[best]
    onset_s, offset_s = float(times_s[span.start]), float(times_s[span.stop - 1])
    if nearest in _CLOSURES:
        if offset_s - onset_s <= _BLINK_S:
            return None
        free = slice(0 if room[0] is None else room[0].stop - 1, len(times_s) if room[1] is None else room[1].start + 1)
        onset_s, offset_s = _edges(times_s, moved[:, side] @ _directions()[0][best], peak, free)
    return Movement(
        task=task_name(nearest) if shut or likeness[best] >= _SIMILAR else None,
        onset_s=onset_s,
        peak_s=float(np.median(times_s[peak])),
        offset_s=offset_s,
        peak=peak,
        likeness=float(np.clip(likeness[best], 0.0, 1.0)),
        points=np.median(face.points[peak], axis=0),
    )
