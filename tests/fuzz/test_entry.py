"""Through the real entry point: one line on stderr, nothing on stdout, the contract's exit code, nothing written."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import NAMES, put
from typer.testing import CliRunner

from palsy_cli.cli import app

DEEP = "[" * 100_000
#: Arguments with the path of a bad file as {}, and the exit code.
COMMANDS: dict[str, tuple[tuple[str, ...], int]] = {
    "settings": (("symptoms", "units.csv", "--config", "{}"), 2),
    "units": (("symptoms", "{}", "--out", "made"), 3),
    "weights": (("models", "verify", "--models", "{}"), 4),
    "card": (("modelcard", "ovpm", "--evaluation", "{}", "--out", "made/card.md"), 3),
    "batch": (("batch", "{}", "-o", "made"), 3),
    "results": (("export", "{}", "--to", "fhir", "-o", "made"), 3),
    "norms": (("calibrate", "healthy", "{}", "-o", "made/norms.toml"), 3),
    "map": (("export", "results", "--to", "bids", "-o", "made", "--id-map", "{}"), 3),
}
BAD = {"nothing": b"", "zeros": bytes(5000), "deep": DEEP.encode(), "bytes": b"\xff\xfe\x80", "digits": b"9" * 10_000,
       "escape": b"\x1b]0;owned\x07,\x1b[31m\n\x1b[2J\n",
       "quote": b'"' + b"x" * 300_000, "mark": b"\xef\xbb\xbf"}  # fmt: skip


@pytest.fixture
def here(assessed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("PALSY_MODELS", "PALSY_DATA"):
        monkeypatch.delenv(name, raising=False)
    shutil.copytree(assessed, tmp_path / "results" / "one")
    put(tmp_path / "units.csv", (tmp_path / "results" / "one" / "action_units.csv").read_bytes())
    return tmp_path


def place(here: Path, command: str, content: bytes) -> Path:
    """Where a command looks for the bad file."""
    named = {"weights": "bad/manifest.toml", "results": "bad/assessment.json", "norms": "bad/assessment.json"}
    suffix = {"settings": ".toml", "card": ".json"}.get(command, ".csv")
    path = put(here / named.get(command, f"bad{suffix}"), content)
    return path.parent if command in named else path


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_file_is_one_line_and_its_code(here: Path, command: str, bad: str) -> None:
    args, code = COMMANDS[command]
    path = place(here, command, BAD[bad])
    done = CliRunner().invoke(app, [each.format(path) for each in args])
    if command == "settings" and bad in ("nothing", "mark"):  # an empty file changes nothing
        assert done.exit_code == 0
        return
    # A manifest without its columns is wrong usage.
    assert done.exit_code == code or (command == "batch" and done.exit_code == 2), done.stderr
    assert done.stdout == "" and done.stderr.startswith("palsy: error: "), done.stdout
    assert done.stderr.count("\n") == 1 and done.stderr.rstrip("\n").isprintable() and len(done.stderr) < 2500
    assert "unexpected" not in done.stderr
    left = [path for path in here.glob("made/**/*") if path.is_file() and path.name not in (".lock", "index.sqlite")]
    assert not left, "a failure leaves nothing half done"


@pytest.mark.parametrize("name", [name for name in NAMES if "\0" not in name and name not in ("", ".", "..")])
def test_a_name_that_does_not_exist(here: Path, name: str) -> None:
    for args in (("symptoms", f"{name}.csv"), ("aus", name), ("batch", name), ("symptoms", "units.csv", "--set", name)):
        done = CliRunner().invoke(app, ["--", *args] if name.startswith("-") else list(args))
        assert done.exit_code in (2, 3), (args, done.stderr)
        assert done.stdout == "" and done.stderr.count("\n") == 1 and done.stderr.rstrip("\n").isprintable()


@pytest.mark.parametrize("content", [b"\xff\xfe", bytes(100), b"", b'"', b"frame,time_s\n", b"x" * 2_000_000])
def test_what_comes_through_a_pipe(content: bytes) -> None:
    command = [sys.executable, "-m", "palsy_cli", "symptoms", "-"]
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    assert done.returncode == 3 and done.stdout == b""
    assert done.stderr.count(b"\n") == 1 and b"Traceback" not in done.stderr


def test_a_device_without_end_is_no_table(here: Path) -> None:
    (here / "endless.csv").symlink_to("/dev/zero")
    (here / "endless.toml").symlink_to("/dev/zero")
    for args, code in ((("symptoms", "endless.csv"), 3), (("symptoms", "units.csv", "--config", "endless.toml"), 2)):
        done = CliRunner().invoke(app, list(args))
        assert done.exit_code == code and done.stderr.count("\n") == 1
