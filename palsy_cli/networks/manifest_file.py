"""``manifest.toml``: what a folder of weights holds, and where that folder is. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palsy_cli.documents import Unreadable, read_toml
from palsy_cli.errors import ModelError
from palsy_cli.files import atomic_write

MANIFEST = "manifest.toml"
#: Environment variable that names the folder of weights.
MODELS_VARIABLE = "PALSY_MODELS"
SCHEMA_VERSION = "1.0"
SUFFIX = ".safetensors"
#: Cards and reports are named by it.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class ModelEntry:
    """One ``[[model]]`` of the manifest.

    Attributes:
        name: the model's name, unique in the manifest: at most 64 letters, digits, ``_``, ``-`` and ``.``.
        network: the registry's network, and ``size`` its size.
        file: name of a safetensors file in the same folder; ``sha256`` and ``bytes`` are its content's.
        trained_on: what a result must say of these weights.
        version: the palsy version that wrote the file.
        recipe: the training recipe.
        metrics: measured numbers by name.
        licence: SPDX identifier.
    """

    name: str
    network: str
    size: str
    file: str
    sha256: str
    bytes: int
    trained_on: str
    version: str
    recipe: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    licence: str = "Apache-2.0"

    def __post_init__(self) -> None:
        """Check what a hand-edited manifest may get wrong; raises ``ValueError``."""
        for each in dataclasses.fields(self):
            kind = {"bytes": int, "metrics": dict}.get(each.name, str)
            if not isinstance(getattr(self, each.name), kind):
                raise ValueError(f"{each.name}: expected {kind.__name__}, got {getattr(self, each.name)!r}")
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name: expected at most 64 letters, digits, '_', '-' and '.', got {self.name!r}")
        stem = self.file.removesuffix(SUFFIX)
        if stem == self.file or not _NAME.fullmatch(stem):
            raise ValueError(f"file: expected a plain name that ends in {SUFFIX}, got {self.file!r}")
        _toml(self.metrics)
        if not _HEX_DIGEST.fullmatch(self.sha256):
            raise ValueError(f"sha256: expected 64 hex digits, got {self.sha256!r}")


def find_models_dir(explicit: Path | None = None) -> tuple[Path, str]:
    """Where the weights are, and why there.

    ``--models`` or ``$PALSY_MODELS`` is the only place when given, whether anything is there or not; else
    the checkout's ``models/``, then the folder inside the installed package.

    Raises:
        ModelError: no place was named and none is at hand.
    """
    if explicit is not None:
        return Path(explicit), "--models"
    if named := os.environ.get(MODELS_VARIABLE):
        return Path(named), f"${MODELS_VARIABLE}"
    package = Path(__file__).resolve().parents[1]
    for folder, why in ((package.parent / "models", "checkout"), (package / "_models", "installed package")):
        if (folder / MANIFEST).is_file():
            return folder, why
    raise ModelError(f"no weights found beside the package; name their folder by --models or ${MODELS_VARIABLE}")


def read_manifest(directory: Path) -> list[ModelEntry]:
    """The models of a folder, in the manifest's order.

    Raises:
        ModelError: no folder, no manifest, or one that cannot be understood.
    """
    path = Path(directory) / MANIFEST
    if not path.is_file():
        what = f"no {MANIFEST} in it" if path.parent.is_dir() else "no such folder"
        raise ModelError(f"{directory}: {what}; name the folder of weights by --models or $PALSY_MODELS")
    try:
        tree = read_toml(path)
        if str(tree.get("schema_version", "")).partition(".")[0] != SCHEMA_VERSION.partition(".")[0]:
            raise ValueError(f"schema_version {tree.get('schema_version')!r} is not {SCHEMA_VERSION}")
        entries = [ModelEntry(**item) for item in tree.get("model", [])]
    except (Unreadable, TypeError, ValueError) as error:
        raise ModelError(f"{path}: cannot be understood ({error}); get the folder of weights anew") from error
    names = [entry.name for entry in entries]
    if len(names) != len(set(names)):
        raise ModelError(f"{path}: two models have the same name; get the folder of weights anew")
    return entries


def update_manifest(directory: Path, entry: ModelEntry) -> None:
    """Add an entry or replace the one of the same name; the file is created if need be, whole or not at all.

    Raises:
        ModelError: there is a manifest that cannot be understood.
        UsageError: the folder cannot be written.
    """
    path = Path(directory) / MANIFEST
    entries = read_manifest(directory) if path.is_file() else []
    by_name = {old.name: old for old in entries} | {entry.name: entry}
    atomic_write(path, format_manifest([by_name[name] for name in sorted(by_name)]), private=False)


def format_manifest(entries: list[ModelEntry]) -> str:
    """The manifest as TOML text."""
    lines = [
        "# Weights in this folder; written by palsy, checked by `palsy models verify`.",
        f"schema_version = {_toml(SCHEMA_VERSION)}",
    ]
    for entry in entries:
        lines += ["", "[[model]]"]
        lines += [f"{f.name} = {_toml(getattr(entry, f.name))}" for f in dataclasses.fields(entry)]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A TOML value; raises ``ValueError`` for a type that a manifest does not hold."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)  # Python's inf and nan are TOML's
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {_toml(item)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    raise ValueError(f"{value!r} cannot go into {MANIFEST}")


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _toml(key)
