"""DISFA: spontaneous faces watching films, every frame coded for twelve units (Mavadati et al., TAC 2013)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.reading import (
    POINTS_66,
    Unfit,
    and_more,
    confused,
    files_in,
    first_of,
    line_of_row,
    locate,
    mirrored,
    read_mat,
    read_numbers,
    spread,
    subfolders,
    video_length,
)
from palsy_cli.records import FloatArray
from palsy_cli.stages.video import VIDEO_SUFFIXES

#: Units in the order of their numbers, as DISFA and DISFA+ code them.
AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
#: A subject's id, shared with DISFA+.
SUBJECT = r"SN\d{3}"
#: Videos and labels may differ by this part of the labelled frames: headers count a frame more or less.
_LENGTH_SLACK = 0.01

SPEC = DatasetSpec(
    name="disfa",
    title="DISFA, Denver Intensity of Spontaneous Facial Action",
    labels=(
        "27 people, 4,845 frames each; intensity 0 to 5 of AU 1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25 and 26 in every "
        "frame, one label for the whole face (both sides get it; present from 2 on, as JAA-Net counts); 66 tracked "
        "points. The videos of the left camera are read, those of the right camera are not."
    ),
    layout="""\
DISFA/
  ActionUnit_Labels/SN001/SN001_au1.txt            frame (from 1),intensity; one file for each unit
  Videos_LeftCamera/LeftVideoSN001_comp.avi        also Video_LeftCamera/
  Landmark_Points/SN001/tmp_frame_lm/SN001_0000_lm.mat   optional; pts, 66 x 2; also l00001_lm.mat
""",
    licence="for research under a signed agreement, not to be passed on; see the agreement for what it allows",
    request="Mohammad H. Mahoor, University of Denver: mohammadmahoor.com/disfa",
    leakage=(
        "The nine people of DISFA+ are among the 27: nothing trained on one set may be tested on the other unless they "
        "are left out. Neighbouring frames look alike, so that only folds of whole people say anything."
    ),
    folds=3,
)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All labelled frames, and every fault found on the way; see ``catalogue.scan_dataset``."""
    problems: list[Problem] = []
    faces: list[LabelledFace] = []
    try:
        labels = locate(root, ["ActionUnit_Labels"])
        videos = locate(root, ["Videos_LeftCamera", "Video_LeftCamera"])
        if labels is None or videos is None:
            lacking = [n for n, f in (("ActionUnit_Labels", labels), ("Videos_LeftCamera", videos)) if f is None]
            raise Unfit(root, f"is not DISFA: no folder {' and none '.join(lacking)} in it", "missing")
        points = locate(root, ["Landmark_Points"])
        subjects = subfolders(labels, SUBJECT)
        if not subjects:
            raise Unfit(labels, "holds no folder of a person (SN001)", "missing")
        films = _films(videos)
    except Unfit as fault:
        return FaceDataset(SPEC.name, root, (), AUS), [fault.problem]
    if points is None:
        problems.append(Problem("note", root, "no folder Landmark_Points: the faces have no points"))
    for folder in subjects:
        found, faults = _subject(folder, films, videos, points)
        faces += found
        problems += faults
    without = sorted(set(films) - {folder.name.upper() for folder in subjects})
    if without:
        problems.append(Problem("note", labels, f"no labels of {first_of(without)}, whose video is there"))
    return FaceDataset(SPEC.name, root, tuple(faces), AUS, present_from=2.0), problems


def _films(folder: Path) -> dict[str, Path]:
    """Video of each person."""
    films = {}
    for path in files_in(folder, rf"LeftVideo{SUBJECT}.*"):
        if path.suffix.lower() in VIDEO_SUFFIXES:
            films[path.name[9:14].upper()] = path
    return films


def _subject(
    folder: Path, films: dict[str, Path], videos: Path, points: Path | None
) -> tuple[list[LabelledFace], list[Problem]]:
    """Faces of one person."""
    subject = folder.name.upper()
    labels, problems = _labels(folder)
    if subject not in films:
        expected = videos / f"LeftVideo{subject}_comp.avi"
        return [], [*problems, Problem("missing", expected, "is not there, but its labels are")]
    film = films[subject]
    count, faults = _common_length(film, len(labels))
    problems += faults
    marked: dict[int, FloatArray] = {}
    if points is not None:
        marked, faults = _points(points / folder.name, len(labels))
        problems += faults
    coded = set(np.flatnonzero(np.isfinite(labels).any(axis=1)).tolist())
    faces = [
        LabelledFace(
            subject=subject,
            sequence=subject,
            frame=frame,
            path=film,
            in_video=True,
            points=marked.get(frame),
            left=labels[frame],
            right=labels[frame],
        )
        for frame in range(count)
        if frame in coded
    ]
    return faces, problems


def _common_length(film: Path, labelled: int) -> tuple[int, list[Problem]]:
    """Frames that are both filmed and labelled, and a word if the numbers differ."""
    try:
        length = video_length(film)
    except Unfit as fault:
        return labelled, [fault.problem]
    if length is None or length == labelled or not labelled:
        return labelled, []
    if abs(length - labelled) > max(1, round(_LENGTH_SLACK * labelled)):
        what = f"has {length} frames, but {labelled} are labelled; is it the video of another person?"
        return min(length, labelled), [Problem("damaged", film, what)]
    what = f"has {length} frames and {labelled} labels; what only one of them has is left out"
    return min(length, labelled), [Problem("note", film, what)]


def _labels(folder: Path) -> tuple[FloatArray, list[Problem]]:
    """Intensities (N, A) of one person, NaN for a unit whose file cannot be used; read-only."""
    found, problems = {}, []
    for number, au in enumerate(AUS):
        path = _label_file(folder, au)
        try:
            found[number] = read_intensities(path)
        except Unfit as fault:
            problems.append(fault.problem)
    lengths = [len(values) for values in found.values()]
    usual = max(set(lengths), key=lengths.count, default=0)
    labels = np.full((usual, len(AUS)), np.nan)
    for number, values in found.items():
        if len(values) == usual:
            labels[:, number] = values
        else:
            path = _label_file(folder, AUS[number])
            problems.append(Problem("damaged", path, f"labels {len(values)} frames where the other units have {usual}"))
    labels.setflags(write=False)
    return labels, problems


def _label_file(folder: Path, au: int) -> Path:
    return folder / f"{folder.name}_au{au}.txt"


def read_intensities(path: Path) -> FloatArray:
    """Intensities (N,) of one unit from ``frame,intensity`` lines.

    Raises:
        Unfit: it cannot be read, has other columns, skips a frame or holds a label off the scale; line named.
    """
    table = read_numbers(path, columns=2, separator=",")
    skipped = np.flatnonzero(table[:, 0] != np.arange(1, len(table) + 1))
    if len(skipped):
        row = int(skipped[0])
        raise Unfit(path, f"line {line_of_row(path, row)}: frame {table[row, 0]:g} where frame {row + 1} belongs")
    off = np.flatnonzero(~np.isin(table[:, 1], range(6)))
    if len(off):
        row = int(off[0])
        raise Unfit(path, f"line {line_of_row(path, row)}: {table[row, 1]:g} is no intensity 0 to 5")
    return np.asarray(table[:, 1])


def _points(folder: Path, frames: int) -> tuple[dict[int, FloatArray], list[Problem]]:
    """Points (68, 2) of one person by the frame, counted from 0.

    Files are numbered from 0 or from 1, some people's with one file too many at the start; the last file is always that
    of the last frame.
    """
    try:
        files = _point_files(folder)
    except Unfit as fault:
        return {}, [fault.problem]
    shift = max(files) - (frames - 1)
    if shift not in (0, 1):
        what = f"the last file is number {max(files)}, but {frames} frames are labelled"
        return {}, [Problem("damaged", folder, what)]
    found, faults = {}, []
    for number, path in files.items():
        try:
            found[number - shift] = read_points(path)
        except Unfit as fault:
            faults.append(fault.problem)
    found.pop(-1, None)
    problems = []
    if faults:
        problems.append(Problem("damaged", faults[0].where, faults[0].what + and_more(len(faults))))
    if lacking := frames - len(found) - len(faults):
        problems.append(Problem("note", folder, f"no points of {lacking} of {frames} frames"))
    turned = {frame for frame, points in found.items() if mirrored(points)}
    if turned:
        problems.append(confused(files[min(turned) + shift], len(turned), len(found)))
    return {frame: points for frame, points in found.items() if frame not in turned}, problems


def _point_files(folder: Path) -> dict[int, Path]:
    """Files of one person by their number; they lie in the folder or in one inside it."""
    numbered = {}
    for place in (folder, *subfolders(folder)):
        for path in files_in(place, r"(SN\d+_|l)\d+_lm\.mat"):
            numbered[int(path.stem.removesuffix("_lm").rpartition("_")[2].removeprefix("l"))] = path
    if not numbered:
        raise Unfit(folder, "holds no points (SN001_0000_lm.mat)", "missing")
    return numbered


def read_points(path: Path) -> FloatArray:
    """Points (68, 2) of one file, NaN at the inner mouth corners, which DISFA does not mark; raises Unfit."""
    values = np.asarray(read_mat(path, "pts"))
    if values.shape != (66, 2) or not np.issubdtype(values.dtype, np.number) or not np.isfinite(values).all():
        raise Unfit(path, f"pts: expected 66 x 2 numbers, got {' x '.join(map(str, values.shape))} {values.dtype}")
    return spread(values.astype(float), POINTS_66)
