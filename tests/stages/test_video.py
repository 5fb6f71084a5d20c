"""Reading and writing frames: size, colour, time, orientation, order, closing, memory."""

from __future__ import annotations

import gc
import hashlib
import os
import stat
import struct
import tracemalloc
import weakref
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from palsy_cli.decoder import process
from palsy_cli.decoder.reading import Clock
from palsy_cli.errors import UsageError
from palsy_cli.records import Frame
from palsy_cli.stages.video import iter_frames, read_clip, write_video

RED, BLUE, GREY = (250, 10, 10), (10, 10, 250), (90, 90, 90)


def picture(height: int = 48, width: int = 64, *, shade: int = 90) -> np.ndarray:
    """A grey picture with a red corner top left and a blue one bottom right."""
    image = np.full((height, width, 3), shade, np.uint8)
    image[: height // 3, : width // 3] = RED
    image[-(height // 3) :, -(width // 3) :] = BLUE
    return image


def corners(image: np.ndarray) -> dict[str, str]:
    """Which corner is red and which blue."""
    spots = {
        "top left": image[3, 3],
        "top right": image[3, -4],
        "bottom left": image[-4, 3],
        "bottom right": image[-4, -4],
    }
    named = {}
    for where, (red, green, blue) in spots.items():
        if red > 180 and max(green, blue) < 80:
            named["red"] = where
        if blue > 180 and max(red, green) < 80:
            named["blue"] = where
    return named


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> None:
    """Overwrite the display matrix in an mp4's track header, as a telephone writes it."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    one = 1 << 16
    data[start : start + 36] = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def write_at_times(path: Path, times_ms: list[int]) -> None:
    """A video of variable frame rate."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for time_ms in times_ms:
            frame = av.VideoFrame.from_ndarray(picture(), format="rgb24")
            frame.pts, frame.time_base = time_ms, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv", "avi"])
def test_written_video_reads_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip.{suffix}"
    write_video([picture(shade=40 + 8 * i) for i in range(12)], path, fps=25)
    clip = read_clip(path)
    frames = list(iter_frames(clip))
    assert (clip.width, clip.height, clip.fps, clip.kind, clip.mirrored) == (64, 48, 25.0, "video", False)
    assert clip.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(12) / 25, atol=1e-3)
    for i, frame in enumerate(frames):
        assert frame.image.shape == (48, 64, 3) and frame.image.dtype == np.uint8
        assert corners(frame.image) == {"red": "top left", "blue": "bottom right"}
        assert abs(int(frame.image[24, 32, 1]) - (40 + 8 * i)) <= 6


def test_webm_is_read(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=30)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(4):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        container.mux(stream.encode(None))
    assert len(list(iter_frames(read_clip(path)))) == 4


def test_lossless_video_keeps_every_pixel(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 33, 41, 3), dtype=np.uint8)
    write_video(images, tmp_path / "clip.mkv", fps=30, lossless=True)
    read = [frame.image for frame in iter_frames(read_clip(tmp_path / "clip.mkv"))]
    np.testing.assert_array_equal(np.stack(read), images)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("source", ["clip.mkv", "pictures"])
def test_only_wanted_frames_come_and_as_they_are(tmp_path: Path, source: str, mirrored: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 33, 41, 3), dtype=np.uint8)
    write_video(images, tmp_path / "clip.mkv", fps=30, lossless=True)
    (tmp_path / "pictures").mkdir()
    for number, image in enumerate(images):
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), image)
    clip = read_clip(tmp_path / source, mirrored=mirrored)
    every = list(iter_frames(clip))
    some = list(iter_frames(clip, wanted=set(np.array([0, 3, 4, 99]))))
    assert [frame.index for frame in some] == [0, 3, 4] and list(iter_frames(clip, wanted=())) == []
    for frame in some:
        assert frame.time_s == every[frame.index].time_s
        assert np.array_equal(frame.image, every[frame.index].image)


def test_rate_of_television_stays_exact(tmp_path: Path) -> None:
    write_video([picture()] * 10, tmp_path / "clip.mp4", fps=30000 / 1001)
    clip = read_clip(tmp_path / "clip.mp4")
    assert clip.fps == 30000 / 1001
    np.testing.assert_allclose([f.time_s for f in iter_frames(clip)], np.arange(10) * 1001 / 30000, atol=1e-9)


def test_variable_frame_rate_keeps_its_times_from_the_first_frame_on(tmp_path: Path) -> None:
    times_ms = [700, 740, 790, 1290, 1300, 1900]
    write_at_times(tmp_path / "clip.mkv", times_ms)
    read = [frame.time_s for frame in iter_frames(read_clip(tmp_path / "clip.mkv"))]
    np.testing.assert_allclose(read, (np.array(times_ms) - 700) / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        ([100, 140, 180], [0.0, 0.04, 0.08]),
        ([None, None, None], [0.0, 0.04, 0.08]),
        ([None, 140, 180], [0.0, 0.04, 0.08]),
        ([100, None, 180], [0.0, 0.04, 0.08]),
        ([100, 100, 140], [0.0, 0.02, 0.04]),
        ([100, 20, 180], [0.0, 0.02, 0.08]),
    ],
)
def test_times_rise_whatever_the_stamps(stamps: list[int | None], expected: list[float]) -> None:
    clock = Clock(Fraction(1, 1000), 25.0)
    np.testing.assert_allclose([clock.tell(stamp) for stamp in stamps], expected, atol=1e-12)


@pytest.mark.parametrize(
    ("matrix", "size", "red", "blue"),
    [
        ((1, 0, 0, 1), (64, 48), "top left", "bottom right"),
        ((0, 1, -1, 0), (48, 64), "top right", "bottom left"),  # a quarter turn clockwise: telephone held upright
        ((-1, 0, 0, -1), (64, 48), "bottom right", "top left"),
        ((0, -1, 1, 0), (48, 64), "bottom left", "top right"),
        ((-1, 0, 0, 1), (64, 48), "top right", "bottom left"),  # mirrored
        ((0, 1, 1, 0), (48, 64), "top left", "bottom right"),  # mirrored and turned
    ],
)
def test_display_matrix_is_applied(
    tmp_path: Path, matrix: tuple[int, int, int, int], size: tuple[int, int], red: str, blue: str
) -> None:
    path = tmp_path / "clip.mp4"
    write_video([picture()] * 3, path, fps=25)
    set_matrix(path, *matrix)
    clip = read_clip(path)
    assert (clip.width, clip.height) == size
    for frame in iter_frames(clip):
        assert frame.image.shape == (size[1], size[0], 3)
        assert corners(frame.image) == {"red": red, "blue": blue}


def test_pixels_that_are_not_square_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(3, 2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(), format="rgb24")))
        container.mux(stream.encode(None))
    assert (read_clip(path).width, read_clip(path).height) == (96, 48)


def test_mirrored_recording_is_delivered_unmirrored(tmp_path: Path) -> None:
    write_video([picture(), picture(shade=160)], tmp_path / "a.mkv", fps=25, lossless=True)
    write_video([picture()[:, ::-1], picture(shade=160)[:, ::-1]], tmp_path / "b.mkv", fps=25, lossless=True)
    plain = list(iter_frames(read_clip(tmp_path / "a.mkv")))
    back = list(iter_frames(read_clip(tmp_path / "b.mkv", mirrored=True)))
    for one, other in zip(plain, back, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        assert other.image.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize("suffix", ["png", "jpg", "jpeg", "bmp", "webp", "tiff"])
def test_image_is_one_frame_without_a_rate(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"face.{suffix}"
    cv2.imwrite(str(path), picture()[:, :, ::-1])
    clip = read_clip(path)
    frames = list(iter_frames(clip))
    assert (clip.kind, clip.fps, clip.width, clip.height) == ("image", None, 64, 48)
    assert [(frame.index, frame.time_s) for frame in frames] == [(0, 0.0)]
    assert corners(frames[0].image) == {"red": "top left", "blue": "bottom right"}


@pytest.mark.parametrize(("orientation", "red"), [(3, "bottom right"), (6, "top right"), (8, "bottom left")])
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, red: str) -> None:
    path = tmp_path / "face.jpg"
    cv2.imwrite(str(path), picture()[:, :, ::-1])
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
    block = b"Exif\x00\x00" + tiff + b"\x00\x00\x00\x00"
    jpeg = path.read_bytes()
    path.write_bytes(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + jpeg[2:])
    assert corners(next(iter_frames(read_clip(path))).image)["red"] == red


def test_image_under_a_video_name_is_still_an_image(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), picture()[:, :, ::-1])
    (tmp_path / "face.png").rename(tmp_path / "face.mp4")
    clip = read_clip(tmp_path / "face.mp4")
    assert (clip.kind, clip.fps) == ("image", None)


def test_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 1, 2):
        cv2.imwrite(str(tmp_path / f"face{number}.png"), picture(shade=10 * number))
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "._face0.png").write_bytes(b"hidden")
    clip = read_clip(tmp_path)
    frames = list(iter_frames(clip))
    assert (clip.kind, clip.fps) == ("folder", None)
    assert [int(frame.image[24, 32, 0]) for frame in frames] == [10, 20, 90, 100]
    assert [(frame.index, frame.time_s) for frame in frames] == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]


def test_digest_of_a_folder_depends_on_names_and_pixels_only(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), picture())
    first = read_clip(tmp_path).sha256
    (tmp_path / "notes.txt").write_text("no image")
    assert read_clip(tmp_path).sha256 == first
    (tmp_path / "1.png").rename(tmp_path / "2.png")
    renamed = read_clip(tmp_path).sha256
    cv2.imwrite(str(tmp_path / "2.png"), picture(shade=91))
    assert len({first, renamed, read_clip(tmp_path).sha256}) == 3


def test_damaged_image_in_a_folder_is_skipped(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(shade=50 * (number + 1)))
    (tmp_path / "1.png").write_bytes(b"damaged")
    frames = list(iter_frames(read_clip(tmp_path)))
    assert [(frame.index, int(frame.image[24, 32, 0])) for frame in frames] == [(0, 50), (1, 150)]


def open_files(folder: Path) -> list[str]:
    """Files in ``folder`` that this process or a decoder of it holds open."""
    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not list open files")
    names = []
    for number in (os.getpid(), *(each._process.pid for each in process._living if each.alive)):
        for link in Path(f"/proc/{number}/fd").iterdir():
            with suppress(OSError):
                names.append(str(link.readlink()))
    return [name for name in names if name.startswith(str(folder))]


def test_file_is_closed_when_the_consumer_stops_early(tmp_path: Path) -> None:
    write_video([picture()] * 20, tmp_path / "clip.mp4", fps=25)
    clip = read_clip(tmp_path / "clip.mp4")
    assert not open_files(tmp_path)
    frames = iter_frames(clip)
    next(frames)
    assert open_files(tmp_path)
    frames.close()
    assert not open_files(tmp_path)
    for _ in iter_frames(clip):
        break
    gc.collect()
    assert not open_files(tmp_path)


def test_frames_are_not_held(tmp_path: Path) -> None:
    write_video([picture()] * 20, tmp_path / "clip.mp4", fps=25)
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0
    for frame in iter_frames(read_clip(tmp_path / "clip.mp4")):
        alive.append(weakref.ref(frame.image))
        most = max(most, sum(ref() is not None for ref in alive))
    assert most <= 3


def peak_bytes(path: Path) -> int:
    """Largest memory that Python held while the whole file was read."""
    tracemalloc.start()
    try:
        for _ in iter_frames(read_clip(path)):
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    for name, count in (("warm", 3), ("short", 50), ("long", 500)):
        write_video((picture() for _ in range(count)), tmp_path / f"{name}.avi", fps=25)
    peak_bytes(tmp_path / "warm.avi")
    short, long = peak_bytes(tmp_path / "short.avi"), peak_bytes(tmp_path / "long.avi")
    assert long < short + 20 * picture().nbytes


def test_reading_twice_gives_the_same_frames(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 256, (8, 48, 64, 3), dtype=np.uint8)
    write_video(images, tmp_path / "clip.mp4", fps=25)
    clip = read_clip(tmp_path / "clip.mp4")

    def flat(frame: Frame) -> tuple[float, bytes]:
        return frame.time_s, frame.image.tobytes()

    assert [flat(f) for f in iter_frames(clip)] == [flat(f) for f in iter_frames(clip)]


@pytest.mark.parametrize(("name", "lossless"), [("clip.mp4", False), ("clip.mkv", False), ("clip.mkv", True)])
def test_writing_twice_gives_the_same_bytes(tmp_path: Path, name: str, lossless: bool) -> None:
    for folder in ("one", "two"):
        write_video([picture(), picture(shade=30)], tmp_path / folder / name, fps=25, lossless=lossless)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_odd_sides_are_lengthened_at_the_end(tmp_path: Path) -> None:
    write_video([picture(47, 63)] * 2, tmp_path / "clip.mp4", fps=25)
    clip = read_clip(tmp_path / "clip.mp4")
    assert (clip.width, clip.height) == (64, 48)
    assert corners(next(iter_frames(clip)).image) == {"red": "top left", "blue": "bottom right"}


def test_a_failing_writer_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"old")

    def failing() -> list[np.ndarray]:
        yield picture()
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError):
        write_video(failing(), path, fps=25)
    with pytest.raises(ValueError, match="no frames"):
        write_video([], path, fps=25)
    with pytest.raises(ValueError, match="expected"):
        write_video([picture(), picture(32, 32)], path, fps=25)
    assert path.read_bytes() == b"old"
    assert [item.name for item in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(("name", "fps", "lossless"), [("a.txt", 25, False), ("a.mp4", 25, True), ("a.mp4", 0, False)])
def test_what_cannot_be_written_is_refused(tmp_path: Path, name: str, fps: float, lossless: bool) -> None:
    with pytest.raises(UsageError):
        write_video([picture()], tmp_path / name, fps=fps, lossless=lossless)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_uneven_times_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str) -> None:
    """Where FFmpeg comes without H.264, too; the last frame lasts as long as an average one."""
    monkeypatch.setattr(av, "codecs_available", {codec})
    times_s = [0.0, 0.04, 0.09, 0.59, 1001 / 1500, 1.2]
    path = tmp_path / "clip.mp4"
    write_video([picture(shade=40 + 8 * i) for i in range(6)], path, fps=5, times_s=times_s)
    frames = list(iter_frames(read_clip(path)))
    np.testing.assert_allclose([frame.time_s for frame in frames], times_s, atol=1e-5)
    assert [round((int(frame.image[24, 32, 1]) - 40) / 8) for frame in frames] == list(range(6))
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(1.4e6, abs=1e3)
    write_video([picture()] * 4, path, fps=5, times_s=[0.0, 1e-6, 2e-6, 0.5])
    np.testing.assert_allclose([frame.time_s for frame in iter_frames(read_clip(path))], [0, 0, 0, 0.5], atol=1e-4)
    for wrong in (times_s[:5], [*times_s, 2.0]):
        with pytest.raises(ValueError):
            write_video([picture()] * 6, path, fps=5, times_s=wrong)
    with pytest.raises(UsageError, match="mp4"):
        write_video([picture()] * 6, tmp_path / "clip.avi", fps=5, times_s=times_s)


@pytest.mark.skipif(os.name == "nt", reason="no POSIX modes")
def test_only_the_owner_may_see_a_written_video(tmp_path: Path) -> None:
    write_video([picture()], tmp_path / "clip.mp4", fps=25)
    assert stat.S_IMODE((tmp_path / "clip.mp4").stat().st_mode) == 0o600


def test_quality_may_be_traded_for_size(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), dtype=np.uint8)
    for crf in (15, 30):
        write_video(images, tmp_path / f"{crf}.mp4", fps=25, crf=crf)
    assert (tmp_path / "30.mp4").stat().st_size < 0.8 * (tmp_path / "15.mp4").stat().st_size
