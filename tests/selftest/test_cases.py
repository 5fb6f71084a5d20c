"""The small cases: all hold, and each constant that is changed makes the case of its stage fail."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import numpy as np
import pytest

from palsy_cli import config
from palsy_cli.selftest import geometry_cases, grade_cases, input_cases, muscle_cases, written
from palsy_cli.selftest.checks import Check, perform
from palsy_cli.selftest.golden import golden
from palsy_cli.stages.alignment import CANONICAL_POINTS
from palsy_cli.stages.cooccurrence import ANATOMICAL_EXCLUSIONS, EXTRA_PAIRS, PRIOR_ITEMS

CHECKS = {
    (check.stage, check.name): check
    for part in (written, input_cases, geometry_cases, muscle_cases, grade_cases)
    for check in part.checks()
}


def ident(check: Check) -> str:
    return f"{check.stage}.{check.name}"


@pytest.mark.parametrize("check", CHECKS.values(), ids=ident)
def test_every_case_holds(check: Check) -> None:
    outcome = perform(check)
    assert outcome.ok, outcome.problem
    assert set(outcome.expected) <= set(outcome.found or {})


#: Module, its constant, another value, and the case that must notice.
CHANGES: tuple[tuple[str, str, Any, str], ...] = (
    ("stages.video", "MIN_SIDE_PX", 9, "video.refused_inputs"),
    ("stages.detection", "SAME_FACE_IOU", 0.55, "detection.joined_views"),
    ("stages.detection", "ONE_VIEW_SHARE", 0.6, "detection.joined_views"),
    ("stages.detection", "PAD_MULTIPLE", 64, "detection.one_anchor"),
    ("stages.detection", "MAX_CANDIDATES", 150, "detection.many_anchors"),
    ("networks.retinaface", "STRIDES", (8, 16, 48), "detection.one_anchor"),
    ("stages.face", "REJOIN_REACH", 1.3, "face.whose_face"),
    ("stages.face", "SIZE_RATIO", 1.9, "face.whose_face"),
    ("stages.sightings", "NESTED_SHARE", 1.1, "face.whose_face"),
    ("stages.sightings", "EVEN_SHIFT", 0.16, "sightings.looks"),
    ("stages.sightings", "EVEN_GROWTH", 1.05, "sightings.looks"),
    ("stages.face", "PERSISTENT_S", 0.04, "face.whose_face"),
    ("stages.face", "MAX_SHIFT", 1.0, "face.smoothed_points"),
    ("stages.sightings", "SHARPNESS_SIDE_PX", 90, "sightings.sharpness"),
    ("stages.alignment", "CANONICAL_POINTS", CANONICAL_POINTS + 0.5, "alignment.standard_places"),
    ("stages.alignment", "CROP_SIDE", 2.75, "alignment.upright_crop"),
    ("stages.alignment", "CROP_DEPTH", 0.6, "alignment.upright_crop"),
    ("stages.alignment", "GREY", (127, 127, 127), "alignment.resampling"),
    ("stages.alignment", "MIRROR_68", np.arange(68), "points.mirrored_names"),
    ("stages.alignment", "MIRROR_68", np.arange(68)[::-1], "locating.located_points"),
    ("stages.locating", "CROP", 100, "locating.located_points"),
    ("stages.point_finder", "_STILL_TOGETHER", 0.11, "point_finder.looks"),
    ("stages.point_finder", "_LONGEST", 1, "point_finder.looks"),
    ("stages.keyframes", "FACE_SIDE", 300, "keyframes.chosen_frames"),
    ("stages.keyframes", "FACE_MARGIN", 1.3, "keyframes.chosen_frames"),
    ("stages.halves", "MIDLINE", 255, "halves.two_halves"),
    ("stages.regions", "BROW_HALF_THICKNESS", 0.05, "regions.painted_parts"),
    ("stages.regions", "MIRROR_REGIONS", tuple(range(10)), "regions.painted_parts"),
    ("facs", "FRACTIONS", (0.0, 0.10, 0.22, 0.45, 0.80, 1.0), "facs.steps_of_intensity"),
    ("stages.action_units", "_MAX_REST", 3, "action_units.known_faces"),
    ("stages.cooccurrence", "ANATOMICAL_EXCLUSIONS", ANATOMICAL_EXCLUSIONS[1:], "cooccurrence.tested_cells"),
    ("stages.cooccurrence", "PRIOR_ITEMS", PRIOR_ITEMS[:20], "cooccurrence.tested_cells"),
    ("stages.cooccurrence", "EXTRA_PAIRS", EXTRA_PAIRS[1:], "cooccurrence.tested_cells"),
    ("stages.symptoms", "_CLOSED_SHARE", 0.1, "symptoms.weak_sides"),
    ("stages.symptoms", "CLINICAL_REGIONS", {"mouth": (12,)}, "symptoms.weak_sides"),
    ("stages.grading", "_MOVING", 0.3, "grading.strongest_frames"),
    ("stages.grading", "_ALGR_HALF_SIDE", 1.5, "grading.network_inputs"),
    ("stages.grading", "IMAGE_STD", (0.25, 0.25, 0.25), "grading.network_inputs"),
    ("stages.grade_fusion", "SEVERITY_GRADES", {"normal": (1, 2), "low": (3,), "medium": (4,), "high": (5, 6)},
     "grade_fusion.chances_of_movement"),
)  # fmt: skip


@pytest.mark.parametrize(("module", "name", "value", "case"), CHANGES, ids=[f"{c[0]}.{c[1]}" for c in CHANGES])
def test_a_changed_constant_fails_the_case_of_its_stage(
    module: str, name: str, value: Any, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.import_module(f"palsy_cli.{module}"), name, value)
    stage, _, short = case.partition(".")
    outcome = perform(CHECKS[stage, short])
    assert outcome.ok is False and outcome.stage == stage and outcome.problem


LISTED = [(stage, name) for stage, facts in golden().items() for name in facts.get("constants", {})]


@pytest.mark.parametrize(("stage", "name"), LISTED, ids=[".".join(each) for each in LISTED])
def test_any_other_constant_is_noticed_by_name(stage: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = next(module for module in written.MODULES[stage] if hasattr(module, name))
    value = getattr(owner, name)
    monkeypatch.setattr(owner, name, value * 1.01 + 0.01 if isinstance(value, (int, float)) else [*value, 7])
    outcome = perform(CHECKS[stage, "constants"])
    assert outcome.ok is False and (outcome.problem or "").startswith(f"{name} is ")


@pytest.mark.parametrize(
    ("group", "name", "value", "stage"),
    [
        ("face", "max_turn", 0.5, "face"),
        ("landmarks", "top_k", 20, "landmarks"),
        ("symptoms", "dead_zone_relative", 0.2, "symptoms"),
        ("grades", "movement_spread", 0.03, "grading"),
    ],
)
def test_a_changed_default_fails_the_settings_of_its_stage_alone(
    group: str, name: str, value: Any, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = config.Settings()
    changed = dataclasses.replace(default, **{group: dataclasses.replace(getattr(default, group), **{name: value})})
    monkeypatch.setattr(config, "Settings", lambda: changed)
    failed = [ident(check) for (_, kind), check in CHECKS.items() if kind == "settings" and not perform(check).ok]
    assert failed == [f"{stage}.settings"]
    assert (perform(CHECKS[stage, "settings"]).problem or "").startswith(f"{name} is {value}")
