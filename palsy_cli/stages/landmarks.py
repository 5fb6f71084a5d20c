"""Hop 3: the 68 points of every usable frame, by the two-stage cascaded FCN (AFLFP)."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from palsy_cli.config import LandmarkSettings
from palsy_cli.networks.landmark_fcn import CascadedFCN
from palsy_cli.records import Clip, FaceTrack, FloatArray, Frame, Landmarks
from palsy_cli.stages.point_finder import FoundBatch, PointFinder
from palsy_cli.stages.video import iter_frames

#: Shown frames and their points (B, 68, 2).
FoundCallback = Callable[[Sequence[Frame], FloatArray], None]


class _Foreseen(NamedTuple):
    """Faces whose points were found together: frames, hashes of the five points, float32 (B, 68, 2), peaks (B,).

    An hour has a hundred thousand frames; in float32 the points are still good to a thousandth of a pixel.
    """

    frames: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.int64]
    points: FloatArray
    peaks: FloatArray


class ForeseenPoints:
    """The 68 points of faces that will probably turn out to be the patient's, found while the pictures are at hand.

    Args:
        network: trained cascaded FCN.
        settings: decoding.
        batch_size: crops computed at once.
        on_found: shown frames and their points (B, 68, 2), in order; NaN as in ``fit_landmarks``.
    """

    def __init__(
        self,
        network: CascadedFCN,
        settings: LandmarkSettings,
        *,
        batch_size: int = 16,
        on_found: FoundCallback | None = None,
    ) -> None:
        self._finder, self._on_found = PointFinder(network, settings, batch_size=batch_size), on_found
        self._hashes: deque[int] = deque()
        self._batches: list[_Foreseen] = []

    def add(self, frames: Sequence[Frame], five: FloatArray) -> None:
        """The next frames, whose faces the five points (len(frames), 5, 2) tell; some wait for those to come."""
        self._hashes.extend(_hash(own) for own in five)
        self._keep(self._finder.add(frames, five))

    def finish(self) -> None:
        """Find the points of all frames that still wait."""
        self._keep(self._finder.finish())

    def _keep(self, batches: Iterable[FoundBatch]) -> None:
        for frames, found, peaks in batches:
            numbers = np.array([frame.index for frame in frames])
            hashes = np.array([self._hashes.popleft() for _ in frames])
            self._batches.append(_Foreseen(numbers, hashes, found.astype(np.float32), peaks))
            if self._on_found is not None:
                self._on_found(frames, found)

    def of(self, frame: int, five: FloatArray) -> tuple[FloatArray, float] | None:
        """Points (68, 2) and mean peak of a frame's face; ``None`` when another face was taken, or none."""
        number = bisect.bisect_left(self._batches, frame, key=lambda batch: batch.frames[-1])
        for batch in self._batches[number : number + 1]:
            row = int(np.searchsorted(batch.frames, frame))
            if batch.frames[row] == frame and batch.hashes[row] == _hash(five):
                return batch.points[row], float(batch.peaks[row])
        return None

    def came_true(self, track: FaceTrack) -> bool:
        """Whether all usable faces of a track, and no others, had points that could be measured."""
        measured = {int(n) for one in self._batches for n in one.frames[np.isfinite(one.points).all((1, 2))]}
        usable = np.flatnonzero(track.usable).tolist()
        return measured == set(usable) and all(self.of(frame, track.points[frame]) is not None for frame in usable)


def _hash(five: FloatArray) -> int:
    """A number by which five points (5, 2) are known again, in this process."""
    return hash(five.astype(np.float64).tobytes())


def fit_landmarks(
    clip: Clip,
    track: FaceTrack,
    network: CascadedFCN,
    settings: LandmarkSettings,
    *,
    batch_size: int = 16,
    on_frame: Callable[[int], None] | None = None,
    foreseen: ForeseenPoints | None = None,
) -> Landmarks:
    """Find the 68 points in every usable frame of the patient's track, streaming.

    Args:
        clip: where the frames come from; not decoded when all points were foreseen.
        track: the patient's five points in each frame; frames with a reason code are skipped.
        network: trained cascaded FCN.
        settings: decoding.
        batch_size: crops computed at once.
        on_frame: told the number of frames done.
        foreseen: points that were found before the track was known.

    Returns:
        Points (N, 68, 2) in pixels of the upright, unmirrored video, NaN where skipped or where the heat maps stay
        below ``min_peak``; confidence (N,) is the mean heat-map peak times the detection's confidence, 0 there.
    """
    count = len(track.times_s)
    points = np.full((count, 68, 2), np.nan)
    confidence = np.zeros(count)

    def store(frame: int, found: FloatArray, peak: float) -> None:
        points[frame] = found
        confidence[frame] = 0.0 if peak < settings.min_peak else peak * track.confidence[frame]

    missing: set[int] = set()
    for index in np.flatnonzero(track.usable).tolist():
        known = foreseen.of(index, track.points[index]) if foreseen is not None else None
        if known is None:
            missing.add(index)
        else:
            store(index, *known)
    finder = PointFinder(network, settings, batch_size=batch_size)
    batches = _batches(clip, missing, batch_size, on_frame)
    found = (finder.add(batch, track.points[[frame.index for frame in batch]]) for batch in batches)
    for frames, own, peaks in itertools.chain(itertools.chain.from_iterable(found), finder.finish()):
        for frame, own_points, peak in zip(frames, own, peaks, strict=True):
            store(frame.index, own_points, float(peak))
    return Landmarks(points, confidence)


def _batches(clip: Clip, wanted: set[int], size: int, on_frame: Callable[[int], None] | None) -> Iterator[list[Frame]]:
    """The wanted frames of a clip, some at a time."""
    waiting: list[Frame] = []
    for frame in iter_frames(clip, wanted=wanted) if wanted else ():
        waiting.append(frame)
        if len(waiting) >= size:
            yield waiting
            waiting = []
        if on_frame is not None:
            on_frame(frame.index + 1)
    if waiting:
        yield waiting


def without_points(track: FaceTrack, landmarks: Landmarks) -> FaceTrack:
    """The track with ``no_landmarks`` for frames whose face has no measurable points."""
    missing = track.usable & ~np.isfinite(landmarks.points).all((1, 2))
    reasons = ("no_landmarks" if gone else reason for gone, reason in zip(missing, track.reasons, strict=True))
    return dataclasses.replace(track, reasons=tuple(reasons))
