"""Geometry of crops: where points go, pixels must go too."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.stages import alignment

FACE = neutral_points()


def similarity(scale: float, degrees: float, shift: tuple[float, float]) -> FloatArray:
    turn = np.deg2rad(degrees)
    rotation = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([rotation, shift])


def blob(size: tuple[int, int], centre: FloatArray, spread: float) -> ByteImage:
    """A white spot on black, (h, w, 3)."""
    y, x = np.mgrid[: size[0], : size[1]]
    grey = 255 * np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * spread**2))
    return np.repeat(grey.round().astype(np.uint8)[..., None], 3, axis=2)


def centre_of(image: ByteImage) -> FloatArray:
    """Centroid of what is brighter than the grey of the border."""
    bright = np.clip(image[..., 0].astype(float) - 140, 0, None)
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    return np.array([(bright * x).sum(), (bright * y).sum()]) / bright.sum()


def test_three_points_go_to_their_places() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        points = alignment.stable_points(FACE) * rng.uniform(0.3, 2) + rng.normal(0, 20, (3, 2))
        moved = alignment.transform_points(points, alignment.three_point_affine(points))
        assert np.abs(moved - alignment.CANONICAL_POINTS).max() < 1e-2  # OpenCV reads the points as float32


def test_canonical_face_is_symmetric_about_the_cut() -> None:
    mirrored = alignment.CANONICAL_POINTS[[1, 0, 2]] * [-1, 1] + [alignment.ALIGNED_SIZE - 1, 0]
    assert np.array_equal(mirrored, alignment.CANONICAL_POINTS)


def test_mirrored_points_mirrored_are_the_points() -> None:
    points = FACE + np.random.default_rng(1).normal(0, 5, FACE.shape)
    mirrored = alignment.mirror_points(points, 512)
    assert np.allclose(alignment.mirror_points(mirrored, 512), points)
    assert not np.allclose(mirrored, points)
    five = alignment.five_points(mirrored)
    assert five[0, 0] < five[1, 0] and five[3, 0] < five[4, 0], "the patient's right stays image-left"


def test_inverse_and_composition() -> None:
    first, second = similarity(0.7, 20, (5, -9)), similarity(1.8, -65, (-30, 2))
    both = alignment.compose(second, first)
    step_by_step = alignment.transform_points(alignment.transform_points(FACE, first), second)
    assert np.allclose(alignment.transform_points(FACE, both), step_by_step)
    there_and_back = alignment.transform_points(step_by_step, alignment.invert(both))
    assert np.allclose(there_and_back, FACE)


@pytest.mark.parametrize("scale", [1.6, 0.9, 0.52, 0.48, 0.3, 0.12])
def test_pixels_go_where_points_go(scale: float) -> None:
    """Also below 0.5, where the picture is reduced in two steps."""
    centre = np.array([403.3, 251.7])
    matrix = similarity(scale, 12, (90.0, 20.0))
    size = round(20 + 900 * scale), round(90 + 900 * scale)
    seen = alignment.warp(blob((601, 799), centre, 6 / scale), matrix, size)
    assert np.abs(centre_of(seen) - alignment.transform_points(centre, matrix)).max() < 0.3


def test_small_copy_does_not_alias() -> None:
    """Stripes finer than the small picture's pixels become nearly even grey, not coarse stripes."""
    stripes = np.zeros((600, 600, 3), np.uint8)
    stripes[:, ::2] = 255
    matrix = similarity(0.21, 0, (0, 0))
    seen, naive = alignment.warp(stripes, matrix, (126, 126)), cv2.warpAffine(stripes, matrix, (126, 126))
    assert seen[8:-8, 8:-8].std() < 0.3 * naive[8:-8, 8:-8].std()
    assert abs(float(seen[8:-8, 8:-8].mean()) - 127.5) < 2


def test_outside_is_grey() -> None:
    seen = alignment.warp(np.zeros((20, 20, 3), np.uint8), similarity(1, 0, (50, 50)), (40, 60))
    assert (seen == alignment.GREY).all() and seen.shape == (40, 60, 3)
    seen = alignment.warp_grey(np.zeros((20, 20, 3), np.uint8), similarity(1, 0, (50, 50)), (40, 60))
    assert (seen == alignment.GREY[0]).all() and seen.shape == (40, 60)


@pytest.mark.parametrize("scale", [1.6, 0.48, 0.12])
def test_grey_crop_is_the_crop_in_grey(scale: float) -> None:
    image = cv2.resize(np.random.default_rng(5).integers(0, 255, (60, 80, 3), np.uint8), (640, 480))
    matrix, size = similarity(scale, 7, (3.0, -9.0)), (round(400 * scale), round(600 * scale))
    in_grey = cv2.cvtColor(alignment.warp(image, matrix, size), cv2.COLOR_RGB2GRAY)
    seen = alignment.warp_grey(image, matrix, size)
    assert np.abs(seen.astype(int) - in_grey.astype(int)).max() <= 2 and seen.std() > 5


def test_mirrored_picture_gives_the_mirrored_crop() -> None:
    rng = np.random.default_rng(2)
    image = np.kron(rng.integers(0, 255, (32, 32, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    flipped = np.ascontiguousarray(image[:, ::-1])
    plain = alignment.warp(image, alignment.three_point_affine(alignment.stable_points(FACE)), (512, 512))
    twin = alignment.mirror_points(FACE, 512)
    other = alignment.warp(flipped, alignment.three_point_affine(alignment.stable_points(twin)), (512, 512))
    # The middle of the face lies between columns 255 and 256: the crops are mirror images pixel by pixel.
    assert np.abs(plain.astype(int) - other[:, ::-1].astype(int)).mean() < 0.01


@pytest.mark.parametrize("sides", [(480, 640), (479, 641), (482, 646)])
@pytest.mark.parametrize("place", [(0.0, 0.0), (-131.3, 71.7), (230.0, -160.2)])
@pytest.mark.parametrize("scale", [0.05, 0.13, 0.3])
def test_small_crops_of_the_mirrored_picture_are_mirrored(
    sides: tuple[int, int], place: tuple[float, float], scale: float
) -> None:
    """However the picture's sides can be halved, and wherever it ends."""
    rng = np.random.default_rng(3)
    image = cv2.resize(rng.integers(0, 255, (60, 80, 3), np.uint8), sides[::-1], interpolation=cv2.INTER_CUBIC)
    matrix = similarity(scale, 7, (24 - scale * (sides[1] / 2 + place[0]), 24 - scale * (sides[0] / 2 + place[1])))
    there, back = np.diag([-1.0, 1, 1]), np.diag([-1.0, 1, 1])
    there[0, 2], back[0, 2] = sides[1] - 1, 47
    mirrored = (back @ np.vstack([matrix, [0, 0, 1]]) @ there)[:2]
    plain, other = alignment.warp(image, matrix, (48, 48)), alignment.warp(image[:, ::-1].copy(), mirrored, (48, 48))
    assert np.abs(plain.astype(int) - other[:, ::-1].astype(int)).max() <= 1
    assert plain.std() > 5
    flipped = image[:, ::-1].copy()
    plain, other = alignment.warp_grey(image, matrix, (48, 48)), alignment.warp_grey(flipped, mirrored, (48, 48))
    assert np.abs(plain.astype(int) - other[:, ::-1].astype(int)).max() <= 1


def test_rescaled_matrix_is_the_reduced_crop() -> None:
    matrix = similarity(0.9, 5, (3, 4))
    pixel_areas = (alignment.transform_points(FACE, matrix) + 0.5) * 0.25 - 0.5
    assert np.allclose(alignment.transform_points(FACE, alignment.scaled(matrix, 0.25)), pixel_areas)


@pytest.mark.parametrize("degrees", [0, 30, -80])
@pytest.mark.parametrize("scale", [0.2, 1, 3])
def test_upright_crop_does_not_depend_on_pose_in_the_picture(scale: float, degrees: float) -> None:
    moved = alignment.transform_points(FACE, similarity(scale, degrees, (100, 40)))
    crops = [
        alignment.transform_points(points, alignment.crop_similarity(alignment.five_points(points), size=96))
        for points in (FACE, moved)
    ]
    assert np.allclose(crops[0], crops[1], atol=1e-6)
    assert crops[0].min() > 0 and crops[0].max() < 95, "the whole face is inside"
    eyes = alignment.five_points(crops[0])[:2]
    assert np.isclose(eyes[0, 1], eyes[1, 1]) and eyes[0, 0] < eyes[1, 0]


def test_crop_is_rigid_and_grows_with_its_margin() -> None:
    five = alignment.five_points(FACE)
    tight, wide = (alignment.crop_similarity(five, size=96, margin=margin)[:, :2] for margin in (1.0, 1.5))
    assert np.allclose(tight @ tight.T, np.eye(2) * (tight @ tight.T)[0, 0])
    assert np.allclose(tight, 1.5 * wide)


def test_turned_head_is_not_cropped_tighter() -> None:
    """When the eyes come together in profile, the distance to the mouth takes over as unit."""
    five = alignment.five_points(FACE)
    turned = five.copy()
    turned[:2, 0] = five[:2, 0].mean() + (five[:2, 0] - five[:2, 0].mean()) * 0.3
    frontal, profile = (np.linalg.det(alignment.crop_similarity(f, size=96)[:, :2]) for f in (five, turned))
    assert profile < 1.5 * frontal


def test_field_keeps_its_values() -> None:
    field = np.tile(np.array([3.0, -2.0], np.float32), (20, 20, 1))
    moved = alignment.warp_field(field, similarity(1, 0, (2, 0)), (20, 20))
    assert np.allclose(moved[:, 3:], [3, -2]) and np.allclose(moved[:, :2], 0)
