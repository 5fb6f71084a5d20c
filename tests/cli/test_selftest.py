"""``palsy selftest`` through the real entry point, with the weights that come along."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

import palsy_cli
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.networks.weights import find_models_dir
from palsy_cli.selftest import patient
from palsy_cli.stages import alignment

Run = Callable[..., Result]


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the drawn patient, whom no test but the last one needs."""
    monkeypatch.setattr(patient, "checks", lambda made: [])


def checks(done: Result) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["stage"], each["name"]): each for each in json.loads(done.stdout)["checks"]}


@pytest.mark.usefixtures("nobody")
def test_a_flipped_byte_is_exit_4_and_names_the_file(palsy: Run, tmp_path: Path) -> None:
    folder = tmp_path / "weights"
    shutil.copytree(find_models_dir()[0], folder)
    path = folder / "ovpm.safetensors"
    data = bytearray(path.read_bytes())
    data[-1000] ^= 1
    path.write_bytes(data)
    done = palsy("selftest", "--models", folder, "--json")
    assert done.exit_code == 4 and done.stderr.count("\n") == 1
    assert str(path) in done.stderr and "in models:" in done.stderr
    assert {each["stage"] for each in checks(done).values() if each["ok"] is False} == {"models"}
    found = checks(done)["models", "weights"]["found"]
    assert [name for name in NETWORKS if found[name] != "whole"] == ["ovpm"]


@pytest.mark.usefixtures("nobody")
def test_absent_weights_are_exit_4(palsy: Run, tmp_path: Path) -> None:
    done = palsy("selftest", "--models", tmp_path / "absent", "--json")
    assert done.exit_code == 4 and "absent" in done.stderr and done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["ok"] is False


@pytest.mark.usefixtures("nobody")
def test_a_changed_constant_is_exit_1_and_names_the_stage(palsy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignment, "CROP_DEPTH", 0.65)
    done = palsy("selftest")
    assert done.exit_code == 1 and "alignment constants: CROP_DEPTH is 0.65, expected 0.64" in done.stderr
    assert "FAILED" in done.stderr and "palsy selftest" in done.stderr
    failed = checks(done)["alignment", "upright_crop"]
    assert failed["ok"] is False and failed["found"] != failed["expected"] and failed["problem"]


@pytest.mark.slow
def test_this_installation_passes(palsy: Run) -> None:
    done = palsy("selftest", "--device", "cpu", "--json")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert set(document) == {"ok", "checks", "seconds", "version", "device"}
    assert document["ok"] is True and document["version"] == palsy_cli.__version__ and document["device"] == "cpu"
    keys = {"name", "stage", "ok", "problem", "expected", "found", "seconds"}
    assert all(set(each) == keys for each in document["checks"])
    assert [each["stage"] for each in document["checks"] if each["ok"] is not True] == ["device"]
    stages = {"models", "config", "simulate", "video", "face", "landmarks", "keyframes", "halves", "action_units"}
    assert stages | {"symptoms", "grading", "pipeline", "report"} <= {each["stage"] for each in document["checks"]}
