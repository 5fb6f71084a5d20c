"""``palsy modelcard``: Markdown on stdout, or in a file that everybody may read."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from palsy_cli.networks.manifest_file import ModelEntry, update_manifest

Run = Callable[..., Result]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    entry = ModelEntry(
        "ovpm", "ovpm", "tiny", "ovpm.safetensors", "5" * 64, 1, "nothing", "0.1.0", metrics={"pcc": 0.5}
    )
    update_manifest(tmp_path / "weights", entry)
    return tmp_path / "weights"


def test_the_card_goes_to_stdout(palsy: Run, weights: Path) -> None:
    done = palsy("modelcard", "ovpm", "--models", weights)
    assert done.exit_code == 0 and done.stdout.startswith("# ovpm\n") and done.stderr == ""
    assert "5" * 64 in done.stdout and "| pcc | 0.5 |" in done.stdout and "TRIPOD+AI" in done.stdout


def test_or_into_a_file_with_figures_of_an_evaluation(palsy: Run, weights: Path, tmp_path: Path) -> None:
    figure = {"group": "action units", "name": "MAE", "value": 0.1, "interval": [0.05, 0.2], "note": ""}
    data = {"weights": {"ovpm": "5" * 12}, "figures": [figure]}
    (tmp_path / "simulated.json").write_text(json.dumps(data), encoding="utf-8")
    done = palsy("modelcard", "ovpm", "--models", weights, "--evaluation", "simulated.json", "-o", "card.md")
    assert (done.exit_code, done.stdout) == (0, "")
    card = tmp_path / "card.md"
    assert "| action units: MAE | 0.1 | 0.05 to 0.2 |  |" in card.read_text(encoding="utf-8")
    assert stat.S_IMODE(card.stat().st_mode) == 0o644


def test_what_is_not_there_is_said(palsy: Run, weights: Path) -> None:
    absent = palsy("modelcard", "dvpm", "--models", "weights")
    assert absent.exit_code == 4
    assert absent.stderr == "palsy: error: weights: no model named 'dvpm'; `palsy models list` shows what is there\n"
    unread = palsy("modelcard", "ovpm", "--models", "weights", "--evaluation", "none.json")
    assert unread.exit_code == 3 and "none.json: not what `palsy evaluate simulated -o DIR` writes" in unread.stderr
