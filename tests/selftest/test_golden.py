"""The golden file: how it is compared, and that it lists everything."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from palsy_cli.config import Settings
from palsy_cli.selftest import geometry_cases, grade_cases, input_cases, muscle_cases, patient, written
from palsy_cli.selftest.golden import agrees, differences, golden, golden_settings, plain
from palsy_cli.selftest.written import MODULES

STAGES = Path(written.__file__).parents[1] / "stages"


def constants_in(module: ModuleType) -> Iterator[str]:
    """Upper-case names that a file assigns."""
    assert module.__file__ is not None
    for node in ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        for target in targets:
            for name in target.elts if isinstance(target, ast.Tuple) else [target]:
                if isinstance(name, ast.Name) and name.id.isupper():
                    yield name.id


def holds_numbers(value: Any) -> bool:
    """Whether a number stands anywhere in a plain value."""
    if isinstance(value, dict):
        return any(map(holds_numbers, value.values()))
    if isinstance(value, list):
        return any(map(holds_numbers, value))
    return isinstance(value, (int, float))


def test_every_number_of_every_stage_is_listed() -> None:
    #: Made of others that are listed; ``cooccurrence.tested_cells`` counts the mask.
    derived = {"NORMAL_MASK"}
    seen = set()
    for stage, modules in MODULES.items():
        own = modules[0]
        if Path(str(own.__file__)).parent == STAGES:
            seen.add(stage)
            wanted = {name for name in constants_in(own) if holds_numbers(plain(getattr(own, name)))} - derived
            assert wanted <= set(golden()[stage]["constants"]), stage
    with_numbers = {path.stem for path in STAGES.glob("*.py")} - {"__init__", "synkinesis", "grade_fusion", "landmarks"}
    assert seen == with_numbers, "list the constants of a new stage in written.MODULES"


def test_every_setting_is_listed() -> None:
    for field in dataclasses.fields(Settings):
        group = getattr(Settings(), field.name)
        if dataclasses.is_dataclass(group):
            stage = {"grades": "grading"}.get(field.name, field.name)
            assert set(golden()[stage]["settings"]) == {each.name for each in dataclasses.fields(group)}
    assert golden_settings() == Settings()


def test_every_fact_has_its_check_and_every_check_its_fact(tmp_path: Path) -> None:
    parts = (written, input_cases, geometry_cases, muscle_cases, grade_cases)
    checks = [check for part in parts for check in part.checks()]
    checks += patient.checks(patient.DrawnPatient(tmp_path, None, None))  # type: ignore[arg-type]
    named = {(check.stage, check.name) for check in checks} | {("models", "weights")}
    assert named == {(stage, name) for stage, facts in golden().items() for name in facts}


def test_plain_values() -> None:
    assert plain({1: (np.float64(0.1234567), None), "b": frozenset({2, 1})}) == {
        "1": [0.123457, "not assessed"],
        "b": [1, 2],
    }
    assert plain(np.array([[np.nan, -0.0]])) == [["not assessed", 0.0]] and plain(np.bool_(True)) is True


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [
        (1.0, 1.00005, True), (1.0, 1.001, False), (300.0, 300.02, True), (1, 1.0, True), (0.0, 0.0002, False),
        (True, True, True), (True, 1, False), (1, True, False), ("a", "a", True), ("1", 1, False), (1, None, False),
        ([1, [2.0]], [1, [2.0]], True), ([1], [1, 2], False), ([1], 1, False), ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False), ({"a": 1}, 1, False), ({"at_least": 0.8}, 0.9, True),
        ({"at_least": 0.8}, 0.7, False), ({"at_least": 0, "at_most": 1}, 2, False), ({"at_most": 1}, "no", False),
    ],
)  # fmt: skip
def test_agreement(wanted: Any, found: Any, same: bool) -> None:
    assert agrees(wanted, found) is same


def test_differences_name_the_fact() -> None:
    expected = {"GAP_S": 1.0, "matrix": [[1, 2], [3, 4]], "sides": [1], "error": {"at_most": 6}, "gone": 1}
    assert list(differences(expected, {"GAP_S": 1.5, "matrix": [[1, 2], [3, 5]], "sides": [], "error": 7.25})) == [
        "GAP_S is 1.5, expected 1.0",
        "matrix[1][1] is 5, expected 4",
        "sides is of 0 parts, expected 1",
        "error is 7.25, expected at most 6",
        "gone is missing, expected 1",
    ]
