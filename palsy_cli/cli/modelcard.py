"""``palsy modelcard``: what one weight file is for, what it learned from, what it reached, where it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.errors import ModelError
from palsy_cli.files import atomic_write


def modelcard(
    network: Annotated[options.NetworkName, typer.Argument(metavar="NETWORK", help="Whose card.")],
    evaluation: Annotated[
        Path | None,
        typer.Option("--evaluation", metavar="FILE", help="simulated.json of these weights: figures with intervals."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="File to write; without it, stdout.")
    ] = None,
    models: options.Models = None,
) -> None:
    """The card of one weight file, as Markdown, with a TRIPOD+AI checklist.

    What a study's authors must fill in is marked; figures of other weights than those at hand are not shown.
    """
    from palsy_cli.networks.manifest_file import find_models_dir, read_manifest
    from palsy_cli.training.cards import card_text
    from palsy_cli.training.evaluated import read_evaluation

    folder, _ = find_models_dir(models)
    entries = {entry.name: entry for entry in read_manifest(folder)}
    if network not in entries:
        raise ModelError(f"{folder}: no model named {network!r}; `palsy models list` shows what is there")
    text = card_text(entries[network], evaluation=None if evaluation is None else read_evaluation(evaluation))
    if out is None:
        console.data(text)
    else:
        atomic_write(out, text, private=False)
        console.say(f"wrote {out}")
