"""BP4D: pictures, occurrence codes and tracked points of each task."""

from __future__ import annotations

import csv
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from trees import BP4D_AUS, bp4d_tree, face, labels_of

from palsy_cli.datasets import bp4d
from palsy_cli.datasets.catalogue import dataset_spec, read_dataset, scan_dataset
from palsy_cli.datasets.people import read_picture
from palsy_cli.errors import DatasetError

PEOPLE = ("F001", "M002")
CODES = "AUCoding/AU_OCC/F001_T1.csv"
POINTS = "2DFeatures/F001_T1.mat"
PICTURES = "Sequences(2D+3D)/F001/T1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bp4d_tree(tmp_path_factory.mktemp("bp4d") / "BP4D", PEOPLE)


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "BP4D")
    return tmp_path / "BP4D"


def faults(root: Path) -> list[tuple[str, str, str]]:
    _, problems = scan_dataset("bp4d", root)
    return [(p.kind, p.where.relative_to(root).as_posix(), p.what) for p in problems]


def rows_of(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().split()]


def rewrite(path: Path, rows: list[list[str]]) -> None:
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")


def test_a_whole_copy_is_read(whole: Path) -> None:
    dataset = read_dataset("bp4d", whole)
    assert faults(whole) == []
    assert (dataset.name, dataset.aus, dataset.present_from) == ("bp4d", BP4D_AUS, 1.0)
    assert dataset.subjects == PEOPLE and len(dataset.faces) == 12
    assert dataset.groups == {"F001": {"sex": "female"}, "M002": {"sex": "male"}}
    assert [each.frame for each in dataset.faces[:6]] == [721, 722, 723, 1441, 1442, 1443]
    assert [(each.sequence, each.condition) for each in dataset.faces[::3]] == [
        ("F001/T1", "T1"), ("F001/T2", "T2"), ("M002/T1", "T1"), ("M002/T2", "T2"),
    ]  # fmt: skip
    assert [each.at_rest for each in dataset.faces] == [True, False, False] * 4


def test_pictures_codes_and_points_belong_together(whole: Path) -> None:
    """One picture more is there than is coded: points go by the picture, codes by the number."""
    for place, each in enumerate(read_dataset("bp4d", whole).faces[6:]):
        frame = [0, 1, 2, 0, 3, 4][place]
        image, points = face(1, frame)
        assert np.abs(read_picture(each.path).astype(int) - image).mean() < 6
        assert each.left is not None and each.right is not None
        assert each.left.tolist() == each.right.tolist() == [int(label >= 2) for label in labels_of(frame, BP4D_AUS)]
        assert each.points is not None and np.isnan(each.points[[*range(17), 60, 64]]).all()
        marked = [*range(17, 60), 61, 62, 63, 65, 66, 67]
        assert np.allclose(each.points[marked], points[marked])


def test_uncoded_is_unknown(tree: Path) -> None:
    rows = rows_of(tree / CODES)
    rows[2][rows[0].index("12")] = "9"
    rows[3][1:] = ["9"] * (len(rows[3]) - 1)
    rewrite(tree / CODES, rows)
    dataset = read_dataset("bp4d", tree)
    left = dataset.faces[1].left
    assert left is not None and np.flatnonzero(np.isnan(left)).tolist() == [BP4D_AUS.index(12)]
    assert [each.frame for each in dataset.faces[:3]] == [721, 722, 1441]  # nothing is coded in 723


@pytest.mark.parametrize("variant", ["beside", "short", "nested", "flat", "named"])
def test_variants_of_folders(tree: Path, tmp_path: Path, variant: str) -> None:
    sequences, coding = tree / "Sequences(2D+3D)", tree / "AUCoding"
    root = tree
    if variant == "beside":
        for person in PEOPLE:
            (sequences / person).rename(tree / person)
        sequences.rmdir()
    if variant == "short":
        sequences.rename(tree / "2D+3D")
    if variant == "nested":
        root = tmp_path
    if variant == "flat":
        for path in (coding / "AU_OCC").iterdir():
            path.rename(coding / path.name)
        (coding / "AU_OCC").rmdir()
    if variant == "named":
        sequences.rename(tree / "BP4D")
        for path in (coding / "AU_OCC").glob("F*"):
            rows = rows_of(path)
            rewrite(path, [["frame", *(f"AU{int(name):02d}" for name in rows[0][1:])], *rows[1:]])
    assert len(read_dataset("bp4d", root).faces) == 12


def test_the_wrong_folder(tmp_path: Path) -> None:
    (tmp_path / "Sequences").mkdir()
    assert faults(tmp_path) == [("missing", ".", "is not BP4D: no folder AUCoding/AU_OCC in it")]
    (tmp_path / "AUCoding").mkdir()
    assert faults(tmp_path) == [("missing", "AUCoding", "holds no occurrence codes (F001_T1.csv)")]
    (tmp_path / "AUCoding" / "F001_T1.csv").write_text("")
    assert faults(tmp_path) == [("missing", "Sequences", "holds no pictures (Sequences(2D+3D)/F001/T1/2440.jpg)")]


def test_intensities_are_not_taken_for_occurrence(tree: Path) -> None:
    (tree / CODES).write_text("721,0\n722,3\n723,5\n")
    what = "holds one column of codes; it is a file of intensities, AU_OCC has a column for each unit"
    assert faults(tree) == [("damaged", CODES, what)]
    with pytest.raises(DatasetError, match="F001_T1.csv"):
        read_dataset("bp4d", tree)


@pytest.mark.parametrize(
    ("row", "column", "value", "what"),
    [
        (2, "12", "3", "line 3: 3 is no occurrence (0, 1, or 9 for not coded); is it a file of intensities?"),
        (1, "1", "7", "line 2: 7 is no occurrence (0, 1, or 9 for not coded)"),
        (3, "4", "", "line 4: '' is no number"),
        (3, "0", "721", "line 4: frame 721 is coded twice"),
        (0, "12", "99", "line 1: the first row does not name AU12; another version of the codes?"),
    ],
)
def test_wrong_codes(tree: Path, row: int, column: str, value: str, what: str) -> None:
    rows = rows_of(tree / CODES)
    rows[row][rows[0].index(column)] = value
    rewrite(tree / CODES, rows)
    assert faults(tree) == [("damaged", CODES, what)]


def test_codes_of_units_that_we_do_not_take_do_not_matter(tree: Path) -> None:
    rows = rows_of(tree / CODES)
    rows[2][rows[0].index("27")] = "5"
    rewrite(tree / CODES, rows)
    assert faults(tree) == []


@pytest.mark.parametrize("keep", [0, 1])
def test_codes_of_nothing(tree: Path, keep: int) -> None:
    rewrite(tree / CODES, rows_of(tree / CODES)[:keep])
    assert faults(tree) == [("damaged", CODES, ["is empty", "codes no frame"][keep])]


def test_codes_with_a_cell_too_few(tree: Path) -> None:
    rows = rows_of(tree / CODES)
    rows[2].pop()
    rewrite(tree / CODES, rows)
    assert faults(tree) == [("damaged", CODES, "line 3: 18 columns where the first row has 19")]


def test_missing_pictures(tree: Path) -> None:
    (tree / PICTURES / "0722.jpg").unlink()
    missing, note = faults(tree)
    assert missing == ("missing", f"{PICTURES}/0722.jpg", "is coded, but not there")
    assert note[:2] == ("note", POINTS) and note[2].startswith("has 4 tracked faces for 3 pictures")
    shutil.rmtree(tree / PICTURES)
    assert faults(tree) == [("missing", PICTURES, "is not there")]
    shutil.rmtree(tree / "Sequences(2D+3D)" / "F001")
    assert [fault[1] for fault in faults(tree)] == [PICTURES, "Sequences(2D+3D)/F001/T2"]


def test_names_of_pictures_with_fewer_digits(tree: Path) -> None:
    for path in (tree / PICTURES).iterdir():
        path.rename(path.with_name(path.name.lstrip("0")))
    assert faults(tree) == []


def test_points_are_optional_but_whole(tree: Path) -> None:
    (tree / POINTS).unlink()
    assert faults(tree) == [("missing", POINTS, "is not there")]
    shutil.rmtree(tree / "2DFeatures")
    assert faults(tree) == [("note", ".", "no folder 2DFeatures: the faces have no points")]
    assert all(each.points is None for each in read_dataset("bp4d", tree).faces)


def test_unreadable_points(tree: Path) -> None:
    (tree / POINTS).write_bytes(b"damaged")
    ((kind, where, what),) = faults(tree)
    assert (kind, where) == ("damaged", POINTS) and what.startswith("cannot be read as a MATLAB file")
    scipy.io.savemat(tree / POINTS, {"fit": np.zeros((3, 3))})
    assert faults(tree) == [("damaged", POINTS, "fit has no field pred or pts_2d; is it another file?")]


def tracked(path: Path) -> np.ndarray:
    return np.asarray(scipy.io.loadmat(path)["fit"])


def test_points_of_another_scheme(tree: Path) -> None:
    fit = tracked(tree / POINTS)
    fit["pred"][0, 1] = np.zeros((66, 2))
    scipy.io.savemat(tree / POINTS, {"fit": fit})
    assert faults(tree) == [("damaged", POINTS, "fit: expected 49 x 2 points in frame 2, got 66 x 2")]


def test_lost_frames_have_no_points(tree: Path) -> None:
    """The tracker leaves an empty field; other versions call the field pts_2d."""
    fit = tracked(tree / POINTS)
    fit["pred"][0, 2] = np.zeros((0, 0))
    fit["pred"][0, 3] = np.zeros((49, 2))
    fit.dtype.names = ("pts_2d",)
    scipy.io.savemat(tree / POINTS, {"fit": fit})
    assert faults(tree) == []
    assert [each.points is None for each in read_dataset("bp4d", tree).faces[:3]] == [False, True, True]


def test_mirrored_points(tree: Path) -> None:
    fit = tracked(tree / POINTS)
    for place in range(fit.size):
        fit["pred"][0, place] = fit["pred"][0, place] * [-1, 1] + [160, 0]
    scipy.io.savemat(tree / POINTS, {"fit": fit})
    assert faults(tree) == [("damaged", POINTS, "points: left and right are exchanged; the copy is mirrored")]


def hdf5_copy(path: Path) -> None:
    """The same points as MATLAB 7.3 stores them: HDF5, one reference for each frame, axes turned round."""
    h5py = importlib.import_module("h5py")
    fit = tracked(path)
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_dataset("fit/pred", (fit.size, 1), h5py.ref_dtype)
        for place in range(fit.size):
            references[place, 0] = file.create_dataset(f"#refs#/{place}", data=fit["pred"][0, place].T).ref


@pytest.mark.skipif(importlib.util.find_spec("h5py") is None, reason="h5py is not installed")
def test_points_of_matlab_7_3(tree: Path, whole: Path) -> None:
    for path in (tree / "2DFeatures").iterdir():
        hdf5_copy(path)
    assert faults(tree) == []
    for new, old in zip(read_dataset("bp4d", tree).faces, read_dataset("bp4d", whole).faces, strict=True):
        assert new.points is not None and np.array_equal(new.points, old.points, equal_nan=True)
    (tree / POINTS).write_bytes((tree / POINTS).read_bytes()[:900])
    ((kind, where, what),) = faults(tree)
    assert (kind, where) == ("damaged", POINTS) and what.startswith("cannot be read as a MATLAB file")


def test_points_that_cannot_be_read_here(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bp4d, "_hdf5_readable", lambda: False)
    for path in (tree / "2DFeatures").iterdir():
        path.write_bytes(bytes(512) + b"\x89HDF\r\n\x1a\n" + bytes(99))
    what = "MATLAB 7.3 files need h5py (pip install h5py); the faces have no points"
    assert faults(tree) == [("note", "2DFeatures", what)]
    assert len(read_dataset("bp4d", tree).faces) == 12


def test_what_is_said_of_the_set(whole: Path) -> None:
    spec = dataset_spec("bp4d")
    assert spec.folds == 3 and "AUCoding/AU_OCC/F001_T1.csv" in spec.layout and "Binghamton" in spec.request
    with (whole / CODES).open(newline="") as stream:
        assert next(csv.reader(stream))[0] == "0"
