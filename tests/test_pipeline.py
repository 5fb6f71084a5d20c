"""The whole way with the shipped weights on a clip that the simulator draws: the contract's five properties."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from palsy_cli import assess, pipeline
from palsy_cli.config import Execution, Settings, load_settings
from palsy_cli.errors import NoFaceError, UsageError
from palsy_cli.pipeline import run_action_units, run_keyframes, run_landmarks
from palsy_cli.records import Assessment, ByteImage, FloatArray, Frame
from palsy_cli.report import write_report
from palsy_cli.report.terms import NOTICE
from palsy_cli.simulate.clips import DrawnRenderer, simulate_frames
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.script import write_script
from palsy_cli.stages.landmarks import ForeseenPoints
from palsy_cli.stages.video import write_video

FPS = 12.0
CPU = Execution(device="cpu")
#: A drawn person that was never trained on (``training.people.is_held_out_drawing``).
UNSEEN = 2150


@pytest.fixture(scope="module")
def shown() -> tuple[list[ByteImage], FloatArray]:
    """About three seconds of a patient with a left-sided palsy of grade V, and the true points (N, 68, 2)."""
    script = write_script(("brow_raise", "open_smile"), tempo=1.6, hold_s=0.8)
    lesion = house_brackmann_preset(5, "left")
    frames = simulate_frames(
        DrawnRenderer(Person.from_seed(UNSEEN), (320, 320)), lesion, script, fps=FPS, seed=UNSEEN, natural=False
    )
    images, points = zip(*((frame.image, frame.points) for frame in frames), strict=True)
    return list(images), np.stack(points)


@pytest.fixture(scope="module")
def clip_path(shown: tuple[list[ByteImage], FloatArray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "patient.mkv"
    write_video(shown[0], path, fps=FPS, lossless=True)
    return path


@pytest.fixture(scope="module")
def assessed(clip_path: Path) -> Assessment:
    return assess(clip_path, execution=CPU)


def _without_timings(text: str) -> str:
    return re.sub(r'"seconds":\s*\{[^}]*\}', '"seconds": {}', text)


@pytest.mark.slow
def test_a_short_clip_gives_every_part_of_an_assessment(assessed: Assessment) -> None:
    assert assessed.track.usable.all()
    assert len(assessed.keyframes.frames) >= 3
    for odds, reason in (
        (assessed.grades.severity, assessed.grades.severity_reason),
        (assessed.grades.house_brackmann, assessed.grades.house_brackmann_reason),
    ):
        assert (odds is None) == bool(reason)
        assert odds is None or sum(odds) == pytest.approx(1.0)
    assert set(assessed.models) == {"retinaface", "landmark_fcn", "ovpm", "dvpm", "algrnet", "hb_cascade"}


def test_the_points_lie_on_the_drawn_face(assessed: Assessment, shown: tuple[list[ByteImage], FloatArray]) -> None:
    truth = shown[1]
    away = np.hypot(*np.moveaxis(assessed.landmarks.points - truth, -1, 0))
    unit = np.hypot(*(truth[:, 45] - truth[:, 36]).T)
    assert np.median(away / unit[:, None]) < 0.06


def test_the_weak_side_of_a_severe_palsy_is_named(assessed: Assessment) -> None:
    assert assessed.symptoms.weak_side == "left"


def test_twice_the_same_video_gives_the_same_bytes(assessed: Assessment, clip_path: Path, tmp_path: Path) -> None:
    first = write_report(assessed, tmp_path / "first")
    second = write_report(assess(clip_path, execution=CPU), tmp_path / "second")
    for name in ("action_units.csv", "landmarks.csv"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()
    texts = [_without_timings(files["assessment.json"].read_text()) for files in (first, second)]
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["schema_version"] == "1.0"


def test_what_was_foreseen_wrongly_is_found_again(
    assessed: Assessment, clip_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faces that turn out to be somebody else's cost another decoding, and change nothing."""
    right = ForeseenPoints.add

    def beside(self: ForeseenPoints, frames: Sequence[Frame], five: FloatArray) -> None:
        right(self, frames, five + 20.0)

    monkeypatch.setattr(ForeseenPoints, "add", beside)
    other = run_action_units(clip_path, execution=CPU)
    assert np.array_equal(other[1].frames, assessed.keyframes.frames)
    np.testing.assert_allclose(other[2].left, assessed.action_units.left, atol=0.02)


def test_a_mirrored_video_gives_the_mirrored_assessment(
    assessed: Assessment, shown: tuple[list[ByteImage], FloatArray], tmp_path: Path
) -> None:
    path = tmp_path / "mirrored.mkv"
    write_video([np.ascontiguousarray(image[:, ::-1]) for image in shown[0]], path, fps=FPS, lossless=True)
    other = assess(path, execution=CPU)
    assert np.array_equal(assessed.keyframes.frames, other.keyframes.frames)
    np.testing.assert_allclose(other.action_units.left, assessed.action_units.right, atol=0.05)
    np.testing.assert_allclose(other.action_units.right, assessed.action_units.left, atol=0.05)
    exchanged = {"left": "right", "right": "left", "none": "none", None: None}
    assert other.symptoms.weak_side == exchanged[assessed.symptoms.weak_side]
    for one, two in (
        (assessed.grades.severity, other.grades.severity),
        (assessed.grades.house_brackmann, other.grades.house_brackmann),
    ):
        assert (one is None) == (two is None)
        assert one is None or two == pytest.approx(one, abs=0.02)


def test_the_mirrored_flag_undoes_a_mirrored_recording(
    assessed: Assessment, shown: tuple[list[ByteImage], FloatArray], tmp_path: Path
) -> None:
    path = tmp_path / "selfie.mkv"
    write_video([np.ascontiguousarray(image[:, ::-1]) for image in shown[0]], path, fps=FPS, lossless=True)
    selfie = assess(path, execution=CPU, mirrored=True)
    np.testing.assert_allclose(selfie.action_units.left, assessed.action_units.left, atol=1e-6)


def test_nothing_is_fetched(clip_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> socket.socket:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert assess(clip_path, execution=CPU).track.usable.any()


def test_memory_does_not_grow_with_the_length(shown: tuple[list[ByteImage], FloatArray], tmp_path: Path) -> None:
    def peak(repeats: int) -> int:
        path = tmp_path / f"{repeats}.mkv"
        write_video((image for _ in range(repeats) for image in shown[0][:8]), path, fps=FPS, lossless=True)
        tracemalloc.start()
        run_landmarks(path, execution=dataclasses.replace(CPU, batch_size=4))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1)  # models and caches
    frame = shown[0][0].nbytes
    assert peak(12) - peak(4) < 4 * frame


def test_what_fails_while_points_are_found_is_told(clip_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are found in another thread."""

    def fail(*_: object) -> None:
        raise MemoryError("not enough")

    monkeypatch.setattr(pipeline.Candidates, "add", fail)
    with pytest.raises(MemoryError, match="not enough"):
        run_keyframes(clip_path, execution=CPU)


def test_the_report_says_on_its_first_screen_what_it_is(assessed: Assessment, tmp_path: Path) -> None:
    page = write_report(assessed, tmp_path)["report.html"].read_text(encoding="utf-8")
    first = page[: page.index("</section>")] if "</section>" in page else page[:4000]
    assert NOTICE.split(".")[0] in first
    assert "not a medical device" in first
    assert "AI-generated" in page


def test_the_paper_profile_runs_literally(clip_path: Path) -> None:
    result = assess(clip_path, settings=load_settings(profile="paper"), execution=CPU)
    assert result.action_units.rest == ()
    assert result.run.profile == "paper"
    # Two helpers and whole numbers: every value is a multiple of one half.
    assert np.allclose(result.action_units.left * 2, np.round(result.action_units.left * 2))


def test_one_frame_is_too_short(shown: tuple[list[ByteImage], FloatArray], tmp_path: Path) -> None:
    path = tmp_path / "one.mkv"
    write_video(shown[0][:1], path, fps=FPS, lossless=True)
    with pytest.raises(NoFaceError, match="too short"):
        assess(path, execution=CPU)


def test_a_video_without_a_face_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.mkv"
    sky = np.tile(np.linspace(90, 200, 120, dtype=np.uint8)[:, None, None], (1, 160, 3))
    write_video([sky] * 4, path, fps=FPS, lossless=True)
    with pytest.raises(NoFaceError, match="no face"):
        assess(path, execution=CPU)


def test_a_device_that_is_not_there_is_a_wrong_usage(clip_path: Path) -> None:
    with pytest.raises(UsageError, match="abacus"):
        run_landmarks(clip_path, execution=Execution(device="abacus"))


def test_settings_reach_the_stages(clip_path: Path) -> None:
    few = dataclasses.replace(Settings().keyframes, max_keyframes=4)
    result = assess(clip_path, settings=dataclasses.replace(Settings(), keyframes=few), execution=CPU)
    assert len(result.keyframes.frames) <= 4
