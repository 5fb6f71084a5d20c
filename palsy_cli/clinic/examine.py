"""One recording's clinic measures: rest, scale, movements, and what each side did."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.blinks import find_blinks
from palsy_cli.clinic.curves import CURVES, measure
from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.face_frame import FacePoints, lay_on_face
from palsy_cli.clinic.measures import by_task, sample_closure, sample_face, time_movements
from palsy_cli.clinic.samples import Sampled
from palsy_cli.clinic.scale import choose_scale
from palsy_cli.clinic.skin import follow_skin
from palsy_cli.clinic.stills import Stills
from palsy_cli.clinic.tasks import EyeReadings, find_movements, told_movements
from palsy_cli.clinic.told import REST
from palsy_cli.config import ClinicSettings
from palsy_cli.records import (
    ActionUnits,
    ClinicMeasures,
    FaceTrack,
    FloatArray,
    Keyframes,
    Landmarks,
    Movement,
    Scale,
    ToldTask,
)

#: Frames in which no length differs by more from what it is at rest show the rest, too: eye distances (a millimetre).
_CALM = 0.016
#: Or by so many times what is usual around the resting keyframes.
_TREMBLES = 1.5
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
    stills: Stills,
    action_units: ActionUnits,
    settings: ClinicSettings,
    *,
    told: Sequence[ToldTask] = (),
) -> Examined:
    """Measure a face.

    Args:
        track: when each of N frames was taken.
        landmarks: the points of each, in pixels.
        keyframes: faces among which the rest is found.
        stills: faces into which the skin of the resting ones is followed.
        action_units: of the keyframes; which of these are at rest, and what the eyes do.
        settings: scale and head turn.
        told: what was done, and when, if the user says so; else the movements are found.

    Returns:
        Measures; none, and a reason, where no resting frame is known.
    """
    told_rest = _told_rest(keyframes, told)
    chosen = told_rest or list(action_units.rest)
    if not chosen:
        return _nothing("no resting frame is known")
    laid = _lay(landmarks, track.times_s, _near(track.times_s, keyframes.times_s[chosen]), settings)
    if not told_rest and not isinstance(laid, str):
        laid = _lay(landmarks, track.times_s, _alike(*laid), settings)
    if isinstance(laid, str):
        return _nothing(laid)
    face, at_rest = laid
    follow_skin(face, at_rest, stills)
    unit_px = float(np.median(face.unit_px[at_rest]))
    if unit_px < settings.min_unit_px:
        return _nothing(
            f"the face is too small: {unit_px:.0f} px between the eyes, {settings.min_unit_px:.0f} are needed"
        )
    movements = _movements(face, told, _eyes(track, keyframes, action_units))
    samples = [
        *sample_face(face, at_rest, movements, _blocks(track.times_s, stills)),
        *sample_closure(keyframes.times_s, action_units, movements),
    ]
    curves = measure(face.points)
    rate, blinks = find_blinks(face.times_s, curves["fissure"], measure(face.rest[None])["fissure"][0], movements)
    samples.append(blinks)
    clinic = ClinicMeasures(
        scale=choose_scale(
            keyframes.faces[chosen],
            keyframes.face_points[chosen],
            unit_px,
            ipd_mm=settings.ipd_mm or None,
            mm_per_px=settings.mm_per_px or None,
        ),
        movements=movements,
        measures=by_task([*(one.measure() for one in samples), rate, *time_movements(face, movements)]),
        curves={name: values.astype(np.float32) for name, values in curves.items()},
        rest_points=face.rest,
        rest_frames=int(at_rest.sum()),
        turned_frames=int(face.turned.sum()),
    )
    return Examined(clinic, tuple(samples))


def _lay(
    landmarks: Landmarks, times_s: FloatArray, at_rest: npt.NDArray[np.bool_], settings: ClinicSettings
) -> tuple[FacePoints, npt.NDArray[np.bool_]] | str:
    """The points on the face, and the frames at rest (N,) that can be used; else why there are none."""
    face = lay_on_face(landmarks.points, times_s, at_rest, max_head_turn=settings.max_head_turn)
    if face is None:
        return "no resting frame has points"
    used = at_rest & np.asarray(np.isfinite(face.points).all((1, 2)))
    return (face, used) if used.any() else "the head is turned otherwise in each resting frame"


def _told_rest(keyframes: Keyframes, told: Sequence[ToldTask]) -> list[int]:
    """Positions of the keyframes in which, as the user says, the face is at rest."""
    times_s = keyframes.times_s
    spans = [(times_s >= one.onset_s) & (times_s <= one.offset_s) for one in told if one.task == REST]
    return np.flatnonzero(np.any(spans, axis=0)).tolist() if spans else []


def _eyes(track: FaceTrack, keyframes: Keyframes, action_units: ActionUnits) -> EyeReadings:
    """What was read of the eyes in the keyframes, among all N frames."""
    closed, squeezed = np.full((2, len(track.times_s)), np.nan)
    for readings, au in ((closed, 43), (squeezed, 6)):
        if au in action_units.aus:
            readings[keyframes.frames] = action_units.stronger_side(au)
    return EyeReadings(closed, squeezed)


def _movements(face: FacePoints, told: Sequence[ToldTask], eyes: EyeReadings) -> tuple[Movement, ...]:
    """The movements as a user's table has them, else as they are found; a file's name says what these are."""
    if any(one.source == "table" for one in told):
        return told_movements(face, [one for one in told if one.task != REST])
    found = find_movements(face, eyes)
    if not told:
        return found
    if told[0].task == REST:
        return ()
    named = tuple(dataclasses.replace(one, task=told[0].task, source="file name") for one in found)
    return named or told_movements(face, told)


def _nothing(reason: str) -> Examined:
    """No measure, and why."""
    return Examined(ClinicMeasures(Scale(None, None, None, reason), reason=reason))


def _blocks(times_s: FloatArray, stills: Stills) -> npt.NDArray[np.int64]:
    """(N,) the still that each frame is nearest to in time."""
    taken_s = times_s[stills.frames]
    return np.searchsorted((taken_s[1:] + taken_s[:-1]) / 2, times_s)


def _alike(face: FacePoints, at_rest: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(N,) True for every frame in which no length is otherwise than at rest, as far as the points tremble there."""
    lengths = [name for name in CURVES if DEFINITIONS[name].kind == "length"]
    now, rest = measure(face.points), measure(face.rest[None])
    apart = np.stack([np.abs(now[name] - rest[name]).max(1) for name in lengths]).max(0)
    return np.asarray(apart <= max(_CALM, _TREMBLES * float(np.median(apart[at_rest]))))


def _near(times_s: FloatArray, moments_s: FloatArray) -> npt.NDArray[np.bool_]:
    """(N,) True for times near one of some moments."""
    near = np.zeros(len(times_s), bool)
    for moment_s in moments_s:
        near |= np.abs(times_s - moment_s) <= _AROUND_S
    return near
