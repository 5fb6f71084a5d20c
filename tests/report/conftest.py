"""The report's fixtures."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from palsy_cli.records import Assessment

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/factories.py serves every folder

from factories import make_assessment


@pytest.fixture(scope="session")
def assessment() -> Assessment:
    """A left-sided palsy with synkinesis."""
    return make_assessment()


@pytest.fixture(scope="session")
def build() -> Callable[..., Assessment]:
    """The factory itself."""
    return make_assessment
