"""Masks of the facial parts from 68 points."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.points import MIRROR_68
from palsy_cli.records import FloatArray
from palsy_cli.stages.regions import MIRROR_REGIONS, REGION_NAMES, mirror_mask, region_masks

SIZE = (128, 120)


def face(*, skew: float = 0.0, seed: int = 0, mouth_open: float = 6.0) -> FloatArray:
    """An upright face in an image of ``SIZE``, moved by ``skew`` pixels of noise."""
    points = np.zeros((68, 2))
    angle = np.linspace(np.pi, 0, 17)
    points[:17] = np.stack((45 * np.cos(angle), 55 * np.sin(angle)), 1)
    brow = np.array([(-34, -22), (-28, -26), (-22, -27), (-16, -26), (-9, -23)], float)
    eye = np.array([(-27, -12), (-22, -16), (-16, -16), (-11, -12), (-16, -9), (-22, -9)], float)
    points[17:22] = brow
    points[36:42] = eye
    points[27:31] = [(0, -12), (0, -5), (0, 1), (0, 7)]
    points[31:34] = [(-8, 13), (-4, 15), (0, 16)]
    low = mouth_open
    points[48:52] = [(-17, 28), (-10, 24), (-4, 22), (0, 23)]
    points[57:60] = [(0, 34 + low), (-5, 33 + low), (-11, 31 + low / 2)]
    points[60:63] = [(-14, 28), (-6, 27), (0, 27)]
    points[66:68] = [(0, 28 + low), (-6, 28 + low)]
    for number, twin in enumerate(MIRROR_68):
        if not points[twin].any():
            points[twin] = points[number] * [-1, 1]
    points += [(SIZE[1] - 1) / 2, 60]
    return points + np.random.default_rng(seed).normal(0, skew, points.shape)


def mirrored(points: FloatArray) -> FloatArray:
    flipped = points[MIRROR_68].copy()
    flipped[:, 0] = SIZE[1] - 1 - flipped[:, 0]
    return flipped


def centroid(mask: np.ndarray, name: str) -> FloatArray:
    rows, columns = np.nonzero(mask == REGION_NAMES.index(name))
    assert len(rows), f"{name} is absent"
    return np.array([columns.mean(), rows.mean()])


def test_every_class_is_there_and_sides_are_the_patients() -> None:
    mask = region_masks(face(), SIZE)
    assert mask.shape == SIZE and mask.dtype == np.uint8
    assert set(np.unique(mask)) == set(range(10))
    for part in ("brow", "eye"):
        assert centroid(mask, f"right_{part}")[0] < SIZE[1] / 2 < centroid(mask, f"left_{part}")[0]
    order = ("right_brow", "right_eye", "nose", "upper_lip", "inner_mouth", "lower_lip")
    heights = [centroid(mask, name)[1] for name in order]
    assert heights == sorted(heights)


def test_parts_lie_on_their_points() -> None:
    points = face()
    mask = region_masks(points, SIZE)
    for name, numbers in {"right_eye": range(36, 42), "left_eye": range(42, 48), "inner_mouth": range(60, 68)}.items():
        np.testing.assert_allclose(centroid(mask, name), points[list(numbers)].mean(0), atol=1.0)
    assert mask[0, 0] == 0, "the corner is background"
    x, y = points[17:27].mean(0) - [0, 10]
    assert mask[round(y), round(x)] == 1, "the forehead is skin"
    x, y = points[8] - [0, 5]
    assert mask[round(y), round(x)] == 1, "the chin is skin"


@pytest.mark.parametrize("seed", range(5))
def test_a_mirrored_face_has_the_mirrored_map(seed: int) -> None:
    points = face(skew=1.2, seed=seed)
    mask = region_masks(points, SIZE)
    again = region_masks(mirrored(points), SIZE)
    assert (again != mirror_mask(mask)).mean() < 1e-3
    assert (mask != mirror_mask(mask)).mean() > 1e-2, "the face itself is not symmetric"


def test_mirror_mask_is_its_own_inverse_and_exchanges_sides() -> None:
    mask = region_masks(face(skew=1.0), SIZE)
    assert np.array_equal(mirror_mask(mirror_mask(mask)), mask)
    swapped = [REGION_NAMES[i] for i in MIRROR_REGIONS]
    exchanged = [n.replace("right_", "?_").replace("left_", "right_").replace("?_", "left_") for n in REGION_NAMES]
    assert swapped == exchanged


def test_a_closed_mouth_shows_no_inner_mouth() -> None:
    points = face()
    points[[67, 66, 65]] = points[[61, 62, 63]]
    inner = REGION_NAMES.index("inner_mouth")
    assert (region_masks(points, SIZE) == inner).sum() == 0
    assert (region_masks(face(), SIZE) == inner).sum() > 50


def test_scale_and_roll_do_not_change_the_shares() -> None:
    points = face()
    shares = np.bincount(region_masks(points, SIZE).ravel(), minlength=10)[1:]
    turn = np.deg2rad(20)
    matrix = 2 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = (points - points.mean(0)) @ matrix.T + 200
    bigger = np.bincount(region_masks(turned, (400, 400)).ravel(), minlength=10)[1:]
    large = shares > 100
    np.testing.assert_allclose(bigger[large] / shares[large] / 4, 1, atol=0.3)


def test_points_outside_the_image_are_cut_off() -> None:
    mask = region_masks(face() - [60, 0], SIZE)
    assert "right_eye" not in {REGION_NAMES[i] for i in np.unique(mask)}
    assert REGION_NAMES.index("left_eye") in mask


def test_unusable_points_are_refused() -> None:
    points = face()
    points[40] = np.nan
    with pytest.raises(ValueError, match="finite"):
        region_masks(points, SIZE)
    with pytest.raises(ValueError, match="68"):
        region_masks(points[:49], SIZE)
    with pytest.raises(ValueError, match="coincide"):
        region_masks(np.zeros((68, 2)), SIZE)
