"""Miniature data sets, drawn once and copied for each test that breaks one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import trees_marks

Copy = Callable[[str], Path]
TREES = {
    "300w": trees_marks.w300_tree,
    "aflw": trees_marks.aflw_tree,
    "aflfp": trees_marks.aflfp_tree,
    "fpara": trees_marks.fpara_tree,
    "clips": trees_marks.clips_tree,
}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tree that nobody may change, by the name of its data set."""
    root = tmp_path_factory.mktemp("trees")

    def of(name: str) -> Path:
        if not (root / name).is_dir():
            TREES[name](root / name)
        return root / name

    return of


@pytest.fixture
def tree(drawn: Callable[[str], Path], tmp_path: Path) -> Copy:
    """A copy of a tree, to be broken."""
    return lambda name: Path(shutil.copytree(drawn(name), tmp_path / name))
