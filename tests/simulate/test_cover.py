"""Glasses, hair and hands over a face: they sit on the skull and cover what is below."""

from __future__ import annotations

import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.simulate.cover import Cover, paint_hand, skull_frame

SIZE = 512


def grey() -> ByteImage:
    return np.full((SIZE, SIZE, 3), 120, np.uint8)


def covered(cover: Cover, points: FloatArray) -> np.ndarray:
    image = grey()
    cover.paint(image, points)
    return np.asarray((image != 120).any(2))


def worn(**changes: object) -> Cover:
    nothing = {"glasses": "none", "frame": (20.0, 20.0, 20.0), "strands": np.zeros((0, 4, 2))}
    return Cover(**(nothing | changes))  # type: ignore[arg-type]


def test_most_people_wear_nothing() -> None:
    people = [Cover.draw(np.random.default_rng(seed)) for seed in range(300)]
    assert 0.02 < np.mean([person.glasses != "none" for person in people]) < 0.25
    assert 0.02 < np.mean([len(person.strands) > 0 for person in people]) < 0.25
    assert not covered(worn(), neutral_points()).any()


@pytest.mark.parametrize("shape", ["round", "square"])
def test_glasses_surround_the_eyes_and_leave_them_free(shape: str) -> None:
    points = neutral_points()
    dark = grey()
    worn(glasses=shape).paint(dark, points)
    frame = dark.max(2) < 80
    for eye in (points[36:42], points[42:48]):
        x, y = eye.mean(0).round().astype(int)
        assert not frame[y, x]
        assert frame[:y, x].any() and frame[y:, x].any() and frame[y, :x].any() and frame[y, x:].any()


@pytest.mark.parametrize("cover", [worn(glasses="round"), worn(strands=np.ones((2, 4, 2)) * [0.2, 0.0])])
def test_what_sits_on_the_skull_stays_when_the_lids_close(cover: Cover) -> None:
    points = neutral_points()
    closed = points.copy()
    closed[[37, 38, 43, 44]] = closed[[41, 40, 47, 46]]
    assert np.array_equal(skull_frame(points), skull_frame(closed))
    assert np.array_equal(covered(cover, points), covered(cover, closed))


def test_a_hand_has_the_colour_of_the_cheeks_and_lies_on_one_side() -> None:
    points = neutral_points()
    middle = float(points[27:31, 0].mean())
    for seed in range(12):
        image = grey()
        image[..., 0] = 180
        before = image.copy()
        paint_hand(image, points, np.random.default_rng(seed))
        rows, columns = np.nonzero((image != before).any(2))
        assert len(rows) > 0.01 * SIZE**2, "a hand is not a line"
        assert rows.mean() > points[36:48, 1].mean()
        assert abs(np.mean(columns > middle) - 0.5) > 0.25
        inside = image[rows, columns].astype(int)
        assert np.mean(inside[:, 0] > inside[:, 1]) > 0.9, "reddish, as the cheeks are"
