"""``palsy assess --overlay``: what is asked for is written, what cannot be written is refused before the work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from palsy_cli.records import Assessment

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports have tests of their own."""
    monkeypatch.setattr("palsy_cli.report.write_report", lambda *_, **__: {})


@pytest.fixture
def films(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Assessment, Path, bool]]:
    """How ``write_overlay`` is called."""
    calls: list[tuple[Assessment, Path, bool]] = []

    def write_overlay(assessment: Assessment, path: Path, *, deidentify: bool, on_progress: Any) -> Path:
        on_progress("overlay", 1, 2)
        calls.append((assessment, path, deidentify))
        return path

    monkeypatch.setattr("palsy_cli.overlay.film.write_overlay", write_overlay)
    return calls


def test_a_film_is_written_when_asked_for(palsy: Run, pipeline: Any, films: Any, result: Assessment) -> None:
    assert palsy("assess", "visit.mp4").exit_code == 0
    assert films == []
    done = palsy("assess", "visit.mp4", "--overlay", "new/film.MP4")
    assert done.exit_code == 0 and done.stdout == "visit_assessment/report.html\n"
    assert "wrote new/film.MP4" in done.stderr
    palsy("assess", "visit.mp4", "--overlay", "film.mp4", "--deidentify")
    assert films == [(result, Path("new/film.MP4"), False), (result, Path("film.mp4"), True)]


@pytest.mark.parametrize(
    ("video", "options", "said"),
    [
        ("visit.mp4", ["--deidentify"], "add --overlay"),
        ("visit.mp4", ["--overlay", "film.avi"], "end the name in .mp4"),
        ("visit.mp4", ["--overlay", "film"], "end the name in .mp4"),
        ("visit.mp4", ["--overlay", "folder.mp4"], "is a folder"),
        ("visit.mp4", ["--overlay", "visit.mp4"], "is the recording itself"),
        ("visit.mp4", ["--overlay", "linked.mp4"], "is the recording itself"),
        ("visit.mp4", ["--overlay", "visit.mp4/film.mp4"], "cannot be written"),
        ("visit.mp4", ["--overlay", "x" * 300 + ".mp4"], "cannot be written"),
        ("folder.mp4", ["--overlay", "film.mp4"], "folder of pictures"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    palsy: Run, pipeline: Any, films: Any, tmp_path: Path, video: str, options: list[str], said: str
) -> None:
    (tmp_path / "visit.mp4").write_bytes(b"film")
    (tmp_path / "linked.mp4").symlink_to(tmp_path / "visit.mp4")
    (tmp_path / "folder.mp4").mkdir()
    done = palsy("assess", video, *options)
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and said in done.stderr
    assert pipeline.calls == [] and films == []
    assert (tmp_path / "visit.mp4").read_bytes() == b"film"
