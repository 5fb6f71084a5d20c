"""Own recordings: a table of labels beside pictures and videos."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from trees import CSV_PEOPLE, csv_tree, face, labels_of

from palsy_cli.datasets.catalogue import dataset_spec, read_dataset, scan_dataset
from palsy_cli.datasets.faces import LabelledFace
from palsy_cli.datasets.people import read_picture
from palsy_cli.errors import DatasetError

PEOPLE = CSV_PEOPLE[:2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return csv_tree(tmp_path_factory.mktemp("csv") / "mine", PEOPLE)


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    """Two pictures ``a.png`` and ``b.png``, a video ``c.mp4`` of three frames, and no table yet."""
    shutil.copy(whole / "pictures" / "p01" / "visit1_0.png", tmp_path / "a.png")
    shutil.copy(whole / "pictures" / "p01" / "visit1_1.png", tmp_path / "b.png")
    shutil.copy(whole / "videos" / "p01.mp4", tmp_path / "c.mp4")
    return tmp_path


def table(root: Path, text: str, encoding: str = "utf-8") -> Path:
    (root / "labels.csv").write_text(text, encoding=encoding)
    return root


def faults(root: Path) -> list[str]:
    _, problems = scan_dataset("csv", root)
    return [f"{p.kind} {p.where.relative_to(root).as_posix()}: {p.what}" for p in problems]


def faces(root: Path) -> tuple[LabelledFace, ...]:
    return read_dataset("csv", root).faces


def test_a_whole_folder_is_read(whole: Path) -> None:
    dataset = read_dataset("csv", whole)
    assert faults(whole) == []
    assert (dataset.name, dataset.aus, dataset.present_from) == ("csv", (1, 2, 4, 6, 12, 25), 2.0)
    assert dataset.subjects == PEOPLE
    assert dataset.groups == {"p01": {"sex": "female"}, "p02": {"sex": "male"}}
    film, *pictures = dataset.faces
    assert film.sequence == "p01/film" and film.in_video and film.whole_video and film.grade == 1
    assert film.left is None and film.points is None and film.condition == "protocol"
    assert [each.sequence for each in pictures[::3]] == [f"{who}/visit {n}" for who in PEOPLE for n in (1, 2)]
    assert [each.frame for each in pictures] == [0, 1, 2] * 4
    assert {each.grade for each in pictures[:6]} == {1.0} and {each.grade for each in pictures[6:]} == {3.5}


def test_pictures_labels_and_points_belong_together(whole: Path) -> None:
    for place, each in enumerate(faces(whole)[7:]):
        frame = [0, 1, 2, 0, 3, 4][place]
        image, points = face(1, frame, True)
        assert np.array_equal(read_picture(each.path), image)
        assert each.points is not None and np.allclose(each.points, points, atol=0.01)
        assert each.left is not None and each.right is not None
        assert each.right.tolist() == labels_of(frame, (1, 2, 4, 6, 12, 25))
        assert np.array_equal(each.left * 2, each.right)  # this person's left is weak


def test_the_least_that_is_needed(tree: Path) -> None:
    table(tree, "file,subject\na.png,p 1\nb.png,p 1\nc.mp4,p 1\n")
    first, second, film = faces(tree)
    assert (first.sequence, first.frame, second.frame) == ("p 1", 0, 1)
    assert (film.sequence, film.frame, film.whole_video) == ("p 1/c", 0, True)
    assert first.left is None and first.grade is None and first.condition is None


def test_whole_face_and_single_sides(tree: Path) -> None:
    table(tree, "file,subject,AU12,AU01_L,au4_r\na.png,p,2.5,,3\nb.png,p,,,\n")
    dataset = read_dataset("csv", tree)
    first, second = dataset.faces
    assert dataset.aus == (1, 4, 12) and first.left is not None and first.right is not None
    assert np.array_equal(first.left, [np.nan, np.nan, 2.5], equal_nan=True)
    assert np.array_equal(first.right, [np.nan, 3, 2.5], equal_nan=True)
    assert second.left is None and second.right is None


def test_labels_of_0_and_1_are_no_intensities(tree: Path) -> None:
    table(tree, "file,subject,AU12\na.png,p,0\nb.png,p,1\n")
    dataset, problems = scan_dataset("csv", tree)
    assert dataset.present_from == 1.0
    assert [(p.kind, p.what) for p in problems] == [
        ("note", "all labels of units are 0 or 1: taken as absent and present")
    ]


@pytest.mark.parametrize(
    ("text", "grade"),
    [("1", 1), ("6", 6), ("2.5", 2.5), ("2.0", 2), ("I", 1), ("iv", 4), ("VI", 6), ("", None)],
)
def test_grades(tree: Path, text: str, grade: float | None) -> None:
    table(tree, f"file,subject,house_brackmann\na.png,p,{text}\n")
    assert faces(tree)[0].grade == grade


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_encodings_and_semicolons(tree: Path, encoding: str) -> None:
    table(tree, "file;subject;condition;AU12\na.png;Jürgen;Lächeln, weit;2,5\n", encoding)
    (only,) = faces(tree)
    assert (only.subject, only.condition) == ("Jürgen", "Lächeln, weit")
    assert only.left is not None and only.left.tolist() == [2.5]


def test_quoted_cells_empty_lines_and_spaces(tree: Path) -> None:
    table(tree, 'file , subject,condition\n\n"a.png", p ,"brow, raised"\n,,\n')
    (only,) = faces(tree)
    assert (only.subject, only.condition) == ("p", "brow, raised")


def test_the_table_may_be_called_like_its_folder(tree: Path) -> None:
    (tree / "study").mkdir()
    shutil.copy(tree / "a.png", tree / "study")
    (tree / "study" / "study.csv").write_text("file,subject\na.png,p\n")
    assert len(faces(tree / "study")) == 1


def test_frames_of_a_video(tree: Path) -> None:
    table(tree, "file,subject,frame,AU12\nc.mp4,p,2,3\nc.mp4,p,0,0\n")
    first, second = faces(tree)
    assert (first.frame, first.at_rest, second.frame) == (0, True, 2)
    assert first.in_video and not first.whole_video and first.sequence == second.sequence == "p/c"


def test_sequences_of_two_people_are_two(tree: Path) -> None:
    table(tree, "file,subject,sequence\na.png,p,visit 1\nb.png,q,visit 1\n")
    assert [each.sequence for each in faces(tree)] == ["p/visit 1", "q/visit 1"]


def test_no_table(tmp_path: Path) -> None:
    assert faults(tmp_path) == ["missing .: holds no table labels.csv"]
    with pytest.raises(DatasetError, match="no such folder; name the folder of Own recordings"):
        scan_dataset("csv", tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "line 1 is empty; the first row names the columns"),
        ("picture,subject\n", "line 1: no column 'file'; the first row names the columns"),
        ("file,person\n", "line 1: no column 'subject'; the first row names the columns"),
        ("file,subject,file\n", "line 1: column 'file' stands twice"),
    ],
)
def test_a_first_row_that_is_not_ours(tree: Path, text: str, what: str) -> None:
    assert faults(table(tree, text)) == [f"damaged labels.csv: {what}"]


@pytest.mark.parametrize(
    ("names", "what"),
    [
        ("AU99", "column 'AU99' is no action unit; write AU12, AU12_L or AU12_R"),
        ("AU3", "column 'AU3' is no action unit; write AU12, AU12_L or AU12_R"),
        ("AU12_X", "column 'AU12_X' is no action unit; write AU12, AU12_L or AU12_R"),
        ("AU12,AU12_L", "column 'AU12_L' repeats AU12 of a side that has a column already"),
        ("AU12_R,AU012_r", "column 'AU012_r' repeats AU12 of a side that has a column already"),
        ("x_0,y_0", "no column 'x_1'; points need x_0..x_67, y_0..y_67"),
    ],
)
def test_columns_that_make_no_sense(tree: Path, names: str, what: str) -> None:
    cells = "," * names.count(",")
    assert faults(table(tree, f"file,subject,{names}\na.png,p,{cells}\n")) == [f"damaged labels.csv: line 1: {what}"]


def test_columns_that_are_not_read(tree: Path) -> None:
    table(tree, "file,subject,author,conditions\na.png,p,me,x\n")
    assert faults(tree) == [
        "note labels.csv: column 'author' is not read",
        "note labels.csv: column 'conditions' is not read; did you mean condition?",
    ]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("none.png,p,,,,", "missing line 3: none.png is not there"),
        (",p,,,,", "damaged line 3: no file"),
        ("/etc/a.png,p,,,,", "damaged line 3: /etc/a.png: name the file from the folder of the table on"),
        ("labels.csv,p,,,,", "damaged line 3: labels.csv is neither a picture nor a video by its name"),
        ("b.png,,,,,", "damaged line 3: no subject"),
        ("b.png,p,,5.1,,", "damaged line 3: AU12: '5.1' is no intensity 0 to 5"),
        ("b.png,p,,-1,,", "damaged line 3: AU12: '-1' is no intensity 0 to 5"),
        ("b.png,p,,much,,", "damaged line 3: AU12: 'much' is no intensity 0 to 5"),
        ("b.png,p,,,7,", "damaged line 3: house_brackmann '7' is no grade 1 to 6, I to VI or a half between"),
        ("b.png,p,,,2.3,", "damaged line 3: house_brackmann '2.3' is no grade 1 to 6, I to VI or a half between"),
        ("b.png,p,,,VII,", "damaged line 3: house_brackmann 'VII' is no grade 1 to 6, I to VI or a half between"),
        ("b.png,p,x,,,", "damaged line 3: frame 'x' is no whole number from 0 on"),
        ("b.png,p,-1,,,", "damaged line 3: frame '-1' is no whole number from 0 on"),
        ("c.mp4,p,3,,,", "damaged line 3: frame 3: c.mp4 has 3 frames, counted from 0"),
        ("a.png,p,,,,", "damaged line 3: a.png stands in line 2, too"),
        ("a.png,q,,,,", "damaged line 3: a.png stands in line 2, too"),
        ("b.png,p,,,,male", "damaged line 3: group_sex of p is 'male', but 'female' in line 2"),
        ("b.png,p", "damaged line 3: 2 cells where the first row has 6"),
    ],
)
def test_wrong_rows(tree: Path, row: str, what: str) -> None:
    """A bad row is named and left out; the others are read."""
    table(tree, f"file,subject,frame,AU12,house_brackmann,group_sex\na.png,p,,2,3,female\n{row}\n")
    kind, _, said = what.partition(" ")
    assert faults(tree) == [f"{kind} labels.csv: {said}"]
    assert len(scan_dataset("csv", tree)[0].faces) == 1
    with pytest.raises(DatasetError, match="line 3"):
        read_dataset("csv", tree)


def test_a_frame_twice(tree: Path) -> None:
    table(tree, "file,subject,frame\nc.mp4,p,1\nc.mp4,p,2\nc.mp4,p,1.0\n")
    assert faults(tree) == ["damaged labels.csv: line 4: c.mp4, frame 1.0 stands in line 2, too"]


def test_unknown_groups_conflict_with_nothing(tree: Path) -> None:
    table(tree, "file,subject,group_sex,group_age_band\na.png,p,,\nb.png,p,male,40-49\nc.mp4,p,,\n")
    assert read_dataset("csv", tree).groups == {"p": {"sex": "male", "age_band": "40-49"}}


@pytest.mark.parametrize(("name", "content"), [("b.png", b""), ("b.png", b"text"), ("c.mp4", b"text")])
def test_damaged_pictures_and_videos(tree: Path, name: str, content: bytes) -> None:
    (tree / name).write_bytes(content)
    table(tree, f"file,subject\na.png,p\n{name},p\n")
    (only,) = faults(tree)
    assert only.startswith(f"damaged labels.csv: line 3: {name} is ")


def with_points(root: Path, points: np.ndarray, change: tuple[int, str] | None = None) -> list[str]:
    cells = [f"{value:.2f}" if np.isfinite(value) else "" for value in points.T.ravel()]
    if change:
        cells[change[0]] = change[1]
    with (root / "labels.csv").open("w", newline="") as stream:
        names = [f"{axis}_{number}" for axis in "xy" for number in range(68)]
        csv.writer(stream).writerows([["file", "subject", *names], ["a.png", "p", *cells]])
    return faults(root)


def test_points(tree: Path) -> None:
    points = face(0, 0)[1].copy()
    points[:17] = np.nan
    assert with_points(tree, points) == []
    read = faces(tree)[0].points
    assert read is not None and np.allclose(read, points, atol=0.01, equal_nan=True)
    assert with_points(tree, np.full((68, 2), np.nan)) == [] and faces(tree)[0].points is None
    assert with_points(tree, points, (40, "left")) == ["damaged labels.csv: line 2: x_40: 'left' is no number"]


def test_mirrored_points(tree: Path) -> None:
    what = "points: left and right are exchanged; 36 to 41 are the patient's right eye"
    assert with_points(tree, face(0, 0)[1] * [-1, 1] + [160, 0]) == [f"damaged labels.csv: line 2: {what}"]


def test_a_table_that_is_no_text(tree: Path) -> None:
    (tree / "labels.csv").write_bytes("file,subject\nä.png,p".encode("latin-1"))
    assert faults(tree) == ["damaged labels.csv: is no UTF-8 text (byte 13)"]
    table(tree, "file,subject\n" + "x" * 140_000 + ",p\n")
    assert faults(tree) == ["damaged labels.csv: line 2: field larger than field limit (131072)"]


def test_what_is_said_of_the_set() -> None:
    spec = dataset_spec("csv")
    assert "labels.csv" in spec.layout and "AU12_L" in spec.layout
