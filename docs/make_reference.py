"""Write docs/reference/settings.md and cli.md from the code; ``make docs`` runs it, a test holds it to account."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import typing
from pathlib import Path
from typing import Any

import typer

from palsy_cli import config
from palsy_cli.cli import app

FOLDER = Path(__file__).parent / "reference"
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
KINDS: dict[Any, str] = {bool: "true or false", int: "whole number", float: "number", str: "text"}


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


PAGES = {"settings.md": settings_page, "cli.md": cli_page}

if __name__ == "__main__":
    for file, make in PAGES.items():
        (FOLDER / file).write_text(make(), encoding="utf-8")
