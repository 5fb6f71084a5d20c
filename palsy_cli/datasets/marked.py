"""Pictures with their 68 points beside them: what a person corrected by hand, to train landmarks on.

``palsy landmarks --pts DIR`` writes such a folder from a picture or a video; the ``.pts`` files are plain text, and the
usual tools for marking faces read and write them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.marks import read_pts, write_pts
from palsy_cli.datasets.media import check_media, problem_of
from palsy_cli.datasets.reading import mirrored
from palsy_cli.errors import DatasetError
from palsy_cli.files import atomic_write, below
from palsy_cli.records import Clip, Landmarks
from palsy_cli.stages.video import IMAGE_SUFFIXES, iter_frames

#: Frames of a video whose points a person may correct: a few that lie apart teach more than many alike.
_MARKED_FRAMES = 8

SPEC = DatasetSpec(
    name="marked",
    title="your own marked pictures",
    labels="68 points (300-W order) a picture; nan nan for a point that cannot be told",
    layout="""DIR/
  patient-01/smile.png      one folder a person: people are kept together
  patient-01/smile.pts      version: 1, n_points: 68, { 68 lines "x y", pixels counted from 1 }
  alone.jpg alone.pts       a picture in DIR itself is a person of its own""",
    licence="yours; points and pictures of patients are health data",
    request="nobody: you make it (docs/how-to/correct.md)",
    leakage="two folders of one person count as two people; keep each person in one folder",
    folds=2,
)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """Every picture with points below ``root``; a picture without them is a note."""
    faces: list[LabelledFace] = []
    problems: list[Problem] = []
    files = sorted(root.rglob("*"))
    pictures = {path.with_suffix(""): path for path in files if path.suffix.lower() in IMAGE_SUFFIXES}
    marks = [path for path in files if path.suffix.lower() == ".pts"]
    for number, path in enumerate(marks):
        picture = pictures.pop(path.with_suffix(""), None)
        if picture is None:
            problems.append(Problem("missing", path, "no picture of that name beside it"))
            continue
        try:
            points = read_pts(path)
        except DatasetError as error:
            problems.append(problem_of(error, path))
            continue
        if mirrored(points):
            problems.append(
                Problem("damaged", path, "left and right are exchanged: points 36-41 are the patient's right eye")
            )
            continue
        place = path.relative_to(root)
        subject = place.parts[0] if len(place.parts) > 1 else path.stem
        faces.append(LabelledFace(subject, str(place.with_suffix("")), number, picture, points=points))
    problems += [Problem("note", path, "has no .pts beside it and is left out") for path in pictures.values()]
    if not marks:
        problems.append(Problem("missing", root, "no .pts file; write some with palsy landmarks PICTURE --pts DIR"))
    ordered = sorted(faces, key=lambda face: (face.subject, face.sequence))
    return FaceDataset("marked", root, tuple(ordered)), problems + check_media(ordered)


def write_marked(folder: Path, clip: Clip, landmarks: Landmarks) -> int:
    """Pictures and the points found in them, as ``scan`` reads them: ``DIR/<name>/frame_000123.png`` and ``.pts``.

    Of a video evenly spaced frames with a face, of a picture or a folder of pictures all; returns how many.
    """
    usable = np.flatnonzero(np.isfinite(landmarks.points).all((1, 2)))
    if clip.kind == "video" and len(usable) > _MARKED_FRAMES:
        usable = usable[np.linspace(0, len(usable) - 1, _MARKED_FRAMES).round().astype(int)]
    wanted = set(usable.tolist())
    for frame in iter_frames(clip, wanted=wanted) if wanted else ():
        place = below(folder, Path(clip.path).resolve().stem) / f"frame_{frame.index:06d}"
        picture = cv2.imencode(".png", frame.image[..., ::-1])[1].tobytes()
        atomic_write(place.with_suffix(".png"), picture, private=True)
        write_pts(place.with_suffix(".pts"), landmarks.points[frame.index])
    return len(wanted)
