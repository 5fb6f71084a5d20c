"""Several processes, each with networks of its own and its share of the cores.

Much of an assessment is bound to one core (decoding, cutting, drawing), so two processes of one thread are faster than
one of two.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Generic, TypeVar

import torch

from palsy_cli.config import Execution, Settings
from palsy_cli.networks.weights import ModelSet
from palsy_cli.processes import leave_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Context:
    """What every piece of work needs: how to assess, and with which networks."""

    settings: Settings
    execution: Execution
    models: ModelSet


class Started(Generic[Result]):
    """Work that was started; its results come in the order of the items."""

    def __init__(self, pending: Sequence[Callable[[], Result]]) -> None:
        self._pending = pending

    def results(self, on_done: Callable[[int, int], None] | None = None) -> list[Result]:
        """Wait for all; ``on_done`` is told how many are ready, and of how many."""
        results = []
        for number, result in enumerate(self._pending):
            results.append(result())
            if on_done is not None:
                on_done(number + 1, len(self._pending))
        return results


class Workers(AbstractContextManager["Workers"]):
    """Calls functions ``f(item, context)`` on items, in processes or, with a single worker, right here.

    Functions and items must be picklable: module-level functions and plain records.

    Args:
        settings: as for ``assess``.
        execution: device and models; on a GPU one worker is best.
        count: processes; 0 is one for each core on a processor, one on any other device.
    """

    def __init__(self, settings: Settings, execution: Execution, *, count: int = 0) -> None:
        self.context = Context(settings, execution, ModelSet.of(execution))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        self.count = count or (cores if self.context.models.device == "cpu" else 1)
        self._pool: ProcessPoolExecutor | None = None
        if self.count > 1:
            self._pool = ProcessPoolExecutor(
                self.count,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_start,
                initargs=(settings, execution, max(1, cores // self.count)),
            )

    def start(self, function: Callable[[Item, Context], Result], items: Iterable[Item]) -> Started[Result]:
        """Begin work on the items, after what was started before; a single worker begins when asked for results."""
        if self._pool is None:
            return Started([partial(function, item, self.context) for item in items])
        return Started([self._pool.submit(_call, function, item).result for item in items])

    def map(
        self,
        function: Callable[[Item, Context], Result],
        items: Iterable[Item],
        on_done: Callable[[int, int], None] | None = None,
    ) -> list[Result]:
        """Results in the order of the items; ``on_done`` is told how many are ready, and of how many."""
        return self.start(function, items).results(on_done)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the processes; what has not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)


_CONTEXT: list[Context] = []


def _start(settings: Settings, execution: Execution, threads: int) -> None:
    import cv2

    leave_with_parent()
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    _CONTEXT.append(Context(settings, execution, ModelSet.of(execution)))


def _call(function: Callable[[Any, Context], Any], item: Any) -> Any:
    return function(item, _CONTEXT[0])
