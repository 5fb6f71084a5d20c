"""What there is to do, and the table of what was done: recordings, jobs and outcomes brought together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from palsy_cli.batch.find import Problem, Recording, find_recordings
from palsy_cli.batch.index import Index
from palsy_cli.batch.jobs import Job, Outcome, job_id, sweep
from palsy_cli.errors import InputError
from palsy_cli.text import storable

_UNREADABLE = InputError.exit_code


@dataclass(frozen=True)
class Entry:
    """One recording with its job; without a job it cannot be read, and ``reason`` says why."""

    recording: Recording
    job: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Plan:
    """All entries of a cohort, and the jobs that are still to be done (each once, whatever the number of copies)."""

    entries: tuple[Entry, ...]
    todo: tuple[Job, ...]
    problems: tuple[Problem, ...]


def plan(
    source: Path,
    out: Path,
    index: Index,
    *,
    settings: str,
    models: Mapping[str, str],
    mirrored: bool = False,
    retry_failed: bool = False,
) -> Plan:
    """What there is and what is to be done.

    Args:
        source: folder of the cohort, or a manifest CSV.
        out: folder of the results.
        index: what is known of them.
        settings: fingerprint of the settings.
        models: name to digest of every weight file.
        mirrored: every recording is a mirror image; otherwise the manifest says.
        retry_failed: what failed before is to be done again.

    Raises:
        InputError, UsageError: as ``find_recordings``.
    """
    sweep(out)
    recordings, problems = find_recordings(source, out=out)
    done = {job for job, outcome in index.outcomes().items() if not (retry_failed and outcome.exit_code)}
    entries: list[Entry] = []
    todo: dict[str, Job] = {}
    for recording in recordings:
        recording = replace(recording, mirrored=recording.mirrored or mirrored)
        try:
            digest = index.digest(recording.path)
        except OSError as error:
            entries.append(Entry(recording, reason=f"cannot be read ({error.strerror or error})"))
            continue
        job = job_id(digest, settings=settings, models=models, mirrored=recording.mirrored)
        entries.append(Entry(recording, job))
        if job not in done:
            todo.setdefault(job, Job(job, recording.path.absolute(), storable(recording.name), recording.mirrored))
    return Plan(tuple(entries), tuple(todo.values()), tuple(problems))


def rows(found: Plan, index: Index, bugs: Mapping[str, Outcome]) -> Iterator[dict[str, Any]]:
    """The summary's rows (``summary.COLUMNS``), failures first, then by patient, session and video.

    ``bugs`` are failures of this run that left no result.
    """
    outcomes = {**index.outcomes(), **bugs}
    known = [_known(entry, outcomes.get(entry.job)) for entry in found.entries]
    known.sort(key=lambda row: (row["status"] != "failed", row["patient"], row["session"], row["video"]))
    for row, facts in zip(known, index.facts(str(row["job_id"]) for row in known), strict=True):
        yield {**(facts or {}), **row}


def _known(entry: Entry, outcome: Outcome | None) -> dict[str, Any]:
    """What is known of one recording without its assessment."""
    recording = entry.recording
    row: dict[str, Any] = {
        "patient": storable(recording.patient),
        "session": storable(recording.session),
        "video": storable(recording.name),
        "job_id": entry.job or None,
        "mirrored": recording.mirrored,
    }
    if entry.reason:
        return {**row, "status": "failed", "exit_code": _UNREADABLE, "reason": entry.reason}
    if outcome is None:
        return {**row, "status": "waiting"}
    if outcome.exit_code:
        return {**row, "status": "failed", "exit_code": outcome.exit_code, "reason": outcome.reason}
    return {**row, "status": "done", "exit_code": 0}
