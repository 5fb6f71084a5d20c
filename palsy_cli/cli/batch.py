"""``palsy batch``: a whole cohort, overnight; stopped and started at will."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palsy_cli.cli import options

FINISHED_WITH_FAILURES = 5


def batch(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder of patients, or a manifest CSV with path,patient.")
    ],
    out: options.OutFolder = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes on this machine.")] = 1,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=256, help="Threads of each; without it the cores are shared.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="tcp://HOST:PORT", help="Use the workers of this Dask scheduler."),
    ] = None,
    plan: Annotated[bool, typer.Option("--plan", help="Only show what would be done.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try what failed before once more.")] = False,
    include_images: options.IncludeImages = False,
    mirrored: options.Mirrored = False,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="Write one JSON object per event to stdout.")
    ] = False,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Assess every video of a cohort that has no result yet.

    Looks for patient/visit/clip.mp4 or sub-*/ses-*/ below FOLDER. Writes results/, summary.csv, summary.parquet,
    action_units.parquet and cohort.html into --out (default: <name>_batch here) and prints the path of the page.
    Started again, it goes on where it was stopped. A video that cannot be assessed stops nothing; it is listed, and
    the exit code is 5.
    """
    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    from palsy_cli.batch.run import Batch, run_batch
    from palsy_cli.batch.watch import watch
    from palsy_cli.batch.work import Order

    place = (out or Path(f"{folder.resolve().stem}_batch")).absolute()
    order = Order(place, chosen.settings, chosen.execution, include_images)
    wanted = Batch(folder, order, workers, threads, scheduler, mirrored, retry_failed)
    with watch(json_lines=json_lines) as watcher:
        failures = run_batch(wanted, watcher, only_plan=plan)
        watcher.finished(failures, place, only_plan=plan)
    if failures:
        raise typer.Exit(FINISHED_WITH_FAILURES)
