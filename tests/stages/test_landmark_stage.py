"""Finding the 68 points through a clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from factories import neutral_points
from torch import Tensor, nn

from palsy_cli.config import LandmarkSettings
from palsy_cli.networks.landmark_fcn import CascadedFCN
from palsy_cli.networks.registry import build_network
from palsy_cli.records import ByteImage, Clip, FaceTrack, Frame
from palsy_cli.selftest.stand_ins import as_tiles
from palsy_cli.stages import alignment
from palsy_cli.stages.landmarks import ForeseenPoints, fit_landmarks, without_points
from palsy_cli.stages.locating import CROP, find_points, locate, standardise
from palsy_cli.stages.point_finder import PointFinder
from palsy_cli.stages.video import iter_frames, read_clip

SIZE = 160


class Brightest(nn.Module):
    """A network that takes the brightest place for every point; its response is known if ``peak`` is given."""

    def __init__(self, peak: float | None = None) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.peak = peak

    def tiles(self, x: Tensor, *, stages: int = 2, points: Sequence[int] | None = None) -> Tensor:
        maps = x.clamp(min=0) ** 4 * self.gain
        if self.peak is not None:
            maps = self.peak * maps / maps.amax()
        return as_tiles(maps.expand(-1, 68, -1, -1), points)


@pytest.fixture(scope="module")
def network() -> CascadedFCN:
    torch.manual_seed(0)
    built = build_network("landmark_fcn", "tiny").eval()
    assert isinstance(built, CascadedFCN)
    return built


def crops(count: int = 3) -> ByteImage:
    small = np.random.default_rng(0).integers(0, 256, (count, 12, 12), np.uint8)
    return np.stack([cv2.resize(each, (CROP, CROP)) for each in small])


@pytest.mark.parametrize("weighted", [True, False])
def test_mirrored_picture_gives_mirrored_points(network: CascadedFCN, weighted: bool) -> None:
    settings = LandmarkSettings(weighted=weighted)
    images = crops()
    points, sure = find_points(images, network, settings)
    other, other_sure = find_points(np.ascontiguousarray(images[:, :, ::-1]), network, settings)
    assert points.shape == (3, 68, 2) and sure.shape == (3, 68)
    assert np.allclose(other, alignment.mirror_points(points, CROP), atol=1e-4)
    assert np.allclose(other_sure.mean(1), sure.mean(1), atol=1e-6)
    assert np.ptp(points, axis=1).max() > 1, "the points differ from each other"


def test_the_first_of_two_passes_asks_the_first_stage_alone(network: CascadedFCN) -> None:
    asked: list[str] = []
    hooks = [
        stage.b6.register_forward_hook(lambda *_, name=name: asked.append(name))
        for name, stage in (("first", network.stage1), ("second", network.stage2))
    ]
    five = np.tile(alignment.five_points(neutral_points() * CROP / 512), (3, 1, 1))
    pictures = [cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB) for crop in crops()]
    locate(pictures, five, network, LandmarkSettings(passes=2, flip_average=False))
    for hook in hooks:
        hook.remove()
    assert asked == ["first", "first", "second"]


def test_without_averaging_the_network_is_not_symmetric(network: CascadedFCN) -> None:
    """What the averaging is there for."""
    settings = LandmarkSettings(flip_average=False)
    images = crops()
    points, _ = find_points(images, network, settings)
    other, _ = find_points(np.ascontiguousarray(images[:, :, ::-1]), network, settings)
    assert np.abs(other - alignment.mirror_points(points, CROP)).max() > 1


def test_standardised_pictures_do_not_know_their_light() -> None:
    x = torch.from_numpy(np.random.default_rng(1).random((2, 1, 96, 96), np.float32))
    plain, lit = standardise(x), standardise(x * 0.4 + 0.3)
    assert torch.allclose(plain, lit, atol=1e-4)
    assert bool(standardise(torch.full((1, 1, 96, 96), 0.7)).abs().max() < 1e-2), "an even picture stays finite"


def clip_with_spot(folder: Path, spots: np.ndarray) -> Clip:
    folder.mkdir()
    for number, spot in enumerate(spots):
        image = np.full((SIZE, SIZE, 3), 90, np.uint8)
        cv2.circle(image, np.round(spot * 16).astype(int).tolist(), 3 * 16, (255, 255, 255), -1, cv2.LINE_AA, 4)
        cv2.imwrite(str(folder / f"{number}.png"), image)
    return read_clip(folder)


def track_of(clip_frames: int, reasons: tuple[str, ...]) -> FaceTrack:
    five = alignment.five_points(neutral_points() * 0.25 + 15)
    return FaceTrack(
        times_s=np.arange(clip_frames) * 1.0,
        boxes=np.zeros((clip_frames, 4)),
        points=np.tile(five, (clip_frames, 1, 1)),
        confidence=np.full(clip_frames, 0.5),
        reasons=reasons,
        other_faces=0,
    )


@pytest.mark.parametrize("batch_size", [1, 2, 16])
def test_points_are_in_pixels_of_the_video(tmp_path: Path, batch_size: int) -> None:
    spots = np.array([[70.0, 90.0], [84.5, 71.3], [60.0, 60.0], [91.0, 101.0]])
    clip = clip_with_spot(tmp_path / "clip", spots)
    track = track_of(4, ("", "", "blurred", ""))
    seen: list[int] = []
    found = fit_landmarks(
        clip,
        track,
        Brightest().eval(),  # type: ignore[arg-type]
        LandmarkSettings(passes=1),
        batch_size=batch_size,
        on_frame=seen.append,
    )
    used = [0, 1, 3]
    assert np.abs(found.points[used] - spots[used, None]).max() < 0.5
    assert np.isnan(found.points[2]).all() and found.confidence[2] == 0
    assert np.allclose(found.confidence[used], 0.5), "peak 1 times the detection's confidence"
    assert seen == [1, 2, 4], "the third frame is not looked at"


def test_points_that_were_foreseen_are_not_looked_for_again(tmp_path: Path) -> None:
    spots = np.array([[70.0, 90.0], [84.5, 71.3], [60.0, 60.0], [91.0, 101.0]])
    clip, track, settings = clip_with_spot(tmp_path / "clip", spots), track_of(4, ("",) * 4), LandmarkSettings(passes=1)
    network, shown = Brightest().eval(), []
    frames = list(iter_frames(clip))
    foreseen = ForeseenPoints(network, settings, batch_size=3, on_found=lambda seen, _: shown.append(len(seen)))  # type: ignore[arg-type]
    foreseen.add(frames, track.points)
    assert shown == [3], "whether the last one begins a stretch of its own is not known yet"
    foreseen.finish()
    assert shown == [3, 1] and foreseen.came_true(track)
    again: list[int] = []
    found = fit_landmarks(clip, track, network, settings, foreseen=foreseen, on_frame=again.append)  # type: ignore[arg-type]
    plain = fit_landmarks(clip, track, network, settings)  # type: ignore[arg-type]
    assert not again
    np.testing.assert_array_equal(found.points, plain.points)
    np.testing.assert_array_equal(found.confidence, plain.confidence)


def test_another_face_than_foreseen_is_looked_for(tmp_path: Path) -> None:
    spots = np.array([[70.0, 90.0], [84.5, 71.3], [60.0, 60.0]])
    clip, track, settings = clip_with_spot(tmp_path / "clip", spots), track_of(3, ("",) * 3), LandmarkSettings(passes=1)
    network = Brightest().eval()
    foreseen = ForeseenPoints(network, settings)  # type: ignore[arg-type]
    foreseen.add(list(iter_frames(clip)), track.points + np.array([0.0, 9.0, 0.0])[:, None, None])
    foreseen.finish()
    assert not foreseen.came_true(track)
    again: list[int] = []
    found = fit_landmarks(clip, track, network, settings, foreseen=foreseen, on_frame=again.append)  # type: ignore[arg-type]
    assert again == [2]
    assert np.abs(found.points - spots[:, None]).max() < 0.5
    fewer = ForeseenPoints(network, settings)  # type: ignore[arg-type]
    fewer.add(list(iter_frames(clip)), track.points)
    fewer.finish()
    assert not fewer.came_true(track_of(3, ("", "blurred", ""))), "a face that is nobody's was shown, too"


class Template(nn.Module):
    """A network that sees a face's points where a bright spot marks its nose tip, and follows it."""

    def __init__(self, face: np.ndarray) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(()))
        self.face = face
        self.first_passes = 0
        self.second_passes = 0

    def tiles(self, x: Tensor, *, stages: int = 2, points: Sequence[int] | None = None) -> Tensor:
        if stages == 1:
            self.first_passes += len(x)
        else:
            self.second_passes += len(x)
        maps = torch.zeros(len(x), 68, CROP, CROP)
        for row, picture in enumerate(x[:, 0]):
            y, x_nose = divmod(int(picture.argmax()), CROP)
            for k, (dx, dy) in enumerate(np.round(self.face - self.face[30]).astype(int)):
                maps[row, k, min(max(y + dy, 0), CROP - 1), min(max(x_nose + dx, 0), CROP - 1)] = 1.0
        return as_tiles(maps, points)


def test_a_second_pass_centres_the_crop_on_the_points_found() -> None:
    face = (neutral_points() - 256) * 0.2 + CROP / 2
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    cv2.circle(image, (80, 80), 2, (255, 255, 255), -1)
    far_off = alignment.five_points(face)[None] + [26.0, 20.0]
    net = Template(face)
    shifted = [
        locate([image], far_off, net, LandmarkSettings(top_k=1, flip_average=False, passes=n))[0][0]  # type: ignore[arg-type]
        for n in (1, 2)
    ]
    assert np.abs(shifted[1][30] - [80, 80]).max() < 3.0
    assert np.isfinite(shifted[0]).all()


def film_of_spot(spots: np.ndarray, *, fps: float) -> list[Frame]:
    """Black frames with a bright spot each."""
    frames = []
    for number, (x, y) in enumerate(spots.tolist()):
        image = np.zeros((SIZE, SIZE, 3), np.uint8)
        cv2.circle(image, (round(x), round(y)), 2, (255, 255, 255), -1)
        frames.append(Frame(number, number / fps, image))
    return frames


def follow(finder: PointFinder, frames: list[Frame], five: np.ndarray, *, at_once: int) -> np.ndarray:
    """The points of all frames, shown some at a time; they must come in order."""
    found: list[tuple[Sequence[Frame], np.ndarray, np.ndarray]] = []
    for start in range(0, len(frames), at_once):
        found += finder.add(frames[start : start + at_once], five[start : start + at_once])
    found += finder.finish()
    assert [frame.index for shown, _, _ in found for frame in shown] == list(range(len(frames)))
    return np.concatenate([points for _, points, _ in found])


@pytest.mark.parametrize("at_once", [1, 4, 16])
def test_the_first_pass_is_made_now_and_then_and_its_correction_goes_along(at_once: int) -> None:
    """A face that drifts is found from a detection whose error changes slowly, with a look every tenth of a second."""
    face = (neutral_points() - 256) * 0.2 + CROP / 2
    steps = np.arange(12)[:, None]
    spots, out_by = np.array([70.0, 80.0]) + steps * [1.0, 0.0], np.array([9.0, -7.0]) + steps * [0.0, 0.8]
    five = np.stack([alignment.five_points(face - face[30] + spot) for spot in spots + out_by])
    found = {}
    for every_s, looks in ((0.0, 12), (0.1, 5)):
        network = Template(face)
        settings = LandmarkSettings(top_k=1, flip_average=False, min_peak=0.0, first_pass_every_s=every_s)
        finder = PointFinder(network, settings, batch_size=5)  # type: ignore[arg-type]
        found[every_s] = follow(finder, film_of_spot(spots, fps=30), five, at_once=at_once)
        assert network.first_passes == looks, "frames 0, 3, 6, 9 and the last one"
    assert np.abs(found[0.1] - found[0.0]).max() < 3.0
    assert np.abs(found[0.1][:, 30] - spots).max() < 3.0


def test_a_face_elsewhere_is_looked_at_at_once() -> None:
    """Another face has another correction, and frames before it take no part of that."""
    face = (neutral_points() - 256) * 0.2 + CROP / 2
    spots = np.array([[60.0, 60.0], [61.0, 60.0], [95.0, 90.0], [96.0, 90.0]])
    out_by = np.array([[8.0, 8.0], [8.0, 8.0], [-8.0, -8.0], [-8.0, -8.0]])
    five = np.stack([alignment.five_points(face - face[30] + spot) for spot in spots + out_by])
    network = Template(face)
    finder = PointFinder(network, LandmarkSettings(top_k=1, flip_average=False, min_peak=0.0))  # type: ignore[arg-type]
    points = follow(finder, film_of_spot(spots, fps=30), five, at_once=16)
    assert np.abs(points[:, 30] - spots).max() < 3.0
    assert network.first_passes == 3, "the second frame is like the first"


def test_a_single_pass_makes_no_first_one() -> None:
    face = (neutral_points() - 256) * 0.2 + CROP / 2
    spots = np.full((3, 2), 80.0)
    five = np.tile(alignment.five_points(face - face[30] + 80.0), (3, 1, 1))
    network = Template(face)
    settings = LandmarkSettings(top_k=1, flip_average=False, passes=1, min_peak=0.0)
    finder = PointFinder(network, settings)  # type: ignore[arg-type]
    assert len(follow(finder, film_of_spot(spots, fps=30), five, at_once=3)) == 3
    assert network.first_passes == 0


def looked_at(spots: np.ndarray, *, fps: float, every_s: float, at_once: int = 16) -> tuple[np.ndarray, int]:
    """The points of a film of a spot, where the detector finds a face in one place, and how many frames were seen."""
    face = (neutral_points() - 256) * 0.2 + CROP / 2
    five = np.tile(alignment.five_points(face - face[30] + spots[0]), (len(spots), 1, 1))
    network = Template(face)
    settings = LandmarkSettings(top_k=1, flip_average=False, min_peak=0.0, passes=1, look_every_s=every_s)
    finder = PointFinder(network, settings)  # type: ignore[arg-type]
    return follow(finder, film_of_spot(spots, fps=fps), five, at_once=at_once), network.second_passes


@pytest.mark.parametrize("at_once", [1, 5, 16])
@pytest.mark.parametrize(("fps", "looks"), [(10, 48), (25, 24 + 3), (30, 24 + 3), (60, 12 + 9), (240, 12 + 9)])
def test_a_face_that_keeps_still_is_looked_at_now_and_then(fps: float, looks: int, at_once: int) -> None:
    """Every second frame or every fourth one; each in the first stretch, the last, and that before it."""
    still = np.full((48, 2), 80.0)
    points, seen = looked_at(still, fps=fps, every_s=0.085, at_once=at_once)
    assert seen == looks and np.ptp(points, axis=0).max() < 1e-6
    assert looked_at(still, fps=fps, every_s=0.0)[1] == 48


@pytest.mark.parametrize("at_once", [1, 5, 16])
@pytest.mark.parametrize("start", range(8, 13))
def test_a_short_movement_is_seen_in_each_of_its_frames(start: int, at_once: int) -> None:
    """Up, and down again within a tenth of a second: a blink, wherever it begins between two looks."""
    spots = np.full((24, 2), 80.0)
    spots[start : start + 3] += [[6.0, 0.0], [12.0, 0.0], [6.0, 0.0]]
    points, looks = looked_at(spots, fps=30, every_s=0.085, at_once=at_once)
    assert np.abs(points - looked_at(spots, fps=30, every_s=0.0)[0]).max() < 1e-3
    assert looks < 24, "what is far from it keeps still"


def test_a_device_with_little_memory_gives_the_same_points() -> None:
    """Batches are halved until they fit, in both passes."""
    face = (neutral_points() - 256) * 0.2 + CROP / 2
    spots = np.array([70.0, 80.0]) + np.arange(9)[:, None] * [1.0, 0.0]
    five = np.stack([alignment.five_points(face - face[30] + spot + 5.0) for spot in spots])
    settings = LandmarkSettings(top_k=1, min_peak=0.0)

    class Small(Template):
        def tiles(self, x: Tensor, *, stages: int = 2, points: Sequence[int] | None = None) -> Tensor:
            if len(x) > 4:  # two frames, each as it is and in the mirror
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().tiles(x, stages=stages, points=points)

    found = [
        follow(PointFinder(network, settings), film_of_spot(spots, fps=30), five, at_once=9)  # type: ignore[arg-type]
        for network in (Template(face), Small(face))
    ]
    np.testing.assert_array_equal(found[0], found[1])


def test_frames_beyond_the_track_are_left_alone(tmp_path: Path) -> None:
    clip = clip_with_spot(tmp_path / "clip", np.full((3, 2), 80.0))
    found = fit_landmarks(clip, track_of(2, ("", "")), Brightest(), LandmarkSettings())  # type: ignore[arg-type]
    assert found.points.shape == (2, 68, 2) and np.isfinite(found.points).all()


@pytest.mark.parametrize(("peak", "seen"), [(1.0, True), (0.5, False)])
def test_faint_heat_maps_are_no_face(tmp_path: Path, peak: float, seen: bool) -> None:
    """What the detector took for a face and the point network does not is left out, with its reason."""
    clip = clip_with_spot(tmp_path / "clip", np.full((2, 2), 80.0))
    network = Brightest(peak)
    track = track_of(2, ("", "blurred"))
    found = fit_landmarks(clip, track, network, LandmarkSettings(passes=1))  # type: ignore[arg-type]
    assert bool(np.isfinite(found.points[0]).all()) == seen and (found.confidence[0] > 0) == seen
    assert without_points(track, found).reasons == ("" if seen else "no_landmarks", "blurred")
    literal = fit_landmarks(clip, track, network, LandmarkSettings(passes=1, min_peak=0.0))  # type: ignore[arg-type]
    assert np.isfinite(literal.points[0]).all()
