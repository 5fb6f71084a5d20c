"""Predictions as a plain table, so that any program's answers can be measured like ours.

Columns ``subject, sequence, frame``, then numbers: ``AU12`` (a probability or an intensity), ``p_I`` to ``p_VI`` or
``p_normal`` to ``p_high``, ``weak_mouth`` (-1 the right side is weaker, 0 none, 1 the left), ``x_0`` to ``x_67`` and
``y_0`` to ``y_67`` in pixels. A blank means no answer. Further columns are ignored.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palsy_cli.errors import DatasetError, InputError
from palsy_cli.files import atomic_write
from palsy_cli.records import FloatArray
from palsy_cli.report.csv_report import cell, column_names, iter_rows, real, to_csv, whole

KEY_COLUMNS: tuple[str, ...] = ("subject", "sequence", "frame")
POINT_COLUMNS: tuple[str, ...] = (*(f"x_{p}" for p in range(68)), *(f"y_{p}" for p in range(68)))
#: Subject, sequence and frame of a prediction, as in ``datasets.faces.LabelledFace``.
FrameKey = tuple[str, str, int]

_UNIT = re.compile(r"AU0*(\d+)")
_OTHER = re.compile(r"p_\w+|weak_\w+|[xy]_\d+")


def unit_columns(aus: Sequence[int]) -> tuple[str, ...]:
    """``AU1``, ``AU12``."""
    return tuple(f"AU{au}" for au in aus)


def class_columns(classes: Sequence[str]) -> tuple[str, ...]:
    """``p_I``, ``p_normal``."""
    return tuple(f"p_{name}" for name in classes)


@dataclass(frozen=True, eq=False)
class Predictions:
    """N predictions: ``values`` (N, C) of the C ``columns``, NaN where blank."""

    path: Path
    keys: tuple[FrameKey, ...]
    columns: tuple[str, ...]
    values: FloatArray

    def of(self, columns: Sequence[str]) -> dict[FrameKey, FloatArray]:
        """The values of some columns, in that order, of every frame; for ``study.match``.

        Raises:
            DatasetError: a column is missing.
        """
        missing = [name for name in columns if name not in self.columns]
        if missing:
            shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
            raise DatasetError(f"{self.path}: no column {shown}; the first line must name the columns")
        places = [self.columns.index(name) for name in columns]
        return dict(zip(self.keys, self.values[:, places], strict=True))

    def points(self) -> dict[FrameKey, FloatArray]:
        """(68, 2) points of every frame; DatasetError when one of ``POINT_COLUMNS`` is missing."""
        return {key: row.reshape(2, 68).T for key, row in self.of(POINT_COLUMNS).items()}


def read_predictions(path: Path) -> Predictions:
    """Read a table of predictions.

    Raises:
        DatasetError: unreadable, a column is missing, a number is none, a frame occurs twice, no row.
    """
    try:
        rows = iter_rows(path)
        head, at = _columns(path, column_names(path, rows))
        seen: dict[FrameKey, int] = {}
        values = []
        for line, row in rows:
            subject, sequence, frame = (cell(path, line, name, row, at[name]) for name in KEY_COLUMNS)
            key = subject, sequence, whole(path, line, frame)
            if key in seen:
                again = f"{subject}, {sequence}, {frame} was already in line {seen[key]}"
                raise DatasetError(f"{path}, line {line}: {again}; keep one of them")
            seen[key] = line
            values.append([_number(path, line, name, cell(path, line, name, row, at[name])) for name in head])
    except DatasetError:
        raise
    except InputError as error:
        raise DatasetError(str(error)) from error
    if not values:
        raise DatasetError(f"{path}: no prediction; give a line for each frame below the names of the columns")
    return Predictions(path, tuple(seen), head, np.array(values, float))


def write_predictions(path: Path, keys: Sequence[FrameKey], columns: Sequence[str], values: FloatArray) -> Path:
    """Write what ``read_predictions`` reads: (N, C) ``values``, NaN as blanks, nine digits of each number.

    Raises:
        ValueError: shapes do not fit.
        UsageError: the file cannot be written.
    """
    if values.shape != (len(keys), len(columns)):
        raise ValueError(f"values: expected shape {(len(keys), len(columns))}, got {values.shape}")
    rows = (
        (*key, *("" if not math.isfinite(value) else f"{value:.9g}" for value in row))
        for key, row in zip(keys, values.tolist(), strict=True)
    )
    return atomic_write(path, to_csv((*KEY_COLUMNS, *columns), rows), private=True)


def _columns(path: Path, names: list[str]) -> tuple[tuple[str, ...], dict[str, int]]:
    """The columns of numbers, named as here, and where these and the keys stand."""
    missing = [name for name in KEY_COLUMNS if name not in names]
    if missing:
        raise DatasetError(f"{path}: no column {', '.join(missing)}; the first line must name the columns")
    at = {name: names.index(name) for name in KEY_COLUMNS}
    head = []
    for place, name in enumerate(names):
        unit = _UNIT.fullmatch(name)
        own = f"AU{unit[1]}" if unit else name
        if unit or _OTHER.fullmatch(name):
            if own in at:
                raise DatasetError(f"{path}: two columns {own}; keep one of them")
            at[own] = place
            head.append(own)
    if not head:
        raise DatasetError(f"{path}: no column of predictions; name them AU12, p_I, p_normal, x_0 or y_0")
    return tuple(head), at


def _number(path: Path, line: int, name: str, text: str) -> float:
    """A number; NaN for a blank or a written NaN."""
    return math.nan if text.lower() in ("", "nan") else real(path, line, name, text)
