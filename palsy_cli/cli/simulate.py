"""``palsy simulate``: a video of a one-sided palsy whose truth is known, or the rig that training moves faces by."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.errors import DatasetError, UsageError


def simulate(
    source: Annotated[
        str | None, typer.Argument(metavar="[VIDEO_OR_PHOTO]", help="Whose face, or rig; a drawn person when left out.")
    ] = None,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to write into.")] = Path("simulated"),
    side: Annotated[Literal["left", "right", "none"], typer.Option("--side", help="The patient's weak side.")] = "left",
    grade: Annotated[
        int, typer.Option("--grade", "--severity", min=1, max=6, help="House-Brackmann grade of the weakness.")
    ] = 4,
    branch: options.Branch = None,
    synkinesis: options.Synkinesis = 0.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the person and the small variations.")] = 0,
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=1.0, help="Length of the video; the whole protocol by default.")
    ] = None,
    ict_facekit: Annotated[
        Path | None, typer.Option("--ict-facekit", metavar="DIR", help="For rig: a checkout of ICT-FaceKit.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option("--photos", envvar="PALSY_DATA", metavar="DIR", help="For rig: the training data.")
    ] = None,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """Make a patient whose truth is known.

    Writes a video of a face with a one-sided palsy, and truth.json beside it; prints the path of the video. The word
    rig (./rig is a file) makes au_rig.npz instead, from --ict-facekit and --photos: how faces move in training.
    """
    if source == "rig" or ict_facekit is not None:
        return make_rig(source, ict_facekit=ict_facekit, photos=photos, out=out)
    chosen = options.resolve(profile=profile, config=config, overrides=overrides, device=device, models=models)
    from palsy_cli.simulate.run import simulate_patient

    video = simulate_patient(
        out,
        source=None if source is None else Path(source),
        side=side,
        grade=grade,
        branch=branch,
        synkinesis=synkinesis,
        seed=seed,
        seconds=seconds,
        settings=chosen.settings,
        execution=chosen.execution,
    )
    console.data(str(video))


def make_rig(source: str | None, *, ict_facekit: Path | None, photos: Path | None, out: Path) -> None:
    """``palsy simulate rig``; raises UsageError without the word or the checkout, DatasetError without photos."""
    if source != "rig" or ict_facekit is None:
        raise UsageError("the word rig and --ict-facekit DIR go together: palsy simulate rig --ict-facekit DIR")
    if photos is None:
        raise DatasetError("simulate rig: name the photos with --photos DIR or PALSY_DATA (docs/how-to/retrain.md)")
    from palsy_cli.simulate.ict_facekit import write_rig

    console.data(str(write_rig(ict_facekit, photos, out)))
