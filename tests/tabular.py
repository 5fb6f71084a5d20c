"""A small problem whose answer depends on nothing but its rows, for tests of the loop; a script under ``torchrun``.

    python -m torch.distributed.run --nproc-per-node 2 tests/tabular.py FOLDER

trains it in several ways and leaves ``<what>-<rank>.pt`` in FOLDER.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from palsy_cli.training import parallel
from palsy_cli.training.batches import count_batches, deal
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.loop import fit
from palsy_cli.training.recipes import Recipe

#: Momentum makes the optimiser's state matter.
RECIPE = Recipe(
    "ovpm",
    "tiny",
    "test",
    optimiser="sgd",
    learning_rate=0.02,
    batch_size=8,
    epochs=3,
    schedule="constant",
    warmup=0.0,
    precision="fp32",
)


class Killed(Exception):
    """A process that ends here."""


class Table:
    """Fit y = tanh of a sum, by a network without normalisation.

    Args:
        rows: how many there are.
        batch: rows a batch and process.
        dropout: makes torch's generator matter.
        normalised: put in a batch normalisation.
        kill_at: raise ``Killed`` at this batch (from 1).
    """

    score_name = "mae"

    def __init__(
        self, *, rows: int = 44, batch: int = 8, dropout: float = 0.0, normalised: bool = False, kill_at: int = 0
    ) -> None:
        torch.manual_seed(0)
        norm: list[nn.Module] = [nn.BatchNorm1d(16)] if normalised else []
        self.module = nn.Sequential(nn.Linear(3, 16), *norm, nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 1))
        self.x = torch.randn(rows, 3, generator=torch.Generator().manual_seed(1))
        self.y = self.x.sum(1, keepdim=True).tanh()
        self.batch, self.steps_per_epoch = batch, count_batches(rows, batch_size=batch)
        self.kill_at, self.seen = kill_at, 0

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[Tensor, Tensor]]:
        for rows in deal(np.arange(len(self.x)), batch_size=self.batch, rng=rng):
            yield self.x[rows], self.y[rows]

    def loss(self, batch: tuple[Tensor, Tensor]) -> Mapping[str, Tensor]:
        self.seen += 1
        if self.seen == self.kill_at:
            raise Killed
        return {"loss": (self.module(batch[0]) - batch[1]).square().mean()}

    def validate(self) -> dict[str, float]:
        if not parallel.is_main():
            raise AssertionError("only the main process validates")
        return {"mae": float((self.module(self.x) - self.y).abs().mean())}

    def better(self, new: float, old: float) -> bool:
        return new < old

    def state(self) -> dict[str, Tensor]:
        return {name: value.clone() for name, value in self.module.state_dict().items()}


def main(folder: Path) -> None:
    """All that a test asks of several processes, in one start of them."""
    found: dict[str, dict[str, Tensor]] = {}
    batch = RECIPE.loaded_batch

    whole = Table(batch=batch)
    fit(whole, RECIPE, RunFolder(folder / "whole"))
    found["whole"] = whole.state()

    often = replace(RECIPE, checkpoint_minutes=0.0)
    for name, kill_at in (("uninterrupted", 0), ("interrupted", 5)):
        for resume in (False, True):
            task = Table(rows=24, batch=batch, dropout=0.3, normalised=True, kill_at=0 if resume else kill_at)
            try:
                fit(task, often, RunFolder(folder / name), resume=resume)
            except Killed:
                continue
        found[name] = task.state()

    parts = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2), nn.Linear(2, 2)])
    parallel.broadcast_module(parts)
    used = parts[0](torch.ones(1, 2)) if parallel.rank() else parts[0](parts[1](torch.ones(1, 2)))
    (used.sum() * (1 + parallel.rank())).backward()
    own = {name: value.grad.clone() for name, value in parts.named_parameters() if value.grad is not None}
    parallel.average_gradients(parts)
    found["own"] = own
    found["mean"] = {name: value.grad for name, value in parts.named_parameters() if value.grad is not None}
    found["told"] = {"rank": torch.tensor(parallel.from_main(float(parallel.rank()) + 5.0))}
    for name, tensors in found.items():
        torch.save(tensors, folder / f"{name}-{parallel.rank()}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
