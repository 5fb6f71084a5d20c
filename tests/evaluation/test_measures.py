"""`palsy evaluate measures`: what is laid beside the truth, and what follows from it."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest

from palsy_cli.config import Execution
from palsy_cli.errors import DatasetError, UsageError
from palsy_cli.evaluation import measure_cases
from palsy_cli.evaluation.figures import Figure
from palsy_cli.evaluation.measure_cases import Length, MeasureCase, match, true_measures, true_movements
from palsy_cli.evaluation.measures import evaluate_measures, length_figures, movement_figures, scale_figures
from palsy_cli.records import Movement
from palsy_cli.simulate.clips import Truth, drives_at, gains_of
from palsy_cli.simulate.muscles import move_points
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.simulate.script import write_script
from palsy_cli.simulate.template import mean_points

DATA = os.environ.get("PALSY_DATA")
CPU = Execution(device="cpu")


def made(task: str, onset_s: float, offset_s: float) -> Movement:
    return Movement(task, onset_s, (onset_s + offset_s) / 2, offset_s, np.arange(0), 1.0, np.zeros((68, 2)))


def test_a_movement_counts_by_name_beginning_and_end_and_only_once() -> None:
    true = [made("smile", 1.0, 3.0), made("snarl", 4.0, 6.0), made("smile", 7.0, 9.0)]
    seen = [made("smile", 1.2, 2.9), made("snarl", 4.5, 6.0), made("smile", 7.0, 9.4), made("frown", 9.5, 11.0)]
    assert match(true, seen) == (("smile",), ("snarl", "smile"), 3)
    assert match(true, seen, tolerance_s=0.6) == (("smile", "snarl", "smile"), (), 1)
    assert match(true[:1], [*seen[:1], *seen[:1]]) == (("smile",), (), 1)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """A palsy of the left, grade IV, who smiles and shows the lower teeth, 63 mm between the eyes being 100 pixels."""
    lesion, script, gains = (
        house_brackmann_preset(4, "left"),
        write_script(("open_smile", "lower_teeth_EEE")),
        gains_of(1),
    )
    times_s = np.arange(int(script.duration_s * 20)) / 20
    shapes = [move_points(mean_points(), drives_at(script, t, lesion, gains)).points for t in times_s]
    units = np.zeros((len(times_s), 14))
    return Truth(1, lesion, gains, script, 20.0, 100.0 * np.stack(shapes), units, units)


def test_true_lengths_are_those_of_the_muscles(truth: Truth) -> None:
    times_s = np.arange(len(truth.points)) / 20
    movements = true_movements(truth.script, times_s)
    assert [one.task for one in movements] == ["smile", "lower_teeth_EEE"]
    measures = {one.name: one for one in true_measures(truth, times_s, movements)}
    smile = measures["commissure_excursion"]
    assert smile.left is not None and smile.right is not None
    assert 8.0 < 63.0 * smile.right < 12.0 and smile.left < 0.6 * smile.right
    assert measures["brow_excursion"].left is None


def case(**changes: object) -> MeasureCase:
    lengths = (
        Length("alar_lift", "snarl", True, 2.5, 2.0),
        Length("lagophthalmos", "gentle_eye_closure", True, 4.0, 1.0),
    )
    plain = MeasureCase(0, 3, 60, ("smile", "snarl"), ("frown",), 1, lengths, 1, 3, 3, 55.0, 65.0)
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def named(figures: list[Figure]) -> dict[str, float | None]:
    return {figure.name: figure.value for figure in figures}


def test_figures_of_a_few_cases() -> None:
    cases = [case(), case(person=1, by_rule=5, low=80.0, high=90.0), case(person=2, by_rule=None, low=None, high=None)]
    movements = named(movement_figures(cases))
    assert movements["F1"] == pytest.approx(12 / (12 + 3 + 3)) and movements["found, frown"] == 0.0
    lengths = named(length_figures(cases))
    assert lengths["median error mm"] == 0.5 and lengths["within 1 mm or 10 %"] == 1.0
    assert lengths["median error mm, lagophthalmos"] == 3.0 and lengths["median error mm, brow_excursion"] is None
    assert lengths["slope of found over true, alar_lift"] == 1.25
    scales = named(scale_figures(cases))
    assert scales["within one grade"] == scales["the same grade"] == scales["truth within the range"] == 0.5
    assert scales["median error of the range's middle"] == 12.5 and scales["given"] == pytest.approx(2 / 3)


def test_nothing_to_measure_is_no_number() -> None:
    for figures in (movement_figures([]), length_figures([]), scale_figures([])):
        assert all(figure.value is None for figure in figures)


def test_refusals(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="photos"):
        evaluate_measures(tmp_path, execution=CPU)
    with pytest.raises(UsageError, match="0 patients"):
        evaluate_measures(data, patients=0, execution=CPU)


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="PALSY_DATA is not set: no photos at hand")
def test_a_patient_goes_the_whole_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure_cases, "PROTOCOL", ("brow_raise", "open_smile"))
    pages = evaluate_measures(Path(str(DATA)), patients=1, workers=1, execution=CPU)
    found = {figure.name: figure.value for figure in pages.figures}
    assert (found["F1"] or 0) > 0.4 and (found["median error mm"] or 99) < 3
    assert "1 of 1 could be assessed" in pages.markdown()
