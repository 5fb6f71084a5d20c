"""Every plot is a picture of what there is, and nothing is drawn of nothing."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from cases import perfect_case

from palsy_cli.evaluation.patients import plan_doses, plan_patients
from palsy_cli.evaluation.plots import draw_plots


def test_plots() -> None:
    rng = np.random.default_rng(0)
    cases = [perfect_case(patient, rng) for patient in plan_patients(5, 12)]
    cases = [dataclasses.replace(case, by_helpers={m: (case.left, case.right) for m in range(3)}) for case in cases]
    dosed = [perfect_case(patient, rng) for patient in plan_doses(range(2))]
    plots = dict(draw_plots(cases, dosed))
    assert list(plots) == ["grades", "agreement", "helpers", "dose"]
    for png in plots.values():
        picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None and picture.shape[0] > 200 and picture.std() > 5
    assert plots == dict(draw_plots(cases, dosed))
    assert dict(draw_plots([], [])) == {}
