"""Checks in a row: what fails, what is not run, and how it ends."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from palsy_cli.config import Execution
from palsy_cli.errors import ModelError, SelftestError, UsageError
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.records import ALL_AUS, ActionUnits
from palsy_cli.selftest import checks, patient, run
from palsy_cli.selftest.checks import Check, Outcome, SkipCheck, perform, to_dict
from palsy_cli.selftest.golden import Facts
from palsy_cli.selftest.run import Selftest, run_selftest

CPU = Execution(device="cpu")
GOLDEN = {
    "stage": {"one": {"value": 1.0}, "two": {"value": 2.0}},
    "models": {"weights": dict.fromkeys(NETWORKS, "whole")},
}


@pytest.fixture
def golden(monkeypatch: pytest.MonkeyPatch) -> None:
    """A golden file of three facts."""
    monkeypatch.setattr(checks, "golden", lambda: GOLDEN)


def answer(value: Any) -> Callable[[], Facts]:
    return lambda: {"value": value}


def broken() -> Facts:
    raise ZeroDivisionError("first line\nsecond line")


def impossible() -> Facts:
    raise SkipCheck("skipped: no GPU")


def outcome(stage: str, *, ok: bool | None, problem: str | None = None) -> Outcome:
    return Outcome(stage, "name", ok, {"value": 1.0}, {"value": 1.0}, problem, 0.5)


@pytest.mark.usefixtures("golden")
def test_what_becomes_of_a_check() -> None:
    assert perform(Check("stage", "one", answer(1.0))).ok is True
    wrong = perform(Check("stage", "two", answer(np.float64(3.0))))
    assert (wrong.ok, wrong.found, wrong.problem) == (False, {"value": 3.0}, "value is 3.0, expected 2.0")
    raised = perform(Check("stage", "one", broken))
    assert (raised.ok, raised.found) == (False, None)
    assert raised.problem == "ZeroDivisionError: first line second line"
    skipped = perform(Check("stage", "one", impossible))
    assert (skipped.ok, skipped.found, skipped.problem) == (None, None, "skipped: no GPU")
    unknown = perform(Check("stage", "three", answer(1.0)))
    assert unknown.ok is False and "[stage.three]" in (unknown.problem or "")


@pytest.mark.usefixtures("golden")
def test_a_check_whose_network_is_bad_is_not_run() -> None:
    found = perform(Check("stage", "one", broken, networks=("ovpm", "dvpm")), bad_networks=frozenset({"dvpm"}))
    assert found.ok is None and found.problem == "not run: the weights of dvpm are bad"


@pytest.mark.usefixtures("golden")
def test_one_broken_stage_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    planned = [Check("stage", "one", broken), Check("stage", "two", answer(2.0))]
    monkeypatch.setattr(run, "plan", lambda *args, **options: iter(planned))
    told: list[tuple[str, int, int | None]] = []
    found = run_selftest(CPU, on_progress=lambda *step: told.append(step))
    assert [each.ok for each in found.outcomes] == [False, True]
    assert told == [("checking stage", 0, 2), ("checking stage", 1, 2), ("checked", 2, 2)]


@pytest.mark.usefixtures("golden")
def test_bad_weights_are_blamed_and_not_the_stages_that_need_them(monkeypatch: pytest.MonkeyPatch) -> None:
    states = dict.fromkeys(NETWORKS, "whole") | {"ovpm": "ovpm.safetensors: SHA-256 differs"}
    planned = [
        Check("models", "weights", lambda: dict(states)),
        Check("stage", "one", broken, networks=("ovpm",)),
        Check("stage", "two", answer(2.0), networks=("retinaface",)),
    ]
    monkeypatch.setattr(run, "plan", lambda *args, **options: iter(planned))
    found = run_selftest(CPU)
    assert [each.ok for each in found.outcomes] == [False, None, True]
    with pytest.raises(ModelError, match=r"1 of 3 checks failed, in models: .*ovpm\.safetensors"):
        found.require()


def test_without_weights_the_cases_are_run_all_the_same(tmp_path: Path) -> None:
    planned = run.plan(Execution(models_dir=tmp_path / "absent"), tmp_path, device="cpu")
    first = perform(next(planned))
    assert first.ok is False and "ModelError" in (first.problem or "")
    assert run.bad_networks(first) == frozenset(NETWORKS)
    assert {"alignment", "symptoms", "pipeline"} <= {check.stage for check in planned}


def test_an_absent_device_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="abacus"):
        run_selftest(Execution(device="abacus"))


def test_the_closing_line_names_every_stage_once() -> None:
    bad = [outcome(stage, ok=False, problem=f"{stage} is off") for stage in ("face", "face", "halves", "symptoms")]
    found = Selftest((*bad, outcome("video", ok=True), outcome("device", ok=None)), 3.0, "cpu")
    with pytest.raises(SelftestError) as raised:
        found.require()
    line = str(raised.value)
    assert raised.value.exit_code == 1 and "\n" not in line
    assert line.startswith("selftest: 4 of 6 checks failed, in face, halves, symptoms: face name: face is off; ")
    assert line.endswith("; and 1 more")


def test_the_document() -> None:
    found = Selftest((outcome("video", ok=True), outcome("device", ok=None, problem="skipped: no GPU")), 3.21, "cpu")
    found.require()
    document = found.to_dict()
    assert set(document) == {"ok", "checks", "seconds", "version", "device"} and document["ok"] is True
    assert [set(each) for each in document["checks"]] == [set(to_dict(outcome("video", ok=True)))] * 2


class TwoDevices:
    """Stands in for a patient on a machine with a graphics card that adds ``apart`` to every intensity."""

    def __init__(self, apart: float) -> None:
        self.apart, self.execution, self.models = apart, Execution(), run.ModelSet(Path("none"), device="cuda")

    def units_by(self, models: run.ModelSet) -> ActionUnits:
        values = np.ones((3, len(ALL_AUS))) + (self.apart if models.device == "cuda" else 0.0)
        return ActionUnits(ALL_AUS, values, values)


@pytest.mark.parametrize(("apart", "ok"), [(0.019, True), (0.021, False)])
def test_graphics_card_against_processor(apart: float, ok: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    made = TwoDevices(apart)
    check = Check("device", "gpu_as_cpu", lambda: patient.gpu_as_cpu(made))  # type: ignore[arg-type]
    assert perform(check).ok is ok
    made.execution = dataclasses.replace(made.execution, device="cpu")
    assert (perform(check).ok, perform(check).problem) == (None, "skipped: --device cpu")


def test_no_graphics_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    made: Any = TwoDevices(0.0)
    found = perform(Check("device", "gpu_as_cpu", lambda: patient.gpu_as_cpu(made)))
    assert (found.ok, found.problem) == (None, "skipped: no GPU")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_real_graphics_card(tmp_path: Path) -> None:
    models = run.ModelSet(run.find_models_dir()[0], device="cuda")
    made = patient.DrawnPatient(tmp_path, models, Execution(device="cuda"))
    found = perform(Check("device", "gpu_as_cpu", lambda: patient.gpu_as_cpu(made)))
    assert found.ok, found.problem
