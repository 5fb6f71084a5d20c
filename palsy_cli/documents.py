"""Files that somebody else wrote: JSON, TOML, tables and arrays, read so that none of them can do harm.

Whatever is wrong with a file is ``Unreadable``, in one line, after bounded time and memory; nothing in a file is run.
Every reader of the product goes through here and says in its own error where the file is and what to do next.
"""

from __future__ import annotations

import csv
import json
import math
import os
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from palsy_cli.text import one_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import numpy as np

#: Bytes of a document; the largest of ours, the truth of ten simulated minutes, has a fifth of that.
MOST_BYTES = 256 << 20
#: Bytes of a TOML file; ours have some thousands, and the parser takes long for what is much longer.
MOST_TOML = 1 << 20
#: Levels of lists and tables within each other; ours have eight.
MOST_DEPTH = 64
#: Digits of a whole number: whatever is counted here is far below.
_MOST_DIGITS = 18
#: Letters of a row of a table; a row of the widest table of ours has some thousands.
_MOST_LETTERS = 1 << 20


class Unreadable(ValueError):
    """A file cannot be read, or is not what it should be; the text is the reason in one line, without the path."""

    def __init__(self, reason: object) -> None:
        super().__init__(one_line(str(getattr(reason, "strerror", None) or reason or type(reason).__name__)))


def read_bytes(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The content of a file of at most so many bytes; raises Unreadable."""
    try:
        require_file(path)
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: the path itself is none
        raise Unreadable(error) from error
    if len(content) > most:
        raise Unreadable(f"longer than {most >> 20} MiB")
    return content


def require_file(path: Path) -> None:
    """Refuse what is no file, such as a pipe that nobody writes to.

    What the shell puts there for ``<(command)`` lies below ``/dev`` and is read like a file.

    Raises:
        OSError: there is nothing, or no file.
        ValueError: the path itself is none.
    """
    if not stat.S_ISREG(path.stat().st_mode) and not (path.is_absolute() and path.parts[1:2] == ("dev",)):
        raise OSError("no file, but a folder or a device")


def is_file_below(folder: Path, path: Path) -> bool:
    """Whether ``path``, which a table names, is a file in ``folder`` or deeper by its name; never raises."""
    return is_file(path) and os.path.commonpath(map(os.path.abspath, (folder, path))) == os.path.abspath(folder)


def is_file(path: Path) -> bool:
    """Whether there is a file; a path that none can have, too long or with a NUL, is no error."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """A text in UTF-8, with or without a byte order mark; raises Unreadable."""
    try:
        return read_bytes(path, most=most).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"no UTF-8 text (byte {error.start})") from error


def read_json(path: Path) -> Any:
    """What a JSON file holds; raises Unreadable as ``parse_json`` does."""
    return parse_json(read_text(path))


def parse_json(text: str) -> Any:
    """The value of a JSON text: numbers are finite, no name stands twice in a table, all text is Unicode.

    Raises:
        Unreadable: it is no JSON, or one of that is not so, or it is nested deeper than ``MOST_DEPTH``.
    """
    try:
        value = json.loads(
            text, parse_constant=_refuse, parse_float=_real, parse_int=_whole, object_pairs_hook=_each_once
        )
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    except ValueError as error:
        raise Unreadable(error) from error
    _require_shallow(value)
    return value


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds; raises Unreadable as ``parse_toml`` does."""
    return parse_toml(read_text(path, most=MOST_TOML))


def parse_toml(text: str) -> dict[str, Any]:
    """The table of a TOML text; raises Unreadable when it is none, or nested deeper than ``MOST_DEPTH``."""
    try:
        value = tomllib.loads(text)
    except RecursionError as error:
        raise Unreadable("nested too deeply") from error
    except (ValueError, OverflowError) as error:
        raise Unreadable(error) from error
    _require_shallow(value)
    return value


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file (TSV, where the first line has tabs and no comma) that are not empty, one at a time.

    Yields:
        The number of the row's last line, and its cells.

    Raises:
        Unreadable: it is no text in UTF-8, or breaks off within a quoted cell, or a row is very long.
    """
    try:
        require_file(path)
        with path.open(encoding="utf-8-sig", newline="") as stream:  # line ends within a quoted cell stay as they are
            yield from _rows(stream)
    except UnicodeDecodeError as error:
        raise Unreadable("no UTF-8 text") from error
    except (OSError, ValueError, csv.Error) as error:
        raise Unreadable(error) from error


def read_records(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """The columns that the first row of a table names, and all other rows: line number, and cell by column.

    Blanks around names and cells are taken away. What a row lacks is blank, what it has beyond the columns is left out.

    Raises:
        Unreadable: as ``read_rows``, or two columns have one name.
    """
    rows = read_rows(path)
    names = [name.strip() for name in next(rows, (0, []))[1]]
    require_once(names)
    blank = dict.fromkeys(names, "")
    return names, [(line, blank | {n: cell.strip() for n, cell in zip(names, row, strict=False)}) for line, row in rows]


def require_once(names: Sequence[str]) -> None:
    """Raise Unreadable when two columns have one name: nobody knows which is meant."""
    twice = repeated(filter(None, names))
    if twice is not None:
        raise Unreadable(f"two columns {twice}; keep one of them")


def repeated(names: Iterable[str]) -> str | None:
    """The first of some names that stands there more than once."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def read_arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """All arrays of a NumPy archive by name; objects, which would be code, are refused; raises Unreadable."""
    import numpy as np

    try:
        require_file(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except Exception as error:  # NumPy, zipfile and zlib raise a dozen kinds for a damaged file
        raise Unreadable(error) from error


def _rows(stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    lines = _Lines(stream)
    first = next(lines, "")
    delimiter = "\t" if "\t" in first and "," not in first else ","
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    for row in reader:
        lines.letters = 0
        if any(cell.strip() for cell in row):
            yield reader.line_num, row


class _Lines(Iterator[str]):
    """The lines of a stream; ``letters`` counts those since whoever reads last set it to 0, and may not become many."""

    def __init__(self, stream: TextIO) -> None:
        self.stream, self.letters = stream, 0

    def __next__(self) -> str:
        line = self.stream.readline(_MOST_LETTERS + 1)
        self.letters += len(line)
        if self.letters > _MOST_LETTERS:
            raise Unreadable(f"a row is longer than {_MOST_LETTERS} letters")
        if not line:
            raise StopIteration
        return line


def _refuse(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def _real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"{text[:40]}... is too large a number")
    return int(text)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    twice = repeated(name for name, _ in pairs) if len(table) < len(pairs) else None
    if twice is not None:
        raise ValueError(f"{twice[:40]!r} stands twice in one table")
    return table


def _require_shallow(value: Any) -> None:
    """Refuse what is nested too deeply, and text that no file can hold: half a letter (a lone surrogate)."""
    level = [value]
    for _ in range(MOST_DEPTH):
        inner: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                _require_unicode(each)
                inner += each.values()
            elif isinstance(each, list):
                inner += each
            elif isinstance(each, str):
                _require_unicode((each,))
        level = inner
        if not level:
            return
    raise Unreadable(f"nested deeper than {MOST_DEPTH} levels")


def _require_unicode(texts: Any) -> None:
    try:
        for text in texts:
            text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Unreadable("a text is no Unicode (half of a surrogate pair)") from error
