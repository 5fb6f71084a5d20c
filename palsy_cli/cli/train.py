"""``palsy train``: train one network, or all, on simulated patients or on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palsy_cli import console
from palsy_cli.cli import options, study_options


def train(
    network: study_options.Network,
    data: study_options.TrainingData = None,
    dataset: study_options.Dataset = None,
    start: study_options.Start = None,
    run: study_options.RunFolder = None,
    size: study_options.Size = "compact",
    minutes: study_options.Minutes = None,
    resume: study_options.Resume = False,
    export: study_options.Export = None,
    device: options.Device = "auto",
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Train a network, or all, on simulated patients or on a data set.

    --set changes the recipe (recipe.batch_size=8), the network (network.skip_bilstm=false) or how a data set is dealt
    (data.fold=1). An interrupted run continues with --resume, also that of all. Prints the folder of the run.
    """
    from palsy_cli.errors import DatasetError, UsageError

    if data is None:
        raise DatasetError("no training data: name the folder with --data DIR or PALSY_DATA (docs/how-to/retrain.md)")
    if network == "all" and (dataset or start or config or overrides):
        raise UsageError("train all: --dataset, --from, --config and --set are for one network at a time")
    network = "landmark_fcn" if network == "landmarks" else network
    dataset = dataset or ("marked" if start else None)
    folder = run or Path("runs") / ("-".join(filter(None, (network, size, dataset))) if network != "all" else "")
    with console.progress() as on_progress:
        common: dict[str, Any] = {"data": data, "size": size, "minutes": minutes, "resume": resume, "device": device}
        common |= {"export_to": export, "on_progress": on_progress}
        if network == "all":
            from palsy_cli.training.run import train_all

            train_all(runs=folder, **common)
        else:
            common |= _of_one(network, size, start=start, config=config, overrides=overrides or [])
            from palsy_cli.training.run import train as train_network

            train_network(network, run=folder, dataset=dataset, **common)
    from palsy_cli.training.parallel import is_main

    if is_main():
        console.data(str(folder))


def _of_one(network: str, size: str, *, start: str | None, config: Path | None, overrides: list[str]) -> dict[str, Any]:
    """What only the training of a single network may be told: settings, and weights to begin with."""
    from palsy_cli.datasets.folds import PAPER_SPLIT_WARNING
    from palsy_cli.networks.weights import find_models_dir
    from palsy_cli.training.settings import load_train_settings

    settings = load_train_settings(network, size, config_file=config, overrides=overrides)
    if settings.data.split == "paper":
        console.warn(PAPER_SPLIT_WARNING)
    begin = find_models_dir(None if start == "shipped" else Path(start))[0] if start else None
    return {"settings": settings, "start": begin}
