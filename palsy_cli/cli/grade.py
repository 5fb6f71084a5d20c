"""``palsy grade``: severity and House-Brackmann grade."""

from __future__ import annotations

from palsy_cli import console
from palsy_cli.cli import options, output


def grade(
    video: options.Video,
    out: options.OutFile = None,
    mirrored: options.Mirrored = False,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Grade the palsy, as JSON.

    Severity (normal, low, medium, high) and House-Brackmann grade (I to VI) with their probabilities.
    """
    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    chosen.prepare()
    from palsy_cli import pipeline
    from palsy_cli.report import json_report

    with console.progress() as on_progress:
        _, grades = pipeline.run_grades(
            video, settings=chosen.settings, execution=chosen.execution, mirrored=mirrored, on_progress=on_progress
        )
    output.emit(json_report.to_json(json_report.grades_dict(grades)), out, name="grades.json")
