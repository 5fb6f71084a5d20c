"""``palsy evaluate``: measure the weights, or another program's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from palsy_cli import console
from palsy_cli.cli import options, study_options


def evaluate(
    protocol: study_options.Protocol,
    data: study_options.Data = None,
    photos: study_options.Photos = None,
    videos: study_options.Recordings = None,
    patients: study_options.Patients = 24,
    predictions: study_options.Predictions = None,
    split: study_options.Split = "subjects",
    out: options.OutFolder = None,
    seed: study_options.Seed = 0,
    workers: study_options.WorkerCount = 0,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Measure the weights on people they were not trained on.

    Simulated patients go the whole way of assess. A data set is measured by its paper's protocol, with the published
    rows beside ours; --models with a folder for each fold (palsy train --dataset --export) tests each on the people it
    has not seen. Prints Markdown; with -o writes it, and the same as CSV, JSON and LaTeX, plots and predictions.
    """
    from palsy_cli.datasets.folds import PAPER_SPLIT_WARNING
    from palsy_cli.errors import UsageError

    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    if protocol == "simulated" and (data or predictions):
        raise UsageError("evaluate simulated makes its own patients; --data and --predictions are for data sets")
    if split == "paper":
        console.warn(PAPER_SPLIT_WARNING)
    with console.progress() as on_progress:
        how: dict[str, Any] = chosen._asdict() | {"workers": workers, "on_progress": on_progress}
        if protocol == "simulated":
            found, name = _simulated(photos, patients=patients, videos=videos, seed=seed, **how), "simulated.md"
        else:
            from palsy_cli.evaluation.protocol import Request, evaluate_protocol

            found = evaluate_protocol(Request(protocol, data, predictions=predictions, split=split, room=out, **how))
            name = f"{protocol}.md"
    if out is not None:
        found.write(out)
    console.data(found.markdown() if out is None else str(out / name))


def _simulated(photos: Path | None, **how: Any) -> Any:
    from palsy_cli.errors import DatasetError
    from palsy_cli.evaluation.run import evaluate_simulated

    if photos is None:
        raise DatasetError(
            "evaluate simulated: name the photos with --photos DIR or PALSY_DATA (docs/how-to/retrain.md)"
        )
    return evaluate_simulated(photos, **how)
