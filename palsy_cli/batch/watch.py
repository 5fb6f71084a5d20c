"""How a batch goes, for eyes (stderr) or for programs (JSON lines on stdout)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from palsy_cli import console
from palsy_cli.batch.gather import PAGE
from palsy_cli.batch.jobs import Job, Outcome
from palsy_cli.batch.plan import Plan
from palsy_cli.batch.run import Watcher

#: So many failures are listed; the page and the summary hold all.
_MOST_LISTED = 20


class Talker(Watcher):
    """Tells a user what is planned, how far it is, and what failed."""

    def __init__(self, stack: ExitStack) -> None:
        self.stack, self.bars = stack, console.CrewProgress()

    def planned(self, found: Plan) -> None:
        """A table of the plan, then bars."""
        console.table("the plan", ("", "recordings"), [(name, str(count)) for name, count in counts(found).items()])
        if found.todo:
            self.bars = self.stack.enter_context(console.crew_progress(len(found.todo)))

    def working(self, worker: str, job: Job, stage: str, done: int, total: int | None) -> None:
        """Move the worker's bar."""
        self.bars.working(worker, job.name, stage, done, total)

    def ended(self, outcome: Outcome, job: Job) -> None:
        """Move the bar of all jobs; say at once what failed."""
        self.bars.finished()
        if outcome.exit_code:
            console.warn(f"{job.name}: {outcome.reason}")

    def warned(self, line: str) -> None:
        """Say it."""
        console.warn(line)

    def finished(self, failures: Sequence[Mapping[str, Any]], out: Path, *, only_plan: bool) -> None:
        """List the failures; the page's path goes to stdout."""
        self.stack.close()
        if failures:
            listed = [(str(row.get("patient") or ""), str(row["video"]), str(row["reason"])) for row in failures]
            more = f", the first {_MOST_LISTED}" if len(listed) > _MOST_LISTED else ""
            title = f"{len(listed)} failed{more}; all of them are in {out / PAGE}"
            console.table(title, ("patient", "video", "reason"), listed[:_MOST_LISTED])
        if not only_plan:
            console.data(str(out / PAGE))


class Reporter(Talker):
    """One JSON object per event and line on stdout, nothing else."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__(stack)
        self.done, self.total, self.started = 0, 0, time.monotonic()

    def _tell(self, event: str, **facts: Any) -> None:
        console.data(json.dumps({"event": event, **facts}, ensure_ascii=False))

    def planned(self, found: Plan) -> None:
        """``plan`` with its counts."""
        self.total = len(found.todo)
        self._tell("plan", **counts(found))

    def working(self, worker: str, job: Job, stage: str, done: int, total: int | None) -> None:
        """Nothing; a line per frame would be no help."""

    def ended(self, outcome: Outcome, job: Job) -> None:
        """``job`` with how it ended, how many are done, the rate and the time left."""
        self.done += 1
        elapsed = time.monotonic() - self.started
        self._tell(
            "job",
            video=job.name,
            job_id=job.id,
            exit_code=outcome.exit_code,
            reason=outcome.reason or None,
            worker=outcome.worker,
            seconds=round(outcome.seconds, 2),
            done=self.done,
            total=self.total,
            jobs_per_minute=round(60 * self.done / max(elapsed, 1e-3), 2),
            seconds_left=round(elapsed / self.done * (self.total - self.done), 1),
        )

    def warned(self, line: str) -> None:
        """``warning``."""
        self._tell("warning", text=line)

    def finished(self, failures: Sequence[Mapping[str, Any]], out: Path, *, only_plan: bool) -> None:
        """``failure`` for each, then ``end``."""
        for row in failures:
            self._tell("failure", **{name: row.get(name) for name in ("patient", "session", "video", "reason")})
        if not only_plan:
            self._tell("end", failures=len(failures), page=str(out / PAGE))


def counts(found: Plan) -> dict[str, int]:
    """The plan in numbers."""
    to_do = {job.id for job in found.todo}
    jobs = [entry.job for entry in found.entries if entry.job]
    return {
        "found": len(found.entries),
        "to do": len(to_do),
        "copies of another": len(jobs) - len(set(jobs)),
        "done before": len(set(jobs) - to_do),
        "unreadable": len(found.problems) + sum(not entry.job for entry in found.entries),
    }


@contextmanager
def watch(*, json_lines: bool) -> Iterator[Talker]:
    """Whoever watches a batch, until the block ends."""
    with ExitStack() as stack:
        yield (Reporter if json_lines else Talker)(stack)
