"""``palsy aus``: the action units of each half of the face."""

from __future__ import annotations

from palsy_cli import console
from palsy_cli.cli import options, output
from palsy_cli.files import ACTION_UNITS_CSV


def aus(
    video: options.Video,
    out: options.OutFile = None,
    mirrored: options.Mirrored = False,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Measure the action units of each side, as CSV.

    One row per key frame, one column per action unit and side (L, R: the patient's), intensities 0 to 5.
    """
    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    chosen.prepare()
    from palsy_cli import pipeline
    from palsy_cli.report import csv_report

    with console.progress() as on_progress:
        _, found, units = pipeline.run_action_units(
            video, settings=chosen.settings, execution=chosen.execution, mirrored=mirrored, on_progress=on_progress
        )
    output.emit(csv_report.action_units_csv(found, units), out, name=ACTION_UNITS_CSV)
