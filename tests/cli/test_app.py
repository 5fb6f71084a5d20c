"""The application as a whole: help, errors, exit codes, streams."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import palsy_cli
from palsy_cli import errors

Run = Callable[..., Result]
COMMANDS = (
    "assess", "keyframes", "landmarks", "aus", "grade", "symptoms", "simulate", "train", "datasets", "models", "info",
)  # fmt: skip
HEAVY = {"torch", "timm", "cv2", "av", "numpy", "scipy", "matplotlib", "jinja2"}


def shell(*args: str, **extra: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "palsy_cli", *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, **extra)


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys; sys.argv = ['palsy', '--help']\n"
        "from palsy_cli.cli import main\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    assert not stop.code\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    text, _, loaded = done.stdout.partition("LOADED")
    assert not HEAVY & set(loaded.split())
    assert all(f"  {command} " in text for command in COMMANDS)
    assert "not a medical device" in " ".join(text.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(palsy: Run, command: str) -> None:
    done = palsy(command, "--help")
    assert done.exit_code == 0 and f"palsy {command}" in done.stdout


def test_version_and_bare_call(palsy: Run) -> None:
    assert palsy("--version").stdout.strip() == palsy_cli.__version__
    assert "Usage" in palsy().output


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.PalsyError("p"), 1),
        (errors.UsageError("u"), 2),
        (errors.ConfigError("c"), 2),
        (errors.InputError("i"), 3),
        (errors.VideoError("v"), 3),
        (errors.NoFaceError("n"), 3),
        (errors.DatasetError("d"), 3),
        (errors.ModelError("m"), 4),
        (ZeroDivisionError("a bug"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_failure_is_one_line_and_its_code(palsy: Run, pipeline: Any, error: BaseException, code: int) -> None:
    pipeline.error = error
    done = palsy("aus", "visit.mp4")
    assert done.exit_code == code and done.stdout == ""
    assert done.stderr.startswith("palsy: error: ") and done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_bug_points_to_debug_and_debug_shows_the_traceback(palsy: Run, pipeline: Any) -> None:
    pipeline.error = ZeroDivisionError("a bug")
    assert "--debug" in palsy("aus", "visit.mp4").stderr
    for args in (("--debug", "aus", "visit.mp4"), ("aus", "visit.mp4", "--debug")):
        done = palsy(*args)
        assert done.exit_code == 1 and "Traceback" in done.stderr and "ZeroDivisionError" in done.stderr


def test_message_with_line_breaks_stays_one_line(palsy: Run, pipeline: Any) -> None:
    pipeline.error = errors.VideoError("first\nsecond [red] " + "x" * 500)
    stderr = palsy("aus", "visit.mp4").stderr
    assert stderr.count("\n") == 1 and "first second [red] " + "x" * 500 in stderr


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (("assess",), "Missing argument"),
        (("assess", "v.mp4", "--speed", "9"), "--speed"),
        (("aus", "v.mp4", "--device", "abacus"), "abacus"),
        (("aus", "v.mp4", "--profile", "wild"), "wild"),
        (("aus", "v.mp4", "--set", "keyframes.treshold=3"), "keyframes.threshold"),
        (("aus", "v.mp4", "--set", "keyframes.threshold"), "KEY=VALUE"),
        (("aus", "v.mp4", "--config", "absent.toml"), "absent.toml"),
        (("simulate", "--grade", "7"), "--grade"),
        (("train", "resnet"), "landmark_fcn"),
        (("dance",), "dance"),
        (("--dance",), "--dance"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(palsy: Run, pipeline: Any, args: tuple[str, ...], word: str) -> None:
    done = palsy(*args)
    assert done.exit_code == 2 and done.stdout == "" and not pipeline.calls
    assert done.stderr.startswith("palsy: error: ") and done.stderr.count("\n") == 1 and word in done.stderr


def test_shell_sees_the_same_codes_and_streams(tmp_path: Path) -> None:
    table = tmp_path / "units.csv"
    table.write_text("frame,time_s\n")
    done = shell("symptoms", str(table))
    assert done.returncode == 3 and done.stdout == "" and done.stderr.count("\n") == 1
    assert shell("models", "path", "--models", str(tmp_path)).stdout == f"{tmp_path}\n"
    assert shell("models", "list", "--models", str(tmp_path / "absent")).returncode == 4


def test_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "palsy_cli", "--version"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    stderr = process.stderr.read()
    assert process.wait() == 0 and stderr == b""
