"""``calibration.toml``: settings and norms that ``--config`` reads, and beside them what they rest on."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import palsy_cli
from palsy_cli.calibration.cohort import HealthyCohort
from palsy_cli.calibration.measure import HealthyNorms, Limit, RegionLimits
from palsy_cli.config import Settings, measured_with

SCHEMA_VERSION = "1.0"
CALIBRATION_TOML = "calibration.toml"
_DECIMALS = 4


def to_toml(
    found: HealthyNorms, cohort: HealthyCohort, *, date: datetime.date, tasks: str | None = None, upper: bool = False
) -> str:
    """The file's text; names nobody.

    Args:
        found: what the cohort gave.
        cohort: how it was measured.
        date: when the norms were made.
        tasks: what the people were asked to do, in the lab's words.
        upper: pairs were left untested by the upper end of their interval.
    """
    norms = found.norms
    rule = "the upper end of its interval" if upper else "its probability"
    lines = [
        f"# Norms of {norms.people} healthy people for `palsy ... --config FILE`; research use only.",
        "# Further settings may be added, where the norms allow it. Those that the people were measured with are here.",
        *_settings(found, cohort),
        "# Rows are responses, columns triggers, in the order of aus. unexpected: healthy people do not show the two",
        f"# together ({rule} is at most one half). thresholds: the sides' difference that 95 % of them do not exceed.",
        "[norms]",
        _entry("schema_version", SCHEMA_VERSION),
        _entry("people", norms.people),
        _entry("aus", list(norms.aus)),
        *_matrix("unexpected", norms.unexpected),
        *_matrix("thresholds", norms.thresholds),
        "",
        "# The weights that the norms were measured with; others are refused.",
        *_table("norms.models", norms.models),
        "",
        "# The settings that the norms were measured with; others are refused.",
        *_table("norms.settings", measured_with(cohort.settings)),
        "",
        "# What the norms rest on. Nothing below acts.",
        *_table("norms.evidence", _evidence(found, cohort, date=date, tasks=tasks)),
        *_matrix("probability", found.probability),
        *_matrix("probability_low", found.low),
        *_matrix("probability_high", found.high),
        *_matrix("people_of_cell", found.cell_people),
    ]
    for region in found.regions:
        lines += ["", *_table(f"norms.evidence.asymmetry.{region.region}", _region(region))]
    return "\n".join(lines) + "\n"


def _settings(found: HealthyNorms, cohort: HealthyCohort) -> Iterator[str]:
    """The dead zones, and what was not at its default when the people were measured."""
    default = measured_with(Settings())
    groups: dict[str, dict[str, Any]] = {
        "symptoms": {"dead_zone_relative": found.dead_zone_relative, "dead_zone_absolute": found.dead_zone_absolute}
    }
    for full, value in measured_with(cohort.settings).items():
        group, _, name = full.partition(".")
        if value != default[full]:
            groups.setdefault(group, {})[name] = value
    for group, values in groups.items():
        yield from (*_table(group, values), "")


def _evidence(found: HealthyNorms, cohort: HealthyCohort, *, date: datetime.date, tasks: str | None) -> dict[str, Any]:
    return {
        "date": date.isoformat(),
        "palsy": palsy_cli.__version__,
        "assessed_with": list(cohort.versions),
        "recordings": found.recordings,
        "people_left_out": len(found.left_out),
        "tasks": tasks or "not recorded",
    }


def _region(region: RegionLimits) -> dict[str, Any]:
    """95th percentiles with their 95 % intervals."""
    return {
        "people": region.people,
        "relative": _limit(region.relative),
        "absolute": _limit(region.absolute),
    }


def _limit(limit: Limit | None) -> list[float]:
    """Value, low, high; empty where too few people show the region."""
    return [] if limit is None else [limit.value, limit.low, limit.high]


def _table(name: str, values: Mapping[str, Any]) -> Iterator[str]:
    yield f"[{name}]"
    for key, value in values.items():
        yield _entry(key if key.isidentifier() else json.dumps(key), value)


def _matrix(name: str, rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    """One row of the matrix on each line."""
    yield f"{name} = ["
    for row in rows:
        yield f"  {_toml(list(row))},"
    yield "]"


def _entry(key: str, value: Any) -> str:
    return f"{key} = {_toml(value)}"


def _toml(value: Any) -> str:
    """A TOML value; numbers of four decimals at most."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, float):
        return "nan" if math.isnan(value) else repr(round(float(value), _DECIMALS) + 0.0)
    return str(int(value))
