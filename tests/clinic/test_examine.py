"""The measures of one recording, from what the hops before found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from factories import make_assessment

from palsy_cli.clinic.examine import examine
from palsy_cli.config import ClinicSettings
from palsy_cli.records import Assessment, ClinicMeasures


@pytest.fixture(scope="module")
def assessment() -> Assessment:
    return make_assessment()


def examined(assessment: Assessment, rest: tuple[int, ...] = (0,), **settings: float) -> ClinicMeasures:
    a = assessment
    return examine(a.track, a.landmarks, a.keyframes, rest, ClinicSettings(**settings))


def test_a_recording_is_measured(assessment: Assessment) -> None:
    found = examined(assessment, ipd_mm=62.0)
    assert found.reason is None and found.rest_frames == 6 and found.turned_frames == 0
    assert found.scale.mm == 62.0 and found.scale.source == "ipd"
    assert {one.task for one in found.movements} >= {"brow_raise", "lip_pucker"}
    brow = next(m for m in found.measures if m.name == "brow_excursion")
    assert brow.left is not None and brow.right is not None and brow.left < 0.6 * brow.right


def test_pixels_may_tell_the_scale(assessment: Assessment) -> None:
    one, two = (examined(assessment, mm_per_px=mm).scale for mm in (0.3, 0.6))
    assert one.source == "mm-per-px" and one.mm is not None and two.mm == pytest.approx(2 * one.mm)


def test_without_a_rest_nothing_is_measured(assessment: Assessment) -> None:
    for found in (examined(assessment, rest=()), examined(unseen_at_rest(assessment))):
        assert found.measures == () == found.movements and found.scale.mm is None
        assert found.reason is not None and "rest" in found.reason


def unseen_at_rest(assessment: Assessment) -> Assessment:
    points = assessment.landmarks.points.copy()
    points[:10] = np.nan
    return dataclasses.replace(assessment, landmarks=dataclasses.replace(assessment.landmarks, points=points))
