"""The tidy table holds what the results' tables hold, once for every video."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from palsy_cli.batch import au_table
from palsy_cli.batch.au_table import AU_COLUMNS, AU_TABLE, write_au_table
from palsy_cli.files import atomic_write
from palsy_cli.records import ALL_AUS, CORE_AUS, Assessment
from palsy_cli.report.csv_report import action_units_csv


def done(job: str, video: str, **changes: Any) -> dict[str, Any]:
    return {"status": "done", "job_id": job, "patient": "O'Brien <script>", "session": None, "video": video} | changes


@pytest.fixture
def out(tmp_path: Path, assessment: Assessment) -> Path:
    """Results of the jobs a and b."""
    text = action_units_csv(assessment.keyframes, assessment.action_units)
    for job in "ab":
        atomic_write(tmp_path / "results" / job / "action_units.csv", text, private=True)
    return tmp_path


def read(out: Path) -> list[dict[str, Any]]:
    return parquet.read_table(out / AU_TABLE).to_pylist()


def test_a_row_per_video_frame_unit_and_side(out: Path, assessment: Assessment) -> None:
    rows = [done("a", "1.mp4"), done("b", "2.mp4", session="\udce9"), done("a", "copy.mp4"), {"status": "failed"}]
    assert write_au_table(out, iter(rows)) == []
    found = read(out)
    k = len(assessment.keyframes.frames)
    assert len(found) == 3 * k * len(ALL_AUS) * 2
    keys = {(row["video"], row["frame"], row["au"], row["side"]) for row in found}
    assert len(keys) == len(found), "these four name a row"
    assert {(row["job_id"], row["video"], row["session"]) for row in found} == {
        ("a", "1.mp4", None), ("b", "2.mp4", "\\udce9"), ("a", "copy.mp4", None),
    }  # fmt: skip
    position = {int(frame): i for i, frame in enumerate(assessment.keyframes.frames)}
    for row in found:
        i, units = position[row["frame"]], assessment.action_units
        side = units.left if row["side"] == "left" else units.right
        assert row["intensity"] == pytest.approx(side[i, units.channel(row["au"])], abs=2e-6)
        assert row["time_s"] == pytest.approx(assessment.keyframes.times_s[i], abs=1e-6)
        assert (
            row["success"] is True and row["confidence"] == pytest.approx(0.97) and row["patient"] == "O'Brien <script>"
        )


def test_groups_are_the_same_table(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [done("a", str(i)) for i in range(5)]
    write_au_table(out, rows)
    whole = read(out)
    monkeypatch.setattr(au_table, "_ROWS_AT_ONCE", 2 * 48 * 28)
    told: list[int] = []
    write_au_table(out, rows, on_progress=lambda _, count, __: told.append(count))
    assert parquet.ParquetFile(out / AU_TABLE).num_row_groups == 3 and read(out) == whole and told == [1, 2, 3, 4, 5]


def test_what_was_not_measured_is_null(out: Path) -> None:
    """Tables of weights without the extra channels, blank cells and frames without a face."""
    names = [f"AU{au:02d}_r_{side}" for au in CORE_AUS for side in "LR"]
    text = f"frame,time_s,success,confidence,reason,{','.join(names)}\n3,0.1,0,,no_face{',' * len(names)}\n"
    atomic_write(out / "results/a/action_units.csv", text, private=True)
    assert write_au_table(out, [done("a", "1.mp4")]) == []
    found = read(out)
    assert len(found) == 28 and all(row["intensity"] is None and row["confidence"] is None for row in found)
    assert {(row["frame"], row["success"]) for row in found} == {(3, False)}


@pytest.mark.parametrize("damage", ["", "x\n1\n", None, "frame"])
def test_a_damaged_table_is_left_out_and_told(out: Path, damage: str | None) -> None:
    file = out / "results/a/action_units.csv"
    if damage is None:
        file.unlink()
    elif damage == "frame":
        text = file.read_text().splitlines()
        file.write_text(f"{text[0]}\n1.5{text[1][1:]}\n")
    else:
        file.write_text(damage)
    (line,) = write_au_table(out, [done("a", "1.mp4"), done("b", "2.mp4")])
    assert str(file) in line and "\n" not in line
    assert {row["video"] for row in read(out)} == {"2.mp4"}


def test_nothing_assessed(tmp_path: Path) -> None:
    assert write_au_table(tmp_path, [{"status": "waiting"}]) == []
    schema = parquet.read_schema(tmp_path / AU_TABLE)
    assert schema.names == [column.name for column in AU_COLUMNS] and read(tmp_path) == []
    assert np.all([schema.field(column.name).metadata[b"meaning"] for column in AU_COLUMNS])
