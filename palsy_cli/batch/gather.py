"""What a batch writes of all its results at its end: the summary, the page and the table of action units."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from palsy_cli.batch.au_table import write_au_table
from palsy_cli.batch.page import render_cohort
from palsy_cli.batch.summary import Row, write_summary
from palsy_cli.batch.tally import Tally
from palsy_cli.console import ProgressCallback
from palsy_cli.files import atomic_write

PAGE = "cohort.html"


def write_summaries(
    out: Path,
    rows: Callable[[], Iterable[Row]],
    problems: Sequence[tuple[str, str]] = (),
    *,
    on_progress: ProgressCallback | None = None,
) -> list[str]:
    """Write ``summary.csv``, ``summary.parquet``, ``cohort.html`` and ``action_units.parquet`` into ``out``.

    Each file appears whole or not at all, in this order, readable by the owner only. Rows are taken one at a time, so
    memory grows with the patients' visits alone.

    Args:
        out: the batch's folder; the results are in ``out/results/<job id>/``.
        rows: gives all rows from the start whenever it is called, which is twice. A row maps names of
            ``summary.COLUMNS`` to values, whichever are known; ``status``, ``patient`` and ``video`` always, ``job_id``
            where the status is ``done``. The page lists failures and videos in this order.
        problems: places that could not be read, (name, reason) each.
        on_progress: told how many videos are in the table of action units.

    Returns:
        A line for every video whose action units cannot be read; the table is without it.

    Raises:
        UsageError: a file cannot be written; those before it are new, it and those behind it are as they were.
    """
    tally = Tally()
    write_summary(out, tally.watch(rows()))
    atomic_write(out / PAGE, render_cohort(tally, problems), private=True)
    return write_au_table(out, rows(), on_progress=on_progress)
