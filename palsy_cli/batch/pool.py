"""Worker processes of one machine: each loads the networks once; one that dies costs its job an attempt, no more."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any

from palsy_cli.batch.jobs import Job, Outcome
from palsy_cli.batch.work import Order
from palsy_cli.errors import PalsyError
from palsy_cli.processes import leave_with_parent

#: How often a job may take its worker with it.
ATTEMPTS = 2
#: A worker tells how far it is at most so often, seconds.
_EVERY_S = 0.2
#: Told worker, job, stage, frames done, frames in all.
Told = Callable[[str, Job, str, int, int | None], None]


@dataclass
class _Worker:
    name: str
    process: Any
    pipe: Connection
    job: Job | None = None


@dataclass
class _Crew:
    """The workers and what waits for them."""

    order: Order
    threads: int
    devices: tuple[str, ...]
    waiting: deque[Job]
    attempts: dict[str, int] = field(default_factory=dict)
    workers: list[_Worker] = field(default_factory=list)

    def hire(self, number: int) -> _Worker:
        """A new process with its first job."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        device = self.devices[number % len(self.devices)]
        process = context.Process(target=_live, args=(theirs, self.order, device, self.threads), daemon=True)
        process.start()
        theirs.close()
        worker = _Worker(str(number + 1), process, ours)
        self.give(worker)
        return worker

    def give(self, worker: _Worker) -> None:
        """The next job, or none."""
        worker.job = self.waiting.popleft() if self.waiting else None
        if worker.job is None:
            return
        self.attempts[worker.job.id] = self.attempts.get(worker.job.id, 0) + 1
        try:
            worker.pipe.send(worker.job)
        except OSError:  # it is dead; its end of the pipe tells us so
            return

    def bury(self, worker: _Worker) -> Outcome | None:
        """Put a dead worker's job at the end of the queue, or give it up; somebody else takes the place."""
        worker.process.join()
        job, code = worker.job, worker.process.exitcode
        given_up = None
        if job is not None and self.attempts[job.id] < ATTEMPTS:
            self.waiting.append(job)
        elif job is not None:
            how = f"killed by signal {-code}" if code < 0 else f"exit {code}"
            given_up = Outcome(job.id, 1, f"its worker died {ATTEMPTS} times ({how}; is there enough memory?)")
        worker.pipe.close()
        self.workers[self.workers.index(worker)] = self.hire(int(worker.name) - 1)
        return given_up

    def dismiss(self) -> None:
        """Stop everybody; half-written results are swept away by the next batch."""
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()
            worker.pipe.close()


def run_here(
    jobs: Iterable[Job],
    order: Order,
    *,
    workers: int,
    threads: int | None,
    devices: tuple[str, ...],
    on_progress: Told,
) -> Iterator[Outcome]:
    """Do all jobs in ``workers`` processes and yield how each ended, as they end.

    Args:
        jobs: what is to be done.
        order: what they have in common.
        workers: processes.
        threads: of each; ``None`` shares the machine's cores out between them.
        devices: dealt to the workers in turn.
        on_progress: see ``Told``.

    Raises:
        PalsyError: a worker met something that concerns all jobs (no room, no weights); the others are stopped.
    """
    waiting = deque(jobs)
    crew = _Crew(order, threads or max(1, (os.cpu_count() or 1) // workers), devices, waiting)
    try:
        for number in range(min(workers, len(waiting))):
            crew.workers.append(crew.hire(number))
        while busy := {worker.pipe: worker for worker in crew.workers if worker.job}:
            for pipe in wait(list(busy)):
                worker = busy[pipe]  # type: ignore[index]
                outcome = _heard(worker, crew, on_progress)
                if outcome is not None:
                    yield dataclasses.replace(outcome, worker=worker.name)
    finally:
        crew.dismiss()


def _heard(worker: _Worker, crew: _Crew, on_progress: Told) -> Outcome | None:
    """Take one message; the outcome if it is one, or if the worker died once too often."""
    try:
        message = worker.pipe.recv()
    except (EOFError, OSError):
        return crew.bury(worker)
    if isinstance(message, PalsyError):
        raise message
    if isinstance(message, Outcome):
        crew.give(worker)
        return message
    if worker.job is not None:
        on_progress(worker.name, worker.job, *message)
    return None


def _live(pipe: Connection, order: Order, device: str, threads: int) -> None:
    """A worker's life: get ready, do jobs until nobody gives any."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process decides when to stop
    leave_with_parent()  # nobody would take the result
    try:
        do_job = order.open(device, threads)
        while True:
            pipe.send(do_job(pipe.recv(), _Teller(pipe)))
    except EOFError:
        return
    except PalsyError as error:
        pipe.send(error)


class _Teller:
    """Passes progress on, not too often."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe, self.last = pipe, 0.0

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        if (now := time.monotonic()) - self.last >= _EVERY_S:
            self.last = now
            self.pipe.send((stage, done, total))
