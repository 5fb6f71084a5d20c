"""The only training loop. A task knows its network, its batches and its loss; ``fit`` knows nothing else of them."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from palsy_cli.console import ProgressCallback
from palsy_cli.errors import PalsyError
from palsy_cli.files import below
from palsy_cli.networks.device import autocast, compute_type, without_denormals
from palsy_cli.training import parallel
from palsy_cli.training.checkpoints import Progress, RunFolder
from palsy_cli.training.logs import Scalars
from palsy_cli.training.recipes import Recipe, rate_factor

Stop = Literal["finished", "time", "patience"]


class Task(Protocol):
    """What the loop must know of a problem.

    Attributes:
        module: what is optimised. Parts whose parameters are all frozen stay in evaluation mode.
        steps_per_epoch: number of batches that ``train_batches`` yields (at least 1); each optimiser step takes
            ``Recipe.accumulate`` of them, the epoch's last one what is left.
        score_name: the entry of ``validate()`` that chooses the best epoch.
    """

    @property
    def module(self) -> nn.Module:
        """See above."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """See above."""
        ...

    @property
    def score_name(self) -> str:
        """See above."""
        ...

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """Batches of one epoch (counted from 0): tensors, or tuples, lists, dicts, dataclasses of them.

        Same ``epoch`` and ``rng`` must mean same batches: a resumed run skips those it has learned from. Of several
        processes each yields its own share (``training.batches``), the same number of batches.
        """
        ...

    def loss(self, batch: Any) -> Mapping[str, torch.Tensor]:
        """``"loss"`` (a scalar to descend) and named scalar parts of it."""
        ...

    def validate(self) -> dict[str, float]:
        """Measure ``module`` (in evaluation mode, gradients off)."""
        ...

    def better(self, new: float, old: float) -> bool:
        """Whether one score is better than another."""
        ...


@dataclass(frozen=True)
class FitResult:
    """How a run ended: totals over all its parts, and its best validation."""

    epochs: int
    steps: int
    minutes: float
    best_score: float | None
    best_epoch: int
    stopped: Stop


def fit(
    task: Task,
    recipe: Recipe,
    run: RunFolder,
    *,
    device: torch.device | str = "cpu",
    resume: bool = False,
    on_progress: ProgressCallback | None = None,
) -> FitResult:
    """Train ``task.module`` by ``recipe``; everything lands in ``run``, the best weights in ``best.safetensors``.

    A run that is killed at any moment continues with ``resume=True`` from its last checkpoint, batch by batch as if
    it had not been interrupted. ``resume`` on an empty folder starts anew. Under ``torchrun`` all processes call this
    alike; the main one validates and writes.

    Raises:
        UsageError: the folder holds another run, or the device does not compute in the recipe's precision.
        ModelError: its checkpoint is damaged.
        PalsyError: the loss is no longer finite.
    """
    place = parallel.start(device)
    compute_type(place, recipe.precision)
    parallel.wait()  # until what the main process last wrote is there for all
    run.start(recipe, resume=resume)
    session = _Session(task, recipe, run, place, on_progress)
    if resume and run.last.exists():
        session.restore()
    parallel.broadcast_module(session.module)
    state = session.state
    stopped: Stop = "finished"
    run.say(f"{recipe.network} ({recipe.size}) from epoch {state.epoch + 1}, step {state.step}, on {session.where}")
    with contextlib.closing(session.scalars), without_denormals():
        while state.epoch < recipe.epochs and stopped == "finished":
            stopped = "time" if session.out_of_time() and state.step else session.epoch()
    run.say(f"stopped ({stopped}) after {state.epoch} epochs, {state.step} steps; best {state.best_score}")
    parallel.wait()
    return FitResult(state.epoch, state.step, state.elapsed_s / 60, state.best_score, state.best_epoch, stopped)


class _Session:
    """One process' share of a run. Whatever decides how the run goes on is the same in all of them."""

    def __init__(
        self, task: Task, recipe: Recipe, run: RunFolder, device: torch.device, on_progress: ProgressCallback | None
    ) -> None:
        self.task, self.recipe, self.run, self.device = task, recipe, run, device
        told = on_progress if parallel.is_main() else None
        self.on_progress = told or (lambda stage, done, total: None)
        self.module = task.module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = make_optimiser(self.module, recipe)
        half = compute_type(device, recipe.precision) == torch.float16
        self.scaler = torch.amp.GradScaler(device.type, enabled=half)
        self.scalars = Scalars(below(run.path, run.curves.name) if parallel.is_main() else None)
        self.state = Progress()
        self.rng: dict[str, Any] | None = None
        self.unsaved_s, self.counted_at = 0.0, time.monotonic()

    @property
    def where(self) -> str:
        """The device, and how many processes there are when there are several."""
        return f"{self.device.type} ({parallel.world()} processes)" if parallel.world() > 1 else str(self.device)

    def restore(self) -> None:
        """Continue where ``last.safetensors`` ends."""
        self.state, self.rng = self.run.load_last(self.module, self.optimiser, self.device, scaler=self.scaler)

    def epoch(self) -> Stop:
        """Train (the rest of) an epoch, validate, save; says why the run must end, or "finished" to go on."""
        self.train()
        means = {f"train_{name}": total / max(self.state.batch, 1) for name, total in self.state.totals.items()}
        metrics = self.validate()
        self.state.epoch, self.state.batch, self.state.totals = self.state.epoch + 1, 0, {}
        self.keep_best(metrics)
        self.count_time()
        minutes, rate = self.state.elapsed_s / 60, self.optimiser.param_groups[0]["lr"]
        row = {"epoch": self.state.epoch, "step": self.state.step, "minutes": minutes, "learning_rate": rate}
        self.run.add_metrics(row | means | metrics)
        self.scalars.epoch(self.state.step, means | metrics)
        self.run.say(", ".join(f"{name} {value:.5g}" for name, value in (row | means | metrics).items()))
        self.save()
        waited = self.state.epoch - self.state.best_epoch
        if self.out_of_time() and self.state.epoch < self.recipe.epochs:
            return "time"
        return "patience" if self.recipe.patience and waited >= self.recipe.patience else "finished"

    def validate(self) -> dict[str, float]:
        """The task's figures; a process that is not the main one waits and learns the score alone."""
        parallel.broadcast_buffers(self.module)
        metrics = {self.task.score_name: math.nan}
        if parallel.is_main():
            self.module.eval()
            with torch.no_grad(), autocast(self.device, self.recipe.precision):
                metrics = self.task.validate()
        (score,) = parallel.from_main(metrics[self.task.score_name])
        return metrics | {self.task.score_name: score}

    def train(self) -> None:
        """Go through the batches of the current epoch that are not yet learned, as far as time allows."""
        state = self.state
        set_train_mode(self.module)
        torch.manual_seed(self.recipe.seed + 1_000_003 * state.epoch + 7_919 * parallel.rank())
        rng = np.random.default_rng((self.recipe.seed, state.epoch))
        batches = itertools.islice(self.task.train_batches(state.epoch, rng), state.batch, None)
        while together := list(itertools.islice(batches, self.recipe.accumulate)):
            self.restore_rng()
            self.step(together)
            self.count_time()
            self.on_progress(f"train {self.recipe.network}", state.step, self.total_steps)
            if self.unsaved_s >= 60 * self.recipe.checkpoint_minutes:
                self.save()
            if self.out_of_time():
                break

    def step(self, batches: Sequence[Any]) -> None:
        """One optimiser step on the mean loss of some batches."""
        self.set_rate()
        self.optimiser.zero_grad(set_to_none=True)
        sums: dict[str, float] = {}
        for batch in batches:
            with autocast(self.device, self.recipe.precision):
                parts = self.task.loss(to_device(batch, self.device))
            self.scaler.scale(parts["loss"] / len(batches)).backward()  # type: ignore[no-untyped-call]
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
        # An overflow in half precision must reach all processes, so that all of them leave the step out.
        parallel.average_gradients(self.module)
        self.scaler.unscale_(self.optimiser)
        if self.recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip_norm)
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.count(parallel.mean_over_processes(sums), batches=len(batches))

    def set_rate(self) -> None:
        """Give the optimiser the learning rate of the coming step."""
        epoch = self.state.step / self.updates_per_epoch
        factor = rate_factor(self.recipe, epoch=epoch, progress=self.progress())
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * factor

    def count(self, sums: Mapping[str, float], *, batches: int) -> None:
        """Note that a step is done and what its losses were; raises PalsyError when they are not finite."""
        state = self.state
        for name, value in sums.items():
            state.totals[name] = state.totals.get(name, 0.0) + value
        if not math.isfinite(state.totals["loss"]):
            raise PalsyError(
                f"training diverged at step {state.step + 1} (loss is not finite); lower the learning rate, "
                f"then continue {self.run.path} with --resume"
            )
        state.step, state.batch = state.step + 1, state.batch + batches
        means = {name: value / batches for name, value in sums.items()}
        self.scalars.step(state.step, means | {"learning_rate": self.optimiser.param_groups[0]["lr"]})

    @property
    def updates_per_epoch(self) -> int:
        """Optimiser steps of a whole epoch."""
        return math.ceil(self.task.steps_per_epoch / self.recipe.accumulate)

    @property
    def total_steps(self) -> int:
        """Optimiser steps of a run that nothing cuts short."""
        return self.recipe.epochs * self.updates_per_epoch

    def progress(self) -> float:
        """Share of the run done, 0..1, by steps and (``onecycle_time``) by the budget."""
        share = self.state.step / self.total_steps
        if self.recipe.schedule == "onecycle_time" and self.recipe.max_minutes:
            share = max(share, self.state.elapsed_s / (60 * self.recipe.max_minutes))
        return min(share, 1.0)

    def out_of_time(self) -> bool:
        """Whether the budget is spent."""
        return bool(self.recipe.max_minutes) and self.state.elapsed_s >= 60 * self.recipe.max_minutes

    def count_time(self) -> None:
        """Add the time since the last call, as the main process' clock has it."""
        now = time.monotonic()
        spent = now - self.counted_at
        self.state.elapsed_s, self.unsaved_s = parallel.from_main(self.state.elapsed_s + spent, self.unsaved_s + spent)
        self.counted_at = now

    def keep_best(self, metrics: dict[str, float]) -> None:
        """Store the weights when their score is the best so far (a NaN never is)."""
        score, best = metrics[self.task.score_name], self.state.best_score
        if math.isfinite(score) and (best is None or self.task.better(score, best)):
            self.state.best_score, self.state.best_epoch = score, self.state.epoch
            self.run.save_best(self.module, metrics=metrics, epoch=self.state.epoch)

    def save(self) -> None:
        """Renew ``last.safetensors``."""
        parallel.broadcast_buffers(self.module)  # as a resumed run will begin
        self.run.save_last(self.module, self.optimiser, dataclasses.replace(self.state), scaler=self.scaler)
        self.unsaved_s = 0.0

    def restore_rng(self) -> None:
        """Once after a resume and only when the skipped batches have been drawn: set torch's generators back."""
        if self.rng is not None and self.rng["cpu"] is not None and self.state.batch:
            torch.set_rng_state(self.rng["cpu"])
            if self.rng["cuda"] and torch.cuda.is_available():
                if parallel.world() > 1:
                    torch.cuda.set_rng_state(self.rng["cuda"][0])
                else:
                    torch.cuda.set_rng_state_all(self.rng["cuda"])
        self.rng = None


def make_optimiser(module: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over the parameters that may learn; AdamW spares biases and norms from decay."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    rate, decay = recipe.learning_rate, recipe.weight_decay
    if recipe.optimiser == "sgd":
        momentum = recipe.momentum
        return torch.optim.SGD(learning, lr=rate, momentum=momentum, weight_decay=decay, nesterov=momentum > 0)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(learning, lr=rate, weight_decay=decay)
    groups = [
        {"params": [p for p in learning if p.ndim > 1], "weight_decay": decay},
        {"params": [p for p in learning if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=rate)


def set_train_mode(module: nn.Module) -> None:
    """Training mode for all but the frozen parts, whose running statistics and dropout must stay still."""
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(parameter.requires_grad for parameter in parameters):
            part.eval()


def to_device(batch: Any, device: torch.device) -> Any:
    """Move every tensor of a batch; pictures (4 dimensions, float) become channels-last."""
    if isinstance(batch, torch.Tensor):
        if batch.ndim == 4 and batch.is_floating_point():
            return batch.to(device, non_blocking=True, memory_format=torch.channels_last)
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        values = {each.name: getattr(batch, each.name) for each in dataclasses.fields(batch)}
        return dataclasses.replace(batch, **to_device(values, device))
    if isinstance(batch, tuple | list):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
