"""palsy benchmark, through the real entry point."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from palsy_cli.benchmark.clip import FPS, HEIGHT, WIDTH, make_clip
from palsy_cli.simulate.clips import drawn_clip
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.stages.video import iter_frames, read_clip

Run = Callable[..., Result]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A second or two of a drawn person."""
    path = tmp_path / "visit" / "patient.mp4"
    drawn_clip(
        path, lesion=house_brackmann_preset(4, "left"), tasks=("open_smile",), size=(240, 240), seed=2150, tempo=2.0
    )
    return path


@pytest.mark.slow
def test_a_recording_is_measured_and_set_beside_an_earlier_one(palsy: Run, video: Path, tmp_path: Path) -> None:
    told = palsy("benchmark", video, "--repeats", 1, "--no-literal", "--device", "cpu", "-o", "first")
    assert told.exit_code == 0, told.output
    page = Path(told.stdout.strip())
    found = json.loads(page.with_suffix(".json").read_text())
    (one,) = found["videos"]
    assert one["frames"] == sum(1 for _ in iter_frames(read_clip(video))) and one["width"] == 240
    assert sum(one["stages_s"].values()) == pytest.approx(one["assess"]["wall_s"], abs=0.01)
    assert min(one["stages_s"].values()) >= 0 and one["decode"]["wall_s"] < one["assess"]["wall_s"]
    assert found["start"]["help_s"] < found["start"]["first_frame_s"] < one["assess"]["wall_s"]
    assert one["assess"]["peak_mib"] > one["decode"]["peak_mib"] > 20

    args = ("--repeats", 1, "--no-literal", "--device", "cpu", "-o", "second", "--against", page.with_suffix(".json"))
    again = palsy("benchmark", video, *args)
    assert "## Against" in Path(again.stdout.strip()).read_text() and "ratio" in again.stderr


def test_a_made_up_recording_is_like_a_cameras(tmp_path: Path) -> None:
    clip = read_clip(make_clip(tmp_path / "made.mp4", seconds=0.2))
    assert (clip.width, clip.height, clip.fps) == (WIDTH, HEIGHT, FPS)
    assert sum(1 for _ in iter_frames(clip)) == 6


def test_a_long_recording_repeats_a_short_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palsy_cli.benchmark.clip._DRAWN_S", 0.3)
    frames = list(iter_frames(read_clip(make_clip(tmp_path / "made.mp4", seconds=0.8))))
    assert len(frames) == 24
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(24) / FPS, atol=1e-3)
    assert all(np.array_equal(frames[k].image, frames[k + 8].image) for k in range(16))


@pytest.mark.parametrize(
    ("args", "code", "reason"),
    [
        (("none.mp4", "--seconds", 5), 2, "leave it or VIDEO out"),
        (("--against", "none.json"), 2, "is no benchmark of palsy"),
        (("--landmarker", "none.task"), 2, "landmarker"),
        (("--seconds", 0.1), 2, "--seconds"),
        (("none.mp4", "--repeats", 1), 3, "none.mp4: no such file"),
    ],
)
def test_bad_input_is_one_line(palsy: Run, args: tuple[object, ...], code: int, reason: str) -> None:
    told = palsy("benchmark", *args)
    assert told.exit_code == code and told.stdout == "" and not list(Path().iterdir())
    assert reason in told.stderr and told.stderr.count("\n") == 1
