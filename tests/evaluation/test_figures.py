"""From cases to figures: perfect answers reach every target, and each kind of mistake shows in its own figure."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from typing import Any

import numpy as np
import pytest
from cases import one_hot, perfect_case

from palsy_cli.evaluation.figures import (
    Figure,
    au_figures,
    dose_figures,
    ensemble_figures,
    grade_figures,
    helper_curve,
    landmark_figures,
    side_figures,
    synkinesis_figures,
)
from palsy_cli.evaluation.patients import Case, plan_doses, plan_patients
from palsy_cli.evaluation.recordings import Trial, recording_figures
from palsy_cli.evaluation.tables import meets, to_csv, to_json, to_markdown


@pytest.fixture
def cases() -> list[Case]:
    rng = np.random.default_rng(0)
    return [perfect_case(patient, rng) for patient in plan_patients(11, 36)]


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def all_figures(cases: list[Case]) -> list[Figure]:
    parts = (landmark_figures, au_figures, side_figures, grade_figures, synkinesis_figures)
    return [figure for part in parts for figure in part(cases)]


def test_perfect_answers_reach_every_target(cases: list[Case]) -> None:
    figures = all_figures(cases)
    assert len(figures) > 20
    assert [figure.name for figure in figures if meets(figure) is False] == []
    assert all(figure.value is not None for figure in figures)


def test_exchanged_sides_cost_the_sides_and_the_units_only(cases: list[Case]) -> None:
    other = {"left": "right", "right": "left", "none": "none"}
    mirrored = [
        dataclasses.replace(
            case, left=case.right, right=case.left, weak_sides={k: other[str(v)] for k, v in case.weak_sides.items()}
        )
        for case in cases
    ]
    missed = {figure.group for figure in all_figures(mirrored) if meets(figure) is False}
    assert missed == {"action units", "weak side"}
    # Only the healthy are right: F1 of "none" is 1, of the sides 0.
    assert by_name(side_figures(mirrored))["F1, mouth"].value == pytest.approx(1 / 3)


def test_a_grade_too_high_stays_within_one(cases: list[Case]) -> None:
    raised = [dataclasses.replace(case, house_brackmann=one_hot(min(case.grade, 5), 6)) for case in cases]
    figures = by_name(grade_figures(raised))
    assert figures["within one grade"].value == 1.0
    worst = sum(case.grade == 6 for case in cases)
    assert figures["exact"].value == pytest.approx(worst / len(cases))


def test_what_was_withheld_is_said(cases: list[Case]) -> None:
    silent = [dataclasses.replace(case, severity=None, weak_sides={"face": None}) for case in cases]
    severity, side = grade_figures(silent)[0], by_name(side_figures(silent))["F1, mouth"]
    assert severity.value is None and severity.note == "36 of 36 not assessed"
    assert side.value is None and meets(side) is None
    half = [dataclasses.replace(case, severity=None) for case in cases[:18]] + cases[18:]
    assert grade_figures(half)[0].note == "18 of 36 not assessed"


def test_pairs_too_many_and_too_few(cases: list[Case]) -> None:
    invented = [dataclasses.replace(case, pairs=case.pairs | {("left", 1, 12)}) for case in cases]
    more = by_name(synkinesis_figures(invented))
    assert more["recall of pairs"].value == 1.0 and (more["precision of pairs"].value or 1) < 0.6
    assert more["patients without any that are told none"].value == 0.0
    assert more["recall of pairs"].note == "1.00 from the true intensities"
    blind = by_name(synkinesis_figures([dataclasses.replace(case, pairs=frozenset()) for case in cases]))
    assert blind["recall of pairs"].value == 0.0 and blind["precision of pairs"].value is None


def test_dose_response_is_that_of_ranks() -> None:
    rng = np.random.default_rng(0)
    rising = [perfect_case(patient, rng) for patient in plan_doses([0, 1])]
    assert dose_figures(rising)[0].value == pytest.approx(1.0)
    falling = [dataclasses.replace(case, asymmetry=-case.asymmetry) for case in rising]
    assert dose_figures(falling)[0].value == pytest.approx(-1.0)


def test_of_nobody_there_is_nothing_to_measure() -> None:
    """Weights may be so bad that no face is found."""
    figures = [*landmark_figures([]), *au_figures([]), *ensemble_figures([], helpers=2), *side_figures([])]
    figures += [*grade_figures([]), *synkinesis_figures([]), *dose_figures([]), *recording_figures([])]
    assert len(figures) > 30 and all(figure.value is None for figure in figures)
    assert "not measured" in to_markdown(figures, title="T", about=[])


def test_recordings_by_weakness() -> None:
    trials = [Trial(video, "left", 1.0, "left") for video in range(4)]
    trials += [Trial(video, "right", 0.25, "right" if video else None) for video in range(4)]
    trials += [Trial(video, "none", 0.0, "none") for video in range(4)]
    figures = by_name(recording_figures(trials))
    assert figures["weak side right at weakness 1"].value == 1.0
    assert figures["weak side right at weakness 0.25"].value == 0.75
    assert figures["weak side right at weakness 0.5"].value is None
    assert figures["controls told none"].value == 1.0


def test_tables_tell_the_same(cases: list[Case]) -> None:
    figures = [*all_figures(cases), Figure("severity", "unknown", None, note="nothing to measure")]
    page = to_markdown(figures, title="T", about=["seconds: 1"])
    assert page.startswith("# T\n") and page.count("\n|") == len(figures) + 2
    assert "| not measured |" in page
    rows = list(csv.DictReader(io.StringIO(to_csv(figures))))
    data = json.loads(to_json(figures, about={"seconds": 1}))["figures"]
    for figure, row, entry in zip(figures, rows, data, strict=True):
        assert row["figure"] == entry["name"] == figure.name
        assert (float(row["value"]) if row["value"] else None) == entry["value"] == figure.value


@pytest.mark.parametrize(
    ("value", "target", "reached"),
    [(0.9, ">= 0.90", True), (0.89, ">= 0.90", False), (4.0, "<= 4", True), (4.1, "<= 4", False), (1.0, "", None)],
)
def test_targets(value: float, target: str, reached: bool | None) -> None:
    assert meets(Figure("g", "n", value, target=target)) is reached


def test_the_gain_of_the_ensemble_is_that_of_its_helpers(cases: list[Case]) -> None:
    rng = np.random.default_rng(3)

    def noisy(case: Case, much: float) -> tuple[Any, Any]:
        return tuple(half + rng.normal(0, much, half.shape) for half in (case.left, case.right))  # type: ignore[return-value]

    assert ensemble_figures(cases, helpers=2) == [] and helper_curve(cases) == {}
    tried = [dataclasses.replace(case, by_helpers={0: noisy(case, 1), 2: noisy(case, 0.1)}) for case in cases]
    curve = helper_curve(tried + cases)
    assert curve[0]["MAE"] == pytest.approx(np.sqrt(2 / np.pi), rel=0.1) and curve[2]["PCC"] > 0.99
    gains = ensemble_figures(tried, helpers=2)
    assert len(gains) == 3 and all(meets(gain) for gain in gains)
    worse = [dataclasses.replace(case, by_helpers={0: case.by_helpers[2], 2: case.by_helpers[0]}) for case in tried]
    assert not any(meets(loss) for loss in ensemble_figures(worse, helpers=2))
    assert ensemble_figures(tried, helpers=3) == []
