"""Healthy people of known asymmetry and co-movement, and their results as ``palsy assess`` leaves them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from factories import make_assessment

from palsy_cli.config import load_settings
from palsy_cli.manifest import run_info
from palsy_cli.records import ALL_AUS, ActionUnits, Assessment
from palsy_cli.report.csv_report import action_units_csv
from palsy_cli.report.json_report import assessment_json
from palsy_cli.stages.symptoms import find_symptoms

FRAMES = 48
#: Asymmetry in plain intensities, so that it can be written down; the norms are then of such settings, too.
OVERRIDES = ["symptoms.compare_movement=false"]


def table(events: Sequence[tuple[range, dict[int, tuple[float, float]]]]) -> ActionUnits:
    """Intensities of 48 keyframes: frames, and for each unit (left, right)."""
    left, right = np.zeros((2, FRAMES, len(ALL_AUS)))
    for frames, units in events:
        for au, sides in units.items():
            column = ALL_AUS.index(au)
            for half, value in zip((left, right), sides, strict=True):
                half[frames.start : frames.stop, column] = value
    return ActionUnits(ALL_AUS, left, right)


def person(asymmetry: float, *, partner: float = 0.0, one_sided: int = 0) -> ActionUnits:
    """Somebody who raises the brows in eight frames and smiles in ten.

    Args:
        asymmetry: the left corner of the mouth moves by this share less; the left brow by half of it.
        partner: intensity of AU17 on both sides beside the smile.
        one_sided: smiling frames with AU4 on the right only, of ten.
    """
    smile = {12: (4 * (1 - asymmetry), 4.0), 17: (partner, partner)}
    return table(
        [
            (range(0, 8), {1: (2 * (1 - asymmetry / 2), 2.0)}),
            (range(8, 18), smile),
            (range(8, 8 + one_sided), {4: (0.0, 2.0)}),
        ]
    )


def assessed(units: ActionUnits, **changes: Any) -> Assessment:
    """The assessment of a table under ``OVERRIDES``."""
    settings = load_settings(overrides=OVERRIDES)
    own = {
        "action_units": units,
        "symptoms": find_symptoms(units, settings.symptoms),
        "run": run_info(settings, device="cpu", seconds={}),
    }
    return dataclasses.replace(_anybody(), **own | changes)


@lru_cache(maxsize=1)
def _anybody() -> Assessment:
    return make_assessment()


def write(folder: Path, record: Assessment) -> Path:
    """The two files of a result that norms are made from."""
    folder.mkdir(parents=True)
    (folder / "assessment.json").write_text(assessment_json(record), encoding="utf-8")
    (folder / "action_units.csv").write_text(action_units_csv(record.keyframes, record.action_units), encoding="utf-8")
    return folder
