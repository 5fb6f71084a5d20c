"""``palsy symptoms``: weakness and synkinesis, from a video or from a saved table of action units."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options, output


def symptoms(
    source: Annotated[
        Path, typer.Argument(metavar="AU_CSV_OR_VIDEO", help="action_units.csv, or a video; - reads CSV from stdin.")
    ],
    out: options.OutFile = None,
    mirrored: options.Mirrored = False,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Find the weak side and synkinesis, as JSON.

    From a table of action units, as `palsy aus` writes it, this needs no model.
    """
    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    from palsy_cli.report import csv_report, json_report
    from palsy_cli.stages.symptoms import find_symptoms

    norms = chosen.settings.symptoms.norms
    if str(source) == "-" or source.suffix.lower() in (".csv", ".tsv", ".txt"):
        with output.readable(source) as path:
            units, _, _ = csv_report.load_action_units(path)
        if norms.people:
            console.warn("a table names no weights: it cannot be checked that the norms were measured with the same")
    else:
        chosen.prepare()
        from palsy_cli import pipeline

        with console.progress() as on_progress:
            _, _, units = pipeline.run_action_units(
                source, settings=chosen.settings, execution=chosen.execution, mirrored=mirrored, on_progress=on_progress
            )
    found = find_symptoms(units, chosen.settings.symptoms)
    facts = {**json_report.symptoms_dict(found, chosen.settings.symptoms), "norms": norms.used()}
    output.emit(json_report.to_json(facts), out, name="symptoms.json")
