"""``palsy train``: train one network on the public sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options


def train(
    network: Annotated[options.NetworkName, typer.Argument(metavar="NETWORK", help="Which network.")],
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="PALSY_DATA", metavar="DIR", help="Folder with photos/, rig/ and backgrounds/."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option("--run", metavar="DIR", help="Folder of the run (default: runs/<network>-<size>).")
    ] = None,
    size: Annotated[options.SizeName, typer.Option("--size", help="Size of the network, and its recipe.")] = "compact",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="Stop, annealed, after this time.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --run.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Add the best weights to this folder of models.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Train a network on the public sets.

    An interrupted run continues with --resume. Prints the folder of the run.
    """
    from palsy_cli.errors import DatasetError

    if data is None:
        raise DatasetError("no training data: name the folder with --data DIR or PALSY_DATA (docs/how-to/retrain.md)")
    folder = run or Path("runs") / f"{network}-{size}"
    from palsy_cli.training.run import train as train_network

    with console.progress() as on_progress:
        train_network(
            network,
            data=data,
            run=folder,
            size=size,
            minutes=minutes,
            resume=resume,
            device=device,
            export_to=export,
            on_progress=on_progress,
        )
    console.data(str(folder))
