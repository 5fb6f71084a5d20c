"""The summary: every column is documented and filled, both files say the same, no cell runs."""

from __future__ import annotations

import csv
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch.conftest import MakeRow
from pyarrow import parquet

from palsy_cli.batch import summary
from palsy_cli.batch.summary import COLUMNS, SUMMARY_CSV, SUMMARY_PARQUET, facts_of, write_summary
from palsy_cli.errors import UsageError
from palsy_cli.exports.tables import original
from palsy_cli.records import FRAME_REASONS, Assessment
from palsy_cli.report.json_report import assessment_dict

#: What the batch knows of a video; all else is read from its assessment.
OF_THE_BATCH = {"patient", "session", "video", "status", "exit_code", "reason", "job_id"}
HOSTILE = (
    "O'Brien <script>alert(1)</script>", "=HYPERLINK(1)", "-12", "+1", "@x", "\t=1", "\r=1", "\n=1", "'=x", "''=x",
    "'t Hooft", '李, "Zoë"\r\nvon', "a\rb", "a\nb", "محمد", "NA", "null", "a;b|c", "caf\udce9", "\N{ZERO WIDTH SPACE}x",
)  # fmt: skip


def read_csv(out: Path) -> list[dict[str, str]]:
    with (out / SUMMARY_CSV).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def read_parquet(out: Path) -> list[dict[str, Any]]:
    return parquet.read_table(out / SUMMARY_PARQUET).to_pylist()


def test_columns_are_named_once_and_explained() -> None:
    names = [column.name for column in COLUMNS]
    assert len(set(names)) == len(names)
    assert all(column.meaning and "\n" not in column.meaning for column in COLUMNS)


def test_an_assessment_fills_every_column(facts: dict[str, Any], still_facts: dict[str, Any]) -> None:
    """Nothing is missing but what the documentation says, and then its reason is there."""
    names = {column.name for column in COLUMNS}
    assert set(facts) <= names and set(still_facts) <= names
    for found in (facts, still_facts):
        for column in COLUMNS:
            value, why = found.get(column.name), column.missing
            if column.name in OF_THE_BATCH:
                assert column.name not in found
            elif why in ("", "never", "pictures", "not measured by these weights"):
                assert value is not None, column.name
            elif why.startswith("see "):
                assert (value is None) == bool(found[why.removeprefix("see ")]), column.name
            elif why.startswith("never active"):
                assert (value is None) == (found[f"{column.name[:4]}_keyframes"] == 0), column.name
            elif why == "it was assessed":  # a reason
                assert (value is None) == (found is facts), column.name
    assert facts["synkinesis_pairs"] and still_facts["warnings"] == ""


def test_values_are_those_of_the_assessment(facts: dict[str, Any], assessment: Assessment) -> None:
    symptoms, grades = assessment.symptoms, assessment.grades
    assert facts["delta_am"] == pytest.approx(symptoms.delta_am, abs=1e-5), "the face is the sum of its regions"
    assert facts["house_brackmann"] == grades.house_brackmann_grade
    assert facts["house_brackmann_expected"] == pytest.approx(grades.house_brackmann_expected)
    assert facts["severity_p_medium"] == 0.64 and facts["house_brackmann_p_6"] == 0.02
    assert facts["frames"] == facts["usable_frames"] + sum(facts[f"frames_{reason}"] for reason in FRAME_REASONS)
    strongest = max(symptoms.pairs, key=lambda pair: pair.difference)
    assert facts["synkinesis_max"] == pytest.approx(strongest.difference) and facts["synkinesis_count"] == len(
        symptoms.pairs
    )
    first = facts["synkinesis_pairs"].split("; ")[0]
    assert first == (f"{strongest.side}:AU{strongest.response_au:02d}<"
                     f"{strongest.trigger_side}:AU{strongest.trigger_au:02d}")  # fmt: skip
    for mean in symptoms.action_units:
        assert facts[f"AU{mean.au:02d}_keyframes"] == mean.active_keyframes


def test_other_weights_have_another_digest(assessment: Assessment, facts: dict[str, Any]) -> None:
    changed = assessment_dict(assessment)
    changed["models"]["ovpm"]["sha256"] = "0" * 64
    assert facts_of(changed)["models_sha256"] != facts["models_sha256"]


def test_what_is_no_assessment_is_refused() -> None:
    with pytest.raises(ValueError, match="no assessment"):
        facts_of({"video": None})


def test_csv_and_parquet_say_the_same(tmp_path: Path, make_row: MakeRow, still_facts: dict[str, Any]) -> None:
    rows = [make_row(name, name, mirrored=i % 2 == 0) for i, name in enumerate(HOSTILE)]
    rows.append(make_row("still") | still_facts)
    rows.append({"patient": "q", "video": "v", "status": "failed", "exit_code": 3, "reason": "-no face; =film again"})
    rows.append({"patient": "q", "video": "w", "status": "waiting", "fps": float("nan")})
    write_summary(tmp_path, rows)
    told, exact = read_csv(tmp_path), read_parquet(tmp_path)
    assert len(told) == len(exact) == len(rows) and list(told[0]) == [column.name for column in COLUMNS]
    for row, cells, values in zip(rows, told, exact, strict=True):
        for column in COLUMNS:
            cell, value = cells[column.name], values[column.name]
            given = row.get(column.name)
            assert (cell == "") == (value is None), column.name
            if column.kind == "text":
                assert original(cell) == (value or "") == (given or "").encode("utf-8", "backslashreplace").decode()
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
            elif value is not None:
                assert float(cell) == value == given


def test_parquet_documents_itself(tmp_path: Path) -> None:
    """Even without a row: both files have all columns, with their types, units and meanings."""
    write_summary(tmp_path, iter(()))
    schema = parquet.read_schema(tmp_path / SUMMARY_PARQUET)
    assert schema.names == [column.name for column in COLUMNS] and read_csv(tmp_path) == []
    assert schema.field("duration_s").metadata[b"unit"] == b"s" and str(schema.field("mirrored").type) == "bool"


def test_rows_are_taken_a_few_at_a_time(tmp_path: Path, make_row: MakeRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summary, "_ROWS_AT_ONCE", 3)
    write_summary(tmp_path, (make_row(f"p{i}") for i in range(7)))
    assert parquet.ParquetFile(tmp_path / SUMMARY_PARQUET).num_row_groups == 3
    assert [row["patient"] for row in read_csv(tmp_path)] == [f"p{i}" for i in range(7)]


@pytest.mark.skipif(os.name == "nt", reason="no POSIX modes")
def test_only_the_owner_may_read(tmp_path: Path, make_row: MakeRow) -> None:
    write_summary(tmp_path, [make_row()])
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_full_disk_leaves_the_files_of_yesterday(tmp_path: Path, make_row: MakeRow) -> None:
    def rows() -> Iterator[dict[str, Any]]:
        yield make_row("new")
        raise OSError(28, "No space left on device")

    write_summary(tmp_path, [make_row("old")])
    with pytest.raises(UsageError, match="No space left"):
        write_summary(tmp_path, rows())
    assert [row["patient"] for row in (*read_csv(tmp_path), *read_parquet(tmp_path))] == ["old", "old"]
    assert len(list(tmp_path.iterdir())) == 2
