"""From a data set's labelled pictures to the upright crops that networks learn from and are measured on.

Pictures are opened once; a video is decoded once, up to its last frame that counts. Points that nobody marked are found
by our own networks, those marked in part are completed (``datasets.marks``).
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np

from palsy_cli.config import Settings
from palsy_cli.console import ProgressCallback
from palsy_cli.datasets.faces import FaceDataset, LabelledFace
from palsy_cli.datasets.folds import Fold
from palsy_cli.datasets.marks import complete_points
from palsy_cli.documents import read_arrays
from palsy_cli.errors import DatasetError
from palsy_cli.files import below
from palsy_cli.networks.landmark_fcn import CascadedFCN
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.stages import alignment
from palsy_cli.stages.detection import choose_detector
from palsy_cli.stages.keyframes import COMPARE_SIDE
from palsy_cli.stages.locating import locate
from palsy_cli.stages.video import iter_frames, read_clip
from palsy_cli.training.samples import CACHE_MARGIN, CACHE_SIDE, FaceSamples

#: Mean grey difference (0-255, 48x48) to the last kept frame from which a frame counts as another (DEM; value ours).
_DIFFERS = 3.0


@dataclass(frozen=True)
class Preparation:
    """How pictures become crops.

    Attributes:
        side: of the crops in pixels.
        keyframes: keep of each sequence only frames that differ from the last kept one, and its last (DEM).
        frames_per_video: of a video labelled as a whole, so many frames evenly spaced; 0 takes all.
    """

    side: int = CACHE_SIDE
    keyframes: bool = False
    frames_per_video: int = 32

    def folder(self, dataset: FaceDataset) -> str:
        """Name of the folder for such crops of a set."""
        return f"samples-{dataset.name}-{self.side}{'-keyframes' if self.keyframes else ''}"


@dataclass(frozen=True)
class PreparedFaces:
    """The crops of a data set.

    Attributes:
        samples: N crops with their labels, nobody held out.
        face: (N,) which of ``FaceDataset.faces`` each shows.
        frame: (N,) its frame in the sequence.
        to_crop: (N, 2, 3) from pixels of the picture to those of the crop.
    """

    samples: FaceSamples
    face: np.ndarray[Any, Any]
    frame: np.ndarray[Any, Any]
    to_crop: FloatArray

    def of_fold(self, fold: Fold) -> FaceSamples:
        """The samples with the fold's people for training and validation marked; those for the test are neither."""
        training, held_out = (np.isin(self.face, faces) for faces in (fold.training, fold.validation))
        return replace(self.samples, training=training, held_out=held_out)

    def rows(self, faces: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The rows that show some of ``FaceDataset.faces``, ascending."""
        return np.flatnonzero(np.isin(self.face, faces))


def prepare_faces(
    dataset: FaceDataset,
    cache: Path,
    *,
    models: ModelSet,
    preparation: Preparation | None = None,
    on_progress: ProgressCallback | None = None,
) -> PreparedFaces:
    """Crop every labelled face into ``cache``; a cache of the same faces is used again, another one is replaced.

    Args:
        dataset: what an adapter read.
        cache: folder for the crops, as large as N x side x side x 3 bytes.
        models: networks that find faces and points where none are marked; untouched where all are.
        preparation: size and choice of frames.
        on_progress: told how many faces are done.

    Raises:
        DatasetError: a picture or video cannot be read, or a sequence in which no face is found.
    """
    chosen = preparation or Preparation()
    signature = _signature(dataset, chosen)
    found = _read_cache(cache, signature, dataset, chosen.side)
    if found is not None:
        return found
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "labels.npz").unlink(missing_ok=True)
    finder, labels = FaceFinder(models), _Labels(dataset, chosen.side)
    rows: list[dict[str, Any]] = []
    with below(cache, "pixels.bin").open("wb") as pixels:
        for number, (index, shot) in enumerate(_shots(dataset, chosen, finder), start=1):
            crop, label = labels.crop(index, shot)
            pixels.write(crop.tobytes())
            rows.append(label)
            if on_progress is not None:
                on_progress("faces", number, max(number, len(dataset.faces)))
    partial = below(cache, "labels.partial.npz")
    stacked: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    np.savez(partial, signature=np.array(signature), **stacked)
    partial.replace(cache / "labels.npz")
    return cast("PreparedFaces", _read_cache(cache, signature, dataset, chosen.side))


def _signature(dataset: FaceDataset, chosen: Preparation) -> str:
    """Changes with every label, path, and choice."""
    text = hashlib.sha256(repr((dataset.name, dataset.aus, chosen)).encode())
    for face in dataset.faces:
        labels = (each.tobytes() for each in (face.points, face.left, face.right) if each is not None)
        text.update(repr((str(face.path), face.frame, face.subject, face.sequence, face.grade)).encode())
        text.update(b"".join(labels))
    return text.hexdigest()


def _read_cache(cache: Path, signature: str, dataset: FaceDataset, side: int) -> PreparedFaces | None:
    try:
        labels = read_arrays(cache / "labels.npz")
        if str(labels.pop("signature")) != signature:
            return None
        face, frame, to_crop = (labels.pop(name) for name in ("face", "frame", "to_crop"))
        images = np.memmap(cache / "pixels.bin", np.uint8, mode="r", shape=(len(face), side, side, 3))
        return PreparedFaces(FaceSamples(images=images, aus=dataset.aus, **labels), face, frame, to_crop)
    except (OSError, TypeError, ValueError, LookupError):
        return None


@dataclass(frozen=True)
class _Shot:
    """A decoded picture with 68 points and which of them somebody marked."""

    frame: int
    image: ByteImage
    points: FloatArray
    marked: np.ndarray[Any, Any]


class FaceFinder:
    """Our own detector and landmarks, loaded when first needed.

    Args:
        models: networks for both.
        landmarks: networks for the points, instead.
    """

    def __init__(self, models: ModelSet, *, landmarks: ModelSet | None = None) -> None:
        self.models, self.landmarks, self.settings = models, landmarks or models, Settings()
        self.detector: Any = None

    def find(self, image: ByteImage, *, near: FloatArray | None = None) -> FloatArray | None:
        """(68, 2) points of the largest face, or of that nearest to ``near`` (2,); ``None`` when there is none."""
        self.detector = self.detector or choose_detector(self.models, self.settings.face)
        found = self.detector.detect([image])[0]
        if not len(found):
            return None
        corners = found.boxes.reshape(-1, 2, 2)
        if near is None:
            best = int(np.argmax(np.prod(corners[:, 1] - corners[:, 0], axis=1)))
        else:
            best = int(np.argmin(np.linalg.norm(corners.mean(1) - near, axis=1)))
        network = cast("CascadedFCN", self.landmarks.get("landmark_fcn").module)
        points, _ = locate([image], found.points[best : best + 1], network, self.settings.landmarks)
        return np.asarray(points[0])


def _shots(dataset: FaceDataset, chosen: Preparation, finder: FaceFinder) -> Iterator[tuple[int, _Shot]]:
    """Every face that counts, in the data set's order, with its picture and points."""
    for members in _sequences(list(enumerate(dataset.faces))):
        shots = _place(_open(members, chosen), members, finder)
        yield from _that_differ(shots) if chosen.keyframes else shots


def _sequences(numbered: Sequence[tuple[int, LabelledFace]]) -> Iterator[list[tuple[int, LabelledFace]]]:
    """The faces of each sequence, which stand together."""
    for _, group in itertools.groupby(numbered, key=lambda pair: (pair[1].sequence, pair[1].path.parent)):
        yield list(group)


def open_pictures(numbered: Sequence[tuple[int, LabelledFace]]) -> Iterator[tuple[int, int, ByteImage]]:
    """Number, frame and picture (H, W, 3) of faces; frames of one video must stand together; raises DatasetError."""
    for members in _sequences(numbered):
        yield from _open(members, Preparation())


def _open(members: Sequence[tuple[int, LabelledFace]], chosen: Preparation) -> Iterator[tuple[int, int, ByteImage]]:
    """Index, frame and picture of each face of a sequence."""
    first = members[0][1]
    if not first.in_video:
        for index, face in members:
            image = cv2.imread(str(face.path))
            if image is None:
                raise DatasetError(f"{face.path}: not a readable picture; get the file again")
            yield index, face.frame, np.ascontiguousarray(image[..., ::-1], np.uint8)
        return
    clip = read_clip(first.path)
    if first.whole_video:
        count = sum(1 for _ in iter_frames(clip))
        taken = min(chosen.frames_per_video or count, count)
        wanted = dict.fromkeys(np.linspace(0, count - 1, taken).round().astype(int).tolist(), members[0][0])
    else:
        wanted = {face.frame: index for index, face in members}
    last = max(wanted)
    for frame in iter_frames(clip, wanted=wanted):
        yield wanted[frame.index], frame.index, frame.image
        if frame.index >= last:
            return
    raise DatasetError(f"{first.path}: frame {last} is labelled, but the video ends before it")


def _place(
    opened: Iterator[tuple[int, int, ByteImage]], members: Sequence[tuple[int, LabelledFace]], finder: FaceFinder
) -> Iterator[tuple[int, _Shot]]:
    """Give every picture its points; where no face is found, those of the frame before (of the first one found)."""
    marks = {index: face.points for index, face in members}
    last: FloatArray | None = None
    waiting: list[tuple[int, int, ByteImage]] = []
    for index, frame, image in opened:
        own = marks[index]
        marked: np.ndarray[Any, Any] = np.zeros(68, bool) if own is None else np.asarray(np.isfinite(own).all(1))
        points = finder.find(image) if own is None else complete_points(own)
        if points is None and last is None:
            waiting.append((index, frame, image))
            continue
        last = cast("FloatArray", last if points is None else points)
        for early in waiting:
            yield early[0], _Shot(early[1], early[2], last, marked)
        waiting.clear()
        yield index, _Shot(frame, image, last, marked)
    if waiting:
        raise DatasetError(
            f"{members[0][1].path}: no face is found in {members[0][1].sequence}; leave it out of the labels"
        )


def _that_differ(shots: Iterator[tuple[int, _Shot]]) -> Iterator[tuple[int, _Shot]]:
    """Frames that differ from the last kept one, and the last of all (DEM, preprocessing)."""
    kept: FloatArray | None = None
    pending: tuple[int, _Shot] | None = None
    for index, shot in shots:
        small = _thumbnail(shot)
        if kept is None or np.abs(small - kept).mean() > _DIFFERS:
            kept, pending = small, None
            yield index, shot
        else:
            pending = index, shot
    if pending is not None:
        yield pending


def _thumbnail(shot: _Shot) -> FloatArray:
    """(48, 48) grey, aligned by the points that do not move with expression."""
    matrix = alignment.three_point_affine(alignment.stable_points(shot.points))
    matrix = alignment.scaled(matrix, COMPARE_SIDE / alignment.ALIGNED_SIZE)
    return np.asarray(alignment.warp_grey(shot.image, matrix, (COMPARE_SIDE, COMPARE_SIDE)), float)


class _Labels:
    """The labels of each crop as ``FaceSamples`` wants them."""

    def __init__(self, dataset: FaceDataset, side: int) -> None:
        self.dataset, self.side = dataset, side
        self.people = {subject: number for number, subject in enumerate(dataset.subjects)}
        sequences = dict.fromkeys(face.sequence for face in dataset.faces)
        self.sequences = {sequence: number for number, sequence in enumerate(sequences)}

    def crop(self, index: int, shot: _Shot) -> tuple[ByteImage, dict[str, Any]]:
        """The upright crop, and all that is known of it."""
        face, side = self.dataset.faces[index], self.side
        matrix = alignment.crop_similarity(alignment.five_points(shot.points), size=side, margin=CACHE_MARGIN)
        unknown = np.full(
            len(self.dataset.aus), np.nan
        )  # as are units of a single frame of a video labelled as a whole
        return alignment.warp(shot.image, matrix, (side, side)), {
            "points": alignment.transform_points(shot.points, matrix).astype(np.float32),
            "marked": shot.marked,
            "left": (unknown if face.left is None or face.whole_video else face.left).astype(np.float32),
            "right": (unknown if face.right is None or face.whole_video else face.right).astype(np.float32),
            "person": np.int32(self.people[face.subject]),
            "episode": np.int32(self.sequences[face.sequence]),
            "rest": np.bool_(face.at_rest),
            "grade": np.float32(face.grade or 0),
            "weak_side": np.int8(0),
            "held_out": np.bool_(False),
            "face": np.int32(index),
            "frame": np.int32(shot.frame),
            "to_crop": matrix,
        }
