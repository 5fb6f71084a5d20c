"""Each kind of study has its pictures, and nothing is drawn of nothing."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from palsy_cli.evaluation.published import DISFA_AUS, DISFA_F1
from palsy_cli.evaluation.study import GradeStudy, IntensityStudy, PointsStudy, PresenceStudy
from palsy_cli.evaluation.study_plots import calibration_curve, draw_study
from palsy_cli.records import SEVERITY_LABELS

PEOPLE = [f"S{i % 5}" for i in range(60)]


def is_picture(png: bytes) -> bool:
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return picture is not None and picture.shape[0] > 200 and bool(picture.std() > 5)


def test_grades() -> None:
    rng = np.random.default_rng(0)
    odds = rng.dirichlet(np.ones(4), 60)
    odds[:3] = np.nan
    study = GradeStudy(odds, rng.integers(0, 4, 60), SEVERITY_LABELS, PEOPLE)
    plots = dict(draw_study(study))
    assert list(plots) == ["confusion", "calibration"] and all(map(is_picture, plots.values()))
    assert plots == dict(draw_study(study))
    silent = GradeStudy(np.full((60, 4), np.nan), study.true, SEVERITY_LABELS, PEOPLE)
    assert dict(draw_study(silent)) == {}


def test_intensities_and_helpers() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 6, (60, 3)).astype(float)
    found = np.clip(true + rng.normal(size=true.shape), 0, 5)
    found[0] = np.nan
    study = IntensityStudy(found, true, (1, 2, 4), PEOPLE, {0: found, 2: found})
    plots = dict(draw_study(study))
    assert list(plots) == ["agreement", "helpers"] and all(map(is_picture, plots.values()))


def test_presence_beside_a_paper() -> None:
    rng = np.random.default_rng(0)
    true = (rng.random((60, 8)) < 0.4).astype(float)
    study = PresenceStudy(rng.random((60, 8)), true, DISFA_AUS, PEOPLE)
    plots = dict(draw_study(study, DISFA_F1))
    assert list(plots) == ["units", "calibration"] and all(map(is_picture, plots.values()))
    assert list(dict(draw_study(study))) == ["calibration"]


def test_points_have_no_picture() -> None:
    assert dict(draw_study(PointsStudy(np.zeros((1, 68, 2)), np.zeros((1, 68, 2)), ["a"]))) == {}


def test_calibration_curve() -> None:
    chance = np.array([0.05, 0.05, 0.72, 0.78, 1.0])
    curve = calibration_curve(chance, np.array([0.0, 1.0, 1.0, 1.0, 0.0]))
    assert curve == pytest.approx(np.array([[0.05, 0.5, 2], [0.75, 1, 2], [1, 0, 1]]))
