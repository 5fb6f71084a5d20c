"""Files made to do harm, and honest ones of rare kinds: a limit named in one line, or every frame."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from palsy_cli.cli import app
from palsy_cli.config import VideoSettings
from palsy_cli.errors import VideoError
from palsy_cli.stages.video import count_frames, iter_frames, read_clip, write_video

HUGE = 30_000


def shades(count: int, height: int = 64, width: int = 96) -> list[np.ndarray]:
    """Pictures with a red left and a grey right half that becomes lighter."""
    images = [np.full((height, width, 3), 20 + 10 * number, np.uint8) for number in range(count)]
    for image in images:
        image[:, : width // 2] = (200, 30, 30)
    return images


def encode(path: Path, codec: str, pix_fmt: str, images: list[np.ndarray], *, rate: int = 25, **options: str) -> Path:
    """A film in any format that FFmpeg writes."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def huge_png(folder: Path) -> Path:
    """Ten kilobytes that claim 30,000 x 30,000 pixels."""
    head = struct.pack(">IIBBBBB", HUGE, HUGE, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**7))) + chunk(b"IEND", b"")
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    return folder / "bomb.png"


def huge_bmp(folder: Path) -> Path:
    cv2.imwrite(str(folder / "bomb.bmp"), shades(1)[0])
    data = bytearray((folder / "bomb.bmp").read_bytes())
    data[18:26] = struct.pack("<ii", HUGE, HUGE)
    (folder / "bomb.bmp").write_bytes(data)
    return folder / "bomb.bmp"


def huge_folder(folder: Path) -> Path:
    cv2.imwrite(str(folder / "a.png"), shades(1)[0])
    huge_png(folder)
    return folder


def large_mp4(folder: Path, side: int = 16_000) -> Path:
    """The picture's size stands in the sample entry; raw pixels have no other."""
    path = encode(folder / "bomb.mov", "rawvideo", "rgb24", shades(2))
    data = bytearray(path.read_bytes())
    place = data.index(b"stsd") + 12 + 4 + 4 + 24
    assert struct.unpack(">HH", data[place : place + 4]) == (96, 64)
    data[place : place + 4] = struct.pack(">HH", side, side)
    path.write_bytes(data)
    return path.rename(folder / "bomb.mp4")


@pytest.mark.parametrize("make", [huge_png, huge_bmp, huge_folder, large_mp4])
def test_a_claimed_size_is_refused_before_anything_is_decoded(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Their pixels would not fit into the memory that is allowed here."""
    path = make(tmp_path)
    limits = VideoSettings(max_memory_mib=600)
    with pytest.raises(VideoError, match=r"bomb.*video\.max_pixels = 64000000; ") as caught:
        list(iter_frames(read_clip(path, limits=limits)))
    assert "\n" not in str(caught.value) and caught.value.exit_code == 3


def test_a_film_of_a_size_that_no_decoder_takes(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no frame can be decoded"):
        read_clip(large_mp4(tmp_path, HUGE))


@pytest.mark.parametrize(("sides", "passes"), [((64, 96), True), ((64, 97), False)])
@pytest.mark.parametrize("name", ["face.png", "clip.mkv"])
def test_the_largest_picture(tmp_path: Path, name: str, sides: tuple[int, int], passes: bool) -> None:
    image = shades(1, *sides)[0]
    if name == "face.png":
        cv2.imwrite(str(tmp_path / name), image)
    else:
        write_video([image], tmp_path / name, fps=25, lossless=True)
    limits = VideoSettings(max_pixels=64 * 96)
    if passes:
        assert read_clip(tmp_path / name, limits=limits).width == 96
    else:
        with pytest.raises(VideoError, match=r"video\.max_pixels = 6144; "):
            read_clip(tmp_path / name, limits=limits)


def test_squared_pixels_count(tmp_path: Path) -> None:
    """A picture that its pixels' shape widens four times is as large as it is shown."""
    path = encode(tmp_path / "wide.mkv", "libx264", "yuv420p", shades(2), x264opts="sar=4/1")
    assert read_clip(path).width == 384
    with pytest.raises(VideoError, match=r"claims 384x64 pixels"):
        read_clip(path, limits=VideoSettings(max_pixels=383 * 64))


def changing(folder: Path) -> Path:
    """A stream whose pictures become smaller, then larger."""
    parts = [encode(folder / f"{side}.ts", "libx264", "yuv420p", shades(12, side, 2 * side)) for side in (64, 48, 160)]
    (folder / "clip.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    return folder / "clip.ts"


def test_a_size_that_changes_midway(tmp_path: Path) -> None:
    clip = read_clip(changing(tmp_path))
    frames = list(iter_frames(clip))
    assert {frame.image.shape for frame in frames} == {(64, 128, 3)} and len(frames) >= 30
    for frame in frames:
        assert frame.image[32, 20, 0] > 170 and frame.image[32, 20, 1] < 60
    assert all(b.time_s > a.time_s for a, b in zip(frames, frames[1:], strict=False))


def test_a_size_that_becomes_too_large_midway(tmp_path: Path) -> None:
    limits = VideoSettings(max_pixels=128 * 64)
    clip = read_clip(changing(tmp_path), limits=limits)
    for wanted in (None, {0}):
        with pytest.raises(VideoError, match=r"claims 320x160 pixels, .* video\.max_pixels = 8192; "):
            list(iter_frames(clip, wanted=wanted))


def test_a_header_that_claims_ten_million_frames(tmp_path: Path) -> None:
    data = bytearray(encode(tmp_path / "clip.avi", "mjpeg", "yuvj420p", shades(10)).read_bytes())
    for name, offset in ((b"avih", 16), (b"strh", 32)):
        place = data.index(name) + 8 + offset
        data[place : place + 4] = struct.pack("<I", 10**7)
    (tmp_path / "clip.avi").write_bytes(data)
    assert count_frames(tmp_path / "clip.avi") == 10**7
    assert len(list(iter_frames(read_clip(tmp_path / "clip.avi")))) == 10


@pytest.mark.parametrize("of_folder", [False, True])
def test_too_many_frames(tmp_path: Path, of_folder: bool) -> None:
    for number, image in enumerate(shades(6)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
    path = tmp_path if of_folder else encode(tmp_path / "clip.mkv", "ffv1", "bgr0", shades(6))
    assert len(list(iter_frames(read_clip(path, limits=VideoSettings(max_frames=6))))) == 6
    clip = read_clip(path, limits=VideoSettings(max_frames=5))
    for wanted in (None, ()):
        with pytest.raises(VideoError, match=r"more than video\.max_frames = 5 frames; "):
            list(iter_frames(clip, wanted=wanted))


@pytest.mark.parametrize(("rate", "fps"), [("0:0", 25.0), ("1000:1", 1000.0), ("1:100", 0.01)])
def test_rates_beyond_reason(tmp_path: Path, rate: str, fps: float) -> None:
    """Raw pictures under a header; where it states no rate, FFmpeg takes 25."""
    frames = (b"FRAME\n" + bytes(16 * 16 * 3 // 2)) * 4
    (tmp_path / "clip.mp4").write_bytes(f"YUV4MPEG2 W16 H16 F{rate} C420jpeg\n".encode() + frames)
    clip = read_clip(tmp_path / "clip.mp4")
    assert clip.fps == fps
    np.testing.assert_allclose([frame.time_s for frame in iter_frames(clip)], np.arange(4) / fps)


def test_a_stream_without_any_times(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.h264", "libx264", "yuv420p", shades(12))
    np.testing.assert_allclose([frame.time_s for frame in iter_frames(read_clip(path))], np.arange(12) / 25, atol=1e-6)


@pytest.mark.parametrize(
    "stamps_ms", [[0, 40, 80, 120, 160], [0, 40, 40, 80, 80], [160, 120, 80, 40, 0], [0, 30_000, 80, -90, 160]]
)
def test_stamps_in_any_order(tmp_path: Path, stamps_ms: list[int]) -> None:
    """Equal, backwards or leaping stamps, written into the blocks of a Matroska file."""
    data = encode(tmp_path / "clip.mkv", "mjpeg", "yuvj420p", shades(5)).read_bytes()
    blocks = [data.index(b"\x81" + struct.pack(">hB", 40 * number, 0x80)) + 1 for number in range(5)]
    changed = bytearray(data)
    for place, stamp in zip(blocks, stamps_ms, strict=True):
        changed[place : place + 2] = struct.pack(">h", stamp)
    (tmp_path / "clip.mkv").write_bytes(changed)
    frames = list(iter_frames(read_clip(tmp_path / "clip.mkv")))
    assert len(frames) == 5 and all(b.time_s > a.time_s for a, b in zip(frames, frames[1:], strict=False))
    for frame, image in zip(frames, shades(5), strict=True):
        assert abs(int(frame.image[8, 80, 0]) - int(image[8, 80, 0])) <= 8


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("ten.mkv", "libx264", "yuv420p10le", {"crf": "5"}),
        ("ten.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:crf=5"}),
        ("sixteen.mkv", "ffv1", "gbrp16le", {}),
        ("alpha.mov", "png", "rgba", {}),
        ("alpha.mov", "qtrle", "argb", {}),
        ("alpha.mkv", "ffv1", "yuva420p", {}),
        ("interlaced.mkv", "libx264", "yuv420p", {"flags": "+ilme+ildct", "crf": "5"}),
        ("interlaced.mpg", "mpeg2video", "yuv420p", {"flags": "+ilme+ildct", "qmax": "2"}),
        ("full.mkv", "ffv1", "yuv444p", {}),
        ("thousand.mkv", "ffv1", "yuv420p", {}),
    ],
)
def test_rare_formats_show_their_colours(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    rate = 1000 if name.startswith("thousand") else 25
    if codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg has no {codec}")
    frames = list(iter_frames(read_clip(encode(tmp_path / name, codec, pix_fmt, shades(8), rate=rate, **options))))
    assert len(frames) == 8
    for frame, image in zip(frames, shades(8), strict=True):
        assert np.abs(frame.image[8:-8:8, 8::32].astype(int) - image[8:-8:8, 8::32]).max() <= 12
    np.testing.assert_allclose([frame.time_s for frame in frames], np.arange(8) / rate, atol=1e-3)


@pytest.mark.parametrize("pix_fmt", ["gray", "gray16le"])
def test_grey_is_grey(tmp_path: Path, pix_fmt: str) -> None:
    frames = list(iter_frames(read_clip(encode(tmp_path / "grey.mkv", "ffv1", pix_fmt, shades(3)))))
    for frame, image in zip(frames, shades(3), strict=True):
        assert np.ptp(frame.image, axis=2).max() == 0 and abs(int(frame.image[5, 90, 0]) - int(image[5, 90, 0])) <= 2


def test_alpha_and_depth_of_images(tmp_path: Path) -> None:
    image = shades(1)[0][..., ::-1]
    cv2.imwrite(str(tmp_path / "0.png"), np.dstack([image, np.full(image.shape[:2], 9, np.uint8)]))
    cv2.imwrite(str(tmp_path / "1.png"), image.astype(np.uint16) * 257)
    for frame in iter_frames(read_clip(tmp_path)):
        np.testing.assert_array_equal(frame.image, shades(1)[0])


def test_a_codec_that_nobody_knows(tmp_path: Path) -> None:
    data = encode(tmp_path / "clip.avi", "mjpeg", "yuvj420p", shades(3)).read_bytes()
    (tmp_path / "clip.avi").write_bytes(data.replace(b"MJPG", b"QqQq"))
    with pytest.raises(VideoError, match="a format that is not known; "):
        read_clip(tmp_path / "clip.avi")


@pytest.mark.parametrize("command", ["assess", "keyframes", "landmarks", "aus", "grade", "symptoms", "simulate"])
def test_every_command_keeps_to_the_limits(tmp_path: Path, command: str) -> None:
    write_video(shades(3), tmp_path / "clip.mkv", fps=25, lossless=True)
    options = ["-o", str(tmp_path / "out"), "--set", "video.max_pixels=100", "--device", "cpu"]
    done = CliRunner().invoke(app, [command, str(tmp_path / "clip.mkv"), *options])
    assert done.exit_code == 3 and done.stdout == ""
    assert "clip.mkv: claims 96x64 pixels, more than video.max_pixels = 100; " in " ".join(done.stderr.split())
