"""Whatever a user names by mistake ends in one line: what, where, what to do next."""

from __future__ import annotations

import os
import wave
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from palsy_cli.errors import VideoError
from palsy_cli.stages.video import iter_frames, read_clip, write_video


def images(count: int, side: int = 96) -> list[np.ndarray]:
    """Noise that a codec cannot shrink, so that cutting bytes cuts frames."""
    return list(np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8))


def sound(path: Path, codec: str, container_format: str | None = None) -> None:
    """A file with sound only."""
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def missing(folder: Path) -> Path:
    return folder / "nothing.mp4"


def empty_folder(folder: Path) -> Path:
    (folder / "holiday.txt").write_text("no images here")
    return folder


def empty_file(folder: Path) -> Path:
    (folder / "clip.mp4").write_bytes(b"")
    return folder / "clip.mp4"


def text(folder: Path) -> Path:
    (folder / "clip.mp4").write_text("dear diary\n" * 300)
    return folder / "clip.mp4"


def playlist(folder: Path) -> Path:
    write_video(images(2), folder / "real.mp4", fps=25)
    (folder / "clip.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nreal.mp4\n#EXT-X-ENDLIST\n")
    return folder / "clip.mp4"


def concat_list(folder: Path) -> Path:
    write_video(images(2), folder / "real.mp4", fps=25)
    (folder / "clip.mp4").write_text("ffconcat version 1.0\nfile real.mp4\n")
    return folder / "clip.mp4"


def wav(folder: Path) -> Path:
    with wave.open(str(folder / "voice.wav"), "wb") as out:
        out.setparams((1, 2, 16000, 0, "NONE", ""))
        out.writeframes(bytes(3200))
    return folder / "voice.wav"


def sound_mp4(folder: Path) -> Path:
    sound(folder / "voice.mp4", "aac")
    return folder / "voice.mp4"


def without_index(folder: Path) -> Path:
    write_video(images(5), folder / "whole.mp4", fps=25)
    data = (folder / "whole.mp4").read_bytes()
    (folder / "clip.mp4").write_bytes(data[: len(data) // 2])
    return folder / "clip.mp4"


def header_only(folder: Path) -> Path:
    write_video(images(5), folder / "whole.avi", fps=25)
    data = (folder / "whole.avi").read_bytes()
    (folder / "clip.avi").write_bytes(data[: data.index(b"movi") + 4])
    return folder / "clip.avi"


def no_image(folder: Path) -> Path:
    (folder / "face.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"rubbish" * 20)
    return folder / "face.png"


def folder_of_rubbish(folder: Path) -> Path:
    (folder / "1.jpg").write_bytes(b"rubbish")
    (folder / "2.png").write_bytes(b"")
    return folder


def tiny_image(folder: Path) -> Path:
    cv2.imwrite(str(folder / "dot.png"), np.zeros((7, 40, 3), np.uint8))
    return folder / "dot.png"


def pipe(folder: Path) -> Path:
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(folder / "clip.mp4")
    return folder / "clip.mp4"


def impossible_name(folder: Path) -> Path:
    return folder / ("x" * 300 + ".mp4")


def name_with_zero(folder: Path) -> Path:
    return folder / "a\0b.mp4"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (missing, "no such file"),
        (empty_folder, "holds no images"),
        (empty_file, "is empty"),
        (text, "no readable video"),
        (playlist, "video"),
        (concat_list, "video"),
        (wav, "no video stream"),
        (sound_mp4, "no video stream"),
        (without_index, "no readable video"),
        (header_only, "(no frame can be decoded|no readable video)"),
        (no_image, "cannot be read as an image"),
        (folder_of_rubbish, "no frame can be decoded"),
        (tiny_image, "only 40x7 pixels"),
        (pipe, "not a file"),
        (impossible_name, "cannot be read"),
        (name_with_zero, "no such file"),
    ],
)
def test_one_line_that_says_what_where_and_what_next(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], make: Callable[[Path], Path], said: str
) -> None:
    path = make(tmp_path)
    capfd.readouterr()
    with pytest.raises(VideoError, match=said) as caught:
        read_clip(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name.replace("\0", "") in message.replace("\\x00", "")
    assert ";" in message, "what to do next is missing"
    assert caught.value.exit_code == 3
    assert capfd.readouterr().err == "", "a library wrote its own lines"


def test_a_smallest_picture_is_readable(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "dot.png"), np.zeros((8, 8, 3), np.uint8))
    assert read_clip(tmp_path / "dot.png").width == 8


@pytest.mark.parametrize("of_folder", [False, True])
def test_no_permission_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_folder: bool) -> None:
    """Simulated, since the superuser may read everything."""
    path = tmp_path / "face.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir" if of_folder else "open", refuse)
    with pytest.raises(VideoError, match="no permission"):
        read_clip(tmp_path if of_folder else path)


def test_a_file_that_breaks_off_gives_what_was_readable(tmp_path: Path) -> None:
    write_video(images(40), tmp_path / "whole.mkv", fps=25, lossless=True)
    data = (tmp_path / "whole.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
    frames = list(iter_frames(read_clip(tmp_path / "cut.mkv")))
    assert 15 <= len(frames) <= 20
    for frame, expected in zip(frames, images(40), strict=False):
        np.testing.assert_array_equal(frame.image, expected)


def test_a_damaged_frame_in_the_middle_is_skipped(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "clip.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuvj420p"
        for shade in range(10, 100, 10):
            image = np.full((96, 96, 3), shade, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    data = bytearray((tmp_path / "clip.avi").read_bytes())
    starts = [i for i in range(data.index(b"movi"), len(data) - 4) if data[i : i + 4] == b"00dc"]
    length = int.from_bytes(data[starts[4] + 4 : starts[4] + 8], "little")
    data[starts[4] + 8 : starts[4] + 8 + length] = bytes(length)
    (tmp_path / "clip.avi").write_bytes(data)
    frames = list(iter_frames(read_clip(tmp_path / "clip.avi")))
    assert [round(float(frame.image.mean()), -1) for frame in frames] == [10, 20, 30, 40, 60, 70, 80, 90]
    assert [frame.index for frame in frames] == list(range(8))
    np.testing.assert_allclose([f.time_s for f in frames], np.array([0, 1, 2, 3, 5, 6, 7, 8]) / 25, atol=1e-6)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_damage_anywhere_never_stops_the_reader(tmp_path: Path, name: str) -> None:
    """Whatever bytes are wrong: frames with rising times or one clear error, nothing else."""
    write_video(images(12, 64), tmp_path / "whole.mp4", fps=25)
    whole = (tmp_path / "whole.mp4").read_bytes()
    draw = np.random.default_rng(5)
    for _ in range(25):
        data = bytearray(whole)
        start = int(draw.integers(0, len(data) - 40))
        data[start : start + 40] = draw.bytes(40)
        (tmp_path / name).write_bytes(data)
        try:
            times = [frame.time_s for frame in iter_frames(read_clip(tmp_path / name))]
        except VideoError as error:
            assert "\n" not in str(error)
        else:
            assert times and all(b > a for a, b in zip(times, times[1:], strict=False))


def test_cover_picture_is_no_video(tmp_path: Path) -> None:
    """A song with its cover must not pass for a video."""
    path = tmp_path / "song.m4a"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("mjpeg", rate=1)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        stream.disposition = av.stream.Disposition.attached_pic
        container.mux(stream.encode(av.VideoFrame.from_ndarray(images(1, 64)[0], format="rgb24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        if not container.streams.video[0].disposition & av.stream.Disposition.attached_pic:
            pytest.skip("this FFmpeg does not keep the mark")
    with pytest.raises(VideoError, match="no video stream"):
        read_clip(path)


def test_a_file_that_vanishes_is_said(tmp_path: Path) -> None:
    write_video(images(2), tmp_path / "clip.mp4", fps=25)
    clip = read_clip(tmp_path / "clip.mp4")
    clip.path.unlink()
    with pytest.raises(VideoError, match="no such file"):
        next(iter_frames(clip))


@pytest.mark.parametrize("name", ["a b.mp4", "ümläut 患者.mp4", "100%d.mp4", "concat:x|y.mp4", "-i.mp4", "http:x.mp4"])
def test_strange_names_are_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_video(images(2), tmp_path / "plain.mp4", fps=25)
    (tmp_path / "plain.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert read_clip(name).width == 96
    assert len(list(iter_frames(read_clip(Path(name))))) == 2
