"""The cache of simulated faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from miniature import DRAWN, PHOTOS

from palsy_cli.datasets.people import read_photos, read_rig
from palsy_cli.errors import DatasetError
from palsy_cli.stages import alignment
from palsy_cli.training.episodes import FRAMES, RESTS_PER_EPISODE, plan_episodes
from palsy_cli.training.samples import (
    CACHE_SIDE,
    FaceSamples,
    graded_rows,
    load_samples,
    make_samples,
    simulate_episode,
)


def test_shapes(samples: FaceSamples) -> None:
    free, misfire, lesion = FRAMES["free"], FRAMES["misfire"], FRAMES["lesion"]
    count = 3 * (3 * free + 2 * misfire + 6 * lesion) + 2 * FRAMES["still"] + DRAWN * (free + lesion)
    assert samples.images.shape == (count, CACHE_SIDE, CACHE_SIDE, 3) and samples.images.dtype == np.uint8
    assert samples.points.shape == (count, 68, 2) and samples.flow.shape == (count, CACHE_SIDE // 8, CACHE_SIDE // 8, 2)
    assert samples.left.shape == samples.right.shape == (count, 14)
    assert len(np.unique(samples.person)) == len(PHOTOS) + DRAWN


def test_resting_frames_have_no_labels_of_movement(samples: FaceSamples) -> None:
    assert samples.rest.sum() == RESTS_PER_EPISODE * (3 * (3 + 2 + 6) + DRAWN * 2)
    assert not samples.left[samples.rest].any() and not samples.right[samples.rest].any()
    moving = ~samples.rest & np.isfinite(samples.left[:, 0])
    assert (samples.left[moving] + samples.right[moving]).any(1).mean() > 0.9


def test_who_does_not_rest_has_no_labels(samples: FaceSamples) -> None:
    unknown = np.isnan(samples.left).all(1)
    assert np.array_equal(unknown, np.isnan(samples.right).any(1))
    assert set(samples.person[unknown]) == {3, 4}
    assert not samples.grade[unknown].any()


def test_held_out_people(samples: FaceSamples) -> None:
    assert set(samples.person[samples.held_out]) == {2, 4}, "the photos that the hash chose; no drawing is a tenth"
    training, check = graded_rows(samples)
    assert not samples.held_out[training].any() and samples.held_out[check].all()
    for rows in (training, check):
        assert len(rows) and not samples.rest[rows].any()
        assert samples.grade[rows].min() >= 1 and samples.grade[rows].max() <= 6


def test_episode_is_one_person_with_one_lesion(samples: FaceSamples) -> None:
    for episode in np.unique(samples.episode):
        rows = samples.episode == episode
        for label in (samples.person, samples.grade, samples.weak_side, samples.held_out):
            assert len(np.unique(label[rows])) == 1


def test_faces_are_upright_whole_and_not_mirrored(samples: FaceSamples) -> None:
    assert samples.points.min() > 0 and samples.points.max() < CACHE_SIDE - 1
    eyes = alignment.five_points(samples.points)
    assert (eyes[:, 0, 0] < eyes[:, 1, 0]).all() and (eyes[:, 3, 1] > eyes[:, 0, 1]).all()


def test_points_lie_on_the_pictures_features(samples: FaceSamples) -> None:
    """The crude photos have dark eyes on bright skin; the warp must carry both along."""
    for row in np.flatnonzero((samples.person < 3) & samples.rest)[::5]:
        grey = samples.images[row].mean(-1)
        for eye in (samples.points[row, 36:42], samples.points[row, 42:48]):
            x, y = eye.mean(0).round().astype(int)
            below_glasses = int(1.4 * np.ptp(eye[:, 0]))
            assert grey[y, x] < grey[y + below_glasses, x] - 30


def test_displacement_is_felt_where_muscles_pull(samples: FaceSamples) -> None:
    labelled = np.isfinite(samples.left[:, 0])
    still = labelled & samples.rest & (samples.grade <= 1)
    assert np.abs(samples.flow[still].astype(float)).max() < 0.2
    strong = labelled & ~samples.rest & (np.maximum(samples.left, samples.right).max(1) > 2)
    moved = np.abs(samples.flow[strong].astype(float)).max((1, 2, 3))
    assert np.median(moved) > 1


def test_whole_cache_is_reused_and_a_cut_one_is_not(data: Path, cache: Path, tmp_path: Path) -> None:
    before = (cache / "labels.npz").stat().st_mtime_ns
    again = make_samples(data, cache, seed=5)
    assert (cache / "labels.npz").stat().st_mtime_ns == before and not again.images.flags.writeable
    with pytest.raises(DatasetError, match="not whole"):
        load_samples(tmp_path)


@pytest.mark.parametrize("person", [0, len(PHOTOS)])
def test_an_episode_is_the_same_wherever_it_is_made(data: Path, samples: FaceSamples, person: int) -> None:
    plan = next(p for p in plan_episodes(read_photos(data), drawn=DRAWN, seed=0) if p.person == person)
    images, labels = zip(*simulate_episode(plan, read_rig(data)), strict=True)
    rows = np.flatnonzero(samples.episode == plan.episode)
    assert np.array_equal(np.stack(images), samples.images[rows])
    for name in ("points", "left", "right", "flow"):
        assert np.array_equal(np.stack([label[name] for label in labels]), getattr(samples, name)[rows]), name
