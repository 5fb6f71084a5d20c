"""What stands in for recordings and trained networks, so that a stage's answer is known beforehand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from palsy_cli.records import ALL_AUS, ActionUnits, ByteImage, Clip, FaceTrack, FloatArray
from palsy_cli.simulate.template import neutral_points
from palsy_cli.stages.alignment import five_points
from palsy_cli.stages.detection import Detections
from palsy_cli.stages.video import read_clip, write_video

#: Grey steps per intensity step in the pictures that ``BrightnessOVPM`` reads.
GREY_STEP = 40


def plain_face(*, centre: tuple[float, float], unit: float) -> FloatArray:
    """(68, 2) the mean face, upright and symmetric.

    Args:
        centre: x, y of the point midway between the pupils, pixels.
        unit: distance of the pupils, pixels.
    """
    return np.asarray(neutral_points() * unit + np.array(centre))


@contextmanager
def filmed(images: Sequence[ByteImage], *, fps: float) -> Iterator[Clip]:
    """A lossless video of these pictures, there while the block runs."""
    with tempfile.TemporaryDirectory(prefix="palsy-selftest-") as folder:
        path = Path(folder) / "case.mkv"
        write_video(images, path, fps=fps, lossless=True)
        yield read_clip(path)


def noise(side: int, count: int) -> list[ByteImage]:
    """``count`` times the same sharp picture (side, side, 3)."""
    image = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    return [image] * count


def sighting(
    x: float, y: float, size: float, *, eyes: float = 0.4, turn: float = 0.0, score: float = 0.99
) -> Detections:
    """One face in a square box.

    Args:
        x: middle of the box, pixels from the left.
        y: middle of the box, pixels from the top.
        size: side of the box in pixels.
        eyes: their distance in box sides.
        turn: nose tip off the middle between the eyes, in eye distances.
        score: 0..1.
    """
    places = [(-eyes / 2, -0.1), (eyes / 2, -0.1), (turn * eyes, 0.1), (-0.15, 0.3), (0.15, 0.3)]
    points = np.array([x, y]) + size * np.array(places)
    box = np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2])
    return Detections(box[None], points[None], np.array([score]))


def together(*faces: Detections) -> Detections:
    """Several faces of one picture; none at all is a picture without a face."""
    if not faces:
        return Detections(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))
    return Detections(*(np.concatenate([getattr(f, name) for f in faces]) for name in ("boxes", "points", "scores")))


class ScriptedDetector:
    """Answers picture after picture what it was told to, and counts them."""

    def __init__(self, answers: Sequence[Detections]) -> None:
        self._answers, self.asked = iter(answers), 0

    def detect(self, images: Sequence[ByteImage]) -> list[Detections]:
        """The next answers, one a picture."""
        self.asked += len(images)
        return [next(self._answers) for _ in images]


def known_track(points68: FloatArray, times_s: FloatArray) -> FaceTrack:
    """The track of a face whose points (N, 68, 2) are known: every frame usable, confidence 1."""
    low, high = points68.min(1), points68.max(1)
    count = len(points68)
    return FaceTrack(
        times_s=times_s,
        boxes=np.concatenate([low, high], 1),
        points=five_points(points68),
        confidence=np.ones(count),
        reasons=("",) * count,
        other_faces=0,
    )


def as_tiles(maps: Tensor, points: Sequence[int] | None) -> Tensor:
    """Some heat maps (N, 68, H, W), or all, as ``CascadedFCN.tiles`` gives them, in tiles of one pixel."""
    chosen = maps if points is None else maps[:, list(points)]
    return chosen.permute(0, 2, 3, 1)[:, :, :, None, None]


class FixedMaps(nn.Module):
    """A landmark network that sees the same 68 places (68, 2) in every crop, each a Gaussian of a given height.

    It counts the crops that it is shown.
    """

    def __init__(self, places: FloatArray, *, side: int = 96, height: float = 0.9, spread: float = 2.0) -> None:
        super().__init__()
        self.beside = nn.Parameter(torch.zeros(1))  # tells the device
        rows, columns = np.mgrid[:side, :side]
        away = (columns - places[:, 0, None, None]) ** 2 + (rows - places[:, 1, None, None]) ** 2
        self.maps = torch.from_numpy(height * np.exp(-away / (2 * spread**2))).float()
        self.looks = 0

    def tiles(self, x: Tensor, *, stages: int = 2, points: Sequence[int] | None = None) -> Tensor:
        """(N, side, side, 1, 1, points), whatever the pictures are, both stages alike."""
        self.looks += len(x)
        return as_tiles(self.maps.expand(len(x), -1, -1, -1), points)


class OneFace(nn.Module):
    """A detector network that is sure of given anchors only, and finds them to be the face; keeps what it is shown."""

    def __init__(self, scores: Mapping[int, float]) -> None:
        super().__init__()
        self.scores = dict(scores)
        self.seen: list[Tensor] = []

    def preprocess(self, images: Tensor) -> Tensor:
        """(N, H, W, 3) to (N, 3, H, W)."""
        return images.float().permute(0, 3, 1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """No offsets; two anchors in each cell of strides 8, 16 and 32."""
        self.seen.append(x)
        height, width = x.shape[2:]
        count = sum(2 * (height // stride) * (width // stride) for stride in (8, 16, 32))
        logits = torch.zeros(len(x), count, 2)
        logits[..., 0] = 20.0
        for anchor, score in self.scores.items():
            logits[:, anchor, 0] = 0.0
            logits[:, anchor, 1] = float(np.log(score / (1 - score)))
        return torch.zeros(len(x), count, 4), logits, torch.zeros(len(x), count, 10)


class BrightnessOVPM(nn.Module):
    """Reads the intensity from the brightness, the same in every channel; its one map is the intensity itself."""

    input_size = (8, 4)

    def __init__(self) -> None:
        super().__init__()
        self.beside = nn.Parameter(torch.zeros(1))

    def forward_with_taps(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Logits (N, 14, 6) and the map (N, 1) of pictures that span -2..2."""
        level = ((x + 2) / 4 * 255 / GREY_STEP).mean((1, 2, 3))[:, None]
        return _between(level, low=0, classes=6), [level]


class BrightnessDVPM(nn.Module):
    """Reads the difference of intensities from the difference of maps."""

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Logits (N, 14, 11)."""
        return _between(maps[0], low=-5, classes=11)


def _between(values: Tensor, *, low: int, classes: int) -> Tensor:
    """Logits (N, 14, classes) whose expectation is ``values`` (N, 1)."""
    away = (values - torch.arange(low, low + classes)).abs()
    return (1 - away).clamp(min=1e-9).log()[:, None].expand(-1, len(ALL_AUS), -1)


class _Answer(NamedTuple):
    grade_logits: Tensor


class ColourGrader(nn.Module):
    """Grades by colour: the logits are the means of the input's channels, then zeros. For both grading networks."""

    def __init__(self, grades: int, *, side: int, wrapped: bool) -> None:
        super().__init__()
        self.beside = nn.Parameter(torch.zeros(1))
        self.grades, self.crop, self.input_size, self.wrapped = grades, side, side, wrapped

    def forward(self, x: Tensor) -> Any:
        """(N, grades), or the same as ALGRNet wraps it."""
        logits = torch.zeros(len(x), self.grades)
        logits[:, :3] = x.mean((2, 3))
        return _Answer(logits) if self.wrapped else logits


def table_of(movements: Sequence[tuple[int, Mapping[int, tuple[float, float]]]]) -> ActionUnits:
    """Intensities of movements in a row: (keyframes, action unit -> intensity 0..5 on the left and on the right)."""
    count = sum(frames for frames, _ in movements)
    left, right = np.zeros((2, count, len(ALL_AUS)))
    start = 0
    for frames, units in movements:
        for au, (on_left, on_right) in units.items():
            left[start : start + frames, ALL_AUS.index(au)] = on_left
            right[start : start + frames, ALL_AUS.index(au)] = on_right
        start += frames
    return ActionUnits(ALL_AUS, left, right)
