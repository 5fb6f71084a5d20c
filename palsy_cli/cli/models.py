"""``palsy models``: which weights there are, whether they are whole, and where."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.errors import ModelError

if TYPE_CHECKING:
    from palsy_cli.networks.weights import ModelStatus

app = typer.Typer(no_args_is_help=True, help="List, verify or locate the weights.", rich_markup_mode=None)


@app.command("list")
def list_(models: options.Models = None, as_json: options.AsJson = False) -> None:
    """List the models; absent ones are marked."""
    from palsy_cli.networks import weights

    show(weights.list_models(weights.find_models_dir(models)[0]), as_json=as_json)


@app.command()
def verify(models: options.Models = None, as_json: options.AsJson = False) -> None:
    """Check every file; exit 4 when one fails.

    Each is read whole: its digest, its header, and whether it fits the network.
    """
    from palsy_cli.networks import weights

    folder, _ = weights.find_models_dir(models)
    found = weights.verify(folder)
    show(found, as_json=as_json)
    bad = [model for model in found if not model.ok]
    if bad:
        raise ModelError(f"{folder}: {len(bad)} of {len(found)} models fail: {'; '.join(map(problem, bad))}")


@app.command()
def path(models: options.Models = None) -> None:
    """Print the folder of weights in use."""
    from palsy_cli.networks import weights

    folder, why = weights.find_models_dir(models)
    console.say(f"chosen by: {why}")
    console.data(str(folder))


def problem(model: ModelStatus) -> str:
    """What is wrong with one model."""
    return f"{model.name} ({model.problem or 'unknown'})"


def show(found: Sequence[ModelStatus], *, as_json: bool) -> None:
    """The models on stdout, as JSON or one tab-separated line each."""
    if as_json:
        console.data(json.dumps([dataclasses.asdict(model) for model in found], indent=2))
        return
    for model in found:
        state = model.problem or ("ok" if model.ok else "present")
        size = f"{model.bytes / 2**20:.1f} MiB" if model.present else "-"
        console.data(
            "\t".join((model.name, model.size or "-", size, model.sha256[:12] or "-", model.trained_on, state))
        )
