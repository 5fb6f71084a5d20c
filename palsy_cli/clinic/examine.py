"""One recording's clinic measures: rest, scale, movements, and what each side did."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.curves import both_sides
from palsy_cli.clinic.face_frame import FacePoints, lay_on_face
from palsy_cli.clinic.flow import follow
from palsy_cli.clinic.measures import measure_face, sample_face
from palsy_cli.clinic.samples import Sampled
from palsy_cli.clinic.scale import choose_scale
from palsy_cli.clinic.tasks import find_movements, told_movements
from palsy_cli.clinic.told import REST
from palsy_cli.config import ClinicSettings
from palsy_cli.records import (
    ClinicMeasures,
    FaceTrack,
    FloatArray,
    Keyframes,
    Landmarks,
    Movement,
    Scale,
    ToldTask,
)

#: All points but those of the lids between the canthi: what closes cannot be followed.
_SKIN = [p for p in range(68) if p not in (37, 38, 40, 41, 43, 44, 46, 47)]
#: Frames this near in time to a resting keyframe show the rest, too.
_AROUND_S = 0.2


@dataclasses.dataclass(frozen=True)
class Examined:
    """The measures, and what those that have an interval are the median of."""

    clinic: ClinicMeasures
    samples: tuple[Sampled, ...] = ()


def examine(
    track: FaceTrack,
    landmarks: Landmarks,
    keyframes: Keyframes,
    rest: Sequence[int],
    settings: ClinicSettings,
    *,
    told: Sequence[ToldTask] = (),
) -> Examined:
    """Measure a face.

    Args:
        track: when each of N frames was taken.
        landmarks: the points of each, in pixels.
        keyframes: faces among which the rest is found.
        rest: positions of the resting keyframes.
        settings: scale and head turn.
        told: what was done, and when, if the user says so; else the movements are found.

    Returns:
        Measures; none, and a reason, where no resting frame is known.
    """
    chosen = _told_rest(keyframes, told) or list(rest)
    if not chosen:
        return _nothing("no resting frame is known")
    at_rest = _near(track.times_s, keyframes.times_s[chosen])
    face = lay_on_face(landmarks.points, track.times_s, at_rest, max_head_turn=settings.max_head_turn)
    if face is None:
        return _nothing("no resting frame has points")
    at_rest &= np.asarray(np.isfinite(face.points).all((1, 2)))
    if not at_rest.any():
        return _nothing("the head is turned otherwise in each resting frame")
    face = _with_followed_skin(face, keyframes, chosen)
    unit_px = float(np.median(face.unit_px[at_rest]))
    if unit_px < settings.min_unit_px:
        return _nothing(
            f"the face is too small: {unit_px:.0f} px between the eyes, {settings.min_unit_px:.0f} are needed"
        )
    movements = _movements(face, told)
    clinic = ClinicMeasures(
        scale=choose_scale(
            keyframes.faces[chosen],
            keyframes.face_points[chosen],
            unit_px,
            ipd_mm=settings.ipd_mm or None,
            mm_per_px=settings.mm_per_px or None,
        ),
        movements=movements,
        measures=measure_face(face, at_rest, movements),
        curves={name: values.astype(np.float32) for name, values in both_sides(face.points).items()},
        rest_points=face.rest,
        rest_frames=int(at_rest.sum()),
        turned_frames=int(face.turned.sum()),
    )
    return Examined(clinic, tuple(sample_face(face, at_rest, movements, _blocks(track, keyframes))))


def _told_rest(keyframes: Keyframes, told: Sequence[ToldTask]) -> list[int]:
    """Positions of the keyframes in which, as the user says, the face is at rest."""
    times_s = keyframes.times_s
    spans = [(times_s >= one.onset_s) & (times_s <= one.offset_s) for one in told if one.task == REST]
    return np.flatnonzero(np.any(spans, axis=0)).tolist() if spans else []


def _movements(face: FacePoints, told: Sequence[ToldTask]) -> tuple[Movement, ...]:
    """The movements as a user's table has them, else as they are found; a file's name says what these are."""
    if any(one.source == "table" for one in told):
        return told_movements(face, [one for one in told if one.task != REST])
    found = find_movements(face)
    if not told:
        return found
    if told[0].task == REST:
        return ()
    named = tuple(dataclasses.replace(one, task=told[0].task, source="file name") for one in found)
    return named or told_movements(face, told)


def _nothing(reason: str) -> Examined:
    """No measure, and why."""
    return Examined(ClinicMeasures(Scale(None, None, None, reason), reason=reason))


def _blocks(track: FaceTrack, keyframes: Keyframes) -> npt.NDArray[np.int64]:
    """(N,) the keyframe that each frame is nearest to in time."""
    times_s = keyframes.times_s
    return np.searchsorted((times_s[1:] + times_s[:-1]) / 2, track.times_s)


def _with_followed_skin(face: FacePoints, keyframes: Keyframes, rest: list[int]) -> FacePoints:
    """The face with all points but those of the lids where the skin of the resting face has gone.

    The skin is followed from keyframe to keyframe and moves evenly between; frames without points stay without.
    """
    order = [rest[0], *range(len(keyframes.frames))]
    followed = follow(keyframes.faces[order], keyframes.face_points[rest[0]])[1:]
    resting = np.zeros(len(followed), bool)
    resting[rest] = True
    on_face = lay_on_face(followed, keyframes.times_s, resting, max_head_turn=np.inf)
    if on_face is None:
        return face
    moved = on_face.points - on_face.points[rest].mean(0)
    between = _interpolate(face.times_s, keyframes.times_s, moved)
    points = face.points.copy()
    seen = np.isfinite(points).all((1, 2))
    points[:, _SKIN] = face.rest[_SKIN] + between[:, _SKIN]
    points[~seen] = np.nan
    return dataclasses.replace(face, points=points)


def _interpolate(times_s: FloatArray, known_s: FloatArray, values: FloatArray) -> FloatArray:
    """(N, ...) values at times (N,) between those (K, ...) at known times (K,)."""
    flat = values.reshape(len(known_s), -1)
    between = np.stack([np.interp(times_s, known_s, column) for column in flat.T], axis=1)
    return between.reshape(len(times_s), *values.shape[1:])


def _near(times_s: FloatArray, moments_s: FloatArray) -> npt.NDArray[np.bool_]:
    """(N,) True for times near one of some moments."""
    return np.asarray((np.abs(times_s[:, None] - moments_s[None]) <= _AROUND_S).any(1))
