"""The two tables beside an assessment, read cell by cell: only known columns, numbers and reason codes pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from palsy_cli.errors import InputError
from palsy_cli.files import ACTION_UNITS_CSV, LANDMARKS_CSV
from palsy_cli.records import CORE_AUS, EXTRA_AUS, FRAME_REASONS
from palsy_cli.report.csv_report import QUALITY_COLUMNS, au_columns, read_table

CORE_COLUMNS: tuple[str, ...] = tuple(name for au in CORE_AUS for name in au_columns(au))
EXTRA_COLUMNS: tuple[str, ...] = tuple(name for au in EXTRA_AUS for name in au_columns(au))
ACTION_UNIT_COLUMNS: tuple[str, ...] = (*QUALITY_COLUMNS, *CORE_COLUMNS, *EXTRA_COLUMNS)
LANDMARK_COLUMNS: tuple[str, ...] = (*QUALITY_COLUMNS, *(f"{axis}_{i}" for axis in "xy" for i in range(68)))
_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,17})?")


def read_action_units(folder: Path) -> list[list[str]]:
    """Rows of ``ACTION_UNIT_COLUMNS``: one per key frame, blank where a unit was not measured.

    Raises:
        InputError: the table cannot be read, lacks a column, or a cell is neither blank, a number nor a reason code.
    """
    return _read(folder / ACTION_UNITS_CSV, ACTION_UNIT_COLUMNS, optional=EXTRA_COLUMNS)


def read_landmarks(folder: Path) -> list[list[str]]:
    """Rows of ``LANDMARK_COLUMNS``: one per decoded frame, in pixels; raises as ``read_action_units``."""
    return _read(folder / LANDMARKS_CSV, LANDMARK_COLUMNS)


def read_confidence(folder: Path) -> list[float]:
    """Confidence 0..1 of the face in each key frame that has one; raises as ``read_action_units``."""
    rows = _read(folder / ACTION_UNITS_CSV, ("confidence",))
    return [float(confidence) for (confidence,) in rows if confidence]


def _read(path: Path, columns: Sequence[str], *, optional: Sequence[str] = ()) -> list[list[str]]:
    needed = [name for name in columns if name not in optional]
    rows = []
    for line, row in read_table(path, needed, optional=optional):
        for name, text in row.items():
            if text and not (text in FRAME_REASONS if name == "reason" else _NUMBER.fullmatch(text)):
                kind = "a reason code" if name == "reason" else "a number"
                raise InputError(f"{path}, line {line}: {name} is {text!r}; it must be {kind} or blank")
        rows.append([row[name] for name in columns])
    return rows
