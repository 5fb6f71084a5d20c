"""``palsy landmarks``: the 68 points of every frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options, output
from palsy_cli.files import LANDMARKS_CSV


def landmarks(
    video: options.Video,
    out: options.OutFile = None,
    pts: Annotated[
        Path | None,
        typer.Option("--pts", metavar="DIR", help="Also write pictures with .pts files, to be corrected by hand."),
    ] = None,
    mirrored: options.Mirrored = False,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Find the 68 points of each frame, as CSV.

    Points are pixels of the upright video. A frame without a usable face keeps its row, with success 0,
    blank values and a reason. --pts writes every picture, or eight frames of a video, with its points beside it:
    correct them and train on (palsy train landmarks --from shipped --data DIR).
    """
    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    chosen.prepare()
    from palsy_cli import pipeline
    from palsy_cli.report import csv_report

    with console.progress() as on_progress:
        clip, track, points = pipeline.run_landmarks(
            video, settings=chosen.settings, execution=chosen.execution, mirrored=mirrored, on_progress=on_progress
        )
    output.emit(csv_report.landmarks_csv(clip, track, points), out, name=LANDMARKS_CSV)
    if pts is not None:
        from palsy_cli.datasets.marked import write_marked

        count = write_marked(pts, clip, points)
        console.say(f"wrote {count} pictures with points into {pts}")
