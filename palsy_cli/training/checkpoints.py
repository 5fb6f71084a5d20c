"""The run folder: everything that is known of one training run, written so that a kill never leaves half a file."""

from __future__ import annotations

import csv
import io
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from palsy_cli.documents import Unreadable, read_records
from palsy_cli.errors import InputError, ModelError, UsageError
from palsy_cli.files import atomic_write, open_below
from palsy_cli.training.packed import pack, unpack
from palsy_cli.training.parallel import gather, is_main, rank, world
from palsy_cli.training.recipes import Recipe, read_recipe, recipe_toml


@dataclass
class Progress:
    """Where a run stands; stored in ``last.safetensors``.

    Attributes:
        epoch: epochs finished.
        batch: batches of the current epoch already learned from (by each process).
        step: optimiser steps in all.
        elapsed_s: seconds spent in all parts of the run.
        best_score: best validation score so far, ``None`` before the first validation.
        best_epoch: epoch (counted from 1) of that score.
        totals: sums of the current epoch's loss parts.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    elapsed_s: float = 0.0
    best_score: float | None = None
    best_epoch: int = 0
    totals: dict[str, float] = field(default_factory=dict)


class RunFolder:
    """``recipe.toml``, ``metrics.csv``, ``log.txt``, ``tensorboard/`` and two checkpoints of one run.

    The checkpoints, ``last.safetensors`` and ``best.safetensors``, hold tensors and plain values, and nothing in them
    is run. Of several processes only the main one writes.
    """

    def __init__(self, path: Path) -> None:
        """Name a folder; it is created by the first write."""
        self.path = Path(path)
        self.last, self.best = self.path / "last.safetensors", self.path / "best.safetensors"
        self.metrics, self.recipe, self.log = (self.path / name for name in ("metrics.csv", "recipe.toml", "log.txt"))
        self.curves = self.path / "tensorboard"

    def start(self, recipe: Recipe, *, resume: bool) -> None:
        """Create the folder and write the recipe.

        Raises:
            UsageError: a run is there already and ``resume`` is False, or it is one of another network.
        """
        if self.recipe.exists():
            before = read_recipe(self.recipe)
            if (before.network, before.size) != (recipe.network, recipe.size):
                raise UsageError(
                    f"{self.path}: holds a run of {before.network} ({before.size}); choose another --run folder"
                )
            if self.last.exists() and not resume:
                raise UsageError(f"{self.path}: holds a run already; continue it with --resume or choose another --run")
        if is_main():
            self.path.mkdir(parents=True, exist_ok=True)
            atomic_write(self.recipe, recipe_toml(recipe), private=False)

    def save_last(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        progress: Progress,
        *,
        scaler: torch.amp.GradScaler | None = None,
    ) -> None:
        """Write all that a resumed run needs; every process must call it, as each has generators of its own."""
        self._save(
            self.last,
            {
                "module": module.state_dict(),
                "optimiser": optimiser.state_dict(),
                "scaler": {} if scaler is None else scaler.state_dict(),
                "progress": asdict(progress),
                **_generators(),
            },
        )

    def load_last(
        self,
        module: nn.Module,
        optimiser: torch.optim.Optimizer,
        device: torch.device,
        *,
        scaler: torch.amp.GradScaler | None = None,
    ) -> tuple[Progress, dict[str, Any]]:
        """Restore module, optimiser and scaler; returns the progress and this process' generators' states.

        Raises:
            ModelError: ``last.safetensors`` is damaged or belongs to another network.
        """
        stored = read_checkpoint(self.last, device)
        try:
            module.load_state_dict(stored["module"])
            optimiser.load_state_dict(stored["optimiser"])
            if scaler is not None and stored.get("scaler"):
                scaler.load_state_dict(stored["scaler"])
            return Progress(**stored["progress"]), _own_generators(stored)
        except (AttributeError, LookupError, RuntimeError, ValueError, TypeError) as error:
            raise ModelError(f"{self.last}: does not fit this network ({error})") from error

    def save_best(self, module: nn.Module, *, metrics: dict[str, float], epoch: int) -> None:
        """Write the weights of the best epoch (counted from 1) with its validation metrics."""
        self._save(self.best, {"module": module.state_dict(), "metrics": metrics, "epoch": epoch})

    def load_best(self, module: nn.Module) -> dict[str, float]:
        """Load the best weights into ``module``; returns their metrics; raises ModelError as ``load_last`` does."""
        stored = read_checkpoint(self.best, torch.device("cpu"))
        try:
            module.load_state_dict(stored["module"])
            return dict(stored["metrics"])
        except (AttributeError, LookupError, RuntimeError, ValueError, TypeError) as error:
            raise ModelError(f"{self.best}: does not fit this network ({error})") from error

    def add_metrics(self, row: dict[str, float]) -> None:
        """Append one epoch's row to ``metrics.csv``; a row of the same or a later ``epoch`` is replaced.

        Such rows are left by a run that was killed after it wrote them and before it saved its checkpoint.
        """
        if not is_main():
            return
        rows = [old for old in self.read_metrics() if old["epoch"] < row["epoch"]] + [row]
        columns = list(dict.fromkeys(key for each in rows for key in each))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: f"{value:.6g}" for key, value in each.items()} for each in rows)
        atomic_write(self.metrics, text.getvalue(), private=False)

    def read_metrics(self) -> list[dict[str, float]]:
        """All rows of ``metrics.csv``; empty when there is none.

        Raises:
            InputError: the file cannot be read, or a row has no epoch or a word where a number belongs.
        """
        if not self.metrics.exists():
            return []
        try:
            rows = [{key: float(text) for key, text in row.items() if text} for _, row in read_records(self.metrics)[1]]
            if not all("epoch" in row for row in rows):
                raise Unreadable("a row names no epoch")
            return rows
        except ValueError as error:
            raise InputError(f"{self.metrics}: cannot be read ({error}); restore or remove it") from error

    def say(self, line: str) -> None:
        """Append one dated line to ``log.txt``."""
        if not is_main():
            return
        handle = open_below(self.path, self.log.name, os.O_WRONLY | os.O_APPEND)
        with os.fdopen(handle, "a", encoding="utf-8") as stream:
            stream.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {line}\n")

    def _save(self, path: Path, values: dict[str, Any]) -> None:
        if is_main():
            atomic_write(path, pack(values), private=False)


def _generators() -> dict[str, Any]:
    """States of torch's generators: of this process, or row by row of all that train together."""
    if world() == 1:
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
        return {"rng": torch.get_rng_state(), "rng_cuda": cuda}
    own = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
    return {"rng": gather(torch.get_rng_state()), "rng_cuda": [gather(state) for state in own]}


def _own_generators(stored: dict[str, Any]) -> dict[str, Any]:
    """This process' part of what ``_generators`` gave; none when another number of processes wrote it."""
    cpu, cuda = stored["rng"].cpu(), [state.cpu() for state in stored["rng_cuda"]]
    if (len(cpu) if cpu.ndim == 2 else 1) != world():
        return {"cpu": None, "cuda": []}
    if world() == 1:
        return {"cpu": cpu, "cuda": cuda}
    # A copy: torch crashes on a state that begins in the middle of other memory.
    return {"cpu": cpu[rank()].clone(), "cuda": [each[rank()].clone() for each in cuda]}


def read_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises:
        ModelError: absent or damaged.
    """
    try:
        return unpack(path, device)
    except Unreadable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise ModelError(f"{path}: no checkpoint; train the network first (palsy train)") from error
        raise ModelError(f"{path}: damaged checkpoint ({error}); start the run anew") from error
