r"""Result tables as Markdown to read, CSV and JSON to go on with, and LaTeX (package ``booktabs``) to publish."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from palsy_cli.evaluation.results import Cell, ResultRow, ResultTable
from palsy_cli.exports.tables import harmless
from palsy_cli.report.csv_report import to_csv
from palsy_cli.text import markdown_cell, markdown_line, printable

_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "[": "{[}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
}  # fmt: skip
_CSV_HEAD = ("table", "row", "origin", "column", "value", "low", "high", "sd", "recomputed", "note")


def tables_to_markdown(tables: Sequence[ResultTable], *, title: str, about: Iterable[str] = ()) -> str:
    """A page: title, a line each of what it rests on, every table with its notes."""
    lines = [f"# {markdown_line(title)}", "", *(f"- {markdown_line(line)}" for line in about)]
    for table in tables:
        notes = [f"- {markdown_line(note)}" for note in remarks(table)]
        lines += ["", f"## {markdown_line(table.title)}", "", *_markdown(table), *([""] if notes else []), *notes]
    return "\n".join(lines) + "\n"


def _markdown(table: ResultTable) -> Iterator[str]:
    def line(texts: Iterable[str]) -> str:
        return "| " + " | ".join(texts) + " |"

    yield line(map(markdown_cell, (table.corner, *table.columns)))
    yield line(("---", *["---:"] * len(table.columns)))
    for row in table.rows:
        label = markdown_cell(row.label)
        yield line((f"**{label}**" if _stands_out(table, row) else label, *_texts(table, row)))


def _stands_out(table: ResultTable, row: ResultRow) -> bool:
    """Whether a row is ours among published ones."""
    return row.origin == "ours" and any(other.origin == "published" for other in table.rows)


def _texts(table: ResultTable, row: ResultRow) -> list[str]:
    return [cell_text(cell, decimals=table.decimals) for cell in row.cells]


def remarks(table: ResultTable) -> list[str]:
    """The notes of a table, then those of its rows with their labels."""
    return [*table.notes, *(f"{row.label}: {row.note}" for row in table.rows if row.note)]


def cell_text(cell: Cell, *, decimals: int) -> str:
    """``72.8 [74.0]``, ``11.6 ± 2.3``, ``63.5 (60.1 to 66.2)``; a dash where there is no figure."""
    if cell.value is None:
        return "-"

    def number(value: float) -> str:
        return str(value) if isinstance(value, int) else f"{round(value, decimals) + 0.0:.{decimals}f}"

    text = number(cell.value)
    if cell.sd is not None:
        text += f" ± {number(cell.sd)}"
    if cell.recomputed is not None:
        text += f" [{number(cell.recomputed)}]"
    if cell.interval is not None:
        text += f" ({number(cell.interval[0])} to {number(cell.interval[1])})"
    return text


def tables_to_csv(tables: Sequence[ResultTable]) -> str:
    """One line for each figure, numbers unrounded; a row without figures has one line with its note."""
    return to_csv(_CSV_HEAD, (line for table in tables for row in table.rows for line in _csv_lines(table, row)))


def _csv_lines(table: ResultTable, row: ResultRow) -> Iterator[Sequence[object]]:
    start = (table.key, harmless(row.label), row.origin)
    known = [(name, cell) for name, cell in zip(table.columns, row.cells, strict=True) if cell.value is not None]
    if not known:
        yield (*start, *[""] * 6, harmless(row.note))
    for name, cell in known:
        low, high = cell.interval or (None, None)
        figures = (cell.value, low, high, cell.sd, cell.recomputed)
        yield (*start, harmless(name), *("" if value is None else value for value in figures), harmless(row.note))


def tables_to_json(tables: Sequence[ResultTable], *, about: Mapping[str, Any]) -> str:
    """The same as JSON, with what it rests on; a figure that there is none of is null."""
    found = [dataclasses.asdict(table) for table in tables]
    return json.dumps({"schema_version": "1.0", **about, "tables": found}, indent=2, allow_nan=False) + "\n"


def tables_to_latex(tables: Sequence[ResultTable]) -> str:
    r"""Floating tables to ``\input``; the preamble needs ``\usepackage{booktabs}``, wide ones a smaller font."""
    return "\n".join(_latex(table) for table in tables)


def _latex(table: ResultTable) -> str:
    def line(texts: Iterable[str]) -> str:
        return " & ".join(texts) + r" \\"

    body: list[str] = []
    for published in (True, False):
        rows = [row for row in table.rows if (row.origin == "published") is published]
        body += [r"\midrule"] if rows else []
        for row in rows:
            label = latex_text(row.label)
            body.append(
                line(
                    (rf"\textbf{{{label}}}" if _stands_out(table, row) else label, *map(latex_text, _texts(table, row)))
                )
            )
    notes = [rf"\par\footnotesize {latex_text(note)}" for note in remarks(table)]
    lines = [
        r"\begin{table}", r"\centering",
        rf"\caption{{{latex_text(table.title)}}}", rf"\label{{tab:{table.key}}}",
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}", r"\toprule",
        line(map(latex_text, (table.corner, *table.columns))),
        *body, r"\bottomrule", r"\end{tabular}", *notes, r"\end{table}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def latex_text(text: str) -> str:
    """Text that LaTeX prints as it stands."""
    return "".join(_LATEX.get(letter, letter) for letter in printable(text)).replace("±", r"$\pm$")
