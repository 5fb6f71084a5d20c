"""Results of one made-up patient, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from study import write_assessed


@pytest.fixture(scope="session")
def assessed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assessed(tmp_path_factory.mktemp("assessed"))
