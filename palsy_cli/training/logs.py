"""Curves for TensorBoard, where that package is installed (extra ``train``); ``metrics.csv`` is always written."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

#: Optimiser steps from one point of the training curves to the next.
EVERY_STEPS = 10


class Scalars:
    """The event file of one part of a run; nothing is written before the first point.

    Args:
        folder: where it goes; ``None`` writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder if importlib.util.find_spec("tensorboard") else None
        self.writer: SummaryWriter | None = None

    def step(self, step: int, values: Mapping[str, float]) -> None:
        """Points ``step/<name>`` of an optimiser step (counted from 1), every ``EVERY_STEPS``."""
        if step % EVERY_STEPS == 0:
            self._add("step", step, values)

    def epoch(self, step: int, values: Mapping[str, float]) -> None:
        """Points ``epoch/<name>`` of an epoch that ended with this optimiser step."""
        self._add("epoch", step, values)

    def close(self) -> None:
        """Write what is still in memory."""
        if self.writer is not None:
            self.writer.close()

    def _add(self, group: str, step: int, values: Mapping[str, float]) -> None:
        if self.folder is None:
            return
        if self.writer is None:
            from torch.utils.tensorboard import SummaryWriter

            # A killed run may have drawn further than its last checkpoint: readers drop what lies beyond this step.
            self.writer = SummaryWriter(str(self.folder), purge_step=step)
        for name, value in values.items():
            if math.isfinite(value):
                self.writer.add_scalar(f"{group}/{name}", value, step)
