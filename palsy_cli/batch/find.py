"""The recordings of a cohort, from a folder of patients or from a manifest.

Folders: ``patient/visit/clip.mp4`` to any depth, or BIDS-like ``sub-*/ses-*/``. A manifest is a CSV with the columns
``path`` and ``patient``, and ``session`` and ``mirrored`` where wanted.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from palsy_cli.documents import Unreadable, read_records
from palsy_cli.errors import InputError, UsageError
from palsy_cli.files import ASSESSMENT_JSON
from palsy_cli.text import has_control, storable

#: Endings of videos; pictures are no recordings of a visit.
SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv", ".mts", ".m2ts")
_TRUE, _FALSE = ("1", "true", "yes"), ("", "0", "false", "no")


@dataclass(frozen=True)
class Recording:
    """One video of one visit.

    Attributes:
        path: where it is.
        name: the path as the user knows it, relative to the cohort's folder or as in the manifest.
        patient, session: who and when, as the folders or the manifest say; the session may be empty.
        mirrored: whether the camera stored a mirror image.
    """

    path: Path
    name: str
    patient: str
    session: str = ""
    mirrored: bool = False


@dataclass(frozen=True)
class Problem:
    """A place that could not be read, with its one-line reason."""

    name: str
    reason: str


def find_recordings(source: Path, *, out: Path) -> tuple[list[Recording], list[Problem]]:
    """The recordings below a folder or in a manifest, sorted by name, and what could not be read.

    Hidden entries, results of earlier assessments and ``out`` are passed over; links are followed, but no folder is
    entered twice.

    Raises:
        UsageError: a manifest lacks columns or holds an impossible value.
        InputError: the source does not exist, cannot be read or holds no recording.
    """
    if source.is_file():
        return _read_manifest(source), []
    if not source.is_dir():
        raise InputError(f"{source}: no such folder; name the folder of the patients, or a manifest CSV")
    problems: list[Problem] = []
    paths = sorted(_walk(source, out, problems), key=lambda path: path.relative_to(source).parts)
    recordings = [_of_path(path, source) for path in paths]
    if not recordings and not problems:
        raise InputError(f"{source}: no video in it or below (looked for {', '.join(SUFFIXES)})")
    return recordings, problems


def _walk(root: Path, out: Path, problems: list[Problem]) -> Iterator[Path]:
    """Every video below a folder; folders that cannot be listed and links that lead nowhere become problems."""
    waiting, entered = [root], set()
    out = out.resolve()
    while waiting:
        folder = waiting.pop()
        try:
            place = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            problems.append(
                Problem(storable(str(folder.relative_to(root))), f"the folder cannot be read ({error.strerror})")
            )
            continue
        if (place.st_dev, place.st_ino) in entered or (folder != root and folder.resolve() == out):
            continue
        entered.add((place.st_dev, place.st_ino))
        # A folder that holds one is a result, whatever else lies in it.
        if any(entry.name == ASSESSMENT_JSON for entry in entries):
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if os.path.isdir(path):  # follows links; one that leads to itself is none
                waiting.append(path)
            elif path.suffix.lower() in SUFFIXES:
                yield path


def _of_path(path: Path, root: Path) -> Recording:
    """Patient and session from the folders between the root and the video; a video without any is its own patient."""
    name = path.relative_to(root)
    folders = name.parts[:-1]
    if not folders:
        return Recording(path, name.as_posix(), path.stem)
    whose = next((place for place, part in enumerate(folders) if part.startswith("sub-")), 0)
    session = next((part for part in folders if part.startswith("ses-")), "/".join(folders[whose + 1 :]))
    return Recording(path, name.as_posix(), folders[whose], session)


def _read_manifest(path: Path) -> list[Recording]:
    try:
        names, rows = read_records(path)
    except Unreadable as error:
        raise InputError(f"{path}: not a readable CSV file ({error}); save it as comma-separated UTF-8") from error
    missing = [column for column in ("path", "patient") if column not in names]
    if missing:
        told = f"{path}: column {' and '.join(missing)} missing"
        raise UsageError(f"{told}; a manifest has path, patient and, where wanted, session and mirrored")
    if not rows:
        raise InputError(f"{path}: the manifest has no rows")
    return [_of_row(row, line, path) for line, row in rows]


def _of_row(values: dict[str, str], line: int, manifest: Path) -> Recording:
    for column in ("path", "patient", "session"):
        if has_control(values.get(column, "")):
            raise UsageError(f"{manifest}: line {line}: {column} {values[column]!r} holds a control character")
    if not values["path"] or not values["patient"]:
        raise UsageError(f"{manifest}: line {line} names no {'path' if not values['path'] else 'patient'}")
    mirrored = values.get("mirrored", "").lower()
    if mirrored not in (*_TRUE, *_FALSE):
        raise UsageError(f"{manifest}: line {line}: mirrored is {mirrored!r}; write 1 or 0")
    place = manifest.parent / values["path"]
    return Recording(place, values["path"], values["patient"], values.get("session", ""), mirrored in _TRUE)
