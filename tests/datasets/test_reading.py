"""What adapters share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from factories import neutral_points
from trees import face, save

from palsy_cli.datasets.reading import (
    POINTS_66,
    Unfit,
    and_more,
    confused,
    files_in,
    first_of,
    is_hdf5,
    is_number,
    line_of_row,
    locate,
    mirrored,
    numbered_pictures,
    picture_fault,
    read_mat,
    read_numbers,
    read_text,
    spread,
    subfolders,
    unpacked,
    video_length,
)
from palsy_cli.points import MIRROR_68, POINTS_49
from palsy_cli.stages.video import write_video


def said(error: pytest.ExceptionInfo[Unfit]) -> str:
    return error.value.problem.what


def test_folders_and_files_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("SN010", "sn002", "SN1", "other", ".SN003"):
        (tmp_path / name).mkdir()
    for name in ("10.jpg", "9.jpg", "._9.jpg"):
        (tmp_path / name).write_bytes(b"x")
    assert [each.name for each in subfolders(tmp_path, r"SN\d{3}")] == ["sn002", "SN010"]
    assert [each.name for each in files_in(tmp_path, r"\d+\.jpg")] == ["9.jpg", "10.jpg"]
    with pytest.raises(Unfit) as error:
        subfolders(tmp_path / "none")
    assert (error.value.problem.kind, said(error)) == ("missing", "is not there")


def test_a_folder_is_found_where_archives_put_it(tmp_path: Path) -> None:
    (tmp_path / "Top" / "Labels" / "Labels").mkdir(parents=True)
    assert locate(tmp_path, ["labels"]) == tmp_path / "Top" / "Labels" / "Labels"
    assert locate(tmp_path / "Top", ["Marks", "LABELS"]) == tmp_path / "Top" / "Labels" / "Labels"
    assert locate(tmp_path, ["Images"]) is None
    assert unpacked(tmp_path / "Top") == tmp_path / "Top"


def test_the_first_name_wins(tmp_path: Path) -> None:
    (tmp_path / "AUCoding" / "AU_OCC").mkdir(parents=True)
    assert locate(tmp_path, ["AU_OCC", "AUCoding"]) == tmp_path / "AUCoding" / "AU_OCC"


def test_pictures_are_known_by_their_number(tmp_path: Path) -> None:
    for name in ("0721.jpg", "12.PNG"):
        save(tmp_path / name, face(0, 0)[0])
    (tmp_path / "TimeStamp.txt").write_text("12.PNG 0.0")
    pictures, problems = numbered_pictures(tmp_path)
    assert {number: path.name for number, path in pictures.items()} == {12: "12.PNG", 721: "0721.jpg"}
    assert not problems


def test_pictures_that_are_none_are_told(tmp_path: Path) -> None:
    save(tmp_path / "002.jpg", face(0, 0)[0])
    (tmp_path / "001.jpg").write_bytes(b"")
    save(tmp_path / "02.png", face(0, 0)[0])
    _, problems = numbered_pictures(tmp_path)
    assert [(p.where.name, p.what) for p in problems] == [
        ("001.jpg", "is empty; copy it again"),
        ("02.png", "has the number of 002.jpg, too"),
    ]
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "1.jpg").write_bytes(bytes(999))
    assert [p.what for p in numbered_pictures(tmp_path / "other")[1]] == ["is no picture by its content; copy it again"]


def test_a_picture_is_judged_by_its_first_bytes(tmp_path: Path) -> None:
    assert picture_fault(save(tmp_path / "a.png", face(0, 0)[0])) is None
    assert "cannot be read" in str(picture_fault(tmp_path / "none.png"))


@pytest.mark.parametrize("suffix", ["avi", "mp4", "mkv"])
def test_a_video_tells_its_length_unseen(tmp_path: Path, suffix: str) -> None:
    film = tmp_path / f"a.{suffix}"
    write_video((face(0, 0)[0] for _ in range(5)), film, fps=20)
    assert video_length(film) == 5
    film.write_bytes(film.read_bytes()[:300])
    with pytest.raises(Unfit) as error:
        video_length(film)
    assert error.value.problem.where == film and str(film) not in said(error)


def test_numbers_of_a_text_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeff1,0\n\n2,5\n".encode())
    assert read_numbers(path, columns=2, separator=",").tolist() == [[1, 0], [2, 5]]
    assert line_of_row(path, 1) == 3


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("1,0\n2,0,1\n", "line 2: 3 columns where 2 belong: '2,0,1'"),
        ("1,0\n\n2,x\n", "line 3: 'x' is no number"),
        ("1,0\n2,nan\n", "line 2: 'nan' is no number"),
        ("1;0\n", "line 1: 1 columns where 2 belong: '1;0'"),
        ("\n \n", "is empty"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(Unfit) as error:
        read_numbers(tmp_path / "a.txt", columns=2, separator=",")
    assert said(error) == what


def test_text_of_another_encoding_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Müller".encode("latin-1"))
    with pytest.raises(Unfit) as error:
        read_text(tmp_path / "a.txt")
    assert said(error) == "is no UTF-8 text (byte 1)"
    with pytest.raises(Unfit) as error:
        read_text(tmp_path / "none.txt")
    assert error.value.problem.kind == "missing"
    assert not is_number("inf") and is_number(" 1e2 ")


def test_a_variable_of_a_matlab_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"pts": np.eye(2)})
    assert np.array_equal(read_mat(path, "pts"), np.eye(2)) and not is_hdf5(path)
    with pytest.raises(Unfit) as error:
        read_mat(path, "fit")
    assert said(error) == "holds no variable 'fit'; is it another file?"


@pytest.mark.parametrize("content", [b"", b"no MATLAB file", bytes(600), b"cut"])
def test_a_damaged_matlab_file_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"pts": np.zeros((66, 2))}, do_compression=True)
    path.write_bytes(path.read_bytes()[:150] if content == b"cut" else content)
    with pytest.raises(Unfit) as error:
        read_mat(path, "pts")
    assert "cannot be read as a MATLAB file" in said(error) or "holds no variable" in said(error)


def test_newer_matlab_files_are_known(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(512) + b"\x89HDF\r\n\x1a\n")
    assert is_hdf5(path)
    with pytest.raises(Unfit) as error:
        read_mat(path, "pts")
    assert said(error) == "is a MATLAB file of version 7.3, which cannot be read here; save it with -v7"
    with pytest.raises(Unfit) as error:
        is_hdf5(tmp_path / "none.mat")
    assert error.value.problem.kind == "missing"


@pytest.mark.parametrize(
    ("places", "absent"), [(POINTS_66, [60, 64]), (POINTS_49, [*range(17), 60, 64])], ids=["66", "49"]
)
def test_fewer_points_go_to_their_places(places: tuple[int, ...], absent: list[int]) -> None:
    whole = neutral_points()
    placed = spread(whole[list(places)], places)
    assert np.flatnonzero(np.isnan(placed).any(1)).tolist() == absent
    assert np.array_equal(placed[list(places)], whole[list(places)])
    with pytest.raises(ValueError, match=r"expected shape \(\d+, 2\), got \(68, 2\)"):
        spread(whole, places)


@pytest.mark.parametrize("tilt", [0, 40, 180, -100])
def test_exchanged_sides_are_seen_in_any_tilt(tilt: float) -> None:
    c, s = np.cos(np.radians(tilt)), np.sin(np.radians(tilt))
    points = (neutral_points() - 256) @ np.array([[c, s], [-s, c]])
    assert not mirrored(points)
    assert mirrored(points[MIRROR_68])  # the wrong names
    assert mirrored(points * [-1, 1])  # a mirrored picture with its old names
    some = points.copy()
    some[:36] = some[60:] = some[37] = np.nan
    assert not mirrored(some) and mirrored(some * [-1, 1])


def test_without_eyes_nothing_is_said_of_sides() -> None:
    points = neutral_points() * [-1, 1]
    points[36:42] = np.nan
    assert not mirrored(points)


def test_true_faces_are_not_mirrored() -> None:
    assert not any(mirrored(face(subject, frame)[1]) for subject in range(4) for frame in range(4))


def test_many_faults_in_few_words() -> None:
    assert first_of(["a"]) == "a" and first_of(iter("abc")) == "a (and 2 more)" and and_more(0) == ""
    assert confused(Path("a.mat"), 3, 4).kind == "damaged"
    few = confused(Path("a.mat"), 1, 4)
    assert str(few) == "a.mat: points: left and right are exchanged in 1 of 4 frames; left out" and few.kind == "note"
