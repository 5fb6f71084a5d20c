"""Facts of two assessments: one of a palsy with synkinesis, one of a face that never moved."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from factories import make_assessment

from palsy_cli.batch.summary import facts_of
from palsy_cli.records import ALL_AUS, ActionUnits, Assessment, Grades
from palsy_cli.report.json_report import assessment_dict
from palsy_cli.stages.symptoms import find_symptoms

MakeRow = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def assessment() -> Assessment:
    return make_assessment()


@pytest.fixture(scope="session")
def still() -> Assessment:
    """Nothing could be assessed, and each result says why."""
    units = ActionUnits(ALL_AUS, np.zeros((48, 14)), np.zeros((48, 14)))
    grades = Grades(None, None, "no model was given", "=too few\tkeyframes")
    return make_assessment(action_units=units, symptoms=find_symptoms(units), grades=grades, warnings=())


@pytest.fixture(scope="session")
def facts(assessment: Assessment) -> dict[str, Any]:
    return facts_of(assessment_dict(assessment))


@pytest.fixture(scope="session")
def still_facts(still: Assessment) -> dict[str, Any]:
    return facts_of(assessment_dict(still))


@pytest.fixture
def make_row(facts: dict[str, Any]) -> Iterator[MakeRow]:
    """An assessed video, each with another job; arguments replace its values."""
    made = 0

    def make(patient: str = "p", session: str = "", **changes: Any) -> dict[str, Any]:
        nonlocal made
        made += 1
        known = {"patient": patient, "session": session, "video": f"{patient}/{session}/{made}.mp4"}
        return facts | known | {"status": "done", "exit_code": 0, "job_id": f"{made:032x}"} | changes

    yield make
