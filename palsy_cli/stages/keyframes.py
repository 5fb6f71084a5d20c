"""Hop 4: the frames that differ from each other, each aligned (DEM, preprocessing)."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
#: Candidates kept for each keyframe: how the head is mostly held is known at the end, and who turns it away then falls.
_SPARE = 1.25
#: Candidates whose pictures are kept as they are, the latest; those of the others are packed to a quarter.
_UNPACKED = 64


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


@dataclass(frozen=True)
class Candidate:
    """A frame that may become a keyframe.

    Attributes:
        frame: its number.
        small: (48, 48) the grey stabilised face.
        aligned: (512, 512, 3) the face for the halves, or its PNG.
        face: (320, 320, 3) the upright face, or its PNG.
        face_points: (68, 2) in pixels of ``face``.
    """

    frame: int
    small: ByteImage
    aligned: ByteImage
    face: ByteImage
    face_points: FloatArray

    def packed(self) -> Candidate:
        """With PNGs (B,) in place of the pictures; nothing is lost."""
        return dataclasses.replace(self, aligned=_pack(self.aligned), face=_pack(self.face))

    def unpacked(self) -> Candidate:
        """With pictures in place of the PNGs."""
        return dataclasses.replace(self, aligned=_unpack(self.aligned), face=_unpack(self.face))


def _pack(picture: ByteImage) -> ByteImage:
    """The PNG (B,) of a picture (H, W, 3); a PNG as it is."""
    if picture.ndim == 1:
        return picture
    quickly = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
    return np.asarray(cv2.imencode(".png", picture, quickly)[1], np.uint8)


def _unpack(picture: ByteImage) -> ByteImage:
    """The picture (H, W, 3) of a PNG (B,); a picture as it is."""
    return np.asarray(cv2.imdecode(picture, cv2.IMREAD_COLOR), np.uint8) if picture.ndim == 1 else picture


@dataclass(frozen=True)
class _Seen:
    """A frame, its 68 points, and the three of them that align it."""

    frame: Frame
    points: FloatArray
    anchors: FloatArray


class Candidates:
    """The frames that may become keyframes, cut out while their points are found: no decoding of their own.

    A frame waits, with its picture, until the points of the next 0.2 s are known, by which it is stabilised. It is a
    candidate when its 48x48 grey face differs from the last candidate's. When they become too many, one that another
    one resembles is dropped, so that memory does not depend on the clip's length.

    Args:
        settings: how different, and how many.
        face_settings: ``smooth_s`` applies.
    """

    def __init__(self, settings: KeyframeSettings, face_settings: FaceSettings) -> None:
        self._threshold, self._at_most = settings.threshold, round(_SPARE * max(settings.max_keyframes, 2))
        self._deviation_s = face_settings.smooth_s
        self._waiting: list[_Seen] = []
        self._times_s: list[float] = []
        self._anchors: list[FloatArray] = []
        self._kept: list[Candidate] = []
        self._last: tuple[_Seen, FloatArray, ByteImage] | None = None
        self._likeness = _Likeness()

    def add(self, frames: Sequence[Frame], points: FloatArray) -> None:
        """The next frames and their 68 points (len(frames), 68, 2); those with NaN are passed over."""
        for frame, own, anchors in zip(frames, points, alignment.stable_points(points), strict=True):
            if np.isfinite(anchors).all():
                self._waiting.append(_Seen(frame, own, anchors))
                self._times_s.append(frame.time_s)
                self._anchors.append(anchors)
        self._settle(self._times_s[-1] - _reach(self._deviation_s) if self._times_s else 0.0)

    def finish(self) -> list[Candidate]:
        """All candidates, after the last ``add``: the first frame, those that differ, and the last one."""
        self._settle(np.inf)
        if self._last is not None and self._last[0].frame.index != self._kept[-1].frame:
            self._kept.append(_cut(*self._last))
        return self._kept

    def _settle(self, before_s: float) -> None:
        """Judge all waiting frames before a moment, and forget what no later one needs."""
        settled = [seen for seen in self._waiting if seen.frame.time_s < before_s]
        for seen in settled:
            self._judge(seen)
        self._waiting = self._waiting[len(settled) :]
        if self._waiting:
            first = int(np.searchsorted(self._times_s, self._waiting[0].frame.time_s - _reach(self._deviation_s)))
            self._times_s, self._anchors = self._times_s[first:], self._anchors[first:]

    def _judge(self, seen: _Seen) -> None:
        """Keep a frame if it differs; remember it, for it may be the last."""
        anchors = self._smooth_anchors(seen)
        small = _small_face(seen.frame.image, anchors)
        self._last = (seen, anchors, small)
        if self._kept and _difference(small, self._kept[-1].small) <= self._threshold:
            return
        self._likeness.add(small, seen.frame.index)
        self._kept.append(_cut(seen, anchors, small))
        if len(self._kept) > self._at_most:
            del self._kept[self._likeness.drop()]
        for i in range(len(self._kept) - _UNPACKED):
            self._kept[i] = self._kept[i].packed()

    def _smooth_anchors(self, seen: _Seen) -> FloatArray:
        if self._deviation_s <= 0:
            return seen.anchors
        return _smooth_at(seen.frame.time_s, np.stack(self._anchors), np.array(self._times_s), self._deviation_s)


def _small_face(image: ByteImage, anchors: FloatArray) -> ByteImage:
    """(48, 48) the grey face with eyes and nose tip in their places."""
    matrix = alignment.scaled(alignment.three_point_affine(anchors), COMPARE_SIDE / alignment.ALIGNED_SIZE)
    return alignment.warp_grey(image, matrix, (COMPARE_SIDE, COMPARE_SIDE))


def _cut(seen: _Seen, anchors: FloatArray, small: ByteImage) -> Candidate:
    """The crops of a frame."""
    size = alignment.ALIGNED_SIZE
    aligned = alignment.warp(seen.frame.image, alignment.three_point_affine(anchors), (size, size))
    upright = upright_crop(seen.points)
    face = alignment.warp(seen.frame.image, upright, (FACE_SIDE, FACE_SIDE))
    return Candidate(seen.frame.index, small, aligned, face, alignment.transform_points(seen.points, upright))


def upright_crop(points: FloatArray) -> FloatArray:
    """The similarity (2, 3) to the upright crop, ``FACE_SIDE`` pixels wide, of a face with these 68 points (68, 2)."""
    return alignment.crop_similarity(alignment.five_points(points), size=FACE_SIDE, margin=FACE_MARGIN)


def iter_found(clip: Clip, track: FaceTrack, landmarks: Landmarks) -> Iterator[tuple[list[Frame], FloatArray]]:
    """The usable frames of a clip whose points are known already, one at a time with its points, decoded once more."""
    usable = frozenset(np.flatnonzero(track.usable).tolist())
    for frame in iter_frames(clip, wanted=usable):
        yield [frame], landmarks.points[[frame.index]]


def find_candidates(
    clip: Clip, track: FaceTrack, landmarks: Landmarks, settings: KeyframeSettings, face_settings: FaceSettings
) -> Candidates:
    """The candidates of a clip whose points are known already, in a pass of their own."""
    candidates = Candidates(settings, face_settings)
    for frames, points in iter_found(clip, track, landmarks):
        candidates.add(frames, points)
    return candidates


def select_keyframes(
    clip: Clip,
    track: FaceTrack,
    landmarks: Landmarks,
    candidates: Candidates,
    settings: KeyframeSettings,
    face_settings: FaceSettings,
) -> Keyframes:
    """Choose the keyframes among the candidates.

    Frames in which the head is turned from its usual direction (``max_head_turn``) are passed over.
    Of the 48x48 grey faces one is kept when its mean difference (0-255) to the last kept one exceeds
    the threshold; first and last are always kept. When more than ``max_keyframes`` would be
    kept, those go that others resemble (``choose``).

    Args:
        clip: named in the error.
        track: which of its frames can be used.
        landmarks: their points.
        candidates: of all usable frames with points, and of no others.
        settings: how many to keep.
        face_settings: ``smooth_s`` applies, as for the candidates.

    Raises:
        NoFaceError: no usable frame.
    """
    found = candidates.finish()
    if not found:
        raise NoFaceError(f"{clip.path}: no frame shows a face that can be measured; film it frontally and larger")
    anchors = alignment_points(track, landmarks, face_settings)
    seen = np.flatnonzero(track.usable & np.isfinite(anchors).all((1, 2)))
    facing = set(seen[facing_as_usual(anchors[seen], limit=settings.max_head_turn)].tolist())
    found = [one for one in found if one.frame in facing] or found
    faces = [one.small for one in found]
    kept = [found[i].unpacked() for i in choose(faces, threshold=settings.threshold, at_most=settings.max_keyframes)]
    frames = np.array([one.frame for one in kept], np.int64)
    return Keyframes(
        frames=frames,
        times_s=track.times_s[frames],
        confidence=landmarks.confidence[frames],
        aligned=np.stack([one.aligned for one in kept]),
        faces=np.stack([one.face for one in kept]),
        face_points=np.stack([one.face_points for one in kept]),
    )


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


def choose(faces: Sequence[ByteImage], *, threshold: float, at_most: int) -> list[int]:
    """Positions of the kept faces among N grey ones (48, 48), ascending; first and last are always kept.

    A face is kept when it differs from the last kept one (DEM). Of too many, again and again one of the two that are
    most alike goes (ours): a higher threshold would leave nothing of a movement that is repeated all along a film.
    """
    kept = [0]
    for i in range(1, len(faces)):
        if _difference(faces[i], faces[kept[-1]]) > threshold:
            kept.append(i)
    if kept[-1] != len(faces) - 1:
        kept.append(len(faces) - 1)
    at_most = max(at_most, 2)
    if len(kept) <= at_most:
        return kept
    likeness = _Likeness()
    for i in kept:
        likeness.add(faces[i], i)
    while len(kept) > at_most:
        del kept[likeness.drop()]
    return kept


class _Likeness:
    """How much each two of some faces differ; of too many, it names the one that is missed least."""

    def __init__(self) -> None:
        self._faces: list[ByteImage] = []
        self._frames: list[int] = []
        self._apart: FloatArray = np.zeros((0, 0))

    def add(self, face: ByteImage, frame: int) -> None:
        """One more grey face (48, 48), of a later frame."""
        row = [_difference(face, other) for other in self._faces]
        self._apart = np.pad(self._apart, (0, 1), constant_values=np.inf)
        self._apart[-1, :-1] = self._apart[:-1, -1] = row
        self._faces.append(face)
        self._frames.append(frame)

    def drop(self) -> int:
        """Forget a face and tell its place: of the two most alike whose neighbours lie closer, never first or last."""
        nearest = self._apart.min(1)
        nearest[[0, -1]] = np.inf
        alike = np.flatnonzero(nearest <= nearest.min()).tolist()
        place = int(min(alike, key=lambda i: self._frames[i + 1] - self._frames[i - 1]))
        self._apart = np.delete(np.delete(self._apart, place, 0), place, 1)
        del self._faces[place], self._frames[place]
        return place


def _difference(first: ByteImage, second: ByteImage) -> float:
    """Mean difference of two grey faces (0..255)."""
    return float(cv2.norm(first, second, cv2.NORM_L1)) / first.size
