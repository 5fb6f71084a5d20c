"""What is known of a cohort's files and jobs, kept in SQLite so that a start needs to read nothing twice.

The folders of results are the truth. The index follows them: results that it does not know are read, jobs whose result
is gone are forgotten, and an index that is missing or damaged is built anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from palsy_cli.batch.jobs import RESULTS, Outcome, read_result
from palsy_cli.batch.summary import COLUMNS, checked, facts_of
from palsy_cli.documents import parse_json
from palsy_cli.errors import InputError, UsageError
from palsy_cli.exports.assessment_file import read_findings
from palsy_cli.files import ASSESSMENT_JSON, below, open_below, sha256_of

INDEX = "index.sqlite"
_OF_SQLITE = (INDEX, f"{INDEX}-wal", f"{INDEX}-shm", f"{INDEX}-journal")
_TABLES = {
    "CREATE TABLE files (path BLOB PRIMARY KEY, size INTEGER, changed INTEGER, sha256 TEXT)",
    "CREATE TABLE jobs (id TEXT PRIMARY KEY, exit_code INTEGER, reason TEXT, facts TEXT)",
}


class Index(AbstractContextManager["Index"]):
    """The index of one folder of results; used by one process at a time (``batch.run`` holds the lock).

    Raises:
        UsageError: on opening, when the folder cannot be written.
    """

    def __init__(self, out: Path) -> None:
        self.out = out
        try:
            self._open()
        except sqlite3.DatabaseError:
            self._open_anew()
        self._follow_results()

    def _open_anew(self) -> None:
        """The file is damaged, and all that it says stands in the folders of results."""
        try:
            for name in _OF_SQLITE:
                (self.out / name).unlink(missing_ok=True)
            self._open()
        except (OSError, sqlite3.DatabaseError) as error:
            raise UsageError(
                f"{self.out / INDEX}: cannot be written ({error}); make room or name another -o"
            ) from error

    def _open(self) -> None:
        for name in _OF_SQLITE:
            below(self.out, name)
        # It names patients: the owner's alone, as SQLite's own files beside it then are.
        os.close(open_below(self.out, INDEX, os.O_RDWR))
        self.base = sqlite3.connect(self.out / INDEX)
        self.base.execute("PRAGMA journal_mode = WAL")
        for table in sorted(_TABLES):
            self.base.execute(table.replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS"))
        # What the index keeps of a result depends on the summary's columns; after a change results are read again.
        layout = zlib.crc32(" ".join(column.name for column in COLUMNS).encode()) & 0x7FFFFFFF
        if self.base.execute("PRAGMA user_version").fetchone()[0] != layout:
            with self.base:
                self.base.execute("DELETE FROM jobs")
                self.base.execute(f"PRAGMA user_version = {layout}")
        if not self._is_ours():
            self.base.close()
            raise sqlite3.DatabaseError("not as it was written")

    def _is_ours(self) -> bool:
        """Whether the file is whole, holds our two tables and nothing else, and values of the kinds that we write."""
        made = {str(row[0]) for row in self.base.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL")}
        odd = self.base.execute(
            "SELECT 1 FROM jobs WHERE typeof(id) <> 'text' OR typeof(exit_code) <> 'integer' "
            "OR typeof(reason) <> 'text' OR typeof(facts) <> 'text' LIMIT 1"
        ).fetchone()
        return made == _TABLES and odd is None and self.base.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """One transaction."""
        try:
            with self.base:
                yield
        except sqlite3.OperationalError as error:
            raise UsageError(f"{self.out / INDEX}: cannot be written ({error}); make room and start again") from error

    def _follow_results(self) -> None:
        """Make the table of jobs say what the folders say."""
        results = self.out / RESULTS
        there = {name for name in os.listdir(results) if not name.startswith(".")} if results.is_dir() else set()
        known = {row[0] for row in self.base.execute("SELECT id FROM jobs")}
        self.forget(known - there)
        for job in sorted(there - known):
            self.learn(job)

    def learn(self, job: str) -> Outcome | None:
        """Read a job's result into the index; ``None`` when there is no whole one."""
        found = read_result(self.out / RESULTS / job)
        if found is None:
            return None
        outcome, assessment = found
        try:
            if assessment is not None:
                read_findings(self.out / RESULTS / job / ASSESSMENT_JSON)
            facts = "" if assessment is None else json.dumps(facts_of(assessment))
        except (InputError, ValueError):  # JSON, but no assessment
            return None
        with self._writing():
            self.base.execute(
                "INSERT OR REPLACE INTO jobs VALUES (?, ?, ?, ?)", (job, outcome.exit_code, outcome.reason, facts)
            )
        return outcome

    def digest(self, path: Path) -> str:
        """SHA-256 of a file, computed again only when its size or time of change differ; raises OSError."""
        place, now = os.fsencode(path.absolute()), path.stat()  # a name need not be text
        row = self.base.execute(
            "SELECT sha256 FROM files WHERE path = ? AND size = ? AND changed = ?",
            (place, now.st_size, now.st_mtime_ns),
        ).fetchone()
        if row is not None:
            return str(row[0])
        digest = sha256_of(path)
        with self._writing():
            self.base.execute(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", (place, now.st_size, now.st_mtime_ns, digest)
            )
        return digest

    def forget(self, jobs: Iterable[str]) -> None:
        """Leave these jobs out."""
        with self._writing():
            self.base.executemany("DELETE FROM jobs WHERE id = ?", ((job,) for job in jobs))

    def outcomes(self) -> dict[str, Outcome]:
        """Every finished job."""
        rows = self.base.execute("SELECT id, exit_code, reason FROM jobs")
        return {job: Outcome(job, exit_code, reason) for job, exit_code, reason in rows}

    def facts(self, jobs: Iterator[str]) -> Iterator[dict[str, Any] | None]:
        """The summary's facts of these jobs, in order; ``None`` where there is no assessment."""
        for job in jobs:
            row = self.base.execute("SELECT facts FROM jobs WHERE id = ?", (job,)).fetchone()
            try:
                yield checked(parse_json(row[0])) if row and row[0] else None
            except ValueError as error:
                raise UsageError(f"{self.out / INDEX}: is damaged; remove it, it is built anew") from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self.base.close()
