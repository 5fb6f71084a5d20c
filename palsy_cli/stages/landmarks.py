"""Hop 3: the 68 points of every usable frame, by the two-stage cascaded FCN (AFLFP)."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from palsy_cli.config import LandmarkSettings
from palsy_cli.networks.batches import Batches
from palsy_cli.networks.device import autocast
from palsy_cli.networks.landmark_fcn import CascadedFCN, decode_tiles
from palsy_cli.points import MIRROR_68
from palsy_cli.records import ByteImage, Clip, FaceTrack, FloatArray, Frame, Landmarks
from palsy_cli.stages import alignment
from palsy_cli.stages.sightings import MOST_WAITING, move_evenly
from palsy_cli.stages.video import iter_frames

#: Shown frames and their points (B, 68, 2).
FoundCallback = Callable[[Sequence[Frame], FloatArray], None]
#: Frames, their points (B, 68, 2), NaN where the heat maps stay too low for a face, and their mean peaks (B,).
FoundBatch = tuple[Sequence[Frame], FloatArray, FloatArray]
#: Side of the network's grey input in pixels (AFLFP, preprocessing).
CROP = 96
#: The points that make the five which cut a crop: both eyes, nose tip, mouth corners.
_MAKE_FIVE = [*range(36, 48), 30, 48, 54]
#: A first pass that changes the size of the face more than this is not followed.
_MOST_CHANGE = 2.0


def standardise(x: Tensor) -> Tensor:
    """Mean 0, standard deviation 1 for each picture (N, 1, H, W); the deviation is at least 1e-3."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) / x.std((1, 2, 3), keepdim=True).clamp_min(1e-3)


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


class _FirstPass(NamedTuple):
    """A frame whose first pass was made: how far (5, 2) it shifted the five points, in pixels of the crop they cut."""

    time_s: float
    five: FloatArray
    shift: FloatArray

    def still_holds(self, five: FloatArray) -> bool:
        """Whether a face with these five points is probably the same, and near."""
        sizes = alignment.face_unit(self.five), alignment.face_unit(five)
        return move_evenly((self.five.mean(0), five.mean(0)), sizes)


class PointFinder:
    """The 68 points of one face in frame after frame.

    How far the detector is out hardly changes within a tenth of a second. So the first pass, whose points cut the crop
    of the second, is made as often as ``first_pass_every_s`` says and where the face is elsewhere. Frames between wait
    for it and take what lies between the corrections before and after, which makes steadier points than a first pass
    for each. Which frames are looked at depends on their times and faces, not on how they come.

    Args:
        network: trained cascaded FCN.
        settings: decoding, passes.
        batch_size: crops computed at once.
    """

    def __init__(self, network: CascadedFCN, settings: LandmarkSettings, *, batch_size: int = 16) -> None:
        self._network, self._settings, self._batches = network, settings, Batches(batch_size)
        self._every_s = settings.first_pass_every_s if settings.passes > 1 else 0.0
        self._waiting: list[tuple[Frame, FloatArray]] = []
        self._last: _FirstPass | None = None

    def add(self, frames: Sequence[Frame], five: FloatArray) -> Iterator[FoundBatch]:
        """Take the next frames, whose faces the five points (B, 5, 2) tell, and yield those whose points are found."""
        self._waiting += zip(frames, five, strict=True)
        yield from self._settle(self._due())

    def finish(self) -> Iterator[FoundBatch]:
        """Yield the frames that still wait."""
        yield from self._settle(sorted({*self._due(), len(self._waiting) - 1}) if self._waiting else [])

    def _due(self) -> list[int]:
        """Positions of the waiting frames whose first pass is to be made."""
        due: list[int] = []
        last, passed = self._last, 0
        for position, (frame, five) in enumerate(self._waiting):
            passed += 1
            soon = last is not None and frame.time_s - last.time_s < self._every_s - 1e-6
            if last is None or not soon or passed > MOST_WAITING or not last.still_holds(five):
                due.append(position)
                last, passed = _FirstPass(frame.time_s, five, np.zeros((5, 2))), 0
        return due

    def _settle(self, due: Sequence[int]) -> Iterator[FoundBatch]:
        """Find the points of the waiting frames up to the last one that is due."""
        if not due:
            return
        done, self._waiting = self._waiting[: due[-1] + 1], self._waiting[due[-1] + 1 :]
        frames, five = [frame for frame, _ in done], np.stack([own for _, own in done])
        if self._settings.passes > 1:
            five = self._correct(frames, five, due)

        def look(rows: slice) -> FoundBatch:
            images = [frame.image for frame in frames[rows]]
            found, sure = _locate_at(images, five[rows], self._network, self._settings)
            peak = sure.mean(1)
            found = found.astype(np.float32).astype(np.float64)  # as ``_Foreseen`` keeps them, whoever asks
            found[peak < self._settings.min_peak] = np.nan
            return frames[rows], found, peak

        yield from self._batches.over(len(frames), look)

    def _correct(self, frames: Sequence[Frame], five: FloatArray, due: Sequence[int]) -> FloatArray:
        """The five points (B, 5, 2) as the first pass sees them in the frames due, and would see them between."""
        to_crop = [alignment.crop_similarity(own, size=CROP) for own in five]
        in_crop = [alignment.transform_points(own, matrix) for own, matrix in zip(five, to_crop, strict=True)]

        def correct(rows: slice) -> FloatArray:
            images = [frames[i].image for i in due[rows]]
            return _correct_five(images, five[due[rows]], self._network, self._settings)

        seen = itertools.chain.from_iterable(self._batches.over(len(due), correct))
        corrected, start = five.copy(), 0
        for stop, own in zip(due, seen, strict=True):
            look = _FirstPass(
                frames[stop].time_s, five[stop], alignment.transform_points(own, to_crop[stop]) - in_crop[stop]
            )
            for i in range(start, stop):
                shift = _shift_between(self._last or look, look, frames[i].time_s)
                corrected[i] = alignment.transform_points(in_crop[i] + shift, alignment.invert(to_crop[i]))
            corrected[stop] = own
            self._last, start = look, stop + 1
        return corrected


def _shift_between(before: _FirstPass, after: _FirstPass, time_s: float) -> FloatArray:
    """How far the first pass would shift the five points at a moment between two others, in the earlier one's face."""
    if not before.still_holds(after.five):
        return before.shift
    share = (time_s - before.time_s) / (after.time_s - before.time_s)
    return np.asarray(before.shift + share * (after.shift - before.shift))


def locate(
    images: Sequence[ByteImage], five: FloatArray, network: CascadedFCN, settings: LandmarkSettings
) -> tuple[FloatArray, FloatArray]:
    """The 68 points of one face in each picture.

    Args:
        images: B pictures (H, W, 3).
        five: (B, 5, 2) eyes, nose tip and mouth corners that say where the face is.
        network: trained cascaded FCN.
        settings: with two passes the second crop is cut by the points of the first, so that a rough detection does
            not make rough points. The first stage's maps are good enough to cut by.

    Returns:
        Points (B, 68, 2) in pixels of the pictures, heat-map peaks (B, 68).
    """
    return _locate_at(images, _correct_five(images, five, network, settings), network, settings)


def _locate_at(
    images: Sequence[ByteImage], five: FloatArray, network: CascadedFCN, settings: LandmarkSettings
) -> tuple[FloatArray, FloatArray]:
    """As ``locate``, in crops cut by these five points."""
    matrices, crops = _cut(images, five)
    found, sure = find_points(crops, network, settings)
    return _to_picture(found, matrices), sure


def _correct_five(
    images: Sequence[ByteImage], five: FloatArray, network: CascadedFCN, settings: LandmarkSettings
) -> FloatArray:
    """The five points (B, 5, 2) that cut the crops of the last pass."""
    for _ in range(settings.passes - 1):
        matrices, crops = _cut(images, five)
        rough = _to_picture(find_five(crops, network, settings), matrices)
        five = np.stack([_follow(old, new) for old, new in zip(five, rough, strict=True)])
    return five


def _cut(images: Sequence[ByteImage], five: FloatArray) -> tuple[list[FloatArray], list[ByteImage]]:
    """Matrices into the crops, and the crops, grey."""
    matrices = [alignment.crop_similarity(own, size=CROP) for own in five]
    return matrices, [alignment.warp_grey(image, m, (CROP, CROP)) for image, m in zip(images, matrices, strict=True)]


def _to_picture(points: FloatArray, matrices: list[FloatArray]) -> FloatArray:
    """Points (B, P, 2) of crops in pixels of the pictures."""
    pairs = zip(points, matrices, strict=True)
    return np.stack([alignment.transform_points(own, alignment.invert(m)) for own, m in pairs])


def _follow(old: FloatArray, new: FloatArray) -> FloatArray:
    """The five points that cut the next crop: the new ones, unless the face would shrink or grow more than twofold."""
    ratio = alignment.face_unit(new) / alignment.face_unit(old)
    return new if 1 / _MOST_CHANGE <= ratio <= _MOST_CHANGE else old


def find_points(
    crops: Iterable[ByteImage], network: CascadedFCN, settings: LandmarkSettings
) -> tuple[FloatArray, FloatArray]:
    """Points (B, 68, 2) in crop pixels and their confidences (B, 68) for grey crops (96, 96)."""
    return _look(crops, network, settings, stages=2)


def find_five(crops: Iterable[ByteImage], network: CascadedFCN, settings: LandmarkSettings) -> FloatArray:
    """Eyes, nose tip and mouth corners (B, 5, 2) in crop pixels, by the first stage alone: a third of the work."""
    return alignment.five_points(_look(crops, network, settings, stages=1, points=_MAKE_FIVE)[0])


def _look(
    crops: Iterable[ByteImage],
    network: CascadedFCN,
    settings: LandmarkSettings,
    *,
    stages: int,
    points: list[int] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """As ``find_points``, with NaN for all but some ``points``, their own mirror image as a set."""
    grey = np.stack(list(crops))
    count, device = len(grey), next(network.parameters()).device
    if settings.flip_average:
        grey = np.concatenate([grey, grey[:, :, ::-1]])
    x = standardise(torch.from_numpy(grey).unsqueeze(1).to(device).float() / 255)
    with torch.inference_mode(), autocast(device):
        tiles = network.tiles(x, stages=stages, points=points)
        answer = decode_tiles(tiles, top_k=settings.top_k, weighted=settings.weighted)
    found, sure = np.full((len(grey), 68, 2), np.nan), np.full((len(grey), 68), np.nan)
    which = slice(None) if points is None else points
    found[:, which], sure[:, which] = (each.float().cpu().numpy() for each in answer)
    if settings.flip_average:
        # Left and right must be treated alike, and a network is never exactly symmetric by itself.
        found = (found[:count] + alignment.mirror_points(found[count:], CROP)) / 2
        sure = (sure[:count] + sure[count:, MIRROR_68]) / 2
    return found, sure
