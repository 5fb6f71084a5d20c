"""Choosing and aligning the frames that differ."""

from __future__ import annotations

import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.config import FaceSettings, KeyframeSettings
from palsy_cli.errors import NoFaceError
from palsy_cli.records import ByteImage, Clip, FaceTrack, FloatArray, Frame, Keyframes, Landmarks
from palsy_cli.stages import alignment
from palsy_cli.stages.keyframes import (
    Candidate,
    Candidates,
    choose,
    facing_as_usual,
    find_candidates,
    select_keyframes,
    smooth,
)
from palsy_cli.stages.video import read_clip


def faces(*levels: float) -> list[ByteImage]:
    """Even grey faces (48, 48)."""
    return [np.full((48, 48), level, np.uint8) for level in levels]


def random_faces(count: int = 60, seed: int = 0) -> list[ByteImage]:
    """A smooth random walk of pictures."""
    steps = np.random.default_rng(seed).normal(0, 5, (count, 48, 48)).cumsum(0)
    return list(np.clip(128 + steps, 0, 255).astype(np.uint8))


def test_still_clip_keeps_first_and_last() -> None:
    assert choose(faces(*[90] * 30), threshold=3.0, at_most=64) == [0, 29]


def test_single_frame_is_kept_once() -> None:
    assert choose(faces(5), threshold=3.0, at_most=64) == [0]


def test_compared_with_the_last_kept_frame() -> None:
    """A slow drift adds up; a frame equal to its neighbour only is still new."""
    drift = faces(*range(0, 40, 2))
    kept = choose(drift, threshold=3.0, at_most=64)
    assert kept == [*range(0, 20, 2), 19]
    levels = np.array([drift[i][0, 0] for i in kept], int)
    assert all(np.diff(levels)[:-1] > 3.0)


@pytest.mark.parametrize("threshold", [0.0, 2.0, 8.0, 1e9])
@pytest.mark.parametrize("at_most", [2, 7, 64])
def test_first_and_last_always_and_never_too_many(threshold: float, at_most: int) -> None:
    kept = choose(random_faces(), threshold=threshold, at_most=at_most)
    assert kept[0] == 0 and kept[-1] == 59 and len(kept) <= at_most
    assert kept == sorted(set(kept))


def test_higher_threshold_keeps_no_more() -> None:
    counts = [len(choose(random_faces(), threshold=t, at_most=1000)) for t in (0.0, 3.0, 6.0, 12.0, 25.0)]
    assert counts == sorted(counts, reverse=True) and counts[0] == 60 and counts[-1] < 15


def test_zero_threshold_and_a_bound_come_to_an_end() -> None:
    assert len(choose(random_faces(), threshold=0.0, at_most=5)) <= 5


def test_missing_frames_stay_missing_and_have_no_part() -> None:
    times = np.arange(20) / 25
    points = np.random.default_rng(3).normal(0, 1, (20, 3, 2))
    points[[0, 7, 8]] = np.nan
    smoothed = smooth(points, times, deviation_s=0.06)
    missing = np.isnan(smoothed).all((1, 2))
    assert list(np.flatnonzero(missing)) == [0, 7, 8]
    assert np.isfinite(smoothed[~missing]).all()


@pytest.mark.parametrize("fps", [10, 25, 50, 100 / 3])
def test_smoothing_treats_past_and_future_alike(fps: float) -> None:
    times = np.arange(40) / fps
    points = np.random.default_rng(4).normal(0, 1, (40, 3, 2))
    points[13] = np.nan
    forward = smooth(points, times, deviation_s=0.06)
    backward = smooth(points[::-1], (times[-1] - times)[::-1], deviation_s=0.06)[::-1]
    assert np.allclose(forward, backward, equal_nan=True, atol=1e-9)


def test_smoothing_keeps_what_stands_still_or_moves_evenly() -> None:
    times = np.arange(30) / 25
    line = (times[:, None, None] * 50 + 7) * np.ones((1, 3, 2))
    smoothed = smooth(line, times, deviation_s=0.06)
    assert np.allclose(smoothed[6:-6], line[6:-6])
    noisy = np.random.default_rng(5).normal(0, 1, (30, 3, 2))
    assert smooth(noisy, times, deviation_s=0.06).std() < 0.7 * noisy.std()
    assert np.array_equal(smooth(noisy, times, deviation_s=0.0), noisy)


def clip_of(folder: Path, points: FloatArray, *, moves: bool = True) -> Clip:
    """Pictures with a white spot on the nose tip, and in the right cheek a dark square that grows."""
    folder.mkdir()
    for number, own in enumerate(points):
        image = np.full((512, 512, 3), 110, np.uint8)
        side = 10 + (12 * number if moves else 0)
        x, y = np.nan_to_num(own[31], nan=200.0).astype(int)
        image[y : y + side, x - side : x] = 20
        if np.isfinite(own).all():
            cv2.circle(image, np.round(own[30] * 16).astype(int).tolist(), 5 * 16, (255, 255, 255), -1, shift=4)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return read_clip(folder)


def keyframes_of(
    clip: Clip, points: FloatArray, reasons: tuple[str, ...], settings: KeyframeSettings
) -> tuple[Keyframes, Landmarks]:
    """The keyframes of a clip, and the points by which they were chosen."""
    track, landmarks = track_of(points, reasons)
    candidates = find_candidates(clip, track, landmarks, settings, FaceSettings())
    return select_keyframes(clip, track, landmarks, candidates, settings, FaceSettings()), landmarks


def track_of(points: FloatArray, reasons: tuple[str, ...]) -> tuple[FaceTrack, Landmarks]:
    count = len(points)
    track = FaceTrack(
        times_s=np.arange(count) * 1.0,
        boxes=np.zeros((count, 4)),
        points=alignment.five_points(points),
        confidence=np.ones(count),
        reasons=reasons,
        other_faces=0,
    )
    return track, Landmarks(points, np.linspace(0.5, 1, count))


def test_kept_frames_are_aligned(tmp_path: Path) -> None:
    """The nose tip comes to its canonical place however the head sits in the picture."""
    shifts = np.array([[0, 0], [9, 4], [-20, 0], [3, 30], [0, -12]], float)
    points = neutral_points() + shifts[:, None]
    clip = clip_of(tmp_path / "clip", points)
    kept, landmarks = keyframes_of(clip, points, ("", "", "blurred", "", ""), KeyframeSettings(threshold=0.1))
    assert list(kept.frames) == [0, 1, 3, 4]
    assert np.array_equal(kept.times_s, kept.frames) and np.allclose(kept.confidence, landmarks.confidence[kept.frames])
    for picture in kept.aligned:
        y, x = np.nonzero(picture[..., 0] > 200)
        assert np.hypot(x.mean() - 256, y.mean() - 290) < 0.6
    for face, own in zip(kept.faces, kept.face_points, strict=True):
        y, x = np.nonzero(face[..., 0] > 200)
        assert np.hypot(*(own[30] - [x.mean(), y.mean()])) < 0.6


def test_still_face_that_wanders_is_one_picture(tmp_path: Path) -> None:
    """Position is taken out before frames are compared."""
    points = neutral_points() + np.linspace(-25, 25, 6)[:, None, None]
    clip = clip_of(tmp_path / "clip", points, moves=False)
    kept, _ = keyframes_of(clip, points, ("",) * 6, KeyframeSettings())
    assert list(kept.frames) == [0, 5]


@pytest.mark.parametrize("smooth_s", [0.0, 0.06, 0.5])
@pytest.mark.parametrize("batch", [1, 3, 40])
def test_candidates_are_stabilised_by_the_smoothed_points_however_they_come(smooth_s: float, batch: int) -> None:
    rng = np.random.default_rng(0)
    count = 40
    points = neutral_points() + rng.normal(0, 3, (count, 1, 2))
    points[[3, 4, 17]] = np.nan
    times_s = np.cumsum(rng.uniform(0.02, 0.09, count))
    frames = [Frame(i, float(t), rng.integers(0, 256, (512, 512, 3), np.uint8)) for i, t in enumerate(times_s)]
    candidates = Candidates(KeyframeSettings(threshold=0.0), FaceSettings(smooth_s=smooth_s))
    for start in range(0, count, batch):
        candidates.add(frames[start : start + batch], points[start : start + batch])
    anchors = smooth(alignment.stable_points(points), times_s, deviation_s=smooth_s)
    found = candidates.finish()
    assert [one.frame for one in found] == np.flatnonzero(np.isfinite(anchors).all((1, 2))).tolist()
    for one in found:
        matrix = alignment.three_point_affine(anchors[one.frame])
        small = alignment.warp_grey(frames[one.frame].image, alignment.scaled(matrix, 48 / 512), (48, 48))
        assert np.array_equal(one.small, small)
        assert np.array_equal(one.aligned, alignment.warp(frames[one.frame].image, matrix, (512, 512)))


def brightening(levels: list[int], settings: KeyframeSettings) -> Candidates:
    """Even grey pictures with a face that does not move."""
    candidates = Candidates(settings, FaceSettings(smooth_s=0.0))
    for i, level in enumerate(levels):
        image = np.full((512, 512, 3), level, np.uint8)
        candidates.add([Frame(i, i / 30, image)], neutral_points()[None])
    return candidates


def test_a_candidate_differs_from_the_one_before() -> None:
    found = brightening([100, 101, 102, 103, 103, 106, 100, 100], KeyframeSettings(threshold=1.5)).finish()
    assert [one.frame for one in found] == [0, 2, 5, 6, 7], "the last one is kept, alike or not"


def test_however_long_a_film_its_candidates_are_few_and_span_it() -> None:
    levels = np.random.default_rng(0).integers(20, 200, 300).tolist()
    settings = KeyframeSettings(threshold=1.5, max_keyframes=80)
    candidates = brightening(levels, settings)
    assert len(candidates._kept) <= 100
    found = candidates.finish()
    assert found[0].frame == 0 and found[-1].frame == 299 and 65 <= len(found) <= 101
    assert len({levels[one.frame] for one in found}) >= 80, "those go that others resemble"
    packed = [one.aligned.ndim == 1 for one in found]
    assert packed == sorted(packed, reverse=True) and packed.count(True) >= 1 and packed.count(False) <= 65
    track, landmarks = track_of(np.tile(neutral_points(), (300, 1, 1)), ("",) * 300)
    clip = Clip(Path("film.mp4"), "", 30.0, width=512, height=512)
    kept = select_keyframes(clip, track, landmarks, candidates, settings, FaceSettings(smooth_s=0.0))
    assert 2 <= len(kept.frames) <= 80 and set(kept.frames) <= {one.frame for one in found}
    assert kept.aligned[:, 0, 0, 0].tolist() == [levels[frame] for frame in kept.frames]


def test_a_long_film_of_one_movement_keeps_each_of_its_faces_all_along() -> None:
    once = [100, 110, 120, 130, 120, 110, 100, 90, 80, 90]
    candidates = brightening(once * 30, KeyframeSettings(max_keyframes=24))
    found = [one.frame for one in candidates.finish()]
    assert {once[frame % 10] for frame in found} == set(once) and np.diff(found).max() <= 60
    again = choose(faces(*once * 30), threshold=1.5, at_most=24)
    assert len(again) == 24 and {once[i % 10] for i in again} == set(once) and np.diff(again).max() <= 60


def test_what_is_packed_comes_back_as_it_was() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 40, 30, 3), np.uint8)
    one = Candidate(7, pictures[0, :, :, 0], pictures[0], pictures[1], neutral_points())
    packed = one.packed()
    assert packed.aligned.ndim == packed.face.ndim == 1 and packed.packed().aligned is packed.aligned
    again = packed.unpacked()
    assert np.array_equal(again.aligned, one.aligned) and np.array_equal(again.face, one.face)


def test_no_picture_is_kept_longer_than_its_points_are_needed() -> None:
    kept: list[weakref.ref[ByteImage]] = []
    candidates = Candidates(KeyframeSettings(), FaceSettings(smooth_s=0.06))
    for i in range(100):
        image = np.zeros((64, 64, 3), np.uint8)
        kept.append(weakref.ref(image))
        candidates.add([Frame(i, i / 30, image)], neutral_points()[None] / 8)
        del image
    assert sum(each() is not None for each in kept) <= 8


def test_turned_heads_are_no_keyframes_unless_there_are_no_others(tmp_path: Path) -> None:
    points = np.tile(neutral_points(), (6, 1, 1))
    points[2:4, 30, 0] += 0.3 * np.ptp(points[0, 36:48, 0])
    kept, _ = keyframes_of(clip_of(tmp_path / "clip", points), points, ("",) * 6, KeyframeSettings(threshold=0.0))
    assert list(kept.frames) == [0, 1, 4, 5]
    again, _ = keyframes_of(
        clip_of(tmp_path / "again", points), points, ("blurred",) * 2 + ("",) * 2 + ("blurred",) * 2, KeyframeSettings()
    )
    assert list(again.frames) == [2, 3]


def heads(*turns: float) -> FloatArray:
    """Alignment points (N, 3, 2) of tilted heads of several sizes whose nose tips lie so far to the side."""
    tilt = np.deg2rad(20)
    across, down = np.array([np.cos(tilt), np.sin(tilt)]), np.array([-np.sin(tilt), np.cos(tilt)])
    units = np.linspace(40, 200, len(turns))[:, None]
    eyes = [np.outer(np.ones(len(turns)), across) * units * share for share in (-0.5, 0.5)]
    nose = units * (np.array(turns)[:, None] * across + 0.6 * down)
    return np.stack([*eyes, nose], axis=1) + [300.0, 200.0]


def test_a_head_that_turns_is_passed_over_and_one_that_is_held_askew_is_not() -> None:
    turned = heads(0.2, 0.21, 0.2, 0.35, 0.19, 0.05)
    assert facing_as_usual(turned, limit=0.1).tolist() == [True, True, True, False, True, False]
    assert facing_as_usual(turned, limit=1e9).all()
    assert facing_as_usual(turned, limit=0.0).any(), "the commonest direction is always there"
    assert facing_as_usual(turned[:0], limit=0.1).shape == (0,)


def test_no_usable_frame(tmp_path: Path) -> None:
    points = np.full((2, 68, 2), np.nan)
    clip = clip_of(tmp_path / "clip", points)
    with pytest.raises(NoFaceError, match="no frame shows a face"):
        keyframes_of(clip, points, ("no_face", "no_face"), KeyframeSettings())
