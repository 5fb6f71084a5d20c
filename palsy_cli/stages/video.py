"""From a file to frames: upright, unmirrored, RGB, with true time stamps, one at a time.

What counts as input: a video (mp4, mov, avi, mkv, webm and what else the decoder knows), one image (png, jpg,
bmp, webp, tiff) or a folder of images. Sound is ignored. Another process decodes (``palsy_cli.decoder``).
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import av
import numpy as np

from palsy_cli.config import VideoSettings
from palsy_cli.decoder.process import read_frames, read_header
from palsy_cli.decoder.reading import SUPPORTED, os_error
from palsy_cli.decoder.task import Task
from palsy_cli.errors import UsageError, VideoError
from palsy_cli.files import atomic_file, sha256_of
from palsy_cli.records import Clip

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Iterator

    from av.container import OutputContainer

    from palsy_cli.records import ByteImage, Frame

IMAGE_SUFFIXES: frozenset[str] = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES: frozenset[str] = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm"})

#: Pictures with a shorter side than this are no pictures of anything.
MIN_SIDE_PX = 8
#: Steps of the times that a video is written with; MPEG-4 knows no finer ones. Television's 30000/1001 are exact in it.
_CLOCK = Fraction(1, 60_000)
#: Of FFV1: each frame by itself, with a check sum.
_CODEC_OPTIONS: dict[str, dict[str, str]] = {
    "ffv1": {"level": "3", "slicecrc": "1", "g": "1"},
    "libx264": {"preset": "veryfast"},
    "mpeg4": {"qmin": "2", "qmax": "4"},
}


def read_clip(path: Path | str, *, mirrored: bool = False, limits: VideoSettings | None = None) -> Clip:
    """Look at a video, an image or a folder of images, and decode its first frame.

    Args:
        path: the file, or a folder whose images are taken in natural order (``2.png`` before ``10.png``).
        mirrored: the recording shows a mirror image (selfie cameras).
        limits: what decoding it may cost, now and whenever the clip's frames are read; the defaults if ``None``.

    Returns:
        The clip. ``fps`` is the average rate as the container states it (29.97 stays 30000/1001). The digest
        of a folder covers the names and the digests of its images.

    Raises:
        VideoError: one line: missing, not readable, empty, no picture in it, nothing decodable, a side
            shorter than 8 pixels, beyond a limit, or the decoder crashed.
    """
    path, limits = Path(path), limits or VideoSettings()
    kind = _kind_of(path)
    try:
        sha256 = _digest_folder(path) if kind == "folder" else sha256_of(path)
        if kind == "video" and is_image_inside(path):
            kind = "image"
    except OSError as error:
        raise os_error(path, error) from error
    fps = read_header(_task("header", "video", path), limits).fps if kind == "video" else None
    probe = Clip(path, sha256, fps, width=0, height=0, mirrored=mirrored, kind=kind, limits=limits)
    with closing(iter_frames(probe)) as frames:
        first = next(frames, None)
    if first is None:
        raise VideoError(f"{path}: no frame can be decoded (damaged or cut short?); copy or export it again")
    height, width = first.image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise VideoError(f"{path}: the picture is only {width}x{height} pixels; give the original recording")
    return dataclasses.replace(probe, width=width, height=height)


def iter_frames(clip: Clip, *, wanted: Collection[int] | None = None) -> Generator[Frame, None, None]:
    """Decode the frames one after the other; memory does not depend on the clip's length.

    They are decoded in another process, which is a few frames ahead and keeps to ``clip.limits``.

    Times are those of the container, relative to the first frame, so a variable frame rate is kept; a frame
    without a time stamp comes one average frame after the one before, and times always rise. In a folder the
    time is the frame number (there is no clock). A frame that cannot be decoded is skipped, without a gap in
    ``index``; a file that breaks off gives what was readable. The file is closed when the consumer stops.

    Args:
        clip: as ``read_clip`` gave it.
        wanted: the frames to yield, by their ``index``; the others are decoded, but not converted, which takes as long.

    Yields:
        Frames, (H, W, 3) RGB uint8, upright (rotation and mirroring metadata and non-square pixels applied)
        and, when ``clip.mirrored``, flipped back.

    Raises:
        VideoError: the file has gone or cannot be opened any more, a limit was exceeded, or the decoder crashed.
    """
    try:
        names = tuple(item.name for item in _folder_images(clip.path)) if clip.kind == "folder" else ()
    except OSError as error:
        raise os_error(clip.path, error) from error
    task = dataclasses.replace(
        _task("frames", clip.kind, clip.path),
        names=names,
        fps=clip.fps,
        size=(clip.width, clip.height) if clip.width else None,
        mirrored=clip.mirrored,
        wanted=None if wanted is None else tuple(map(int, wanted)),  # NumPy's are no JSON
    )
    yield from read_frames(task, clip.limits)


def count_frames(path: Path) -> int | None:
    """Frames of a video as its header tells, or ``None`` when it does not; nothing is decoded.

    Raises:
        VideoError: it is no video, or cannot be read.
    """
    return read_header(_task("header", "video", path), VideoSettings()).frames


def _task(what: Literal["header", "frames"], kind: Literal["video", "image", "folder"], path: Path) -> Task:
    """What the decoder is asked of an input."""
    return Task(what, kind, str(path), str(path.absolute()))


def write_video(
    frames: Iterable[ByteImage],
    path: Path | str,
    *,
    fps: float,
    lossless: bool = False,
    times_s: Iterable[float] | None = None,
    crf: int = 15,
) -> None:
    """Write frames as a video without sound; the file appears whole or not at all.

    People may be seen in it, so only its owner may read it (mode 0600). Written twice it is the same to the byte, save
    that x264 is seen to encode large pictures with some bits more or less from time to time, even in one thread.

    Args:
        frames: (H, W, 3) RGB uint8, all of one size. H.264 wants even sides: an odd side is lengthened by
            repeating its last row or column, so that pixel coordinates keep their meaning.
        path: where; the suffix chooses the container (mp4, mov, mkv, avi; lossless: mkv or avi).
        fps: frames per second, above 0; their average where ``times_s`` tells more.
        lossless: FFV1 in RGB, every pixel kept, instead of H.264 (MPEG-4 where FFmpeg comes without that).
        times_s: when each frame is shown, rising from 0, in seconds, where their pace varies: kept to 1/120000 s (mkv:
            to a millisecond; avi has no such times).
        crf: quality of H.264 (its constant rate factor): 15 is hardly told from the original; 22 is good to look at, at
            a tenth of the size and in half of the time.

    Raises:
        UsageError: ``path`` has a suffix that cannot hold the video or cannot be written, or ``fps`` is not a positive
            number.
        ValueError: no frame at all, frames of unequal size or wrong type, or not as many as times.
    """
    path = Path(path)
    formats = {".mkv": "matroska", ".avi": "avi"} | ({} if lossless else {".mp4": "mp4", ".mov": "mov"})
    if times_s is not None:
        del formats[".avi"]
    if path.suffix.lower() not in formats:
        raise UsageError(f"{path}: cannot be written as a video; end the name in {' or '.join(sorted(formats))}")
    if not 0 < fps < float("inf"):
        raise UsageError(f"{path}: cannot be written at {fps} frames per second; give a positive rate")
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"{path}: there are no frames to write")
    pictures, container = itertools.chain([first], iterator), formats[path.suffix.lower()]
    with (
        atomic_file(path, private=True) as file,
        av.open(file, "w", format=container, options={"fflags": "+bitexact"}) as output,
    ):
        stream = _add_stream(output, first.shape, fps=fps, lossless=lossless, crf=crf, in_order=times_s is not None)
        _encode(output, stream, pictures, shape=first.shape, times_s=times_s)


def _kind_of(path: Path) -> Literal["video", "image", "folder"]:
    """Tell by name what the input is; raises VideoError for what cannot be one."""
    try:
        if path.is_dir():
            if not _folder_images(path):
                raise VideoError(f"{path}: the folder holds no images; name a video or a folder of images")
            return "folder"
        status = path.stat()
    except OSError as error:
        raise os_error(path, error) from error
    except ValueError as error:
        raise VideoError(f"{str(path)!r}: no such file; check the name") from error
    if not path.is_file():
        raise VideoError(f"{path}: is not a file; {SUPPORTED}")
    if status.st_size == 0:
        raise VideoError(f"{path}: the file is empty; copy or export it again")
    return "image" if path.suffix.lower() in IMAGE_SUFFIXES else "video"


def _folder_images(folder: Path) -> list[Path]:
    """The images directly inside a folder in natural order; hidden files (``._x.jpg``) are none."""
    files = (item for item in folder.iterdir() if item.suffix.lower() in IMAGE_SUFFIXES)
    seen = (item for item in files if not item.name.startswith(".") and item.is_file())
    return sorted(seen, key=natural_key)


def natural_key(path: Path) -> tuple[list[tuple[int, int, str]], str]:
    """Order by the numbers in a name; the name itself settles ties such as ``1.png`` and ``01.png``."""
    parts = re.findall(r"([0-9]+)|([^0-9]+)", path.name.casefold())
    return [(0, int(digits), "") if digits else (1, 0, word) for digits, word in parts], path.name


def _digest_folder(folder: Path) -> str:
    """SHA-256 over the names and digests of a folder's images."""
    digest = hashlib.sha256()
    for item in _folder_images(folder):
        digest.update(f"{sha256_of(item)}  {item.name}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def is_image_inside(path: Path) -> bool:
    """Whether a file without an image's suffix is an image all the same."""
    with path.open("rb") as stream:
        head = stream.read(12)
    magic = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")
    return head.startswith(magic) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def _add_stream(
    container: OutputContainer, shape: tuple[int, ...], *, fps: float, lossless: bool, crf: int, in_order: bool
) -> Any:
    """The stream of an open container for pictures of this shape; odd sides are lengthened where it must be."""
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0:
        rate = Fraction(fps).limit_denominator(1_000_000)
    codec = "ffv1" if lossless else "libx264" if "libx264" in av.codecs_available else "mpeg4"
    stream: Any = container.add_stream(codec, rate=rate)
    stream.height, stream.width = (side + (0 if lossless else side % 2) for side in shape[:2])
    stream.pix_fmt = "bgr0" if lossless else "yuv420p"
    stream.options = _CODEC_OPTIONS[codec] | ({"crf": str(crf)} if codec == "libx264" else {})
    # AVI stores no display times, and the length of an mp4 of uneven pace comes out wrong with reordered frames.
    if in_order or "avi" in container.format.name:
        stream.options |= {"bf": "0"}
    return stream


def _encode(
    container: OutputContainer,
    stream: Any,
    frames: Iterable[ByteImage],
    *,
    shape: tuple[int, ...],
    times_s: Iterable[float] | None,
) -> None:
    """Encode all frames into an open container; raises ValueError for frames that do not fit."""
    grow = ((0, stream.height - shape[0]), (0, stream.width - shape[1]), (0, 0))
    stamps: Iterable[int | None] = itertools.repeat(None)
    if times_s is not None:
        stream.time_base = stream.codec_context.time_base = _CLOCK
        stamps = _rising(round(time_s / _CLOCK) for time_s in times_s)
    for image, stamp in zip(frames, stamps, strict=times_s is not None):
        if image.shape != shape or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"frames: expected {shape} uint8, got {image.shape} {image.dtype}")
        picture = av.VideoFrame.from_ndarray(
            np.pad(image, grow, mode="edge") if np.any(grow) else image, format="rgb24"
        )
        if stamp is not None:
            picture.pts, picture.time_base = stamp, _CLOCK
        container.mux(stream.encode(picture))
    container.mux(stream.encode(None))


def _rising(stamps: Iterable[int]) -> Iterator[int]:
    """The same, but each at least one more than the one before: frames that nearly coincide stay apart."""
    last = -1
    for stamp in stamps:
        last = max(stamp, last + 1)
        yield last
