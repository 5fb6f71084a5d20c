"""DISFA: videos, label files of each unit, points of each frame."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from trees import DISFA_AUS, disfa_tree, face, labels_of

from palsy_cli.datasets.catalogue import dataset_spec, read_dataset, scan_dataset
from palsy_cli.datasets.faces import FaceDataset
from palsy_cli.errors import DatasetError
from palsy_cli.stages.video import iter_frames, read_clip, write_video

FRAMES = 6
PEOPLE = ("SN001", "SN002")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return disfa_tree(tmp_path_factory.mktemp("disfa") / "DISFA", PEOPLE, FRAMES)


@pytest.fixture
def tree(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "DISFA")
    return tmp_path / "DISFA"


def faults(root: Path) -> list[tuple[str, str, str]]:
    _, problems = scan_dataset("disfa", root)
    return [(p.kind, p.where.relative_to(root).as_posix(), p.what) for p in problems]


def labels(root: Path, au: int) -> Path:
    return root / "ActionUnit_Labels" / "SN001" / f"SN001_au{au}.txt"


def film(root: Path) -> Path:
    return root / "Videos_LeftCamera" / "LeftVideoSN001_comp.avi"


def test_a_whole_copy_is_read(whole: Path) -> None:
    dataset = read_dataset("disfa", whole)
    assert faults(whole) == []
    assert (dataset.name, dataset.aus, dataset.present_from) == ("disfa", DISFA_AUS, 2.0)
    assert dataset.subjects == PEOPLE and len(dataset.faces) == len(PEOPLE) * FRAMES
    for number, each in enumerate(dataset.faces):
        frame = number % FRAMES
        assert (each.subject, each.sequence, each.frame) == (PEOPLE[number // FRAMES], each.subject, frame)
        assert each.in_video and not each.whole_video and each.at_rest == (frame == 0)
        assert each.left is not None and each.left.tolist() == labels_of(frame, DISFA_AUS)
        assert each.right is not None and np.array_equal(each.left, each.right)


def test_frames_labels_and_points_belong_together(whole: Path) -> None:
    """Labels count from 1, points from 0, and both mean the same picture of the video."""
    faces = [each for each in read_dataset("disfa", whole).faces if each.subject == "SN002"]
    shown = [frame.image for frame in iter_frames(read_clip(faces[0].path))]
    for each, image in zip(faces, shown, strict=True):
        drawn, points = face(1, each.frame)
        assert np.abs(image.astype(int) - drawn).mean() < 6
        assert each.points is not None and np.isnan(each.points[[60, 64]]).all()
        kept = np.delete(np.arange(68), [60, 64])
        assert np.allclose(each.points[kept], points[kept])


def test_labels_cannot_be_changed_by_accident(whole: Path) -> None:
    left = read_dataset("disfa", whole).faces[0].left
    assert left is not None
    with pytest.raises(ValueError, match="read-only"):
        left[0] = 5


@pytest.mark.parametrize("first", [0, 1], ids=["from 0", "from 1"])
@pytest.mark.parametrize("pattern", ["SN001_{:04d}_lm.mat", "l0{:04d}_lm.mat"])
def test_points_are_numbered_from_0_or_1(tree: Path, first: int, pattern: str) -> None:
    folder = tree / "Landmark_Points" / "SN001" / "tmp_frame_lm"
    for number in reversed(range(FRAMES)):
        (folder / f"SN001_{number:04d}_lm.mat").rename(folder / pattern.format(number + first))
    assert faults(tree) == []
    each = read_dataset("disfa", tree).faces[2]
    assert each.points is not None and np.allclose(each.points[:60], face(0, 2)[1][:60])


def test_a_points_file_too_many_at_the_start(tree: Path) -> None:
    folder = tree / "Landmark_Points" / "SN001" / "tmp_frame_lm"
    for number in reversed(range(FRAMES)):
        shutil.copy(folder / f"SN001_{number:04d}_lm.mat", folder / f"SN001_{number + 1:04d}_lm.mat")
    assert faults(tree) == []
    each = read_dataset("disfa", tree).faces[2]
    assert each.points is not None and np.allclose(each.points[:60], face(0, 2)[1][:60])


def test_variants_of_folders(tree: Path, tmp_path: Path) -> None:
    """As archives unpack: a top folder, a folder in its namesake, the singular name, other cases."""
    (tree / "Videos_LeftCamera").rename(tree / "Video_LeftCamera")
    (tree / "ActionUnit_Labels").rename(tree / "inner")
    (tree / "ActionUnit_Labels").mkdir()
    (tree / "inner").rename(tree / "ActionUnit_Labels" / "ActionUnit_Labels")
    old = tree / "Video_LeftCamera" / "LeftVideoSN001_comp.avi"
    old.rename(old.with_name("leftvideoSN001_Comp.AVI"))
    assert len(read_dataset("disfa", tmp_path).faces) == len(PEOPLE) * FRAMES


def test_points_are_optional(tree: Path) -> None:
    shutil.rmtree(tree / "Landmark_Points")
    assert faults(tree) == [("note", ".", "no folder Landmark_Points: the faces have no points")]
    assert all(each.points is None for each in read_dataset("disfa", tree).faces)


def test_the_wrong_folder(tmp_path: Path) -> None:
    (tmp_path / "Labels").mkdir()
    what = "is not DISFA: no folder ActionUnit_Labels and none Videos_LeftCamera in it"
    assert faults(tmp_path) == [("missing", ".", what)]
    with pytest.raises(DatasetError, match=f"{tmp_path}: {what}; palsy datasets check disfa {tmp_path} lists all"):
        read_dataset("disfa", tmp_path)
    (tmp_path / "ActionUnit_Labels").mkdir()
    (tmp_path / "Videos_LeftCamera").mkdir()
    assert faults(tmp_path) == [("missing", "ActionUnit_Labels", "holds no folder of a person (SN001)")]


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("1,0\n2,6\n3,0\n4,0\n5,0\n6,0\n", "line 2: 6 is no intensity 0 to 5"),
        ("1,0\n2,-1\n3,0\n4,0\n5,0\n6,0\n", "line 2: -1 is no intensity 0 to 5"),
        ("1,0\n2,1.5\n3,0\n4,0\n5,0\n6,0\n", "line 2: 1.5 is no intensity 0 to 5"),
        ("1,0\n3,0\n4,0\n5,0\n6,0\n7,0\n", "line 2: frame 3 where frame 2 belongs"),
        ("0,0\n1,0\n", "line 1: frame 0 where frame 1 belongs"),
        ("1,0,0\n2,0,0\n", "line 1: 3 columns where 2 belong: '1,0,0'"),
        ("frame,intensity\n1,0\n", "line 1: 'frame' is no number"),
        ("", "is empty"),
        ("1,0\n2,0\n", "labels 2 frames where the other units have 6"),
    ],
)
def test_wrong_labels(tree: Path, content: str, what: str) -> None:
    labels(tree, 12).write_text(content)
    assert faults(tree) == [("damaged", "ActionUnit_Labels/SN001/SN001_au12.txt", what)]
    with pytest.raises(DatasetError, match="SN001_au12.txt"):
        read_dataset("disfa", tree)


def test_what_is_left_can_be_looked_at(tree: Path) -> None:
    labels(tree, 12).unlink()
    assert faults(tree) == [("missing", "ActionUnit_Labels/SN001/SN001_au12.txt", "is not there")]
    dataset, _ = scan_dataset("disfa", tree)
    assert len(dataset.faces) == len(PEOPLE) * FRAMES
    left = dataset.faces[1].left
    assert left is not None and np.flatnonzero(np.isnan(left)).tolist() == [DISFA_AUS.index(12)]


def test_missing_video(tree: Path) -> None:
    film(tree).unlink()
    expected = ("missing", "Videos_LeftCamera/LeftVideoSN001_comp.avi", "is not there, but its labels are")
    assert faults(tree) == [expected]


def test_video_without_labels(tree: Path) -> None:
    shutil.rmtree(tree / "ActionUnit_Labels" / "SN002")
    assert faults(tree) == [("note", "ActionUnit_Labels", "no labels of SN002, whose video is there")]


@pytest.mark.parametrize(
    ("frames", "kind", "left"), [(5, "note", 5), (7, "note", 6), (2, "damaged", 2), (60, "damaged", 6)]
)
def test_labels_and_video_of_unequal_length(tree: Path, frames: int, kind: str, left: int) -> None:
    """A frame more or less is how videos are; a third of them is another video."""
    write_video((face(0, 0)[0] for _ in range(frames)), film(tree), fps=20)
    ((found, where, what),) = faults(tree)
    assert (found, where) == (kind, "Videos_LeftCamera/LeftVideoSN001_comp.avi")
    assert what.startswith(f"has {frames} frames") and "6" in what
    dataset, _ = scan_dataset("disfa", tree)
    assert sum(each.subject == "SN001" for each in dataset.faces) == left


def test_damaged_video(tree: Path) -> None:
    film(tree).write_bytes(b"RIFF" + bytes(200))
    ((kind, where, what),) = faults(tree)
    assert (kind, where) == ("damaged", "Videos_LeftCamera/LeftVideoSN001_comp.avi")
    assert what.startswith("is no readable video")


def marks(root: Path, frame: int) -> Path:
    return root / "Landmark_Points" / "SN001" / "tmp_frame_lm" / f"SN001_{frame:04d}_lm.mat"


def test_unreadable_points(tree: Path) -> None:
    marks(tree, 2).write_bytes(b"nothing")
    marks(tree, 4).write_bytes(b"")
    ((kind, where, what),) = faults(tree)
    assert (kind, where) == ("damaged", marks(tree, 2).relative_to(tree).as_posix())
    assert what.startswith("cannot be read as a MATLAB file") and what.endswith("(and 1 more)")


def test_points_of_another_scheme(tree: Path) -> None:
    scipy.io.savemat(marks(tree, 0), {"pts": np.zeros((49, 2))})
    ((kind, _, what),) = faults(tree)
    assert (kind, what) == ("damaged", "pts: expected 66 x 2 numbers, got 49 x 2 float64")


def test_mirrored_points(tree: Path) -> None:
    for frame in range(FRAMES):
        points = scipy.io.loadmat(marks(tree, frame))["pts"]
        scipy.io.savemat(marks(tree, frame), {"pts": points * [-1, 1] + [160, 0]})
    what = "points: left and right are exchanged; the copy is mirrored"
    assert faults(tree) == [("damaged", marks(tree, 0).relative_to(tree).as_posix(), what)]


def test_a_slip_of_the_tracker_is_left_out(tree: Path) -> None:
    points = scipy.io.loadmat(marks(tree, 3))["pts"]
    scipy.io.savemat(marks(tree, 3), {"pts": points * [-1, 1]})
    what = f"points: left and right are exchanged in 1 of {FRAMES} frames; left out"
    assert faults(tree) == [("note", marks(tree, 3).relative_to(tree).as_posix(), what)]
    dataset = read_dataset("disfa", tree)
    assert [each.points is None for each in dataset.faces[:FRAMES]] == [frame == 3 for frame in range(FRAMES)]


def test_points_that_are_not_there(tree: Path) -> None:
    marks(tree, 3).unlink()
    assert faults(tree) == [("note", "Landmark_Points/SN001", f"no points of 1 of {FRAMES} frames")]
    shutil.copy(marks(tree, 0), marks(tree, FRAMES + 3))
    what = f"the last file is number {FRAMES + 3}, but {FRAMES} frames are labelled"
    assert faults(tree) == [("damaged", "Landmark_Points/SN001", what)]
    shutil.rmtree(marks(tree, 0).parent)
    assert faults(tree) == [("missing", "Landmark_Points/SN001", "holds no points (SN001_0000_lm.mat)")]
    shutil.rmtree(tree / "Landmark_Points" / "SN001")
    assert faults(tree) == [("missing", "Landmark_Points/SN001", "is not there")]


def test_an_empty_set_is_no_set(tree: Path) -> None:
    for folder in (tree / "ActionUnit_Labels").iterdir():
        for path in folder.iterdir():
            path.unlink()
    dataset, problems = scan_dataset("disfa", tree)
    assert isinstance(dataset, FaceDataset) and not dataset.faces and len(problems) >= 2 * len(DISFA_AUS)


def test_what_is_said_of_the_set() -> None:
    spec = dataset_spec("disfa")
    assert spec.name == "disfa" and spec.folds == 3 and "DISFA+" in spec.leakage
    assert "ActionUnit_Labels/SN001/SN001_au1.txt" in spec.layout
