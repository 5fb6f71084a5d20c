"""Tables that come in by name of column, and text that no spreadsheet takes for a formula."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from palsy_cli.errors import InputError
from palsy_cli.report.csv_report import cell, iter_rows

#: A spreadsheet runs a cell that begins with one of these (OWASP, "CSV injection"); an apostrophe makes it text.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")

Row = tuple[int, dict[str, str]]


def read_table(path: Path, needed: Sequence[str], *, optional: Sequence[str] = ()) -> list[Row]:
    """The named columns of a CSV or TSV file in UTF-8, as (line number, column -> cell without surrounding blanks).

    Further columns are ignored; an absent optional column reads as blank.

    Raises:
        InputError: unreadable, no text, a needed column is missing, a row is too short.
    """
    rows = iter_rows(path)
    header = column_names(rows)
    missing = [name for name in needed if name not in header]
    if missing:
        shown = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        raise InputError(f"{path}: no column {shown}; the first line must name the columns")
    at = {name: header.index(name) for name in (*needed, *optional) if name in header}
    blank = dict.fromkeys(optional, "")
    return [(line, blank | {name: cell(path, line, name, row, i) for name, i in at.items()}) for line, row in rows]


def column_names(rows: Iterator[tuple[int, list[str]]]) -> list[str]:
    """The first row that ``csv_report.iter_rows`` gives, without surrounding blanks; empty when there is none."""
    return [name.strip() for name in next(rows, (0, []))[1]]


def harmless(text: str) -> str:
    """``text`` with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(text: str) -> str:
    """The inverse of ``harmless``."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
