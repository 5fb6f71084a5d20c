"""Jobs on a Dask cluster (extra ``dask``): paths travel, not pixels; every machine sees the same folders.

Dask does what it is good at: it knows the workers, hands out jobs and gives those of a lost worker to another one. It
cannot tell which of a worker's jobs killed it, and gives up all that were with too many lost workers. So those are
done once more, one at a time: only a job that kills workers on its own has failed.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from palsy_cli.batch.jobs import RESULTS, Job, Outcome, read_result
from palsy_cli.batch.work import DoJob, Order
from palsy_cli.errors import PalsyError, UsageError

#: Seconds that the scheduler has to answer.
_PATIENCE_S = 10
#: A cluster without any worker for so many seconds does no more; it is looked at every few.
_WITHOUT_WORKERS_S, _LOOK_S = 300.0, 5.0
#: A process does one job at a time, however many threads its worker was given.
_ONE_AT_A_TIME = threading.Lock()
_DEADLY = "its workers died again and again (is there enough memory?)"


def run_on_cluster(jobs: Iterable[Job], order: Order, *, scheduler: str, device: str) -> Iterator[Outcome]:
    """Do all jobs on the workers of a Dask scheduler and yield how each ended, as they end.

    Args:
        jobs: what is to be done; their paths must mean the same on every worker.
        order: what they have in common; so must its folder.
        scheduler: address such as ``tcp://host:8786``.
        device: what ``--device`` says; each worker chooses for itself.

    Raises:
        UsageError: the extra is not installed, the scheduler does not answer or goes away, or no worker is left.
        PalsyError: a worker met something that concerns all jobs (no room, no weights); the others are stopped.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise UsageError("--scheduler needs Dask; install it with: pip install 'palsy-cli[dask]'") from error
    try:
        client = Client(scheduler, timeout=_PATIENCE_S, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(f"{scheduler}: no Dask scheduler answers there; start one or check the address") from error
    with contextlib.closing(client):
        # Threads as Dask gave them to the worker: who starts the workers shares out the cores.
        def submit(job: Job, attempt: str) -> Any:
            return client.submit(_task, job, order, device, key=f"palsy-{attempt}-{job.id}", pure=False)

        tasks = {submit(job, "first"): job for job in jobs}
        suspects = []
        over, deserted = threading.Event(), threading.Event()
        threading.Thread(target=_watch, args=(client, tasks, over, deserted), daemon=True).start()
        try:
            for future in as_completed(list(tasks), loop=client.loop):
                outcome = _outcome(future, scheduler, deserted)
                future.release()  # or the jobs of a lost worker would be done again, told already or not
                if outcome is None:
                    suspects.append(tasks[future])
                else:
                    yield outcome
            for job in suspects:
                future = submit(job, "alone")
                tasks[future] = job
                yield _outcome(future, scheduler, deserted) or Outcome(job.id, 1, _DEADLY)
                future.release()
        finally:
            over.set()
            with contextlib.suppress(Exception):  # whatever is left of the connection, the reason is told already
                client.cancel(list(tasks))


def _watch(client: Any, tasks: dict[Any, Job], over: threading.Event, deserted: threading.Event) -> None:
    """Give all jobs up, in a thread of its own, when there has been no worker for too long."""
    seen = time.monotonic()
    while not over.wait(_LOOK_S):
        with contextlib.suppress(Exception):  # a scheduler that does not answer is noticed by the jobs themselves
            if client.scheduler_info()["workers"]:
                seen = time.monotonic()
            elif time.monotonic() - seen > _WITHOUT_WORKERS_S:
                deserted.set()
                client.cancel(list(tasks))
                return


def _outcome(future: Any, scheduler: str, deserted: threading.Event) -> Outcome | None:
    """How a job ended; ``None`` when too many workers died that had it."""
    from distributed import KilledWorker

    error = future.exception()
    if future.cancelled():
        gone = "no worker is left, start some" if deserted.is_set() else "the scheduler went away"
        raise UsageError(f"{scheduler}: {gone}; start the batch again, what is done stays done")
    if error is None:
        outcome: Outcome = future.result()
        return outcome
    if isinstance(error, KilledWorker):
        return None
    if isinstance(error, PalsyError):
        raise error
    raise UsageError(
        f"{scheduler}: a worker failed ({type(error).__name__}: {error}); is palsy the same on all of them?"
    )


def _task(job: Job, order: Order, device: str) -> Outcome:
    """One job in a worker's process."""
    import dataclasses

    from distributed import get_worker

    worker = get_worker()
    done = read_result(order.out / RESULTS / job.id)
    if done is not None:  # by a worker that was lost before it could tell
        return done[0]
    with _ONE_AT_A_TIME:
        outcome = _opened(order, device, worker.state.nthreads)(job, None)
    return dataclasses.replace(outcome, worker=str(worker.name))


@functools.lru_cache(maxsize=1)
def _opened(order: Order, device: str, threads: int) -> DoJob:
    """The networks stay loaded between the jobs of a batch."""
    return order.open(device, threads)
