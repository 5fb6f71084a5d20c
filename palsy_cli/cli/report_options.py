"""How a user asks for a printed report, and what that needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Pdf = Annotated[
    bool, typer.Option("--pdf", help="Write report.pdf too; needs Chromium, Google Chrome or Microsoft Edge.")
]


def browser_if(wanted: bool) -> Path | None:
    """The browser that prints, if printing is wanted; raises UsageError before the long run when there is none."""
    if not wanted:
        return None
    from palsy_cli.report.pdf import find_browser

    return find_browser()
