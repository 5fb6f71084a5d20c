"""Composed pictures for the detector: labels lie where the pixels are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.stages.alignment import five_points
from palsy_cli.training import scenes
from palsy_cli.training.scenes import Portrait, draw_scene, drawn_portraits, make_portrait

SIDE = 160
BLACK: list[ByteImage] = [np.zeros((64, 64, 3), np.uint8)]


def portrait_of(scale: float) -> Portrait:
    """A black picture with one spot for each of the five points: green eyes (the right one bright), blue nose."""
    points = neutral_points() * scale
    image = np.zeros((round(512 * scale), round(512 * scale), 3), np.uint8)
    five = five_points(points)
    for point, colour in zip(five, ((0, 255, 0), (0, 120, 0), (0, 0, 255), (255, 0, 0), (120, 0, 0)), strict=True):
        centre = np.round(point * 16).astype(int).tolist()
        cv2.circle(image, centre, round(16 * 20 * scale), colour, -1, cv2.LINE_AA, 4)
    return make_portrait(image, points, points)


@pytest.fixture
def plain_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    """No light, blur or compression."""
    monkeypatch.setattr(scenes, "_camera", lambda scene, rng: scene)


def spot(image: ByteImage, channel: int, around: FloatArray, reach: float) -> FloatArray:
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image[..., channel].astype(float) * (np.hypot(x - around[0], y - around[1]) < reach)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


@pytest.mark.usefixtures("plain_camera")
@pytest.mark.parametrize("scale", [0.5, 1.6])
def test_points_lie_on_their_spots(scale: float) -> None:
    """At every size of face, upright or turned, mirrored or not, from small photos and from large ones."""
    rng = np.random.default_rng(0)
    errors, mirrored = [], set()
    while len(errors) < 40:
        scene = draw_scene([portrait_of(scale)], BLACK, rng=rng, side=SIDE)
        for five in scene.points if len(scene.points) == 1 else []:
            unit = float(np.hypot(*(five[1] - five[0])))
            if unit < 12 or not (unit / 2 < five).all() or not (five < SIDE - unit / 2).all():
                continue
            errors.append(spot(scene.image, 2, five[2], 0.4 * unit) - five[2])
            bright, dim = (scene.image[tuple(five[k].round().astype(int)[::-1])][1] for k in (0, 1))
            mirrored.add(bool(bright < dim))
            assert five[0, 0] < five[1, 0] and five[3, 0] < five[4, 0], "the patient's right is image-left"
    assert mirrored == {True, False}
    assert np.abs(np.mean(errors, 0)).max() < 0.12, "no shift"
    assert np.hypot(*np.transpose(errors)).max() < 0.7


def test_scenes_are_whole() -> None:
    rng = np.random.default_rng(1)
    counts = set()
    for _ in range(40):
        scene = draw_scene([portrait_of(0.4)], BLACK, rng=rng, side=SIDE)
        assert scene.image.shape == (SIDE, SIDE, 3) and scene.image.dtype == np.uint8
        assert scene.boxes.shape == (len(scene.points), 4) and scene.points.shape[1:] == (5, 2)
        assert (scene.boxes[:, 2:] - scene.boxes[:, :2] >= 9).all()
        for box, five in zip(scene.boxes, scene.points, strict=True):
            assert (five >= box[:2] - 2).all() and (five <= box[2:] + 2).all()
        counts.add(len(scene.boxes))
    assert {0, 1, 2} <= counts, "pictures without a face, with one, with several"


def test_same_draw_same_scene() -> None:
    first, again = (draw_scene([portrait_of(0.4)], BLACK, rng=np.random.default_rng(2), side=SIDE) for _ in range(2))
    assert np.array_equal(first.image, again.image) and np.array_equal(first.points, again.points)


def test_large_photos_are_reduced() -> None:
    large, small = portrait_of(1.6), portrait_of(0.5)
    assert max(large.image.shape) == 320
    assert np.allclose((large.box + 0.5) / 320, (small.box + 0.5) / 256, atol=2e-3)


def test_drawn_people() -> None:
    one, other = drawn_portraits(range(2), rng=np.random.default_rng(0))
    for portrait in (one, other):
        five = portrait.points
        assert (five > portrait.box[:2]).all() and (five < portrait.box[2:]).all()
        assert five[0, 0] < five[1, 0] and portrait.image.max() > portrait.image.min()
    assert not np.array_equal(one.image, other.image)


def test_places_show_no_face() -> None:
    """What serves as background lies beside the face: none of its white pixels gets there."""
    image = np.zeros((240, 200, 3), np.uint8)
    box = np.array([60.0, 70.0, 130.0, 170.0])
    image[70:171, 60:131] = 255
    portrait = Portrait(image, box, np.zeros((5, 2)))
    parts = scenes._beside_face(portrait)
    assert len(parts) == 4 and not any(part.any() for part in parts)
    filling = Portrait(image, np.array([0.0, 0.0, 199.0, 239.0]), np.zeros((5, 2)))
    assert scenes._beside_face(filling) == []
    place = scenes._place([filling], np.random.default_rng(0), 64)
    assert place.shape == (64, 64, 3)


@pytest.mark.usefixtures("plain_camera")
def test_faces_larger_than_the_picture_are_taught() -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_scene([portrait_of(0.5)], BLACK, rng=rng, side=SIDE) for _ in range(150)]
    widths = [float(np.ptp(scene.boxes[0, [0, 2]])) for scene in drawn if len(scene.boxes) == 1]
    assert max(widths) > SIDE and min(widths) < 0.15 * SIDE


def test_words_and_blots_are_drawn_behind_the_people() -> None:
    """They change a background a good deal, and never a face's label."""
    canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
    changed = []
    for seed in range(20):
        own = canvas.copy()
        scenes._write_words(own, np.random.default_rng(seed))
        changed.append(own.any(2).mean())
    assert np.mean(np.array(changed) > 0.005) > 0.8
    assert all(0 <= value <= 300 for value in scenes._ink(np.random.default_rng(0)))
