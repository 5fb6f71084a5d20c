"""``palsy compare``: visits of one patient on one time line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options


def compare(
    assessments: Annotated[
        list[Path],
        typer.Argument(metavar="A B [C ...]", help="assessment.json of each visit, or its folder; the earliest first."),
    ],
    out: options.OutFolder = None,
    dates: Annotated[
        list[str] | None,
        typer.Option("--dates", metavar="D1,D2,...", help="When each visit was (YYYY-MM-DD), for the time axis."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Compare although patients, weights or settings differ; the page says so.")
    ] = False,
) -> None:
    """Compare visits of one patient: what changed, and what measuring alone can do.

    Writes comparison.html, comparison.json and comparison.csv into --out (default: comparison here) and prints the
    path of the page. Millimetres of all visits have one scale; a change below the smallest detectable one is told so.
    """
    from palsy_cli import compare as visits
    from palsy_cli.compare.document import comparison_dict, main_rows
    from palsy_cli.compare.output import COMPARISON_HTML, write_comparison

    told_dates = visits.read_dates(dates or (), len(assessments))
    result = visits.compare(assessments, dates=told_dates, force=force)
    folder, told = out or Path("comparison"), comparison_dict(result)
    write_comparison(told, folder)
    for reason in result.forced:
        console.warn(f"should not be compared: {reason}")
    for warning in result.warnings:
        console.warn(warning)
    title = f"{result.visits[0].name} to {result.visits[-1].name}: research use only, not a medical device"
    console.table(title, ("measure", "side", "change", "detectable", "unit", "verdict"), main_rows(told))
    console.data(str(folder / COMPARISON_HTML))
