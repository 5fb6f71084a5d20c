"""Who is trained on, who chooses, who is tested."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from trees import DISFA_PEOPLE, DISFA_PLUS_PEOPLE

from palsy_cli.config import read_toml
from palsy_cli.datasets import folds
from palsy_cli.datasets.faces import FaceDataset, LabelledFace
from palsy_cli.datasets.folds import Fold, check_apart, digests_of, make_folds, without_test
from palsy_cli.errors import DatasetError, UsageError

BP4D = [*(f"F{n:03d}" for n in range(1, 24)), *(f"M{n:03d}" for n in range(1, 19))]
DISFA = [f"SN{n:03d}" for n in (*range(1, 14), 16, 17, 18, 21, *range(23, 33))]
#: The nine people of DISFA+.
PLUS = ["SN001", "SN003", "SN004", "SN007", "SN009", "SN010", "SN013", "SN025", "SN027"]


def dataset(name: str, subjects: list[str], frames: int = 3) -> FaceDataset:
    faces = (
        LabelledFace(subject=who, sequence=who, frame=frame, path=Path(f"{who}.avi"))
        for who in subjects
        for frame in range(frames)
    )
    return FaceDataset(name, Path("root"), tuple(faces))


def people(data: FaceDataset, rows: np.ndarray) -> set[str]:
    return {data.faces[row].subject for row in rows}


def dealt(data: FaceDataset, count: int) -> list[set[str]]:
    return [people(data, fold.test) for fold in make_folds(data, count=count)]


CASES = [
    ("bp4d", BP4D, 3),
    ("disfa", DISFA, 3),
    ("disfa-plus", PLUS, 3),
    ("aflfp", [f"S{n}" for n in range(88)], 10),
    ("csv", [f"p{n}" for n in range(40)], 3),
    ("csv", ["a", "b", "c"], 3),
    ("csv", ["a", "b"], 2),
]


@pytest.mark.parametrize(("name", "subjects", "count"), CASES)
def test_every_person_is_tested_once_and_never_trained_on_then(name: str, subjects: list[str], count: int) -> None:
    data = dataset(name, subjects)
    made = make_folds(data, count=count)
    assert [fold.number for fold in made] == list(range(1, count + 1))
    assert sorted(itertools.chain(*(people(data, fold.test) for fold in made))) == sorted(subjects)
    for fold in made:
        check_apart(data, fold)
        learned, chose, test = (people(data, rows) for rows in (fold.training, fold.validation, fold.test))
        assert learned and chose and test
        assert not test & (learned | chose) and learned | chose | test == set(subjects)
        assert not learned & chose or len(subjects) - len(test) == 1
        rows = set(map(int, np.concatenate([fold.training, fold.validation, fold.test])))
        assert rows == set(range(len(data.faces)))  # all frames of each


def test_one_in_eight_chooses() -> None:
    data = dataset("bp4d", BP4D)
    for fold in make_folds(data, count=3):
        others = len(people(data, fold.training)) + len(people(data, fold.validation))
        assert len(people(data, fold.validation)) == -(-others // 8)


def test_folds_are_those_published() -> None:
    """Sizes of JAA-Net's lists, and their ends as they stand there."""
    first, second, third = dealt(dataset("bp4d", BP4D), 3)
    assert (len(first), len(second), len(third)) == (14, 14, 13)
    assert {"F001", "M008"} <= first and {"M011", "M005"} <= second and {"F007", "F014"} <= third
    parts = dealt(dataset("disfa", DISFA), 3)
    assert [len(part) for part in parts] == [9, 9, 9]
    assert {"SN002", "SN016"} <= parts[0] and {"SN013", "SN024"} <= parts[1] and {"SN003", "SN004"} <= parts[2]


def test_the_folds_of_both_disfas_agree_but_for_two_people() -> None:
    spontaneous, posed = dealt(dataset("disfa", DISFA), 3), dealt(dataset("disfa-plus", PLUS), 3)
    assert [len(part) for part in posed] == [3, 3, 3]
    assert set().union(*(part - own for part, own in zip(posed, spontaneous, strict=True))) == {"SN004", "SN009"}


def test_a_copy_with_some_of_the_people_keeps_their_folds() -> None:
    some = dataset("disfa", list(DISFA_PEOPLE))
    for part, own in zip(dealt(dataset("disfa", DISFA), 3), dealt(some, 3), strict=True):
        assert own == part & set(DISFA_PEOPLE) and len(own) == 2
    assert [len(part) for part in dealt(dataset("disfa-plus", list(DISFA_PLUS_PEOPLE)), 3)] == [2, 2, 2]


@pytest.mark.parametrize("subjects", [BP4D[:1] + BP4D[1:2] + ["M004"], [*BP4D, "F099"]], ids=["one list", "a stranger"])
def test_where_the_lists_do_not_serve_people_are_dealt(subjects: list[str]) -> None:
    parts = dealt(dataset("bp4d", subjects), 3)
    assert sorted(itertools.chain(*parts)) == sorted(subjects) and all(parts)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_published_sets_are_dealt_in_equal_shares() -> None:
    sizes = [len(part) for part in dealt(dataset("aflfp", [f"S{n}" for n in range(88)]), 10)]
    assert sorted(sizes) == [8] * 2 + [9] * 8


@pytest.mark.parametrize("name", ["csv", "clips"])
def test_who_joins_moves_nobody(name: str) -> None:
    subjects = [f"patient {n}" for n in range(30)]
    before = dealt(dataset(name, subjects), 3)
    for newcomer in ("patient 30", "a", "zzz"):
        after = dealt(dataset(name, [*subjects, newcomer]), 3)
        assert [part - {newcomer} for part in after] == before


def test_few_people_leave_no_fold_empty() -> None:
    """The hash alone would leave one of three folds empty for every third handful of people."""
    for first in range(60):
        parts = dealt(dataset("csv", [f"p{n}" for n in range(first, first + 4)]), 3)
        assert all(parts) and sum(map(len, parts)) == 4


def test_folds_do_not_depend_on_the_order_of_the_faces() -> None:
    subjects = [f"p{n}" for n in range(12)]
    assert dealt(dataset("csv", subjects), 3) == dealt(dataset("csv", subjects[::-1]), 3)


def test_too_few_people() -> None:
    with pytest.raises(DatasetError, match="root: 2 subjects make no 3 folds"):
        make_folds(dataset("bp4d", ["F001", "M001"]), count=3)
    with pytest.raises(UsageError, match="1 folds: at least two are needed"):
        make_folds(dataset("bp4d", BP4D), count=1)


def test_a_person_in_two_published_lists_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = {"bp4d": {"folds": [["F001", "F002"], ["M001", "F002"]]}}
    monkeypatch.setattr(folds, "read_toml", lambda path: lists)
    with pytest.raises(DatasetError, match=r"folds.toml: bp4d has subject F002 in two folds"):
        make_folds(dataset("bp4d", ["F001", "F002", "M001"]), count=2)


def test_the_published_lists_name_everybody_once() -> None:
    lists = read_toml(Path(folds.__file__).with_name("folds.toml"))
    for name, subjects in (("bp4d", BP4D), ("disfa", DISFA), ("disfa-plus", PLUS)):
        assert sorted(itertools.chain(*lists[name]["folds"])) == sorted(subjects)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_split_of_the_paper_deals_frames(seed: int) -> None:
    data = dataset("disfa-plus", PLUS, frames=50)
    (fold,) = make_folds(data, count=3, split="paper", seed=seed)
    training, test = set(fold.training.tolist()), set(fold.test.tolist())
    assert not training & test and training | test == set(range(450)) and len(test) == 90
    assert people(data, fold.training) & people(data, fold.test)
    with pytest.raises(DatasetError, match=r"SN\d{3}.avi: subject SN\d{3} is in training and in test of fold 1"):
        check_apart(data, fold)


def test_the_split_of_the_paper_is_drawn_by_the_seed() -> None:
    data = dataset("disfa-plus", PLUS, frames=50)
    drawn = [make_folds(data, count=3, split="paper", seed=seed)[0].test.tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_tested_person_among_those_who_choose_is_found() -> None:
    data = dataset("csv", ["a", "b"])
    with pytest.raises(DatasetError, match="b.avi: subject b is in training and in test of fold 2"):
        check_apart(data, Fold(2, np.array([0]), np.array([3]), np.array([4, 5])))


def test_both_disfas_show_the_same_people() -> None:
    """And an id of another set is another person, however alike they read."""
    assert digests_of("disfa", DISFA) & digests_of("disfa-plus", PLUS) == digests_of("disfa-plus", PLUS)
    assert not digests_of("csv", PLUS) & digests_of("disfa-plus", PLUS)
    assert not any("SN0" in digest for digest in digests_of("disfa", DISFA))


def test_without_a_test_everybody_learns_or_chooses() -> None:
    data = dataset("marked", [f"p{n}" for n in range(9)])
    fold = without_test(data)
    learned, chose = people(data, fold.training), people(data, fold.validation)
    assert not len(fold.test) and learned | chose == set(data.subjects) and not learned & chose and len(chose) == 2
    alone = dataset("marked", ["only"])
    assert people(alone, without_test(alone).training) == people(alone, without_test(alone).validation) == {"only"}


def test_the_next_fold_may_choose_the_best_epoch() -> None:
    """Two thirds, a sixth, a sixth, as in the cascaded encoder's paper; with two folds there is no third part."""
    data = dataset("fpara", [f"p{n:02d}" for n in range(12)])
    made = make_folds(data, count=6, validation_fold=True)
    for fold, following in zip(made, (*made[1:], made[0]), strict=True):
        assert people(data, fold.validation) == people(data, following.test)
        assert len(people(data, fold.training)) == 8
    assert all(len(fold.training) for fold in make_folds(data, count=2, validation_fold=True))
