"""Looking for faces: as often as following them needs, the same however the frames come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from palsy_cli.config import FaceSettings
from palsy_cli.records import ByteImage, FloatArray, Frame
from palsy_cli.stages.detection import Detections
from palsy_cli.stages.sightings import MOST_WAITING, Sighting, SightingLog, Watch, measure_sharpness

WIDTH, HEIGHT = 320, 240
SETTINGS = FaceSettings(detect_every_s=0.1)


def found(*places: tuple[float, float, float]) -> Detections:
    """Faces at these centres, so large."""
    boxes = np.array([[x - s / 2, y - s / 2, x + s / 2, y + s / 2] for x, y, s in places]).reshape(-1, 4)
    layout = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.8], [0.65, 0.8]])
    points = np.array([box[:2] + layout * s for box, (_, _, s) in zip(boxes, places, strict=True)]).reshape(-1, 5, 2)
    return Detections(boxes, points, np.full(len(places), 0.9))


class Scripted:
    """A detector that reads a frame's number in its first pixel, and notes what it was shown."""

    def __init__(self, answer: Callable[[int], Detections]) -> None:
        self.answer, self.shown, self.most = answer, [], 0

    def detect(self, images: Sequence[ByteImage]) -> list[Detections]:
        numbers = [int(image[0, 0, 0]) for image in images]
        self.shown += numbers
        self.most = max(self.most, len(images))
        return [self.answer(number) for number in numbers]


def follow(
    answer: Callable[[int], Detections], times_s: FloatArray, *, has_clock: bool = True, batch_size: int = 16
) -> tuple[list[list[Sighting]], Scripted]:
    """The faces of frames at these times, and what was looked at."""
    detector = Scripted(answer)
    watch = Watch(detector, SETTINGS, has_clock=has_clock, batch_size=batch_size)
    frames = (Frame(i, float(t), np.full((HEIGHT, WIDTH, 3), i, np.uint8)) for i, t in enumerate(times_s))
    numbers, faces = [], []
    for some, own in watch.follow(frames):
        numbers += [frame.index for frame in some]
        faces += own
    assert numbers == list(range(len(times_s))) and len(set(detector.shown)) == len(detector.shown)
    return faces, detector


def test_a_face_that_moves_evenly_is_looked_at_every_tenth_of_a_second() -> None:
    times_s = np.arange(40) / 30
    faces, detector = follow(lambda i: found((100 + 2 * i, 120 - i, 60 + 0.3 * i)), times_s)
    assert detector.shown == [*range(0, 40, 3)]
    for i, own in enumerate(faces):
        assert len(own) == 1 and (own[0].frame, own[0].time_s) == (i, times_s[i])
        truth = found((100 + 2 * i, 120 - i, 60 + 0.3 * i))
        np.testing.assert_allclose(own[0].box, truth.boxes[0], atol=1e-9)
        np.testing.assert_allclose(own[0].points, truth.points[0], atol=1e-9)


def test_two_faces_are_not_mixed_up() -> None:
    faces, detector = follow(
        lambda i: found(*[(80, 120, 60), (220, 120, 60)][:: 1 if i % 2 else -1]), np.arange(20) / 30
    )
    assert len(detector.shown) == 8
    for own in faces:
        assert sorted(round(face.centre[0]) for face in own) == [80, 220]


@pytest.mark.parametrize("batch_size", [1, 2, 7, 16, 100])
def test_which_frames_are_looked_at_does_not_depend_on_how_they_come(batch_size: int) -> None:
    rng = np.random.default_rng(0)
    times_s, places = np.cumsum(rng.uniform(0.01, 0.08, 60)), 150 + np.cumsum(rng.normal(0, 4, 60))

    def answer(index: int) -> Detections:
        return found((places[index], 120, 60)) if index % 17 else found()

    whole, looked = follow(answer, times_s, batch_size=1000)
    faces, detector = follow(answer, times_s, batch_size=batch_size)
    assert set(detector.shown) == set(looked.shown) and detector.most <= batch_size
    for own, other in zip(faces, whole, strict=True):
        assert [tuple(face.box) for face in own] == [tuple(face.box) for face in other]


def test_where_a_face_comes_or_goes_every_frame_is_looked_at() -> None:
    faces, detector = follow(lambda i: found((160, 120, 80)) if 10 <= i < 20 else found(), np.arange(40) / 30)
    assert {10, 11, 12, 18, 19, 20, 21} <= set(detector.shown) and len(detector.shown) < 20
    assert [len(own) for own in faces] == [int(10 <= i < 20) for i in range(40)]


@pytest.mark.parametrize("step", [8, 40])
def test_a_fast_face_is_looked_at_in_every_frame(step: int) -> None:
    faces, detector = follow(lambda i: found((60 + step * i % 200, 120, 60)), np.arange(24) / 30)
    assert len(detector.shown) >= 22
    np.testing.assert_allclose([own[0].centre[0] for own in faces], 60 + step * np.arange(24) % 200)


def test_a_face_that_grows_fast_is_looked_at_in_every_frame() -> None:
    _, detector = follow(lambda i: found((160, 120, 20 * 1.05**i)), np.arange(24) / 30)
    assert len(detector.shown) == 24


def test_a_slow_film_and_photographs_are_looked_at_whole() -> None:
    for times_s, has_clock in ((np.arange(12) / 8, True), (np.arange(12.0), False), (np.arange(12) / 100, False)):
        _, detector = follow(lambda _: found((160, 120, 80)), times_s, has_clock=has_clock)
        assert detector.shown == list(range(12))


def test_few_pictures_wait_whatever_the_rate() -> None:
    _, detector = follow(lambda _: found((160, 120, 80)), np.arange(100) / 1000)
    assert max(np.diff(detector.shown)) <= MOST_WAITING + 1


def test_first_and_last_frame_are_looked_at() -> None:
    for count in (1, 2, 3, 17, 33):
        _, detector = follow(lambda _: found((160, 120, 80)), np.arange(count) / 30)
        assert detector.shown[0] == 0 and detector.shown[-1] == count - 1
    assert follow(lambda _: found(), np.zeros(0))[0] == []


def test_sharpness_is_that_of_the_box_and_of_its_mirror_image() -> None:
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    image[:, :100] = np.random.default_rng(2).integers(0, 256, (HEIGHT, 100, 3), dtype=np.uint8)
    sharp, flat = np.array([10.3, 20.0, 90.8, 120.0]), np.array([150.0, 20.0, 250.0, 120.0])
    back = np.array([WIDTH - 1 - sharp[2], sharp[1], WIDTH - 1 - sharp[0], sharp[3]])
    assert measure_sharpness(image, sharp) > 1000 and measure_sharpness(image, flat) == 0
    mirror = np.ascontiguousarray(image[:, ::-1])
    assert measure_sharpness(mirror, back) == pytest.approx(measure_sharpness(image, sharp), rel=0.01)
    assert measure_sharpness(image, np.array([-90.0, 0, -20, 50])) == 0


def test_the_log_gives_back_what_it_took() -> None:
    rng, log = np.random.default_rng(0), SightingLog()
    faces = [Sighting(i // 2, *rng.random(1), rng.random(4), rng.random((5, 2)), *rng.random(6)) for i in range(5)]
    for face in faces:
        log.add(face)
    assert len(log) == 5 and [log.frame_of(row) for row in range(5)] == [0, 0, 1, 1, 2]
    for row, face in enumerate(faces):
        again = log[row]
        assert np.array_equal(again.box, face.box) and np.array_equal(again.points, face.points)
        assert [again.frame, again.time_s, *again[4:]] == [face.frame, face.time_s, *face[4:]]
    with pytest.raises(IndexError):
        log[5]
