"""Faces taken at an even pace, off which the movement of the skin is read.

Keyframes are the frames that differ: of a movement that is held there may be none, or one from its way there. What is
measured of it at its peak must be seen there, so the measures take faces of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palsy_cli.records import ByteImage, FloatArray, Frame, require_shape
from palsy_cli.stages import alignment
from palsy_cli.stages.keyframes import FACE_SIDE, upright_crop

#: Seconds between two stills, and how many are kept at most: a minute's; of a longer video those that tell most.
PACE_S, AT_MOST = 0.25, 256


@dataclass(frozen=True)
class Stills:
    """M faces in the order of time.

    Attributes:
        frames: (M,) decoded frame numbers.
        faces: (M, S, S) grey uint8, cut as those of the keyframes.
        points: (M, 68, 2) landmarks in pixels of ``faces``.
    """

    frames: npt.NDArray[np.int64]
    faces: ByteImage
    points: FloatArray

    def __post_init__(self) -> None:
        m = len(self.frames)
        require_shape("Stills.faces", self.faces, (m, None, None))
        require_shape("Stills.points", self.points, (m, 68, 2))

    def only(self, chosen: npt.NDArray[np.bool_]) -> Stills:
        """Some of them (M,)."""
        return Stills(self.frames[chosen], self.faces[chosen], self.points[chosen])


@dataclass(frozen=True)
class _Still:
    """One of them, and when it was taken."""

    frame: int
    time_s: float
    face: ByteImage
    points: FloatArray


class StillTaker:
    """Takes stills while the points of a video are found: no decoding of their own.

    When they become too many, the one goes whose points lie nearest to the even way between its neighbours': first what
    is at rest or held for long, so that a movement keeps its beginning, its peak and its end.
    """

    def __init__(self) -> None:
        self._kept: list[_Still] = []
        self._missed: list[float] = []

    def add(self, frames: Sequence[Frame], points: FloatArray) -> None:
        """The next frames and their 68 points (len(frames), 68, 2); those with NaN are passed over."""
        for frame, own in zip(frames, points, strict=True):
            if np.isfinite(own).all() and (not self._kept or frame.time_s >= self._kept[-1].time_s + PACE_S):
                upright = upright_crop(own)
                face = alignment.warp_grey(frame.image, upright, (FACE_SIDE, FACE_SIDE))
                self._take(_Still(frame.index, frame.time_s, face, alignment.transform_points(own, upright)))

    def clear(self) -> None:
        """Forget all: what was shown were not the patient's frames."""
        self._kept, self._missed = [], []

    def finish(self) -> Stills:
        """All of them, after the last ``add``; raises ValueError when none was taken."""
        return Stills(
            frames=np.array([one.frame for one in self._kept], np.int64),
            faces=np.stack([one.face for one in self._kept]),
            points=np.stack([one.points for one in self._kept]),
        )

    def _take(self, still: _Still) -> None:
        self._kept.append(still)
        self._missed.append(np.inf)
        self._weigh(len(self._kept) - 2)
        if len(self._kept) > AT_MOST:
            place = int(np.argmin(self._missed))
            del self._kept[place], self._missed[place]
            self._weigh(place - 1)
            self._weigh(place)

    def _weigh(self, place: int) -> None:
        """Note how far the points of one lie from the even way between its neighbours'; first and last stay."""
        if not 0 < place < len(self._kept) - 1:
            return
        before, own, after = self._kept[place - 1 : place + 2]
        share = (own.time_s - before.time_s) / (after.time_s - before.time_s)
        even = before.points + share * (after.points - before.points)
        self._missed[place] = float(np.linalg.norm(own.points - even, axis=1).max())
