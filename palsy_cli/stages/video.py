"""From a file to frames: upright, unmirrored, RGB, with true time stamps, one at a time.

What counts as input: a video (mp4, mov, avi, mkv, webm and what else the decoder knows), one image (png, jpg,
bmp, webp, tiff) or a folder of images. Sound is ignored. Limits: only the first page of a TIFF is read, HEIC
is not read, high dynamic range is not tone-mapped, pictures of unequal size in a folder keep their own size,
and a damaged frame that the decoder patches up without saying so passes as a good one.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import re
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition

from palsy_cli.ahead import ahead
from palsy_cli.errors import UsageError, VideoError
from palsy_cli.files import sha256_of
from palsy_cli.records import Clip, Frame

if TYPE_CHECKING:
    from collections.abc import Container, Generator, Iterable, Iterator

    from av.container import InputContainer, OutputContainer
    from av.video.stream import VideoStream

    from palsy_cli.records import ByteImage

IMAGE_SUFFIXES: frozenset[str] = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff"})
VIDEO_SUFFIXES: frozenset[str] = frozenset({".mp4", ".mov", ".avi", ".mkv", ".webm"})

#: Pictures with a shorter side than this are no pictures of anything.
MIN_SIDE_PX = 8

#: Formats that are lists of other files, or text drawn as pictures: never read, whatever the file is called.
REFUSED_FORMATS: frozenset[str] = frozenset({"hls", "concat", "dash", "imf", "tty", "lavfi", "image2"})

#: Pictures that wait for whoever looks at them.
_AHEAD = 4

_SUPPORTED = "use mp4, mov, avi, mkv, webm, an image (png, jpg, bmp, webp, tiff) or a folder of images"

logger = logging.getLogger(__name__)


def read_clip(path: Path | str, *, mirrored: bool = False) -> Clip:
    """Look at a video, an image or a folder of images, and decode its first frame.

    Args:
        path: the file, or a folder whose images are taken in natural order (``2.png`` before ``10.png``).
        mirrored: the recording shows a mirror image (selfie cameras).

    Returns:
        The clip. ``fps`` is the average rate as the container states it (29.97 stays 30000/1001). The digest
        of a folder covers the names and the digests of its images.

    Raises:
        VideoError: one line: missing, not readable, empty, no picture in it, nothing decodable, or a side
            shorter than 8 pixels.
    """
    path = Path(path)
    kind = _kind_of(path)
    try:
        sha256 = _digest_folder(path) if kind == "folder" else sha256_of(path)
        if kind == "video" and is_image_inside(path):
            kind = "image"
        fps = _read_fps(path) if kind == "video" else None
    except OSError as error:
        raise _os_error(path, error) from error
    probe = Clip(path=path, sha256=sha256, fps=fps, width=0, height=0, mirrored=mirrored, kind=kind)
    with closing(iter_frames(probe)) as frames:
        first = next(frames, None)
    if first is None:
        raise VideoError(f"{path}: no frame can be decoded (damaged or cut short?); copy or export it again")
    height, width = first.image.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise VideoError(f"{path}: the picture is only {width}x{height} pixels; give the original recording")
    return Clip(path=path, sha256=sha256, fps=fps, width=width, height=height, mirrored=mirrored, kind=kind)


def iter_frames(clip: Clip, *, wanted: Container[int] | None = None) -> Generator[Frame, None, None]:
    """Decode the frames one after the other; memory does not depend on the clip's length.

    A video is decoded ahead, in another thread.

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
        VideoError: the file has gone or cannot be opened any more.
    """
    source = ahead(_video_images(clip, wanted), depth=_AHEAD) if clip.kind == "video" else _still_images(clip)
    with closing(source):
        for index, (time_s, image) in enumerate(source):
            if image is None or (wanted is not None and index not in wanted):
                continue
            picture = image[:, ::-1] if clip.mirrored else image
            yield Frame(index=index, time_s=time_s, image=np.ascontiguousarray(picture))


def write_video(frames: Iterable[ByteImage], path: Path | str, *, fps: float, lossless: bool = False) -> None:
    """Write frames as a video without sound; the file appears whole or not at all, the same every time.

    Args:
        frames: (H, W, 3) RGB uint8, all of one size. H.264 wants even sides: an odd side is lengthened by
            repeating its last row or column, so that pixel coordinates keep their meaning.
        path: where; the suffix chooses the container (mp4, mov, mkv, avi; lossless: mkv or avi).
        fps: frames per second, above 0.
        lossless: FFV1 in RGB, every pixel kept, instead of H.264.

    Raises:
        UsageError: ``path`` has a suffix that cannot hold the video, or ``fps`` is not a positive number.
        ValueError: no frame at all, or frames of unequal size or wrong type.
    """
    path = Path(path)
    allowed = (".mkv", ".avi") if lossless else (".mp4", ".mov", ".mkv", ".avi")
    if path.suffix.lower() not in allowed:
        raise UsageError(f"{path}: cannot be written as a video; end the name in {' or '.join(allowed)}")
    if not 0 < fps < float("inf"):
        raise UsageError(f"{path}: cannot be written at {fps} frames per second; give a positive rate")
    iterator = iter(frames)
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"{path}: there are no frames to write")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        with av.open(temporary, "w", options={"fflags": "+bitexact"}) as container:
            pictures = itertools.chain([first], iterator)
            _encode(container, pictures, shape=first.shape, fps=fps, lossless=lossless)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def _kind_of(path: Path) -> Literal["video", "image", "folder"]:
    """Tell by name what the input is; raises VideoError for what cannot be one."""
    try:
        if path.is_dir():
            if not _folder_images(path):
                raise VideoError(f"{path}: the folder holds no images; name a video or a folder of images")
            return "folder"
        status = path.stat()
    except OSError as error:
        raise _os_error(path, error) from error
    except ValueError as error:
        raise VideoError(f"{str(path)!r}: no such file; check the name") from error
    if not path.is_file():
        raise VideoError(f"{path}: is not a file; {_SUPPORTED}")
    if status.st_size == 0:
        raise VideoError(f"{path}: the file is empty; copy or export it again")
    return "image" if path.suffix.lower() in IMAGE_SUFFIXES else "video"


def _os_error(path: Path, error: OSError) -> VideoError:
    """Say in one line why the system does not hand out a file."""
    if isinstance(error, FileNotFoundError):
        return VideoError(f"{path}: no such file or folder; check the name")
    if isinstance(error, PermissionError):
        return VideoError(f"{path}: no permission to read it; change its permissions or copy it")
    return VideoError(f"{path}: cannot be read ({error.strerror or error}); check the disk and the name")


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


def _still_images(clip: Clip) -> Generator[tuple[float, ByteImage | None], None, None]:
    """Yield (frame number, image) of one image or of a folder's; raises VideoError for a single bad one."""
    if clip.kind == "image":
        image = _read_image(clip.path)
        if image is None:
            raise VideoError(f"{clip.path}: cannot be read as an image; {_SUPPORTED}")
        yield 0.0, image
        return
    try:
        files = _folder_images(clip.path)
    except OSError as error:
        raise _os_error(clip.path, error) from error
    number = 0
    for item in files:
        image = _read_image(item)
        if image is None:
            logger.warning("%s: cannot be read as an image; skipped", item)
            continue
        yield float(number), image
        number += 1


def _read_image(path: Path) -> ByteImage | None:
    """Decode an image, upright by its EXIF data; ``None`` if damaged; raises VideoError if unreadable."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise _os_error(path, error) from error
    if not data.size:
        return None
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(0)  # the decoder would write its own lines to stderr; we say it in one
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error:  # more pixels than OpenCV accepts
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)
    return None if decoded is None else np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def _open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and its first true video stream (a cover picture is none), from this file alone."""
    try:
        container = av.open(f"file:{path.absolute()}", options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise _os_error(path, error) from error
        raise VideoError(f"{path}: is no readable video (damaged or cut short?); {_SUPPORTED}") from error
    with container:
        if REFUSED_FORMATS.intersection(container.format.name.split(",")):
            raise VideoError(f"{path}: is a list or text, not a video; name the video itself")
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError(f"{path}: has no video stream (sound only?); give a recording with pictures")
        streams[0].thread_type = "AUTO"
        yield container, streams[0]


def is_image_inside(path: Path) -> bool:
    """Whether a file without an image's suffix is an image all the same."""
    with path.open("rb") as stream:
        head = stream.read(12)
    magic = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"II*\x00", b"MM\x00*")
    return head.startswith(magic) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def _read_fps(path: Path) -> float | None:
    """Average frames per second, or ``None`` when the container does not tell."""
    with _open_video(path) as (_, stream):
        rate = stream.average_rate or stream.guessed_rate
    return float(rate) if rate else None


def count_frames(path: Path) -> int | None:
    """Frames of a video as its header tells, or ``None`` when it does not; nothing is decoded.

    Raises:
        VideoError: it is no video, or cannot be read.
    """
    with _open_video(path) as (container, stream):
        if stream.frames:
            return int(stream.frames)
        rate = stream.average_rate or stream.guessed_rate
        return round(container.duration / av.time_base * rate) if container.duration and rate else None


def _video_images(clip: Clip, wanted: Container[int] | None) -> Generator[tuple[float, ByteImage | None], None, None]:
    """Yield (time in seconds, upright image) of every frame that can be decoded; ``None`` for what is not wanted."""
    with _open_video(clip.path) as (container, stream):
        clock = _Clock(stream.time_base, clip.fps)
        size: tuple[int, int] | None = (clip.width, clip.height) if clip.width else None
        for index, frame in enumerate(_decode(container, stream)):
            time_s = clock.tell(frame.pts)
            if wanted is not None and index not in wanted:
                yield time_s, None
                continue
            image = _upright(frame, stream.sample_aspect_ratio)
            size = size or (image.shape[1], image.shape[0])
            if (image.shape[1], image.shape[0]) != size:  # a stream may change its size; the clip has one
                image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            yield time_s, image


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decode packet by packet, so that one bad packet costs one frame and a broken end costs the end."""
    name, packets, damaged = container.name.removeprefix("file:"), container.demux(stream), 0
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:
            logger.warning("%s: breaks off (%s); the frames before are used", name, error)
            packet = None  # what the decoder still holds
        if packet is not None and packet.is_corrupt:  # the piece at which a file was cut
            continue
        try:
            frames = stream.codec_context.decode(packet)
        except (av.error.FFmpegError, OSError):
            damaged += 1
            level = logging.WARNING if damaged == 1 else logging.DEBUG  # one line a file is enough
            logger.log(level, "%s: holds frames that cannot be decoded; they are skipped", name)
            frames = []
        yield from (frame for frame in frames if not frame.is_corrupt)
        if packet is None:
            return


class _Clock:
    """Seconds since the first frame; rising even when time stamps are absent, repeated or run backwards."""

    def __init__(self, time_base: Fraction | None, fps: float | None) -> None:
        """Take the unit of the stamps in seconds, and the average rate for frames without one."""
        self._time_base = time_base or Fraction(1, 1)
        self._step_s = 1.0 / fps if fps else 1.0
        self._origin_s: Fraction | None = None
        self._last_s: float | None = None

    def tell(self, stamp: int | None) -> float:
        """Time of the next frame in seconds."""
        expected_s = 0.0 if self._last_s is None else self._last_s + self._step_s
        time_s = expected_s
        if stamp is not None:
            stamp_s = stamp * self._time_base
            if self._origin_s is None:
                self._origin_s = stamp_s - Fraction(expected_s)
            time_s = float(stamp_s - self._origin_s)
        if self._last_s is not None and time_s <= self._last_s:
            time_s = self._last_s + 0.5 * self._step_s  # half: not to overtake the next true stamp
        self._last_s = time_s
        return time_s


def _upright(frame: av.VideoFrame, pixel_aspect: Fraction | None) -> ByteImage:
    """Convert to RGB, square the pixels, then turn and mirror as the display matrix says."""
    image: np.ndarray[Any, Any] = frame.to_ndarray(format="rgb24")
    if pixel_aspect and pixel_aspect != 1 and Fraction(1, 4) <= pixel_aspect <= 4:
        width = max(1, round(image.shape[1] * pixel_aspect))
        image = cv2.resize(image, (width, image.shape[0]), interpolation=cv2.INTER_LINEAR)
    side_data: Any = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if side_data is not None:
        image = apply_display_matrix(image, np.frombuffer(bytes(side_data), np.int32).tolist())
    return np.asarray(image, np.uint8)


def apply_display_matrix(image: ByteImage, matrix: list[int]) -> ByteImage:
    """Turn a picture by multiples of 90 degrees and mirror it, as a container's display matrix says.

    Args:
        image: (H, W, 3).
        matrix: nine numbers a, b, u, c, d, v, x, y, w; a pixel goes to x' = a x + c y, y' = b x + d y
            (ISO/IEC 14496-12; only the signs and the larger axis count, slanted pictures are not resampled).

    Returns:
        (H, W, 3) or (W, H, 3).
    """
    a, b, _, c, d = matrix[:5]
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, x_sign, y_sign = image.transpose(1, 0, 2), c, b
    else:
        x_sign, y_sign = a, d
    return image[:: -1 if y_sign < 0 else 1, :: -1 if x_sign < 0 else 1]


def _encode(
    container: OutputContainer,
    frames: Iterable[ByteImage],
    *,
    shape: tuple[int, ...],
    fps: float,
    lossless: bool,
) -> None:
    """Encode all frames into an open container; raises ValueError for frames that do not fit."""
    rate = Fraction(fps).limit_denominator(1001)
    if rate <= 0:
        rate = Fraction(fps).limit_denominator(1_000_000)
    grow_y, grow_x = (0, 0) if lossless else (shape[0] % 2, shape[1] % 2)
    stream: Any = container.add_stream("ffv1" if lossless else "libx264", rate=rate)
    stream.height, stream.width = shape[0] + grow_y, shape[1] + grow_x
    stream.pix_fmt = "bgr0" if lossless else "yuv420p"
    if lossless:
        stream.options = {"level": "3", "slicecrc": "1", "g": "1"}  # each frame by itself, with a check sum
    else:  # AVI stores no display times, so it gets no frames that are reordered
        stream.options = {"crf": "15", "preset": "veryfast"} | ({"bf": "0"} if "avi" in container.format.name else {})
    for image in frames:
        if image.shape != shape or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"frames: expected {shape} uint8, got {image.shape} {image.dtype}")
        padded = np.pad(image, ((0, grow_y), (0, grow_x), (0, 0)), mode="edge")
        container.mux(stream.encode(av.VideoFrame.from_ndarray(padded, format="rgb24")))
    container.mux(stream.encode(None))
