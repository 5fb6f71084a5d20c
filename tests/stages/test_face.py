"""The patient's face through a clip: linking, choice, smoothing, reasons, symmetry, memory."""

from __future__ import annotations

import dataclasses
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from palsy_cli.config import FaceSettings
from palsy_cli.errors import NoFaceError
from palsy_cli.records import FRAME_REASONS, Clip, FaceTrack, Frame
from palsy_cli.stages import face as face_stage
from palsy_cli.stages.detection import Detections
from palsy_cli.stages.face import require_face, track_patient
from palsy_cli.stages.video import iter_frames, read_clip, write_video

WIDTH, HEIGHT = 320, 240
#: Tiny pictures of drawn squares are smaller and flatter than faces in videos.
SHARP_SETTINGS = FaceSettings(detect_every_s=0.0, min_eye_distance_px=8.0)
SETTINGS = dataclasses.replace(SHARP_SETTINGS, min_sharpness=0.0)
#: Five points in parts of the box: eyes, nose, mouth corners.
LAYOUT = np.array([[0.3, 0.35], [0.7, 0.35], [0.5, 0.55], [0.35, 0.8], [0.65, 0.8]])
SWAP = [1, 0, 2, 4, 3]


def face(x: float, y: float, size: float, *, score: float = 0.9, nose: float = 0.0) -> tuple[np.ndarray, ...]:
    """A detection centred at (x, y); ``nose`` shifts the nose in eye distances."""
    box = np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2])
    points = box[:2] + LAYOUT * size
    points[2, 0] += nose * (points[1, 0] - points[0, 0])
    return box, points, np.array(score)


def found(*faces: tuple[np.ndarray, ...]) -> Detections:
    if not faces:
        return Detections(np.zeros((0, 4)), np.zeros((0, 5, 2)), np.zeros(0))
    boxes, points, scores = zip(*faces, strict=True)
    return Detections(np.stack(boxes), np.stack(points), np.array(scores))


def mirrored(result: Detections) -> Detections:
    """The same detections in the mirrored picture."""
    boxes, points = result.boxes.copy(), result.points[:, SWAP].copy()
    boxes[:, 0], boxes[:, 2] = WIDTH - 1 - result.boxes[:, 2], WIDTH - 1 - result.boxes[:, 0]
    points[..., 0] = WIDTH - 1 - points[..., 0]
    return Detections(boxes, points, result.scores)


class Script:
    """A detector that answers by frame number, whatever it sees."""

    def __init__(self, answer: Callable[[int], Detections]) -> None:
        self.answer, self.seen, self.batches = answer, 0, []

    def detect(self, images: list[np.ndarray]) -> list[Detections]:
        start, self.seen = self.seen, self.seen + len(images)
        self.batches.append(len(images))
        return [self.answer(start + offset) for offset in range(len(images))]


class RedSquares:
    """A detector that finds the red square in a picture."""

    def detect(self, images: list[np.ndarray]) -> list[Detections]:
        results = []
        for image in images:
            rows, columns = np.nonzero((image[..., 0] > 150) & (image[..., 1] < 100))
            if not len(rows):
                results.append(found())
                continue
            size = columns.max() - columns.min() + 1
            results.append(found(face((columns.max() + columns.min()) / 2, (rows.max() + rows.min()) / 2, size)))
        return results


def clip_of(folder: Path, count: int, *, fps: float = 25) -> Clip:
    """Grey frames of noise; who is where is the detector's affair."""
    path = folder / f"clip{count}.mp4"
    noise = np.random.default_rng(0).integers(60, 200, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    write_video((noise for _ in range(count)), path, fps=fps)
    return read_clip(path)


def run(folder: Path, count: int, answer: Callable[[int], Detections], *, fps: float = 25) -> FaceTrack:
    return track_patient(clip_of(folder, count, fps=fps), Script(answer), SETTINGS)


def centres(track: FaceTrack) -> np.ndarray:
    return (track.boxes[:, :2] + track.boxes[:, 2:]) / 2


def test_a_moving_square_is_followed(tmp_path: Path) -> None:
    def draw() -> Iterator[np.ndarray]:
        for index in range(30):
            image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
            image[80:140, 40 + 6 * index : 100 + 6 * index] = (220, 30, 30)
            yield image

    write_video(draw(), tmp_path / "clip.mkv", fps=25, lossless=True)
    track = track_patient(read_clip(tmp_path / "clip.mkv"), RedSquares(), SETTINGS, batch_size=7)
    assert track.usable.all() and track.other_faces == 0
    np.testing.assert_allclose(centres(track)[:, 0], 69.5 + 6 * np.arange(30), atol=1e-9)
    np.testing.assert_allclose(track.times_s, np.arange(30) / 25, atol=1e-3)
    middle = slice(8, 22)  # away from the ends, an even movement is not changed by smoothing
    np.testing.assert_allclose(track.points[middle, 2, 0], centres(track)[middle, 0], atol=1e-3)


@pytest.mark.parametrize("batch_size", [1, 4, 16, 100])
def test_result_does_not_depend_on_the_batch(tmp_path: Path, batch_size: int) -> None:
    clip, done = clip_of(tmp_path, 21), []

    def answer(index: int) -> Detections:
        return found(face(100 + 3 * index, 120, 60)) if index % 5 else found()

    script = Script(answer)
    track = track_patient(clip, script, SETTINGS, batch_size=batch_size, on_frame=done.append)
    assert done == list(range(1, 22))
    assert max(script.batches) == min(batch_size, 21)
    whole = track_patient(clip, Script(answer), SETTINGS)
    np.testing.assert_array_equal(track.points, whole.points)
    assert track.reasons == whole.reasons


@pytest.mark.parametrize("batch_size", [1, 4, 16])
@pytest.mark.parametrize("smooth_s", [0.0, 0.06])
def test_the_foremost_face_has_the_points_of_the_track(tmp_path: Path, batch_size: int, smooth_s: float) -> None:
    """To the last bit, while the pictures are at hand; faces that cannot be used are not shown."""
    clip, shown = clip_of(tmp_path, 40), {}

    def answer(index: int) -> Detections:
        nose = 0.8 if index in (11, 12) else 0.0
        return found(face(100 + 3 * index % 17, 120, 60, nose=nose)) if index % 9 else found()

    def look(frames: Sequence[Frame], five: np.ndarray) -> None:
        shown.update(zip((frame.index for frame in frames), five, strict=True))

    settings = dataclasses.replace(SETTINGS, smooth_s=smooth_s)
    track = track_patient(clip, Script(answer), settings, batch_size=batch_size, on_foremost=look)
    assert list(shown) == np.flatnonzero(track.usable).tolist()
    assert track.reasons[11] == "turned_away" or smooth_s > 0
    np.testing.assert_array_equal(np.stack(list(shown.values())), track.points[track.usable])


def test_a_passer_by_may_be_foremost_without_being_the_patient(tmp_path: Path) -> None:
    shown = {}

    def answer(index: int) -> Detections:
        passer_by = [face(240, 120, 100)] if 10 <= index < 14 else []
        return found(face(100, 120, 60), *passer_by)

    def look(frames: Sequence[Frame], five: np.ndarray) -> None:
        shown.update(zip((frame.index for frame in frames), five, strict=True))

    track = track_patient(clip_of(tmp_path, 40), Script(answer), SETTINGS, on_foremost=look)
    differs = [i for i in range(40) if not np.array_equal(shown[i], track.points[i])]
    assert track.usable.all() and set(range(10, 14)) <= set(differs) <= set(range(4, 20))


def test_frames_without_a_face_stay_empty(tmp_path: Path) -> None:
    gap = range(10, 15)
    track = run(tmp_path, 25, lambda i: found() if i in gap else found(face(160, 120, 80)))
    for index in range(25):
        absent = index in gap
        assert track.reasons[index] == ("no_face" if absent else "")
        assert np.isnan(track.boxes[index]).all() == absent
        assert np.isnan(track.points[index]).all() == absent
        assert (track.confidence[index] == 0) == absent


@pytest.mark.parametrize("speed", [15, 30, 55])
def test_a_fast_move_does_not_break_the_track(tmp_path: Path, speed: int) -> None:
    """A bystander is closer to the patient's next place than the patient was."""
    path = 60 + np.abs((np.arange(40) * speed) % 400 - 200)
    track = run(tmp_path, 40, lambda i: found(face(path[i], 90, 60), face(160, 210, 40)))
    np.testing.assert_allclose(centres(track), np.stack([path, np.full(40, 90)], axis=1))


def test_the_patient_is_found_again_after_a_long_gap(tmp_path: Path) -> None:
    track = run(tmp_path, 90, lambda i: found() if 20 <= i < 70 else found(face(150 if i < 20 else 170, 120, 80)))
    assert track.usable.sum() == 40


def test_somebody_elsewhere_is_not_the_patient_after_a_gap(tmp_path: Path) -> None:
    track = run(tmp_path, 90, lambda i: found(face(160, 120, 60)) if i < 60 else found(face(20, 40, 30)))
    assert set(track.reasons[60:]) == {"no_face"}
    assert track.other_faces == 0  # never seen beside the patient


def test_the_therapist_walks_through(tmp_path: Path) -> None:
    """A larger face crosses before the patient's and hides it for a while."""

    def answer(index: int) -> Detections:
        x = -40 + 8 * (index - 30)
        walker = [face(x, 110, 75)] if 30 <= index < 80 else []
        hidden = bool(walker) and abs(x - 160) < 30
        return found(*walker, *([] if hidden else [face(160, 120, 70)]))

    track = run(tmp_path, 110, answer)
    seen = track.usable
    np.testing.assert_allclose(centres(track)[seen], [[160, 120]] * int(seen.sum()))
    assert 100 <= seen.sum() < 110
    assert track.other_faces == 1


def test_the_larger_face_is_the_patient_even_if_less_sure(tmp_path: Path) -> None:
    track = run(tmp_path, 10, lambda _: found(face(60, 120, 40, score=0.99), face(200, 120, 90, score=0.9)))
    np.testing.assert_allclose(centres(track)[:, 0], 200)
    assert track.other_faces == 1


def test_the_lasting_face_is_the_patient(tmp_path: Path) -> None:
    def answer(index: int) -> Detections:
        return found(face(120, 120, 60), *([face(230, 120, 100)] if index < 10 else []))

    track = run(tmp_path, 60, answer)
    np.testing.assert_allclose(centres(track)[:, 0], 120)


@pytest.mark.parametrize(("other_x", "patient_x"), [(40, 200), (250, 110)])
def test_of_two_equal_faces_the_central_one_is_the_patient(tmp_path: Path, other_x: int, patient_x: int) -> None:
    for order in (1, -1):
        pair = [face(other_x, 120, 60), face(patient_x, 120, 60)][::order]
        track = run(tmp_path, 8, lambda _, pair=pair: found(*pair))
        np.testing.assert_allclose(centres(track)[:, 0], patient_x)
        assert track.other_faces == 1


def test_two_faces_alike_in_all_are_told_apart_the_same_way_every_time(tmp_path: Path) -> None:
    middle = (WIDTH - 1) / 2
    chosen = set()
    for order in (1, -1):
        pair = [face(middle - 70, 120, 60), face(middle + 70, 120, 60)][::order]
        flat = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
        write_video([flat] * 8, tmp_path / "flat.mp4", fps=25)
        track = track_patient(read_clip(tmp_path / "flat.mp4"), Script(lambda _, p=pair: found(*p)), SETTINGS)
        chosen.add(float(centres(track)[0, 0]))
        assert track.usable.all() and track.other_faces == 1
    assert len(chosen) == 1


def test_earlier_wins_between_equals(tmp_path: Path) -> None:
    middle = (WIDTH - 1) / 2
    flat = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    write_video([flat] * 30, tmp_path / "flat.mp4", fps=25)
    for sign in (1, -1):

        def answer(index: int, sign: int = sign) -> Detections:
            early = [face(middle + sign * 70, 120, 60)] if index < 20 else []
            late = [face(middle - sign * 70, 120, 60)] if index >= 10 else []
            return found(*late, *early)

        track = track_patient(read_clip(tmp_path / "flat.mp4"), Script(answer), SETTINGS)
        np.testing.assert_allclose(centres(track)[:20, 0], middle + sign * 70)


def test_a_passing_false_alarm_is_no_other_face(tmp_path: Path) -> None:
    track = run(tmp_path, 50, lambda i: found(face(160, 120, 70), *([face(40, 40, 30)] if i in (7, 8) else [])))
    assert track.other_faces == 0


def test_broken_tracks_of_one_bystander_count_once(tmp_path: Path) -> None:
    def answer(index: int) -> Detections:
        shown = index < 40 or 80 <= index < 120
        return found(face(160, 120, 80), *([face(40, 60, 40)] if shown else []))

    assert run(tmp_path, 120, answer).other_faces == 1


def test_a_detection_inside_the_face_is_not_another(tmp_path: Path) -> None:
    track = run(tmp_path, 10, lambda _: found(face(160, 120, 100), face(170, 130, 40, score=0.7)))
    assert track.other_faces == 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (face(160, 120, 80), ""),
        (face(160, 120, 15), "too_small"),
        (face(5, 120, 80), "cut_off"),
        (face(160, 225, 80), "cut_off"),
        (face(30, 120, 80), ""),
        (face(160, 120, 80, nose=0.6), "turned_away"),
        (face(160, 120, 80, nose=-0.6), "turned_away"),
        (face(160, 120, 80, nose=0.3), ""),
        (face(2, 120, 15), "too_small"),
        (face(5, 120, 80, nose=0.6), "cut_off"),
    ],
)
def test_the_first_reason_that_applies(tmp_path: Path, answer: tuple[np.ndarray, ...], reason: str) -> None:
    track = run(tmp_path, 3, lambda _: found(answer))
    assert set(track.reasons) == {reason}
    assert reason in {"", *FRAME_REASONS}
    assert np.isfinite(track.boxes).all()


def test_a_tilted_head_is_not_turned_away(tmp_path: Path) -> None:
    box, points, score = face(160, 120, 80)
    angle = np.deg2rad(35)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    tilted = (points - points.mean(axis=0)) @ turn.T + points.mean(axis=0)
    assert set(run(tmp_path, 2, lambda _: found((box, tilted, score))).reasons) == {""}


def test_blur_is_seen(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    flat = np.full_like(noise, 128)
    write_video([noise, flat, noise], tmp_path / "clip.mkv", fps=25, lossless=True)
    clip = read_clip(tmp_path / "clip.mkv")
    track = track_patient(clip, Script(lambda _: found(face(160, 120, 80))), SHARP_SETTINGS)
    assert track.reasons == ("", "blurred", "")


def test_smoothing_calms_trembling_and_weighs_by_confidence(tmp_path: Path) -> None:
    draw = np.random.default_rng(3)
    jitter = draw.normal(0, 2, (50, 5, 2))

    def answer(index: int) -> Detections:
        box, points, score = face(160, 120, 80)
        if index == 25:  # a wild and doubtful detection
            return found((box, points + 30, np.array(0.01)))
        return found((box, points + jitter[index], score))

    track = run(tmp_path, 50, answer)
    _, true, _ = face(160, 120, 80)
    error = track.points - true
    assert error.std() < 0.75 * jitter.std()
    assert np.abs(error[25]).max() < 5
    raw = track_patient(clip_of(tmp_path, 50), Script(answer), dataclasses.replace(SHARP_SETTINGS, smooth_s=0.0))
    np.testing.assert_allclose(raw.points[3], true + jitter[3])


def test_nothing_is_averaged_across_a_jump(tmp_path: Path) -> None:
    track = run(tmp_path, 20, lambda i: found(face(100 if i < 10 else 170, 120, 80)))
    np.testing.assert_allclose(track.points[:, 2, 0], [100] * 10 + [170] * 10)


def test_a_mirrored_picture_gives_the_mirrored_track(tmp_path: Path) -> None:
    draw = np.random.default_rng(4)
    places = np.cumsum(draw.normal(0, 4, (60, 2)), axis=0) + [130, 110]
    noses = 0.7 * np.sin(np.arange(60) / 6)

    def answer(index: int) -> Detections:
        patient = face(*places[index], 70, nose=noses[index], score=0.7 + 0.2 * (index % 3) / 2)
        other = [face(280 - index, 60, 45)] if 10 < index < 50 else []
        return found(*([] if index in (20, 21) else [patient]), *other)

    noise = draw.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    write_video([noise] * 60, tmp_path / "a.mkv", fps=25, lossless=True)
    write_video([noise[:, ::-1]] * 60, tmp_path / "b.mkv", fps=25, lossless=True)
    plain = track_patient(read_clip(tmp_path / "a.mkv"), Script(answer), SHARP_SETTINGS)
    flipped = track_patient(read_clip(tmp_path / "b.mkv"), Script(lambda i: mirrored(answer(i))), SHARP_SETTINGS)
    assert plain.reasons == flipped.reasons and "turned_away" in plain.reasons and "" in plain.reasons
    assert plain.other_faces == flipped.other_faces == 1
    expected = mirrored(Detections(plain.boxes, plain.points, plain.confidence))
    np.testing.assert_allclose(flipped.boxes, expected.boxes, atol=1e-9)
    np.testing.assert_allclose(flipped.points, expected.points, atol=1e-9)
    np.testing.assert_array_equal(flipped.confidence, plain.confidence)


def test_numbers_that_are_none_are_dropped(tmp_path: Path) -> None:
    box, points, score = face(160, 120, 80)
    bad = [
        (box * np.nan, points, score),
        (box, points * np.inf, score),
        (box, points, np.array(np.nan)),
        (box[[2, 1, 0, 3]], points, score),
    ]
    assert set(run(tmp_path, 4, lambda i: found(bad[i])).reasons) == {"no_face"}
    assert set(run(tmp_path, 4, lambda i: found(bad[i], (box, points, score))).reasons) == {""}


def test_one_frame(tmp_path: Path) -> None:
    track = run(tmp_path, 1, lambda _: found(face(160, 120, 80), face(40, 60, 40)))
    assert track.reasons == ("",) and track.other_faces == 1
    np.testing.assert_allclose(track.points[0], face(160, 120, 80)[1])


def test_folder_of_photographs_is_one_patient_wherever_the_face_is(tmp_path: Path) -> None:
    import cv2

    photographs = np.random.default_rng(0).integers(0, 256, (6, HEIGHT, WIDTH, 3), dtype=np.uint8)
    for index, image in enumerate(photographs):
        upright = image if index % 2 else np.ascontiguousarray(image.transpose(1, 0, 2))
        cv2.imwrite(str(tmp_path / f"{index}.png"), upright)
    places = [face(80, 80, 70), None, face(150, 120, 130), face(90, 150, 60), face(250, 90, 80), face(100, 100, 90)]
    script = Script(lambda i: found(*([places[i]] if places[i] else [])))
    track = track_patient(read_clip(tmp_path), script, SETTINGS)
    assert track.reasons == ("", "no_face", "", "", "cut_off", "")


def test_require_face_passes_one_usable_frame(tmp_path: Path) -> None:
    track = run(tmp_path, 9, lambda i: found(face(160, 120, 80)) if i == 4 else found())
    require_face(track, "clip.mp4")
    assert track.usable.sum() == 1


@pytest.mark.parametrize(
    ("answer", "parts"),
    [
        (lambda _: found(), ["no face found", "9 frames looked at"]),
        (lambda _: found(face(160, 120, 15)), ["no usable face", "9 frames looked at", "face in 9", "too small"]),
        (
            lambda i: found(face(160, 120, 80, nose=0.6)) if i > 1 else found(face(160, 228, 80)),
            ["turned away", "9 frames looked at", "face in 9"],
        ),
        (lambda i: found(face(5, 120, 80)) if i == 3 else found(), ["leaves the picture", "face in 1"]),
    ],
)
def test_require_face_says_what_is_wrong(tmp_path: Path, answer: Callable[[int], Detections], parts: list[str]) -> None:
    track = track_patient(clip_of(tmp_path, 9), Script(answer), dataclasses.replace(SETTINGS, smooth_s=0.0))
    with pytest.raises(NoFaceError) as caught:
        require_face(track, tmp_path / "clip.mp4")
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert "clip.mp4" in message and "\n" not in message and ";" in message
    for part in parts:
        assert part in message


def test_no_frame_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_stage, "iter_frames", lambda clip: (frame for frame in ()))
    clip = Clip(path=Path("gone.mp4"), sha256="", fps=25.0, width=64, height=48)
    track = track_patient(clip, Script(lambda _: found()), SETTINGS)
    assert track.reasons == () and track.boxes.shape == (0, 4) and track.points.shape == (0, 5, 2)
    with pytest.raises(NoFaceError, match="0 frames"):
        require_face(track, clip.path)


def test_the_file_is_closed_when_the_detector_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []

    def watched(clip: Clip) -> Iterator[object]:
        try:
            yield from iter_frames(clip)
        finally:
            closed.append(True)

    def fail(index: int) -> Detections:
        raise RuntimeError("the detector failed")

    monkeypatch.setattr(face_stage, "iter_frames", watched)
    with pytest.raises(RuntimeError) as caught:
        track_patient(clip_of(tmp_path, 40), Script(fail), SETTINGS, batch_size=4)
    assert closed and caught.value.args == ("the detector failed",)


def peak_bytes(clip: Clip) -> int:
    tracemalloc.start()
    try:
        track_patient(clip, Script(lambda i: found(face(100 + i % 50, 120, 60))), SETTINGS, batch_size=8)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """450 further frames are 100 MB of pixels; they may cost a few kilobytes of numbers each."""
    short, long = clip_of(tmp_path, 50), clip_of(tmp_path, 500)
    peak_bytes(short)
    assert peak_bytes(long) - peak_bytes(short) < 450 * 4096
