"""The film of an assessment, drawn and encoded frame by frame: memory does not depend on its length."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

import cv2
import numpy as np

from palsy_cli.console import ProgressCallback
from palsy_cli.errors import UsageError, VideoError
from palsy_cli.overlay import lettering
from palsy_cli.overlay.colours import INK, SOFT
from palsy_cli.overlay.face import draw_face, usual_eye_distance
from palsy_cli.overlay.layout import STAGE_PX, Layout, View, lay_out, view_of_picture, view_of_points
from palsy_cli.overlay.panel import Panel
from palsy_cli.overlay.place import require_place
from palsy_cli.overlay.sheet import Sheet
from palsy_cli.records import Assessment, ByteImage, Clip
from palsy_cli.report.terms import REASON_WORDS
from palsy_cli.stages.video import iter_frames, write_video

#: Quality of the film (``stages.video.write_video``): to be looked at, not to be measured in.
_CRF = 22


def write_overlay(
    assessment: Assessment,
    path: Path,
    *,
    deidentify: bool = False,
    on_progress: ProgressCallback | None = None,
) -> Path:
    """Write the recording with landmarks, result, movements and action units drawn on it, as an mp4.

    Frames keep their times. There is no sound in the film, and neither name nor date; only its owner may read it (mode
    0600). It appears whole or not at all.

    Args:
        assessment: of a video that lies where it lay.
        path: the film, ``.mp4``.
        deidentify: draw the landmarks alone, enlarged, on a plain ground. The video is not opened then, so no pixel of
            it can be in the film; how the face is shaped and moves is.
        on_progress: told ``overlay``, frames drawn, frames in all.

    Returns:
        ``path``.

    Raises:
        UsageError: the film cannot be written there, or the assessment is of pictures, which have no time.
        VideoError: the video has gone, or is another than was assessed.
    """
    clip, times_s = assessment.clip, assessment.track.times_s
    require_place(path, clip.path)
    if clip.fps is None:
        raise UsageError(f"{clip.path}: has no time, being no video; --overlay needs one")
    layout = lay_out(STAGE_PX, STAGE_PX) if deidentify else lay_out(clip.width, clip.height)
    if deidentify:
        view = view_of_points(layout, assessment.landmarks.points)
        pictures: Iterable[ByteImage] = itertools.repeat(plain_ground(layout), len(times_s))
    else:
        view, pictures = view_of_picture(layout, clip.width), shown_frames(clip, layout, len(times_s))
    painter = Painter(assessment, layout, view)

    def images() -> Iterator[ByteImage]:
        for done, picture in enumerate(pictures):
            if on_progress is not None:
                on_progress("overlay", done + 1, len(times_s))
            yield painter.paint(done, picture)

    write_video(images(), path, fps=clip.fps, times_s=times_s.tolist(), crf=_CRF)
    return path


class Painter:
    """Draws the frames of a film: the picture with the face's lines on it, and the panel beside it."""

    def __init__(self, assessment: Assessment, layout: Layout, view: View) -> None:
        self.layout, self.view, self.panel = layout, view, Panel(assessment, layout)
        self.points, self.track = assessment.landmarks.points, assessment.track
        self.eyes_px = view.scale * usual_eye_distance(self.points)
        self.ground = np.empty((layout.height, layout.width, 3), np.uint8)
        self.ground[:] = lettering.rgb(SOFT)

    def paint(self, frame: int, picture: ByteImage) -> ByteImage:
        """One frame of the film; ``picture`` (H, W, 3) is of the layout's size."""
        film, (wide, tall) = self.ground.copy(), self.layout.picture
        shown = film[self.layout.top : self.layout.top + tall, :wide]
        shown[:] = picture
        draw_face(shown, self.points[frame], self.view, eyes_px=self.eyes_px)
        reason = self.track.reasons[frame]
        if reason:
            self._say(shown, f"not measured: {REASON_WORDS[reason]}")
        film[:, wide:] = self.panel.draw(frame, float(self.track.times_s[frame]), used=not reason)
        return film

    def _say(self, shown: ByteImage, words: str) -> None:
        """A line of text on white at the foot of the picture."""
        sheet = Sheet(shown, 0.9 * self.layout.unit)
        sheet.box((0.6, sheet.height - 2.4), (sheet.width_of(words, size=1) + 1.2, 1.8), colour="#ffffff")
        sheet.write(words, (1.2, sheet.height - 1.2), size=1, colour=INK)


def plain_ground(layout: Layout) -> ByteImage:
    """What lines are drawn on without a picture."""
    ground = np.empty((layout.picture[1], layout.picture[0], 3), np.uint8)
    ground[:] = lettering.rgb(SOFT)
    return ground


def shown_frames(clip: Clip, layout: Layout, count: int) -> Iterator[ByteImage]:
    """The frames of a clip at the layout's size, of which there must be ``count``.

    Raises:
        VideoError: there are more or fewer, or the video cannot be read.
    """
    other = VideoError(f"{clip.path}: is another video than was assessed; assess it again")
    kind = cv2.INTER_AREA if 2 * layout.picture[0] < clip.width else cv2.INTER_CUBIC
    with closing(iter_frames(clip)) as frames:
        for frame, _ in itertools.zip_longest(frames, range(count)):
            if frame is None or frame.index >= count:
                raise other
            yield cv2.resize(frame.image, layout.picture, interpolation=kind)
