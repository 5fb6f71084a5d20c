"""Norms: what a lab's own healthy people show, measured with one set of weights; they stand in for built-in limits.

``palsy calibrate healthy`` writes them, ``--config`` reads them. They are a setting and travel as content, so a result
depends on no path, and its settings' digest covers them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palsy_cli.errors import ModelError

#: Networks on which a measured intensity depends; those that grade pictures have no part in norms.
MEASURING_NETWORKS: tuple[str, ...] = ("retinaface", "landmark_fcn", "ovpm", "dvpm")
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Norms:
    """What replaces the prior of normal co-occurrence and raises single thresholds; empty without a healthy cohort.

    Attributes:
        people: healthy people that were measured; 0 for no norms.
        aus: the A channels of both matrices.
        unexpected: (A, A), row = response, column = trigger: healthy people do not show the two together.
        thresholds: (A, A), 0..1: difference of the sides that 95 % do not exceed; 0 where too few show the cell.
        models: name to SHA-256 of the weights that they were measured with.
    """

    people: int = 0
    aus: tuple[int, ...] = ()
    unexpected: tuple[tuple[bool, ...], ...] = ()
    thresholds: tuple[tuple[float, ...], ...] = ()
    models: dict[str, str] = field(default_factory=dict, hash=False)  # settings must stay hashable

    def __post_init__(self) -> None:
        """Check what an edited file may get wrong; raises ``ValueError``."""
        if isinstance(self.people, bool) or not isinstance(self.people, int) or self.people < 0:
            raise ValueError(f"people is {self.people!r}; it must be a whole number")
        if self.aus:
            _require_channels(self.aus)
        _require_cells(
            "unexpected", self.unexpected, len(self.aus), lambda cell: isinstance(cell, bool), "true or false"
        )
        _require_cells("thresholds", self.thresholds, len(self.aus), _is_share, "a number from 0 to 1")
        for name, digest in self.models.items():
            if not isinstance(digest, str) or not _HEX_DIGEST.fullmatch(digest):
                raise ValueError(f"models.{name} is {digest!r}; it must be 64 hex digits")

    @staticmethod
    def of(table: Mapping[str, Any]) -> Norms:
        """Norms from plain values, as TOML or JSON hold them; further keys are ignored.

        Raises:
            ValueError: a value is missing or impossible.
        """
        try:
            return Norms(
                people=table["people"],
                aus=tuple(table["aus"]),
                unexpected=tuple(tuple(row) for row in table["unexpected"]),
                thresholds=tuple(tuple(map(float, row)) for row in table["thresholds"]),
                models=dict(table["models"]),
            )
        except KeyError as error:
            raise ValueError(f"no {error.args[0]}") from error
        except (TypeError, OverflowError) as error:
            raise ValueError(f"a value is of the wrong kind: {error}") from error

    def digest(self) -> str:
        """SHA-256 of the content, in hex."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()

    def used(self) -> dict[str, Any] | None:
        """What a result says of them: how many people, and which digest; ``None`` without norms."""
        return {"people": self.people, "sha256": self.digest()} if self.people else None


def _require_channels(aus: tuple[int, ...]) -> None:
    from palsy_cli.records import ALL_AUS  # settings import this module, and --help must not wait for NumPy

    if not set(aus) <= set(ALL_AUS) or len(set(aus)) != len(aus):
        raise ValueError(f"aus is {list(aus)}; it must be action units of {list(ALL_AUS)}, each once")


def _is_share(cell: object) -> bool:
    return isinstance(cell, float) and 0 <= cell <= 1


def _require_cells(name: str, rows: tuple[tuple[Any, ...], ...], size: int, fits: Any, needed: str) -> None:
    if len(rows) != size or any(len(row) != size for row in rows):
        raise ValueError(f"{name} must have {size} rows of {size}, as aus has action units")
    for cell in (cell for row in rows for cell in row):
        if not fits(cell):
            raise ValueError(f"{name} holds {cell!r}; it must be {needed}")


def require_weights(norms: Norms, digests: Mapping[str, str], *, where: Path) -> None:
    """Refuse norms that were measured with other weights than those at hand.

    Args:
        norms: those of the settings; without any, all weights will do.
        digests: name to SHA-256 of the weights at hand.
        where: their folder, for the message.

    Raises:
        ModelError: a weight file differs.
    """
    for name, wanted in norms.models.items():
        found = digests.get(name)
        if found != wanted:
            raise ModelError(
                f"{where}: {name} is {found[:12] if found else 'missing'}, the norms of {norms.people} healthy people "
                f"were measured with {wanted[:12]}; use those weights, or run `palsy calibrate healthy` with these"
            )
