"""What ``palsy evaluate`` wrote, as a model card reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from palsy_cli.documents import read_json
from palsy_cli.errors import InputError


@dataclass(frozen=True)
class Measured:
    """One figure with its 95 % interval over people, where there is one; ``value`` is ``None`` when not measured."""

    group: str
    name: str
    value: float | None
    interval: tuple[float, float] | None
    note: str


@dataclass(frozen=True)
class Evaluated:
    """One evaluation: its figures, the digests (or their beginnings) of the weights, and what it rests on."""

    figures: tuple[Measured, ...]
    weights: dict[str, str]
    about: dict[str, str]

    def is_of(self, name: str, sha256: str) -> bool:
        """Whether these very weights were measured."""
        digest = self.weights.get(name, "")
        return bool(digest) and sha256.startswith(digest)


def read_evaluation(path: Path) -> Evaluated:
    """Read ``simulated.json``.

    Raises:
        InputError: the file cannot be read or is none.
    """
    try:
        data = read_json(path)
        weights = {str(name): str(digest) for name, digest in data["weights"].items()}
        about = {key: str(data[key]) for key in ("version", "patients", "photos") if key in data}
        return Evaluated(tuple(map(_measured, data["figures"])), weights, about)
    except (ArithmeticError, ValueError, LookupError, TypeError, AttributeError) as error:
        told = f"{path}: not what `palsy evaluate simulated -o DIR` writes ({error})"
        raise InputError(f"{told}; give its simulated.json") from error


def _measured(row: Mapping[str, Any]) -> Measured:
    interval = row["interval"]
    return Measured(
        group=str(row["group"]),
        name=str(row["name"]),
        value=None if row["value"] is None else float(row["value"]),
        interval=None if interval is None else (float(interval[0]), float(interval[1])),
        note=str(row["note"]),
    )
