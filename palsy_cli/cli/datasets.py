"""``palsy datasets``: which data sets of others can be read, how they must lie on disk, and whether a copy is whole."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.errors import DatasetError

#: Problems shown without ``--all``.
SHOWN = 20

app = typer.Typer(no_args_is_help=True, help="List, show or check data sets made by others.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The data set, as palsy datasets list names it.")]


@app.command("list")
def list_(as_json: options.AsJson = False) -> None:
    """List the data sets that can be read: name, title, labels."""
    from palsy_cli.datasets.catalogue import dataset_specs

    specs = dataset_specs()
    if as_json:
        console.data(json.dumps([dataclasses.asdict(spec) for spec in specs], indent=2, ensure_ascii=False))
        return
    for spec in specs:
        console.data("\t".join((spec.name, spec.title, spec.labels)))


@app.command()
def show(name: Name) -> None:
    """Show what must be known of a data set: labels, tree on disk, terms, where to ask, how people leak."""
    from palsy_cli.datasets.catalogue import dataset_spec

    spec = dataset_spec(name)
    folds = f"{spec.folds} in the papers" if spec.folds > 1 else "one fixed split"
    rows = (spec.licence, spec.request, spec.leakage, folds)
    told = zip(("Terms", "Where to ask", "Leakage", "Folds"), rows, strict=True)
    parts = [f"{spec.name}: {spec.title}", f"Labels: {spec.labels}", f"On disk:\n\n{spec.layout}"]
    console.data("\n\n".join([*parts, *(f"{title}: {text}" for title, text in told)]))


@app.command()
def check(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the data set.")],
    show_all: Annotated[bool, typer.Option("--all", help="Show every problem, not the first 20 only.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Check a copy: count what it holds, list what is missing or damaged; exit 3 when anything is.

    Every file must be there and not empty; a sample of the pictures is decoded. Notes do not make a copy unfit.
    """
    from palsy_cli.datasets import summary
    from palsy_cli.datasets.catalogue import scan_dataset

    dataset, problems = scan_dataset(name, folder)
    if as_json:
        console.data(json.dumps(summary.to_dict(dataset, problems), indent=2, ensure_ascii=False))
    else:
        console.data("\n".join(summary.to_lines(dataset, problems, limit=None if show_all else SHOWN)))
        if not show_all and len(problems) > SHOWN:
            console.say(f"{len(problems) - SHOWN} more problems; --all shows them")
    wrong = summary.verdict(dataset, problems)
    if wrong:
        raise DatasetError(f"{folder}: {wrong}; palsy datasets show {name} draws how it must lie")
    console.say(f"{folder}: whole")
