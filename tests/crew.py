"""An order whose jobs take no networks: a video's text says what becomes of it."""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from factories import make_assessment

from palsy_cli.batch.jobs import Job, Outcome, write_failure, write_result
from palsy_cli.batch.run import Batch, Watcher, run_batch
from palsy_cli.batch.work import DoJob, Order
from palsy_cli.config import Execution, Settings
from palsy_cli.console import ProgressCallback
from palsy_cli.errors import ModelError
from palsy_cli.report import report_texts


@dataclass(frozen=True)
class PlayedOrder(Order):
    """See ``play``."""

    def open(self, device: str, threads: int) -> DoJob:
        return functools.partial(play, self)


def played_order(out: Path) -> PlayedOrder:
    return PlayedOrder(out, Settings(), Execution(device="cpu"))


@functools.lru_cache(maxsize=1)
def texts() -> dict[str, str]:
    return report_texts(make_assessment())


def play(order: Order, job: Job, on_progress: ProgressCallback | None = None) -> Outcome:
    """Do what the video's text says.

    ``broken`` fails, ``bug`` is a bug, ``kills`` takes its worker along, ``kills 3`` the first three times only, ``no
    weights`` stops everything; anything else is assessed, after ``slow`` a while.
    """
    text = job.path.read_text(encoding="utf-8")
    if on_progress is not None:
        on_progress("play", 1, 1)
    if text.startswith("no weights"):
        raise ModelError("the weights are gone")
    if text.startswith("kills"):
        _kill(order.out, job.id, int(text.removeprefix("kills") or sys.maxsize))
    if text.startswith("broken"):
        failure = Outcome(job.id, 3, "is no readable video")
        write_failure(order.out, failure)
        return failure
    if text.startswith("bug"):
        return Outcome(job.id, 1, "unexpected ZeroDivisionError")
    if text.startswith("slow"):
        time.sleep(0.02)
    write_result(order.out, job.id, {**texts(), "note.txt": f"{job.name}: {text}"})
    return Outcome(job.id, 0)


def _kill(out: Path, job: str, times: int) -> None:
    """Take this process along, unless the job did so often enough already."""
    killed = len(list(out.glob(f"killed-{job}-*")))
    if killed < times:
        (out / f"killed-{job}-{killed}").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def main(source: str, out: str) -> None:
    """What a test starts in order to kill it."""
    run_batch(Batch(Path(source), played_order(Path(out)), workers=2), Watcher())


if __name__ == "__main__":
    main(*sys.argv[1:])
