"""Counts over the rows of a summary, taken in one pass: what ``cohort.html`` shows.

Memory grows with the patients' visits (some 300 bytes each), not with the rows: lists are cut, distributions are bins.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from palsy_cli.batch.summary import PAIRS_APART, REGIONS, WARNINGS_APART, Row, plain
from palsy_cli.exports.visits import patient_key
from palsy_cli.records import FRAME_REASONS

MAX_FAILURES = 200
MAX_LINKS = 2000
#: Different reasons, warnings and versions that are told apart; whatever else comes is counted together.
MAX_KINDS = 500
OTHER = "others"
#: Asymmetry is counted in steps of a tenth from -10 (left does not move) to 10 (right does not move).
STEPS = 10
#: Columns that agree where results may be compared.
RUN = ("palsy_version", "profile", "settings_sha256", "models_sha256")
_NUMBER = re.compile(r"(?<![\w.])\d+(\.\d+)?")
_DIGITS = re.compile(r"(\d+)")


@dataclass(frozen=True)
class Failure:
    """A video that failed, or a place that could not be read (no patient)."""

    patient: str
    session: str
    video: str
    reason: str


@dataclass(frozen=True)
class Link:
    """An assessed video: whose, and what was found."""

    patient: str
    session: str
    video: str
    job: str
    grade: int | None
    severity: str | None
    weak_side: str | None


@dataclass(frozen=True)
class Visit:
    """Means over the videos of one session; ``None`` where none was assessed."""

    session: str
    grade: float | None
    delta_am: float | None


@dataclass
class Tally:
    """What has been counted so far. ``None`` as a key counts videos in which the thing was not assessed.

    Attributes:
        status: videos by status.
        patients: everybody's names.
        failures: the first ``MAX_FAILURES``; ``reasons`` counts all, without paths and numbers.
        links: the first ``MAX_LINKS`` assessed videos.
        grades, severities, weak_sides, synkinesis: assessed videos by result.
        region_sides, region_steps: by region, videos by weak side, and by asymmetry in tenths (see ``STEPS``).
        pairs: (response, trigger) such as ``("left:AU06", "left:AU20")``.
        usable: videos by tenths of usable frames, 0..9; the whole is in 9.
        keyframes: videos by number of key frames.
        frames, left_out: all frames, and those left out by reason.
        warnings: videos by warning, without numbers; ``warned`` counts videos that have any.
        runs: every (version, profile, settings' digest, weights' digest) that made a result, ``MAX_KINDS`` at most.
    """

    status: Counter[str] = field(default_factory=Counter)
    patients: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    links: list[Link] = field(default_factory=list)
    grades: Counter[int | None] = field(default_factory=Counter)
    severities: Counter[str | None] = field(default_factory=Counter)
    weak_sides: Counter[str | None] = field(default_factory=Counter)
    synkinesis: Counter[bool | None] = field(default_factory=Counter)
    region_sides: dict[str, Counter[str | None]] = field(default_factory=lambda: {name: Counter() for name in REGIONS})
    region_steps: dict[str, Counter[int]] = field(default_factory=lambda: {name: Counter() for name in REGIONS})
    pairs: Counter[tuple[str, str]] = field(default_factory=Counter)
    usable: Counter[int] = field(default_factory=Counter)
    keyframes: Counter[int] = field(default_factory=Counter)
    frames: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    warnings: Counter[str] = field(default_factory=Counter)
    warned: int = 0
    runs: set[tuple[str | None, ...]] = field(default_factory=set)
    _sums: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def watch(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The same rows, each counted as it passes."""
        for row in rows:
            self.add(row)
            yield row

    def add(self, row: Row) -> None:
        """Count one row of the summary."""
        patient = patient_key(row.get("patient") or "")
        session, video = plain(row.get("session")) or "", plain(row.get("video")) or ""
        self.status[row["status"]] += 1
        self.patients.add(patient)
        if row["status"] == "failed":
            self._add_failure(Failure(patient, session, video, short_reason(plain(row.get("reason")) or "", video)))
        if row["status"] == "done":
            self._add_results(row)
            self._add_quality(row)
            self._add_visit(patient, session, row)
            if len(self.links) < MAX_LINKS:
                grades = row.get("house_brackmann"), row.get("severity"), row.get("weak_side")
                self.links.append(Link(patient, session, video, row["job_id"], *grades))

    def _add_failure(self, failure: Failure) -> None:
        _count(self.reasons, _NUMBER.sub("…", failure.reason))
        if len(self.failures) < MAX_FAILURES:
            self.failures.append(failure)

    def _add_results(self, row: Row) -> None:
        self.grades[row.get("house_brackmann")] += 1
        self.severities[row.get("severity")] += 1
        self.weak_sides[row.get("weak_side")] += 1
        self.synkinesis[row.get("synkinesis")] += 1
        for region in REGIONS:
            self.region_sides[region][row.get(f"{region}_weak_side")] += 1
            relative, delta = row.get(f"{region}_relative"), row.get(f"{region}_delta_am")
            if relative is not None and delta is not None:
                self.region_steps[region][round(STEPS * math.copysign(min(relative, 1.0), delta))] += 1
        for pair in (row.get("synkinesis_pairs") or "").split(PAIRS_APART):
            response, found, trigger = pair.partition("<")
            if found:
                self.pairs[response, trigger] += 1
        if len(self.runs) < MAX_KINDS:
            self.runs.add(tuple(row.get(name) for name in RUN))

    def _add_quality(self, row: Row) -> None:
        frames = row.get("frames") or 0
        if frames:
            self.usable[min(9, 10 * (row.get("usable_frames") or 0) // frames)] += 1
        self.frames += frames
        for reason in FRAME_REASONS:
            self.left_out[reason] += row.get(f"frames_{reason}") or 0
        self.keyframes[row.get("keyframes") or 0] += 1
        warnings = plain(row.get("warnings"))
        self.warned += warnings is not None
        for warning in (warnings or "").split(WARNINGS_APART):
            if warning:
                _count(self.warnings, _NUMBER.sub("…", warning))

    def _add_visit(self, patient: str, session: str, row: Row) -> None:
        sums = self._sums.setdefault((patient, session), [0, 0.0, 0, 0.0])
        for place, name in ((0, "house_brackmann_expected"), (2, "delta_am")):
            if (value := row.get(name)) is not None:
                sums[place] += 1
                sums[place + 1] += value

    @property
    def sessions(self) -> int:
        """Sessions of all patients with an assessed video."""
        return len(self._sums)

    def courses(self) -> dict[str, list[Visit]]:
        """Patients with two sessions or more and an assessed video in each, both in natural order."""
        found: dict[str, list[Visit]] = {}
        for (patient, session), (grades, grade, deltas, delta) in self._sums.items():
            visit = Visit(session, grade / grades if grades else None, delta / deltas if deltas else None)
            found.setdefault(patient, []).append(visit)
        several = sorted((name for name, visits in found.items() if len(visits) > 1), key=natural)
        return {name: sorted(found[name], key=lambda visit: natural(visit.session)) for name in several}


def natural(text: str) -> tuple[list[Any], str]:
    """A key that sorts ``visit 2`` before ``visit 10``, whatever the case and the length of a number."""
    parts: list[Any] = _DIGITS.split(text.casefold())
    parts[1::2] = [(len(digits.lstrip("0")), digits.lstrip("0")) for digits in parts[1::2]]
    return parts, text


def short_reason(reason: str, video: str) -> str:
    """A failure's reason without the path at its beginning, which the page shows beside it."""
    after = reason.partition(f"{PurePosixPath(video).name}: ")[2] if video else ""
    return after or reason or "no reason was recorded"


def _count(counter: Counter[str], key: str) -> None:
    counter[key if key in counter or len(counter) < MAX_KINDS else OTHER] += 1
