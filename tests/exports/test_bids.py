"""The derivative data set has the files, names and tables that BIDS asks for."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from palsy_cli.errors import InputError
from palsy_cli.exports.bids import TASK, bids_files
from palsy_cli.exports.pseudonyms import PseudonymousVisit, pseudonymise
from palsy_cli.exports.visits import find_visits
from palsy_cli.report.csv_report import load_action_units
from palsy_cli.report.terms import NOTICE

FIRST = f"sub-0002/ses-01/beh/sub-0002_ses-01_task-{TASK}_run-01_desc"


@pytest.fixture(scope="module")
def files(visits: Sequence[PseudonymousVisit]) -> dict[str, str]:
    return dict(bids_files(visits))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE))


def test_the_data_set_describes_itself(files: dict[str, str]) -> None:
    about = json.loads(files["dataset_description.json"])
    assert about["DatasetType"] == "derivative" and re.fullmatch(r"1\.\d+\.\d+", about["BIDSVersion"])
    (made_by,) = about["GeneratedBy"]
    assert made_by["Name"] == "palsy" and made_by["Version"] == "0.1.0"
    assert NOTICE in files["README"] and "*_video.*" in files[".bidsignore"].splitlines()
    assert [row["participant_id"] for row in table(files["participants.tsv"])] == ["sub-0001", "sub-0002", "sub-0003"]
    assert set(json.loads(files["participants.json"])) == {"participant_id"}


def test_file_names_follow_the_entities(files: dict[str, str]) -> None:
    kinds = r"(au_beh\.tsv|landmarks_beh\.tsv|scores_beh\.json)"
    pattern = rf"(sub-\d{{4}})/(ses-\d\d)/beh/\1_\2_task-{TASK}_run-\d\d_desc-{kinds}"
    inside = [name for name in files if "/beh/" in name]
    assert len(inside) == 4 * 3 and all(re.fullmatch(pattern, name) for name in inside)
    assert re.fullmatch("[A-Za-z0-9]+", TASK)


def test_every_column_is_described_and_missing_is_na(files: dict[str, str]) -> None:
    for kind, rows in (("au", 48), ("landmarks", 300)):
        described = json.loads(files[f"task-{TASK}_desc-{kind}_beh.json"])
        for name, text in files.items():
            if name.endswith(f"_desc-{kind}_beh.tsv"):
                got = table(text)
                assert list(got[0]) == list(described) and len(got) == rows
                assert all(cell not in ("", None) for row in got for cell in row.values())


def test_tables_hold_what_was_measured(files: dict[str, str], assessed: Path) -> None:
    units, frames, times = load_action_units(assessed / "action_units.csv")
    got = table(files[f"{FIRST}-au_beh.tsv"])
    assert [int(row["frame"]) for row in got] == list(frames)
    assert [float(row["time_s"]) for row in got] == list(times)
    assert [float(row["AU12_r_L"]) for row in got] == list(units.left[:, units.channel(12)])
    points = table(files[f"{FIRST}-landmarks_beh.tsv"])
    assert points[100]["reason"] == "blurred" and points[100]["x_0"] == "n/a" and points[0]["reason"] == "n/a"
    assert float(points[0]["x_30"]) > 0


def test_scores(files: dict[str, str]) -> None:
    scores = json.loads(files[f"{FIRST}-scores_beh.json"])
    assert scores["notice"] == NOTICE and scores["weak_side"] == "left"
    assert scores["house_brackmann"]["value"] == 3 and scores["models"]["dvpm"]["sha256"] == "37f3" * 16
    nothing = json.loads(files[FIRST.replace("ses-01", "ses-02") + "-scores_beh.json"])
    assert nothing["severity"] is None and nothing["severity_reason"] == "no model was given"


def test_session_dates(files: dict[str, str], visits: Sequence[PseudonymousVisit], assessed: Path) -> None:
    assert table(files["sub-0002/sub-0002_sessions.tsv"]) == [
        {"session_id": "ses-01", "session_date": "2023-03-02"},
        {"session_id": "ses-02", "session_date": "2023-04-01"},
    ]
    assert table(files["sub-0001/sub-0001_sessions.tsv"])[0]["session_date"] == "n/a"
    assert "session_date" in json.loads(files["sub-0001/sub-0001_sessions.json"])
    undated = dict(bids_files(pseudonymise(find_visits(assessed), id_map=None, shift=None)))
    assert not any("sessions" in name for name in undated)


@pytest.mark.parametrize(
    ("column", "text", "says"),
    [
        ("reason", "O'Brien", "a reason code or blank"),
        ("AU12_r_L", "much", "a number or blank"),
        ("frame", "1_0", "a number or blank"),
    ],
)
def test_a_cell_that_was_not_measured_does_not_pass(study: Path, column: str, text: str, says: str) -> None:
    path = study / "a" / "action_units.csv"
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    rows[3][column] = text
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError, match=f"line 5: {column} is .*{says}"):
        dict(bids_files(pseudonymise(find_visits(study), id_map=None, shift=None)))


def test_columns_that_do_not_belong_stay_behind(study: Path) -> None:
    path = study / "a" / "landmarks.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([f"name,{lines[0]}", *(f"O'Brien,{line}" for line in lines[1:])]), encoding="utf-8")
    made = dict(bids_files(pseudonymise(find_visits(study), id_map=None, shift=None)))
    assert "Brien" not in "".join(made.values())
