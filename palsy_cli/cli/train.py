"""``palsy train``: train one network, or all, on the public sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from palsy_cli import console
from palsy_cli.cli import options


def train(
    network: Annotated[
        Literal[options.NetworkName, "all"],
        typer.Argument(metavar="NETWORK", help="Which network, or all of them in order."),
    ],
    data: Annotated[
        Path | None,
        typer.Option("--data", envvar="PALSY_DATA", metavar="DIR", help="Folder with photos/, rig/ and backgrounds/."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option("--run", metavar="DIR", help="Folder of the run (default: runs/<network>-<size>)."),
    ] = None,
    size: Annotated[options.SizeName, typer.Option("--size", help="Size of the network, and its recipe.")] = "compact",
    minutes: Annotated[
        float | None, typer.Option("--minutes", min=0.01, help="Stop, annealed, after this time; all share it.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --run.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Add the best weights to this folder of models.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Train a network, or all, on the public sets.

    An interrupted run continues with --resume, also that of all. Prints the folder of the run.
    """
    from palsy_cli.errors import DatasetError

    if data is None:
        raise DatasetError("no training data: name the folder with --data DIR or PALSY_DATA (docs/how-to/retrain.md)")
    folder = run or Path("runs") / (f"{network}-{size}" if network != "all" else "")
    with console.progress() as on_progress:
        common: dict[str, Any] = {
            "data": data,
            "size": size,
            "minutes": minutes,
            "resume": resume,
            "device": device,
            "export_to": export,
            "on_progress": on_progress,
        }
        if network == "all":
            from palsy_cli.training.run import train_all

            train_all(runs=folder, **common)
        else:
            from palsy_cli.training.run import train as train_network

            train_network(network, run=folder, **common)
    console.data(str(folder))
