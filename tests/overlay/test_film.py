"""The film of an assessment: frames, times, sides, what it may show, and that it is whole or not there."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from filmed import HEIGHT, NO_FACE, TIMES_S, WIDTH, Recorded, grey

from palsy_cli.errors import UsageError, VideoError
from palsy_cli.overlay import film
from palsy_cli.overlay.film import Painter, write_overlay
from palsy_cli.overlay.layout import STAGE_PX, lay_out
from palsy_cli.records import ByteImage, Frame
from palsy_cli.stages.video import iter_frames, read_clip, write_video


def frames_of(path: Path) -> list[Frame]:
    return list(iter_frames(read_clip(path)))


@pytest.mark.parametrize("deidentify", [False, True])
def test_every_frame_is_there_at_its_time(tmp_path: Path, recorded: Recorded, deidentify: bool) -> None:
    told: list[tuple[str, int, int | None]] = []
    assessment = recorded(tmp_path / "visit.mp4")
    path = write_overlay(
        assessment, tmp_path / "film.mp4", deidentify=deidentify, on_progress=lambda *each: told.append(each)
    )
    assert path == tmp_path / "film.mp4"
    times_s = [frame.time_s for frame in frames_of(path)]
    np.testing.assert_allclose(times_s, TIMES_S, atol=1e-5)
    np.testing.assert_allclose(times_s, [frame.time_s for frame in frames_of(tmp_path / "visit.mp4")], atol=1e-5)
    assert told == [("overlay", done, len(TIMES_S)) for done in range(1, len(TIMES_S) + 1)]
    layout = lay_out(STAGE_PX, STAGE_PX) if deidentify else lay_out(WIDTH, HEIGHT)
    clip = read_clip(path)
    assert (clip.width, clip.height) == (layout.width, layout.height)


@pytest.mark.skipif(os.name == "nt", reason="no POSIX modes")
def test_the_owner_alone_may_see_it_and_nobody_may_hear_it(tmp_path: Path, recorded: Recorded) -> None:
    path = write_overlay(recorded(tmp_path / "visit.mp4"), tmp_path / "new" / "film.mp4")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with av.open(str(path)) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert not {"title", "comment", "location", "creation_time"} & set(container.metadata)
    assert b"visit" not in path.read_bytes()


def test_no_pixel_of_the_patient_is_in_a_deidentified_film(
    tmp_path: Path, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same record, other pixels: the same film; with the pictures in it, another. The video may have gone."""
    digests: list[str] = []
    encode = film.write_video

    def digest(frames: Iterable[ByteImage], path: Path, **options: Any) -> None:
        drawn = [frame.tobytes() for frame in frames]
        digests.append(hashlib.sha256(b"".join(drawn) + repr(options).encode()).hexdigest())

    monkeypatch.setattr(film, "write_video", digest)
    for name, shades in {"dark.mp4": [20] * len(TIMES_S), "light.mp4": [200, 30, 90, 220, 10, 70, 180]}.items():
        assessment = recorded(tmp_path / name, shades=shades)
        write_overlay(assessment, tmp_path / "film.mp4")
        (tmp_path / name).unlink()
        write_overlay(assessment, tmp_path / "film.mp4", deidentify=True)
    assert digests[0] != digests[2] and digests[1] == digests[3]
    monkeypatch.setattr(film, "write_video", encode)
    assert len(frames_of(write_overlay(assessment, tmp_path / "film.mp4", deidentify=True))) == len(TIMES_S)


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_picture_is_shown_as_a_visitor_sees_the_patient(tmp_path: Path, recorded: Recorded, mirrored: bool) -> None:
    """A mirrored recording is turned back, as everywhere."""
    assessment = recorded(tmp_path / "visit.mp4")
    half = grey(40)
    half[:, WIDTH // 2 :] = 200
    write_video([half] * len(TIMES_S), tmp_path / "visit.mp4", fps=5.0, times_s=TIMES_S)
    assessment = dataclasses.replace(assessment, clip=read_clip(tmp_path / "visit.mp4", mirrored=mirrored))
    shown = frames_of(write_overlay(assessment, tmp_path / "film.mp4"))[0].image
    wide, tall = lay_out(WIDTH, HEIGHT).picture
    right, left = shown[: tall // 20, : wide // 3].mean(), shown[: tall // 20, wide * 2 // 3 : wide].mean()
    assert (right > left) == mirrored and abs(right - left) > 100


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), RuntimeError("x"), VideoError("gone")])
def test_nothing_is_left_of_a_film_that_failed(
    tmp_path: Path, recorded: Recorded, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    assessment = recorded(tmp_path / "visit.mp4")
    paint = Painter.paint

    def failing(self: Painter, frame: int, picture: ByteImage) -> ByteImage:
        if frame == 3:
            raise failure
        return paint(self, frame, picture)

    monkeypatch.setattr(Painter, "paint", failing)
    (tmp_path / "old.mp4").write_bytes(b"old")
    for name in ("new.mp4", "old.mp4"):
        with pytest.raises(type(failure)):
            write_overlay(assessment, tmp_path / name)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["old.mp4", "visit.mp4"]
    assert (tmp_path / "old.mp4").read_bytes() == b"old"


@pytest.mark.parametrize("count", [len(TIMES_S) - 1, len(TIMES_S) + 1])
def test_another_video_under_the_name_is_noticed(tmp_path: Path, recorded: Recorded, count: int) -> None:
    assessment = recorded(tmp_path / "visit.mp4")
    write_video([grey(60)] * count, tmp_path / "visit.mp4", fps=5.0)
    with pytest.raises(VideoError, match="another video"):
        write_overlay(assessment, tmp_path / "film.mp4")
    (tmp_path / "visit.mp4").unlink()
    with pytest.raises(VideoError):
        write_overlay(assessment, tmp_path / "film.mp4")
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_film_of_pictures(tmp_path: Path, recorded: Recorded) -> None:
    assessment = recorded(tmp_path / "visit.mp4")
    picture = dataclasses.replace(assessment, clip=dataclasses.replace(assessment.clip, fps=None))
    with pytest.raises(UsageError, match="no time"):
        write_overlay(picture, tmp_path / "film.mp4")


def test_frames_are_not_held(tmp_path: Path, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 0

    def watch(frames: Iterable[ByteImage], path: Path, **_: Any) -> None:
        nonlocal most
        drawn: list[weakref.ref[ByteImage]] = []
        for frame in frames:
            drawn.append(weakref.ref(frame))
            most = max(most, sum(each() is not None for each in drawn))
        assert len(drawn) == len(TIMES_S)

    monkeypatch.setattr(film, "write_video", watch)
    for deidentify in (False, True):
        write_overlay(recorded(tmp_path / "visit.mp4"), tmp_path / "film.mp4", deidentify=deidentify)
    assert most <= 2


def test_a_frame_without_a_face_says_why_and_has_no_lines(tmp_path: Path, recorded: Recorded) -> None:
    """Lines are drawn on every other frame; under the note and on the panel nothing differs but time."""
    frames = frames_of(write_overlay(recorded(tmp_path / "visit.mp4"), tmp_path / "film.mp4"))
    wide, tall = lay_out(WIDTH, HEIGHT).picture

    def drawn(frame: Frame) -> float:
        """Share of the picture's upper three quarters that is not as grey as the recording."""
        away = np.abs(frame.image[: tall * 3 // 4, :wide].astype(int) - 60).max(axis=2)
        return float((away > 40).mean())

    for frame in frames:
        assert (drawn(frame) < 1e-4) == (frame.index == NO_FACE), frame.index
    note = frames[NO_FACE].image[tall * 9 // 10 :, : wide // 4]
    assert (note > 200).mean() > 0.1 and (frames[0].image[tall * 9 // 10 :, : wide // 4] > 200).mean() < 0.01
