"""Folders of videos with one grade each."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from palsy_cli.datasets import fpara
from palsy_cli.datasets.catalogue import read_dataset
from palsy_cli.datasets.faces import Problem
from palsy_cli.datasets.reading import read_grade
from palsy_cli.stages.video import read_clip

Copy = Callable[[str], Path]
HEAD = "video,subject,house_brackmann,task,group_sex\n"


def write(root: Path, *lines: str, head: str = HEAD) -> Path:
    path = root / "labels.csv"
    path.write_text(head + "".join(line + "\n" for line in lines))
    return path


def test_one_face_for_each_video(drawn: Copy) -> None:
    dataset = read_dataset("fpara", drawn("fpara"))
    assert [face.sequence for face in dataset.faces] == ["p01/visit1.mp4", "p01/visit2.mp4"] + [
        f"p{number:02d}/visit1.mp4" for number in range(2, 7)
    ]
    assert len(dataset.subjects) == 6 and [face.grade for face in dataset.faces] == [1, 1, 2, 3, 4, 5, 6]
    for face in dataset.faces:
        assert face.in_video and face.whole_video and face.frame == 0 and face.condition == "smile"
        assert face.points is None and face.left is None and read_clip(face.path).fps == 15
    assert dataset.groups["p01"] == {"sex": "f"} and dataset.groups["p02"] == {"sex": "m"}


@pytest.mark.parametrize(("text", "grade"), [("1", 1), ("3.5", 3.5), ("6.0", 6), ("III", 3), ("vi", 6)])
def test_grades(text: str, grade: float) -> None:
    assert read_grade(text) == grade


@pytest.mark.parametrize("text", ["0", "7", "0.5", "6.5", "2.7", "IIII", "normal", "nan", "inf", "-3"])
def test_what_is_no_grade_is_named_with_its_line(tree: Copy, text: str) -> None:
    root = tree("fpara")
    path = write(root, "p01/visit1.mp4,p01,2,,", f"p02/visit1.mp4,p02,{text},,")
    dataset, problems = fpara.scan(root)
    told = f"line 3: house_brackmann {text!r}, expected 1 to 6 in halves, or I to VI"
    assert problems[0] == Problem("damaged", path, told)
    assert [face.subject for face in dataset.faces] == ["p01"]


def test_columns_that_may_be_left_out(tree: Copy) -> None:
    root = tree("fpara")
    write(root, "\ufeffsubject,video,house_brackmann,remark", "p01,p01\\visit1.mp4,II,tired", head="")
    (face,) = read_dataset("fpara", root).faces
    assert (face.grade, face.condition, face.path) == (2, None, root / "p01/visit1.mp4")
    assert not fpara.scan(root)[0].groups


def test_wrong_lines_are_named(tree: Copy) -> None:
    root = tree("fpara")
    path = write(
        root,
        "p01/visit1.mp4,p01,2,,",
        "p02/visit1.mp4,,3,,",
        "../other.mp4,p03,3,,",
        "/etc/film.mp4,p03,3,,",
        "p03/photo.jpg,p03,3,,",
        "p01/visit1.mp4,p01,2,,",
        "p09/visit1.mp4,p09,3,,",
    )
    kinds = ".avi, .mkv, .mov, .mp4, .webm"
    assert [problem for problem in fpara.scan(root)[1] if problem.kind != "note"] == [
        Problem("damaged", path, "line 3: no subject"),
        Problem("damaged", path, "line 4: ../other.mp4 lies outside the folder; name videos as they lie below it"),
        Problem("damaged", path, "line 5: /etc/film.mp4 lies outside the folder; name videos as they lie below it"),
        Problem("damaged", path, f"line 6: p03/photo.jpg is no video; known: {kinds}"),
        Problem("damaged", path, "line 7: p01/visit1.mp4 is there twice; keep one"),
        Problem("missing", root / "p09/visit1.mp4", "no such file"),
    ]


def test_tables_that_are_none(tree: Copy) -> None:
    root = tree("fpara")
    path = write(root, "p01/visit1.mp4,p01", head="video,person\n")
    (problem,) = (each for each in fpara.scan(root)[1] if each.kind != "note")
    assert problem == Problem("damaged", path, "line 1: no column subject and house_brackmann")
    path.write_bytes(b"\xff\xfe\x00v")
    problem = fpara.scan(root)[1][0]
    assert problem.kind == "damaged" and problem.what.startswith("no readable CSV file")
    path.unlink()
    told = "no such file; a table with the columns video, subject, house_brackmann"
    assert fpara.scan(root)[1] == [Problem("missing", path, told)]


def test_notes(tree: Copy) -> None:
    root = tree("fpara")
    path = write(root, "p01/visit1.mp4,p01,5,,f", "p01/visit2.mp4,p01,2.5,,m")
    (root / "p02/.hidden.mp4").write_bytes(b"")
    dataset, problems = fpara.scan(root)
    assert problems == [
        Problem("note", path, "line 3: group_sex of p01 is 'm', further up it is 'f', which counts"),
        Problem("note", path, "subject p01 has the grades 2.5, 5; several visits?"),
        *(
            Problem("note", root / f"p{n:02d}/visit1.mp4", "not in labels.csv, so that it is not used")
            for n in range(2, 7)
        ),
    ]
    assert dataset.groups == {"p01": {"sex": "f"}}


def test_a_video_that_cannot_be_decoded_is_named(tree: Copy) -> None:
    root = tree("fpara")
    (root / "p02/visit1.mp4").write_bytes(b"no video")
    shutil.copy(root / "p03/visit1.mp4", root / "p04/visit1.mp4")
    damaged, same = fpara.scan(root)[1]
    assert damaged.where == root / "p02/visit1.mp4" and "is no readable video" in damaged.what
    assert same.kind == "note" and same.where == root / "p04/visit1.mp4"
    assert same.what == f"the same file as {root / 'p03/visit1.mp4'}, but of subject p03: one person or two?"
