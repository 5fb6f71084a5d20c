"""What adapters share: folders, numbers in text files, MATLAB files, points, and whether pictures can be opened.

Whatever is wrong with one file is raised as ``Unfit``; the adapter keeps its ``Problem`` and goes on with the next.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import scipy.io

from palsy_cli import documents
from palsy_cli.datasets.faces import Problem
from palsy_cli.errors import VideoError
from palsy_cli.points import POINTS_49
from palsy_cli.records import FloatArray
from palsy_cli.report.terms import ROMAN
from palsy_cli.stages.video import IMAGE_SUFFIXES, count_frames, is_image_inside, natural_key

#: Places of the 66 points of DISFA: no inner mouth corners.
POINTS_66: tuple[int, ...] = (*range(17), *POINTS_49)
_RIGHT_EYE, _LEFT_EYE, _LIPS = range(36, 42), range(42, 48), range(48, 68)
#: First bytes of an HDF5 file lie at one of these places.
_HDF5_AT, _HDF5 = (0, 512), b"\x89HDF\r\n\x1a\n"


class Unfit(Exception):
    """One file or folder cannot be used; ``problem`` says which and why."""

    def __init__(self, where: Path, what: str, kind: Literal["missing", "damaged"] = "damaged") -> None:
        self.problem = Problem(kind, where, what)
        super().__init__(str(self.problem))


def subfolders(folder: Path, pattern: str = ".*") -> list[Path]:
    """Folders directly inside whose whole name matches a regular expression (any case), in natural order.

    Raises:
        Unfit: the folder cannot be listed.
    """
    return [path for path, is_folder in _listing(folder, pattern) if is_folder]


def files_in(folder: Path, pattern: str = ".*") -> list[Path]:
    """Files directly inside, chosen and ordered as ``subfolders`` does; hidden ones (``._001.jpg``) are left out.

    Raises:
        Unfit: the folder cannot be listed.
    """
    return [path for path, is_folder in _listing(folder, pattern) if not is_folder]


def _listing(folder: Path, pattern: str) -> list[tuple[Path, bool]]:
    wanted = re.compile(pattern, re.IGNORECASE)
    try:
        with os.scandir(folder) as entries:
            found = [(folder / e.name, e.is_dir()) for e in entries if e.name[0] != "." and wanted.fullmatch(e.name)]
    except OSError as error:
        raise _refused(folder, error) from error
    return sorted(found, key=lambda item: natural_key(item[0]))


def _refused(path: Path, error: OSError) -> Unfit:
    if isinstance(error, FileNotFoundError):
        return Unfit(path, "is not there", "missing")
    return Unfit(path, f"cannot be read ({error.strerror or error}); check the disk and its permissions")


def locate(root: Path, names: Sequence[str]) -> Path | None:
    """The folder that has one of these names (any case; the first name wins), or ``None``.

    It may lie in ``root`` or in one of its folders, and in a folder of its own name, as archives unpack.

    Raises:
        Unfit: ``root`` or one of its folders cannot be listed.
    """
    places = [subfolders(root), *(subfolders(folder) for folder in subfolders(root))]
    for name in names:
        for folder in (folder for place in places for folder in place):
            if folder.name.casefold() == name.casefold():
                return unpacked(folder)
    return None


def unpacked(folder: Path) -> Path:
    """The folder of the same name inside it, as unpacked archives have it (``SN001/SN001``), or itself."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def numbered_pictures(folder: Path) -> tuple[dict[int, Path], list[Problem]]:
    """Pictures of a sequence by the number that is their name (``0721.jpg`` is 721), from one listing.

    Faults are files without content, two pictures of one number, and a first picture that is none by its header; the
    others are not opened.

    Raises:
        Unfit: the folder cannot be listed.
    """
    numbered: dict[int, Path] = {}
    problems = []
    endings = "|".join(re.escape(suffix) for suffix in sorted(IMAGE_SUFFIXES))
    for path in files_in(folder, rf"\d+({endings})"):
        number = int(path.stem)
        if path.stat().st_size == 0:
            problems.append(Problem("damaged", path, "is empty; copy it again"))
        if number in numbered:
            problems.append(Problem("damaged", path, f"has the number of {numbered[number].name}, too"))
        numbered.setdefault(number, path)
    first = next(iter(numbered.values()), None)
    if first is not None and not problems and (fault := picture_fault(first)):
        problems.append(Problem("damaged", first, fault))
    return numbered, problems


def picture_fault(path: Path) -> str | None:
    """What is wrong with a picture as far as its first bytes tell, or ``None``; it is not decoded."""
    try:
        if path.stat().st_size == 0:
            return "is empty; copy it again"
        return None if is_image_inside(path) else "is no picture by its content; copy it again"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def video_length(path: Path) -> int | None:
    """Frames of a video by its header, or ``None`` when it does not tell; nothing is decoded.

    Raises:
        Unfit: it is no video, or cannot be read.
    """
    try:
        return count_frames(path)
    except VideoError as error:
        raise Unfit(path, str(error).removeprefix(f"{path}: ")) from error


def read_text(path: Path) -> str:
    """A text file in UTF-8, with or without a byte order mark; raises Unfit."""
    try:
        return documents.read_text(path)
    except documents.Unreadable as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: documents.Unreadable) -> Unfit:
    if isinstance(error.__cause__, OSError):
        return _refused(path, error.__cause__)
    return Unfit(
        path, f"is {error}" if isinstance(error.__cause__, UnicodeDecodeError) else f"cannot be used ({error})"
    )


def read_numbers(path: Path, *, columns: int, separator: str | None = None) -> FloatArray:
    """A table of numbers without a header.

    Args:
        path: the file; empty lines are passed over.
        columns: how many there must be in every line.
        separator: between columns; any space by default.

    Returns:
        (N, columns), N >= 1, finite.

    Raises:
        Unfit: it cannot be read, is empty, has another number of columns or a word where a number belongs; the fault
            names the line.
    """
    lines = read_text(path).splitlines()
    if not any(line.strip() for line in lines):
        raise Unfit(path, "is empty")
    try:
        table = np.loadtxt(lines, delimiter=separator, comments=None, ndmin=2)
    except ValueError:
        table = np.empty((0, 0))
    if table.shape[1] == columns and np.isfinite(table).all():
        return table
    for number, line in enumerate(lines, start=1):
        cells = line.split(separator)
        if line.strip() and len(cells) != columns:
            raise Unfit(path, f"line {number}: {len(cells)} columns where {columns} belong: {line.strip()[:60]!r}")
        for cell in cells if line.strip() else ():
            if not is_number(cell):
                raise Unfit(path, f"line {number}: {cell.strip()!r} is no number")
    raise Unfit(path, f"is no table of {columns} columns of numbers")


def is_number(text: str) -> bool:
    """Whether a cell holds a finite number."""
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def read_grade(text: str) -> float:
    """House-Brackmann grade 1..6 in halves from ``3``, ``3.5`` or ``III``; raises ValueError."""
    grade = 1.0 + ROMAN.index(text.upper()) if text.upper() in ROMAN else float(text)
    if not (1 <= grade <= 6 and (2 * grade).is_integer()):
        raise ValueError(text)
    return grade


def line_of_row(path: Path, row: int) -> int:
    """Line, counted from 1, of a row of ``read_numbers``, counted from 0: empty lines count as lines, not as rows."""
    filled = [number for number, line in enumerate(read_text(path).splitlines(), start=1) if line.strip()]
    return filled[row]


def read_mat(path: Path, variable: str) -> Any:
    """One variable of a MATLAB file up to version 7; nothing in it is run.

    Raises:
        Unfit: it is missing, damaged, of version 7.3 (see ``is_hdf5``) or does not have the variable.
    """
    try:
        stored = documents.read_bytes(path)
    except documents.Unreadable as error:
        raise _unreadable(path, error) from error
    if _says_hdf5(stored):
        raise Unfit(path, "is a MATLAB file of version 7.3, which cannot be read here; save it with -v7")
    try:
        content = scipy.io.loadmat(io.BytesIO(stored), variable_names=[variable])
    except Exception as error:  # scipy raises many kinds for a damaged file; all of them mean the same to the user
        raise Unfit(path, f"cannot be read as a MATLAB file ({type(error).__name__}); copy it again") from error
    if variable not in content:
        raise Unfit(path, f"holds no variable {variable!r}; is it another file?")
    return content[variable]


def is_hdf5(path: Path) -> bool:
    """Whether a file is HDF5 by its content, as MATLAB files of version 7.3 are; raises Unfit when it is not there."""
    try:
        with path.open("rb") as stream:
            head = stream.read(_HDF5_AT[-1] + len(_HDF5))
    except OSError as error:
        raise _refused(path, error) from error
    return _says_hdf5(head)


def _says_hdf5(head: bytes) -> bool:
    return any(head[start : start + len(_HDF5)] == _HDF5 for start in _HDF5_AT)


def spread(points: FloatArray, places: Sequence[int]) -> FloatArray:
    """Put points (P, 2) to their places among the 68; the others are NaN.

    Raises:
        ValueError: another number of points than places.
    """
    if points.shape != (len(places), 2):
        raise ValueError(f"points: expected shape ({len(places)}, 2), got {points.shape}")
    whole = np.full((68, 2), np.nan)
    whole[list(places)] = points
    return whole


def mirrored(points: FloatArray) -> bool:
    """Whether the 68 points take the person's right for the left, or the picture was mirrored.

    Seen from the eye that the points call the right one (36-41), the other eye lies on the wrong side of the way from
    the eyes to the mouth; a tilted head changes nothing. False where eyes or lips are not marked.

    Args:
        points: (68, 2) pixels (y down), NaN where not marked.
    """
    known = set(np.flatnonzero(np.isfinite(points).all(axis=1)).tolist())
    parts = [[place for place in part if place in known] for part in (_RIGHT_EYE, _LEFT_EYE, _LIPS)]
    if not all(parts):
        return False
    right, left, mouth = (points[part].mean(axis=0) for part in parts)
    across, down = left - right, mouth - (left + right) / 2
    return bool(across[0] * down[1] - across[1] * down[0] < 0)


def confused(example: Path, count: int, total: int) -> Problem:
    """What to say of points with left and right exchanged: in most frames the copy is mirrored, else a tracker slipped.

    Args:
        example: a file that has such points.
        count: frames that have them, left out.
        total: frames with points.
    """
    if 2 * count > total:
        return Problem("damaged", example, "points: left and right are exchanged; the copy is mirrored")
    return Problem("note", example, f"points: left and right are exchanged in {count} of {total} frames; left out")


def first_of(names: Iterable[object]) -> str:
    """``a`` or ``a (and 3 more)``."""
    first, *others = (str(name) for name in names)
    return first + and_more(len(others) + 1)


def and_more(count: int) -> str:
    """What to put behind one of ``count`` faults of a kind: nothing or `` (and 3 more)``."""
    return f" (and {count - 1} more)" if count > 1 else ""
