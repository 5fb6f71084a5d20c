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
    patients: study_options.Patients = None,
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

    Simulated patients go the whole way of assess; measures is of their movements, millimetres and scales by rule. A
    data set is measured by its paper's protocol, with the published rows beside ours; --models with a folder for each
    fold (palsy train --dataset --export) tests each on the people it has not seen. Prints Markdown; with -o writes it,
    and the same as CSV, JSON and LaTeX, plots and predictions.
    """
    from palsy_cli.datasets.folds import PAPER_SPLIT_WARNING
    from palsy_cli.errors import UsageError

    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    of_patients = protocol in ("simulated", "measures")
    if of_patients and (data or predictions):
        raise UsageError(f"evaluate {protocol} makes its own patients; --data and --predictions are for data sets")
    if split == "paper":
        console.warn(PAPER_SPLIT_WARNING)
    with console.progress() as on_progress:
        how: dict[str, Any] = chosen._asdict() | {"workers": workers, "on_progress": on_progress}
        if of_patients:
            how |= {"patients": patients} if patients else {}
            found = _of_patients(protocol, photos, videos=videos, seed=seed, **how)
        else:
            from palsy_cli.evaluation.protocol import Request, evaluate_protocol

            found = evaluate_protocol(Request(protocol, data, predictions=predictions, split=split, room=out, **how))
    if out is not None:
        found.write(out)
    console.data(found.markdown() if out is None else str(out / f"{protocol}.md"))


def _of_patients(protocol: str, photos: Path | None, *, videos: Path | None, **how: Any) -> Any:
    """Simulated patients, as the networks or as the measures see them."""
    from palsy_cli.errors import DatasetError, UsageError

    if photos is None:
        raise DatasetError(f"evaluate {protocol}: name the photos with --photos DIR or PALSY_DATA")
    if protocol == "simulated":
        from palsy_cli.evaluation.run import evaluate_simulated

        return evaluate_simulated(photos, videos=videos, **how)
    from palsy_cli.evaluation.measures import evaluate_measures

    if videos is not None:
        raise UsageError("evaluate measures films its own patients; --videos is for evaluate simulated")
    return evaluate_measures(photos, **how)
