"""The training loop on a toy problem: it learns, stops in time, and resumes as if it had never been interrupted."""

from __future__ import annotations

import dataclasses
import itertools
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tabular import RECIPE as PLAIN
from tabular import Killed, Table
from torch import nn

from palsy_cli.errors import ModelError, PalsyError, UsageError
from palsy_cli.training import loop
from palsy_cli.training.checkpoints import Progress, RunFolder, read_checkpoint
from palsy_cli.training.loop import fit, make_optimiser, set_train_mode, to_device
from palsy_cli.training.recipes import Recipe, get_recipe, read_recipe

STEPS = 6
RECIPE = Recipe(
    "ovpm", "tiny", "test", learning_rate=0.05, batch_size=8, epochs=3, schedule="onecycle", precision="fp32"
)


class Line:
    """Fit y = 2x with a net that has dropout (so that torch's generator matters) and a frozen part."""

    score_name = "mae"
    steps_per_epoch = STEPS

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.frozen = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).requires_grad_(False)
        self.module = nn.Sequential(self.frozen, nn.Linear(3, 16), nn.Dropout(0.2), nn.ReLU(), nn.Linear(16, 1))

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[dict[str, torch.Tensor]]:
        for _ in range(STEPS):
            x = torch.from_numpy(rng.normal(size=(8, 3)).astype(np.float32))
            yield {"x": x, "y": 2 * x.sum(1, keepdim=True)}

    def loss(self, batch: Any) -> Mapping[str, torch.Tensor]:
        error = self.module(batch["x"]) - batch["y"]
        return {"loss": (error**2).mean(), "absolute": error.abs().mean()}

    def validate(self) -> dict[str, float]:
        assert not self.module.training
        x = torch.linspace(-1, 1, 30).reshape(10, 3)
        return {"mae": float((self.module(x) - 2 * x.sum(1, keepdim=True)).abs().mean().detach())}

    def better(self, new: float, old: float) -> bool:
        return new < old


def parameters(task: Line) -> list[torch.Tensor]:
    return [value.clone() for value in task.module.state_dict().values()]


def assert_same(a: Line, b: Line) -> None:
    for left, right in zip(parameters(a), parameters(b), strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=0)


def change(**values: Any) -> Recipe:
    return dataclasses.replace(RECIPE, **values)


def test_learns_and_writes_the_run_folder(tmp_path: Path) -> None:
    task, run = Line(), RunFolder(tmp_path / "run")
    before = task.validate if task.module.eval() is None else task.validate()
    result = fit(task, change(epochs=12), run)
    assert result.stopped == "finished" and result.epochs == 12 and result.steps == 12 * STEPS
    assert isinstance(before, dict) and result.best_score is not None and result.best_score < 0.5 * before["mae"]
    files = {path.name for path in run.path.iterdir()} - {"tensorboard"}
    assert files == {"recipe.toml", "metrics.csv", "last.safetensors", "best.safetensors", "log.txt"}
    rows = run.read_metrics()
    assert [row["epoch"] for row in rows] == list(range(1, 13))
    assert {"step", "minutes", "learning_rate", "train_loss", "train_absolute", "mae"} <= set(rows[0])
    assert result.best_score == pytest.approx(min(row["mae"] for row in rows), rel=1e-5)
    assert read_recipe(run.recipe) == change(epochs=12)


def test_best_weights_are_those_of_the_best_epoch(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    result = fit(Line(), change(epochs=8, learning_rate=0.3), run)
    fresh = Line()
    metrics = run.load_best(fresh.module)
    fresh.module.eval()
    assert fresh.validate()["mae"] == pytest.approx(metrics["mae"], rel=1e-6)
    assert metrics["mae"] == result.best_score


@pytest.mark.parametrize("kill_at", [2, STEPS, STEPS + 1, 2 * STEPS + 4])
def test_resumed_run_equals_uninterrupted(tmp_path: Path, kill_at: int) -> None:
    whole = Line()
    fit(whole, RECIPE, RunFolder(tmp_path / "whole"))

    class Killed(Exception):
        pass

    def kill(stage: str, done: int, total: int | None) -> None:
        if done == kill_at:
            raise Killed

    run = RunFolder(tmp_path / "parts")
    often = change(checkpoint_minutes=0.0)
    with pytest.raises(Killed):
        fit(Line(), often, run, on_progress=kill)
    resumed = Line()
    result = fit(resumed, often, run, resume=True)
    assert result.steps == 3 * STEPS and result.epochs == 3
    assert_same(whole, resumed)
    assert [row["epoch"] for row in run.read_metrics()] == [1, 2, 3]


def test_killed_process_resumes(tmp_path: Path) -> None:
    script = (
        "import os, sys; sys.path[:0] = sys.argv[2:]; import test_loop as t\n"
        "def kill(stage, done, total):\n    if done == 9: os.kill(os.getpid(), 9)\n"
        "t.fit(t.Line(), t.RECIPE, t.RunFolder(sys.argv[1]), on_progress=kill)\n"
    )
    folders = [str(parent) for parent in Path(__file__).parents[:2]]
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path), *folders], check=False)
    assert killed.returncode == -9
    whole, resumed = Line(), Line()
    fit(whole, RECIPE, RunFolder(tmp_path / "whole"))
    result = fit(resumed, RECIPE, RunFolder(tmp_path), resume=True)
    assert result.steps == 3 * STEPS
    assert_same(whole, resumed)


def test_finished_run_resumes_to_nothing(tmp_path: Path) -> None:
    first = fit(Line(), RECIPE, RunFolder(tmp_path))
    again = fit(Line(), RECIPE, RunFolder(tmp_path), resume=True)
    assert (again.steps, again.best_score) == (first.steps, first.best_score)


def test_resume_of_nothing_starts_anew(tmp_path: Path) -> None:
    assert fit(Line(), change(epochs=1), RunFolder(tmp_path), resume=True).steps == STEPS


def test_existing_run_is_not_overwritten(tmp_path: Path) -> None:
    fit(Line(), change(epochs=1), RunFolder(tmp_path))
    with pytest.raises(UsageError, match="--resume"):
        fit(Line(), change(epochs=1), RunFolder(tmp_path))
    with pytest.raises(UsageError, match="ovpm"):
        fit(Line(), change(network="dvpm"), RunFolder(tmp_path), resume=True)


def test_budget_stops_the_run_and_anneals_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = itertools.count(step=0.01)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(ticks)))
    recipe = change(epochs=100_000, schedule="onecycle_time", max_minutes=2 / 60)
    run = RunFolder(tmp_path)
    result = fit(Line(), recipe, run)
    assert result.stopped == "time" and result.epochs < recipe.epochs
    assert run.read_metrics()[-1]["learning_rate"] < 0.05 * recipe.learning_rate
    again = fit(Line(), recipe, run, resume=True)
    assert again.stopped == "time" and again.steps == result.steps


def test_patience_stops_the_run(tmp_path: Path) -> None:
    class Worse(Line):
        def validate(self) -> dict[str, float]:
            self.seen = getattr(self, "seen", 0) + 1
            return {"mae": float(self.seen)}

    result = fit(Worse(), change(epochs=50, patience=3), RunFolder(tmp_path))
    assert result.stopped == "patience" and result.best_epoch == 1 and result.epochs == 4


def test_nan_score_is_never_best(tmp_path: Path) -> None:
    class Unknown(Line):
        def validate(self) -> dict[str, float]:
            return {"mae": math.nan}

    result = fit(Unknown(), change(epochs=2), RunFolder(tmp_path))
    assert result.best_score is None and not (tmp_path / "best.safetensors").exists()


def test_divergence_is_reported(tmp_path: Path) -> None:
    class Broken(Line):
        def loss(self, batch: Any) -> Mapping[str, torch.Tensor]:
            return {"loss": super().loss(batch)["loss"] * math.inf}

    with pytest.raises(PalsyError, match="diverged at step 1"):
        fit(Broken(), RECIPE, RunFolder(tmp_path))


def test_damaged_checkpoint_is_a_model_error(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    fit(Line(), change(epochs=1), run)
    run.last.write_bytes(b"not a checkpoint")
    with pytest.raises(ModelError, match="damaged"):
        fit(Line(), RECIPE, run, resume=True)
    with pytest.raises(ModelError, match="does not fit"):
        run.load_best(nn.Linear(1, 1))
    with pytest.raises(ModelError, match="no checkpoint"):
        RunFolder(tmp_path / "none").load_best(nn.Linear(1, 1))


def test_rows_of_an_epoch_done_twice_are_replaced(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    for epoch, value in ((1, 1.0), (2, 2.0), (2, 3.0)):
        run.add_metrics({"epoch": epoch, "mae": value})
    assert run.read_metrics() == [{"epoch": 1.0, "mae": 1.0}, {"epoch": 2.0, "mae": 3.0}]


def test_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, task = RunFolder(tmp_path), Line()
    optimiser = make_optimiser(task.module, RECIPE)
    run.save_last(task.module, optimiser, Progress(epoch=4))

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(UsageError, match="disk full"):
        run.save_last(task.module, optimiser, Progress(epoch=5))
    assert run.load_last(task.module, optimiser, torch.device("cpu"))[0].epoch == 4
    assert [path.name for path in tmp_path.iterdir()] == ["last.safetensors"]


def test_frozen_parts_stay_in_evaluation_mode_and_unchanged(tmp_path: Path) -> None:
    task = Line()
    set_train_mode(task.module)
    assert task.module.training and not task.frozen.training and not task.frozen[1].training
    before = {name: value.clone() for name, value in task.frozen.state_dict().items()}
    fit(task, RECIPE, RunFolder(tmp_path))
    for name, value in task.frozen.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_optimiser_takes_only_what_may_learn(name: str) -> None:
    task = Line()
    optimiser = make_optimiser(task.module, change(optimiser=name, weight_decay=0.1))
    held = {id(p) for group in optimiser.param_groups for p in group["params"]}
    assert held == {id(p) for p in task.module.parameters() if p.requires_grad}
    if name == "adamw":
        assert all(p.ndim > 1 for g in optimiser.param_groups if g["weight_decay"] for p in g["params"])


def test_batches_of_any_shape_are_moved() -> None:
    picture = torch.zeros(2, 3, 4, 5)
    moved = to_device({"a": (picture, [torch.zeros(2)]), "b": "name"}, torch.device("cpu"))
    assert moved["b"] == "name" and isinstance(moved["a"], tuple) and isinstance(moved["a"][1], list)
    assert moved["a"][0].is_contiguous(memory_format=torch.channels_last)


def test_compact_recipe_trains_as_it_stands(tmp_path: Path) -> None:
    assert fit(Line(), get_recipe("ovpm", "compact", epochs=1), RunFolder(tmp_path)).stopped == "finished"


def assert_alike(one: Table, other: Table, *, atol: float) -> None:
    for name, value in one.state().items():
        torch.testing.assert_close(value, other.state()[name], rtol=0, atol=atol)


def test_small_batches_add_up_to_a_large_one(tmp_path: Path) -> None:
    large, small = Table(rows=40, batch=8), Table(rows=40, batch=2)
    recipe = dataclasses.replace(PLAIN, accumulate=4, clip_norm=0.1)
    whole = fit(large, dataclasses.replace(recipe, accumulate=1), RunFolder(tmp_path / "large"))
    parts = fit(small, recipe, RunFolder(tmp_path / "small"))
    assert whole.steps == parts.steps == 15
    assert_alike(large, small, atol=1e-6)
    rows = [RunFolder(tmp_path / name).read_metrics() for name in ("large", "small")]
    for one, other in zip(*rows, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-4)


def test_an_epochs_last_batches_step_with_their_own_mean(tmp_path: Path) -> None:
    large, small = Table(rows=6, batch=6), Table(rows=6, batch=2)
    fit(large, dataclasses.replace(PLAIN, batch_size=6), RunFolder(tmp_path / "large"))
    result = fit(small, dataclasses.replace(PLAIN, accumulate=4), RunFolder(tmp_path / "small"))
    assert result.steps == 3
    assert_alike(large, small, atol=1e-6)


def test_schedules_count_optimiser_steps(tmp_path: Path) -> None:
    """22 batches in sixes are four steps: after an epoch the rate is that of epoch 1, whatever is accumulated."""
    recipe = dataclasses.replace(PLAIN, schedule="step", milestones=(1,), gamma=0.1, accumulate=6, epochs=2)
    run = RunFolder(tmp_path)
    told: list[tuple[int, int | None]] = []
    task = Table(rows=44, batch=2)
    fit(task, recipe, run, on_progress=lambda stage, done, total: told.append((done, total)))
    rates = [row["learning_rate"] for row in run.read_metrics()]
    assert told == [(step, 8) for step in range(1, 9)] and rates == pytest.approx([0.02, 0.002])


@pytest.mark.parametrize("kill_at", [3, 4, 8, 30])
def test_killed_while_accumulating_goes_on_from_the_last_whole_step(tmp_path: Path, kill_at: int) -> None:
    recipe = dataclasses.replace(PLAIN, accumulate=3, checkpoint_minutes=0.0)
    whole, resumed = Table(batch=2, dropout=0.3), Table(batch=2, dropout=0.3)
    fit(whole, recipe, RunFolder(tmp_path / "whole"))
    run = RunFolder(tmp_path / "parts")
    with pytest.raises(Killed):
        fit(Table(batch=2, dropout=0.3, kill_at=kill_at), recipe, run)
    fit(resumed, recipe, run, resume=True)
    assert_alike(whole, resumed, atol=0)


def test_half_precision_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="precision fp16 needs a CUDA device, not cpu"):
        fit(Table(), dataclasses.replace(PLAIN, precision="fp16"), RunFolder(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_the_loss_scale_outlives_a_run(tmp_path: Path) -> None:
    run, task = RunFolder(tmp_path), Table()
    optimiser = make_optimiser(task.module, PLAIN)
    run.save_last(task.module, optimiser, Progress(), scaler=torch.amp.GradScaler("cpu", init_scale=8.0))
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    run.load_last(task.module, optimiser, torch.device("cpu"), scaler=scaler)
    assert scaler.get_scale() == 8.0
    run.save_last(task.module, optimiser, Progress())
    run.load_last(task.module, optimiser, torch.device("cpu"), scaler=scaler)
    assert scaler.get_scale() == 8.0, "a run in another precision has no scale"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_half_precision_learns(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    task = Table()
    task.x, task.y = task.x.cuda(), task.y.cuda()
    fit(task, dataclasses.replace(PLAIN, precision="fp16", epochs=20), run, device="cuda")
    rows = run.read_metrics()
    assert rows[-1]["train_loss"] < 0.5 * rows[0]["train_loss"]
    assert read_checkpoint(run.last, torch.device("cpu"))["scaler"]["scale"] > 0
