"""Training on data sets: crops, folds, what is refused, and weights that are trained on."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import trees
import trees_marks

from palsy_cli.datasets.catalogue import read_dataset
from palsy_cli.datasets.faces import FaceDataset
from palsy_cli.datasets.folds import make_folds
from palsy_cli.errors import DatasetError, ModelError, UsageError
from palsy_cli.networks.weights import ModelSet, find_models_dir, load_network, verify
from palsy_cli.stages import alignment
from palsy_cli.training import prepare
from palsy_cli.training.on_dataset import PEOPLE_KEY, check_labels, units_in_order
from palsy_cli.training.prepare import Preparation, prepare_faces
from palsy_cli.training.run import train
from palsy_cli.training.settings import load_train_settings
from palsy_cli.training.tasks.intensity import pairs_of_frames


@pytest.fixture(scope="module")
def shipped() -> ModelSet:
    return ModelSet(find_models_dir()[0])


@pytest.fixture(scope="module")
def disfa(tmp_path_factory: pytest.TempPathFactory) -> FaceDataset:
    return read_dataset("disfa", trees.disfa_tree(tmp_path_factory.mktemp("disfa") / "d", frames=4))


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees_marks.marked_tree(tmp_path_factory.mktemp("marked") / "mine", subjects=3)


def test_crops_carry_labels_and_points(disfa: FaceDataset, shipped: ModelSet, tmp_path: Path) -> None:
    """A point lies on the same pixel in the crop and in the video; inner mouth corners are guessed, the rest is not."""
    made = prepare_faces(disfa, tmp_path / "crops", models=shipped)
    samples = made.samples
    assert len(samples.points) == len(disfa.faces) and samples.aus == disfa.aus
    assert samples.marked is not None and not samples.marked[:, [60, 64]].any() and samples.marked.sum(1).min() == 66
    for row in range(0, len(samples.points), 5):
        face = disfa.faces[int(made.face[row])]
        back = alignment.transform_points(samples.points[row], alignment.invert(made.to_crop[row]))
        known = np.isfinite(np.asarray(face.points)).all(1)
        assert np.allclose(back[known], np.asarray(face.points)[known], atol=0.01)
        assert np.array_equal(samples.left[row], np.asarray(face.left, np.float32), equal_nan=True)
        assert bool(samples.rest[row]) == face.at_rest
    assert len(np.unique(samples.person)) == 6 and samples.rest.any() and not samples.rest.all()


def test_crops_are_kept_until_a_label_changes(
    disfa: FaceDataset, shipped: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = dataclasses.replace(disfa, faces=disfa.faces[:4])
    prepare_faces(some, tmp_path, models=shipped)
    monkeypatch.setattr(prepare, "_shots", lambda *_: iter(()))
    assert len(prepare_faces(some, tmp_path, models=shipped).face) == 4
    other = dataclasses.replace(some.faces[0], left=np.ones(len(disfa.aus)))
    with pytest.raises(IndexError):  # it would begin anew, and there is nothing to show
        prepare_faces(dataclasses.replace(some, faces=(other, *some.faces[1:])), tmp_path, models=shipped)


def test_keyframes_differ_and_end_with_the_last(disfa: FaceDataset, shipped: ModelSet, tmp_path: Path) -> None:
    still = [dataclasses.replace(face, frame=0) for face in disfa.faces[:4]]
    alike = dataclasses.replace(disfa, faces=(still[0],))
    assert (
        len(prepare_faces(alike, tmp_path / "one", models=shipped, preparation=Preparation(keyframes=True)).face) == 1
    )
    made = prepare_faces(disfa, tmp_path / "all", models=shipped, preparation=Preparation(keyframes=True))
    assert len(made.face) <= len(disfa.faces)
    for sequence in np.unique(made.samples.episode):
        frames = made.frame[made.samples.episode == sequence]
        assert frames[0] == 0 and frames[-1] == 3


def test_points_are_found_where_nobody_marked_any(shipped: ModelSet, tmp_path: Path) -> None:
    """DISFA+ has none: the product's own networks place them, near enough to where the drawing has them."""
    root = trees_marks.marked_tree(tmp_path / "mine", subjects=2)
    faces = read_dataset("marked", root)
    blank = dataclasses.replace(faces, faces=tuple(dataclasses.replace(face, points=None) for face in faces.faces))
    made = prepare_faces(blank, tmp_path / "crops", models=shipped)
    assert made.samples.marked is not None and not made.samples.marked.any()
    for row, face in enumerate(faces.faces):
        found = alignment.transform_points(made.samples.points[row], alignment.invert(made.to_crop[row]))
        true = np.asarray(face.points)
        apart = np.linalg.norm(found - true, axis=1).mean() / np.linalg.norm(true[45] - true[36])
        assert apart < 0.2


def test_a_sequence_without_a_face_is_named(shipped: ModelSet, tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "wall.png"), np.full((160, 160, 3), 90, np.uint8))
    (tmp_path / "labels.csv").write_text("file,subject,AU12\nwall.png,nobody,1\n")
    with pytest.raises(DatasetError, match=r"wall\.png: no face is found"):
        prepare_faces(read_dataset("csv", tmp_path), tmp_path / "crops", models=shipped)


def test_folds_mark_who_learns_and_who_chooses(disfa: FaceDataset, shipped: ModelSet, tmp_path: Path) -> None:
    made = prepare_faces(disfa, tmp_path, models=shipped)
    for fold in make_folds(disfa, count=3):
        samples = made.of_fold(fold)
        learned = {disfa.faces[int(made.face[row])].subject for row in np.flatnonzero(samples.learned)}
        chose = {disfa.faces[int(made.face[row])].subject for row in np.flatnonzero(samples.held_out)}
        tested = {disfa.faces[row].subject for row in fold.test}
        assert not learned & chose and not (learned | chose) & tested
        assert learned | chose | tested == set(disfa.subjects)


def test_units_come_in_the_network_s_order(disfa: FaceDataset, shipped: ModelSet, tmp_path: Path) -> None:
    samples = prepare_faces(disfa, tmp_path, models=shipped).samples
    swapped = units_in_order(samples, (12, 99, 1))
    assert np.array_equal(swapped.left[:, 0], samples.left[:, disfa.aus.index(12)])
    assert np.isnan(swapped.left[:, 1]).all() and swapped.aus == (12, 99, 1)


def test_pairs_are_of_one_recording_and_never_twice() -> None:
    episode = np.repeat(np.arange(4), 9)
    pairs = pairs_of_frames(episode, np.arange(36), seed=0)
    assert (episode[pairs[:, 0]] == episode[pairs[:, 1]]).all() and (pairs[:, 0] != pairs[:, 1]).all()
    assert len({frozenset(pair) for pair in pairs.tolist()}) == len(pairs) == 4 * 36
    assert len(pairs_of_frames(np.zeros(40), np.arange(40), seed=0)) == 8 * 40


@pytest.mark.parametrize(
    ("network", "message"),
    [("hb_cascade", "has no grades, which hb_cascade learns from"), ("landmark_fcn", "has no points")],
)
def test_labels_that_a_network_needs(disfa: FaceDataset, network: str, message: str) -> None:
    blank = dataclasses.replace(disfa, faces=tuple(dataclasses.replace(face, points=None) for face in disfa.faces))
    with pytest.raises(DatasetError, match=message):
        check_labels(blank, network)
    with pytest.raises(DatasetError, match="has no intensities"):
        check_labels(dataclasses.replace(disfa, present_from=1.0), "ovpm")


def test_refusals(marked: Path, tmp_path: Path) -> None:
    def run(network: str, *texts: str, **more: object) -> None:
        settings = load_train_settings(network, "tiny", overrides=texts)
        common = {"data": marked, "run": tmp_path / "run", "size": "tiny", "device": "cpu", "dataset": "marked"}
        train(network, **(common | more), settings=settings)  # type: ignore[arg-type]

    with pytest.raises(UsageError, match="there are 2 folds, not 3"):
        run("landmark_fcn", "data.folds=2", "data.fold=3")
    with pytest.raises(DatasetError, match="make no 10 folds"):
        run("landmark_fcn")
    with pytest.raises(DatasetError, match="no such folder"):
        run("landmark_fcn", data=tmp_path / "nowhere")
    root = trees.disfa_plus_tree(tmp_path / "plus")
    with pytest.raises(ModelError, match="--export DIR; train ovpm first"):
        run("dvpm", data=root, dataset="disfa-plus")


@pytest.mark.slow
def test_weights_are_trained_on_with_a_few_marked_pictures(marked: Path, tmp_path: Path) -> None:
    """Everybody is learned from; the result is a folder of models that the product can use, and not worse there."""
    start = find_models_dir()[0]
    settings = load_train_settings("landmark_fcn", "compact", overrides=["recipe.epochs=6"])
    out = tmp_path / "models"
    train("landmark_fcn", data=marked, run=tmp_path / "run", device="cpu", export_to=out, dataset="marked",
          start=start, settings=settings)  # fmt: skip
    assert all(status.ok for status in verify(out)) and len(verify(out)) == 6
    before, after = (load_network("landmark_fcn", folder) for folder in (start, out))
    assert after.config == before.config
    assert after.metadata["trained_on"].endswith("; then your own marked pictures, all people")
    assert len(after.metadata[PEOPLE_KEY].split()) == 4
    learned = zip(before.module.parameters(), after.module.parameters(), strict=True)
    assert not all(torch.equal(a, b) for a, b in learned)
    still = zip(before.module.buffers(), after.module.buffers(), strict=True)
    assert all(torch.equal(a, b) for a, b in still)  # statistics of a few faces would spoil the network
