"""The patient's face through a clip: link detections over time, choose the patient, judge every frame.

Limits, to be known by whoever reads a result: faces are told apart by place and size alone, never by
identity. Who takes the patient's place after a cut or a gap is taken for the patient; a patient who comes
back elsewhere, or much larger, is not found again and those frames count as without a face. Whether a frame is
usable is judged by geometry and sharpness: a hand before the mouth or a hard shadow goes unnoticed.
"""

from __future__ import annotations

import itertools
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from palsy_cli.errors import NoFaceError
from palsy_cli.records import FaceTrack, FloatArray, Frame
from palsy_cli.stages.sightings import Sighting, SightingLog, Watch
from palsy_cli.stages.video import iter_frames

if TYPE_CHECKING:
    from pathlib import Path

    from palsy_cli.config import FaceSettings
    from palsy_cli.records import Clip
    from palsy_cli.stages.detection import Detector

#: A track may be unseen for so long and still go on, in seconds.
GAP_S = 1.0
#: How far a face may move between two sightings, in face sizes: at once, and per second unseen.
REACH = 1.0
REACH_PER_S = 1.0
#: Largest ratio of sizes between two sightings of one face.
SIZE_RATIO = 1.7
#: How far it may be, in face sizes, where a broken track goes on after a longer gap or a jump.
REJOIN_REACH = 1.5
#: Sightings further apart than this, in face sizes, are not averaged (a cut or a jerk, not trembling).
MAX_SHIFT = 0.5
#: A further face counts from this share of the frames or this time on.
PERSISTENT_SHARE = 0.1
PERSISTENT_S = 0.5
#: Standard deviations that smoothing sees.
SMOOTH_REACH = 4.0
#: Shown frames and the five points (B, 5, 2) of a face in each.
ForemostCallback = Callable[[Sequence[Frame], FloatArray], None]

_ADVICE = {
    "too_small": "the face is too small; move the camera closer",
    "cut_off": "the face leaves the picture; keep all of it in view",
    "turned_away": "the face is turned away; film it from the front",
    "blurred": "the face is blurred; use more light and a steady camera",
    "no_landmarks": "the parts of the face cannot be told apart; film it from the front, uncovered",
}


@dataclass(eq=False)
class _Tracklet:
    """Detections that follow each other closely in time and place, at most one a frame: their numbers in the log."""

    log: SightingLog
    last: Sighting
    rows: array[int] = field(default_factory=lambda: array("q"))

    @property
    def faces(self) -> list[Sighting]:
        """All of them, in order."""
        return [self.log[row] for row in self.rows]

    @property
    def frames(self) -> set[int]:
        """The frames it is seen in."""
        return {self.log.frame_of(row) for row in self.rows}

    def add(self, row: int, face: Sighting) -> None:
        """Go on with the next sighting."""
        self.rows.append(row)
        self.last = face

    @property
    def rank(self) -> tuple[float, ...]:
        """What makes it the patient, smallest first.

        The sum over frames of size x centrality x confidence decides. It and the tie-breakers (nearness to
        the middle, earliness, confidence, sharpness) do not change when the picture is mirrored; only when all of
        them are equal does the place in the picture decide, upper and then image-left first.
        """
        faces = self.faces
        prominence = sum(face.prominence for face in faces)
        off_centre = sum(face.off_centre for face in faces) / len(faces)
        first = faces[0]
        ties = (round(off_centre, 6), first.frame, -round(first.score, 6), -round(first.sharpness, 3))
        return (-round(prominence, 6), *ties, first.box[1], first.box[0])


def track_patient(
    clip: Clip,
    detector: Detector,
    settings: FaceSettings,
    *,
    batch_size: int = 16,
    on_frame: Callable[[int], None] | None = None,
    on_foremost: ForemostCallback | None = None,
) -> FaceTrack:
    """Find the patient's face in every frame, in one pass; only a few numbers per face are kept.

    Args:
        clip: the video.
        detector: finds faces and five points in single pictures.
        settings: thresholds of usable frames, smoothing.
        batch_size: frames that the detector is shown at a time, at most.
        on_frame: called with the number of frames done so far.
        on_foremost: shown frames and five points (B, 5, 2), in order, while the pictures are at hand. Who the patient
            is, the whole clip tells; in most clips it is the foremost face of each frame, and these are its points in
            the track.

    Returns:
        The track; N = 0 when no frame could be decoded, and no frame usable is no error here
        (``require_face`` makes it one). A frame is judged by the first reason that applies: no_face,
        too_small, cut_off, turned_away, blurred.

    Raises:
        VideoError: the file cannot be opened any more.
    """
    times: list[float] = []
    candidates = SightingLog()
    foremost = _Foremost(settings, on_foremost)
    has_clock = clip.kind == "video"
    watch = Watch(detector, settings, has_clock=has_clock, batch_size=batch_size)
    with closing(iter_frames(clip)) as frames:
        for batch, faces in watch.follow(frames):
            foremost.add(batch, faces)
            for face in itertools.chain.from_iterable(faces):
                candidates.add(face)
            for frame in batch:
                times.append(frame.time_s)
                if on_frame is not None:
                    on_frame(len(times))
    foremost.settle(np.inf)
    times_s = np.array(times, float)
    patient, others = _choose_patient(_link(candidates, has_clock=has_clock), has_clock=has_clock)
    other_faces = _count_others(patient, others, times_s, has_clock=has_clock)
    return _to_track(patient, times_s, settings, other_faces=other_faces)


class _Foremost:
    """The foremost face of each frame, as smooth as the track's, told as soon as all that smooths it has been seen."""

    def __init__(self, settings: FaceSettings, tell: ForemostCallback | None) -> None:
        self._settings, self._tell = settings, tell
        self._reach_s = SMOOTH_REACH * settings.smooth_s + 1e-6
        self._waiting: list[Frame] = []
        self._faces: list[Sighting] = []

    def add(self, frames: Sequence[Frame], candidates: Sequence[list[Sighting]]) -> None:
        """The next frames and the faces in them."""
        if self._tell is None:
            return
        for frame, faces in zip(frames, candidates, strict=True):
            if faces:
                self._waiting.append(frame)
                self._faces.append(max(faces, key=lambda face: face.prominence))
        if self._faces:
            self.settle(self._faces[-1].time_s - self._reach_s)

    def settle(self, before_s: float) -> None:
        """Tell the usable faces of all waiting frames before a moment, and forget what smooths no later one."""
        done = [frame for frame in self._waiting if frame.time_s < before_s]
        if not done or self._tell is None:
            return
        smooth = smooth_points(self._faces, self._settings.smooth_s)
        known = {face.frame: (face, own) for face, own in zip(self._faces, smooth, strict=True)}
        usable = [frame for frame in done if not _judge(*known[frame.index], self._settings)]
        if usable:
            self._tell(usable, np.stack([known[frame.index][1] for frame in usable]))
        self._waiting = self._waiting[len(done) :]
        from_s = self._waiting[0].time_s - self._reach_s if self._waiting else before_s
        self._faces = [face for face in self._faces if face.time_s >= from_s]


def require_face(track: FaceTrack, path: Path | str) -> None:
    """Raise unless at least one frame can be assessed.

    Raises:
        NoFaceError: how many frames were looked at, what was most often wrong, what to do next.
    """
    total = len(track.reasons)
    if track.usable.any():
        return
    counts = Counter(reason for reason in track.reasons if reason != "no_face")
    looked_at = f"{total} frame" + ("" if total == 1 else "s")
    if not counts:
        raise NoFaceError(f"{path}: no face found ({looked_at} looked at); film the whole face from the front")
    reason, _ = counts.most_common(1)[0]
    seen = f"{looked_at} looked at, the patient's face in {sum(counts.values())}"
    raise NoFaceError(f"{path}: no usable face ({seen}); mostly {_ADVICE[reason]}")


def _mismatch(earlier: Sighting, later: Sighting, *, reach: float, has_clock: bool) -> float:
    """How badly two sightings fit one face: distance in face sizes plus log size ratio; inf beyond reach."""
    size = np.sqrt(earlier.size * later.size)
    distance = float(np.hypot(*(earlier.centre - later.centre)) / size)
    growth = abs(float(np.log(later.size / earlier.size)))
    if has_clock and (distance > reach or growth > np.log(SIZE_RATIO)):
        return float("inf")
    return distance + growth


def _link(candidates: SightingLog, *, has_clock: bool) -> list[_Tracklet]:
    """Follow every face from frame to frame: the best fitting pairs first, unseen for at most ``GAP_S``.

    Without a clock (photographs) a face may be anywhere in the next picture.
    """
    finished: list[_Tracklet] = []
    active: list[_Tracklet] = []
    for _, group in itertools.groupby(range(len(candidates)), candidates.frame_of):
        rows = list(group)
        faces = [candidates[row] for row in rows]
        now_s = faces[0].time_s
        lost = [t for t in active if has_clock and now_s - t.last.time_s > GAP_S]
        finished += lost
        active = [t for t in active if t not in lost]
        pairs = []
        for (place, tracklet), (column, face) in itertools.product(enumerate(active), enumerate(faces)):
            reach = REACH + REACH_PER_S * (now_s - tracklet.last.time_s)
            pairs.append((round(_mismatch(tracklet.last, face, reach=reach, has_clock=has_clock), 9), place, column))
        free_places, free_columns = set(range(len(active))), set(range(len(faces)))
        for mismatch, place, column in sorted(pairs):
            if mismatch < float("inf") and place in free_places and column in free_columns:
                active[place].add(rows[column], faces[column])
                free_places.remove(place)
                free_columns.remove(column)
        active += [_Tracklet(candidates, faces[i], array("q", [rows[i]])) for i in sorted(free_columns)]
    return finished + active


def _choose_patient(tracklets: list[_Tracklet], *, has_clock: bool) -> tuple[list[Sighting], list[_Tracklet]]:
    """Take the first tracklet by rank, and those never seen beside it that go on where it broke off.

    Returns:
        The patient's faces in order of time, and the tracklets of everybody else.
    """
    patient: list[Sighting] = []
    others: list[_Tracklet] = []
    for tracklet in sorted(tracklets, key=lambda t: t.rank):
        if not patient or _goes_on(patient, tracklet, has_clock=has_clock):
            patient = sorted([*patient, *tracklet.faces], key=lambda face: face.frame)
        else:
            others.append(tracklet)
    return patient, others


def _goes_on(patient: list[Sighting], tracklet: _Tracklet, *, has_clock: bool) -> bool:
    """Whether a tracklet shares no frame with the patient and joins a neighbour in time at its place."""
    if tracklet.frames & {face.frame for face in patient}:
        return False
    first, last = tracklet.faces[0], tracklet.faces[-1]
    before = [face for face in patient if face.frame < first.frame][-1:]
    after = [face for face in patient if face.frame > last.frame][:1]
    fits = [_mismatch(face, first, reach=REJOIN_REACH, has_clock=has_clock) for face in before]
    fits += [_mismatch(last, face, reach=REJOIN_REACH, has_clock=has_clock) for face in after]
    return bool(fits) and min(fits) < float("inf")


def _count_others(patient: list[Sighting], others: list[_Tracklet], times_s: FloatArray, *, has_clock: bool) -> int:
    """Largest number of further lasting faces seen together with the patient in one frame."""
    patient_frames = {face.frame for face in patient}
    step_s = float(np.median(np.diff(times_s))) if has_clock and len(times_s) > 1 else 0.0
    together: Counter[int] = Counter()
    for tracklet in others:
        shared = tracklet.frames & patient_frames
        if len(shared) >= PERSISTENT_SHARE * len(times_s) or step_s * len(shared) >= PERSISTENT_S:
            together.update(shared)
    return max(together.values(), default=0)


def _to_track(patient: list[Sighting], times_s: FloatArray, settings: FaceSettings, *, other_faces: int) -> FaceTrack:
    """Lay the patient's faces out over all frames, with smoothed points and a reason where not usable."""
    n = len(times_s)
    boxes, points = np.full((n, 4), np.nan), np.full((n, 5, 2), np.nan)
    confidence = np.zeros(n)
    reasons = ["no_face"] * n
    for face, smooth in zip(patient, smooth_points(patient, settings.smooth_s), strict=True):
        boxes[face.frame], points[face.frame] = face.box, smooth
        confidence[face.frame] = np.clip(face.score, 0.0, 1.0)
        reasons[face.frame] = _judge(face, smooth, settings)
    return FaceTrack(times_s, boxes, points, confidence, tuple(reasons), other_faces)


def smooth_points(faces: Sequence[Sighting], spread_s: float) -> FloatArray:
    """Average the five points over time by a Gaussian, weighted by confidence; nothing is made up in between.

    Args:
        faces: M sightings in order of time.
        spread_s: standard deviation in seconds; 0 leaves the points as they are.

    Returns:
        (M, 5, 2). Sightings further than four standard deviations or half a face away have no part.
    """
    raw = np.array([face.points for face in faces], float).reshape(-1, 5, 2)
    if spread_s <= 0 or len(raw) < 2:
        return raw
    centres, sizes = np.array([face.centre for face in faces]), np.array([face.size for face in faces])
    times_s = np.array([face.time_s for face in faces])
    trust = np.array([max(face.score, 1e-6) for face in faces])
    starts = np.searchsorted(times_s, times_s - SMOOTH_REACH * spread_s, side="left")
    stops = np.searchsorted(times_s, times_s + SMOOTH_REACH * spread_s, side="right")
    smooth = np.empty_like(raw)
    for index, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        distance = (times_s[start:stop] - times_s[index]) / spread_s
        shift = np.linalg.norm(centres[start:stop] - centres[index], axis=1)
        weights = trust[start:stop] * np.exp(-0.5 * distance**2) * (shift <= MAX_SHIFT * sizes[index])
        smooth[index] = np.tensordot(weights / weights.sum(), raw[start:stop], axes=1)
    return smooth


def _judge(face: Sighting, points: FloatArray, settings: FaceSettings) -> str:
    """The first reason not to use a frame, or ""."""
    axis = points[1] - points[0]
    eye_distance = float(np.hypot(*axis))
    if eye_distance <= 0 or eye_distance < settings.min_eye_distance_px:
        return "too_small"
    if face.outside > settings.max_cut_off:
        return "cut_off"
    nose_offset = float((points[2] - (points[0] + points[1]) / 2) @ axis) / eye_distance
    if abs(nose_offset) / eye_distance > settings.max_turn:
        return "turned_away"
    return "blurred" if face.sharpness < settings.min_sharpness else ""
