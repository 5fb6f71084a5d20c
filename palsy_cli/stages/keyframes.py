"""Hop 4: the frames that differ from each other, each aligned (DEM, preprocessing)."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.config import FaceSettings, KeyframeSettings
from palsy_cli.errors import NoFaceError
from palsy_cli.records import ByteImage, Clip, FaceTrack, FloatArray, Keyframes, Landmarks
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
    smoothed = np.full_like(points, np.nan)
    reach = 3 * deviation_s + 1e-6  # a frame right at the edge counts on both sides, whatever its rounding
    starts, stops = np.searchsorted(times_s, times_s - reach), np.searchsorted(times_s, times_s + reach)
    for i in np.flatnonzero(present):
        near = np.arange(starts[i], stops[i])
        near = near[present[near]]
        weight = np.exp(-((times_s[near] - times_s[i]) ** 2) / (2 * deviation_s**2))
        smoothed[i] = np.tensordot(weight / weight.sum(), points[near], axes=1)
    return smoothed


def select_keyframes(
    clip: Clip,
    track: FaceTrack,
    landmarks: Landmarks,
    settings: KeyframeSettings,
    face_settings: FaceSettings,
    *,
    on_frame: Callable[[int], None] | None = None,
) -> Keyframes:
    """Choose and align the keyframes in two streaming passes; memory is bounded by ``max_keyframes``.

    Frames in which the head is turned from its usual direction (``max_head_turn``) are passed over.
    Pass one compares 48x48 grey faces: a frame is kept when its mean difference (0-255) to the last kept frame exceeds
    the threshold; first and last usable frames are always kept. When more than ``max_keyframes`` would be
    kept, the threshold is raised until they fit. Pass two aligns the kept frames by three points.

    Raises:
        NoFaceError: no usable frame.
    """
    anchors = alignment_points(track, landmarks, face_settings)
    seen = track.usable & np.isfinite(anchors).all((1, 2))
    usable = np.flatnonzero(seen)[facing_as_usual(anchors[seen], limit=settings.max_head_turn)]
    if not len(usable):
        raise NoFaceError(f"{clip.path}: no frame shows a face that can be measured; film it frontally and larger")
    thumbnails = _compare_faces(clip, anchors, set(usable.tolist()), on_frame)
    chosen = choose(thumbnails, threshold=settings.threshold, at_most=settings.max_keyframes)
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
    small = faces.astype(np.float32)
    while True:
        kept = [0]
        for i in range(1, len(small)):
            if np.abs(small[i] - small[kept[-1]]).mean() > threshold:
                kept.append(i)
        last = len(small) - 1
        if kept[-1] != last:
            kept.append(last)
        if len(kept) <= max(at_most, 2):
            return kept
        threshold = max(threshold * 1.1, 0.1)


def _compare_faces(
    clip: Clip, anchors: FloatArray, usable: set[int], on_frame: Callable[[int], None] | None
) -> ByteImage:
    """(len(usable), 48, 48) grey stabilised faces: 2 kB a frame, all that pass one keeps."""
    reduce = COMPARE_SIDE / alignment.ALIGNED_SIZE
    faces = []
    for frame in iter_frames(clip):
        if frame.index in usable:
            matrix = alignment.three_point_affine(anchors[frame.index])
            small = alignment.scaled(matrix, reduce)
            grey = cv2.cvtColor(alignment.warp(frame.image, small, (COMPARE_SIDE, COMPARE_SIDE)), cv2.COLOR_RGB2GRAY)
            faces.append(np.asarray(grey, np.uint8))
        if on_frame is not None:
            on_frame(frame.index + 1)
    return np.stack(faces)


def _align(
    clip: Clip, track: FaceTrack, landmarks: Landmarks, anchors: FloatArray, chosen: npt.NDArray[np.int64]
) -> Keyframes:
    wanted = set(chosen.tolist())
    aligned, faces, points = [], [], []
    for frame in iter_frames(clip):
        if frame.index not in wanted:
            continue
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
