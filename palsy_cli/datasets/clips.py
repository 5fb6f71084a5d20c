"""Simulated patients: folders that ``palsy simulate`` wrote, each a video with its ``truth.json``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.marks import POINTS
from palsy_cli.datasets.media import check_media
from palsy_cli.datasets.reading import mirrored
from palsy_cli.documents import Unreadable, read_json
from palsy_cli.errors import VideoError
from palsy_cli.records import ALL_AUS, FloatArray
from palsy_cli.simulate.clips import TRUTH_SCHEMA
from palsy_cli.simulate.run import TRUTH
from palsy_cli.stages.video import VIDEO_SUFFIXES, count_frames

#: Said of frames between two movements.
REST = "rest"

SPEC = DatasetSpec(
    name="clips",
    title="Simulated patients: what palsy simulate writes",
    labels=(
        "Every frame: 68 points, intensity 0 to 5 of 14 action units on each side, House-Brackmann grade of the palsy, "
        "the movement asked for. Of a recording whose half was held back, the action units are unknown."
    ),
    layout="""\
DIR/
  ANY/FOLDERS/
    patient.mp4    the only video of its folder
    truth.json     what palsy simulate wrote beside it

Folders lie to any depth.""",
    licence="drawn people: none is needed; people from a photo or a recording: that of the photo or recording",
    request="palsy simulate makes it",
    leakage=(
        "A subject is a photo, a recording or the seed of a drawn person, so that several palsies of one person stay "
        "together; two photos of one person are two subjects, and networks that learned from drawn people know their "
        "like."
    ),
    folds=3,
)


class _Wrong(Exception):
    """What is wrong with a truth."""


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All frames of all clips. Sequence: the clip's folder; condition: the movement asked for in that frame."""
    problems: list[Problem] = []
    faces: list[LabelledFace] = []
    truths = [path for path in sorted(root.rglob(TRUTH)) if not _hidden(path, root)]
    if not truths:
        told = f"no {TRUTH} in it or below; palsy simulate writes one beside each video"
        return FaceDataset(SPEC.name, root, ()), [Problem("missing", root, told)]
    for path in truths:
        videos = _videos(path.parent)
        if len(videos) != 1:
            names = ", ".join(video.name for video in videos) or "none"
            told = f"one video belongs beside {TRUTH}, there are {len(videos)} ({names})"
            problems.append(Problem("damaged" if videos else "missing", path.parent, told))
            continue
        try:
            faces += _frames(path, videos[0], root)
        except _Wrong as error:
            problems.append(Problem("damaged", path, str(error)))
    known = {path.parent for path in truths}
    for folder in sorted({video.parent for video in _videos(root, "**/*") if not _hidden(video, root)} - known):
        problems.append(Problem("note", folder, f"a video without {TRUTH}, so that it is not used"))
    faces.sort(key=lambda face: (face.subject, face.sequence, face.frame))
    return FaceDataset(SPEC.name, root, tuple(faces), aus=ALL_AUS), problems + check_media(faces)


def _frames(path: Path, video: Path, root: Path) -> Iterator[LabelledFace]:
    """The frames of one clip; raises _Wrong when the truth is none."""
    try:
        truth = read_json(path)
    except Unreadable as error:
        raise _Wrong(f"no readable JSON ({error}); simulate the patient again") from error
    try:
        version = str(truth["schema_version"])
        if version.partition(".")[0] != TRUTH_SCHEMA.partition(".")[0]:
            raise _Wrong(f"schema_version {version}, expected {TRUTH_SCHEMA}; simulate the patient again")
        if truth["aus"] != list(ALL_AUS):
            raise _Wrong(f"aus {truth['aus']}, expected {list(ALL_AUS)}; simulate the patient again")
        count, fps, grade = int(truth["frames"]), float(truth["fps"]), float(truth["house_brackmann"])
        points = [None if each is None else _array(each, (POINTS, 2)) for each in truth["landmarks"]]
        units = truth["action_units"]
        left, right = (
            None if units is None else _array(units[side], (count, len(ALL_AUS))) for side in ("left", "right")
        )
        moves = [(str(m["task"]), float(m["start_s"]), float(m["release_s"])) for m in truth["movements"] or ()]
        subject = _subject(truth, path, root)
    except (ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        raise _Wrong(f"no truth of palsy simulate ({type(error).__name__}: {error})") from error
    if not 1 <= grade <= 6 or not fps > 0:
        raise _Wrong(f"house_brackmann {grade:g} at {fps:g} frames per second cannot be; simulate the patient again")
    if len(points) != count or count < 1:
        raise _Wrong(f"landmarks of {len(points)} frames, frames says {count}")
    shown = _length(video)
    if shown is not None and abs(shown - count) > 1:
        raise _Wrong(f"{count} frames, but {video.name} has {shown}; simulate the patient again")
    first = next((each for each in points if each is not None), None)
    if first is not None and mirrored(first):
        raise _Wrong("right and left are exchanged in its landmarks")
    for frame in range(count):
        yield LabelledFace(
            subject,
            _place(path, root),
            frame,
            video,
            in_video=True,
            points=points[frame],
            left=None if left is None else left[frame],
            right=None if right is None else right[frame],
            grade=grade,
            condition=None if units is None else _asked(frame / fps, moves),
        )


def _subject(truth: dict[str, Any], path: Path, root: Path) -> str:
    """Whose face it is: the photo or recording, the seed of a drawn person, else the folder."""
    source = truth.get("source") or {}
    if source.get("sha256"):
        return f"{source['kind']}-{source['sha256'][:12]}"
    if source.get("kind") == "drawn":
        return f"drawn-{int(truth['seed'])}"
    return _place(path, root)


def _place(path: Path, root: Path) -> str:
    """The clip's folder below the root, or the root's own name."""
    folder = path.parent.relative_to(root).as_posix()
    return root.resolve().name if folder == "." else folder


def _asked(time_s: float, movements: list[tuple[str, float, float]]) -> str:
    """The movement that the script asks for at a moment."""
    return next((task for task, start, release in movements if start <= time_s < release), REST)


def _array(values: Any, shape: tuple[int, ...]) -> FloatArray:
    """Numbers of a truth; raises _Wrong for another shape, ValueError for what is no number."""
    array = np.asarray(values, float)
    if array.shape != shape:
        raise _Wrong(f"found numbers of shape {array.shape}, expected {shape}")
    return array


def _length(video: Path) -> int | None:
    """Frames by the header, to within one where it tells the duration only; ``None`` when it tells nothing."""
    try:
        return count_frames(video)
    except VideoError:  # check_media says so
        return None


def _videos(folder: Path, pattern: str = "*") -> list[Path]:
    files = (path for path in sorted(folder.glob(pattern)) if not path.name.startswith("."))
    return [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES]


def _hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)
