"""Whether a film of the assessment is written, and what it shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palsy_cli import console
from palsy_cli.errors import UsageError

if TYPE_CHECKING:
    from palsy_cli.records import Assessment

Overlay = Annotated[
    Path | None,
    typer.Option(
        "--overlay",
        metavar="FILE",
        help="Also write the video as an mp4, without sound, with landmarks, result and action units drawn on it.",
    ),
]
Deidentify = Annotated[
    bool, typer.Option("--deidentify", help="Draw the landmarks of --overlay alone, without any pixel of the video.")
]


def check_overlay(video: Path, overlay: Path | None, *, deidentify: bool) -> None:
    """Raise UsageError for a film that could not be written, before an assessment takes minutes."""
    from palsy_cli.overlay.place import require_place

    if overlay is not None:
        require_place(overlay, video)
    elif deidentify:
        raise UsageError("--deidentify says how --overlay draws; add --overlay FILE.mp4")


def film(result: Assessment, overlay: Path | None, *, deidentify: bool) -> None:
    """Write the film that was asked for, if any."""
    if overlay is None:
        return
    from palsy_cli.overlay.film import write_overlay

    with console.progress() as on_progress:
        write_overlay(result, overlay, deidentify=deidentify, on_progress=on_progress)
    console.say(f"wrote {overlay}")
