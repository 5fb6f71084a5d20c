"""The options of the commands for scientists, train and evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from palsy_cli.cli import options

Network = Annotated[
    Literal[options.NetworkName, "landmarks", "all"],
    typer.Argument(metavar="NETWORK", help="Which network (landmarks is landmark_fcn), or all of them in order."),
]
TrainingData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="PALSY_DATA",
        metavar="DIR",
        help="Folder with photos/, rig/ and backgrounds/, or that of the data set.",
    ),
]
Dataset = Annotated[
    str | None,
    typer.Option("--dataset", metavar="NAME", help="Train on this data set (palsy datasets list), fold by fold."),
]
Start = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="MODELS",
        help="Begin with these weights (a folder, or shipped); for your own marked pictures.",
    ),
]
RunFolder = Annotated[
    Path | None, typer.Option("--run", metavar="DIR", help="Folder of the run (default: runs/<network>-<size>).")
]
Size = Annotated[options.SizeName, typer.Option("--size", help="Size of the network, and its recipe.")]
Minutes = Annotated[
    float | None, typer.Option("--minutes", min=0.01, help="Stop, annealed, after this time; all share it.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in --run.")]
Export = Annotated[
    Path | None, typer.Option("--export", metavar="DIR", help="Add the best weights to this folder of models.")
]
Protocol = Annotated[
    Literal["simulated", "measures", "aflfp", "bp4d", "disfa", "disfa-plus", "fpara", "hb", "300w", "aflw", "marked",
            "csv", "clips"],
    typer.Argument(metavar="PROTOCOL", help="What to measure on: simulated patients, or a data set."),
]  # fmt: skip
Data = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder of the data set; without it, the paper's rows.")
]
Predictions = Annotated[
    Path | None, typer.Option("--predictions", metavar="CSV", help="Measure these answers instead of ours.")
]
Split = Annotated[Literal["subjects", "paper"], typer.Option("--split", help="How the folds of --models were dealt.")]
Photos = Annotated[
    Path | None,
    typer.Option("--photos", envvar="PALSY_DATA", metavar="DIR", help="The training data; only held-out people count."),
]
Recordings = Annotated[
    Path | None, typer.Option("--videos", metavar="DIR", help="Recordings of healthy people, to hold one half of.")
]
Patients = Annotated[
    int | None, typer.Option("--patients", min=1, help="Simulated patients (default: 24, of measures 30).")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Draws the patients.")]
WorkerCount = Annotated[int, typer.Option("--workers", min=0, help="Processes; 0 is one for each core.")]
