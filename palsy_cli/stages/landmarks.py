"""Hop 3: the 68 points of every usable frame, by the two-stage cascaded FCN (AFLFP)."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from palsy_cli.config import LandmarkSettings
from palsy_cli.networks.device import autocast
from palsy_cli.networks.landmark_fcn import CascadedFCN, decode_heatmaps
from palsy_cli.points import MIRROR_68
from palsy_cli.records import ByteImage, Clip, FaceTrack, FloatArray, Frame, Landmarks
from palsy_cli.stages import alignment
from palsy_cli.stages.video import iter_frames

#: Shown frames and their points (B, 68, 2).
FoundCallback = Callable[[Sequence[Frame], FloatArray], None]
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
        self._network, self._settings, self._batch_size = network, settings, batch_size
        self._on_found = on_found
        self._five: dict[int, FloatArray] = {}
        self._found: dict[int, tuple[FloatArray, float]] = {}

    def add(self, frames: Sequence[Frame], five: FloatArray) -> None:
        """Find the points of the next frames' faces, which the five points (len(frames), 5, 2) tell."""
        for start in range(0, len(frames), self._batch_size):
            batch = slice(start, start + self._batch_size)
            images = [frame.image for frame in frames[batch]]
            found, peak = _measurable(images, five[batch], self._network, self._settings)
            for frame, own_five, own, own_peak in zip(frames[batch], five[batch], found, peak, strict=True):
                self._five[frame.index], self._found[frame.index] = own_five, (own, float(own_peak))
            if self._on_found is not None:
                self._on_found(frames[batch], found)

    def of(self, frame: int, five: FloatArray) -> tuple[FloatArray, float] | None:
        """Points (68, 2) and mean peak of a frame's face; ``None`` when another face was taken, or none."""
        return self._found[frame] if frame in self._five and np.array_equal(self._five[frame], five) else None

    def came_true(self, track: FaceTrack) -> bool:
        """Whether all usable faces of a track, and no others, had points that could be measured."""
        measured = {frame for frame, (own, _) in self._found.items() if np.isfinite(own).all()}
        usable = np.flatnonzero(track.usable).tolist()
        return measured == set(usable) and all(self.of(frame, track.points[frame]) is not None for frame in usable)


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
    for batch in _batches(clip, missing, batch_size, on_frame):
        five = track.points[[frame.index for frame in batch]]
        found, peak = _measurable([frame.image for frame in batch], five, network, settings)
        for frame, own, own_peak in zip(batch, found, peak, strict=True):
            store(frame.index, own, float(own_peak))
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


def _measurable(
    images: Sequence[ByteImage], five: FloatArray, network: CascadedFCN, settings: LandmarkSettings
) -> tuple[FloatArray, FloatArray]:
    """Points (B, 68, 2), NaN where the heat maps stay too low for a face, and mean peaks (B,)."""
    found, sure = locate(images, five, network, settings)
    peak = sure.mean(1)
    found[peak < settings.min_peak] = np.nan
    return found, peak


def without_points(track: FaceTrack, landmarks: Landmarks) -> FaceTrack:
    """The track with ``no_landmarks`` for frames whose face has no measurable points."""
    missing = track.usable & ~np.isfinite(landmarks.points).all((1, 2))
    reasons = ("no_landmarks" if gone else reason for gone, reason in zip(missing, track.reasons, strict=True))
    return dataclasses.replace(track, reasons=tuple(reasons))


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
    for _ in range(settings.passes - 1):
        matrices, crops = _cut(images, five)
        rough = _to_picture(find_five(crops, network, settings), matrices)
        five = np.stack([_follow(old, new) for old, new in zip(five, rough, strict=True)])
    matrices, crops = _cut(images, five)
    found, sure = find_points(crops, network, settings)
    return _to_picture(found, matrices), sure


def _cut(images: Sequence[ByteImage], five: FloatArray) -> tuple[list[FloatArray], list[ByteImage]]:
    """Matrices into the crops, and the crops."""
    matrices = [alignment.crop_similarity(own, size=CROP) for own in five]
    return matrices, [alignment.warp(image, m, (CROP, CROP)) for image, m in zip(images, matrices, strict=True)]


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
    """Points (B, 68, 2) in crop pixels and their confidences (B, 68) for RGB crops (96, 96, 3)."""
    return _look(crops, network, settings, lambda x: network(x)[1], slice(None))


def find_five(crops: Iterable[ByteImage], network: CascadedFCN, settings: LandmarkSettings) -> FloatArray:
    """Eyes, nose tip and mouth corners (B, 5, 2) in crop pixels, by the first stage alone: a third of the work."""
    return alignment.five_points(_look(crops, network, settings, network.stage1, _MAKE_FIVE)[0])


def _look(
    crops: Iterable[ByteImage],
    network: CascadedFCN,
    settings: LandmarkSettings,
    stage: Callable[[Tensor], Tensor],
    which: list[int] | slice,
) -> tuple[FloatArray, FloatArray]:
    """As ``find_points``, with NaN for all but the points ``which``, their own mirror image as a set."""
    grey = np.stack([np.asarray(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)) for crop in crops])
    device = next(network.parameters()).device

    def decode(pictures: np.ndarray[Any, Any]) -> tuple[FloatArray, FloatArray]:
        points, sure = np.full((len(pictures), 68, 2), np.nan), np.full((len(pictures), 68), np.nan)
        x = standardise(torch.from_numpy(pictures).unsqueeze(1).to(device).float() / 255)
        with torch.inference_mode(), autocast(device):
            found = decode_heatmaps(stage(x)[:, which], top_k=settings.top_k, weighted=settings.weighted)
        points[:, which], sure[:, which] = (each.float().cpu().numpy() for each in found)
        return points, sure

    found, sure = decode(grey)
    if settings.flip_average:
        # Left and right must be treated alike, and a network is never exactly symmetric by itself.
        mirrored, mirrored_sure = decode(np.ascontiguousarray(grey[:, :, ::-1]))
        found = (found + alignment.mirror_points(mirrored, CROP)) / 2
        sure = (sure + mirrored_sure[:, MIRROR_68]) / 2
    return found, sure
