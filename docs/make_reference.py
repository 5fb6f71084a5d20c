"""Write most of docs/reference from the code, and the model cards from the manifest.

``make docs`` runs it, tests check what it wrote.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

import typer

from palsy_cli import config
from palsy_cli.batch.au_table import AU_COLUMNS
from palsy_cli.batch.summary import COLUMNS, Column
from palsy_cli.cli import app
from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.datasets.catalogue import dataset_specs
from palsy_cli.networks.manifest_file import read_manifest
from palsy_cli.norms import Norms
from palsy_cli.training.cards import write_card
from palsy_cli.training.evaluated import read_evaluation

FOLDER = Path(__file__).parent / "reference"
MODELS = Path(__file__).parents[1] / "models"
EVALUATION = Path(__file__).parent / "benchmarks" / "simulated" / "simulated.json"
SETTINGS_HEAD = """# Settings

Made from `palsy_cli/config.py` by `make docs`; do not edit.

Set one with `--set NAME=VALUE`, several with `--config FILE.toml`, where the part before the dot is the table. All of
them go into the hash that every result carries. *Paper* is the value of `--profile paper` where it differs.

"""
CLI_HEAD = """# Commands

Made from `palsy_cli/cli` by `make docs`; do not edit.

`palsy COMMAND --help` says the same. Data goes to stdout, talk (progress, warnings, errors) to stderr;
[exit-codes.md](exit-codes.md) lists the exit codes. `--debug`, anywhere, shows the traceback of a failure.

"""
COHORT_HEAD = """# Results of a cohort

Made from `palsy_cli/cohort` by `make docs`; do not edit.

| file | what |
|---|---|
| `summary.csv`, `summary.parquet` | the same table, one row per video, failed ones included |
| `action_units.parquet` | the activity of every key frame: one row per video, key frame, side and action unit |
| `cohort.html` | one page that opens offline: failures, distributions, quality, courses over visits, links |
| `results/JOB_ID/` | what `palsy assess` writes of one video |

All of them name patients and are readable by their owner only. Left and right are the patient's own.

**Missing** is an empty cell in the CSV and null in Parquet, never a number or a word; there is no other code for it.
Where a video was not assessed (`status` is not `done`), everything is missing but patient, session, video, status, exit
code, reason, job and mirroring. When something is missing although the video was assessed stands in the last column
below. `none` as a side is no missing value: neither side is weaker. A patient whose name is `NA` is read as missing by
many programs unless they are told otherwise; Parquet leaves no such doubt.

**In the CSV** (UTF-8, comma, line ends of one character, all text in quotes) yes is 1 and no is 0. A spreadsheet runs
text that begins with `=`, `+`, `-`, `@`, a tab or a line end as a formula, so an apostrophe stands before it, also when
only apostrophes come before such a sign; taking one apostrophe away gives the text back. `palsy export` does so, and
Parquet holds the text as it is. Bytes of a folder's name that are no UTF-8 are written like `\\udcff` in all files.

"""
AU_HEAD = """
## action_units.parquet

Videos with status `done` only, copies of a video included. Key frames are those of `results/JOB_ID/action_units.csv`.

"""
DATASETS_HEAD = """# Data sets

Made from `palsy_cli/datasets` by `make docs`; do not edit.

What palsy can learn from and be measured on. No data come along: ask for a copy, put it on disk as drawn here, and let
`palsy datasets check NAME DIR` say whether it is whole. `palsy datasets show NAME` prints a section of this page.

| name | what | folds |
|---|---|---|
"""
MEASURES_HEAD = """# Measures

Made from `palsy_cli/clinic/definitions.py` by `make docs`; do not edit.

What a ruler on the face would say, of each side and in every frame. `assessment.json` holds them under
`clinic.measures`, the report in *Measures in each movement*. Points are numbered as in `landmarks.csv`, those of the
patient's left standing for both sides.

- **Axes** are the face's own: x through the middles of the eyes, y up, from four canthi and the root of the nose (36,
  39, 42, 45, 27) in each frame. A tilted or approaching head changes nothing; frames in which the nose tip leaves its
  resting place by more than `clinic.max_head_turn` are left out.
- **Rest** is every frame in which no length differs by more than a millimetre (or 1.5 times what is usual there) from
  the frames within 0.2 s of the resting keyframes, or what a table of tasks says. Values are medians over those frames,
  and over the frames in which a movement is at 80 % of its extent or more.
- **Skin**: points found anew in each frame take back half of a movement, so those of the resting face are followed by
  dense optical flow into stills, faces taken four times a second. Between two stills they go as the points found there
  do, times what these take back. The points of the lids are those found.
- **Unit**: the distance of the eyes at rest (between the middles of the canthi). Millimetres come from the irises
  (11.7 mm across, SD 0.42 mm between people), measured in open eyes at rest and then frozen, or from `--ipd-mm` or
  `--mm-per-px`. Without one of them lengths stay in eye distances.
- **Movements** are found in the points by their direction; one that was not made is not assessed.
- **Smaller of larger**: the smaller side's value divided by the larger's.

| name | title | kind | how | source |
|---|---|---|---|---|
"""
KINDS: dict[Any, str] = {
    bool: "true or false", int: "whole number", float: "number", str: "text", Norms: "table `[norms]`",
}  # fmt: skip


def comments() -> dict[tuple[str, str], str]:
    """The ``#:`` comment above each field of each class, by (class, field)."""
    source = Path(config.__file__).read_text(encoding="utf-8")
    lines = source.splitlines()
    found: dict[tuple[str, str], str] = {}
    for node in ast.parse(source).body:
        for item in node.body if isinstance(node, ast.ClassDef) else ():
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                above: list[str] = []
                row = item.lineno - 2
                while lines[row].strip().startswith("#:"):
                    above.insert(0, lines[row].strip()[2:].strip())
                    row -= 1
                found[node.name, item.target.id] = " ".join(above)
    return found


def kind_name(kind: Any) -> str:
    """A type in words."""
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{value}`" for value in typing.get_args(kind))
    return KINDS.get(kind, str(kind))


def value_name(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, Norms):
        return "none"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


def cell(text: str) -> str:
    """Text that may stand in a table."""
    return text.replace("``", "`").replace("|", "\\|").replace("\n", " ")


def settings_page() -> str:
    """All settings, by group."""
    says, defaults, types = comments(), config.Settings(), config.setting_types()
    groups: list[str] = []
    top: list[str] = []
    for name, kind in typing.get_type_hints(config.Settings).items():
        group = getattr(defaults, name)
        if not dataclasses.is_dataclass(group):
            top.append(f"| `{name}` | {kind_name(kind)} | {value_name(group)} |\n")
            continue
        rows = ["| name | type | default | paper | meaning |\n", "|---|---|---|---|---|\n"]
        for field in dataclasses.fields(group):
            full = f"{name}.{field.name}"
            paper = value_name(config.PAPER_OVERRIDES[full]) if full in config.PAPER_OVERRIDES else ""
            meaning = cell(says[type(group).__name__, field.name])
            default = value_name(getattr(group, field.name))
            rows.append(f"| `{full}` | {kind_name(types[full])} | {default} | {paper} | {meaning} |\n")
        groups.append(f"\n## {name}\n\n{type(group).__doc__}\n\n" + "".join(rows))
    general = "## General\n\n| name | type | default |\n|---|---|---|\n" + "".join(top)
    return SETTINGS_HEAD + general + "".join(groups)


def cli_page() -> str:
    """All commands with their options, as their functions declare them."""
    parts = [section(f"palsy {each.name}", each.callback) for each in app.registered_commands]
    for group in app.registered_groups:
        for each in group.typer_instance.registered_commands:
            parts.append(section(f"palsy {group.name} {each.name or each.callback.__name__}", each.callback))
    return CLI_HEAD + "\n".join(parts)


def section(title: str, command: Any) -> str:
    """One command."""
    hints = typing.get_type_hints(command, include_extras=True)
    words, rows = [title, "[OPTIONS]"], ["| argument or option | default | meaning |\n", "|---|---|---|\n"]
    for name, parameter in inspect.signature(command).parameters.items():
        kind, declared = typing.get_args(hints[name])
        default = "" if parameter.default in (inspect.Parameter.empty, None, False) else f"`{parameter.default}`"
        # Inside Annotated the first name of an option lands in typer's `default`.
        names = ", ".join(f"`{each}`" for each in (declared.default, *(declared.param_decls or ())))
        if isinstance(declared, typer.models.ArgumentInfo):
            words.append(declared.metavar)
            names = f"`{declared.metavar}`"
        rows.append(f"| {names} | {default} | {cell(declared.help)}{choices(kind)}{environment(declared)} |\n")
    return f"## `{title}`\n\n`{' '.join(words)}`\n\n{inspect.getdoc(command)}\n\n" + "".join(rows)


def choices(kind: Any) -> str:
    """The values to choose from, where a type has some."""
    literal = next((each for each in (kind, *typing.get_args(kind)) if typing.get_origin(each) is typing.Literal), None)
    return f" One of {', '.join(f'`{each}`' for each in typing.get_args(literal))}." if literal else ""


def environment(declared: Any) -> str:
    """The environment variable that stands in for an option."""
    return f" Environment: `{declared.envvar}`." if declared.envvar else ""


def cohort_page() -> str:
    """Every column of the tables that a batch writes."""
    return COHORT_HEAD + "## summary.csv and summary.parquet\n\n" + columns(COLUMNS) + AU_HEAD + columns(AU_COLUMNS)


def columns(table: tuple[Column, ...]) -> str:
    """A table's columns, one per line."""
    rows = ["| column | kind | unit or range | meaning | missing when |\n", "|---|---|---|---|---|\n"]
    rows += [
        f"| `{each.name}` | {each.kind} | {cell(each.unit)} | {cell(each.meaning)} | {cell(each.missing)} |\n"
        for each in table
    ]
    return "".join(rows)


def datasets_page() -> str:
    """What must be known of every data set."""
    rows, parts = [], []
    for spec in dataset_specs():
        folds = spec.folds if spec.folds > 1 else "one split"
        rows.append(f"| [`{spec.name}`](#{spec.name}) | {cell(spec.title)} | {folds} |\n")
        titles = ("Labels", "Terms", "Where to ask", "Leakage")
        told = zip(titles, (spec.labels, spec.licence, spec.request, spec.leakage), strict=True)
        lines = "".join(f"- **{title}**: {text}\n" for title, text in told)
        tree = spec.layout.strip("\n")
        parts.append(f"\n## {spec.name}\n\n{spec.title}\n\n{lines}\n```text\n{tree}\n```\n")
    return DATASETS_HEAD + "".join(rows) + "".join(parts)


def measures_page() -> str:
    """How every measure of the clinic is computed."""
    rows = [
        f"| `{each.name}` | {each.title} | {each.kind} | {cell(each.formula)} | {each.source} |\n"
        for each in DEFINITIONS.values()
    ]
    return MEASURES_HEAD + "".join(rows)


PAGES = {
    "settings.md": settings_page,
    "cli.md": cli_page,
    "cohort.md": cohort_page,
    "datasets.md": datasets_page,
    "measures.md": measures_page,
}

if __name__ == "__main__":
    for file, make in PAGES.items():
        (FOLDER / file).write_text(make(), encoding="utf-8")
    for model in read_manifest(MODELS):
        write_card(MODELS, model, evaluation=read_evaluation(EVALUATION))
