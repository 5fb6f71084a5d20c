"""What the tests of training share: simulated faces of miniature people, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniature import DRAWN

from palsy_cli.training.samples import FaceSamples, make_samples


@pytest.fixture(scope="session")
def cache(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the runs' samples, filled."""
    folder = tmp_path_factory.mktemp("runs") / "samples"
    make_samples(data, folder, drawn=DRAWN, workers=2)
    return folder


@pytest.fixture(scope="session")
def samples(data: Path, cache: Path) -> FaceSamples:
    """The simulated faces of the miniature people."""
    return make_samples(data, cache)
