"""From bytes to pictures: upright RGB with true time stamps. Runs in the decoder's process.

Limits: only the first page of a TIFF is read, HEIC is not read, high dynamic range is not tone-mapped, pictures of
unequal size in a folder keep their own size, and a damaged frame that the libraries patch up without saying so passes
as a good one.
"""

from __future__ import annotations

import errno
import logging
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.reformatter import VideoReformatter

from palsy_cli.errors import VideoError

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from av.container import InputContainer
    from av.video.stream import VideoStream

    from palsy_cli.config import VideoSettings
    from palsy_cli.decoder.task import Task
    from palsy_cli.records import ByteImage

    #: Number, time in seconds, picture (``None`` for what is not wanted).
    Numbered = Generator[tuple[int, float, ByteImage | None], None, None]

#: Formats that are lists of other files, or text drawn as pictures: never read, whatever the file is called.
REFUSED_FORMATS: frozenset[str] = frozenset({"hls", "concat", "dash", "imf", "tty", "lavfi", "image2"})

#: What to do about a file that is nothing we know.
SUPPORTED = "use mp4, mov, avi, mkv, webm, an image (png, jpg, bmp, webp, tiff) or a folder of images"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Header:
    """What a video says of itself, true or not: average frames per second and number of frames, if it tells."""

    fps: float | None
    frames: int | None


def read_header(task: Task, limits: VideoSettings) -> Header:
    """Look at a video without decoding it; raises VideoError when it is none or cannot be read."""
    with _open_video(task, limits) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        count = int(stream.frames) or None
        if count is None and container.duration and rate:
            count = round(container.duration / av.time_base * rate)
        return Header(float(rate) if rate else None, count)


def read_pictures(task: Task, limits: VideoSettings) -> Numbered:
    """Yield every frame that can be decoded, as ``stages.video.iter_frames`` says.

    Raises:
        VideoError: the input cannot be opened, or exceeds a limit.
        MemoryError: it needs more memory than the process has.
    """
    wanted = None if task.wanted is None else frozenset(task.wanted)
    source = _video_pictures(task, wanted, limits) if task.kind == "video" else _still_pictures(task, limits)
    with closing(source):
        for index, time_s, image in source:
            if index >= limits.max_frames:
                limit = f"video.max_frames = {limits.max_frames}"
                raise VideoError(f"{task.path}: has more than {limit} frames; cut it into clips or raise that setting")
            if image is None or (wanted is not None and index not in wanted):
                yield index, time_s, None
            else:
                yield index, time_s, image[:, ::-1] if task.mirrored else image


def os_error(path: Path | str, error: OSError) -> VideoError:
    """Say in one line why the system does not hand out a file."""
    if isinstance(error, FileNotFoundError):
        return VideoError(f"{path}: no such file or folder; check the name")
    if isinstance(error, PermissionError):
        return VideoError(f"{path}: no permission to read it; change its permissions or copy it")
    return VideoError(f"{path}: cannot be read ({error.strerror or error}); check the disk and the name")


def require_memory(error: Exception) -> None:
    """Raise MemoryError when that is what an error means: no memory, or none for one more thread."""
    if getattr(error, "errno", None) in (errno.ENOMEM, errno.EAGAIN):
        raise MemoryError from error


def _too_large(path: Path | str, said: str, limits: VideoSettings) -> VideoError:
    """The error of a picture beyond the limit."""
    return VideoError(
        f"{path}: {said} pixels, more than video.max_pixels = {limits.max_pixels}; export it smaller or raise that "
        "setting"
    )


@lru_cache(maxsize=1)
def _opencv() -> Any:
    """OpenCV, loaded when first needed: it takes half of the start, and most videos do without."""
    import cv2

    cv2.setNumThreads(1)  # the process whose frames these are has the other cores
    cv2.utils.logging.setLogLevel(0)  # it would write its own lines to stderr; we say it in one
    return cv2


def _still_pictures(task: Task, limits: VideoSettings) -> Numbered:
    """The picture of an image, or of a folder's images, whose time is their number; raises VideoError for a bad one.

    In a folder a damaged image is passed over, without a gap.
    """
    if task.kind == "image":
        image = _read_image(Path(task.place), task.path, limits)
        if image is None:
            raise VideoError(f"{task.path}: cannot be read as an image; {SUPPORTED}")
        yield 0, 0.0, image
        return
    number = 0
    for name in task.names:
        image = _read_image(Path(task.place) / name, Path(task.path) / name, limits)
        if image is None:
            logger.warning("%s: cannot be read as an image; skipped", Path(task.path) / name)
            continue
        yield number, float(number), image
        number += 1


def _read_image(place: Path, path: Path | str, limits: VideoSettings) -> ByteImage | None:
    """Decode an image, upright by its EXIF data; ``None`` if damaged; raises VideoError if unreadable or too large.

    OpenCV compares the size that the image claims with ``OPENCV_IO_MAX_IMAGE_PIXELS``, which the decoder's environment
    sets to the limit, before it makes room for a single pixel.
    """
    try:
        data = np.frombuffer(place.read_bytes(), np.uint8)
    except OSError as error:
        require_memory(error)
        raise os_error(path, error) from error
    if not data.size:
        return None
    cv2 = _opencv()
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError from error
        if "CV_IO_MAX_IMAGE" in str(error):
            raise _too_large(path, "claims too many", limits) from error
        return None
    return None if decoded is None else np.asarray(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def _open_video(task: Task, limits: VideoSettings) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a container and its first true video stream (a cover picture is none), from this file alone."""
    path = task.path
    try:
        container = av.open(f"file:{task.place}", options={"protocol_whitelist": "file"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        require_memory(error)
        if isinstance(error, (FileNotFoundError, PermissionError)):
            raise os_error(path, error) from error
        raise VideoError(f"{path}: is no readable video (damaged or cut short?); {SUPPORTED}") from error
    with container:
        if REFUSED_FORMATS.intersection(container.format.name.split(",")):
            raise VideoError(f"{path}: is a list or text, not a video; name the video itself")
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise VideoError(f"{path}: has no video stream (sound only?); give a recording with pictures")
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoError(f"{path}: its pictures are in a format that is not known; export it again as mp4 (H.264)")
        _require_size(task, stream.codec_context, stream.sample_aspect_ratio, limits)
        stream.thread_type = "AUTO"
        yield container, stream


def _require_size(task: Task, picture: Any, pixel_aspect: Fraction | None, limits: VideoSettings) -> None:
    """Raise VideoError when what has ``width`` and ``height`` would have too many pixels, squared ones."""
    width, height = _square_width(picture.width, pixel_aspect), picture.height
    if max(width, picture.width) * height > limits.max_pixels:
        raise _too_large(task.path, f"claims {width}x{height}", limits)


def _square_width(width: int, pixel_aspect: Fraction | None) -> int:
    """The width that a picture has when its pixels are made square; odd claims are not believed."""
    if pixel_aspect and Fraction(1, 4) <= pixel_aspect <= 4:
        return max(1, round(width * pixel_aspect))
    return width


def _video_pictures(task: Task, wanted: frozenset[int] | None, limits: VideoSettings) -> Numbered:
    """The frames of a video, all of one size; those that nobody wants are not converted, which takes as long."""
    size = task.size
    with _open_video(task, limits) as (container, stream):
        clock, converter = Clock(stream.time_base, task.fps), VideoReformatter()
        for index, frame in enumerate(_decode(container, stream)):
            _require_size(task, frame, stream.sample_aspect_ratio, limits)
            time_s = clock.tell(frame.pts)
            if wanted is not None and index not in wanted:
                yield index, time_s, None
                continue
            image = _upright(_to_rgb(task, frame, converter), frame, stream.sample_aspect_ratio)
            size = size or (image.shape[1], image.shape[0])
            if (image.shape[1], image.shape[0]) != size:  # a stream may change its size; the clip has one
                cv2 = _opencv()
                image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            yield index, time_s, image


def _decode(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame]:
    """Decode packet by packet, so that one bad packet costs one frame and a broken end costs the end."""
    name, packets, damaged = container.name.removeprefix("file:"), container.demux(stream), False
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except (av.error.FFmpegError, OSError) as error:
            require_memory(error)
            logger.warning("%s: breaks off (%s); the frames before are used", name, error)
            packet = None  # what the decoder still holds
        if packet is not None and packet.is_corrupt:  # the piece at which a file was cut
            continue
        try:
            frames = stream.codec_context.decode(packet)
        except (av.error.FFmpegError, OSError) as error:
            require_memory(error)
            if not damaged:  # one line a file is enough
                logger.warning("%s: holds frames that cannot be decoded; they are skipped", name)
            damaged, frames = True, []
        yield from (frame for frame in frames if not frame.is_corrupt)
        if packet is None:
            return


class Clock:
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


def _to_rgb(task: Task, frame: av.VideoFrame, converter: VideoReformatter) -> ByteImage:
    """(H, W, 3); one converter for all frames, since each starts its own threads."""
    try:
        plane = converter.reformat(frame, format="rgb24").planes[0]
    except (av.error.FFmpegError, ValueError) as error:
        require_memory(error)
        told = f"its pictures ({frame.format.name}) cannot be converted"
        raise VideoError(f"{task.path}: {told}; export it again as mp4 (H.264)") from error
    # Read where they lie: PyAV's own way to an array is one more copy, into new memory each time.
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : 3 * plane.width].reshape(plane.height, plane.width, 3)


def _upright(image: ByteImage, frame: av.VideoFrame, pixel_aspect: Fraction | None) -> ByteImage:
    """Square the pixels, then turn and mirror as the frame's display matrix says."""
    width = _square_width(image.shape[1], pixel_aspect)
    if width != image.shape[1]:
        cv2 = _opencv()
        image = np.asarray(cv2.resize(image, (width, image.shape[0]), interpolation=cv2.INTER_LINEAR), np.uint8)
    side_data: Any = frame.side_data.get(SideDataType.DISPLAYMATRIX)
    if side_data is not None:
        return apply_display_matrix(image, np.frombuffer(bytes(side_data), np.int32).tolist())
    return image


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
