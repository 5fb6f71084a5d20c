"""Faces in the frames of a clip: looked for as often as following them needs, in between told by the sightings around.

A face moves little in a tenth of a second, and the points that later stages find do not depend on how exactly the
detector places it. Where the faces of two looks do not pair up, or one moved far, all frames between are looked at.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from palsy_cli.config import FaceSettings
    from palsy_cli.records import ByteImage, FloatArray, Frame
    from palsy_cli.stages.detection import Detections, Detector

#: Of two detections, the weaker is dropped when this share of the smaller box is common to both.
NESTED_SHARE = 0.7
#: Spread of the preference for the middle of the picture, in halves of its diagonal.
CENTRE_SPREAD = 0.5
#: Faces are brought to this side in pixels before their sharpness is measured.
SHARPNESS_SIDE_PX = 96
#: Between two looks a face moves evenly enough when it does not get further than this, in face sizes ...
EVEN_SHIFT = 0.15
#: ... and grows or shrinks by this ratio at most.
EVEN_GROWTH = 1.1
#: Frames that wait for the next look at most, whatever their rate: their pictures are kept.
MOST_WAITING = 8
#: Numbers of a sighting beside its frame: time, box, points and six more.
_VALUES = 1 + 4 + 10 + 6


class Sighting(NamedTuple):
    """One face in one frame: ``box`` (4,), ``points`` (5, 2), ``size`` and places in pixels."""

    frame: int
    time_s: float
    box: FloatArray
    points: FloatArray
    score: float
    sharpness: float
    outside: float
    size: float
    prominence: float
    off_centre: float

    @property
    def centre(self) -> FloatArray:
        """(2,) middle of the box."""
        return np.asarray((self.box[:2] + self.box[2:]) / 2)


class SightingLog:
    """Sightings by the hundred thousand, an hour of video, at 176 bytes each."""

    def __init__(self) -> None:
        self._frames, self._values = array("q"), array("d")

    def __len__(self) -> int:
        return len(self._frames)

    def add(self, face: Sighting) -> None:
        """Remember one more."""
        frame, time_s, box, points, *rest = face
        self._frames.append(frame)
        self._values.extend((time_s, *box, *points.ravel(), *rest))

    def frame_of(self, row: int) -> int:
        """Number of the frame of a sighting."""
        return self._frames[row]

    def __getitem__(self, row: int) -> Sighting:
        """The sighting that was added as number ``row``."""
        if not 0 <= row < len(self):
            raise IndexError(row)
        time_s, *values = self._values[row * _VALUES : (row + 1) * _VALUES]
        box, points = np.array(values[:4]), np.array(values[4:14]).reshape(5, 2)
        return Sighting(self._frames[row], time_s, box, points, *values[14:])


class Watch:
    """Looks for faces in frame after frame.

    Which frames are looked at depends on their times and on what is seen, not on how they come.

    Args:
        detector: finds faces and five points in single pictures.
        settings: ``detect_every_s`` applies.
        has_clock: ``False`` looks at every frame (photographs).
        batch_size: frames that wait before the detector is shown some of them.
    """

    def __init__(self, detector: Detector, settings: FaceSettings, *, has_clock: bool, batch_size: int = 16) -> None:
        self._detector, self._batch_size = detector, max(1, batch_size)
        self._every_s = settings.detect_every_s if has_clock else 0.0
        self._waiting: list[Frame] = []
        self._last: _Look | None = None

    def follow(self, frames: Iterable[Frame]) -> Iterator[tuple[list[Frame], list[list[Sighting]]]]:
        """Yield frames, in order, with the faces of each."""
        for frame in frames:
            self._waiting.append(frame)
            if len(self._waiting) >= self._batch_size and (chosen := self._choose()):
                yield self._look(chosen)
        if self._waiting:
            end = len(self._waiting) - 1
            yield self._look(sorted({*self._choose(), end}))

    def _choose(self) -> list[int]:
        """Positions of the waiting frames that are to be looked at."""
        chosen: list[int] = []
        before_s, passed = self._last.time_s if self._last is not None else -np.inf, 0
        for position, frame in enumerate(self._waiting):
            passed += 1
            if frame.time_s - before_s >= self._every_s - 1e-6 or passed > MOST_WAITING:
                chosen.append(position)
                before_s, passed = frame.time_s, 0
        return chosen

    def _look(self, chosen: Sequence[int]) -> tuple[list[Frame], list[list[Sighting]]]:
        """The frames up to the last chosen one, and their faces."""
        end = chosen[-1] + 1
        frames, self._waiting = self._waiting[:end], self._waiting[end:]
        seen = dict(zip(chosen, self._detect([frames[position] for position in chosen]), strict=True))
        uneven: list[int] = []
        start = 0
        for stop in chosen:
            look = _Look(frames[stop].time_s, seen[stop])
            pairs = self._last.pairs(look) if self._last is not None else None
            for position in range(start, stop):
                if pairs is None:
                    uneven.append(position)
                else:
                    seen[position] = [_between(frames[position], *pair) for pair in pairs]
            self._last, start = look, stop + 1
        seen |= zip(uneven, self._detect([frames[position] for position in uneven]), strict=True)
        return frames, [seen[position] for position in range(end)]

    def _detect(self, frames: Sequence[Frame]) -> list[list[Sighting]]:
        """The faces of some frames, seen in them."""
        found: list[list[Sighting]] = []
        for start in range(0, len(frames), self._batch_size):
            shown = frames[start : start + self._batch_size]
            results = self._detector.detect([frame.image for frame in shown])
            found += [_read(frame, result) for frame, result in zip(shown, results, strict=True)]
        return found


@dataclass(frozen=True)
class _Look:
    """When a frame was looked at, and the faces seen."""

    time_s: float
    faces: list[Sighting]

    def pairs(self, later: _Look) -> list[tuple[Sighting, Sighting]] | None:
        """The same faces in a later look; ``None`` when they do not pair up, or one moved too far to say how."""
        if len(self.faces) != len(later.faces):
            return None
        left, pairs = list(later.faces), []
        for face in self.faces:
            shifts = [_shift((face.centre, other.centre), (face.size, other.size)) for other in left]
            nearest = left.pop(int(np.argmin(shifts)))
            if not move_evenly((face.centre, nearest.centre), (face.size, nearest.size)):
                return None
            pairs.append((face, nearest))
        return pairs


def move_evenly(centres: tuple[FloatArray, FloatArray], sizes: tuple[float, float]) -> bool:
    """Whether two faces are near and alike enough to be one that moves evenly, by their centres (2,) and sizes."""
    return _shift(centres, sizes) <= EVEN_SHIFT and max(sizes) / min(sizes) <= EVEN_GROWTH


def _shift(centres: tuple[FloatArray, FloatArray], sizes: tuple[float, float]) -> float:
    """How far a face moved, in face sizes."""
    return float(np.hypot(*(centres[0] - centres[1])) / np.sqrt(sizes[0] * sizes[1]))


def _between(frame: Frame, earlier: Sighting, later: Sighting) -> Sighting:
    """Where a face is in a frame between two looks, if it moves evenly."""
    share = (frame.time_s - earlier.time_s) / (later.time_s - earlier.time_s)
    box = earlier.box + share * (later.box - earlier.box)
    points = earlier.points + share * (later.points - earlier.points)
    return _measure(frame, box, points, earlier.score + share * (later.score - earlier.score))


def _read(frame: Frame, found: Detections) -> list[Sighting]:
    """Measure the detections in one frame; not finite, empty or inside a stronger one are dropped."""
    faces: list[Sighting] = []
    for index in np.argsort(-np.asarray(found.scores, float), kind="stable"):
        box, points = np.asarray(found.boxes[index], float), np.asarray(found.points[index], float)
        score = float(found.scores[index])
        if not (np.isfinite(box).all() and np.isfinite(points).all() and np.isfinite(score)):
            continue
        if min(box[2:] - box[:2]) <= 0 or any(_common_share(box, kept.box) > NESTED_SHARE for kept in faces):
            continue
        faces.append(_measure(frame, box, points, score))
    return faces


def _measure(frame: Frame, box: FloatArray, points: FloatArray, score: float) -> Sighting:
    """What can be told of a face at that place."""
    height, width = frame.image.shape[:2]
    middle, half_diagonal = np.array([width - 1, height - 1]) / 2, np.hypot(width, height) / 2
    size = float(np.sqrt(np.prod(box[2:] - box[:2])))
    off_centre = float(np.hypot(*((box[:2] + box[2:]) / 2 - middle)) / half_diagonal)
    centrality = float(np.exp(-0.5 * (off_centre / CENTRE_SPREAD) ** 2))
    return Sighting(
        frame=frame.index,
        time_s=frame.time_s,
        box=box,
        points=points,
        score=score,
        sharpness=measure_sharpness(frame.image, box),
        outside=_outside_share(box, width, height),
        size=size,
        prominence=size / (2 * half_diagonal) * centrality * score,
        off_centre=off_centre,
    )


def measure_sharpness(image: ByteImage, box: FloatArray) -> float:
    """Variance of the Laplacian of the grey face at 96 x 96 pixels.

    Args:
        image: (H, W, 3) RGB uint8.
        box: (4,) ``x1, y1, x2, y2`` pixels; the part outside the picture does not count.

    Returns:
        0 for a flat or absent picture, some tens to thousands for a sharp face (grey 0-255).
    """
    height, width = image.shape[:2]
    # floor and ceil, so that the mirrored box cuts the mirrored pixels
    left, top = max(0, int(np.floor(box[0]))), max(0, int(np.floor(box[1])))
    right, bottom = min(width - 1, int(np.ceil(box[2]))), min(height - 1, int(np.ceil(box[3])))
    if right < left or bottom < top:
        return 0.0
    grey = cv2.cvtColor(image[top : bottom + 1, left : right + 1], cv2.COLOR_RGB2GRAY)
    shrinks = min(grey.shape) > SHARPNESS_SIDE_PX
    side = (SHARPNESS_SIDE_PX, SHARPNESS_SIDE_PX)
    scaled = cv2.resize(grey, side, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return float(cv2.Laplacian(scaled, cv2.CV_32F).var())


def _common_share(first: FloatArray, second: FloatArray) -> float:
    """Area common to two boxes, as a share of the smaller one's (0..1)."""
    sides = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min(float(np.prod(first[2:] - first[:2])), float(np.prod(second[2:] - second[:2])))
    return float(np.prod(np.maximum(sides, 0.0))) / smaller


def _outside_share(box: FloatArray, width: int, height: int) -> float:
    """Share of a box's area that lies outside the picture (0..1); a picture ends half a pixel past its centres."""
    picture = np.array([-0.5, -0.5, width - 0.5, height - 0.5])
    sides = np.minimum(box[2:], picture[2:]) - np.maximum(box[:2], picture[:2])
    return 1.0 - float(np.prod(np.maximum(sides, 0.0)) / np.prod(box[2:] - box[:2]))
