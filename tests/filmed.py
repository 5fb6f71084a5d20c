"""A recording of seven frames at an uneven pace, and its assessment, which is made up: no network runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
from factories import neutral_points

from palsy_cli.records import Assessment, ByteImage
from palsy_cli.stages.video import read_clip

#: Seconds of the frames; the last but one shows no face.
TIMES_S = (0.0, 0.04, 0.09, 0.59, 0.6, 1.2, 1.25)
NO_FACE = 5
#: Numbers of the keyframes among them.
KEYFRAMES = (0, 2, 4)
WIDTH, HEIGHT = 96, 64

Recorded = Callable[..., Assessment]


def grey(shade: int) -> ByteImage:
    """A frame of one colour."""
    return np.full((HEIGHT, WIDTH, 3), shade, np.uint8)


def of_frames(whole: Assessment, path: Path) -> Assessment:
    """An assessment as if it were of the seven frames of this recording: a face of 40 pixels in its middle."""
    count, times_s = len(TIMES_S), np.array(TIMES_S)
    points = np.tile(neutral_points() / 10 + (WIDTH / 2 - 25.6, 0), (count, 1, 1))
    points[:, :, 0] += np.arange(count)[:, None]
    points[NO_FACE] = np.nan
    seen = np.arange(count) != NO_FACE
    track = dataclasses.replace(
        whole.track,
        times_s=times_s,
        boxes=whole.track.boxes[:count],
        points=whole.track.points[:count],
        confidence=np.where(seen, 0.9, 0.0),
        reasons=tuple("" if one else "no_face" for one in seen),
    )
    frames, some = np.array(KEYFRAMES), slice(0, len(KEYFRAMES))
    keyframes = dataclasses.replace(
        whole.keyframes,
        frames=frames,
        times_s=times_s[frames],
        confidence=whole.keyframes.confidence[some],
        aligned=whole.keyframes.aligned[some],
        faces=whole.keyframes.faces[some],
        face_points=whole.keyframes.face_points[some],
    )
    units = dataclasses.replace(
        whole.action_units, left=np.full((len(frames), 14), 1.0), right=np.arange(42.0).reshape(-1, 14) / 10
    )
    return dataclasses.replace(
        whole,
        clip=read_clip(path),
        track=track,
        landmarks=dataclasses.replace(whole.landmarks, points=points, confidence=track.confidence),
        keyframes=keyframes,
        action_units=units,
        clinic=dataclasses.replace(whole.clinic, movements=(), reason=None),
    )
