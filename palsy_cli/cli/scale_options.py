"""How a user tells the scale, and what that amounts to."""

from __future__ import annotations

from typing import Annotated

import typer

from palsy_cli.errors import UsageError

IpdMm = Annotated[
    float | None,
    typer.Option(
        "--ipd-mm", min=40.0, max=90.0, metavar="MM", help="Distance of the pupils; else the irises tell the scale."
    ),
]
MmPerPx = Annotated[
    float | None,
    typer.Option("--mm-per-px", min=0.001, max=10.0, metavar="MM", help="Millimetres in a pixel, in the face's plane."),
]


def as_overrides(ipd_mm: float | None, mm_per_px: float | None) -> list[str]:
    """The settings that they stand for; raises UsageError when both are given."""
    given = {"clinic.ipd_mm": ipd_mm, "clinic.mm_per_px": mm_per_px}
    if None not in given.values():
        raise UsageError("--ipd-mm and --mm-per-px both tell the scale; give one of them")
    return [f"{name}={value}" for name, value in given.items() if value is not None]
