"""AFLFP in the layout that we made for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from trees_marks import draw_face

from palsy_cli.datasets import aflfp
from palsy_cli.datasets.catalogue import read_dataset
from palsy_cli.datasets.faces import Problem
from palsy_cli.datasets.folds import check_apart, make_folds
from palsy_cli.datasets.marks import read_xy

Copy = Callable[[str], Path]


def faults(root: Path) -> list[Problem]:
    return [problem for problem in aflfp.scan(root)[1] if problem.kind != "note"]


def test_faces_by_person_expression_and_key_state(drawn: Copy) -> None:
    dataset = read_dataset("aflfp", drawn("aflfp"))
    assert len(dataset.subjects) == 10 and len(dataset.faces) == 10 * 2 * 4
    first = dataset.faces[:4]
    assert [(face.subject, face.sequence, face.frame, face.condition) for face in first] == [
        ("S01", "S01/BR", frame, "BR") for frame in range(4)
    ]
    assert [face.path.stem for face in first] == list(aflfp.STATES)
    peak = dataset.faces[3]
    assert peak.points is not None
    np.testing.assert_allclose(peak.points, draw_face(0, task="brow_raise", roll=2.0)[1], atol=1e-3)


def test_both_kinds_of_files_say_the_same(tree: Copy) -> None:
    root = tree("aflfp")
    path = root / "S02/BR/peak.csv"
    assert read_dataset("aflfp", root).faces[11].points is not None
    np.testing.assert_array_equal(read_dataset("aflfp", root).faces[11].points, read_xy(path))
    path.rename(path.with_suffix(".txt"))
    np.testing.assert_array_equal(read_dataset("aflfp", root).faces[11].points, read_xy(path.with_suffix(".txt")))


def test_ten_folds_of_people(drawn: Copy) -> None:
    dataset = read_dataset("aflfp", drawn("aflfp"))
    folds = make_folds(dataset, count=aflfp.SPEC.folds)
    assert len(folds) == 10 and sum(len(fold.test) for fold in folds) == len(dataset.faces)
    for fold in folds:
        check_apart(dataset, fold)


def test_what_differs_from_the_paper_is_a_note(drawn: Copy) -> None:
    notes = [problem.what for problem in aflfp.scan(drawn("aflfp"))[1]]
    assert notes == [
        "nobody shows CS, FR, FN, GEC, LE, LSM, LSN, LW, RE, RSM, RSN, RW, SN, TEC; the paper has 16 expressions",
        "10 of the 88 published subjects",
    ]


def test_another_folder_is_one_problem(drawn: Copy, tmp_path: Path) -> None:
    for root in (tmp_path, drawn("300w")):
        dataset, problems = aflfp.scan(root)
        (problem,) = [each for each in problems if each.kind == "missing"]
        assert not dataset.faces and problem.where == root
        assert problem.what.startswith("no SUBJECT/EXPRESSION/ in it (BR, CS, ")


def test_missing_parts_are_named(tree: Copy) -> None:
    root = tree("aflfp")
    shutil.rmtree(root / "S01/OS")
    for name in ("onset.jpg", "mid.pts", "peak.jpg", "peak.pts"):
        (root / "S03/BR" / name).unlink()
    (root / "S05/XX").mkdir()
    (root / "S05/OS/apex.jpg").write_bytes(b"")
    picture, points = "no such file (nor .jpeg, .png, .bmp)", "no such file (nor .csv, .txt)"
    assert faults(root) == [
        Problem("damaged", root / "S05/XX", f"no expression of AFLFP; known: {', '.join(aflfp.EXPRESSIONS)}"),
        Problem("missing", root / "S03/BR/onset.jpg", picture),
        Problem("missing", root / "S03/BR/mid.pts", points),
        Problem("missing", root / "S03/BR/peak.jpg", picture),
        Problem("missing", root / "S03/BR/peak.pts", points),
        Problem("missing", root / "S01/OS", "no open smile"),
    ]
    told = "no key state; known: neutral, onset, mid, peak"
    assert Problem("note", root / "S05/OS/apex.jpg", told) in aflfp.scan(root)[1]


def test_damaged_points_are_named(tree: Copy) -> None:
    root = tree("aflfp")
    short, mirrored, twice = root / "S02/OS/mid.csv", root / "S04/OS/mid.csv", root / "S06/OS/mid.csv"
    short.write_text("1,2\n" * 49)
    np.savetxt(mirrored, read_xy(mirrored) * (-1, 1) + (160, 0), delimiter=",")
    shutil.copy(root / "S01/OS/mid.pts", twice.with_suffix(".pts"))
    told = "one of 2 files of one name (mid.pts, mid.csv); keep the right one"
    assert faults(root) == [
        Problem("damaged", short, "holds 49 points, expected 68"),
        Problem("damaged", twice.with_suffix(".pts"), told),
    ]
    dataset, problems = aflfp.scan(root)
    told = "points: left and right are exchanged in 1 of 78 frames; left out"
    assert Problem("note", mirrored.with_suffix(".jpg"), told) in problems and len(dataset.faces) == 77
