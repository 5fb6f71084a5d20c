"""``palsy batch``: exit codes, what goes to which stream, options."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from crew import PlayedOrder
from typer.testing import Result

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs take no networks; a video's text says what becomes of it."""
    monkeypatch.setattr("palsy_cli.batch.work.Order", PlayedOrder)


def cohort(root: Path, *texts: str) -> Path:
    for number, text in enumerate(texts):
        path = root / f"p{number}" / "1" / "clip.mp4"
        path.parent.mkdir(parents=True)
        path.write_text(text)
    return root


def events(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_all_went_well(palsy: Run, tmp_path: Path) -> None:
    done = palsy("batch", cohort(tmp_path / "patients", "fine", "too"))
    assert done.exit_code == 0, done.stderr
    assert done.stdout == f"{tmp_path / 'patients_batch/cohort.html'}\n"
    assert (tmp_path / "patients_batch/cohort.html").exists() and "to do" in done.stderr


def test_failures_are_listed_and_exit_5_also_when_nothing_is_to_do(palsy: Run, tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", "fine", "broken")
    for _ in range(2):
        done = palsy("batch", source, "-o", "out")
        assert done.exit_code == 5
        assert "1 failed" in done.stderr and "is no readable video" in done.stderr
    assert "done before" in done.stderr


def test_json_lines_say_it_to_programs(palsy: Run, tmp_path: Path) -> None:
    done = palsy("batch", cohort(tmp_path / "in", "fine", "broken"), "-o", "out", "--json-lines", "--workers", "2")
    told = events(done)
    assert done.exit_code == 5 and [each["event"] for each in told] == ["plan", "job", "job", "failure", "end"]
    assert told[0]["to do"] == 2 and told[-1]["failures"] == 1 and told[-1]["page"].endswith("cohort.html")
    assert {each["exit_code"] for each in told[1:3]} == {0, 3}
    assert told[2]["done"] == told[2]["total"] == 2 and told[2]["seconds_left"] == 0
    assert told[3]["patient"] == "p1" and told[3]["reason"] == "is no readable video"
    assert done.stderr == ""


def test_a_plan_does_nothing(palsy: Run, tmp_path: Path) -> None:
    done = palsy("batch", cohort(tmp_path / "in", "fine"), "-o", "out", "--plan")
    assert done.exit_code == 0 and done.stdout == "" and "to do" in done.stderr
    assert not (tmp_path / "out/results").exists()


def test_retry_failed(palsy: Run, tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", "fine", "broken")
    palsy("batch", source, "-o", "out")
    done = palsy("batch", source, "-o", "out", "--retry-failed", "--json-lines")
    assert [each["video"] for each in events(done) if each["event"] == "job"] == ["p1/1/clip.mp4"]


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("nowhere",), 3, "no such folder"),
        (("in", "--workers", "0"), 2, "--workers"),
        (("in", "--models", "nowhere"), 4, "no such folder"),
        (("in", "--set", "nothing=1"), 2, "unknown setting"),
        (("in", "--device", "cuda"), 2, "not available"),
        (("empty",), 3, "no video in it"),
        (("wrong.csv",), 2, "path and patient missing"),
        (("in", "-o", "wrong.csv"), 2, "cannot be written"),
    ],
)
def test_bad_input_is_one_line(palsy: Run, tmp_path: Path, args: tuple[str, ...], code: int, told: str) -> None:
    cohort(tmp_path / "in", "fine")
    (tmp_path / "empty").mkdir()
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    done = palsy("batch", *args)
    assert done.exit_code == code and told in done.stderr
    assert done.stderr.splitlines()[-1].startswith("palsy: error: ")


def test_an_out_inside_the_folder_is_no_recording(palsy: Run, tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", "fine")
    for _ in range(2):
        done = palsy("batch", source, "-o", source / "out", "--json-lines")
        assert done.exit_code == 0 and events(done)[0]["found"] == 1
