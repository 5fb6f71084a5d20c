"""Find what was assessed: every folder with an ``assessment.json``, and whose recording it is."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from palsy_cli.documents import is_file_below
from palsy_cli.errors import InputError
from palsy_cli.exports.assessment_file import read_findings
from palsy_cli.exports.findings import Findings
from palsy_cli.exports.tables import original
from palsy_cli.files import ASSESSMENT_JSON, SUMMARY_CSV
from palsy_cli.report.csv_report import TableRow, column_names, iter_rows, read_table
from palsy_cli.text import storable

FIRST_SESSION = "1"
_SUMMARY_COLUMNS = ("patient", "session", "job_id")
_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Visit:
    """One assessed recording. ``patient`` and ``folder`` may name a person and stay on this machine."""

    patient: str
    session: str
    date: datetime.date | None
    folder: Path
    findings: Findings


@dataclass(frozen=True)
class _Who:
    """Patient, session and date of one folder."""

    patient: str
    session: str = FIRST_SESSION
    date: datetime.date | None = None


def find_visits(results: Path, visits_csv: Path | None = None) -> list[Visit]:
    """Every assessment in ``results`` or at any depth below, ordered by folder.

    Patient and session are those of ``visits_csv``, else those of the ``summary.csv`` that a batch wrote beside its
    results (whose results under earlier settings are passed over), else the folder's name and session 1. Dates are
    those of ``visits_csv`` and nothing else: no assessment knows when its video was filmed.

    Args:
        results: one folder of results, or a folder that holds several.
        visits_csv: columns ``folder`` (within ``results``), ``patient``, ``session`` and, optionally, ``date``
            (YYYY-MM-DD).

    Raises:
        InputError: no folder, no assessment in it, a file that cannot be used, or a table that does not list a folder.
    """
    if not results.is_dir():
        raise InputError(f"{results}: no such folder; give the folder that `palsy assess` wrote")
    folders = sorted(path.parent for path in results.rglob(ASSESSMENT_JSON) if path.is_file())
    if not folders:
        raise InputError(f"{results}: no {ASSESSMENT_JSON} in it or below; give the folder that `palsy assess` wrote")
    who = _from_visits(visits_csv, results, folders) if visits_csv else _from_summaries(folders)
    if not who:
        raise InputError(f"{results}: no batch's {SUMMARY_CSV} names these results; name them with --visits FILE")
    return [Visit(**vars(who[own]), folder=own, findings=read_findings(own / ASSESSMENT_JSON)) for own in who]


def patient_key(text: str) -> str:
    """A patient's name as it is compared and kept.

    Systems store the same accented letter in different ways (hence Unicode NFC), and a folder's name need not be text:
    bytes that are none are escaped.
    """
    return unicodedata.normalize("NFC", storable(text.strip()))


def _from_visits(path: Path, results: Path, folders: Sequence[Path]) -> dict[Path, _Who]:
    """What the user's own table says of each folder."""
    listed: dict[Path, _Who] = {}
    for line, row in read_table(path, ("folder", "patient", "session"), optional=("date",)):
        folder = results / original(row["folder"])
        if not is_file_below(results, folder / ASSESSMENT_JSON):
            told = f"{path}, line {line}: {folder} holds no {ASSESSMENT_JSON}"
            raise InputError(f"{told}; folders are named within {results}")
        folder = folder.resolve()
        if folder in listed:
            raise InputError(f"{path}, line {line}: {folder} is listed twice; keep one line")
        listed[folder] = _who(path, line, row, _date(path, line, row["date"]))
    for folder in folders:
        if folder.resolve() not in listed:
            raise InputError(f"{path}: {folder} is not listed; add a line for it")
    return {folder: listed[folder.resolve()] for folder in folders}


def patient_of_batch(folder: Path) -> str | None:
    """Whose recording a folder of results holds, by the ``summary.csv`` of its batch; ``None`` where none names it.

    Raises:
        InputError: the summary cannot be used, or lists the recording as two visits.
    """
    tables: dict[Path, dict[str, list[TableRow]]] = {}
    job = _job_of(folder.resolve(), tables)
    who = _of_job(job[0], tables[job[0]], job[1]) if job else None
    return who.patient if who else None


def _from_summaries(folders: Sequence[Path]) -> dict[Path, _Who]:
    """What batches wrote of their jobs, else folder names; results that a batch left behind are passed over."""
    tables: dict[Path, dict[str, list[TableRow]]] = {}
    who: dict[Path, _Who] = {}
    for folder in folders:
        place = folder.resolve()
        job = _job_of(place, tables)
        own = _of_job(job[0], tables[job[0]], job[1]) if job else _Who(patient_key(place.name))
        if own is not None:
            who[folder] = own
    return who


def _job_of(place: Path, tables: dict[Path, dict[str, list[TableRow]]]) -> tuple[Path, str] | None:
    """The summary of the batch that wrote a folder (``OUT/summary.csv`` beside ``OUT/results/<job id>``), and the job.

    ``None`` where no batch did; ``tables`` keeps the summaries that were read.
    """
    for above in place.parents:
        summary = above.parent / SUMMARY_CSV
        if above.name == "results" and summary not in tables:
            tables[summary] = _jobs(summary)
        if above.name == "results" and tables[summary]:
            return summary, place.relative_to(above).as_posix()
    return None


def _jobs(summary: Path) -> dict[str, list[TableRow]]:
    """Job id to its rows (copies of a video share a job); empty where there is no summary of a batch."""
    if not summary.is_file() or not set(_SUMMARY_COLUMNS) <= set(column_names(summary, iter_rows(summary))):
        return {}
    jobs: dict[str, list[TableRow]] = {}
    for line, row in read_table(summary, _SUMMARY_COLUMNS):
        jobs.setdefault(row["job_id"], []).append((line, row))
    return jobs


def _of_job(summary: Path, jobs: dict[str, list[TableRow]], job: str) -> _Who | None:
    """Whose recording a job read; a batch of patients without sessions leaves the session blank.

    ``None`` for a job that the summary does not list: a result under settings or weights that are left behind.
    """
    if job not in jobs:
        return None
    found = [(line, _who(summary, line, row | {"session": row["session"] or FIRST_SESSION})) for line, row in jobs[job]]
    first, who = found[0]
    for line, other in found:
        if other != who:
            raise InputError(
                f"{summary}, lines {first} and {line}: the same video stands there as two visits; say whose it is with "
                "--visits FILE"
            )
    return who


def _who(path: Path, line: int, row: dict[str, str], date: datetime.date | None = None) -> _Who:
    for name in ("patient", "session"):
        if not row[name]:
            raise InputError(f"{path}, line {line}: {name} is blank; every recording needs one")
    return _Who(patient_key(original(row["patient"])), original(row["session"]), date)


def iso_date(text: str) -> datetime.date:
    """A date written as YYYY-MM-DD; raises ValueError for whatever is written otherwise."""
    return datetime.date.fromisoformat(text if _ISO_DATE.fullmatch(text) else "")


def _date(path: Path, line: int, text: str) -> datetime.date | None:
    if not text:
        return None
    try:
        return iso_date(text)
    except ValueError:
        raise InputError(f"{path}, line {line}: date is {text!r}; write it as YYYY-MM-DD") from None
