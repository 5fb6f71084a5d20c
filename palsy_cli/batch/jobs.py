"""A job: one video under one setting with one set of weights. Its folder of results appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palsy_cli.documents import Unreadable, read_json
from palsy_cli.errors import InputError, UsageError
from palsy_cli.files import ASSESSMENT_JSON, atomic_write, below
from palsy_cli.text import one_line

RESULTS = "results"
FAILURE = "failure.json"
#: Beginning of the names of folders that are being written; what a killed process leaves behind is swept away.
_PART = ".part-"


@dataclass(frozen=True)
class Job:
    """What a worker needs to know: paths, no pixels.

    Attributes:
        id: digest of video, settings, weights and mirroring, 32 hex digits.
        path: the video.
        name: as the user knows it.
        mirrored: whether the recording is a mirror image.
    """

    id: str
    path: Path
    name: str
    mirrored: bool = False


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``exit_code`` is that of ``palsy assess``, ``reason`` its line where that is not 0."""

    job: str
    exit_code: int
    reason: str = ""
    seconds: float = 0.0
    worker: str = ""


def job_id(video_sha256: str, *, settings: str, models: Mapping[str, str], mirrored: bool) -> str:
    """Identity of a job: the same for a renamed video, another one for a changed setting or weight."""
    what = {"video": video_sha256, "settings": settings, "models": dict(models), "mirrored": mirrored}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:32]


def write_result(out: Path, job: str, files: Mapping[str, str]) -> None:
    """Put a job's files into ``out/results/<job>``: written and synced beside it, then renamed into place.

    A result that is already there (another worker was taken for dead and was not) is left as it is.

    Raises:
        UsageError: the disk is full, or the folder cannot be written or leads elsewhere; nothing is left behind.
    """
    results = below(out, RESULTS)
    part: Path | None = None
    try:
        results.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(dir=results, prefix=f"{_PART}{job}-"))
        for name, text in files.items():
            atomic_write(part / name, text, private=True)
        _sync(part)
        if not below(results, job).exists():
            part.rename(results / job)
            _sync(results)
    except OSError as error:
        why = error.strerror or error
        raise UsageError(f"{results}: cannot be written ({why}); make room and start again") from error
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def write_failure(out: Path, outcome: Outcome) -> None:
    """Keep a video's failure as its result: it would fail again."""
    record = {"exit_code": outcome.exit_code, "reason": outcome.reason}
    write_result(out, outcome.job, {FAILURE: json.dumps(record, indent=2, ensure_ascii=False) + "\n"})


def read_result(folder: Path) -> tuple[Outcome, dict[str, Any] | None] | None:
    """The outcome that a job's folder holds, with its assessment; ``None`` when it is no whole result."""
    try:
        if (folder / ASSESSMENT_JSON).exists():
            return Outcome(folder.name, 0), read_json(folder / ASSESSMENT_JSON)
        record = read_json(folder / FAILURE)
        if record["exit_code"] != InputError.exit_code:
            return None
        return Outcome(folder.name, record["exit_code"], one_line(str(record["reason"]))), None
    except (OSError, Unreadable, LookupError, TypeError):
        return None


def forget(out: Path, jobs: Iterable[str]) -> None:
    """Remove the results of these jobs; of a link the link. Raises UsageError where ``results`` itself is one."""
    results = below(out, RESULTS)
    for place in (results / job for job in jobs):
        if place.is_symlink():
            place.unlink(missing_ok=True)
        else:
            shutil.rmtree(place, ignore_errors=True)


def sweep(out: Path) -> None:
    """Remove what killed processes left half-written: results, and the temporary files of ``files.atomic_file``.

    Raises:
        UsageError: the folder of the results is a link.
    """
    for part in below(out, RESULTS).glob(f"{_PART}*"):
        shutil.rmtree(part, ignore_errors=True)
    for file in out.glob(".*.part"):
        file.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Make sure that a folder's entries are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
