"""Assessments are found at any depth, and each is somebody's."""

from __future__ import annotations

import datetime
import shutil
import unicodedata
from pathlib import Path

import pytest
from study import AWKWARD, CHINESE, FORMULA

from palsy_cli.batch.summary import write_summary
from palsy_cli.errors import InputError
from palsy_cli.exports.visits import find_visits, patient_key


def test_folder_names_stand_in_for_patients(study: Path, assessed: Path) -> None:
    found = find_visits(study)
    assert [(v.patient, v.session, v.date) for v in found] == [(name, "1", None) for name in ("a", "deep", "c", "d")]
    assert [v.patient for v in find_visits(assessed)] == [assessed.name]


def test_the_users_table_decides(study: Path, visits_csv: Path) -> None:
    found = find_visits(study, visits_csv)
    assert [v.patient for v in found] == [AWKWARD, AWKWARD, FORMULA, CHINESE]
    assert [v.session for v in found] == ["1", "2", "1", "1"]
    assert found[0].date == datetime.date(2024, 3, 1) and found[2].date is None


@pytest.mark.parametrize("below", ["", "results", "results/job-1"])
def test_a_batch_says_who_its_jobs_are(assessed: Path, tmp_path: Path, below: str) -> None:
    """The summary is found from the batch's folder, its results or one job; jobs that failed have no results."""
    shutil.copytree(assessed, tmp_path / "out/results/job-1")
    (tmp_path / "out/summary.csv").write_text(
        f"patient,session,video,job_id,error\n,,x.mp4,job-0,no face\n{AWKWARD},,y.mp4,job-1,\n", encoding="utf-8"
    )
    assert [(v.patient, v.session) for v in find_visits(tmp_path / "out" / below)] == [(AWKWARD, "1")]
    shutil.copytree(assessed, tmp_path / "out/results/stray")
    if "job" not in below:
        assert len(find_visits(tmp_path / "out" / below)) == 1, "a result that the summary has left behind"
    with pytest.raises(InputError, match="no batch's summary.csv names"):
        find_visits(tmp_path / "out/results/stray")


NAMES = (
    AWKWARD,
    FORMULA,
    CHINESE,
    "O'Brien <script>alert(1)</script>",
    "=x",
    "-12",
    "'=x",
    "'t Hooft",
    "a\rb",
    "a\nb",
    "caf\udce9",
)


def test_names_of_a_batch_read_back(assessed: Path, tmp_path: Path) -> None:
    """Whatever the name: the summary keeps it from running as a formula, and reading takes that back."""
    rows = [{"patient": name, "session": name, "video": "v", "job_id": str(i)} for i, name in enumerate(NAMES)]
    for row in rows:
        shutil.copytree(assessed, tmp_path / "results" / row["job_id"])
    write_summary(tmp_path, rows)
    found = {visit.folder.name: (visit.patient, patient_key(visit.session)) for visit in find_visits(tmp_path)}
    assert found == {row["job_id"]: (patient_key(row["patient"]),) * 2 for row in rows}


def test_a_video_of_two_patients_is_nobodys(assessed: Path, tmp_path: Path) -> None:
    """Copies share their result; as long as they are of one visit that is no matter."""
    shutil.copytree(assessed, tmp_path / "results/j")
    rows = [{"patient": "a", "session": "1", "video": str(i), "job_id": "j"} for i in range(3)]
    write_summary(tmp_path, rows)
    assert [(v.patient, v.session) for v in find_visits(tmp_path)] == [("a", "1")]
    for change in ({"patient": "b"}, {"session": "2"}):
        write_summary(tmp_path, [*rows[:2], rows[2] | change])
        with pytest.raises(InputError, match="lines 2 and 4: the same video stands there as two visits.*--visits"):
            find_visits(tmp_path)


def test_another_table_of_that_name_is_no_summary(assessed: Path, tmp_path: Path) -> None:
    shutil.copytree(assessed, tmp_path / "results/x")
    (tmp_path / "summary.csv").write_text("a,b\n1,2\n")
    assert [v.patient for v in find_visits(tmp_path)] == ["x"]


def test_one_letter_written_in_two_ways_is_one_patient(study: Path) -> None:
    name = "Zoë"
    spelled = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")]
    assert len(set(spelled)) == 2
    table = study.parent / "v.csv"
    rows = zip(("a", "b/deep", "c", "d"), spelled * 2, strict=True)
    table.write_text("folder,patient,session\n" + "".join(f"{f},{p},1\n" for f, p in rows), encoding="utf-8")
    assert {v.patient for v in find_visits(study, table)} == {name}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("folder,patient\na,x\n", "no column session"),
        ("folder,patient,session\na,x,1\n", "is not listed"),
        ("folder,patient,session\na,x,1\na,y,1\n", "line 3: .* twice"),
        ("folder,patient,session\nz,x,1\n", "line 2: .* holds no assessment.json"),
        ("folder,patient,session\na,,1\n", "line 2: patient is blank"),
        ("folder,patient,session\na,x,\n", "line 2: session is blank"),
        ("folder,patient,session,date\na,x,1,1.3.2024\n", "line 2: date is '1.3.2024'"),
        ("folder,patient,session,date\na,x,1,2023-02-29\n", "YYYY-MM-DD"),
        ("folder,patient,session\na\n", "line 2: the row ends"),
        ("", "no column folder"),
    ],
)
def test_a_table_that_cannot_be_used(study: Path, text: str, says: str) -> None:
    table = study.parent / "bad.csv"
    table.write_text(text)
    with pytest.raises(InputError, match=says) as caught:
        find_visits(study, table)
    assert "\n" not in str(caught.value)


def test_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no assessment.json"):
        find_visits(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        find_visits(tmp_path / "absent")
