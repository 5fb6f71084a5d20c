"""What the decoder is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Task:
    """One question about one input; it travels as JSON.

    Attributes:
        what: ``header`` asks for rate and length, ``frames`` for pictures.
        kind: as in ``Clip``.
        path: the input as the user named it, for messages.
        place: the same, absolute: the decoder works in another folder.
        names: of the images in a folder, in their order.
        fps: average rate, for frames without a time stamp.
        size: width and height that every picture of a video is brought to; ``None`` takes those of the first.
        mirrored: turn the pictures back.
        wanted: numbers of the frames to give; ``None`` for all.
    """

    what: Literal["header", "frames"]
    kind: Literal["video", "image", "folder"]
    path: str
    place: str
    names: tuple[str, ...] = ()
    fps: float | None = None
    size: tuple[int, int] | None = None
    mirrored: bool = False
    wanted: tuple[int, ...] | None = None
