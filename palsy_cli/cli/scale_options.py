"""How a user tells the scale, the movements and items of scales, and what that amounts to."""

from __future__ import annotations

from pathlib import Path
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
Tasks = Annotated[
    Path | None,
    typer.Option(
        "--tasks",
        metavar="CSV",
        help="What was done, and when: columns task, onset_s, offset_s. Without, the file's name tells "
        "(..._task-browRaise_...), or the movements do.",
    ),
]
ByHand = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="ITEM=VALUE",
        help="Set an item of a scale by hand, as in sunnybrook.resting_cheek=1; repeatable.",
    ),
]


def as_overrides(ipd_mm: float | None, mm_per_px: float | None) -> list[str]:
    """The settings that they stand for; raises UsageError when both are given."""
    given = {"clinic.ipd_mm": ipd_mm, "clinic.mm_per_px": mm_per_px}
    if None not in given.values():
        raise UsageError("--ipd-mm and --mm-per-px both tell the scale; give one of them")
    return [f"{name}={value}" for name, value in given.items() if value is not None]
