"""What ``palsy simulate`` writes, read as a data set."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palsy_cli.config import Execution, Settings
from palsy_cli.datasets import clips
from palsy_cli.datasets.catalogue import read_dataset
from palsy_cli.datasets.faces import Problem
from palsy_cli.records import ALL_AUS
from palsy_cli.simulate.run import simulate_patient
from palsy_cli.stages.video import iter_frames, read_clip, write_video

Copy = Callable[[str], Path]


def change(path: Path, **fields: Any) -> Path:
    """Other values in a truth; ``None`` takes a field away."""
    truth = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({name: value for name, value in truth.items() if value is not ...}))
    return path


def test_every_frame_with_its_labels(drawn: Copy) -> None:
    root = drawn("clips")
    dataset = read_dataset("clips", root)
    assert len(dataset.subjects) == 6 and dataset.aus == ALL_AUS and dataset.present_from == 2.0
    truth = json.loads((root / "person0_again/truth.json").read_text())
    faces = [face for face in dataset.faces if face.sequence == "person0_again"]
    assert [face.frame for face in faces] == list(range(truth["frames"])) and {f.subject for f in faces} == {"drawn-0"}
    for face in faces:
        assert face.in_video and not face.whole_video and face.grade == 2 and face.path.name == "patient.mp4"
        np.testing.assert_array_equal(face.points, truth["landmarks"][face.frame])
        np.testing.assert_array_equal(face.left, truth["action_units"]["left"][face.frame])
        np.testing.assert_array_equal(face.right, truth["action_units"]["right"][face.frame])
    assert faces[0].at_rest and not faces[6].at_rest
    assert {face.condition for face in faces} == {"rest", "open_smile"} and faces[0].condition == "rest"


def test_one_person_with_two_palsies_is_one_subject(drawn: Copy) -> None:
    dataset = read_dataset("clips", drawn("clips"))
    assert {face.sequence for face in dataset.faces if face.subject == "drawn-0"} == {"person0", "person0_again"}


def test_what_the_command_writes(tmp_path: Path) -> None:
    simulate_patient(tmp_path / "a/b", seed=3, seconds=1.0, grade=5, settings=Settings(), execution=Execution())
    dataset = read_dataset("clips", tmp_path)
    assert dataset.subjects == ("drawn-3",) and {face.grade for face in dataset.faces} == {5}
    clip = read_clip(tmp_path / "a/b/patient.mp4")
    with closing(iter_frames(clip)) as frames:
        assert len(dataset.faces) == sum(1 for _ in frames) == 25
    assert {face.condition for face in dataset.faces} == {"rest", "brow_raise"}


def test_whose_face_it_is(tree: Copy) -> None:
    root = tree("clips")
    change(root / "person1/truth.json", source={"kind": "photo", "sha256": "ab" * 32})
    change(root / "person2/truth.json", source=...)
    subjects = {face.sequence: face.subject for face in read_dataset("clips", root).faces}
    assert subjects["person1"] == "photo-abababababab" and subjects["person2"] == "person2"
    (alone,) = {(face.sequence, face.subject) for face in read_dataset("clips", root / "person2").faces}
    assert alone == ("person2", "person2")


def test_a_recording_has_no_activity(tree: Copy) -> None:
    root = tree("clips")
    path = root / "person1/truth.json"
    points = json.loads(path.read_text())["landmarks"]
    change(
        path,
        action_units=None,
        movements=None,
        landmarks=[None, *points[1:]],
        source={"kind": "video", "sha256": "c" * 64},
    )
    faces = [face for face in read_dataset("clips", root).faces if face.subject == "video-cccccccccccc"]
    assert all(face.left is None and face.right is None and face.condition is None for face in faces)
    assert faces[0].points is None and faces[1].points is not None and faces[0].grade == 2


def test_another_folder_is_one_problem(tmp_path: Path) -> None:
    dataset, problems = clips.scan(tmp_path)
    told = "no truth.json in it or below; palsy simulate writes one beside each video"
    assert not dataset.faces and problems == [Problem("missing", tmp_path, told)]


def test_videos_missing_and_too_many(tree: Copy) -> None:
    root = tree("clips")
    (root / "person1/patient.mp4").unlink()
    (root / "person2/second.mp4").write_bytes(b"")
    (root / "person3/truth.json").unlink()
    assert clips.scan(root)[1] == [
        Problem("missing", root / "person1", "one video belongs beside truth.json, there are 0 (none)"),
        Problem(
            "damaged", root / "person2", "one video belongs beside truth.json, there are 2 (patient.mp4, second.mp4)"
        ),
        Problem("note", root / "person3", "a video without truth.json, so that it is not used"),
    ]


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"schema_version": "2.0"}, "schema_version 2.0, expected 1.1; simulate the patient again"),
        ({"frames": 99, "action_units": None}, "landmarks of 12 frames, frames says 99"),
        ({"frames": 99}, "found numbers of shape (12, 14), expected (99, 14)"),
        ({"house_brackmann": ...}, "no truth of palsy simulate (KeyError: 'house_brackmann')"),
        ({"house_brackmann": 7}, "house_brackmann 7 at 15 frames per second cannot be; simulate the patient again"),
        ({"fps": 0}, "house_brackmann 5 at 0 frames per second cannot be; simulate the patient again"),
        ({"aus": [1, 2]}, f"aus [1, 2], expected {list(ALL_AUS)}; simulate the patient again"),
        ({"landmarks": [[[0, 0]] * 49] * 12}, "found numbers of shape (49, 2), expected (68, 2)"),
        ({"landmarks": "none"}, "no truth of palsy simulate (ValueError: could not convert string to float: 'n')"),
    ],
)
def test_a_truth_that_is_none_is_named(tree: Copy, fields: dict[str, Any], what: str) -> None:
    root = tree("clips")
    path = change(root / "person4/truth.json", **fields)
    dataset, problems = clips.scan(root)
    assert problems == [Problem("damaged", path, what)]
    assert "person4" not in {face.sequence for face in dataset.faces} and len(dataset.faces) == 6 * 12


def test_a_file_that_is_no_json_is_named(tree: Copy) -> None:
    root = tree("clips")
    (root / "person4/truth.json").write_text("{")
    (problem,) = clips.scan(root)[1]
    assert problem.where == root / "person4/truth.json" and problem.what.startswith("no readable JSON (")


def test_another_video_beside_the_truth_is_seen(tree: Copy) -> None:
    root = tree("clips")
    path = root / "person1/patient.mp4"
    with closing(iter_frames(read_clip(path))) as frames:
        images = [frame.image for frame in frames]
    write_video(images[:7], path, fps=15)
    told = "12 frames, but patient.mp4 has 7; simulate the patient again"
    assert clips.scan(root)[1] == [Problem("damaged", root / "person1/truth.json", told)]


def test_exchanged_sides_are_seen(tree: Copy) -> None:
    root = tree("clips")
    path = root / "person1/truth.json"
    points = np.array(json.loads(path.read_text())["landmarks"]) * (-1, 1) + (160, 0)
    change(path, landmarks=points.tolist())
    assert clips.scan(root)[1] == [Problem("damaged", path, "right and left are exchanged in its landmarks")]
