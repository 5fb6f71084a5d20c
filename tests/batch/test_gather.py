"""The batch's last act: four files, in order, from rows that are read twice."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from batch.conftest import MakeRow
from pyarrow import parquet

from palsy_cli.batch.gather import write_summaries
from palsy_cli.errors import UsageError
from palsy_cli.exports.visits import find_visits
from palsy_cli.records import Assessment
from palsy_cli.report import write_report

FILES = {"summary.csv", "summary.parquet", "cohort.html", "action_units.parquet"}


def test_everything_is_written(tmp_path: Path, make_row: MakeRow, assessment: Assessment) -> None:
    rows = [make_row("O'Brien <script>", "visit 2"), make_row("=x"), make_row("lost")]
    for row in rows[:2]:
        write_report(assessment, tmp_path / "results" / row["job_id"])
    (line,) = write_summaries(tmp_path, lambda: iter(rows), [("shut", "the folder cannot be read")])
    assert rows[2]["job_id"] in line
    assert {path.name for path in tmp_path.iterdir()} == FILES | {"results"}
    assert "the folder cannot be read" in (tmp_path / "cohort.html").read_text(encoding="utf-8")
    patients = parquet.read_table(tmp_path / "action_units.parquet")["patient"].unique().to_pylist()
    assert patients == ["O'Brien <script>", "=x"]
    found = {(visit.patient, visit.session) for visit in find_visits(tmp_path)}
    assert found == {("O'Brien <script>", "visit 2"), ("=x", "1")}, "an export finds the names in the summary"
    if os.name != "nt":
        assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in FILES} == {0o600}


@pytest.mark.parametrize("count", [0, 3])
def test_nothing_was_assessed(tmp_path: Path, count: int) -> None:
    rows = [{"patient": "p", "video": str(i), "status": "failed", "exit_code": 3, "reason": "x"} for i in range(count)]
    assert write_summaries(tmp_path, lambda: rows) == []
    assert {path.name for path in tmp_path.iterdir()} == FILES
    assert parquet.read_table(tmp_path / "summary.parquet").num_rows == count


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, make_row: MakeRow, assessment: Assessment) -> None:
    rows = [make_row(str(i % 3), str(i)) for i in range(9)]
    for folder in ("a", "b"):
        for row in rows:
            (tmp_path / folder / "results" / row["job_id"]).mkdir(parents=True)
        write_summaries(tmp_path / folder, lambda: iter(rows))
    for name in FILES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


@pytest.mark.skipif(os.name == "nt", reason="no limits of POSIX")
def test_no_room(tmp_path: Path, make_row: MakeRow) -> None:
    """The system refuses to write on: one line, and the files of yesterday stay."""
    import resource

    write_summaries(tmp_path, lambda: [])
    before = {name: (tmp_path / name).read_bytes() for name in FILES}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(UsageError, match="cannot be written") as caught:
            write_summaries(tmp_path, lambda: [make_row(str(i)) for i in range(300)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
