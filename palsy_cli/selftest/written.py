"""Settings and constants as they stand in the code, to be compared with ``golden.toml``."""

from __future__ import annotations

import dataclasses
from functools import partial
from types import ModuleType
from typing import Any

from palsy_cli import config, facs, pipeline, points, records
from palsy_cli.decoder import reading
from palsy_cli.networks import algrnet_regions, dem, hb_cascade, landmark_fcn, retinaface
from palsy_cli.report import json_report
from palsy_cli.selftest.checks import Check
from palsy_cli.selftest.golden import GROUP_OF_STAGE, Facts, golden
from palsy_cli.stages import (
    action_units,
    alignment,
    cooccurrence,
    detection,
    face,
    grading,
    halves,
    keyframes,
    locating,
    point_finder,
    regions,
    sightings,
    symptoms,
    video,
)

#: Where the constants of each stage stand: its own file first, then the file of the network that it reads.
MODULES: dict[str, tuple[ModuleType, ...]] = {
    "records": (records,),
    "points": (points,),
    "facs": (facs,),
    "video": (video, reading),
    "detection": (detection, retinaface),
    "sightings": (sightings,),
    "face": (face,),
    "alignment": (alignment,),
    "point_finder": (point_finder,),
    "locating": (locating, landmark_fcn),
    "keyframes": (keyframes,),
    "halves": (halves,),
    "regions": (regions,),
    "action_units": (action_units, dem),
    "cooccurrence": (cooccurrence,),
    "symptoms": (symptoms,),
    "grading": (grading, hb_cascade, algrnet_regions),
    "pipeline": (pipeline,),
    "report": (json_report,),
}


def constants_of(stage: str) -> Facts:
    """The constants that ``golden.toml`` lists for a stage; one that has gone is "absent"."""
    names = golden()[stage]["constants"]
    return {name: _look_up(MODULES[stage], name) for name in names}


def _look_up(modules: tuple[ModuleType, ...], name: str) -> Any:
    return next((getattr(module, name) for module in modules if hasattr(module, name)), "absent")


def settings_of(group: str) -> Facts:
    """The defaults of one group of settings."""
    return dataclasses.asdict(getattr(config.Settings(), group))


def general_settings() -> Facts:
    """Defaults that belong to no group, and what profile ``paper`` changes."""
    default = config.Settings()
    defaults, literal = dataclasses.asdict(default), config.load_settings(profile="paper")
    changed = {
        f"{group}.{name}": value
        for group, values in dataclasses.asdict(literal).items()
        if isinstance(values, dict)
        for name, value in values.items()
        if value != defaults[group][name]
    }
    return {"profile": default.profile, "seed": default.seed, "paper": changed}


def checks() -> list[Check]:
    """Constants of every stage and all settings."""
    listed = [Check(stage, "constants", partial(constants_of, stage)) for stage in MODULES]
    stages = [stage for stage, facts in golden().items() if "settings" in facts]
    listed += [Check(stage, "settings", partial(settings_of, GROUP_OF_STAGE.get(stage, stage))) for stage in stages]
    return [*listed, Check("config", "general", general_settings)]
