"""Holding one half of a recorded face back: known shapes in, known shapes out."""

from __future__ import annotations

import dataclasses
import json

import cv2
import numpy as np
import pytest

from palsy_cli.records import SIDES, ByteImage, Clip, FloatArray, Side
from palsy_cli.simulate.held import (
    DEPTH,
    Calm,
    HeldFace,
    find_calm,
    fit_head,
    fit_similarity,
    held_truth,
    hold_frames,
    resting_shape,
    steady_points,
    unrest,
)
from palsy_cli.simulate.muscles import move_points
from palsy_cli.simulate.palsy import Lesion, house_brackmann_preset, uniform_lesion, zonal_preset
from palsy_cli.simulate.skin import face_frame, lid_gap
from palsy_cli.simulate.template import neutral_points
from palsy_cli.stages.alignment import invert, transform_points
from palsy_cli.stages.video import read_clip, write_video

#: Face frame -> pixels of a 240x240 picture, tilted by about 5 degrees.
POSE = np.array([[50.0, -4.0, 118.0], [4.0, 50.0, 95.0]])
SMILE, BLINK = {12: 1.0, 25: 0.8, 6: 0.6}, {43: 1.0}


def shape(aus: dict[int, float], level: float = 1.0) -> FloatArray:
    drives = {(au, side): level * drive for au, drive in aus.items() for side in SIDES}
    return move_points(neutral_points(), drives).points


def seen(points: FloatArray) -> FloatArray:
    return transform_points(points, POSE)


@pytest.fixture(scope="module")
def recording() -> FloatArray:
    """(40, 68, 2) pixels: at rest for a quarter of the time, smiling for the rest."""
    levels = np.concatenate([np.zeros(10), np.linspace(0, 1, 5), np.ones(25)])
    return np.stack([seen(shape(SMILE, level)) for level in levels])


@pytest.fixture(scope="module")
def picture() -> ByteImage:
    noise = np.random.default_rng(0).integers(0, 255, (240, 240, 3), np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 3.0), np.uint8)


def own_frame(points: FloatArray) -> FloatArray:
    return transform_points(points, invert(POSE))


def test_fit_similarity_finds_what_was_done() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(6, 2))
    assert np.allclose(fit_similarity(points, transform_points(points, POSE)), POSE)


@pytest.mark.parametrize("turn", [(0.15, 0.0), (0.0, -0.1), (-0.2, 0.05)])
def test_a_small_turn_of_the_head_is_told_from_expression(turn: tuple[float, float]) -> None:
    rest = neutral_points()
    turned = rest + DEPTH[:, None] * np.array(turn)
    matrix, found = fit_head(rest, seen(turned))
    assert np.dot(found, turn) > 0.6 * np.dot(turn, turn) and np.hypot(*found) <= 1.05 * np.hypot(*turn)
    left_over = transform_points(rest + DEPTH[:, None] * found, matrix) - seen(turned)
    naive = transform_points(rest, fit_similarity(rest, seen(turned))) - seen(turned)
    assert np.abs(left_over).mean() < 0.5 * np.abs(naive).mean()


def test_rest_is_the_calm_face_not_the_commonest(recording: FloatArray) -> None:
    rest, neutral, smile = resting_shape(recording), shape({}), shape(SMILE)
    frame = face_frame(neutral)
    assert np.abs(rest - transform_points(neutral, invert(frame))).max() < 0.02
    assert unrest(neutral) < 0.2 * unrest(smile) and unrest(neutral) < unrest(shape(BLINK))
    holes = recording.copy()
    holes[::2] = np.nan
    assert np.allclose(resting_shape(holes), rest, atol=0.02)
    with pytest.raises(ValueError, match="68 points"):
        resting_shape(np.full((3, 68, 2), np.nan))


def test_steady_points_bridge_short_gaps_only() -> None:
    times = np.arange(60) / 25
    points = np.tile(seen(shape({})), (60, 1, 1)) + np.arange(60)[:, None, None]
    gaps = points.copy()
    gaps[[0, 1, *range(10, 14), *range(30, 50)]] = np.nan
    steady = steady_points(gaps, times)
    missing = np.isnan(steady).all(axis=(1, 2))
    assert list(np.flatnonzero(missing)) == [0, 1, *range(30, 50)]
    inner = [*range(5, 27)]
    assert np.allclose(steady[inner], points[inner], atol=0.3)
    assert np.isnan(steady_points(np.full((3, 68, 2), np.nan), times[:3])).all()
    jitter = points + np.random.default_rng(0).normal(0, 1, points.shape)
    assert np.abs(steady_points(jitter, times) - points)[5:-5].mean() < 0.85 * np.abs(jitter - points)[5:-5].mean()


@pytest.mark.parametrize("lesion", [Lesion(), uniform_lesion(0.0, "left")])
def test_a_control_passes_through_unchanged(recording: FloatArray, picture: ByteImage, lesion: Lesion) -> None:
    face = HeldFace.of(recording, lesion)
    image, points = face.hold(picture, recording[-1], calm=Calm(picture[::-1].copy(), recording[0]))
    assert np.array_equal(image, picture) and np.allclose(points, recording[-1], atol=1e-6)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("weakness", [0.4, 1.0])
def test_the_weak_half_keeps_its_share_of_the_motion(
    recording: FloatArray, picture: ByteImage, side: Side, weakness: float
) -> None:
    image, points = HeldFace.of(recording, uniform_lesion(weakness, side)).hold(picture, recording[-1])
    held, rest, full = own_frame(points), shape({}), shape(SMILE)
    corners = {"right": 48, "left": 54}
    other: Side = "left" if side == "right" else "right"

    def moved(shape_: FloatArray, which: Side) -> float:
        return float(np.hypot(*(shape_ - rest)[corners[which]]))

    assert moved(held, side) == pytest.approx((1 - weakness) * moved(full, side), abs=0.015)
    assert moved(held, other) == pytest.approx(moved(full, other), abs=0.005)
    changed = np.abs(image.astype(int) - picture).sum(axis=(0, 2))
    share = changed[118:].sum() / changed.sum()
    assert share > 0.8 if side == "left" else share < 0.2


def test_a_turned_head_at_rest_is_not_held(recording: FloatArray, picture: ByteImage) -> None:
    face = HeldFace.of(recording, uniform_lesion(1.0, "left"))
    turned = seen(shape({}) + DEPTH[:, None] * np.array([0.15, 0.05]))
    _, points = face.hold(picture, turned)
    shift = np.hypot(*(points - turned).T)
    naive = np.hypot(*(turned - transform_points(face.rest, fit_similarity(face.rest, turned))).T)
    assert shift.mean() < 0.35 * naive.mean()


def test_a_held_eye_stays_open_with_the_calm_frames_pixels(recording: FloatArray) -> None:
    closed, white = np.zeros((240, 240, 3), np.uint8), np.full((240, 240, 3), 255, np.uint8)
    face = HeldFace.of(recording, uniform_lesion(1.0, "left"))
    blink = seen(shape(BLINK))
    image, points = face.hold(closed, blink, calm=Calm(white, recording[0]))
    assert lid_gap(own_frame(points), "left") > 0.8 * lid_gap(shape({}), "left")
    assert lid_gap(own_frame(points), "right") < 0.1 * lid_gap(shape({}), "right")
    x, y = np.round(points[42:48].mean(0)).astype(int)
    assert image[y, x].min() > 200
    image[y - 15 : y + 15, x - 22 : x + 22] = 0
    assert image.max() == 0
    assert face.hold(closed, blink)[0].max() == 0


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, recording: FloatArray) -> Clip:
    path = tmp_path_factory.mktemp("recording") / "clip.mkv"
    shades = (np.full((240, 240, 3), 4 * k, np.uint8) for k in range(len(recording)))
    write_video(shades, path, fps=20.0, lossless=True)
    return read_clip(path)


def test_frames_without_a_face_stay_as_they_are(clip: Clip, recording: FloatArray) -> None:
    points = recording.copy()
    points[3] = np.nan
    face = HeldFace.of(points, uniform_lesion(1.0, "right"))
    shown = list(hold_frames(clip, points, face, frames=6))
    assert len(shown) == 6 and np.isnan(shown[3][1]).all() and (shown[3][0] == 12).all()
    assert np.isfinite(shown[2][1]).all()
    calm = find_calm(clip, points)
    assert calm is not None and calm.image.max() <= 40 and np.allclose(calm.points, recording[0], atol=1)
    assert find_calm(clip, np.full_like(points, np.nan)) is None


def test_truth_says_what_is_known_and_why_the_rest_is_not(recording: FloatArray) -> None:
    points = recording.copy()
    points[3] = np.nan
    face = HeldFace.of(points, house_brackmann_preset(5, "right"))
    truth = json.loads(json.dumps(held_truth(face, points, fps=20.0), allow_nan=False))
    assert truth["weak_side"] == "right" and set(truth["weakness"].values()) == {0.8}
    assert truth["house_brackmann"] == 5 and truth["severity"] == "high" and truth["frames"] == len(points)
    assert truth["action_units"] is None and truth["action_units_reason"]
    assert truth["landmarks"][3] is None and len(truth["landmarks"][2]) == 68
    control = held_truth(HeldFace.of(points, Lesion()), points, fps=20.0)
    assert control["weak_side"] == "none" and set(control["weakness"].values()) == {0.0}


@pytest.mark.parametrize(("branch", "still", "moving"), [("T", 24, 54), ("Z", 44, 24), ("M", 56, 24)])
def test_one_weak_branch_holds_its_own_points(recording: FloatArray, branch: str, still: int, moving: int) -> None:
    points = np.concatenate([recording, [seen(shape({1: 1.0, 2: 1.0, 43: 0.6, **SMILE}))]])
    face = HeldFace.of(points, zonal_preset(branch, "left"))
    own, rest = own_frame(points[-1]), shape({})
    _, found = face.hold(np.zeros((240, 240, 3), np.uint8), points[-1])
    went, goes = (np.linalg.norm(own_frame(found) - start, axis=1) for start in (own, rest))
    assert goes[still] < 0.35 * np.linalg.norm((own - rest)[still]) and went[still] > 0.02
    assert went[moving] < 0.01


def test_lid_and_mouth_misfire_on_the_weak_side_alone(recording: FloatArray, picture: ByteImage) -> None:
    late = dataclasses.replace(uniform_lesion(0.2, "left"), synkinesis={(43, 12): 0.6, (12, 43): 0.6, (20, 12): 0.6})
    face, plain = (HeldFace.of(recording, lesion) for lesion in (late, uniform_lesion(0.2, "left")))
    smile, blink = recording[-1], seen(shape(BLINK))
    eyes = {side: [lid_gap(own_frame(each.hold(picture, smile)[1]), side) for each in (face, plain)] for side in SIDES}
    assert eyes["left"][0] < 0.7 * eyes["left"][1] and eyes["right"][0] == pytest.approx(eyes["right"][1], rel=0.02)
    corners = [own_frame(each.hold(picture, blink)[1]) for each in (face, plain)]
    assert corners[0][54, 1] < corners[1][54, 1] - 0.02, "the left corner is drawn up"
    assert np.allclose(corners[0][48], corners[1][48], atol=0.005)
    named = {(m["response_au"], m["trigger_au"]) for m in held_truth(face, recording, fps=20.0)["synkinesis"]}
    assert named == {(43, 12), (12, 43)}
