"""Points as files, points that were not marked, exchanged sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from trees_marks import AFLW_POINTS

from palsy_cli.datasets.aflw import POINT_OF
from palsy_cli.datasets.marks import EYE_CORNERS, complete_points, read_pts, read_xy, write_pts
from palsy_cli.errors import DatasetError
from palsy_cli.points import MIRROR_68
from palsy_cli.records import SIDES, FloatArray
from palsy_cli.simulate.muscles import move_points
from palsy_cli.simulate.template import draw_shape, neutral_points

PEOPLE = range(12)
OF_AFLW = [point for point in POINT_OF.values() if point is not None]


def face_of(seed: int, *, moving: bool = False) -> FloatArray:
    """(68, 2) pixels of a drawn face whose pupils are 100 pixels apart."""
    rng = np.random.default_rng(seed)
    shape = neutral_points(draw_shape(rng))
    units = (1, 2, 4, 6, 9, 12, 15, 18, 20, 25, 26, 43)
    drives = {(au, side): rng.uniform() for au in units for side in SIDES if rng.uniform() < 0.4}
    return 100 * (move_points(shape, drives).points if moving else shape) + 300


def only(face: FloatArray, kept: list[int]) -> FloatArray:
    """The face with these points, NaN elsewhere."""
    some = np.full_like(face, np.nan)
    some[kept] = face[kept]
    return some


def turned(points: FloatArray, degrees: float, scale: float, shift: tuple[float, float]) -> FloatArray:
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return scale * points @ np.array([[cos, sin], [-sin, cos]]) + shift


def test_points_come_back_from_a_file(tmp_path: Path) -> None:
    points = face_of(0)
    points[5] = np.nan
    np.testing.assert_allclose(read_pts(write_pts(tmp_path / "a.pts", points)), points, atol=1e-4)
    assert (tmp_path / "a.pts").stat().st_mode & 0o077 == 0


def test_the_first_pixel_of_a_pts_file_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.pts"
    path.write_text("version: 1\r\nn_points:  68\r\n{\r\n" + "1.0 1.000\r\n" * 67 + "446.5 91\r\n}\r\n")
    points = read_pts(path)
    assert (points[:67] == 0).all() and points[67].tolist() == [445.5, 90.0]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("version: 1", "version: 2", "line 1: version 2, expected 1"),
        ("version: 1", "pts 1", "line 1: found 'pts 1', expected 'version: 1'"),
        ("n_points: 68", "n_points: 49", "line 2: n_points 49, expected 68"),
        ("5.0000 5.0000", "5.0 five", "line 8: found '5.0 five', expected two numbers"),
        ("5.0000 5.0000", "5.0", "line 8: found '5.0', expected two numbers"),
        ("5.0000 5.0000", "inf 5", "line 8: found 'inf 5', expected two finite numbers"),
        ("5.0000 5.0000\n", "", "holds 67 points, expected 68"),
        ("}", "", "the points do not stand between { and }; the file is cut short or no .pts"),
    ],
)
def test_a_wrong_pts_file_is_named_with_its_line(tmp_path: Path, old: str, new: str, what: str) -> None:
    path = write_pts(tmp_path / "a.pts", np.repeat(np.arange(68.0)[:, None], 2, axis=1))
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DatasetError) as error:
        read_pts(path)
    assert str(error.value) == f"{path}: {what}"


@pytest.mark.parametrize(("content", "what"), [(b"", "the file is empty"), (b"\xff\xfe\x00", "is no UTF-8 text")])
def test_files_that_are_no_text_are_refused(tmp_path: Path, content: bytes, what: str) -> None:
    (tmp_path / "a.pts").write_bytes(content)
    for read in (read_pts, read_xy):
        with pytest.raises(DatasetError, match=what):
            read(tmp_path / "a.pts")
    with pytest.raises(DatasetError, match="is not there"):
        read_pts(tmp_path / "absent.pts")


@pytest.mark.parametrize("between", [",", " ", ";", "\t", " , "])
def test_lists_of_coordinates_count_from_zero(tmp_path: Path, between: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"x{between}y\n" + "".join(f"{k}.5{between}{k}\n" for k in range(68)))
    np.testing.assert_array_equal(read_xy(path), np.stack([np.arange(68) + 0.5, np.arange(68)], axis=1))
    path.write_text("1,2\n" * 49)
    with pytest.raises(DatasetError, match="holds 49 points, expected 68"):
        read_xy(path)


def test_writing_wants_68_points(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="points"):
        write_pts(tmp_path / "a.pts", np.zeros((49, 2)))


@pytest.mark.parametrize(("moving", "mean", "worst"), [(False, 0.02, 0.04), (True, 0.035, 0.07)])
def test_the_rest_follows_from_the_points_of_aflw(moving: bool, mean: float, worst: float) -> None:
    """Error per point over the distance of the outer eye corners: of all people, and of the worst one."""
    errors = []
    others = np.setdiff1d(np.arange(68), OF_AFLW)
    for seed in PEOPLE:
        face = face_of(seed, moving=moving)
        whole = complete_points(only(face, OF_AFLW))
        assert whole is not None and np.isfinite(whole).all()
        missed = np.linalg.norm(whole - face, axis=1) / np.linalg.norm(face[45] - face[36])
        assert (missed[OF_AFLW] == 0).all()
        errors.append(missed[others].mean())
    assert np.mean(errors) < mean and max(errors) < worst


@pytest.mark.parametrize("kept", [OF_AFLW, list(EYE_CORNERS), [17, 26, 48, 54], [*range(36), *range(48, 68)]])
@pytest.mark.parametrize("degrees", [0.0, 37.0, 180.0])
def test_a_turned_face_gives_turned_points(kept: list[int], degrees: float) -> None:
    face = only(face_of(3, moving=True), kept)
    upright, leaning = complete_points(face), complete_points(turned(face, degrees, 0.3, (40, -900)))
    assert upright is not None and leaning is not None
    np.testing.assert_array_equal(upright[kept], face[kept])
    np.testing.assert_allclose(leaning, turned(upright, degrees, 0.3, (40, -900)), atol=1e-6)


def test_a_mirrored_person_gives_mirrored_points() -> None:
    face = only(face_of(5, moving=True), OF_AFLW)
    own, other = complete_points(face), complete_points((face * (-1, 1))[MIRROR_68])
    assert own is not None and other is not None
    np.testing.assert_allclose(other, (own * (-1, 1))[MIRROR_68], atol=1e-6)


@pytest.mark.parametrize("kept", [[], [30], [36, 39, 42], [48, 54, 62, 66], list(range(17, 27))])
def test_too_few_points_are_not_completed(kept: list[int]) -> None:
    assert complete_points(only(face_of(0), kept)) is None


def test_what_is_whole_stays_and_what_is_no_face_is_none() -> None:
    np.testing.assert_array_equal(complete_points(face_of(1)), face_of(1))
    assert complete_points(only(np.ones((68, 2)), OF_AFLW)) is None
    with pytest.raises(ValueError, match="points"):
        complete_points(np.zeros((21, 2)))


def test_the_points_of_aflw_are_ours() -> None:
    assert {name: ours[0] for name, ours in AFLW_POINTS if POINT_OF[name] is not None} == {
        name: point for name, point in POINT_OF.items() if point is not None
    }
    assert len(POINT_OF) == 21 and len(set(OF_AFLW)) == 17
