"""Who is trained on, who chooses the best epoch, who is tested: always whole people, unless a paper did otherwise."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import numpy as np

from palsy_cli.config import read_toml
from palsy_cli.datasets.faces import FaceDataset
from palsy_cli.errors import DatasetError, UsageError

Split = Literal["subjects", "paper"]

#: One subject of the training in so many chooses the best epoch instead.
_VALIDATION_ONE_IN = 8
#: Share of the frames that DEM tests on in its own split.
_PAPER_TEST = 0.2
#: Sets that grow: a person who joins must not move others between training and test. Published sets have all their
#: people and are dealt in equal shares instead.
_GROWING = frozenset({"csv", "clips"})
#: Sets that show the same people under the same ids: Mavadati et al. (2016) asked nine people of DISFA again.
_SAME_PEOPLE = frozenset({"disfa", "disfa-plus"})

#: Said wherever the literal split of a paper is used.
PAPER_SPLIT_WARNING = (
    "the split of the paper deals out single frames: the same people, and frames a thirtieth of a second apart, stand "
    "in training and test; its figures say nothing of a new person (erratum E16)"
)


@dataclass(frozen=True)
class Fold:
    """Rows of ``FaceDataset.faces``: to learn from, to choose the best epoch, to test. Arrays of whole numbers."""

    number: int
    training: np.ndarray[Any, Any]
    validation: np.ndarray[Any, Any]
    test: np.ndarray[Any, Any]


def make_folds(
    dataset: FaceDataset, *, count: int, split: Split = "subjects", validation_fold: bool = False, seed: int = 0
) -> tuple[Fold, ...]:
    """All folds of a data set, numbered from 1.

    By subjects every person is tested in exactly one fold: in the one that the published lists name (``folds.toml``),
    else dealt by the hash of the id. The folds of a published set differ by one person at most; in sets that grow
    (``csv``, ``clips``) the hash alone decides, so that adding people moves nobody to another fold, as soon as every
    fold has somebody. ``paper`` is the literal split of DEM: a random fifth of the frames.

    Args:
        dataset: what is dealt.
        count: folds.
        split: ``subjects`` or ``paper``.
        validation_fold: the next fold's people choose the best epoch (CEN), instead of one in eight of the others.
        seed: of the random split.

    Raises:
        UsageError: fewer than two folds.
        DatasetError: fewer subjects than folds, or a subject that stands in two of the published lists.
    """
    if split == "paper":
        return (_by_frames(dataset, seed),)
    if count < 2:
        raise UsageError(f"{count} folds: at least two are needed")
    parts = _published(dataset, count) or _dealt(dataset, count)
    folds = []
    for number, tested in enumerate(parts, start=1):
        others = set(dataset.subjects) - set(tested)
        chosen = parts[number % len(parts)] if validation_fold and len(parts) > 2 else None
        folds.append(fold_of(dataset, number=number, tested=tested, others=others, validating=chosen))
    return tuple(folds)


def without_test(dataset: FaceDataset) -> Fold:
    """Everybody is learned from or, one in eight, chooses the best epoch; a single person does both."""
    return fold_of(dataset, number=1, tested=(), others=dataset.subjects)


def fold_of(
    dataset: FaceDataset,
    *,
    number: int,
    tested: Collection[str],
    others: Collection[str],
    validating: Collection[str] | None = None,
) -> Fold:
    """One fold of whole subjects.

    Args:
        dataset: whose faces are dealt.
        number: of the fold.
        tested: who is tested.
        others: who is learned from or chooses the best epoch.
        validating: who of them chooses; ``None`` takes one in eight.
    """
    owner = np.array([face.subject for face in dataset.faces])
    chosen = sorted(others, key=_place)[::_VALIDATION_ONE_IN] if validating is None else list(validating)
    learned = sorted(set(others) - set(chosen)) or chosen
    return Fold(number, *(np.flatnonzero(np.isin(owner, list(who))) for who in (learned, chosen, tested)))


def check_apart(dataset: FaceDataset, fold: Fold) -> None:
    """Raise DatasetError when a subject that is tested is trained on, too; the error names one and its file."""
    learned = {dataset.faces[row].subject for row in (*fold.training, *fold.validation)}
    for row in fold.test:
        face = dataset.faces[row]
        if face.subject in learned:
            raise DatasetError(f"{face.path}: subject {face.subject} is in training and in test of fold {fold.number}")


def digests_of(dataset: str, subjects: Iterable[str]) -> set[str]:
    """What weights keep of the people they learned from: enough to know one again, too little to read an id.

    Args:
        dataset: the set's name; DISFA and DISFA+ show the same people under the same ids, other sets have ids of their
            own.
        subjects: ids.
    """
    family = min(_SAME_PEOPLE) if dataset in _SAME_PEOPLE else dataset
    return {hashlib.sha256(f"{family}/{subject}".encode()).hexdigest()[:16] for subject in subjects}


def _published(dataset: FaceDataset, count: int) -> list[list[str]] | None:
    """The subjects of each fold as a paper lists them, without those that this copy does not have."""
    with resources.as_file(resources.files(__package__) / "folds.toml") as path:
        lists: list[list[str]] = read_toml(path).get(dataset.name, {}).get("folds", [])
    if len(lists) != count:
        return None
    seen: set[str] = set()
    for subject in (subject for part in lists for subject in part):
        if subject in seen:
            raise DatasetError(f"folds.toml: {dataset.name} has subject {subject} in two folds")
        seen.add(subject)
    have = set(dataset.subjects)
    if have - seen:
        return None
    parts = [[subject for subject in part if subject in have] for part in lists]
    return parts if all(parts) else None


def _dealt(dataset: FaceDataset, count: int) -> list[list[str]]:
    """Subjects of each fold by the hashes of their ids; see ``make_folds``."""
    subjects = sorted(dataset.subjects, key=_place)
    if len(subjects) < count:
        raise DatasetError(f"{dataset.root}: {len(subjects)} subjects make no {count} folds")
    if dataset.name in _GROWING:
        parts = [[who for who in subjects if int(_place(who), 16) % count == number] for number in range(count)]
        if all(parts):
            return parts
    return [subjects[number::count] for number in range(count)]


def _place(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()


def _by_frames(dataset: FaceDataset, seed: int) -> Fold:
    order = np.random.default_rng(seed).permutation(len(dataset.faces))
    tested = int(round(_PAPER_TEST * len(order)))
    test, rest = order[:tested], order[tested:]
    return Fold(1, np.sort(rest), np.sort(test), np.sort(test))
