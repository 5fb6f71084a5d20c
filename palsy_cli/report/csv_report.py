"""Tables: AU intensities per keyframe, both ways, and the 68 points per decoded frame."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from palsy_cli.errors import InputError
from palsy_cli.records import CORE_AUS, EXTRA_AUS, ActionUnits, Clip, FaceTrack, FloatArray, Keyframes, Landmarks

QUALITY_COLUMNS: tuple[str, ...] = ("frame", "time_s", "success", "confidence", "reason")
MAX_INTENSITY = 5.0


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
    rows = []
    for frame, reason in enumerate(track.reasons):
        points = landmarks.points[frame]
        reason = reason or ("" if np.isfinite(points).all() else "no_landmarks")
        start = [str(frame), f"{track.times_s[frame]:.6f}"]
        if reason:
            rows.append([*start, "0", "", reason, *[""] * 136])
            continue
        x = clip.width - 1 - points[:, 0] if clip.mirrored else points[:, 0]
        values = [decimal(value, 2) for value in (*x, *points[:, 1])]
        rows.append([*start, "1", decimal(landmarks.confidence[frame], 4), "", *values])
    return to_csv(header, rows)


def decimal(value: float, places: int) -> str:
    """Fixed decimals, never minus zero; blank when not finite."""
    return f"{round(float(value), places) + 0.0:.{places}f}" if math.isfinite(value) else ""


def to_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Comma-separated text; lines end in a bare newline on every system."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def load_action_units(path: Path) -> tuple[ActionUnits, npt.NDArray[np.int64], FloatArray]:
    """Read a table as ``action_units_csv`` writes it; further columns are ignored.

    Rows with ``success`` 0 are skipped. A blank intensity means not measured (NaN). The columns of the twelve action
    units are needed, those of the two extra channels are not.

    Returns:
        The intensities of K keyframes, their frame numbers (K,) and times in seconds (K,).

    Raises:
        InputError: unreadable file, missing column, no usable row, text in a number, intensity outside 0..5.
    """
    rows = read_rows(path)
    header = [name.strip() for name in rows[0][1]] if rows else []
    needed = ("frame", "time_s", "success", *(name for au in CORE_AUS for name in au_columns(au)))
    missing = [name for name in needed if name not in header]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise InputError(f"{path}: no column {shown}; give an action_units.csv as `palsy aus` writes it")
    extra = tuple(au for au in EXTRA_AUS if all(name in header for name in au_columns(au)))
    aus = CORE_AUS + extra
    at = {name: header.index(name) for name in (*needed, *(n for au in extra for n in au_columns(au)))}
    frames, times, left, right = [], [], [], []
    for line, row in rows[1:]:
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
        with path.open(encoding="utf-8-sig", newline="") as lines:  # line ends within a quoted cell stay as they are
            first = lines.readline()
            delimiter = "\t" if "\t" in first and "," not in first else ","
            reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
            for row in reader:
                if any(item.strip() for item in row):
                    yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as a table ({reason}); give a CSV file in UTF-8") from error


def read_rows(path: Path) -> list[tuple[int, list[str]]]:
    """All rows of ``iter_rows``."""
    return list(iter_rows(path))


def cell(path: Path, line: int, name: str, row: Sequence[str], column: int) -> str:
    """One cell without surrounding blanks; raises InputError when the row is too short."""
    if column >= len(row):
        raise InputError(f"{path}, line {line}: the row ends before column {name}; was the file cut off?")
    return row[column].strip()


def whole(path: Path, line: int, text: str) -> int:
    """A frame number, zero or more."""
    if not text.isascii() or not text.isdigit():
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
