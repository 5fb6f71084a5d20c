"""A batch from the folder to the tables, from top to bottom. Every step may be cut off and done again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from palsy_cli.batch.gather import write_summaries
from palsy_cli.batch.index import Index
from palsy_cli.batch.jobs import Job, Outcome, forget
from palsy_cli.batch.lock import only_batch
from palsy_cli.batch.plan import Plan, plan, rows
from palsy_cli.batch.pool import Told, run_here
from palsy_cli.batch.work import Order
from palsy_cli.networks.manifest_file import find_models_dir, read_manifest
from palsy_cli.norms import require_weights


@dataclass(frozen=True)
class Batch:
    """What a user asks for.

    Attributes:
        source: folder of the cohort, or a manifest CSV.
        order: what all jobs have in common, the folder of results among it.
        workers: processes on this machine.
        threads: of each of them; ``None`` shares the cores out.
        scheduler: address of a Dask scheduler that does the jobs instead; ``None`` for this machine.
        mirrored: every recording is a mirror image.
        retry_failed: try what failed before once more.
    """

    source: Path
    order: Order
    workers: int = 1
    threads: int | None = None
    scheduler: str | None = None
    mirrored: bool = False
    retry_failed: bool = False


class Watcher:
    """Is told how a batch goes; by itself it keeps still."""

    def planned(self, found: Plan) -> None:
        """What there is and what is to be done."""

    def working(self, worker: str, job: Job, stage: str, done: int, total: int | None) -> None:
        """How far a worker is with a job."""

    def ended(self, outcome: Outcome, job: Job) -> None:
        """How a job ended."""

    def warned(self, line: str) -> None:
        """Something that a user should know."""


def run_batch(batch: Batch, watcher: Watcher, *, only_plan: bool = False) -> list[dict[str, object]]:
    """Assess every recording that has no result yet, then write the tables and the page.

    What is done stays done when the batch is stopped, by whatever; the tables are written in any case.

    Args:
        batch: what is asked for.
        watcher: told how it goes.
        only_plan: stop when the plan is told, and write nothing but the index.

    Returns:
        The failures, as rows of the summary.

    Raises:
        InputError: there is no recording.
        UsageError: the folder cannot be written or is taken, the manifest or the scheduler cannot be used.
        ModelError: weights are missing or damaged.
    """
    out = batch.order.out
    place, _ = find_models_dir(batch.order.execution.models_dir)
    models = {entry.name: entry.sha256 for entry in read_manifest(place)}
    require_weights(batch.order.settings.symptoms.norms, models, where=place)
    with only_batch(out), Index(out) as index:
        found = plan(
            batch.source,
            out,
            index,
            settings=batch.order.settings.fingerprint(),
            models=models,
            mirrored=batch.mirrored,
            retry_failed=batch.retry_failed,
        )
        watcher.planned(found)
        bugs: dict[str, Outcome] = {}
        if only_plan:
            return []
        problems = [(each.name, each.reason) for each in found.problems]
        try:
            _carry_out(found, batch, index, watcher, bugs)
        finally:
            for line in write_summaries(out, lambda: rows(found, index, bugs), problems):
                watcher.warned(line)
        unread: list[dict[str, object]] = [{"video": name, "reason": reason} for name, reason in problems]
        return unread + [row for row in rows(found, index, bugs) if row["status"] == "failed"]


def _carry_out(found: Plan, batch: Batch, index: Index, watcher: Watcher, bugs: dict[str, Outcome]) -> None:
    """Take outcomes into the index as they come; those of ``bugs`` are failures that leave no result."""
    jobs = {job.id: job for job in found.todo}
    # A failure that is tried again, or a folder that holds no whole result, would stand in the new one's way.
    forget(batch.order.out, jobs)
    index.forget(jobs)
    for outcome in _outcomes(found.todo, batch, watcher.working) if jobs else ():
        if outcome.exit_code == 1:
            bugs[outcome.job] = outcome
        else:
            index.learn(outcome.job)
        watcher.ended(outcome, jobs[outcome.job])


def _outcomes(jobs: Iterable[Job], batch: Batch, on_progress: Told) -> Iterator[Outcome]:
    device = batch.order.execution.device
    if batch.scheduler is not None:
        from palsy_cli.batch.cluster import run_on_cluster

        return run_on_cluster(jobs, batch.order, scheduler=batch.scheduler, device=device)
    from palsy_cli.networks.device import choose_devices

    return run_here(
        jobs,
        batch.order,
        workers=batch.workers,
        threads=batch.threads,
        devices=choose_devices(device),
        on_progress=on_progress,
    )
