"""DISFA+: pictures and label files of each attempt."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from trees import DISFA_AUS, DISFA_PLUS_HEADER, disfa_plus_tree, face, labels_of

from palsy_cli.datasets.catalogue import dataset_spec, read_dataset, scan_dataset
from palsy_cli.datasets.people import read_picture
from palsy_cli.errors import DatasetError

PEOPLE = ("SN001", "SN003")
ATTEMPT = "SN001/A1_AU1_TrailNo_1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disfa_plus_tree(tmp_path_factory.mktemp("plus") / "DISFA+", PEOPLE)


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "DISFA+")
    return tmp_path / "DISFA+"


def faults(root: Path) -> list[tuple[str, str, str]]:
    _, problems = scan_dataset("disfa-plus", root)
    return [(p.kind, p.where.relative_to(root).as_posix(), p.what) for p in problems]


def test_a_whole_copy_is_read(whole: Path) -> None:
    dataset = read_dataset("disfa-plus", whole)
    assert faults(whole) == []
    assert (dataset.name, dataset.aus, dataset.present_from) == ("disfa-plus", DISFA_AUS, 2.0)
    assert dataset.subjects == PEOPLE and len(dataset.faces) == 12
    assert [each.frame for each in dataset.faces] == [0, 1, 2] * 4
    assert {each.sequence for each in dataset.faces[:6]} == {ATTEMPT, "SN001/Z_SupriseText_TrailNo_2"}
    assert [each.condition for each in dataset.faces[::3]] == ["A1_AU1", "Z_SupriseText"] * 2
    assert [each.at_rest for each in dataset.faces] == [True, False, False] * 4
    assert not any(each.in_video or each.points is not None for each in dataset.faces)


def test_pictures_and_labels_belong_together(whole: Path) -> None:
    for place, each in enumerate(read_dataset("disfa-plus", whole).faces[6:]):
        frame = [0, 1, 2, 0, 3, 4][place]
        assert np.abs(read_picture(each.path).astype(int) - face(1, frame)[0]).mean() < 6
        assert each.left is not None and each.left.tolist() == labels_of(frame, DISFA_AUS)
        assert each.right is not None and np.array_equal(each.left, each.right)


def test_people_in_folders_of_their_own_name(tree: Path, tmp_path: Path) -> None:
    for part in ("Images", "Labels"):
        for person in PEOPLE:
            (tree / part / person).rename(tree / part / "moved")
            (tree / part / person).mkdir()
            (tree / part / "moved").rename(tree / part / person / person)
    assert len(read_dataset("disfa-plus", tmp_path).faces) == 12


def test_the_wrong_folder(tmp_path: Path) -> None:
    (tmp_path / "Images").mkdir()
    assert faults(tmp_path) == [("missing", ".", "is not DISFA+: no folder Labels in it")]
    with pytest.raises(DatasetError, match="is not DISFA\\+: no folder Labels in it; palsy datasets check disfa-plus"):
        read_dataset("disfa-plus", tmp_path)
    (tmp_path / "Labels").mkdir()
    assert faults(tmp_path) == [("missing", "Labels", "holds no folder of a person (SN001)")]


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        (["000.jpg 0", "001.jpg 6", "002.jpg 0"], "line 4: 6 is no intensity 0 to 5"),
        (["000.jpg 0", "001.jpg x", "002.jpg 0"], "line 4: x is no intensity 0 to 5"),
        (["000.jpg 0 1", "001.jpg 0 1", "002.jpg 0 1"], "line 3: 3 columns where 2 belong: '000.jpg 0 1'"),
        (["000.jpg 0", "000.jpg 0", "002.jpg 0"], "line 4: 000.jpg is labelled twice"),
        (["000.jpg 0", "end", "002.jpg 0"], "line 4: no picture's name (000.jpg) first: 'end'"),
        (["0 0", "1 1"], "labels no picture (000.jpg and its intensity in each line); another version of DISFA+?"),
        (["000.jpg 0", "001.jpg 0"], "labels other pictures than AU1.txt does: 002"),
        (["100.jpg 0", "101.jpg 0", "102.jpg 1"], "labels other pictures than AU1.txt does: 000 (and 5 more)"),
    ],
)
def test_wrong_labels(tree: Path, rows: list[str], what: str) -> None:
    (tree / "Labels" / ATTEMPT / "AU12.txt").write_text("\n".join([*DISFA_PLUS_HEADER, *rows]))
    assert faults(tree) == [("damaged", f"Labels/{ATTEMPT}/AU12.txt", what)]


def test_labels_without_their_header(tree: Path) -> None:
    """Every row names its picture, so that nothing can be shifted; it is said all the same."""
    path = tree / "Labels" / ATTEMPT / "AU12.txt"
    path.write_text("\n".join(path.read_text().splitlines()[len(DISFA_PLUS_HEADER) :]))
    what = "has no header lines; another version of DISFA+?"
    assert faults(tree) == [("note", f"Labels/{ATTEMPT}/AU12.txt", what)]
    assert len(read_dataset("disfa-plus", tree).faces) == 12


def test_missing_labels(tree: Path) -> None:
    (tree / "Labels" / ATTEMPT / "AU26.txt").unlink()
    assert faults(tree) == [("missing", f"Labels/{ATTEMPT}/AU26.txt", "is not there")]
    shutil.rmtree(tree / "Labels" / "SN003")
    assert ("missing", "Labels/SN003", "no labels, but there are pictures") in faults(tree)


def test_missing_pictures(tree: Path) -> None:
    for number in (1, 2):
        (tree / "Images" / ATTEMPT / f"00{number}.jpg").unlink()
    assert faults(tree) == [("missing", f"Images/{ATTEMPT}/001.jpg", "is labelled, but not there (and 1 more)")]
    shutil.rmtree(tree / "Images" / ATTEMPT)
    assert faults(tree) == [("missing", f"Images/{ATTEMPT}", "is not there")]
    assert len(scan_dataset("disfa-plus", tree)[0].faces) == 9


def test_pictures_without_labels_and_without_content(tree: Path) -> None:
    folder = tree / "Images" / ATTEMPT
    shutil.copy(folder / "000.jpg", folder / "003.jpg")
    (folder / "001.jpg").write_bytes(b"")
    assert faults(tree) == [
        ("damaged", f"Images/{ATTEMPT}/001.jpg", "is empty; copy it again"),
        ("note", f"Images/{ATTEMPT}", "no label of 003.jpg"),
    ]


def test_what_is_said_of_the_set() -> None:
    spec = dataset_spec("disfa-plus")
    assert spec.folds == 3 and "DISFA" in spec.leakage and "Labels/SN001/A1_AU1_TrailNo_1/AU1.txt" in spec.layout
