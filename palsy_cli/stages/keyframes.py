"""Hop 4: the frames that differ from each other, each aligned (DEM, preprocessing)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.config import FaceSettings, KeyframeSettings
from palsy_cli.errors import NoFaceError
from palsy_cli.records import ByteImage, Clip, FaceTrack, FloatArray, Frame, Keyframes, Landmarks
from palsy_cli.stages import alignment
from palsy_cli.stages.video import iter_frames

#: Side of the faces that are compared, in pixels (DEM).
COMPARE_SIDE = 48
#: Side of the upright crops that the grading networks read, and their framing.
FACE_SIDE = 320
FACE_MARGIN = 1.25


def alignment_points(track: FaceTrack, landmarks: Landmarks, settings: FaceSettings) -> FloatArray:
    """(N, 3, 2) right eye, left eye, nose tip of every frame, smoothed over time; NaN where there is no face.

    The canthi and the nose tip of the 68 points move less with expression than the detector's eye centres.
    """
    return smooth(alignment.stable_points(landmarks.points), track.times_s, deviation_s=settings.smooth_s)


def smooth(points: FloatArray, times_s: FloatArray, *, deviation_s: float) -> FloatArray:
    """Gaussian mean over time of points (N, ...), frames with NaN left out and left NaN; symmetric in time."""
    if deviation_s <= 0:
        return points
    present = np.asarray(np.isfinite(points.reshape(len(points), -1)).all(1))
    known, known_s = points[present], times_s[present]
    smoothed = np.full_like(points, np.nan)
    for i in np.flatnonzero(present):
        smoothed[i] = _smooth_at(times_s[i], known, known_s, deviation_s)
    return smoothed


def _smooth_at(time_s: float, points: FloatArray, times_s: FloatArray, deviation_s: float) -> FloatArray:
    """The Gaussian mean at one moment of points (N, ...), none of them NaN."""
    start, stop = np.searchsorted(times_s, [time_s - _reach(deviation_s), time_s + _reach(deviation_s)])
    weight = np.exp(-((times_s[start:stop] - time_s) ** 2) / (2 * deviation_s**2))
    return np.asarray(np.tensordot(weight / weight.sum(), points[start:stop], axes=1))


def _reach(deviation_s: float) -> float:
    """Seconds that the Gaussian sees; a frame right at the edge counts on both sides, whatever its rounding."""
    return 3 * deviation_s + 1e-6


class Thumbnails:
    """The 48x48 grey stabilised faces of a clip, 2 kB each, made while its points are found: no pass of their own.

    A face waits, with its picture, until the points of the next 0.2 s are known, by which it is stabilised.

    Args:
        settings: ``smooth_s`` applies.
    """

    def __init__(self, settings: FaceSettings) -> None:
        self._deviation_s = settings.smooth_s
        self._waiting: list[Frame] = []
        self._times_s: list[float] = []
        self._points: list[FloatArray] = []
        self._faces: dict[int, ByteImage] = {}

    def add(self, frames: Sequence[Frame], points: FloatArray) -> None:
        """The next frames and their 68 points (len(frames), 68, 2); those with NaN are passed over."""
        for frame, anchor in zip(frames, alignment.stable_points(points), strict=True):
            if np.isfinite(anchor).all():
                self._waiting.append(frame)
                self._times_s.append(frame.time_s)
                self._points.append(anchor)
        self._settle(self._times_s[-1] - _reach(self._deviation_s) if self._times_s else 0.0)

    def finish(self, frames: Iterable[int]) -> ByteImage:
        """The faces (N, 48, 48) of these frames, after the last ``add``; raises KeyError for one that was not added."""
        self._settle(np.inf)
        return np.stack([self._faces[int(frame)] for frame in frames])

    def _settle(self, before_s: float) -> None:
        """Make the faces of all waiting frames before a moment, and forget what no later one needs."""
        settled = [frame for frame in self._waiting if frame.time_s < before_s]
        for frame in settled:
            self._faces[frame.index] = _small_face(frame.image, self._anchors(frame.time_s))
        self._waiting = self._waiting[len(settled) :]
        if self._waiting:
            first = int(np.searchsorted(self._times_s, self._waiting[0].time_s - _reach(self._deviation_s)))
            self._times_s, self._points = self._times_s[first:], self._points[first:]

    def _anchors(self, time_s: float) -> FloatArray:
        times_s = np.array(self._times_s)
        if self._deviation_s <= 0:
            return self._points[int(np.searchsorted(times_s, time_s))]
        return _smooth_at(time_s, np.stack(self._points), times_s, self._deviation_s)


def _small_face(image: ByteImage, anchors: FloatArray) -> ByteImage:
    """(48, 48) the grey face with eyes and nose tip in their places."""
    matrix = alignment.scaled(alignment.three_point_affine(anchors), COMPARE_SIDE / alignment.ALIGNED_SIZE)
    small = alignment.warp(image, matrix, (COMPARE_SIDE, COMPARE_SIDE))
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)


def compare_faces(clip: Clip, track: FaceTrack, landmarks: Landmarks, settings: FaceSettings) -> Thumbnails:
    """The faces of a clip whose points are known already, in a pass of their own."""
    thumbnails = Thumbnails(settings)
    usable = frozenset(np.flatnonzero(track.usable).tolist())
    for frame in iter_frames(clip, wanted=usable):
        thumbnails.add([frame], landmarks.points[[frame.index]])
    return thumbnails


def select_keyframes(
    clip: Clip,
    track: FaceTrack,
    landmarks: Landmarks,
    thumbnails: Thumbnails,
    settings: KeyframeSettings,
    face_settings: FaceSettings,
) -> Keyframes:
    """Choose the keyframes and align them in a streaming pass; memory is bounded by ``max_keyframes``.

    Frames in which the head is turned from its usual direction (``max_head_turn``) are passed over.
    Of the 48x48 grey faces one is kept when its mean difference (0-255) to the last kept one exceeds
    the threshold; first and last usable frames are always kept. When more than ``max_keyframes`` would be
    kept, the threshold is raised until they fit. The kept frames are aligned by three points.

    Args:
        clip: where the frames come from.
        track: which of them can be used.
        landmarks: their points.
        thumbnails: of all usable frames with points; of more is no harm.
        settings: how many to keep.
        face_settings: ``smooth_s`` applies, as for the thumbnails.

    Raises:
        NoFaceError: no usable frame.
    """
    anchors = alignment_points(track, landmarks, face_settings)
    seen = track.usable & np.isfinite(anchors).all((1, 2))
    usable = np.flatnonzero(seen)[facing_as_usual(anchors[seen], limit=settings.max_head_turn)]
    if not len(usable):
        raise NoFaceError(f"{clip.path}: no frame shows a face that can be measured; film it frontally and larger")
    chosen = choose(thumbnails.finish(usable), threshold=settings.threshold, at_most=settings.max_keyframes)
    return _align(clip, track, landmarks, anchors, usable[chosen])


def facing_as_usual(anchors: FloatArray, *, limit: float) -> npt.NDArray[np.bool_]:
    """Which of N frames show the head as it is mostly held; a half face that turns looks like one that moves.

    Args:
        anchors: (N, 3, 2) right eye, left eye, nose tip.
        limit: how far the nose tip may lie from its median place between the eyes, in eye distances.
    """
    axis = anchors[:, 1] - anchors[:, 0]
    unit = np.maximum(np.linalg.norm(axis, axis=1, keepdims=True), 1e-6)
    across = axis / unit
    nose = anchors[:, 2] - anchors[:, :2].mean(1)
    down = np.stack([-across[:, 1], across[:, 0]], axis=1)
    place = np.stack([(nose * across).sum(1), (nose * down).sum(1)], axis=1) / unit
    away = np.linalg.norm(place - np.median(place, axis=0), axis=1) if len(place) else np.zeros(0)
    return np.asarray(away <= max(limit, float(away.min(initial=np.inf))))


def choose(faces: ByteImage, *, threshold: float, at_most: int) -> list[int]:
    """Positions of the kept faces among (N, 48, 48) grey ones, ascending; first and last are always kept."""
    at_most, last = max(at_most, 2), len(faces) - 1
    while True:
        kept, latest = [0], faces[0].astype(np.float32)
        for i in range(1, len(faces)):
            face = faces[i].astype(np.float32)
            if np.abs(face - latest).mean() > threshold:
                kept.append(i)
                latest = face
                if len(kept) > at_most:
                    break
        if kept[-1] != last:
            kept.append(last)
        if len(kept) <= at_most:
            return kept
        threshold = max(threshold * 1.1, 0.1)


def _align(
    clip: Clip, track: FaceTrack, landmarks: Landmarks, anchors: FloatArray, chosen: npt.NDArray[np.int64]
) -> Keyframes:
    wanted = set(chosen.tolist())
    aligned, faces, points = [], [], []
    for frame in iter_frames(clip, wanted=wanted):
        matrix = alignment.three_point_affine(anchors[frame.index])
        size = alignment.ALIGNED_SIZE
        aligned.append(alignment.warp(frame.image, matrix, (size, size)))
        own = landmarks.points[frame.index]
        upright = alignment.crop_similarity(alignment.five_points(own), size=FACE_SIDE, margin=FACE_MARGIN)
        faces.append(alignment.warp(frame.image, upright, (FACE_SIDE, FACE_SIDE)))
        points.append(alignment.transform_points(own, upright))
        if frame.index >= chosen[-1]:
            break
    return Keyframes(
        frames=chosen.astype(np.int64),
        times_s=track.times_s[chosen],
        confidence=landmarks.confidence[chosen],
        aligned=np.stack(aligned),
        faces=np.stack(faces),
        face_points=np.stack(points),
    )
