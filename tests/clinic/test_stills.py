"""Faces taken at an even pace."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.clinic import stills
from palsy_cli.clinic.stills import Stills, StillTaker
from palsy_cli.records import FloatArray, Frame
from palsy_cli.stages import alignment
from palsy_cli.stages.keyframes import FACE_SIDE, upright_crop

SIDE = 64


def taken(points: FloatArray, *, fps: float, batch: int = 7) -> Stills:
    """The stills of so many even pictures (each as bright as its number) with these points (N, 68, 2)."""
    taker = StillTaker()
    for start in range(0, len(points), batch):
        numbers = range(start, min(start + batch, len(points)))
        frames = [Frame(i, i / fps, np.full((SIDE, SIDE, 3), i % 256, np.uint8)) for i in numbers]
        taker.add(frames, points[start : start + batch])
    return taker.finish()


def held(count: int) -> FloatArray:
    """A face at rest."""
    return np.tile(neutral_points() / 8, (count, 1, 1))


def test_they_come_at_an_even_pace_whatever_the_face_does() -> None:
    found = taken(held(90), fps=30.0)
    assert list(found.frames) == list(range(0, 90, 8)), "the first frame a quarter of a second later"
    assert found.faces.shape == (12, 320, 320) and found.faces[3, 160, 160] == 24
    slow = taken(held(9), fps=2.0)
    assert list(slow.frames) == list(range(9)), "all frames of a slow film"


def test_they_are_cut_as_keyframes_are() -> None:
    points = held(1)
    image = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    taker = StillTaker()
    taker.add([Frame(0, 0.0, image)], points)
    found, upright = taker.finish(), upright_crop(points[0])
    face = cv2.cvtColor(alignment.warp(image, upright, (FACE_SIDE, FACE_SIDE)), cv2.COLOR_RGB2GRAY)
    assert np.abs(found.faces[0].astype(int) - face.astype(int)).max() <= 2
    assert np.array_equal(found.points[0], alignment.transform_points(points[0], upright))


def test_frames_without_points_are_passed_over() -> None:
    points = held(60)
    points[:20, 5] = np.nan
    assert list(taken(points, fps=30.0).frames) == [20, 28, 36, 44, 52]


def test_what_was_cleared_is_not_remembered() -> None:
    taker, image, points = StillTaker(), np.zeros((SIDE, SIDE, 3), np.uint8), held(1)
    for number in (7, 3):
        taker.clear()
        taker.add([Frame(number, float(number), image)], points)
    assert list(taker.finish().frames) == [3]


def test_of_too_many_those_stay_between_which_the_face_moves_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beginning, peak and end of a movement outlast what is held."""
    monkeypatch.setattr(stills, "AT_MOST", 8)
    course = np.interp(np.arange(200), [0, 40, 60, 120, 140, 199], [0, 0, 1, 1, 0, 0])
    points = held(200)
    points[:, 17:27, 1] -= course[:, None]
    found = taken(points, fps=4.0, batch=1)
    assert len(found.frames) == 8 and found.frames[0] == 0 and found.frames[-1] == 199
    assert {40, 60, 120, 140} <= set(found.frames.tolist())
    again = taken(points, fps=4.0, batch=50)
    assert np.array_equal(again.frames, found.frames), "however the frames come"
