"""``palsy compare`` through the real entry point."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result
from visited import visit, write

Run = Callable[..., Result]


@pytest.fixture
def visits(palsy: Run) -> list[Path]:
    """Two visits of one patient in the working folder, the second better."""
    return [place.relative_to(Path.cwd()) for place in write(Path.cwd(), visit(left_strength=0.2), visit())]


def test_two_visits(palsy: Run, visits: list[Path]) -> None:
    done = palsy("compare", *visits)
    assert done.exit_code == 0 and done.stdout == "comparison/comparison.html\n"
    assert "research use only" in done.stderr and "House–Brackmann" in done.stderr
    files = {path.name: path for path in Path("comparison").iterdir()}
    assert set(files) == {"comparison.html", "comparison.json", "comparison.csv"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files.values()} == {0o600}
    told = json.loads(files["comparison.json"].read_text(encoding="utf-8"))
    assert told["schema_version"] == "1.0" and [each["name"] for each in told["visits"]] == ["visit 1", "visit 2"]


def test_files_and_folders_are_the_same_and_twice_gives_the_same_bytes(palsy: Run, visits: list[Path]) -> None:
    palsy("compare", *visits, "-o", "a")
    palsy("compare", *(place / "assessment.json" for place in visits), "-o", "b")
    for path in Path("a").iterdir():
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()


def test_dates_name_the_visits(palsy: Run, visits: list[Path]) -> None:
    for dates in (["--dates", "2026-01-02,2026-03-04"], ["--dates", "2026-01-02", "--dates", "2026-03-04"]):
        assert palsy("compare", *visits, *dates).exit_code == 0
        told = json.loads(Path("comparison/comparison.json").read_text(encoding="utf-8"))
        assert [each["date"] for each in told["visits"]] == ["2026-01-02", "2026-03-04"]


def test_what_is_forced_is_told(palsy: Run, visits: list[Path]) -> None:
    refused = palsy("compare", visits[0], visits[0])
    assert refused.exit_code == 2 and "same recording" in refused.stderr and not Path("comparison").exists()
    forced = palsy("compare", visits[0], visits[0], "--force")
    assert forced.exit_code == 0 and "should not be compared" in forced.stderr
    assert json.loads(Path("comparison/comparison.json").read_text(encoding="utf-8"))["forced"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ((), 2, "A B"),
        (("{0}",), 2, "1 visit"),
        (("{0}", "absent"), 3, "absent"),
        (("{0}", "empty"), 3, "empty/assessment.json"),
        (("{0}", "damaged.json"), 3, "damaged.json"),
        (("{0}", "{1}", "--dates", "2026-01-02"), 2, "1 of 2 visits"),
        (("{0}", "{1}", "--dates", "2026-01-02,soon"), 2, "'soon'"),
        (("{0}", "{1}", "--dates", "2026-03-04,2026-01-02"), 2, "does not come after"),
        (("{0}", "{1}", "--dates", "2026-03-04,2026-03-04"), 2, "does not come after"),
        (("{0}", "{1}", "-o", "damaged.json"), 2, "damaged.json"),
    ],
)
def test_failures_are_one_line(palsy: Run, visits: list[Path], args: tuple[str, ...], code: int, says: str) -> None:
    Path("empty").mkdir()
    Path("damaged.json").write_text('{"schema_version": "1.0", ', encoding="utf-8")
    done = palsy("compare", *(arg.format(*visits) for arg in args))
    assert done.exit_code == code and done.stdout == "" and done.stderr.count("\n") == 1 and says in done.stderr
    assert not Path("comparison").exists()
