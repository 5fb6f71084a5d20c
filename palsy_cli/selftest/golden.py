"""Read ``golden.toml`` and compare what was found with it."""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from palsy_cli.config import Settings, apply_values

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Facts = dict[str, Any]

FILE = Path(__file__).with_name("golden.toml")
#: Numbers count as equal within this share of the larger, or of 1: what rounding on another processor may change.
SAME = 1e-4
#: Decimals that a report shows.
_DECIMALS = 6
#: The keys of a number that need only lie within bounds.
_BOUNDS = {"at_least", "at_most"}
#: Groups of settings whose stage has another name.
GROUP_OF_STAGE = {"grading": "grades"}


@lru_cache(maxsize=1)
def golden() -> dict[str, dict[str, Facts]]:
    """Stage -> check -> expected facts."""
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def golden_settings() -> Settings:
    """The settings that the golden file lists: cases stay as they are when a default changes.

    Raises:
        ConfigError: the file names a setting that there is none of.
    """
    values = {
        f"{GROUP_OF_STAGE.get(stage, stage)}.{name}": value
        for stage, checks in golden().items()
        for name, value in checks.get("settings", {}).items()
    }
    return apply_values(Settings(), values)


def plain(value: Any) -> Any:
    """A value as TOML and JSON can hold it: lists, tables with text for keys, numbers of six decimals.

    ``None`` and NaN become "not assessed".
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted(plain(item) for item in value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "not assessed"
    return round(value, _DECIMALS) + 0.0 if isinstance(value, float) else value


def differences(expected: Facts, found: Facts) -> Iterator[str]:
    """One phrase for each expected fact that was not found, by its name."""
    for name, wanted in expected.items():
        if name not in found:
            yield f"{name} is missing, expected {_words(wanted)}"
        elif not agrees(wanted, found[name]):
            yield _contrast(name, wanted, found[name])


def _contrast(name: str, wanted: Any, found: Any) -> str:
    """What differs in one fact; of lists of one length their first difference."""
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return f"{name} is of {len(found)} parts, expected {len(wanted)}"
        first = next(i for i, pair in enumerate(zip(wanted, found, strict=True)) if not agrees(*pair))
        return _contrast(f"{name}[{first}]", wanted[first], found[first])
    return f"{name} is {_words(found)}, expected {_words(wanted)}"


def agrees(wanted: Any, found: Any) -> bool:
    """Whether a plain value is as wanted: within bounds, equal within ``SAME``, or equal part by part."""
    if isinstance(wanted, dict) and wanted and set(wanted) <= _BOUNDS:
        low, high = wanted.get("at_least", -math.inf), wanted.get("at_most", math.inf)
        return isinstance(found, (int, float)) and bool(low <= found <= high)
    if isinstance(wanted, dict):
        alike = isinstance(found, dict) and set(found) == set(wanted)
        return alike and all(agrees(wanted[name], found[name]) for name in wanted)
    if isinstance(wanted, list):
        alike = isinstance(found, list) and len(found) == len(wanted)
        return alike and all(agrees(*pair) for pair in zip(wanted, found, strict=True))
    if isinstance(wanted, bool) or isinstance(found, bool) or isinstance(wanted, str) or isinstance(found, str):
        return bool(wanted is found or wanted == found) and type(wanted) is type(found)
    if isinstance(found, (int, float)):
        return bool(abs(wanted - found) <= SAME * max(1.0, abs(wanted)))
    return False


def _words(value: Any) -> str:
    """A value in few words; what is text already stays whole (it may name a file)."""
    if isinstance(value, dict) and value and set(value) <= _BOUNDS:
        return " and ".join(f"{bound.replace('_', ' ')} {number}" for bound, number in value.items())
    text = str(value)
    return text if isinstance(value, str) or len(text) <= 60 else f"{text[:57]}..."
