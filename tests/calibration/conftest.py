"""The fixture of calibration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from healthy import assessed, write

from palsy_cli.records import ActionUnits


@pytest.fixture
def cohort(tmp_path: Path) -> Callable[..., Path]:
    """Write tables as results ``healthy/p00`` and so on; returns the folder."""

    def write_all(people: Sequence[ActionUnits], *, name: str = "healthy") -> Path:
        for number, units in enumerate(people):
            write(tmp_path / name / f"p{number:02d}", assessed(units))
        return tmp_path / name

    return write_all
