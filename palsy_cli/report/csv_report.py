"""Tables: AU intensities per keyframe, both ways, and the 68 points per decoded frame."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from palsy_cli import documents
from palsy_cli.clinic.told import require_order, require_task
from palsy_cli.errors import InputError
from palsy_cli.records import (
    CORE_AUS,
    EXTRA_AUS,
    ActionUnits,
    Clip,
    FaceTrack,
    FloatArray,
    Keyframes,
    Landmarks,
    ToldTask,
)

QUALITY_COLUMNS: tuple[str, ...] = ("frame", "time_s", "success", "confidence", "reason")
MAX_INTENSITY = 5.0
#: A number of a row, and its cells by column.
TableRow = tuple[int, dict[str, str]]
_SPECIAL, _QUOTED = re.compile(r'["\r\n]'), re.compile(r'[,"\r\n]')
#: Frames are counted in 32 bits, which are a year of video.
_FRAME = re.compile(r"[0-9]{1,9}")


def au_columns(au: int) -> tuple[str, str]:
    """Names of the left and the right column of an action unit: ``AU01_r_L``, ``AU01_r_R``."""
    return f"AU{au:02d}_r_L", f"AU{au:02d}_r_R"


def action_units_csv(keyframes: Keyframes, action_units: ActionUnits) -> str:
    """``action_units.csv``: one row per keyframe, intensities 0..5, blank where a unit was not measured."""
    header = [*QUALITY_COLUMNS, *(name for au in action_units.aus for name in au_columns(au))]
    rows = []
    for k, frame in enumerate(keyframes.frames):
        sides = zip(action_units.left[k], action_units.right[k], strict=True)
        values = [decimal(value, 6) for pair in sides for value in pair]
        quality = [str(int(frame)), f"{keyframes.times_s[k]:.6f}", "1", decimal(keyframes.confidence[k], 4), ""]
        rows.append([*quality, *values])
    return to_csv(header, rows)


def landmarks_csv(clip: Clip, track: FaceTrack, landmarks: Landmarks) -> str:
    """``landmarks.csv``: one row per decoded frame, in pixels of the upright video as it was recorded.

    Frames are measured unmirrored; for a mirrored recording ``x`` is turned back, so that the points lie on the video.
    """
    header = [*QUALITY_COLUMNS, *(f"x_{p}" for p in range(68)), *(f"y_{p}" for p in range(68))]
    return to_csv(header, _landmark_rows(clip, track, landmarks))


def _landmark_rows(clip: Clip, track: FaceTrack, landmarks: Landmarks) -> Iterator[list[str]]:
    """One at a time: the cells of an hour take a gigabyte."""
    for frame, reason in enumerate(track.reasons):
        points = landmarks.points[frame]
        reason = reason or ("" if np.isfinite(points).all() else "no_landmarks")
        start = [str(frame), f"{track.times_s[frame]:.6f}"]
        if reason:
            yield [*start, "0", "", reason, *[""] * 136]
            continue
        x = clip.width - 1 - points[:, 0] if clip.mirrored else points[:, 0]
        values = [decimal(value, 2) for value in (*x, *points[:, 1])]
        yield [*start, "1", decimal(landmarks.confidence[frame], 4), "", *values]


def decimal(value: float, places: int) -> str:
    """Fixed decimals, never minus zero; blank when not finite."""
    return f"{round(float(value), places) + 0.0:.{places}f}" if math.isfinite(value) else ""


def to_csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Comma-separated text that any reader takes apart as it was; lines end in a bare newline on every system."""
    lines = (_csv_line([str(cell) for cell in row]) + "\n" for row in itertools.chain([header], rows))
    return "".join(lines)


def _csv_line(cells: list[str]) -> str:
    """Cells with commas between them; ``csv.writer`` of some versions of Python leaves a bare carriage return alone."""
    line = ",".join(cells)
    if line.count(",") == len(cells) - 1 and not _SPECIAL.search(line):
        return line
    return ",".join('"' + cell.replace('"', '""') + '"' if _QUOTED.search(cell) else cell for cell in cells)


def load_action_units(path: Path) -> tuple[ActionUnits, npt.NDArray[np.int64], FloatArray]:
    """Read a table as ``action_units_csv`` writes it; further columns are ignored.

    Rows with ``success`` 0 are skipped. A blank intensity means not measured (NaN). The columns of the twelve action
    units are needed, those of the two extra channels are not.

    Returns:
        The intensities of K keyframes, their frame numbers (K,) and times in seconds (K,).

    Raises:
        InputError: unreadable file, missing column, no usable row, text in a number, intensity outside 0..5.
    """
    rows = iter_rows(path)
    header = column_names(path, rows)
    needed = ("frame", "time_s", "success", *(name for au in CORE_AUS for name in au_columns(au)))
    _require_columns(path, header, needed, hint="give an action_units.csv as `palsy aus` writes it")
    extra = tuple(au for au in EXTRA_AUS if all(name in header for name in au_columns(au)))
    aus = CORE_AUS + extra
    at = {name: header.index(name) for name in (*needed, *(n for au in extra for n in au_columns(au)))}
    frames, times, left, right = [], [], [], []
    for line, row in rows:
        cells = {name: cell(path, line, name, row, column) for name, column in at.items()}
        if cells["success"] not in ("0", "1"):
            raise InputError(f"{path}, line {line}: success is {cells['success']!r}; it must be 0 or 1")
        if cells["success"] == "0":
            continue
        frames.append(whole(path, line, cells["frame"]))
        times.append(real(path, line, "time_s", cells["time_s"]))
        left.append([intensity(path, line, au_columns(au)[0], cells) for au in aus])
        right.append([intensity(path, line, au_columns(au)[1], cells) for au in aus])
    if not frames:
        raise InputError(f"{path}: no row with success 1; there is nothing to assess")
    units = ActionUnits(aus=aus, left=np.array(left, float), right=np.array(right, float))
    return units, np.array(frames, np.int64), np.array(times, float)


def iter_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The non-empty rows with their line numbers, one at a time: a cohort's table has millions of cells.

    Raises:
        InputError: the file is no readable text, or breaks off within a quoted cell.
    """
    try:
        yield from documents.read_rows(path)
    except documents.Unreadable as error:
        raise InputError(f"{path}: cannot be read as a table ({error}); give a CSV file in UTF-8") from error


def column_names(path: Path, rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The first row that ``iter_rows`` gives, without surrounding blanks; empty when there is none.

    Raises:
        InputError: a name stands there twice, so that it is unknown which column is meant.
    """
    names = [name.strip() for name in next(rows, (0, []))[1]]
    try:
        documents.require_once(names)
    except documents.Unreadable as error:
        raise InputError(f"{path}: {error}") from error
    return names


def read_table(path: Path, needed: Sequence[str], *, optional: Sequence[str] = ()) -> list[TableRow]:
    """The named columns of a CSV or TSV file in UTF-8, as (line number, column -> cell without surrounding blanks).

    Further columns are ignored; an absent optional column reads as blank.

    Raises:
        InputError: unreadable, no text, a needed column is missing or there twice, a row is too short.
    """
    rows = iter_rows(path)
    header = column_names(path, rows)
    _require_columns(path, header, needed, hint="the first line must name the columns")
    at = {name: header.index(name) for name in (*needed, *optional) if name in header}
    blank = dict.fromkeys(optional, "")
    return [(line, blank | {name: cell(path, line, name, row, i) for name, i in at.items()}) for line, row in rows]


def read_tasks(path: Path) -> tuple[ToldTask, ...]:
    """What a patient did, and when: columns ``task``, ``onset_s`` and ``offset_s``, times in seconds.

    Raises:
        InputError: unreadable, an unknown task (with what may have been meant), times that are none, or an overlap.
    """
    told = []
    for line, row in read_table(path, ("task", "onset_s", "offset_s")):
        onset_s, offset_s = (real(path, line, name, row[name]) for name in ("onset_s", "offset_s"))
        told.append(ToldTask(require_task(row["task"], where=f"{path}, line {line}"), onset_s, offset_s))
    if not told:
        raise InputError(f"{path}: no task in it; give a line for each movement, or leave --tasks out")
    return require_order(told, where=str(path))


def _require_columns(path: Path, header: Sequence[str], needed: Sequence[str], *, hint: str) -> None:
    """Raise InputError, which names the first few, when columns are missing."""
    missing = [name for name in needed if name not in header]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise InputError(f"{path}: no column {shown}; {hint}")


def cell(path: Path, line: int, name: str, row: Sequence[str], column: int) -> str:
    """One cell without surrounding blanks; raises InputError when the row is too short."""
    if column >= len(row):
        raise InputError(f"{path}, line {line}: the row ends before column {name}; was the file cut off?")
    return row[column].strip()


def whole(path: Path, line: int, text: str) -> int:
    """A frame number, zero or more."""
    if not _FRAME.fullmatch(text):
        raise InputError(f"{path}, line {line}: frame is {text!r}; it must be a whole number, zero or more")
    return int(text)


def real(path: Path, line: int, name: str, text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"{path}, line {line}: {name} is {text!r}; it must be a number")
    return value


def intensity(path: Path, line: int, name: str, cells: dict[str, str]) -> float:
    """An intensity 0..5; NaN when blank."""
    if not cells[name]:
        return math.nan
    value = real(path, line, name, cells[name])
    if not 0 <= value <= MAX_INTENSITY:
        raise InputError(f"{path}, line {line}: {name} is {cells[name]}; intensities run from 0 to 5")
    return value
