"""The film's fixtures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))  # tests/factories.py and tests/filmed.py serve every folder

from factories import make_assessment
from filmed import TIMES_S, Recorded, grey, of_frames

from palsy_cli.records import Assessment
from palsy_cli.stages.video import write_video


@pytest.fixture(scope="session")
def recorded() -> Recorded:
    """Writes a recording and makes its assessment up; ``shades`` are the greys of its frames."""
    whole = make_assessment()

    def record(path: Path, *, shades: Sequence[int] = (60,) * len(TIMES_S)) -> Assessment:
        write_video([grey(shade) for shade in shades], path, fps=5.0, times_s=TIMES_S)
        return of_frames(whole, path)

    return record
