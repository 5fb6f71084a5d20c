"""Every standard error is the one that was measured, and belongs to something that exists."""

from __future__ import annotations

import re
from pathlib import Path

from visited import compared, lines, visit

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.compare.precision import PRECISIONS
from palsy_cli.report.terms import SCALE_NAMES, TASK_NAMES

TRIAL = Path(__file__).parents[2] / "docs" / "benchmarks" / "2026-11-22-visits.md"
FEWEST = 6


def test_the_errors_are_those_of_the_trial() -> None:
    rows = re.findall(r"^\| ([a-z]\S*(?: .*?)?) \| (\w*) ?\| (.*?) \| (.*?) \|$", TRIAL.read_text(), re.MULTILINE)
    measured = {}
    for name, task, _, changes in rows[1:]:
        count, _, error = changes.split(", ")
        assert int(count) >= FEWEST
        measured[name, task] = (float(error), count)
    assert len(measured) > 50
    kept = {key: each.error for key, each in PRECISIONS.items()}
    assert kept == {key: error for key, (error, _) in measured.items()}
    assert all(f" {count} " in PRECISIONS[key].source for key, (_, count) in measured.items())


def test_what_they_belong_to_exists() -> None:
    others = {"active_mean", "region", "severity", "house_brackmann_of_networks", *SCALE_NAMES}
    for (name, task), precision in PRECISIONS.items():
        assert name.removesuffix(", left minus right") in {*DEFINITIONS, *others}
        assert task in {"", *TASK_NAMES} and precision.error > 0


def test_most_lines_have_one(tmp_path: Path) -> None:
    found = lines(compared(tmp_path, visit(), visit())).values()
    without = {line["measure"] for line in found if None in line["standard_errors"] and line["section"] != "synkinesis"}
    assert not without, "a measure without error is not known whether real; measure its error with the others"
