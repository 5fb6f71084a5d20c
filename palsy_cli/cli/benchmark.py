"""``palsy benchmark``: how fast this machine is, and with how much memory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options


def benchmark(
    video: Annotated[
        Path | None, typer.Argument(metavar="[VIDEO]", help="Measure on this recording, instead of a made-up one.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the JSON and the Markdown file.")
    ] = Path(),
    seconds: Annotated[
        list[float] | None,
        typer.Option("--seconds", min=2.0, max=7200.0, help="Length of the made-up recording (30); may be repeated."),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Measure so often; medians are shown.")] = 3,
    landmarker: Annotated[
        Path | None,
        typer.Option("--landmarker", metavar="FILE", help="MediaPipe's face_landmarker.task: time MediaPipe, too."),
    ] = None,
    literal: Annotated[bool, typer.Option(help="Time the papers' method and each network by itself, too.")] = True,
    against: Annotated[
        Path | None, typer.Option("--against", metavar="FILE", help="JSON of an earlier benchmark: show ratios.")
    ] = None,
    device: options.Device = "auto",
    models: options.Models = None,
) -> None:
    """Time `palsy assess` as a user starts it: seconds per stage, memory, and what else that time would buy.

    Writes <date>-<commit>.json and .md into --out and prints the path of the latter.
    """
    from palsy_cli.benchmark.page import file_name, ratios, read_benchmark, to_markdown
    from palsy_cli.benchmark.run import Plan, run_benchmark
    from palsy_cli.errors import UsageError
    from palsy_cli.files import atomic_write
    from palsy_cli.report.json_report import to_json

    if video is not None and seconds:
        raise UsageError("--seconds is the length of a made-up recording; leave it or VIDEO out")
    before = None if against is None else read_benchmark(against)
    plan = Plan(video, tuple(seconds or (30.0,)), repeats, device, models, landmarker, literal)
    with console.progress() as on_progress:
        found = run_benchmark(plan, on_progress=on_progress)
    if before is not None:
        rows = [(name, *(f"{value:.3g}" for value in values)) for name, *values in ratios(found, before)]
        console.table("against " + before["commit"], ("figure", "before", "now", "ratio"), rows)
    atomic_write(out / f"{file_name(found)}.json", to_json(found), private=False)
    console.data(str(atomic_write(out / f"{file_name(found)}.md", to_markdown(found, before), private=False)))
