"""``palsy export`` through the real entry point."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from pathlib import Path

import pytest
from study import AWKWARD, SECRETS, contents, write_assessed, write_study, write_unassessed
from typer.testing import Result

from palsy_cli.cli.export import export
from palsy_cli.exports import Format

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Results and whose they are."""
    folder = tmp_path_factory.mktemp("cli")
    assessed, unassessed = write_assessed(folder / "one"), write_unassessed(folder / "two")
    return write_study(folder, assessed=assessed, unassessed=unassessed)


@pytest.mark.parametrize(
    ("to", "file"),
    [
        ("fhir", "sub-0002_ses-01_run-01_bundle.json"),
        ("redcap", "facial_palsy_video_import.csv"),
        ("bids", "participants.tsv"),
    ],
)
def test_formats(palsy: Run, study: tuple[Path, Path], to: str, file: str) -> None:
    results, table = study
    done = palsy("export", "--to", to, results, "-o", "out", "--visits", table, "--id-map", "ids.csv")
    assert done.exit_code == 0 and done.stdout == "out\n"
    assert "4 recording(s) of 3 patient(s)" in done.stderr and "--shift-days" in done.stderr
    made = contents(Path("out"))
    assert file in made and not any(secret in text for secret in SECRETS for text in made.values())
    assert AWKWARD in Path("ids.csv").read_text(encoding="utf-8")


def test_one_folder_without_options(palsy: Run, study: tuple[Path, Path]) -> None:
    done = palsy("export", "--to", "fhir", study[0] / "a", "-o", "out")
    assert done.exit_code == 0 and "no --id-map" in done.stderr and "dates" not in done.stderr
    (name,) = contents(Path("out"))
    assert name == "sub-0001_ses-01_run-01_bundle.json"
    assert "effectiveDateTime" not in contents(Path("out"))[name]


def test_shifted_dates(palsy: Run, study: tuple[Path, Path]) -> None:
    results, table = study
    done = palsy("export", "--to", "fhir", results, "-o", "out", "--visits", table, "--shift-days", "-366")
    assert done.exit_code == 0 and "dates were left out" not in done.stderr
    text = contents(Path("out"))["sub-0002_ses-01_run-01_bundle.json"]
    assert json.loads(text)["entry"][-1]["resource"]["effectiveDateTime"] == "2023-03-01"


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ((), 2, "RESULTS"),
        (("absent", "-o", "out", "--to", "fhir"), 3, "no such folder"),
        (("{results}", "-o", "out", "--to", "xml"), 2, "xml"),
        (("{results}", "--to", "fhir"), 2, "--out"),
        (("{results}", "-o", "out", "--to", "fhir", "--id-map", "out/ids.csv"), 2, "id map"),
        (("{results}", "-o", "out", "--to", "fhir", "--shift-days", "auto"), 2, "--id-map"),
        (("{results}", "-o", "out", "--to", "fhir", "--visits", "absent.csv"), 3, "absent.csv"),
    ],
)
def test_failures_are_one_line(
    palsy: Run, study: tuple[Path, Path], args: tuple[str, ...], code: int, says: str
) -> None:
    done = palsy("export", *(arg.format(results=study[0]) for arg in args))
    assert done.exit_code == code and done.stdout == "" and done.stderr.count("\n") == 1 and says in done.stderr
    assert not Path("out").exists()


def test_the_formats_are_those_of_the_package() -> None:
    hints = typing.get_type_hints(export)
    assert hints["to"] == Format
