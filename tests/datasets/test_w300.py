"""300-W as it lies on disk, and its usual split."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from palsy_cli.datasets import w300
from palsy_cli.datasets.catalogue import read_dataset
from palsy_cli.datasets.faces import Problem
from palsy_cli.datasets.folds import check_apart
from palsy_cli.datasets.marks import read_pts, write_pts
from palsy_cli.errors import DatasetError, UsageError

Copy = Callable[[str], Path]


def faults(root: Path) -> list[Problem]:
    return [problem for problem in w300.scan(root)[1] if problem.kind != "note"]


def test_all_parts_are_read(drawn: Copy) -> None:
    root = drawn("300w")
    dataset = read_dataset("300w", root)
    faces = {face.sequence: face for face in dataset.faces}
    assert len(faces) == 18 and {face.condition for face in dataset.faces} == set(w300.PARTS)
    assert faces["afw/134212_1"].subject == faces["afw/134212_2"].subject == "afw/134212"
    assert faces["ibug/image_003_1"].subject == "ibug/image_003"
    assert faces["lfpw/trainset/image_0001"].subject != faces["lfpw/testset/image_0001"].subject
    assert faces["300w/outdoor_001"].path == root / "300W/02_Outdoor/outdoor_001.png"
    for face in dataset.faces:
        np.testing.assert_array_equal(face.points, read_pts(face.path.with_suffix(".pts")))


def test_the_challenge_alone_may_be_the_folder(drawn: Copy) -> None:
    dataset, problems = w300.scan(drawn("300w") / "300W")
    assert [face.subject for face in dataset.faces] == ["300w/indoor_001", "300w/outdoor_001"]
    assert {problem.kind for problem in problems} == {"note"}


def test_absent_parts_are_notes(tree: Copy) -> None:
    root = tree("300w")
    shutil.rmtree(root / "ibug")
    assert "ibug: 0 of the 135 published faces" in {problem.what for problem in w300.scan(root)[1]}
    assert len(read_dataset("300w", root).faces) == 16


def test_another_folder_is_one_problem(tmp_path: Path) -> None:
    dataset, problems = w300.scan(tmp_path)
    parts = "afw, helen/trainset, helen/testset, ibug, lfpw/trainset, lfpw/testset, 300w"
    assert not dataset.faces and problems == [Problem("missing", tmp_path, f"holds none of {parts}")]


def test_wrong_files_of_points_are_named(tree: Copy) -> None:
    root = tree("300w")
    version, count = root / "afw/134212_1.pts", root / "ibug/image_003_1.pts"
    version.write_text(version.read_text().replace("version: 1", "version: 2"))
    count.write_text(count.read_text().replace("n_points: 68", "n_points: 49"))
    assert faults(root) == [
        Problem("damaged", version, "line 1: version 2, expected 1"),
        Problem("damaged", count, "line 2: n_points 49, expected 68"),
    ]
    assert len(w300.scan(root)[0].faces) == 16


def test_missing_files_are_named(tree: Copy) -> None:
    root = tree("300w")
    (root / "helen/testset/30427236_2.jpg").unlink()
    (root / "lfpw/trainset/image_0002.pts").unlink()
    assert faults(root) == [
        Problem("missing", root / "helen/testset/30427236_2.jpg", "no such file (nor .png, .jpeg)"),
        Problem("missing", root / "lfpw/trainset/image_0002.pts", "no points for image_0002.png"),
    ]
    with pytest.raises(DatasetError, match=r"30427236_2.jpg: no such file .* \(and 1 more\)"):
        read_dataset("300w", root)


def test_unreadable_pictures_are_named(tree: Copy) -> None:
    root = tree("300w")
    (root / "ibug/image_003_1.jpg").write_bytes(b"")
    (root / "ibug/image_004_1.jpg").write_bytes(b"no picture")
    empty, damaged = faults(root)
    assert empty == Problem("damaged", root / "ibug/image_003_1.jpg", "the file is empty")
    assert damaged.where == root / "ibug/image_004_1.jpg" and "cannot be read as an image" in damaged.what


def test_a_mirrored_picture_is_seen(tree: Copy) -> None:
    root = tree("300w")
    path = root / "afw/1051618982_1.pts"
    write_pts(path, read_pts(path) * (-1, 1) + (160, 0))
    dataset, problems = w300.scan(root)
    told = "points: left and right are exchanged in 1 of 18 frames; left out"
    assert Problem("note", path.with_suffix(".jpg"), told) in problems and len(dataset.faces) == 17
    for path in root.glob("*/*/*.pts"):
        write_pts(path, read_pts(path) * (-1, 1) + (160, 0))
    (problem,) = faults(root)
    assert problem.what == "points: left and right are exchanged; the copy is mirrored"


def test_points_of_another_picture_are_seen(tree: Copy) -> None:
    root = tree("300w")
    path = root / "lfpw/testset/image_0001.png"
    cv2.imwrite(str(path), cv2.imread(str(path))[:60, :60])
    (problem,) = faults(root)
    assert problem.where == path
    assert "points lie outside the 60x60 picture; points and picture do not belong together" in problem.what


def test_pictures_twice(tree: Copy) -> None:
    root = tree("300w")
    shutil.copy(root / "ibug/image_003_1.jpg", root / "ibug/image_003_1.png")
    for suffix in (".png", ".pts"):
        shutil.copy(root / f"lfpw/trainset/image_0001{suffix}", root / f"lfpw/testset/image_0009{suffix}")
    named, copied = (p for p in w300.scan(root)[1] if "published" not in p.what)
    names = "image_003_1.jpg, image_003_1.png"
    told = f"one of 2 files of one name ({names}); keep the right one"
    assert named == Problem("damaged", root / "ibug/image_003_1.jpg", told)
    assert copied.kind == "note" and copied.what.endswith("of subject lfpw/testset/image_0009: one person or two?")


@pytest.mark.parametrize(("name", "count"), [("common", 4), ("challenging", 2), ("full", 6)])
def test_the_usual_split(drawn: Copy, name: str, count: int) -> None:
    dataset = read_dataset("300w", drawn("300w"))
    fold = w300.fold_by_part(dataset, w300.TEST[name])
    check_apart(dataset, fold)
    parts = [{dataset.faces[row].condition for row in rows} for rows in (fold.training, fold.validation, fold.test)]
    assert parts[0] | parts[1] == set(w300.TRAINING) and parts[2] == set(w300.TEST[name])
    assert len(fold.test) == count and len(fold.training) + len(fold.validation) == 10
    learned, chosen = ({dataset.faces[row].subject for row in rows} for rows in (fold.training, fold.validation))
    assert learned and chosen and not learned & chosen


def test_a_photo_that_is_tested_is_not_learned_from(tree: Copy) -> None:
    root = tree("300w")
    for suffix in (".jpg", ".pts"):
        (root / f"helen/trainset/10405146_1{suffix}").rename(root / f"helen/trainset/296814969_1{suffix}")
    dataset, problems = w300.scan(root)
    told = "photo helen/296814969 has faces in helen/testset and helen/trainset"
    assert Problem("note", root, told) in problems
    fold = w300.fold_by_part(dataset, w300.TEST["common"])
    check_apart(dataset, fold)
    assert len(fold.training) + len(fold.validation) == 9 and len(fold.test) == 4


def test_a_split_that_cannot_be(drawn: Copy) -> None:
    dataset = read_dataset("300w", drawn("300w"))
    with pytest.raises(UsageError, match="300-W has no part ibugs; known: afw"):
        w300.fold_by_part(dataset, ["ibugs"])
    challenge = w300.scan(drawn("300w") / "300W")[0]
    with pytest.raises(DatasetError, match="too few faces of afw, helen/trainset, lfpw/trainset"):
        w300.fold_by_part(challenge, ["300w"])
    with pytest.raises(DatasetError, match="too few faces of ibug"):
        w300.fold_by_part(challenge, ["ibug"])
