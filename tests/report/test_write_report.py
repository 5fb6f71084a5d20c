"""The folder that a user gets: whole files, nothing else, the same bytes twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from palsy_cli.errors import UsageError
from palsy_cli.files import atomic_write
from palsy_cli.records import Assessment
from palsy_cli.report import write_report

NAMES = {"assessment.json", "action_units.csv", "landmarks.csv", "report.html"}


def test_four_files_and_nothing_else(assessment: Assessment, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    written = write_report(assessment, out)
    assert set(written) == NAMES
    assert {path.name for path in out.iterdir()} == NAMES
    assert all(path == out / name and path.stat().st_size > 0 for name, path in written.items())


def test_twice_gives_the_same_bytes(build, tmp_path: Path) -> None:  # noqa: ANN001
    first, second = write_report(build(), tmp_path / "a"), write_report(build(), tmp_path / "b")
    for name in NAMES:
        assert first[name].read_bytes() == second[name].read_bytes()


def test_existing_files_are_replaced(assessment: Assessment, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    write_report(assessment, tmp_path)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") != "old"


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the rename fails, the old content stands and no temporary file stays behind."""
    target = tmp_path / "a.json"
    atomic_write(target, "old", private=True)

    def refuse(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(UsageError, match="No space left"):
        atomic_write(target, "new", private=True)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_a_file_in_the_way_is_one_line(assessment: Assessment, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("in the way")
    with pytest.raises(UsageError) as caught:
        write_report(assessment, tmp_path / "out")
    assert "\n" not in str(caught.value)


def test_newlines_are_the_same_everywhere(tmp_path: Path) -> None:
    assert atomic_write(tmp_path / "a.csv", "x\ny\n", private=True).read_bytes() == b"x\ny\n"
    assert atomic_write(tmp_path / "b", b"\x00\xff", private=True).read_bytes() == b"\x00\xff"
