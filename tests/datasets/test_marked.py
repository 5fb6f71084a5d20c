"""Pictures that a person marked: what is read, and what is wrong with which file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trees_marks

from palsy_cli.datasets.catalogue import read_dataset, scan_dataset
from palsy_cli.datasets.marks import read_pts, write_pts
from palsy_cli.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return trees_marks.marked_tree(tmp_path / "mine", subjects=2)


def test_each_folder_is_a_person_and_a_picture_alone_is_one(root: Path) -> None:
    faces = read_dataset("marked", root)
    assert faces.subjects == ("alone", "patient-00", "patient-01") and len(faces.faces) == 5
    for face in faces.faces:
        assert face.path.suffix == ".png" and face.points is not None
        assert np.allclose(face.points, read_pts(face.path.with_suffix(".pts")))


def test_points_that_nobody_could_tell_stay_unknown(root: Path) -> None:
    file = root / "alone.pts"
    points = read_pts(file)
    points[0] = np.nan
    write_pts(file, points)
    (alone,) = [face for face in read_dataset("marked", root).faces if face.subject == "alone"]
    assert alone.points is not None and np.isnan(alone.points[0]).all() and np.isfinite(alone.points[1:]).all()


def test_faults_name_the_file(root: Path) -> None:
    (root / "alone.png").unlink()
    good = (root / "patient-00/smile0.pts").read_text()
    (root / "patient-00/smile0.pts").write_text(good.replace("n_points: 68", "n_points: 49"))
    points = read_pts(root / "patient-01/smile0.pts")
    points[:, 0] = 160 - points[:, 0]
    write_pts(root / "patient-01/smile0.pts", points)
    (root / "patient-01/smile1.pts").unlink()
    _, problems = scan_dataset("marked", root)
    told = {(problem.kind, problem.where.relative_to(root).as_posix()): problem.what for problem in problems}
    assert told["missing", "alone.pts"] == "no picture of that name beside it"
    assert "n_points 49, expected 68" in told["damaged", "patient-00/smile0.pts"]
    assert "left and right are exchanged" in told["damaged", "patient-01/smile0.pts"]
    assert "left out" in told["note", "patient-01/smile1.png"]
    with pytest.raises(DatasetError, match=r"alone\.pts.*2 more"):
        read_dataset("marked", root)


def test_an_empty_folder_says_how_to_begin(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="palsy landmarks PICTURE --pts DIR"):
        read_dataset("marked", tmp_path)
