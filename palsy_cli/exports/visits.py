"""Find what was assessed: every folder with an ``assessment.json``, and whose recording it is."""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from palsy_cli.errors import InputError
from palsy_cli.exports.assessment_file import FILE_NAME, read_findings
from palsy_cli.exports.findings import Findings
from palsy_cli.exports.tables import Row, original, read_table
from palsy_cli.report.csv_report import read_rows

SUMMARY_NAME = "summary.csv"
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
    results, else the folder's name and session 1. Dates are those of ``visits_csv`` and nothing else: no assessment
    knows when its video was filmed.

    Args:
        results: one folder of results, or a folder that holds several.
        visits_csv: columns ``folder`` (within ``results``), ``patient``, ``session`` and, optionally, ``date``
            (YYYY-MM-DD).

    Raises:
        InputError: no folder, no assessment in it, a file that cannot be used, or a table that does not list a folder.
    """
    if not results.is_dir():
        raise InputError(f"{results}: no such folder; give the folder that `palsy assess` wrote")
    folders = sorted(path.parent for path in results.rglob(FILE_NAME) if path.is_file())
    if not folders:
        raise InputError(f"{results}: no {FILE_NAME} in it or below; give the folder that `palsy assess` wrote")
    who = _from_visits(visits_csv, results, folders) if visits_csv else _from_summaries(folders)
    return [Visit(**vars(who[folder]), folder=folder, findings=read_findings(folder / FILE_NAME)) for folder in folders]


def patient_key(text: str) -> str:
    """A patient's name as it is compared and kept.

    Systems store the same accented letter in different ways (hence Unicode NFC), and a folder's name need not be text:
    bytes that are none are escaped.
    """
    return unicodedata.normalize("NFC", text.strip().encode("utf-8", "backslashreplace").decode("utf-8"))


def _from_visits(path: Path, results: Path, folders: Sequence[Path]) -> dict[Path, _Who]:
    """What the user's own table says of each folder."""
    listed: dict[Path, _Who] = {}
    for line, row in read_table(path, ("folder", "patient", "session"), optional=("date",)):
        folder = (results / original(row["folder"])).resolve()
        if not (folder / FILE_NAME).is_file():
            raise InputError(f"{path}, line {line}: {folder} holds no {FILE_NAME}; folders are named within {results}")
        if folder in listed:
            raise InputError(f"{path}, line {line}: {folder} is listed twice; keep one line")
        listed[folder] = _who(path, line, row, _date(path, line, row["date"]))
    for folder in folders:
        if folder.resolve() not in listed:
            raise InputError(f"{path}: {folder} is not listed; add a line for it")
    return {folder: listed[folder.resolve()] for folder in folders}


def _from_summaries(folders: Sequence[Path]) -> dict[Path, _Who]:
    """What batches wrote of their jobs (``OUT/summary.csv`` beside ``OUT/results/<job id>``), else folder names."""
    tables: dict[Path, dict[str, Row]] = {}
    who: dict[Path, _Who] = {}
    for folder in folders:
        place = folder.resolve()
        who[folder] = _Who(patient_key(place.name))
        for above in place.parents:
            summary = above.parent / SUMMARY_NAME
            if above.name == "results" and summary not in tables:
                tables[summary] = _jobs(summary)
            if above.name == "results" and tables[summary]:
                who[folder] = _of_job(summary, tables[summary], place.relative_to(above).as_posix())
                break
    return who


def _jobs(summary: Path) -> dict[str, Row]:
    """Job id to row; empty where there is no summary, or something else of that name."""
    rows = read_rows(summary) if summary.is_file() else []
    if not rows or not set(_SUMMARY_COLUMNS) <= {name.strip() for name in rows[0][1]}:
        return {}
    return {row["job_id"]: (line, row) for line, row in read_table(summary, _SUMMARY_COLUMNS)}


def _of_job(summary: Path, jobs: dict[str, Row], job: str) -> _Who:
    """Whose recording a job read; a batch of patients without sessions leaves the session blank."""
    if job not in jobs:
        raise InputError(f"{summary}: no job_id {job}; name patients and sessions with --visits FILE")
    line, row = jobs[job]
    return _who(summary, line, row | {"session": row["session"] or FIRST_SESSION})


def _who(path: Path, line: int, row: dict[str, str], date: datetime.date | None = None) -> _Who:
    for name in ("patient", "session"):
        if not row[name]:
            raise InputError(f"{path}, line {line}: {name} is blank; every recording needs one")
    return _Who(patient_key(original(row["patient"])), original(row["session"]), date)


def _date(path: Path, line: int, text: str) -> datetime.date | None:
    if not text:
        return None
    try:
        return datetime.date.fromisoformat(text if _ISO_DATE.fullmatch(text) else "")
    except ValueError:
        raise InputError(f"{path}, line {line}: date is {text!r}; write it as YYYY-MM-DD") from None
