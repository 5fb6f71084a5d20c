"""The muscle activity of a whole cohort as one tidy Parquet table: a row per video, key frame, side and action unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from palsy_cli.batch.jobs import RESULTS
from palsy_cli.batch.summary import Column, Row, plain
from palsy_cli.console import ProgressCallback
from palsy_cli.errors import InputError
from palsy_cli.exports.recordings import read_action_units
from palsy_cli.files import ACTION_UNITS_CSV, atomic_file
from palsy_cli.records import ALL_AUS, SIDES, FloatArray
from palsy_cli.report.csv_report import QUALITY_COLUMNS

if TYPE_CHECKING:
    import pyarrow

AU_TABLE = "action_units.parquet"
#: Every column in order; the first four are those of the summary.
AU_COLUMNS: tuple[Column, ...] = (
    Column("job_id", "text", "hex", "as in the summary"),
    Column("patient", "text", "", "as in the summary"),
    Column("session", "text", "", "as in the summary", "none was named"),
    Column("video", "text", "", "as in the summary; with frame, au and side it names a row"),
    Column("frame", "whole", "frame", "number of the decoded frame, from 0"),
    Column("time_s", "number", "s", "time of the frame"),
    Column("au", "whole", ", ".join(map(str, ALL_AUS)), "action unit (FACS); 43 is eye closure, 18 lip pucker"),
    Column("side", "text", "left, right", "the patient's own"),
    Column("intensity", "number", "0..5", "0 absent, 1 to 5 = A to E", "not measured"),
    Column("success", "yes/no", "", "whether the frame could be measured"),
    Column("confidence", "number", "0..1", "that of the face in the frame", "no face"),
)
_REASON = QUALITY_COLUMNS.index("reason")
_NAMES = ("job_id", "patient", "session", "video")
#: Rows that are held at a time, some tens of megabytes; they make a row group.
_ROWS_AT_ONCE = 1 << 19
#: Rows of one key frame: every unit, left then right, as the columns of ``action_units.csv`` stand.
_CHANNELS = 2 * len(ALL_AUS)


@dataclass
class _Group:
    """Videos that wait to be written: their names, K key frames of four numbers each, K times 28 intensities."""

    names: list[tuple[str | None, ...]] = field(default_factory=list)
    moments: list[FloatArray] = field(default_factory=list)
    intensities: list[FloatArray] = field(default_factory=list)
    rows: int = 0

    def add(self, row: Row, table: FloatArray) -> None:
        """One video: its row of the summary, and (K, 32) numbers: frame, time, success, confidence, intensities."""
        self.names.append(tuple(plain(row.get(name)) for name in _NAMES))
        self.moments.append(table[:, :4])
        self.intensities.append(table[:, 4:])
        self.rows += len(table) * _CHANNELS

    def batch(self, schema: pyarrow.Schema) -> pyarrow.RecordBatch:
        """All of it as rows of the table."""
        import pyarrow

        lengths = [len(moments) * _CHANNELS for moments in self.moments]
        video = pyarrow.array(np.repeat(np.arange(len(self.names)), lengths))
        frame, time_s, success, confidence = np.repeat(np.concatenate(self.moments), _CHANNELS, axis=0).T
        keyframes = sum(map(len, self.moments))
        names = [_words([each[i] for each in self.names], video) for i in range(len(_NAMES))]
        numbers = (
            frame.astype(np.int32),
            time_s,
            np.tile(np.repeat(np.array(ALL_AUS, np.int8), 2), keyframes),
            np.concatenate(self.intensities).ravel(),
            success == 1,
            confidence,
        )
        frames, times, aus, intensities, successes, confidences = (pyarrow.array(n, from_pandas=True) for n in numbers)
        sides = _words(SIDES, pyarrow.array(np.tile([0, 1], keyframes * len(ALL_AUS))))
        columns = (*names, frames, times, aus, sides, intensities, successes, confidences)
        return pyarrow.record_batch([c.cast(f.type) for c, f in zip(columns, schema, strict=True)], schema=schema)


def write_au_table(out: Path, rows: Iterable[Row], *, on_progress: ProgressCallback | None = None) -> list[str]:
    """Write ``action_units.parquet`` into ``out``, readable by the owner only, from ``out/results/*/action_units.csv``.

    Videos are read one after the other and written in groups, so memory does not grow with their number. Rows of the
    summary that are not ``done`` have no part in it. Intensity and confidence are of single precision.

    Args:
        out: the batch's folder.
        rows: rows of the summary; ``status``, ``job_id``, ``patient``, ``session`` and ``video`` are read.
        on_progress: told of every video.

    Returns:
        A line for every video whose table cannot be used; it is left out.

    Raises:
        UsageError: the file cannot be written.
    """
    from pyarrow import parquet

    schema, unusable, group = _schema(), [], _Group()
    with (
        atomic_file(out / AU_TABLE, private=True) as file,
        parquet.ParquetWriter(file, schema, compression="zstd") as groups,
    ):
        for done, row in enumerate((row for row in rows if row["status"] == "done"), start=1):
            try:
                group.add(row, _read(out / RESULTS / row["job_id"]))
            except InputError as error:
                unusable.append(str(error))
            if group.rows >= _ROWS_AT_ONCE:
                groups.write_batch(group.batch(schema))
                group = _Group()
            if on_progress is not None:
                on_progress("table of action units", done, None)
        if group.rows:
            groups.write_batch(group.batch(schema))
    return unusable


def _read(folder: Path) -> FloatArray:
    """(K, 32) numbers of a result's table, NaN where blank; raises InputError as ``read_action_units`` does."""
    rows = read_action_units(folder)
    numbers = np.array(
        [[float(cell or "nan") for i, cell in enumerate(row) if i != _REASON] for row in rows], float
    ).reshape(len(rows), 4 + _CHANNELS)
    if not np.all(numbers[:, 0] % 1 == 0):
        raise InputError(f"{folder / ACTION_UNITS_CSV}: a frame is no whole number; assess the video again")
    return numbers


def _schema() -> pyarrow.Schema:
    """Every column with its type and its documentation."""
    import pyarrow

    kinds = {"text": pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), "whole": pyarrow.int32(),
             "number": pyarrow.float32(), "yes/no": pyarrow.bool_()}  # fmt: skip
    narrow = {"au": pyarrow.int8(), "time_s": pyarrow.float64()}
    return pyarrow.schema(
        pyarrow.field(each.name, narrow.get(each.name, kinds[each.kind]), metadata=each.documentation())
        for each in AU_COLUMNS
    )


def _words(words: Sequence[str | None], which: pyarrow.Array) -> pyarrow.Array:
    """Few words, many times: a dictionary array."""
    import pyarrow

    return pyarrow.array(words, pyarrow.string()).dictionary_encode().take(which)
