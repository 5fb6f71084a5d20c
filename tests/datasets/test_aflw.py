"""AFLW's database and pictures."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from trees_marks import SIZE, draw_face

from palsy_cli.datasets import aflw
from palsy_cli.datasets.catalogue import read_dataset
from palsy_cli.datasets.faces import Problem
from palsy_cli.datasets.marks import complete_points
from palsy_cli.datasets.reading import mirrored

Copy = Callable[[str], Path]


def edit(root: Path, *statements: str) -> Path:
    """Change the database; returns its path."""
    path = root / "data/aflw.sqlite"
    with closing(sqlite3.connect(path)) as base, base:
        for statement in statements:
            base.execute(statement)
    return path


def test_faces_points_and_sexes(drawn: Copy) -> None:
    dataset = read_dataset("aflw", drawn("aflw"))
    assert len(dataset.faces) == 8 and len(dataset.subjects) == 7 and not dataset.aus
    first, second = dataset.faces[:2]
    assert first.subject == second.subject == "image00001" and first.sequence == "image00001/39341"
    assert first.path == second.path == drawn("aflw") / "data/flickr/0/image00001.jpg"
    assert {face.condition for face in dataset.faces} == {"flickr/0", "flickr/2", "flickr/3"}
    true = draw_face(7, task="close_smile", level=0.0)[1] + (SIZE, 0)
    assert second.points is not None
    known = np.isfinite(second.points[:, 0])
    assert known.sum() == 17
    np.testing.assert_allclose(second.points[known], true[known])
    assert dataset.groups["image00002"] == {"sex": "male"} and dataset.groups["image00003"] == {"sex": "female"}
    assert "image00001" not in dataset.groups  # its two faces differ


def test_left_of_the_picture_is_the_persons_right(drawn: Copy) -> None:
    for face in read_dataset("aflw", drawn("aflw")).faces:
        assert face.points is not None and not mirrored(face.points)
    partly = next(face for face in aflw.scan(drawn("aflw"))[0].faces if face.subject == "image00004")
    assert partly.points is not None
    assert np.isfinite(partly.points[[17, 36, 39]]).all() and np.isnan(partly.points[[26, 42, 45]]).all()
    whole = complete_points(partly.points)
    assert whole is not None and whole[36, 0] < whole[45, 0]


@pytest.mark.parametrize("place", ["", "above/aflw"])
def test_where_the_folder_may_begin(tree: Copy, place: str) -> None:
    root = tree("aflw")
    if place:
        (root / "above").mkdir()
        (root / "above/aflw").mkdir()
        (root / "data").rename(root / "above/aflw/data")
        root = root / "above"
    else:
        root = root / "data"
    assert len(read_dataset("aflw", root).faces) == 8


def test_another_folder_is_one_problem(tmp_path: Path) -> None:
    dataset, problems = aflw.scan(tmp_path)
    told = "no such file; the folder of AFLW holds it"
    assert not dataset.faces and problems == [Problem("missing", tmp_path / "data/aflw.sqlite", told)]


def test_a_database_that_is_none(tree: Copy) -> None:
    root = tree("aflw")
    path = root / "data/aflw.sqlite"
    path.write_bytes(b"not a database" * 100)
    (problem,) = aflw.scan(root)[1]
    assert problem.where == path and problem.what.startswith("no readable SQLite file (file is not a database)")


def test_tables_and_columns_that_are_not_there(tree: Copy) -> None:
    root = tree("aflw")
    path = edit(root, "DROP TABLE FeatureCoords", "ALTER TABLE FaceMetaData DROP COLUMN sex")
    assert aflw.scan(root)[1] == [
        Problem("damaged", path, "no table FeatureCoords; this is not the database of AFLW, or it is cut short"),
        Problem("damaged", path, "table FaceMetaData has no column sex"),
    ]


def test_rows_that_lead_nowhere(tree: Copy) -> None:
    root = tree("aflw")
    path = edit(
        root,
        "UPDATE FeatureCoordTypes SET descr = 'Moustache' WHERE feature_id = 21",
        "DELETE FROM FaceImages WHERE file_id = 'image00005.jpg'",
        "UPDATE FaceImages SET filepath = '../secret.jpg' WHERE file_id = 'image00006.jpg'",
    )
    found = {problem.what for problem in aflw.scan(root)[1] if problem.where == path}
    assert found == {
        "FeatureCoordTypes names unknown points: Moustache",
        "Faces: face 39345 is in image00005.jpg, which FaceImages lacks",
        "FaceImages: image00006.jpg lies at '../secret.jpg', outside the set",
        "Faces: face 39346 is in image00006.jpg, which FaceImages lacks",
    }


def test_pictures_and_points_that_are_not_there(tree: Copy) -> None:
    root = tree("aflw")
    picture = root / "data/flickr/2/image00002.jpg"
    picture.unlink()
    path = edit(
        root,
        "DELETE FROM FeatureCoords WHERE face_id = 39343",
        "UPDATE FeatureCoords SET x = -1, y = -1 WHERE face_id = 39344 AND feature_id = 18",
    )
    dataset, problems = aflw.scan(root)
    assert problems == [
        Problem("note", path, "1 of 8 faces have none of our points; left out"),
        Problem("missing", picture, "no such file"),
    ]
    taken_back = next(face for face in dataset.faces if face.sequence.endswith("39344"))
    assert taken_back.points is not None and np.isnan(taken_back.points[48]).all()


def test_a_face_with_exchanged_sides_is_left_out(tree: Copy) -> None:
    root = tree("aflw")
    edit(root, f"UPDATE FeatureCoords SET x = {SIZE} - x WHERE face_id = 39343")
    dataset, problems = aflw.scan(root)
    told = "points: left and right are exchanged in 1 of 8 frames; left out"
    assert problems == [Problem("note", root / "data/flickr/3/image00003.jpg", told)]
    assert len(dataset.faces) == 7
    edit(root, f"UPDATE FeatureCoords SET x = {2 * SIZE} - x WHERE face_id <> 39343")
    problem = aflw.scan(root)[1][0]
    assert (problem.kind, problem.what) == ("damaged", "points: left and right are exchanged; the copy is mirrored")


def test_the_database_is_never_written(tree: Copy) -> None:
    root = tree("aflw")
    path = root / "data/aflw.sqlite"
    path.chmod(0o400)
    path.parent.chmod(0o500)
    before = path.read_bytes()
    try:
        assert len(aflw.scan(root)[0].faces) == 8
    finally:
        path.parent.chmod(0o700)
    assert path.read_bytes() == before and {each.name for each in path.parent.iterdir()} == {"aflw.sqlite", "flickr"}
