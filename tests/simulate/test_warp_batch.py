"""Many frames at once by torch look as those that OpenCV warps one by one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from palsy_cli.datasets.people import read_photos, read_rig
from palsy_cli.simulate.photo import Act, PhotoFace, Pose
from palsy_cli.simulate.warp import MouthLook, WarpedFace, warp_face
from palsy_cli.simulate.warp_batch import warp_faces
from palsy_cli.simulate.wrinkles import SkinLook

ACTS = [
    Act({}),
    Act({(43, "left"): 1.0, (43, "right"): 0.4, (6, "left"): 0.8}),
    Act({(12, "left"): 1.0, (25, "left"): 0.8, (25, "right"): 0.8}, np.full((68, 2), 0.01), Pose(8.0, -3.0)),
    Act({(26, "left"): 1.0, (26, "right"): 1.0, (1, "right"): 1.0}, None, Pose(-6.0, 4.0)),
]


@pytest.fixture(scope="module")
def face(data: Path) -> PhotoFace:
    photo = next(photo for photo in read_photos(data) if photo.calm)
    look = MouthLook.draw(np.random.default_rng(0), unit_px=75)
    # Texture everywhere, as in a photo: a flat picture would hide any shift.
    noise = np.random.default_rng(1).normal(0, 60, photo.read().shape)
    image = np.clip(photo.read() + cv2.GaussianBlur(noise, (0, 0), 2.0) * 3, 0, 255).astype(np.uint8)
    return PhotoFace(image, photo.points, read_rig(data), look, SkinLook(age=0.5, lamp=1.0))


@pytest.fixture(scope="module")
def both_ways(face: PhotoFace) -> list[tuple[WarpedFace, WarpedFace]]:
    outline = face.points.mean(0) + 1.3 * (face.points[[10, 152, 234, 454]] - face.points.mean(0))
    targets = [warped.points for warped in face.render(ACTS)]
    motions = [target - face.points for target in targets]
    one_by_one = [
        warp_face(face.image, face.points, target, motion=motion, outline=outline)
        for target, motion in zip(targets, motions, strict=True)
    ]
    at_once = warp_faces(face.image, face.points, targets, motions, outline=outline, device="cpu")
    return list(zip(one_by_one, at_once, strict=True))


def test_the_same_pixels_within_rounding(both_ways: list[tuple[WarpedFace, WarpedFace]]) -> None:
    for one, other in both_ways:
        apart = np.abs(one.image.astype(int) - other.image)
        assert apart.mean() < 0.8 and np.quantile(apart, 0.99) <= 6
        assert np.array_equal(one.points, other.points)


def test_the_same_displacement(both_ways: list[tuple[WarpedFace, WarpedFace]]) -> None:
    for one, other in both_ways:
        assert one.flow.shape == other.flow.shape
        assert np.quantile(np.abs(one.flow - other.flow), 0.99) < 0.1


def test_a_still_face_is_the_photo(face: PhotoFace, both_ways: list[tuple[WarpedFace, WarpedFace]]) -> None:
    _, other = both_ways[0]
    inside = np.s_[:-2, :-2]  # the coarse grid ends before the last row and column
    assert np.abs(other.image.astype(int) - face.image)[inside].max() <= 1
    assert not other.flow.any()
