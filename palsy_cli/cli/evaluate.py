"""``palsy evaluate``: measure the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from palsy_cli import console
from palsy_cli.cli import options


def evaluate(
    protocol: Annotated[Literal["simulated"], typer.Argument(metavar="PROTOCOL", help="What to measure on.")],
    photos: Annotated[
        Path | None,
        typer.Option(
            "--photos",
            envvar="PALSY_DATA",
            metavar="DIR",
            help="The training data; only held-out people count.",
        ),
    ] = None,
    videos: Annotated[
        Path | None, typer.Option("--videos", metavar="DIR", help="Recordings of healthy people, to hold one half of.")
    ] = None,
    patients: Annotated[int, typer.Option("--patients", min=1, help="Simulated patients.")] = 24,
    out: options.OutFolder = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the patients.")] = 0,
    workers: Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 is one for each core.")] = 0,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Measure the weights on people they were not trained on.

    Simulated patients go the whole way of assess. Prints the figures beside the papers' as Markdown; with -o writes
    Markdown, CSV and JSON.
    """
    from palsy_cli.errors import DatasetError

    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    if photos is None:
        raise DatasetError(
            f"evaluate {protocol}: name the photos with --photos DIR or PALSY_DATA (docs/how-to/retrain.md)"
        )
    from palsy_cli.evaluation.run import evaluate_simulated

    with console.progress() as on_progress:
        found = evaluate_simulated(
            photos,
            patients=patients,
            videos=videos,
            settings=chosen.settings,
            execution=chosen.execution,
            seed=seed,
            workers=workers,
            on_progress=on_progress,
        )
    if out is not None:
        found.write(out)
        console.data(str(out / "simulated.md"))
    else:
        console.data(found.markdown())
