"""Folders of graded videos, as FPara (Ge et al., 2022) must be one: videos and one table of their grades."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.media import check_media
from palsy_cli.datasets.reading import read_grade
from palsy_cli.documents import Unreadable, read_records
from palsy_cli.stages.video import VIDEO_SUFFIXES

TABLE = "labels.csv"
COLUMNS = ("video", "subject", "house_brackmann")
GROUP = "group_"

SPEC = DatasetSpec(
    name="fpara",
    title="FPara, or any folder of videos with one grade each",
    labels=(
        "House-Brackmann grade of each video, 1 to 6 in halves. FPara has 89 videos: 20 normal, 29 low, 20 medium and "
        "20 high; ALGRNet's four classes follow from the grade (erratum E11)."
    ),
    layout="""\
DIR/
  labels.csv       video,subject,house_brackmann,task,group_sex
                   p01/visit1.mp4,p01,III,,f
                   p01/visit2.mp4,p01,2.5,,f
  p01/             videos to any depth (.mp4, .mov, .avi, .mkv, .webm)
    visit1.mp4
    visit2.mp4

This layout is ours: FPara's own is not published. The grade is 1 to 6 in halves (3.5) or I to VI. The column task and
any number of columns group_NAME may be left out; a subject may have several videos.""",
    licence="see the agreement with whoever filmed the patients",
    request=(
        "FPara: the authors of Ge, Jose, Wang, Iyer, Liu and Han, Automatic facial paralysis estimation with facial "
        "action units, arXiv 2203.01800, 2022; we know of no public download"
    ),
    leakage=(
        "All videos of a person, of later visits too, must stand on one side of the split: name each person by one "
        "word in the column subject."
    ),
    folds=3,
)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """One face for each video in the table, labelled as a whole. Condition: the task, where it is told."""
    table = root / TABLE
    problems: list[Problem] = []
    try:
        names, rows = read_records(table)
        lacking = [column for column in COLUMNS if column not in names]
        rows = [] if lacking else rows
    except Unreadable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            problem = Problem("missing", table, f"no such file; a table with the columns {', '.join(COLUMNS)}")
            return FaceDataset(SPEC.name, root, ()), [problem]
        rows, lacking = [], []
        problems.append(Problem("damaged", table, f"no readable CSV file ({error}); save it as comma-separated UTF-8"))
    if lacking:
        problems.append(Problem("damaged", table, f"line 1: no column {' and '.join(lacking)}"))
    found = [(line, row, _face(root, line, row, problems)) for line, row in rows]
    faces: dict[str, LabelledFace] = {}
    for line, _, face in found:
        if face is None:
            continue
        if face.sequence in faces:
            problems.append(Problem("damaged", table, f"line {line}: {face.sequence} is there twice; keep one"))
        faces.setdefault(face.sequence, face)
    groups = _groups([(line, row) for line, row, face in found if face is not None], table, problems)
    whole = tuple(sorted(faces.values(), key=lambda face: (face.subject, face.sequence)))
    problems += [*_changing(whole, table), *_unlisted(root, whole), *check_media(whole)]
    return FaceDataset(SPEC.name, root, whole, groups=groups), problems


def _face(root: Path, line: int, row: dict[str, str], problems: list[Problem]) -> LabelledFace | None:
    """The face of a line; ``None`` with a problem when the line is wrong."""
    told = None
    place = PurePosixPath(row["video"].replace("\\", "/"))
    grade = None
    empty = [column for column in COLUMNS if not row[column]]
    if empty:
        told = f"no {' and '.join(empty)}"
    elif place.is_absolute() or ".." in place.parts:
        told = f"{row['video']} lies outside the folder; name videos as they lie below it"
    elif place.suffix.lower() not in VIDEO_SUFFIXES:
        told = f"{row['video']} is no video; known: {', '.join(sorted(VIDEO_SUFFIXES))}"
    else:
        try:
            grade = read_grade(row["house_brackmann"])
        except ValueError:
            told = f"house_brackmann {row['house_brackmann']!r}, expected 1 to 6 in halves, or I to VI"
    if told is not None:
        problems.append(Problem("damaged", root / TABLE, f"line {line}: {told}"))
        return None
    path, name, task = root / place, place.as_posix(), row.get("task") or None
    return LabelledFace(row["subject"], name, 0, path, in_video=True, whole_video=True, grade=grade, condition=task)


def _groups(rows: list[tuple[int, dict[str, str]]], table: Path, problems: list[Problem]) -> dict[str, dict[str, str]]:
    """Groups of each subject; the first line counts where lines differ."""
    groups: dict[str, dict[str, str]] = {}
    for line, row in rows:
        own = groups.setdefault(row["subject"], {})
        for column, value in row.items():
            if not column.startswith(GROUP) or not value:
                continue
            known = own.setdefault(column.removeprefix(GROUP), value)
            if known != value:
                told = (
                    f"line {line}: {column} of {row['subject']} is {value!r}, further up it is {known!r}, which counts"
                )
                problems.append(Problem("note", table, told))
    return {subject: own for subject, own in groups.items() if own}


def _changing(faces: tuple[LabelledFace, ...], table: Path) -> Iterator[Problem]:
    """Subjects with several grades: visits, or a slip of the pen."""
    grades: defaultdict[str, set[float]] = defaultdict(set)
    for face in faces:
        grades[face.subject].add(face.grade or 0.0)
    for subject, own in grades.items():
        if len(own) > 1:
            shown = ", ".join(f"{grade:g}" for grade in sorted(own))
            yield Problem("note", table, f"subject {subject} has the grades {shown}; several visits?")


def _unlisted(root: Path, faces: tuple[LabelledFace, ...]) -> Iterator[Problem]:
    """Videos that the table does not name."""
    listed = {face.path for face in faces}
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.suffix.lower() in VIDEO_SUFFIXES and not hidden and path not in listed:
            yield Problem("note", path, f"not in {TABLE}, so that it is not used")
