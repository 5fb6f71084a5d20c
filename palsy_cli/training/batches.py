"""Which rows each process learns from: every row once an epoch, in as many batches for each process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np

from palsy_cli.errors import UsageError
from palsy_cli.training.parallel import rank, world

Rows = np.ndarray[Any, Any]


def count_batches(rows: int, *, batch_size: int) -> int:
    """How many batches ``deal`` makes of so many rows: full ones, and one where there are not enough for any."""
    return max(1, rows // (batch_size * world()))


def deal(rows: Rows, *, batch_size: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield this process' rows of each batch, sorted; what does not fill a batch is left for another epoch.

    Args:
        rows: (N,) what there is to learn from, the same in every process.
        batch_size: rows a batch and process.
        rng: in the same state in every process; afterwards each goes on with numbers of its own (``own_stretch``).

    Raises:
        UsageError: fewer rows than processes.
    """
    if len(rows) < world():
        raise UsageError(f"{len(rows)} examples cannot be dealt to {world()} processes; start fewer with torchrun")
    order = rng.permutation(rows)
    own_stretch(rng)
    together = batch_size * world()
    for i in range(count_batches(len(rows), batch_size=batch_size)):
        yield np.sort(np.array_split(order[i * together : (i + 1) * together], world())[rank()])


def own_stretch(rng: np.random.Generator) -> np.random.Generator:
    """Move on a NumPy default generator so far that no two processes draw the same numbers; the main one's stays."""
    if rank():
        cast("np.random.PCG64", rng.bit_generator).advance(rank() << 64)
    return rng
