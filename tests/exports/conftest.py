"""The fixtures of exports."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from study import write_assessed, write_study, write_unassessed

from palsy_cli.exports.pseudonyms import PseudonymousVisit, pseudonymise
from palsy_cli.exports.visits import find_visits


@pytest.fixture(scope="session")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a left-sided palsy with synkinesis."""
    return write_assessed(tmp_path_factory.mktemp("assessed"))


@pytest.fixture(scope="session")
def unassessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a face that never moved."""
    return write_unassessed(tmp_path_factory.mktemp("unassessed"))


@pytest.fixture
def study(assessed: Path, unassessed: Path, tmp_path: Path) -> Path:
    """Four recordings of three patients."""
    return write_study(tmp_path, assessed=assessed, unassessed=unassessed)[0]


@pytest.fixture
def visits_csv(study: Path) -> Path:
    """Whose recordings those of ``study`` are."""
    return study.parent / "visits.csv"


@pytest.fixture(scope="session")
def visits(assessed: Path, unassessed: Path, tmp_path_factory: pytest.TempPathFactory) -> Sequence[PseudonymousVisit]:
    """The study as an export sees it, dates a year back: sub-0001 is FORMULA, sub-0002 AWKWARD, sub-0003 CHINESE."""
    folder = tmp_path_factory.mktemp("visits")
    results, table = write_study(folder, assessed=assessed, unassessed=unassessed)
    return pseudonymise(find_visits(results, table), id_map=None, shift="-365")


@pytest.fixture
def changed(assessed: Path, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the results in which ``assessment.json`` holds another value at a dotted place."""

    def change(place: str, value: Any) -> Path:
        folder = tmp_path / "changed"
        shutil.copytree(assessed, folder)
        file = folder / "assessment.json"
        data = json.loads(file.read_text(encoding="utf-8"))
        *way, last = place.split(".")
        node = data
        for key in way:
            node = node[key]
        node[last] = value
        file.write_text(json.dumps(data), encoding="utf-8")
        return folder

    return change
