"""Where the skin of a resting face has gone, and the points of every frame moved there.

Points that a network finds take back part of every movement; the skin does not, but cannot be followed everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.face_frame import LEFT_EYE, RIGHT_EYE, STABLE, FacePoints, carry, lay_on_face
from palsy_cli.clinic.flow import Followed, fade, follow
from palsy_cli.clinic.stills import Stills
from palsy_cli.records import FloatArray

#: All points but those of the lids between the canthi: what closes cannot be followed.
_SKIN = [p for p in range(68) if p not in (37, 38, 40, 41, 43, 44, 46, 47)]
#: The points show at least this part of a movement, as its inverse.
_MOST_TAKEN_BACK = 2.5
#: Skin so far off the way of its point, in eye distances (7.5 mm), is half believed; how suddenly it is not.
_ASTRAY, _STEEPNESS = 0.12, 8
#: The points of the mouth: between rest and smile their skin passes over teeth and lips that look like it, and is lost.
_MOUTH = np.array(_SKIN)[:, None] >= 48
#: Skin that is trusted less, of a point that moved at least so far (1.3 mm), is lost; what is found near its point
#: instead is so near to its way (three millimetres).
_LOST, _MOVED, _ASTRAY_AGAIN = 0.5, 0.02, 0.05
#: A point that has gone less far, in eye distances (three millimetres), does not tell a way as surely.
_WAY_SURE = 0.05
#: A point that holds face and picture together and was followed so far from where it is seen, in eye distances (three
#: millimetres), is half believed.
_ADRIFT = 0.05
#: What no expression moves: beside the points that hold face and picture together the bridge of the nose and temples.
_UNMOVED = [*STABLE, 28, 29, 30, 0, 1, 15, 16]
#: Resting stills from which the skin is followed, at most: each shows it a little otherwise.
_REFERENCES = 2


def follow_skin(face: FacePoints, at_rest: npt.NDArray[np.bool_], stills: Stills) -> None:
    """Move all points but those of the lids, in place, to where the skin of the resting face has gone.

    Where it cannot be followed, and between stills, the skin goes as the points do, times what these take back of every
    movement.

    Args:
        face: the points of N frames on the face, in eye distances; those of all but the lids are changed.
        at_rest: (N,) True where the face is at rest.
        stills: faces at rest, and those into which their skin is followed; without any nothing is changed.
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
    skin, trust = _skin(stills, calmest[:_REFERENCES].tolist(), resting, seen)
    gain = _taken_back(seen, skin, trust)
    moved = trust * skin + (1.0 - trust) * gain * seen
    for place in np.ndindex(len(_SKIN), 2):
        column = face.points[:, _SKIN[place[0]], place[1]]  # a view; one at a time, for a video may be long
        own_rest = face.rest[_SKIN[place[0]], place[1]]
        even, own = (np.interp(face.times_s, taken_s, way[(slice(None), *place)]) for way in (seen, moved))
        column[:] = own_rest + own + gain * (column - own_rest - even)


def _skin(
    stills: Stills, references: Sequence[int], resting: npt.NDArray[np.bool_], seen: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """(M, P, 2) how far the skin has moved in each still, on the face, and trust in it (M, P, 1).

    The mean of what each reference tells, as far as that is trusted.
    """
    told, trusts = zip(*(_skin_from(stills, one, resting, seen) for one in references), strict=True)
    trust = np.mean(trusts, axis=0)
    return np.asarray(np.mean(np.multiply(told, trusts), axis=0) / np.maximum(trust, 1e-9)), np.asarray(trust)


def _skin_from(
    stills: Stills, reference: int, resting: npt.NDArray[np.bool_], seen: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """The same, from one still.

    Skin of the mouth that was lost on the way from there is looked for once more where its point (M, P, 2) was seen to
    go. Not all at once: the points of one side may go the other's way. Nor is it believed as easily, for teeth lie
    there, too.
    """
    rest, points = stills.faces[reference], stills.points[reference]
    followed = follow(rest, points, stills.faces)
    skin, trust = _on_face(followed, stills, reference, resting, seen, _ASTRAY)
    lost = _MOUTH & (trust < _LOST) & (np.linalg.norm(seen, axis=-1, keepdims=True) >= _MOVED)
    again = np.flatnonzero(lost.any((1, 2)))
    if not len(again):
        return skin, trust
    near = follow(rest, points, stills.faces[again], stills.points[again])
    followed.points[again], followed.trust[again] = near.points, near.trust
    other, other_trust = _on_face(followed, stills, reference, resting, seen, _ASTRAY_AGAIN)
    better = lost & (other_trust >= _LOST)
    return np.where(better, other, skin), np.where(better, other_trust, trust)


def _on_face(
    followed: Followed, stills: Stills, reference: int, resting: npt.NDArray[np.bool_], seen: FloatArray, astray: float
) -> tuple[FloatArray, FloatArray]:
    """(M, P, 2) how far skin that was followed has moved on the face, and trust in it (M, P, 1).

    Where the skin mostly is at rest it has not moved.
    """
    order = np.arange(len(stills.faces), dtype=float)
    points = _held(followed, stills.points[reference], stills.points)
    face = lay_on_face(points, order, order == reference, max_head_turn=np.inf)
    if face is None:
        raise ValueError("a still has no points")
    skin = face.points[:, _SKIN] - np.median(face.points[resting][:, _SKIN], axis=0)
    return skin, followed.trust[:, _SKIN, None] * _credible(seen, skin, astray)


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


def _credible(seen: FloatArray, skin: FloatArray, astray: float) -> FloatArray:
    """(M, P, 1) 0..1, how far to believe that the skin has moved (M, P, 2) where its points were seen to move.

    The points take back part of a movement, so the skin goes their way and no less far. What is elsewhere only looks
    like that skin: another tooth than that beside the corner of the mouth, the shadow under the lip.
    """
    length = np.linalg.norm(seen, axis=-1, keepdims=True)
    way = seen / np.maximum(length, 1e-9)
    along = np.maximum((skin * way).sum(-1, keepdims=True), length)
    off = np.linalg.norm(skin - along * way, axis=-1, keepdims=True)
    sure = np.minimum(length / _WAY_SURE, 1.0)
    return fade(1.0, sure * off, half=astray, steepness=_STEEPNESS)


def _taken_back(seen: FloatArray, moved: FloatArray, trust: FloatArray) -> float:
    """How many times as far the skin moves as the points (M, P, 2) do, at least once, by weighted least squares."""
    ratio = (trust * seen * moved).sum() / max((trust * seen**2).sum(), 1e-9)
    return float(np.clip(ratio, 1.0, _MOST_TAKEN_BACK))
