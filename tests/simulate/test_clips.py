"""Clips: labels, video, truth; any renderer may be plugged in."""

from __future__ import annotations

import json

import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.records import ALL_AUS
from palsy_cli.simulate.clips import (
    DrawnRenderer,
    Truth,
    drawn_clip,
    frame_count,
    gains_of,
    simulate_clip,
    simulate_frames,
    write_truth,
)
from palsy_cli.simulate.palsy import Lesion, house_brackmann_preset, synkinetic_preset, uniform_lesion
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.script import write_script
from palsy_cli.stages.regions import REGION_NAMES


class Blank:
    """A renderer that only notes what it was asked."""

    def __init__(self):
        self.asked = []

    def render(self, drives, *, lesion, view):
        self.asked.append((dict(drives), lesion, view))
        return np.full((64, 64, 3), len(self.asked) % 250, np.uint8), neutral_points() / 8


def peak(frames, au, side):
    labels = [f.labels_left if side == "left" else f.labels_right for f in frames]
    return float(np.max(np.stack(labels)[:, ALL_AUS.index(au)]))


def test_frames_follow_script_and_lesion():
    script = write_script(("open_smile",), tempo=2.0)
    lesion = uniform_lesion(0.6, "left")
    renderer = Blank()
    frames = list(simulate_frames(renderer, lesion, script, fps=10, natural=False))
    assert len(frames) == frame_count(script, 10) == len(renderer.asked)
    image, points, left, right = frames[0]
    assert image.shape == (64, 64, 3) and points.shape == (68, 2)
    assert left.shape == right.shape == (14,)
    assert np.all(left == 0) and np.all(frames[-1].labels_right == 0)
    assert peak(frames, 12, "right") == pytest.approx(5.0)
    assert peak(frames, 12, "left") == pytest.approx(2.0 + (0.4 - 0.22) / 0.23)  # phi^-1(0.4)


def test_synkinesis_reaches_the_labels():
    script = write_script(("open_smile",), tempo=2.0)
    frames = list(simulate_frames(Blank(), synkinetic_preset("right"), script, fps=10, natural=False))
    assert peak(frames, 43, "right") > 1.0
    assert peak(frames, 43, "left") == 0.0


def test_natural_people_are_uneven_and_sway():
    script = write_script(("close_smile",), tempo=2.0)
    renderer = Blank()
    frames = list(simulate_frames(renderer, Lesion(), script, fps=10, seed=4))
    assert peak(frames, 12, "left") != peak(frames, 12, "right")
    assert len({view for _, _, view in renderer.asked}) > 5
    assert max(abs(view.yaw) for _, _, view in renderer.asked) <= 1.2 + 1e-9


def test_clip_and_truth(tmp_path):
    lesion = house_brackmann_preset(5, "left")
    script = write_script(("brow_raise", "gentle_eye_closure"), tempo=3.0)
    truth = simulate_clip(tmp_path / "a.mp4", renderer=Blank(), lesion=lesion, script=script, fps=10, seed=2)
    stored = json.loads((tmp_path / "truth.json").read_text())
    assert (tmp_path / "a.mp4").stat().st_size > 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "truth.json"]
    assert stored["weak_side"] == truth.weak_side == "left"
    assert stored["house_brackmann"] == 5 and stored["severity"] == "high"
    assert stored["weakness"] == dict.fromkeys("TZBMC", 0.8)
    assert stored["fngs"]["total"] == 20
    assert stored["aus"] == list(ALL_AUS)
    assert stored["seed"] == 2
    assert np.shape(stored["action_units"]["left"]) == (stored["frames"], 14)
    assert np.shape(stored["landmarks"]) == (stored["frames"], 68, 2)
    assert len(stored["region_outlines"]) == stored["frames"]
    for points, outlines in zip(stored["landmarks"], stored["region_outlines"], strict=True):
        assert set(outlines) == set(REGION_NAMES[1:])
        assert np.allclose(outlines["left_eye"], points[42:48], atol=0.06)
    assert [m["task"] for m in stored["movements"]] == ["brow_raise", "gentle_eye_closure"]
    assert 0 <= stored["sunnybrook"]["composite"] < 50


def test_truth_is_whole_or_absent(tmp_path):
    shape = (1, 68, 2)
    broken = Truth(
        seed=0,
        lesion=Lesion(),
        gains=gains_of(0),
        script=write_script(("rest",)),
        fps=25.0,
        points=np.full(shape, np.nan),
        left=np.zeros((1, 14)),
        right=np.zeros((1, 14)),
    )
    with pytest.raises(ValueError):
        write_truth(broken, tmp_path / "truth.json")
    assert list(tmp_path.iterdir()) == []


def test_drawn_clip_is_repeatable(tmp_path):
    lesion = house_brackmann_preset(4, "right")
    truths = [
        drawn_clip(tmp_path / name / "a.mp4", lesion=lesion, tasks=("close_smile",), size=(96, 96), seed=1, tempo=4.0)
        for name in ("one", "two")
    ]
    assert np.array_equal(truths[0].points, truths[1].points)
    assert np.ptp(truths[0].points[:, 48, 1]) > 0
    first, second = ((tmp_path / name / "truth.json").read_bytes() for name in ("one", "two"))
    assert first == second


def test_drawn_frames_are_repeatable():
    script = write_script(("close_smile",), tempo=4.0)
    renderer = DrawnRenderer(Person.from_seed(1), (96, 96))
    first, second = (list(simulate_frames(renderer, Lesion(), script, fps=10, seed=1)) for _ in range(2))
    assert all(np.array_equal(a.image, b.image) for a, b in zip(first, second, strict=True))
