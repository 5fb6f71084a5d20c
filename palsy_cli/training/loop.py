"""The only training loop. A task knows its network, its batches and its loss; ``fit`` knows nothing else of them."""

from __future__ import annotations

import dataclasses
import itertools
import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from palsy_cli.console import ProgressCallback
from palsy_cli.errors import PalsyError
from palsy_cli.networks.device import autocast
from palsy_cli.training.checkpoints import Progress, RunFolder
from palsy_cli.training.recipes import Recipe, rate_factor

Stop = Literal["finished", "time", "patience"]


class Task(Protocol):
    """What the loop must know of a problem.

    Attributes:
        module: what is optimised. Parts whose parameters are all frozen stay in evaluation mode.
        steps_per_epoch: number of batches that ``train_batches`` yields (at least 1).
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

        Same ``epoch`` and ``rng`` must mean same batches: a resumed run skips those it has learned from.
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
    """Train ``task.module`` by ``recipe``; everything lands in ``run``, the best weights in ``best.pt``.

    A run that is killed at any moment continues with ``resume=True`` from its last checkpoint, batch by batch as if
    it had not been interrupted. ``resume`` on an empty folder starts anew.

    Raises:
        UsageError: the folder holds another run.
        ModelError: its checkpoint is damaged.
        PalsyError: the loss is no longer finite.
    """
    run.start(recipe, resume=resume)
    session = _Session(task, recipe, run, torch.device(device), on_progress)
    if resume and run.last.exists():
        session.restore()
    state = session.state
    stopped: Stop = "finished"
    run.say(f"{recipe.network} ({recipe.size}) from epoch {state.epoch + 1}, step {state.step}, on {device}")
    while state.epoch < recipe.epochs and stopped == "finished":
        stopped = "time" if session.out_of_time() and state.step else session.epoch()
    run.say(f"stopped ({stopped}) after {state.epoch} epochs, {state.step} steps; best {state.best_score}")
    return FitResult(state.epoch, state.step, state.elapsed_s / 60, state.best_score, state.best_epoch, stopped)


class _Session:
    """One process' share of a run."""

    def __init__(
        self, task: Task, recipe: Recipe, run: RunFolder, device: torch.device, on_progress: ProgressCallback | None
    ) -> None:
        self.task, self.recipe, self.run, self.device = task, recipe, run, device
        self.on_progress = on_progress or (lambda stage, done, total: None)
        self.module = task.module.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = make_optimiser(self.module, recipe)
        self.state = Progress()
        self.rng: dict[str, Any] | None = None
        self.saved_at = self.counted_at = time.monotonic()

    def restore(self) -> None:
        """Continue where ``last.pt`` ends."""
        self.state, self.rng = self.run.load_last(self.module, self.optimiser, self.device)

    def epoch(self) -> Stop:
        """Train (the rest of) an epoch, validate, save; says why the run must end, or "finished" to go on."""
        self.train()
        means = {f"train_{name}": total / max(self.state.batch, 1) for name, total in self.state.totals.items()}
        self.module.eval()
        with torch.no_grad(), autocast(self.device, self.recipe.precision):
            metrics = self.task.validate()
        self.state.epoch, self.state.batch, self.state.totals = self.state.epoch + 1, 0, {}
        self.keep_best(metrics)
        self.count_time()
        minutes, rate = self.state.elapsed_s / 60, self.optimiser.param_groups[0]["lr"]
        row = {"epoch": self.state.epoch, "step": self.state.step, "minutes": minutes, "learning_rate": rate}
        self.run.add_metrics(row | means | metrics)
        self.run.say(", ".join(f"{name} {value:.5g}" for name, value in (row | means | metrics).items()))
        self.save()
        waited = self.state.epoch - self.state.best_epoch
        if self.out_of_time() and self.state.epoch < self.recipe.epochs:
            return "time"
        return "patience" if self.recipe.patience and waited >= self.recipe.patience else "finished"

    def train(self) -> None:
        """Go through the batches of the current epoch that are not yet learned, as far as time allows."""
        state = self.state
        set_train_mode(self.module)
        torch.manual_seed(self.recipe.seed + 1_000_003 * state.epoch)
        rng = np.random.default_rng((self.recipe.seed, state.epoch))
        batches = itertools.islice(self.task.train_batches(state.epoch, rng), state.batch, None)
        for batch in batches:
            self.restore_rng()
            self.step(to_device(batch, self.device))
            self.count_time()
            self.on_progress(f"train {self.recipe.network}", state.step, self.total_steps)
            if time.monotonic() - self.saved_at >= 60 * self.recipe.checkpoint_minutes:
                self.save()
            if self.out_of_time():
                break

    def step(self, batch: Any) -> None:
        """One optimiser step."""
        state, spent = self.state, self.progress()
        factor = rate_factor(self.recipe, epoch=state.step / self.task.steps_per_epoch, progress=spent)
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.learning_rate * factor
        self.optimiser.zero_grad(set_to_none=True)
        with autocast(self.device, self.recipe.precision):
            parts = self.task.loss(batch)
        parts["loss"].backward()  # type: ignore[no-untyped-call]
        if self.recipe.clip_norm:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.recipe.clip_norm)
        self.optimiser.step()
        for name, value in parts.items():
            state.totals[name] = state.totals.get(name, 0.0) + float(value.detach())
        if not math.isfinite(state.totals["loss"]):
            raise PalsyError(
                f"training diverged at step {state.step + 1} (loss is not finite); lower the learning rate, "
                f"then continue {self.run.path} with --resume"
            )
        state.step, state.batch = state.step + 1, state.batch + 1

    @property
    def total_steps(self) -> int:
        """Steps of a run that nothing cuts short."""
        return self.recipe.epochs * self.task.steps_per_epoch

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
        """Add the time since the last call."""
        now = time.monotonic()
        self.state.elapsed_s += now - self.counted_at
        self.counted_at = now

    def keep_best(self, metrics: dict[str, float]) -> None:
        """Store the weights when their score is the best so far (a NaN never is)."""
        score, best = metrics[self.task.score_name], self.state.best_score
        if math.isfinite(score) and (best is None or self.task.better(score, best)):
            self.state.best_score, self.state.best_epoch = score, self.state.epoch
            self.run.save_best(self.module, metrics=metrics, epoch=self.state.epoch)

    def save(self) -> None:
        """Renew ``last.pt``."""
        self.run.save_last(self.module, self.optimiser, dataclasses.replace(self.state))
        self.saved_at = time.monotonic()

    def restore_rng(self) -> None:
        """Once after a resume and only when the skipped batches have been drawn: set torch's generators back."""
        if self.rng is not None and self.state.batch:
            torch.set_rng_state(self.rng["cpu"])
            if self.rng["cuda"] and torch.cuda.is_available():
                torch.cuda.set_rng_state_all([each.cpu() for each in self.rng["cuda"]])
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
