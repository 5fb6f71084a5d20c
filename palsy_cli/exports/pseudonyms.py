"""Patients become ``sub-0001``, sessions ``01``, and dates move by a number of days that stays the same for a patient.

Who is who is written into the id map alone, a table that is kept apart from every export.
"""

from __future__ import annotations

import datetime
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from palsy_cli.errors import InputError, UsageError
from palsy_cli.exports.findings import Findings
from palsy_cli.exports.tables import harmless, original
from palsy_cli.exports.visits import Visit, patient_key
from palsy_cli.files import atomic_write
from palsy_cli.report.csv_report import read_table, to_csv

#: ``auto`` moves a patient's dates back by 1 to this many days, so that no date lies in the future.
LONGEST_SHIFT = 364
_COLUMNS = ("patient", "pseudonym", "shift_days")
_PSEUDONYM = re.compile(r"sub-[0-9]{4,9}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,6}")
_SESSION = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class Entry:
    """One line of the id map: the pseudonym and, once drawn, the days that ``auto`` adds to each date."""

    pseudonym: str
    shift_days: int | None = None


@dataclass(frozen=True)
class PseudonymousVisit:
    """A visit as an export sees it: ``subject`` like ``sub-0001``, ``session`` and ``run`` two digits or more.

    ``date`` is shifted already, or ``None``. ``folder`` is for reading tables and is never written.
    """

    subject: str
    session: str
    run: str
    date: datetime.date | None
    folder: Path
    findings: Findings

    @property
    def label(self) -> str:
        """``sub-0001_ses-01_run-01``: the recording within all exports of one id map."""
        return f"{self.subject}_ses-{self.session}_run-{self.run}"


def pseudonymise(visits: Sequence[Visit], *, id_map: Path | None, shift: str | None) -> list[PseudonymousVisit]:
    """Replace patients by pseudonyms and shift the dates, ordered by pseudonym, session and run.

    Args:
        visits: the visits of all patients.
        id_map: who is who, read and extended. New patients are numbered in random order. Without it patients are
            numbered in the order of their names, and nothing is kept.
        shift: days to add to every date, or ``auto``: 1 to 364 days back, drawn once for each patient and kept in the
            id map. Without it no date is passed on.

    Raises:
        UsageError: ``shift`` is no number, ``auto`` has no id map, a shifted date lies outside the calendar, or the id
            map cannot be written.
        InputError: the id map is damaged.
    """
    fixed = _fixed_days(shift, id_map)
    patients = sorted({visit.patient for visit in visits})
    entries = _numbered({}, patients) if id_map is None else _from_map(id_map, patients, draw=shift == "auto")
    places = _places(visits)
    found = []
    for visit in visits:
        entry, (session, run) = entries[visit.patient], places[visit.folder]
        days = entry.shift_days if shift == "auto" else fixed
        date = _shifted(visit.date, days)
        found.append(PseudonymousVisit(entry.pseudonym, session, run, date, visit.folder, visit.findings))
    return sorted(found, key=lambda visit: (visit.subject, int(visit.session), int(visit.run)))


def _fixed_days(shift: str | None, id_map: Path | None) -> int | None:
    """The days that everybody's dates move; ``None`` when they differ or stay here."""
    if shift is None:
        return None
    if shift == "auto":
        if id_map is None:
            raise UsageError("--shift-days auto: needs --id-map FILE, which keeps each patient's shift")
        return None
    if not _WHOLE.fullmatch(shift):
        raise UsageError(f"--shift-days {shift}: must be auto or a whole number of days, such as -100")
    return int(shift)


def _shifted(date: datetime.date | None, days: int | None) -> datetime.date | None:
    if date is None or days is None:
        return None
    try:
        return date + datetime.timedelta(days)
    except OverflowError:
        raise UsageError(f"--shift-days {days}: moves a date out of the calendar; choose fewer days") from None


def _numbered(entries: dict[str, Entry], patients: Iterable[str]) -> dict[str, Entry]:
    """``entries`` and new ones for ``patients``, with numbers beyond those in use."""
    last = max((int(entry.pseudonym.removeprefix("sub-")) for entry in entries.values()), default=0)
    return entries | {patient: Entry(f"sub-{last + i:04d}") for i, patient in enumerate(patients, start=1)}


def _from_map(path: Path, patients: Iterable[str], *, draw: bool) -> dict[str, Entry]:
    """The id map, extended by new patients and shifts and written back where it grew."""
    old = _read_map(path) if path.exists() else {}
    chance = random.SystemRandom()
    new = [patient for patient in patients if patient not in old]
    chance.shuffle(new)  # a number must not tell where a name stands in the alphabet
    entries = _numbered(old, new)
    if draw:
        for patient, entry in entries.items():
            if entry.shift_days is None:
                entries[patient] = replace(entry, shift_days=-chance.randint(1, LONGEST_SHIFT))
    if entries != old:
        rows = [
            (harmless(patient), entry.pseudonym, "" if entry.shift_days is None else str(entry.shift_days))
            for patient, entry in sorted(entries.items(), key=lambda item: item[1].pseudonym)
        ]
        atomic_write(path, to_csv(_COLUMNS, rows), private=True)
    return entries


def _read_map(path: Path) -> dict[str, Entry]:
    """Patient to entry; raises InputError where two lines contradict each other."""
    entries: dict[str, Entry] = {}
    taken: set[str] = set()
    for line, row in read_table(path, _COLUMNS[:2], optional=_COLUMNS[2:]):
        patient, pseudonym, days = patient_key(original(row["patient"])), row["pseudonym"], row["shift_days"]
        if not _PSEUDONYM.fullmatch(pseudonym):
            raise InputError(f"{path}, line {line}: pseudonym is {pseudonym!r}; it must be like sub-0001")
        if days and not _WHOLE.fullmatch(days):
            raise InputError(f"{path}, line {line}: shift_days is {days!r}; it must be a whole number or blank")
        if not patient or patient in entries or pseudonym in taken:
            raise InputError(f"{path}, line {line}: the patient is blank, or patient or pseudonym stands there twice")
        entries[patient] = Entry(pseudonym, int(days) if days else None)
        taken.add(pseudonym)
    return entries


def _places(visits: Sequence[Visit]) -> dict[Path, tuple[str, str]]:
    """Folder to (session, run), two digits each.

    Sessions that are whole numbers below 1000 keep their number. Otherwise (names, dates) those of the patient are
    counted in the order of their dates, then names: a label must say nothing (BIDS). Several recordings of a session
    are runs, in the order of their folders.
    """
    by_patient: dict[str, list[Visit]] = defaultdict(list)
    for visit in visits:
        by_patient[visit.patient].append(visit)
    places: dict[Path, tuple[str, str]] = {}
    for theirs in by_patient.values():
        numbers = _session_numbers(theirs)
        runs: dict[int, int] = defaultdict(int)
        for visit in sorted(theirs, key=lambda visit: visit.folder):
            number = numbers[visit.session]
            runs[number] += 1
            places[visit.folder] = (f"{number:02d}", f"{runs[number]:02d}")
    return places


def _session_numbers(visits: Sequence[Visit]) -> dict[str, int]:
    """A patient's session names to numbers."""
    names = {visit.session for visit in visits}
    if all(_SESSION.fullmatch(name) for name in names):
        return {name: int(name) for name in names}
    first = {
        name: min((visit.date for visit in visits if visit.session == name and visit.date), default=datetime.date.max)
        for name in names
    }
    return {name: i for i, name in enumerate(sorted(names, key=lambda name: (first[name], name)), start=1)}
