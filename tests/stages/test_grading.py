"""Grades from the frames of strongest movement."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from factories import neutral_points

from palsy_cli.config import GradeSettings
from palsy_cli.networks.algrnet import ALGRNet
from palsy_cli.networks.hb_cascade import HBCascade
from palsy_cli.networks.registry import build_network
from palsy_cli.records import ALL_AUS, ActionUnits, FloatArray, Grades, Keyframes
from palsy_cli.stages import alignment
from palsy_cli.stages.grading import algr_alignment, encoder_alignment, grade, peak_frames

SIDE = 320


def units(left: list[float], right: list[float] | None = None) -> ActionUnits:
    """One number a frame: the smile."""
    values = np.zeros((2, len(left), len(ALL_AUS)))
    values[0, :, ALL_AUS.index(12)] = left
    values[1, :, ALL_AUS.index(12)] = left if right is None else right
    return ActionUnits(ALL_AUS, *values)


def keyframes(count: int = 4) -> Keyframes:
    rng = np.random.default_rng(0)
    faces = np.stack([cv2.resize(rng.integers(0, 256, (10, 10, 3), np.uint8), (SIDE, SIDE)) for _ in range(count)])
    points = (neutral_points() + rng.normal(0, 3, (count, 68, 2))) * SIDE / 512
    return Keyframes(
        frames=np.arange(count) * 10,
        times_s=np.arange(count) / 25,
        confidence=np.ones(count),
        aligned=np.zeros((count, 512, 512, 3), np.uint8),
        faces=faces,
        face_points=points,
    )


def mirrored(shown: Keyframes) -> Keyframes:
    return Keyframes(
        frames=shown.frames,
        times_s=shown.times_s,
        confidence=shown.confidence,
        aligned=shown.aligned,
        faces=np.ascontiguousarray(shown.faces[:, :, ::-1]),
        face_points=alignment.mirror_points(shown.face_points, SIDE),
    )


@pytest.fixture(scope="module")
def networks() -> tuple[ALGRNet, HBCascade]:
    torch.manual_seed(1)
    algrnet, cascade = (build_network(name, "tiny").eval() for name in ("algrnet", "hb_cascade"))
    assert isinstance(algrnet, ALGRNet) and isinstance(cascade, HBCascade)
    with torch.no_grad():  # untrained heads answer nearly alike for every picture
        cascade.grader.head[-1].weight *= 20
    return algrnet, cascade


def test_peaks_are_one_a_movement() -> None:
    strengths = [0, 2, 4, 3, 0, 0, 1, 3, 1, 0, 5, 4.9, 4.8]
    assert peak_frames(units(strengths), at_most=3) == [2, 7, 10]
    assert peak_frames(units(strengths), at_most=4) == [2, 7, 10, 11], "remaining places go to the strongest others"


def test_stronger_side_counts() -> None:
    right = [0.0, 0.0, 0.0, 3.0, 0.0]
    left = [0.0, 2.0, 0.0, 0.0, 0.0]
    assert peak_frames(units(left, right), at_most=2) == peak_frames(units(right, left), at_most=2) == [1, 3]


def test_still_frames_never_count() -> None:
    assert peak_frames(units([0.0, 0.4, 0.5, 0.2]), at_most=8) == []
    assert peak_frames(units([0.0, 0.4, 0.51, 0.2]), at_most=8) == [2]


def test_no_movement_no_grade(networks: tuple[ALGRNet, HBCascade]) -> None:
    grades = grade(keyframes(), units([0.0, 0.1, 0.0, 0.2]), *networks, GradeSettings())
    assert grades.severity is None and grades.house_brackmann is None and grades.frames == ()
    assert "no facial movement" in str(grades.severity_reason)
    assert grades.house_brackmann_reason == grades.severity_reason


def graded(shown: Keyframes, networks: tuple[ALGRNet, HBCascade], *, flip: bool) -> tuple[Grades, FloatArray]:
    found = grade(shown, units([0.0, 4.0, 1.0, 3.0]), *networks, GradeSettings(peak_frames=2, flip_average=flip))
    assert found.severity is not None and found.house_brackmann is not None
    return found, np.array([*found.severity, *found.house_brackmann])


def test_probabilities(networks: tuple[ALGRNet, HBCascade]) -> None:
    found, values = graded(keyframes(), networks, flip=True)
    assert found.frames == (10, 30) and values.shape == (10,) and values.min() >= 0
    assert np.isclose(values[:4].sum(), 1) and np.isclose(values[4:].sum(), 1)
    assert found.house_brackmann_expected is not None and 1 <= found.house_brackmann_expected <= 6
    _, again = graded(keyframes(), networks, flip=True)
    assert np.array_equal(values, again)


def test_grade_does_not_depend_on_the_side(networks: tuple[ALGRNet, HBCascade]) -> None:
    difference = {}
    for flip in (True, False):
        _, plain = graded(keyframes(), networks, flip=flip)
        _, twin = graded(mirrored(keyframes()), networks, flip=flip)
        difference[flip] = np.abs(plain - twin)
    assert difference[True].max() < 0.01
    assert difference[False].max() > 5 * difference[True].max(), "without averaging it does"


@pytest.mark.parametrize("which", ["algrnet", "encoder"])
def test_crops_hold_the_face_whatever_its_pose(which: str) -> None:
    turn = np.deg2rad(20)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    seen = []
    for points in (neutral_points(), neutral_points() @ rotation.T * 0.4 + 50):
        matrix = algr_alignment(points) if which == "algrnet" else encoder_alignment(points, size=176)
        seen.append(alignment.transform_points(points, matrix))
    assert np.allclose(seen[0], seen[1], atol=1e-6)
    inner = seen[0][17:]
    assert inner.min() > 0 and inner.max() < 175
    assert np.isclose(seen[0][36:42, 1].mean(), seen[0][42:48, 1].mean()), "eyes are level"


def test_smaller_algrnet_sees_the_same_face() -> None:
    large, small = (algr_alignment(neutral_points(), crop=crop) for crop in (176, 88))
    points = alignment.transform_points(neutral_points(), large)
    assert np.allclose((points + 0.5) / 2 - 0.5, alignment.transform_points(neutral_points(), small), atol=1e-6)


def test_a_network_that_is_not_believed_gives_its_reason_instead_of_a_grade(
    networks: tuple[ALGRNet, HBCascade],
) -> None:
    found = grade(keyframes(), units([0.0, 4.0, 1.0, 3.0]), *networks, GradeSettings(), unfit={"hb_cascade": "chance"})
    assert found.house_brackmann is None and found.house_brackmann_reason == "chance"
    assert found.severity is not None and found.severity_reason is None


def test_a_temperature_makes_a_grade_less_sure_and_keeps_the_other_network(networks: tuple[ALGRNet, HBCascade]) -> None:
    shown, active = keyframes(), units([0.0, 4.0, 1.0, 3.0])
    plain = grade(shown, active, *networks, GradeSettings())
    warm = grade(shown, active, *networks, GradeSettings(), temperatures={"hb_cascade": 4.0})
    assert warm.severity == plain.severity
    assert warm.house_brackmann is not None and plain.house_brackmann is not None
    assert max(warm.house_brackmann) < max(plain.house_brackmann)
    assert np.argmax(warm.house_brackmann) == np.argmax(plain.house_brackmann)
