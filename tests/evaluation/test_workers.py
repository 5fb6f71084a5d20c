"""Work in one process or several: the same answers in the same order, faults where they belong."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from palsy_cli.config import Execution, Settings
from palsy_cli.evaluation.workers import Context, Workers


def squared(item: int, context: Context) -> tuple[int, int, int]:
    assert context.settings == Settings(seed=3) and context.models.device == "cpu"
    if item < 0:
        raise ValueError("negative")
    return item, item**2, os.getpid()


@pytest.mark.parametrize("count", [1, 2])
def test_results_come_in_order_and_from_where_they_should(count: int) -> None:
    told: list[tuple[int, int]] = []
    with Workers(Settings(seed=3), Execution(device="cpu"), count=count) as workers:
        assert workers.count == count
        found = workers.map(squared, range(6), lambda done, of: told.append((done, of)))
        assert [row[:2] for row in found] == [(i, i * i) for i in range(6)] and told == [(i + 1, 6) for i in range(6)]
        assert (os.getpid() in {row[2] for row in found}) == (count == 1)
        with pytest.raises(ValueError, match="negative"):
            workers.map(squared, [1, -1])


def told_and_slept(item: int, context: Context) -> None:
    sys.stdout.write(f"{os.getpid()}\n")
    sys.stdout.flush()
    time.sleep(600)


_LONG_RUN = """
from test_workers import Execution, Settings, Workers, told_and_slept
with Workers(Settings(), Execution(device="cpu"), count=2) as workers:
    workers.map(told_and_slept, range(2))
"""


@pytest.mark.slow
def test_workers_end_with_who_started_them() -> None:
    here = Path(__file__).parent
    with subprocess.Popen([sys.executable, "-c", _LONG_RUN], cwd=here, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert len({run.stdout.readline() for _ in range(2)}) == 2
        run.kill()
        run.communicate(timeout=60)  # the last of them closes the pipe


def test_one_worker_for_each_core_by_default() -> None:
    with Workers(Settings(), Execution(device="cpu")) as workers:
        assert workers.count == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("count", [1, 2])
def test_parts_started_together_keep_their_results(count: int) -> None:
    with Workers(Settings(seed=3), Execution(device="cpu"), count=count) as workers:
        long, none, short = (workers.start(squared, items) for items in (range(5), [], [7]))
        assert [row[:2] for row in short.results()] == [(7, 49)]
        assert not none.results()
        assert [row[0] for row in long.results()] == [0, 1, 2, 3, 4]
