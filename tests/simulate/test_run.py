"""``simulate_patient``: from nobody, a photo and a video; whole or not at all; errors in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from palsy_cli.config import Execution, Settings
from palsy_cli.errors import ModelError, NoFaceError, PalsyError, UsageError, VideoError
from palsy_cli.networks import weights
from palsy_cli.records import FloatArray
from palsy_cli.simulate import run
from palsy_cli.simulate.palsy import SYNKINESIS_PAIRS
from palsy_cli.simulate.person import Person, draw_person
from palsy_cli.simulate.run import lesion_of, script_of_length, simulate_patient
from palsy_cli.simulate.script import PROTOCOL, write_script
from palsy_cli.stages import detection
from palsy_cli.stages.detection import Detections
from palsy_cli.stages.video import iter_frames, read_clip, write_video


def simulate(out: Path, **options: Any) -> Path:
    return simulate_patient(out, **{"settings": Settings(), "execution": Execution(), "fps": 5.0, **options})


def truth_of(video: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((video.parent / "truth.json").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo and a video of drawn people, and their points."""
    folder = tmp_path_factory.mktemp("media")
    levels = (0.0, 0.0, 0.0, 0.5, 1.0, 1.0)
    shown = [
        draw_person(Person(), {(12, side): level for side in ("left", "right")}, size=(240, 250)) for level in levels
    ]
    cv2.imwrite(str(folder / "photo.png"), shown[0][0][..., ::-1])
    write_video((image for image, _ in shown), folder / "video.mkv", fps=12.0, lossless=True)
    np.save(folder / "points.npy", np.stack([points for _, points in shown]))
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def points(media: Path, monkeypatch: pytest.MonkeyPatch) -> FloatArray:
    """Known points in place of the networks'."""
    known: FloatArray = np.load(media / "points.npy")
    monkeypatch.setattr(run, "find_points", lambda clip, *_: known[:1] if clip.kind == "image" else known)
    return known


@pytest.mark.parametrize("seconds", [1.0, 1.5, 2.0, 3.7, 8.0, 11.04, 11.06, 18.0, 22.1, 30.0, 61.0])
def test_scripts_have_the_length_that_was_asked_for(seconds: float) -> None:
    script = script_of_length(seconds)
    assert script.duration_s == pytest.approx(seconds)
    assert 0.25 - 1e-9 <= script.onset_s <= 0.5 + 1e-9
    tasks = [move.task for move in script.movements]
    assert len(tasks) >= 1 and (seconds < 11.05 or tasks[:8] == list(PROTOCOL))
    if 2.0 < seconds < 11.05:
        assert tasks[:2] == ["brow_raise", "gentle_eye_closure"] and len(set(tasks)) == len(tasks)
    assert all(move.start_s > 0 for move in script.movements)


def test_the_protocol_is_the_default() -> None:
    assert script_of_length(None) == write_script()
    assert len(script_of_length(50.0).movements) == 2 * len(PROTOCOL)


def test_lesions_follow_grade_side_and_synkinesis(caplog: pytest.LogCaptureFixture) -> None:
    assert lesion_of("none", grade=6).side == lesion_of("left", grade=1).side == "none"
    weak = lesion_of("right", grade=4)
    assert weak.side == "right" and set(weak.weakness.values()) == {0.6} and not weak.synkinesis
    brow = lesion_of("left", grade=6, branch="T")
    assert brow.weakness == {"T": 1.0} and brow.side == "left"
    late = lesion_of("left", grade=3, synkinesis=0.3)
    assert late.chronic and dict(late.synkinesis) == dict.fromkeys(SYNKINESIS_PAIRS, 0.3)
    assert not caplog.records
    assert not lesion_of("left", grade=5, synkinesis=0.3).synkinesis and "synkinesis" in caplog.text


def test_a_drawn_patient(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "folder"
    video = simulate(out, side="right", grade=4, seed=3, seconds=1.0)
    assert video == out / "patient.mp4" and {p.name for p in out.iterdir()} == {"patient.mp4", "truth.json"}
    clip, truth = read_clip(video), truth_of(video)
    assert (clip.width, clip.height, clip.fps) == (512, 512, 5.0)
    assert truth["weak_side"] == "right" and truth["house_brackmann"] == 4 and truth["frames"] == 5
    assert truth["source"] == {"kind": "drawn", "sha256": None}
    first = video.read_bytes()
    assert simulate(out, side="right", grade=4, seed=3, seconds=1.0).read_bytes() == first


def test_a_photo_becomes_a_patient(tmp_path: Path, media: Path, points: FloatArray) -> None:
    video = simulate(tmp_path, source=media / "photo.png", side="left", grade=6, seconds=1.0)
    clip, truth = read_clip(video), truth_of(video)
    assert clip.width == clip.height and clip.width % 2 == 0
    assert truth["source"]["kind"] == "photo" and len(truth["source"]["sha256"]) == 64
    found = np.array(truth["landmarks"])
    rise = found[0, :, 1] - found[:, :, 1].min(0)
    assert rise[17:22].mean() > rise[22:27].mean() + 3, "the left brow stays down"
    left, right = (np.array(truth["action_units"][side])[:, 0] for side in ("left", "right"))
    assert left.max() == 0 < right.max()
    assert {p.stat().st_mode & 0o777 for p in tmp_path.iterdir()} == {0o600}


def test_a_video_keeps_its_pace_and_hides_what_is_unknown(tmp_path: Path, media: Path, points: FloatArray) -> None:
    video = simulate(tmp_path, source=media / "video.mkv", side="left", grade=6)
    clip, truth = read_clip(video), truth_of(video)
    assert clip.fps == 12.0 and truth["fps"] == 12.0 and truth["frames"] == len(points)
    assert truth["action_units"] is None and truth["source"]["kind"] == "video"
    moved = np.abs(np.array(truth["landmarks"])[-1] - points[-1]).max(1)
    assert moved[54] > 3 and moved[48] < 0.5
    short = simulate(tmp_path / "short", source=media / "video.mkv", side="none", seconds=1.0)
    assert truth_of(short)["weak_side"] == "none" and truth_of(short)["house_brackmann"] == 1
    ends = [list(iter_frames(read_clip(path)))[-1].image.astype(int) for path in (short, media / "video.mkv")]
    assert np.abs(ends[0] - ends[1]).mean() < 4


@pytest.mark.parametrize(
    "options",
    [
        {"side": "both"}, {"grade": 0}, {"grade": 7}, {"synkinesis": 1.5}, {"fps": 0.0}, {"seconds": 0.2},
        {"branch": "X"}, {"side": "none", "synkinesis": 0.3}, {"grade": 1, "synkinesis": 0.3},
        {"seconds": float("nan")},
    ],
)  # fmt: skip
def test_values_out_of_range_are_usage_errors(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        simulate(tmp_path / "out", **options)
    assert "\n" not in str(caught.value) and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "options", "kind"),
    [
        ("absent.jpg", {}, VideoError),
        ("broken.jpg", {}, VideoError),
        ("", {}, UsageError),
    ],
)
def test_sources_that_cannot_be_used(
    tmp_path: Path, media: Path, name: str, options: dict[str, Any], kind: type[PalsyError]
) -> None:
    with pytest.raises(kind) as caught:
        simulate(tmp_path / "out", source=media / name, **options)
    assert "\n" not in str(caught.value) and str(media) in str(caught.value) and not (tmp_path / "out").exists()


def test_missing_networks_are_a_model_error(tmp_path: Path, media: Path) -> None:
    with pytest.raises(ModelError):
        simulate(tmp_path / "out", source=media / "photo.png", execution=Execution(models_dir=tmp_path))
    assert not (tmp_path / "out").exists()


def test_a_picture_without_a_face(tmp_path: Path, media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Blind:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def detect(self, images: list[Any]) -> list[Detections]:
            return [Detections(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0)) for _ in images]

    class Models:
        device = "cpu"

        @staticmethod
        def of(execution: Execution) -> Models:
            return Models()

        def get(self, name: str) -> Any:
            return type("Loaded", (), {"module": None})

    monkeypatch.setattr(detection, "OwnDetector", Blind)
    monkeypatch.setattr(weights, "ModelSet", Models)
    with pytest.raises(NoFaceError, match=r"photo\.png"):
        simulate(tmp_path / "out", source=media / "photo.png", execution=Execution(device="cpu", models_dir=media))
    assert not (tmp_path / "out").exists()


def test_an_unavailable_device_is_a_usage_error(tmp_path: Path, media: Path) -> None:
    with pytest.raises(UsageError, match="device"):
        simulate(tmp_path, source=media / "photo.png", execution=Execution(device="abacus", models_dir=media))


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UsageError, match="cannot be written"):
            simulate(out, seconds=1.0)
    assert (tmp_path / "file").read_text() == "in the way"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, OSError])
def test_nothing_half_written_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    def broken(path: Path, **_: Any) -> None:
        path.write_bytes(b"half")
        raise failure("stopped")

    monkeypatch.setattr(run, "simulate_clip", broken)
    with pytest.raises(UsageError if failure is OSError else failure):
        simulate(tmp_path / "new" / "out", seconds=1.0)
    assert not list(tmp_path.iterdir())
    (tmp_path / "truth.json").write_text("before")
    with pytest.raises((failure, UsageError)):
        simulate(tmp_path, seconds=1.0)
    assert [p.name for p in tmp_path.iterdir()] == ["truth.json"]
    assert (tmp_path / "truth.json").read_text() == "before"
