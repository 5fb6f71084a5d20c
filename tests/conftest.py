"""What all tests share: a data folder in miniature."""

from __future__ import annotations

from pathlib import Path

import pytest
from miniature import write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole data folder."""
    return write_data(tmp_path_factory.mktemp("data"))
