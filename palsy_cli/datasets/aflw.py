"""AFLW (Köstinger et al., 2011): faces from Flickr with up to 21 points, in one SQLite file."""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.marks import POINTS
from palsy_cli.datasets.media import check_media, without_exchanged
from palsy_cli.records import FloatArray
from palsy_cli.text import has_control

#: Which of the 68 points each of the 21 is; ``None`` where none is meant. AFLW says left and right of the picture:
#: its left eye is the one at image-left, the person's own right one, our 36-41. ``MouthCenter`` lies between the lips,
#: which is point 62 while the mouth is closed.
POINT_OF: dict[str, int | None] = {
    **{"LeftBrowLeftCorner": 17, "LeftBrowCenter": 19, "LeftBrowRightCorner": 21},
    **{"RightBrowLeftCorner": 22, "RightBrowCenter": 24, "RightBrowRightCorner": 26},
    **{"LeftEyeLeftCorner": 36, "LeftEyeCenter": None, "LeftEyeRightCorner": 39},
    **{"RightEyeLeftCorner": 42, "RightEyeCenter": None, "RightEyeRightCorner": 45},
    **{"LeftEar": None, "NoseLeft": 31, "NoseCenter": 30, "NoseRight": 35, "RightEar": None},
    **{"MouthLeftCorner": 48, "MouthCenter": 62, "MouthRightCorner": 54, "ChinCenter": 8},
}
#: Tables and columns that are read; there are more.
TABLES: dict[str, tuple[str, ...]] = {
    "Faces": ("face_id", "file_id"),
    "FaceImages": ("file_id", "filepath"),
    "FeatureCoords": ("face_id", "feature_id", "x", "y"),
    "FeatureCoordTypes": ("feature_id", "descr"),
    "FaceMetaData": ("face_id", "sex"),
}
_SEX = {"f": "female", "m": "male"}
#: Places of the database below the folder, and its pictures beside it.
_DATABASES = ("data/aflw.sqlite", "aflw/data/aflw.sqlite", "aflw.sqlite")
_PICTURES = "flickr"

SPEC = DatasetSpec(
    name="aflw",
    title="AFLW: up to 21 points on faces from Flickr, all poses",
    labels=(
        "Up to 21 points a face, as far as they are seen: 17 of them are among the 68 (brow ends and middles, eye "
        "corners, nose, mouth corners and middle, chin), the other points are unknown; sex. No masks: CEN speaks of "
        "attribute mark-up, but there are points only (erratum E22)."
    ),
    layout="""\
DIR/
  data/
    aflw.sqlite    tables Faces, FaceImages, FeatureCoords, FeatureCoordTypes, FaceMetaData
    flickr/
      0/           image00002.jpg, ...
      2/
      3/

DIR/aflw/data/ is found as well, and DIR may be the folder data itself. The database names each picture
(FaceImages.filepath, 0/image00002.jpg).""",
    licence="see the agreement of TU Graz; the pictures come from Flickr and belong to those who took them",
    request=(
        "Institute for Computer Graphics and Vision (ICG), Graz University of Technology, "
        "http://lrs.icg.tugraz.at/research/aflw/ (Köstinger, Wohlhart, Roth and Bischof, Annotated Facial Landmarks in "
        "the Wild, ICCV Workshops 2011)"
    ),
    leakage=(
        "Nobody knows who is seen, and a person may be in several photos; only the faces of one photo can be kept "
        "together. CEN learns from it before it learns from its patients, of whom it tests a sixth."
    ),
    folds=6,
)


@dataclass(frozen=True)
class _Tables:
    """What the database says: faces with their picture, points by face, and the sexes of a picture's faces."""

    faces: list[tuple[int, str, str]] = field(default_factory=list)
    points: dict[int, FloatArray] = field(default_factory=dict)
    sexes: dict[int, str] = field(default_factory=dict)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All faces with a point that is among the 68. Subject: the photo; condition: the folder of Flickr.

    Faces whose right and left are exchanged are left out with a note: the set says itself that some marks are poor.
    """
    database = next((root / name for name in _DATABASES if (root / name).is_file()), None)
    if database is None:
        problem = Problem("missing", root / _DATABASES[0], "no such file; the folder of AFLW holds it")
        return FaceDataset(SPEC.name, root, ()), [problem]
    problems: list[Problem] = []
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            lacking = list(_lacking(connection))
            found = _Tables() if lacking else _read(connection, database, problems)
    except sqlite3.Error as error:
        found, lacking = _Tables(), [f"no readable SQLite file ({error}); copy it again"]
    problems += [Problem("damaged", database, what) for what in lacking]
    marked = [_face(database, found, *row) for row in found.faces if row[0] in found.points]
    if len(found.faces) > len(marked):
        bare = len(found.faces) - len(marked)
        problems.append(
            Problem("note", database, f"{bare} of {len(found.faces)} faces have none of our points; left out")
        )
    faces = sorted(without_exchanged(marked, problems), key=lambda face: (face.subject, face.sequence))
    problems += check_media(faces)
    return FaceDataset(SPEC.name, root, tuple(faces), groups=_groups(found)), problems


def _face(database: Path, found: _Tables, face_id: int, file_id: str, picture: str) -> LabelledFace:
    """A face of the tables."""
    path = database.parent / _PICTURES / picture
    subject, part = PurePosixPath(file_id).stem, PurePosixPath(picture).parent
    name, points = f"{subject}/{face_id}", found.points[face_id]
    return LabelledFace(subject, name, 0, path, points=points, condition=f"{_PICTURES}/{part}")


def _lacking(connection: sqlite3.Connection) -> Iterator[str]:
    """Tables and columns that are not there."""
    # A view may be a program without end.
    tables = {str(row[0]).lower() for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table, columns in TABLES.items():
        if table.lower() not in tables:
            yield f"no table {table}; this is not the database of AFLW, or it is cut short"
            continue
        present = {str(row[1]).lower() for row in connection.execute(f"PRAGMA table_info({table})")}
        if set(columns) - present:
            yield f"table {table} has no column {', '.join(sorted(set(columns) - present))}"


def _read(connection: sqlite3.Connection, database: Path, problems: list[Problem]) -> _Tables:
    """Everything that is used; rows that lead nowhere become problems."""
    found = _Tables()
    names = dict(connection.execute("SELECT feature_id, descr FROM FeatureCoordTypes"))
    unknown = sorted({str(name) for name in names.values()} - set(POINT_OF))
    if unknown:
        problems.append(Problem("damaged", database, f"FeatureCoordTypes names unknown points: {', '.join(unknown)}"))
    places: dict[object, int | None] = {number: POINT_OF.get(str(name)) for number, name in names.items()}
    for face_id, feature_id, x, y in connection.execute("SELECT face_id, feature_id, x, y FROM FeatureCoords"):
        place = places.get(feature_id)
        # AFLW's own tools write (-1, -1) for a point that was taken back.
        if place is None or x is None or y is None or (x, y) == (-1, -1):
            continue
        if not all(isinstance(value, int | float) and math.isfinite(value) for value in (x, y)):
            problems.append(Problem("damaged", database, f"FeatureCoords: a point of face {face_id!r} is no number"))
        else:
            if face_id not in found.points:
                found.points[face_id] = np.full((POINTS, 2), np.nan)
            found.points[face_id][place] = x, y
    pictures: dict[str, str] = {}
    for file_id, picture in connection.execute("SELECT file_id, filepath FROM FaceImages"):
        if not isinstance(file_id, str) or not isinstance(picture, str):
            problems.append(Problem("damaged", database, f"FaceImages: {file_id!r} or {picture!r} is no text"))
        elif (
            not picture
            or has_control(picture)
            or PurePosixPath(picture).is_absolute()
            or ".." in PurePosixPath(picture).parts
        ):
            problems.append(Problem("damaged", database, f"FaceImages: {file_id} lies at {picture!r}, outside the set"))
        else:
            pictures[file_id] = picture
    seen: set[int] = set()
    for face_id, file_id in connection.execute("SELECT face_id, file_id FROM Faces ORDER BY face_id"):
        if face_id in seen:
            problems.append(Problem("damaged", database, f"Faces: face {face_id} is there twice"))
        elif file_id not in pictures:
            problems.append(
                Problem("damaged", database, f"Faces: face {face_id} is in {file_id}, which FaceImages lacks")
            )
        else:
            found.faces.append((face_id, file_id, pictures[file_id]))
        seen.add(face_id)
    for face_id, sex in connection.execute("SELECT face_id, sex FROM FaceMetaData"):
        if str(sex).lower() in _SEX:
            found.sexes[face_id] = _SEX[str(sex).lower()]
    return found


def _groups(found: _Tables) -> dict[str, dict[str, str]]:
    """Sex by subject, where all faces of the photo have the same."""
    sexes: defaultdict[str, set[str | None]] = defaultdict(set)
    for face_id, file_id, _ in found.faces:
        sexes[PurePosixPath(file_id).stem].add(found.sexes.get(face_id))
    alone = {subject: next(iter(known)) for subject, known in sexes.items() if len(known) == 1}
    return {subject: {"sex": sex} for subject, sex in alone.items() if sex is not None}
