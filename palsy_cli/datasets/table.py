"""Own recordings: any pictures and videos with one table of labels, ``labels.csv``."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.reading import Unfit, is_number, mirrored, picture_fault, read_grade, read_text, video_length
from palsy_cli.documents import is_file, repeated
from palsy_cli.records import FloatArray
from palsy_cli.stages.symptoms import CLINICAL_REGIONS
from palsy_cli.stages.video import IMAGE_SUFFIXES, VIDEO_SUFFIXES

TABLE = "labels.csv"
_WEAK = "weak_"
_PLAIN = (
    *("file", "subject", "sequence", "frame", "house_brackmann", "condition"),
    *(f"{_WEAK}{region}" for region in CLINICAL_REGIONS),
)
_REQUIRED = ("file", "subject")
#: Units of the face in FACS; there is no AU3 in adults, and 29 to 39 are movements of the jaw and tongue or looks.
_UNITS = frozenset({1, 2, *range(4, 29), *range(41, 47)})
_UNIT = re.compile(r"AU0*(\d{1,3})(?:_([LR]))?", re.IGNORECASE)
_GROUP = "group_"
#: All that we read are some three hundred.
_MOST_COLUMNS = 2000
_POINTS = tuple(f"{axis}_{number}" for axis in "xy" for number in range(68))

SPEC = DatasetSpec(
    name="csv",
    title="Own recordings with a table of labels",
    labels=(
        "Any pictures and videos: intensity 0 to 5 of any AU (0 or 1 in all of them means absent or present), of the "
        "whole face (AU12) or of each side (AU12_L, AU12_R, the patient's sides), House-Brackmann grade 1 to 6 (halves "
        "and I to VI as well), the weaker side of brows, eyes and mouth (left, right or none), 68 points. An empty "
        "cell is unknown. A video without a frame is labelled as a whole; frames count from 0."
    ),
    layout="""\
my-recordings/
  labels.csv         also my-recordings.csv; UTF-8, comma or semicolon
  any/folder/a.png   as the column file names it

file,subject,sequence,frame,house_brackmann,condition,weak_eyebrows,weak_eyes,weak_mouth,AU12_L,AU12_R,x_0,...,y_67,group_sex
""",
    licence="yours; patients' pictures need their consent for what you do with them",
    request="your own",
    leakage="The column subject decides who is trained on and who is tested: one person has one id, at every visit.",
    folds=3,
)


@dataclass(frozen=True)
class _Header:
    """Where everything stands in a row: plain columns, each unit's left and right, groups, and points."""

    width: int
    plain: Mapping[str, int]
    left: Mapping[int, int]
    right: Mapping[int, int]
    groups: Mapping[str, int]
    points: tuple[int, ...]

    @property
    def aus(self) -> tuple[int, ...]:
        """Units that have a column."""
        return tuple(sorted({*self.left, *self.right}))


@dataclass(frozen=True)
class _Row:
    """One line of the table."""

    line: int
    cells: list[str]
    header: _Header

    def text(self, name: str) -> str:
        """A plain column, empty when there is none."""
        column = self.header.plain.get(name)
        return "" if column is None else self.cells[column]


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All labelled faces, and every fault found on the way; see ``catalogue.scan_dataset``."""
    try:
        table = _table_of(root)
        header, rows, problems = _read(table)
    except Unfit as fault:
        return FaceDataset(SPEC.name, root, ()), [fault.problem]
    reader = _Reader(table)
    faces: list[LabelledFace] = []
    for row in rows:
        try:
            faces.append(reader.face(row))
        except Unfit as fault:
            problems.append(fault.problem)
    present_from = 2.0
    if _only_present_or_absent(faces):
        present_from = 1.0
        problems.append(Problem("note", table, "all labels of units are 0 or 1: taken as absent and present"))
    faces.sort(key=lambda face: (face.subject, face.sequence, face.frame))
    groups = {subject: {name: value for name, (value, _) in known.items()} for subject, known in reader.groups.items()}
    return FaceDataset(SPEC.name, root, tuple(faces), header.aus, present_from, groups), problems


def _table_of(root: Path) -> Path:
    """The table of a folder; raises Unfit when there is none."""
    if root.is_file():
        return root
    for name in (TABLE, f"{root.resolve().name}.csv"):
        if (root / name).is_file():
            return root / name
    raise Unfit(root, f"holds no table {TABLE}", "missing")


def _read(table: Path) -> tuple[_Header, list[_Row], list[Problem]]:
    """All rows of the table; raises Unfit when its first row is not ours."""
    lines = read_text(table).splitlines()
    if not lines or not lines[0].strip():
        raise Unfit(table, "line 1 is empty; the first row names the columns")
    separator = ";" if lines[0].count(";") > lines[0].count(",") else ","
    reader = csv.reader(lines, delimiter=separator)
    try:
        numbered = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise Unfit(table, f"line {reader.line_num}: {error}") from error
    header, problems = _header(table, numbered[0][1])
    rows = []
    for line, cells in numbered[1:]:
        if any(cells) and len(cells) != header.width:
            what = f"line {line}: {len(cells)} cells where the first row has {header.width}"
            problems.append(Problem("damaged", table, what))
        elif any(cells):
            rows.append(_Row(line, [_with_point(cell) for cell in cells] if separator == ";" else cells, header))
    return header, rows, problems


def _with_point(cell: str) -> str:
    """A number as other programs want it: tables with semicolons write 2,5."""
    pointed = cell.replace(",", ".")
    return pointed if "," in cell and is_number(pointed) else cell


def _header(table: Path, names: list[str]) -> tuple[_Header, list[Problem]]:
    """Sort the columns by what they hold; raises Unfit when one that is needed is not there or stands twice."""
    if len(names) > _MOST_COLUMNS:
        raise Unfit(table, f"line 1: {len(names)} columns; a table has at most {_MOST_COLUMNS}")
    twice = repeated(filter(None, names))
    if twice is not None:
        raise Unfit(table, f"line 1: column {twice!r} stands twice")
    for name in _REQUIRED:
        if name not in names:
            raise Unfit(table, f"line 1: no column {name!r}; the first row names the columns")
    problems = []
    units: dict[str, dict[int, int]] = {"L": {}, "R": {}}
    for column, name in enumerate(names):
        if re.match(r"AU_?\d", name, re.IGNORECASE):
            try:
                _add_unit(table, name, column, units)
            except Unfit as fault:
                problems.append(fault.problem)
        elif name and name not in (*_PLAIN, *_POINTS) and not name.startswith(_GROUP):
            near = difflib.get_close_matches(name, _PLAIN, n=1, cutoff=0.6)
            hint = f"; did you mean {near[0]}?" if near else ""
            problems.append(Problem("note", table, f"column {name!r} is not read{hint}"))
    lacking = [name for name in _POINTS if name not in names]
    if lacking and len(lacking) < len(_POINTS):
        problems.append(
            Problem("damaged", table, f"line 1: no column {lacking[0]!r}; points need x_0..x_67, y_0..y_67")
        )
    header = _Header(
        width=len(names),
        plain={name: names.index(name) for name in _PLAIN if name in names},
        left=units["L"],
        right=units["R"],
        groups={name.removeprefix(_GROUP): column for column, name in enumerate(names) if name.startswith(_GROUP)},
        points=() if lacking else tuple(names.index(name) for name in _POINTS),
    )
    return header, problems


def _add_unit(table: Path, name: str, column: int, units: Mapping[str, dict[int, int]]) -> None:
    """Note which sides a column of a unit speaks of; raises Unfit when it is no unit or speaks of a side again."""
    found = _UNIT.fullmatch(name)
    if not found or int(found[1]) not in _UNITS:
        raise Unfit(table, f"line 1: column {name!r} is no action unit; write AU12, AU12_L or AU12_R")
    for side in (found[2] or "LR").upper():
        if int(found[1]) in units[side]:
            raise Unfit(table, f"line 1: column {name!r} repeats AU{int(found[1])} of a side that has a column already")
        units[side][int(found[1])] = column


@dataclass
class _Known:
    """A picture or video: its path, whether it is a video, and how many frames its header tells."""

    path: Path
    is_video: bool
    length: int | None


class _Reader:
    """Makes faces of rows and remembers what may stand in one row only."""

    def __init__(self, table: Path) -> None:
        self.table = table
        self.groups: dict[str, dict[str, tuple[str, int]]] = {}
        self._files: dict[str, _Known] = {}
        self._seen: dict[tuple[Path, int | None], int] = {}
        self._pictures: dict[str, int] = {}

    def face(self, row: _Row) -> LabelledFace:
        """The face of a row; raises Unfit with the row's line."""
        subject = row.text("subject")
        if not subject:
            raise self._fault(row, "no subject")
        known = self._file(row)
        frame = self._frame(row, known)
        key = (known.path, frame)
        if key in self._seen:
            named = f"{row.text('file')}, frame {row.text('frame')}" if row.text("frame") else row.text("file")
            raise self._fault(row, f"{named} stands in line {self._seen[key]}, too")
        self._seen[key] = row.line
        sequence = f"{subject}/{row.text('sequence') or (Path(row.text('file')).stem if known.is_video else '')}"
        if frame is None:
            frame = 0 if known.is_video else self._pictures.get(sequence, 0)
        self._pictures[sequence] = max(self._pictures.get(sequence, 0), frame + 1)
        left, right = self._labels(row, row.header.left), self._labels(row, row.header.right)
        coded = bool(np.isfinite(np.concatenate([left, right])).any())
        face = LabelledFace(
            subject=subject,
            sequence=sequence.rstrip("/"),
            frame=frame,
            path=known.path,
            in_video=known.is_video,
            whole_video=known.is_video and not row.text("frame"),
            points=self._points(row),
            left=left if coded else None,
            right=right if coded else None,
            grade=self._grade(row),
            weak_sides=self._weak_sides(row),
            condition=row.text("condition") or None,
        )
        self._add_groups(row)
        return face

    def _fault(self, row: _Row, what: str) -> Unfit:
        return Unfit(self.table, f"line {row.line}: {what}")

    def _file(self, row: _Row) -> _Known:
        name = row.text("file")
        if not name:
            raise self._fault(row, "no file")
        if name not in self._files:
            path = self.table.parent / name
            kind = path.suffix.lower()
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise self._fault(row, f"{name}: name the file from the folder of the table on")
            if not is_file(path):
                raise Unfit(self.table, f"line {row.line}: {name} is not there", "missing")
            if kind not in IMAGE_SUFFIXES | VIDEO_SUFFIXES:
                raise self._fault(row, f"{name} is neither a picture nor a video by its name")
            if kind in IMAGE_SUFFIXES and (fault := picture_fault(path)):
                raise self._fault(row, f"{name} {fault}")
            self._files[name] = _Known(path, kind in VIDEO_SUFFIXES, self._length(row, path))
        return self._files[name]

    def _length(self, row: _Row, path: Path) -> int | None:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            return None
        try:
            return video_length(path)
        except Unfit as fault:
            raise self._fault(row, f"{row.text('file')} {fault.problem.what}") from fault

    def _frame(self, row: _Row, known: _Known) -> int | None:
        text = row.text("frame")
        if not text:
            return None
        if not is_number(text) or float(text) != int(float(text)) or float(text) < 0:
            raise self._fault(row, f"frame {text!r} is no whole number from 0 on")
        frame = int(float(text))
        if known.length is not None and frame >= known.length:
            raise self._fault(row, f"frame {frame}: {row.text('file')} has {known.length} frames, counted from 0")
        return frame

    def _labels(self, row: _Row, columns: Mapping[int, int]) -> FloatArray:
        values = np.full(len(row.header.aus), np.nan)
        for place, au in enumerate(row.header.aus):
            text = row.cells[columns[au]] if au in columns else ""
            if text and not (is_number(text) and 0 <= float(text) <= 5):
                raise self._fault(row, f"AU{au}: {text!r} is no intensity 0 to 5")
            values[place] = float(text) if text else np.nan
        values.setflags(write=False)
        return values

    def _points(self, row: _Row) -> FloatArray | None:
        texts = [row.cells[column] for column in row.header.points]
        if not any(texts):
            return None
        for name, text in zip(_POINTS, texts, strict=True):
            if text and not is_number(text):
                raise self._fault(row, f"{name}: {text!r} is no number")
        points = np.array([float(text or "nan") for text in texts]).reshape(2, 68).T.copy()
        if mirrored(points):
            raise self._fault(row, "points: left and right are exchanged; 36 to 41 are the patient's right eye")
        return points

    def _grade(self, row: _Row) -> float | None:
        text = row.text("house_brackmann")
        if not text:
            return None
        try:
            return read_grade(text)
        except ValueError:
            told = f"house_brackmann {text!r} is no grade 1 to 6, I to VI or a half between"
            raise self._fault(row, told) from None

    def _weak_sides(self, row: _Row) -> dict[str, str] | None:
        found = {region: row.text(f"{_WEAK}{region}").lower() for region in CLINICAL_REGIONS}
        for region, side in found.items():
            if side not in ("", "left", "right", "none"):
                raise self._fault(row, f"{_WEAK}{region} {side!r} is none of left, right, none")
        return {region: side for region, side in found.items() if side} or None

    def _add_groups(self, row: _Row) -> None:
        known = self.groups.setdefault(row.text("subject"), {})
        for name, column in row.header.groups.items():
            value = row.cells[column]
            earlier, line = known.get(name, (value, row.line))
            if value and earlier != value:
                what = f"{_GROUP}{name} of {row.text('subject')} is {value!r}, but {earlier!r} in line {line}"
                raise self._fault(row, what)
            if value:
                known[name] = (earlier, line)


def _only_present_or_absent(faces: Iterable[LabelledFace]) -> bool:
    """Whether units are labelled and never otherwise than 0 or 1, with both of them."""
    sides = [side for face in faces for side in (face.left, face.right) if side is not None]
    labels = {float(value) for side in sides for value in side if np.isfinite(value)}
    return labels == {0.0, 1.0}
