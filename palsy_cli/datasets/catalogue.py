"""Which data sets there are: names and modules only, so that listing them reads nothing."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, Problem
from palsy_cli.datasets.folds import Fold, Split, make_folds
from palsy_cli.errors import DatasetError, UsageError

#: Adapter module of each data set, by the name that commands use.
ADAPTERS: dict[str, str] = {
    "disfa-plus": "disfa_plus",
    "disfa": "disfa",
    "bp4d": "bp4d",
    "aflfp": "aflfp",
    "300w": "w300",
    "aflw": "aflw",
    "fpara": "fpara",
    "csv": "table",
    "clips": "clips",
    "marked": "marked",
}


def dataset_spec(name: str) -> DatasetSpec:
    """What is known of a data set; raises UsageError with the nearest known name."""
    return cast("DatasetSpec", _adapter(name).SPEC)


def dataset_specs() -> tuple[DatasetSpec, ...]:
    """What is known of every data set, in the order of ``ADAPTERS``."""
    return tuple(dataset_spec(name) for name in ADAPTERS)


def scan_dataset(name: str, root: Path) -> tuple[FaceDataset, Sequence[Problem]]:
    """All that can be read, and every fault found on the way.

    Raises:
        UsageError: no such data set.
        DatasetError: ``root`` is no folder.
    """
    adapter = _adapter(name)
    if not Path(root).is_dir():
        raise DatasetError(f"{root}: no such folder; name the folder of {adapter.SPEC.title}")
    return cast("tuple[FaceDataset, Sequence[Problem]]", adapter.scan(Path(root)))


def read_dataset(name: str, root: Path) -> FaceDataset:
    """Read a data set that is whole.

    Raises:
        UsageError: no such data set.
        DatasetError: the first file that is missing or damaged, or no labelled face at all.
    """
    dataset, problems = scan_dataset(name, root)
    faults = [problem for problem in problems if problem.kind != "note"]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        raise DatasetError(f"{faults[0]}{more}; palsy datasets check {name} {root} lists all")
    if not dataset.faces:
        raise DatasetError(
            f"{root}: holds no labelled face of {dataset.name}; palsy datasets show {name} draws its tree"
        )
    return dataset


def own_folds(dataset: FaceDataset) -> tuple[Fold, ...] | None:
    """The folds of a set that comes with a split of its own (300-W); ``None`` for all others."""
    split = getattr(_adapter(dataset.name), "own_folds", None)
    return None if split is None else cast("tuple[Fold, ...]", split(dataset))


def folds_of(
    dataset: FaceDataset, *, count: int, split: Split = "subjects", validation_fold: bool = False
) -> tuple[Fold, ...]:
    """The set's own folds if it has any, else ``folds.make_folds`` with the same arguments and errors."""
    own = own_folds(dataset)
    return own or make_folds(dataset, count=count, split=split, validation_fold=validation_fold)


def _adapter(name: str) -> Any:
    if name not in ADAPTERS:
        near = difflib.get_close_matches(name, ADAPTERS, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown data set {name!r}{hint}; known: {', '.join(ADAPTERS)}")
    return importlib.import_module(f"palsy_cli.datasets.{ADAPTERS[name]}")
