"""What TensorBoard reads is what ``metrics.csv`` says, once for every step, even of a run that was killed."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tabular import RECIPE, Killed, Table

from palsy_cli.training import logs
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.logs import EVERY_STEPS, Scalars
from palsy_cli.training.loop import fit

needs_tensorboard = pytest.mark.skipif(not importlib.util.find_spec("tensorboard"), reason="tensorboard not installed")


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder)).Reload()
    return {tag: [(e.step, e.value) for e in reader.Scalars(tag)] for tag in reader.Tags()["scalars"]}


@needs_tensorboard
def test_curves_are_those_of_the_metrics(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    fit(Table(), replace(RECIPE, epochs=6), run)
    found, rows = curves(run.curves), run.read_metrics()
    for tag, column in (("epoch/mae", "mae"), ("epoch/train_loss", "train_loss")):
        assert [step for step, _ in found[tag]] == [row["step"] for row in rows]
        assert [value for _, value in found[tag]] == pytest.approx([row[column] for row in rows], rel=1e-4)
    assert [step for step, _ in found["step/loss"]] == list(range(EVERY_STEPS, 31, EVERY_STEPS))
    assert [value for _, value in found["step/learning_rate"]] == pytest.approx([0.02] * 3)


@needs_tensorboard
def test_a_resumed_run_has_every_point_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "EVERY_STEPS", 1)
    run = RunFolder(tmp_path)
    with pytest.raises(Killed):
        fit(Table(kill_at=9), RECIPE, run)  # in the second epoch, the first is saved
    time.sleep(1)  # TensorBoard reads files in the order of the whole seconds at which they were begun
    fit(Table(), RECIPE, run, resume=True)
    assert len(list(run.curves.iterdir())) == 2
    assert [step for step, _ in curves(run.curves)["step/loss"]] == list(range(1, 16))


def test_without_the_package_there_are_no_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    run = RunFolder(tmp_path)
    assert fit(Table(), RECIPE, run).epochs == 3
    assert not run.curves.exists() and len(run.read_metrics()) == 3


@needs_tensorboard
def test_what_is_not_a_number_is_left_out(tmp_path: Path) -> None:
    scalars = Scalars(tmp_path)
    scalars.epoch(1, {"pcc": float("nan"), "mae": 1.0})
    scalars.close()
    assert set(curves(tmp_path)) == {"epoch/mae"}
