"""Every task learns from its batches and judges itself on people it has not seen."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from palsy_cli.datasets.people import read_photos, read_rig
from palsy_cli.networks.algrnet_regions import to_49
from palsy_cli.networks.landmark_fcn import gaussian_targets
from palsy_cli.networks.registry import build_network
from palsy_cli.stages import alignment
from palsy_cli.training.loop import Task
from palsy_cli.training.samples import FaceSamples
from palsy_cli.training.scenes import make_portrait, read_backgrounds
from palsy_cli.training.tasks import detector
from palsy_cli.training.tasks.cascade import GraderTask, SegmentationTask
from palsy_cli.training.tasks.detector import DetectorTask
from palsy_cli.training.tasks.difference import DifferenceTask
from palsy_cli.training.tasks.landmarks import LandmarkTask
from palsy_cli.training.tasks.severity import SeverityTask

Make = Callable[[str], Task]
NAMES = ("retinaface", "landmark_fcn", "ovpm", "dvpm", "algrnet", "hb_segmentation", "hb_cascade")
BATCH = 4


def build(name: str, **overrides: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(name, "tiny", **overrides)


def detector_task(data: Path) -> DetectorTask:
    index68 = read_rig(data).index68
    portraits = [make_portrait(photo.read(), photo.points, photo.points[index68]) for photo in read_photos(data)]
    return DetectorTask(
        build("retinaface"),  # type: ignore[arg-type]
        training=portraits[:3],
        held_out=portraits[3:],
        backgrounds=read_backgrounds(data / "backgrounds"),
        batch_size=BATCH,
        steps_per_epoch=2,
    )


@pytest.fixture
def make(samples: FaceSamples, data: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A task by its network's name, with a tiny network."""
    monkeypatch.setattr(detector, "SCENE_SIDE", 96)

    def difference(*, freeze: bool) -> DifferenceTask:
        ovpm, dvpm = build("ovpm"), build("dvpm")
        return DifferenceTask(ovpm, dvpm, samples, batch_size=2 * BATCH, freeze_ovpm=freeze)  # type: ignore[arg-type]

    def cascade() -> SegmentationTask:
        network = build("hb_cascade")
        network.encoder.requires_grad_(True)  # type: ignore[union-attr]
        return SegmentationTask(network.encoder, samples, size=64, batch_size=BATCH)  # type: ignore[arg-type]

    tasks: dict[str, Callable[[], Task]] = {
        "retinaface": lambda: detector_task(data),
        "landmark_fcn": lambda: LandmarkTask(build("landmark_fcn"), samples, batch_size=BATCH, literal=False),  # type: ignore[arg-type]
        "ovpm": lambda: difference(freeze=False),
        "dvpm": lambda: difference(freeze=True),
        "algrnet": lambda: SeverityTask(build("algrnet"), samples, batch_size=BATCH),  # type: ignore[arg-type]
        "hb_segmentation": cascade,
        "hb_cascade": lambda: GraderTask(build("hb_cascade"), samples, batch_size=BATCH),  # type: ignore[arg-type]
    }
    return lambda name: tasks[name]()


@pytest.mark.parametrize("name", NAMES)
def test_two_steps_and_a_validation(make: Make, name: str) -> None:
    task = make(name)
    learning = [p for p in task.module.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in learning]
    optimiser = torch.optim.SGD(learning, lr=1e-3)
    task.module.train()
    batches = task.train_batches(0, np.random.default_rng(0))
    for _ in range(2):
        parts = task.loss(next(batches))
        assert all(math.isfinite(float(value.detach())) for value in parts.values()), parts
        optimiser.zero_grad()
        parts["loss"].backward()
        optimiser.step()
    batches.close()  # type: ignore[attr-defined]
    assert any(not torch.equal(old, new) for old, new in zip(before, learning, strict=True))
    task.module.eval()
    with torch.inference_mode():
        figures = task.validate()
    assert task.score_name in figures and all(isinstance(value, float) for value in figures.values())
    assert task.better(1.0, 0.0) != task.better(0.0, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_is_reproducible(make: Make, name: str) -> None:
    task = make(name)
    first, again = (next(task.train_batches(0, np.random.default_rng(7))) for _ in range(2))
    for one, other in zip(flat(first), flat(again), strict=True):
        assert torch.equal(one, other)


def flat(batch: object) -> list[torch.Tensor]:
    if isinstance(batch, torch.Tensor):
        return [batch]
    assert isinstance(batch, tuple | list)
    return [tensor for part in batch for tensor in flat(part)]


@pytest.mark.parametrize("name", NAMES[1:])
def test_held_out_people_are_never_trained_on(make: Make, samples: FaceSamples, name: str) -> None:
    task = make(name)
    crops = getattr(task, "crops", task)
    assert not samples.held_out[crops.training].any()  # type: ignore[attr-defined]
    assert samples.held_out[task.check].all() and len(task.check)  # type: ignore[attr-defined]


def test_frozen_parts_stay(make: Make) -> None:
    for name, part in (("dvpm", "ovpm"), ("hb_cascade", "network.encoder")):
        task = make(name)
        batches = task.train_batches(0, np.random.default_rng(0))
        task.loss(next(batches))["loss"].backward()
        batches.close()  # type: ignore[attr-defined]
        assert all(p.grad is None for p in task.module.get_submodule(part).parameters()), name
        assert any(p.grad is not None for p in task.module.parameters()), name


def test_lids_that_stay_open_cost_more_than_all_points_moved_as_far(samples: FaceSamples) -> None:
    """Maps alone hardly tell the two apart: that is why openings have a term of their own."""

    def cost(moved: torch.Tensor) -> dict[str, float]:
        truth = torch.from_numpy(samples.points[:4]).float() / 3
        maps = gaussian_targets(truth + moved)
        task = LandmarkTask(lambda _: (maps, maps), samples, batch_size=BATCH, literal=False)  # type: ignore[arg-type]
        batch = (None, truth, torch.ones(4, 68, dtype=torch.bool))
        return {name: float(value) for name, value in task.loss(batch).items()}

    lids, everything = torch.zeros(68, 2), torch.zeros(68, 2)
    lids[[37, 38, 43, 44], 1] = -2.0
    everything[:, 1] = -2.0
    assert cost(lids)["maps"] < cost(everything)["maps"]
    assert cost(lids)["openings"] > 100 * cost(everything)["openings"]
    assert cost(lids)["points"] == pytest.approx(4 / 68 * cost(everything)["points"], rel=0.05)


def test_closing_eyes_are_shown_four_times(samples: FaceSamples) -> None:
    rows = np.flatnonzero(~samples.held_out)[:2]
    left = np.zeros_like(samples.left)
    left[rows[0], 12] = 4.0
    staged = dataclasses.replace(samples, left=left, right=np.zeros_like(left))
    shown = {
        literal: LandmarkTask(build("landmark_fcn"), staged, batch_size=BATCH, literal=literal).training  # type: ignore[arg-type]
        for literal in (True, False)
    }
    assert [int((shown[False] == row).sum()) for row in rows] == [4, 1]
    assert [int((shown[True] == row).sum()) for row in rows] == [1, 1]


def test_difference_labels_fit_their_pictures(make: Make, samples: FaceSamples) -> None:
    """Lefts come first, then rights; a pair is one person in one episode; a face at rest differs by what moves."""
    task = make("ovpm")
    assert isinstance(task, DifferenceTask)
    rows = np.flatnonzero((samples.person == 0) & ~samples.rest)[:3]
    now, other, y_now, y_other, flow = task._pairs(rows, np.random.default_rng(0), plain=True)
    assert now.shape == other.shape == (6, 3, 64, 32) and flow.shape == (6, 2, 8, 4)
    assert np.allclose(y_now.numpy(), np.concatenate([samples.left[rows], samples.right[rows]])[:, :14])
    assert not y_other.any(), "validation compares with the rest"


def test_misfiring_faces_are_shown_twice(samples: FaceSamples) -> None:
    """Something on one side alone beside a movement of both; neither a weak side nor one unit alone counts."""
    rows = np.flatnonzero(~samples.rest & ~samples.held_out)[:3]
    left, right = (np.zeros_like(side) for side in (samples.left, samples.right))
    left[rows] = np.eye(14)[[2, 2, 2]] * 4 + np.eye(14)[[7, 2, 2]]
    right[rows] = np.eye(14)[[2, 2, 3]] * 4
    staged = dataclasses.replace(samples, left=left, right=right)
    task = DifferenceTask(build("ovpm"), build("dvpm"), staged, batch_size=2 * BATCH, freeze_ovpm=True)  # type: ignore[arg-type]
    assert [int((task.training == row).sum()) for row in rows] == [2, 1, 1]


def test_difference_pictures_are_seen_from_the_midline(make: Make, samples: FaceSamples) -> None:
    """What the stage cuts from a frame is what the task shows: same framing, same side, same scale."""
    from palsy_cli.stages.action_units import half_tensor, normalise

    task = make("ovpm")
    assert isinstance(task, DifferenceTask)
    row = int(np.flatnonzero(~samples.rest)[0])
    matrix = alignment.three_point_affine(alignment.stable_points(samples.points[row].astype(float)))
    aligned = alignment.warp(samples.images[row], matrix, (512, 512))
    left, right = aligned[:, 256:], aligned[:, :256][:, ::-1]
    staged = normalise(half_tensor(np.stack([left, right]), task.module.ovpm.input_size))
    shown = task._pairs(np.array([row]), np.random.default_rng(0), plain=True)[0]
    assert float((staged - shown).abs().mean()) < 0.12
    assert float((staged - shown.flip(0)).abs().mean()) > 2 * float((staged - shown).abs().mean())


def test_severity_crops_carry_their_points(make: Make, samples: FaceSamples) -> None:
    task = make("algrnet")
    assert isinstance(task, SeverityTask)
    rows = task.training[:3]
    faces, points, grades, _ = task._batch(rows, None)
    side = task.network.crop
    assert faces.shape == (3, 3, side, side) and points.shape == (3, 49, 2)
    assert float(points.min()) > 0 and float(points.max()) < side
    assert set(grades.tolist()) <= {0, 1, 2, 3}
    assert to_49(samples.points[rows]).shape == (3, 49, 2)
