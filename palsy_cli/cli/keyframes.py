"""``palsy keyframes``: the frames that differ, aligned and cut into halves."""

from __future__ import annotations

from palsy_cli import console
from palsy_cli.cli import options, output


def keyframes(
    video: options.Video,
    out: options.OutFolder = None,
    mirrored: options.Mirrored = False,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Find the frames that differ, as CSV and PNG.

    Without --out the table goes to stdout; with it, aligned and half faces go into the folder too.
    Half faces have the midline at their left edge.
    """
    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    chosen.prepare()
    from palsy_cli import pipeline

    with console.progress() as on_progress:
        _, _, _, found = pipeline.run_keyframes(
            video, settings=chosen.settings, execution=chosen.execution, mirrored=mirrored, on_progress=on_progress
        )
    if out is not None:
        output.write_keyframe_images(out, found)
    output.emit(output.keyframes_csv(found), out, name="keyframes.csv")
