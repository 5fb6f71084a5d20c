"""A result table: our figures and the published ones in the same columns, whatever it is written as afterwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Whose figures a row holds; a row that was ``not run`` says why in its note.
Origin = Literal["ours", "published", "not run"]


@dataclass(frozen=True)
class Cell:
    """One figure.

    Attributes:
        value: ``None`` where there is none; a count when it is an ``int``, which is written without decimals.
        interval: 95 %, in the same unit.
        sd: standard deviation over the images or videos, where the paper gives one.
        recomputed: a published mean as the paper's own entries give it, where that is not what is printed.
    """

    value: float | None
    interval: tuple[float, float] | None = None
    sd: float | None = None
    recomputed: float | None = None


#: Nothing to say in this column.
EMPTY = Cell(None)


@dataclass(frozen=True)
class ResultRow:
    """One row; ``cells`` has as many entries as the table has columns."""

    label: str
    cells: tuple[Cell, ...]
    origin: Origin = "ours"
    note: str = ""


@dataclass(frozen=True)
class ResultTable:
    """Rows of figures under columns.

    Attributes:
        key: short name for files, ``disfa-f1``.
        title: what is shown, with its unit.
        columns: names of the figures.
        rows: published first, ours after them.
        decimals: of figures that are no counts.
        notes: what a reader must know, one sentence each.
        corner: what the labels of the rows are.
    """

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    decimals: int = 1
    notes: tuple[str, ...] = ()
    corner: str = "method"

    def __post_init__(self) -> None:
        """Refuse rows of another length."""
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"{self.key}, {row.label}: {len(row.cells)} cells for {len(self.columns)} columns")

    def row(self, label: str) -> ResultRow:
        """The first row of that label; KeyError when there is none."""
        for row in self.rows:
            if row.label == label:
                return row
        raise KeyError(label)

    def cell(self, label: str, column: str) -> Cell:
        """One figure by its row's label and its column; KeyError when there is none."""
        if column not in self.columns:
            raise KeyError(column)
        return self.row(label).cells[self.columns.index(column)]


def not_run(label: str, columns: tuple[str, ...], *, reason: str) -> ResultRow:
    """The row of a method that was not run: every column empty, the reason as its note."""
    return ResultRow(label, (EMPTY,) * len(columns), "not run", f"not run: {reason}")
