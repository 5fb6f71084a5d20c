"""One recording's clinic measures: rest, scale, movements, and what each side did."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.blinks import find_blinks
from palsy_cli.clinic.curves import CURVES, measure
from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.face_frame import LEFT_EYE, RIGHT_EYE, STABLE, FacePoints, carry, lay_on_face
from palsy_cli.clinic.flow import Followed, fade, follow
from palsy_cli.clinic.measures import by_task, sample_closure, sample_face, time_movements
from palsy_cli.clinic.samples import Sampled
from palsy_cli.clinic.scale import choose_scale
from palsy_cli.clinic.stills import Stills
from palsy_cli.clinic.tasks import find_movements, told_movements
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

#: All points but those of the lids between the canthi: what closes cannot be followed.
_SKIN = [p for p in range(68) if p not in (37, 38, 40, 41, 43, 44, 46, 47)]
#: The points show at least this part of a movement, as its inverse.
_MOST_TAKEN_BACK = 2.5
#: Skin so far off the way of its point, in eye distances (7.5 mm), is half believed; how suddenly it is not.
_ASTRAY, _STEEPNESS = 0.12, 8
#: A point that has gone less far, in eye distances (three millimetres), does not tell a way as surely.
_WAY_SURE = 0.05
#: A point that holds face and picture together and was followed so far from where it is seen, in eye distances (three
#: millimetres), is half believed.
_ADRIFT = 0.05
#: What no expression moves: beside the points that hold face and picture together the bridge of the nose and temples.
_UNMOVED = [*STABLE, 28, 29, 30, 0, 1, 15, 16]
#: Resting stills from which the skin is followed, at most: each shows it a little otherwise.
_REFERENCES = 2
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
        action_units: of the keyframes; which of these are at rest, and how far the eyes close.
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
    _follow_skin(face, at_rest, stills)
    unit_px = float(np.median(face.unit_px[at_rest]))
    if unit_px < settings.min_unit_px:
        return _nothing(
            f"the face is too small: {unit_px:.0f} px between the eyes, {settings.min_unit_px:.0f} are needed"
        )
    movements = _movements(face, told, _closed(track, keyframes, action_units))
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


def _closed(track: FaceTrack, keyframes: Keyframes, action_units: ActionUnits) -> FloatArray:
    """(N,) how far the more closed eye is read as closed (AU43) in the keyframes; NaN in all other frames."""
    closed = np.full(len(track.times_s), np.nan)
    if 43 in action_units.aus:
        column = action_units.channel(43)
        closed[keyframes.frames] = np.fmax(action_units.left[:, column], action_units.right[:, column])
    return closed


def _movements(face: FacePoints, told: Sequence[ToldTask], closed: FloatArray) -> tuple[Movement, ...]:
    """The movements as a user's table has them, else as they are found; a file's name says what these are."""
    if any(one.source == "table" for one in told):
        return told_movements(face, [one for one in told if one.task != REST])
    found = find_movements(face, closed)
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


def _follow_skin(face: FacePoints, at_rest: npt.NDArray[np.bool_], stills: Stills) -> None:
    """Move all points but those of the lids, in place, to where the skin of the resting face has gone.

    The skin is followed from still to still. Where it cannot be followed, and between stills, it goes as the points do,
    times what these take back of every movement.
    """
    stills = stills.only(np.asarray(np.isfinite(face.points[stills.frames]).all((1, 2))))
    if not len(stills.frames):
        return
    seen, taken_s = face.points[stills.frames][:, _SKIN] - face.rest[_SKIN], face.times_s[stills.frames]
    apart = np.linalg.norm(seen, axis=2).sum(1)
    resting = at_rest[stills.frames]
    if not resting.any():
        resting = apart == apart.min()
    calmest = np.flatnonzero(resting)[np.argsort(apart[resting], kind="stable")]
    skin, trust = _skin(stills, calmest[:_REFERENCES].tolist(), resting)
    trust = trust * _credible(seen, skin)
    gain = _taken_back(seen, skin, trust)
    moved = trust * skin + (1.0 - trust) * gain * seen
    for place in np.ndindex(len(_SKIN), 2):
        column = face.points[:, _SKIN[place[0]], place[1]]  # a view; one at a time, for a video may be long
        own_rest = face.rest[_SKIN[place[0]], place[1]]
        even, own = (np.interp(face.times_s, taken_s, way[(slice(None), *place)]) for way in (seen, moved))
        column[:] = own_rest + own + gain * (column - own_rest - even)


def _skin(stills: Stills, references: Sequence[int], resting: npt.NDArray[np.bool_]) -> tuple[FloatArray, FloatArray]:
    """(M, P, 2) how far the skin has moved in each still, on the face, and trust in it (M, P, 1).

    The mean of what each reference tells, as far as that is trusted; where the skin mostly is at rest it has not moved.
    """
    order, told, trusts = np.arange(len(stills.faces), dtype=float), [], []
    for place in references:
        followed = follow(stills.faces[place], stills.points[place], stills.faces)
        points = _held(followed, stills.points[place], stills.points)
        on_face = lay_on_face(points, order, order == place, max_head_turn=np.inf)
        if on_face is None:
            raise ValueError("a still has no points")
        told.append(on_face.points[:, _SKIN] - np.median(on_face.points[resting][:, _SKIN], axis=0))
        trusts.append(followed.trust[:, _SKIN, None])
    trust = np.mean(trusts, axis=0)
    return np.asarray(np.mean(np.multiply(told, trusts), axis=0) / np.maximum(trust, 1e-9)), np.asarray(trust)


def _held(followed: Followed, rest: FloatArray, seen: FloatArray) -> FloatArray:
    """The followed points (M, 68, 2) of a resting face (68, 2), those that hold face and picture put right if lost.

    An eye that closes looks otherwise around its canthi, too. They are found elsewhere then, and the whole face would
    turn with them; where they are seen is lower, too. So they are put where all goes that no expression moves.
    """
    stable, points, sure = list(STABLE), followed.points.copy(), np.zeros_like(followed.trust)
    eyes = np.linalg.norm(seen[:, RIGHT_EYE].mean(1) - seen[:, LEFT_EYE].mean(1), axis=1)
    adrift = np.linalg.norm(points - seen, axis=2) / eyes[:, None]
    sure[:, _UNMOVED] = np.maximum(followed.trust[:, _UNMOVED], 1e-3)  # where all is lost, all counts alike
    sure[:, stable] = fade(sure[:, stable], adrift[:, stable], half=_ADRIFT, steepness=_STEEPNESS)
    own = sure[:, stable, None]
    points[:, stable] = own * points[:, stable] + (1.0 - own) * carry(rest, points, sure)[:, stable]
    return points


def _credible(seen: FloatArray, skin: FloatArray) -> FloatArray:
    """(M, P, 1) 0..1, how far to believe that the skin has moved (M, P, 2) where its points were seen to move.

    The points take back part of a movement, but go its way. What is far off it or against it only looks like that skin:
    another tooth than that beside the corner of the mouth.
    """
    length = np.linalg.norm(seen, axis=-1, keepdims=True)
    way = seen / np.maximum(length, 1e-9)
    along = np.maximum((skin * way).sum(-1, keepdims=True), 0.0)
    off = np.linalg.norm(skin - along * way, axis=-1, keepdims=True)
    sure = np.minimum(length / _WAY_SURE, 1.0)
    return fade(1.0, sure * off, half=_ASTRAY, steepness=_STEEPNESS)


def _taken_back(seen: FloatArray, moved: FloatArray, trust: FloatArray) -> float:
    """How many times as far the skin moves as the points (M, P, 2) do, at least once, by weighted least squares."""
    ratio = (trust * seen * moved).sum() / max((trust * seen**2).sum(), 1e-9)
    return float(np.clip(ratio, 1.0, _MOST_TAKEN_BACK))


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
