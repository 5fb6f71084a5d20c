"""A photo moved by the training rig: lids that meet, lips that press, heads that turn without folding."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palsy_cli.datasets.people import read_photos, read_rig
from palsy_cli.records import FloatArray, Side
from palsy_cli.simulate.muscles import Drives
from palsy_cli.simulate.photo import LIDS, MOUTH, Act, PhotoFace, Pose, Slit
from palsy_cli.simulate.warp import MouthLook
from palsy_cli.simulate.wrinkles import SkinLook


@pytest.fixture(scope="module")
def face(data: Path) -> PhotoFace:
    photo = next(photo for photo in read_photos(data) if photo.calm)
    look = MouthLook.draw(np.random.default_rng(0), unit_px=75)
    return PhotoFace(photo.read(), photo.points, read_rig(data), look, SkinLook(age=0.5, lamp=1.0))


def shown(face: PhotoFace, drives: Drives, yaw: float = 0.0) -> FloatArray:
    return face.render([Act(drives, pose=Pose(yaw=yaw))])[0].points


def opening(points: FloatArray, slit: Slit) -> FloatArray:
    return np.asarray(points[list(slit.lower[-1]), 1] - points[list(slit.upper[-1]), 1])


@pytest.mark.parametrize("side", ["left", "right"])
def test_closure_is_a_share_of_the_eyes_own_opening(face: PhotoFace, side: Side) -> None:
    own = opening(face.points, LIDS[side])
    half = opening(shown(face, {(43, side): 0.5}), LIDS[side])
    closed = opening(shown(face, {(43, side): 1.0}), LIDS[side])
    assert np.allclose(half, np.maximum(0.5 * own, np.minimum(own, 1.0)), atol=1e-6)
    assert closed.min() > 0 and closed.max() <= 1.0 + 1e-6
    other: Side = "right" if side == "left" else "left"
    assert np.allclose(opening(shown(face, {(43, side): 1.0}), LIDS[other]), opening(face.points, LIDS[other]))


@pytest.mark.parametrize("au", [15, 17, 18, 24, 26])
def test_lips_never_pass_through_each_other(face: PhotoFace, au: int) -> None:
    moved = shown(face, {(au, "left"): 1.0, (au, "right"): 0.3})
    assert opening(moved, MOUTH).min() > -1e-6


def test_a_turn_keeps_the_order_of_the_points_across_the_face(face: PhotoFace) -> None:
    across = [1, 31, 36, 39, 42, 45, 15]  # jaw, nose and eyes of the 68, from image-left to image-right
    for yaw in (-12.0, 12.0):
        x = shown(face, {}, yaw)[face.rig.index68][across, 0]
        assert x[0] < x[2] < x[3] < x[4] < x[5] < x[6]
