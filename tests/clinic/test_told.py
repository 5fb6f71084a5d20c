"""Tasks as users name them: in a table, in a file's name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palsy_cli.clinic.tasks import TASKS
from palsy_cli.clinic.told import known_task, require_order, require_within, task_of_name
from palsy_cli.errors import InputError
from palsy_cli.records import ToldTask
from palsy_cli.report.csv_report import read_tasks

BIDS = ("browRaise", "frown", "gentleEyeClosure", "tightEyeClosure", "closedSmile", "openSmile", "snarl", "lipPucker")


@pytest.mark.parametrize("label", [*BIDS, "cheekPuff", "eee", "rest", *TASKS, "Brow raise", "brow-raise"])
def test_names_are_known_however_they_are_written(label: str) -> None:
    assert known_task(label) in (*TASKS, "rest")


def test_a_files_name_tells_its_task() -> None:
    told, warning = task_of_name(Path("a/sub-01_ses-02_task-browRaise_run-01_video.mp4"))
    assert told == ToldTask("brow_raise", -np.inf, np.inf, "file name") and warning is None
    assert task_of_name(Path("task-rest.mp4"))[0] == ToldTask("rest", -np.inf, np.inf, "file name")
    assert task_of_name(Path("multitask-eee.mp4")) == (None, None) == task_of_name(Path("visit.mp4"))
    told, warning = task_of_name(Path("sub-01_task-speech_video.mp4"))
    assert told is None and warning is not None and "'speech'" in warning


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "tasks.csv"
    path.write_text("task,onset_s,offset_s,who\nopenSmile,4,6.5,x\nrest,0,1,x\nbrow_raise,1.5,3,x\n")
    return path


def test_a_table_is_read_in_order_of_time(table: Path) -> None:
    assert [one.task for one in read_tasks(table)] == ["rest", "brow_raise", "smile"]
    assert read_tasks(table)[2] == ToldTask("smile", 4.0, 6.5)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("smlie,8,9,", "line 5: unknown task 'smlie'; did you mean smile"),
        ("frown,6,8,", "smile until 6.5 s and frown from 6 s overlap"),
        ("frown,9,8,", "no time span"),
        ("frown,-2,-1,", "no time span"),
        ("frown,soon,8,", "onset_s"),
        ("frown,nan,8,", "onset_s"),
    ],
)
def test_what_cannot_be_is_refused(table: Path, line: str, told: str) -> None:
    table.write_text(table.read_text() + line + "\n")
    with pytest.raises(InputError, match=told):
        read_tasks(table)


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tasks.csv"
    path.write_text("task,onset_s,offset_s\n")
    with pytest.raises(InputError, match="no task in it"):
        read_tasks(path)
    path.write_text("task,onset,offset\nrest,0,1\n")
    with pytest.raises(InputError, match="no column onset_s"):
        read_tasks(path)


def test_a_task_after_the_end_is_refused() -> None:
    told = require_order([ToldTask("smile", 1.0, 4.0)], where="t.csv")
    require_within(told, 4.0, where="t.csv")
    with pytest.raises(InputError, match=r"t.csv: smile ends at 4 s, the recording at 3.50 s"):
        require_within(told, 3.5, where="t.csv")
    require_within([ToldTask("smile", -np.inf, np.inf, "file name")], 3.5, where="a name")
