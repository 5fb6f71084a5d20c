"""Skin is followed to where it went, on both sides alike."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from palsy_cli.clinic.flow import follow
from palsy_cli.points import MIRROR_68
from palsy_cli.records import ByteImage, FloatArray

SIDE = 200


def skin(seed: int = 0) -> ByteImage:
    """A textured grey picture (200, 200)."""
    rng = np.random.default_rng(seed)
    noise = sum(
        cv2.resize(rng.normal(0, 18, (n, n)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        for n in (12, 25, 50, 100)
    )
    return np.clip(130 + noise, 0, 255).astype(np.uint8)


def pushed(image: ByteImage, at: tuple[float, float], by: tuple[float, float], spread: float = 30.0) -> ByteImage:
    """The picture with what was at a place moved by so many pixels, its surroundings less."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    x0, y0 = at[0] + by[0], at[1] + by[1]
    share = np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * spread**2)).astype(np.float32)
    return np.asarray(cv2.remap(image, x - by[0] * share, y - by[1] * share, cv2.INTER_LINEAR), np.uint8)


def spread_points() -> FloatArray:
    return np.random.default_rng(1).uniform(40, SIDE - 40, (68, 2))


@pytest.mark.parametrize("by", [(0.0, -12.0), (9.0, -9.0), (-6.0, 0.0), (0.0, 0.0)])
def test_what_moved_is_found_where_it_went(by: tuple[float, float]) -> None:
    points = spread_points()
    points[0] = 120.0, 90.0
    found = follow(skin(), points, np.stack([skin(), pushed(skin(), (120.0, 90.0), by)]))
    assert found.points.shape == (2, 68, 2) and found.trust.shape == (2, 68)
    np.testing.assert_allclose(found.points[0], points, atol=0.05)
    np.testing.assert_allclose(found.points[1, 0] - points[0], by, atol=0.8)
    assert found.trust.min() > 0.9


def test_light_that_changes_moves_nothing() -> None:
    darker = (0.92 * skin()).astype(np.uint8)
    points = spread_points()
    assert np.abs(follow(skin(), points, darker[None]).points - points).max() < 0.5


def test_mirrored_faces_are_followed_mirrored() -> None:
    faces = np.stack([skin(), pushed(skin(), (70.0, 100.0), (6.0, -9.0))])
    points = spread_points()
    mirrored_points = (points * (-1.0, 1.0) + (SIDE - 1, 0.0))[MIRROR_68]
    found = follow(faces[0], points, faces)
    mirrored_faces = np.ascontiguousarray(faces[:, :, ::-1])
    mirrored = follow(mirrored_faces[0], mirrored_points, mirrored_faces)
    back = (mirrored.points * (-1.0, 1.0) + (SIDE - 1, 0.0))[:, MIRROR_68]
    np.testing.assert_allclose(back, found.points, atol=1e-4)
    np.testing.assert_allclose(mirrored.trust[:, MIRROR_68], found.trust, atol=1e-4)


def test_what_is_near_where_the_search_begins_is_found() -> None:
    """A corner that jumps onto even ground with a like one beside it."""
    before, after = (np.full((SIDE, SIDE), 150, np.uint8) for _ in range(2))
    points = spread_points()
    points[0] = 80.0, 100.0
    texture = skin(seed=4)[:24, :24]
    before[88:112, 68:92] = texture
    after[88:112, 108:132] = texture
    begin = points.copy()
    begin[np.linalg.norm(points - points[0], axis=1) < 40] += 30.0, 0.0
    lost, found = (follow(before, points, after[None], one).points[0, 0] for one in (None, begin[None]))
    assert found == pytest.approx((120.0, 100.0), abs=1.0) and abs(lost[0] - 120.0) > 5.0


def test_what_vanished_is_not_trusted() -> None:
    """Teeth that show where the lips met, a hand."""
    points = spread_points()
    points[0] = 120.0, 90.0
    covered = skin()
    covered[70:110, 100:140] = skin(seed=3)[:40, :40]
    trust = follow(skin(), points, covered[None]).trust[0]
    far = np.linalg.norm(points - points[0], axis=1) > 60
    assert trust[0] < 0.3 and trust[far].min() > 0.9


def test_the_number_of_threads_changes_nothing() -> None:
    faces = np.stack([skin(), pushed(skin(), (120.0, 90.0), (5.0, 5.0))])
    before = cv2.getNumThreads()
    try:
        results = []
        for threads in (1, 2, 3):
            cv2.setNumThreads(threads)
            results.append(follow(faces[0], spread_points(), faces).points)
            assert cv2.getNumThreads() == threads
    finally:
        cv2.setNumThreads(before)
    assert all(np.array_equal(result, results[0]) for result in results)
