"""One recording's clinic measures: rest, scale, movements, and what each side did."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.face_frame import lay_on_face
from palsy_cli.clinic.measures import measure_face
from palsy_cli.clinic.scale import choose_scale
from palsy_cli.clinic.tasks import find_movements
from palsy_cli.config import ClinicSettings
from palsy_cli.records import ClinicMeasures, FaceTrack, FloatArray, Keyframes, Landmarks, Scale

#: Frames this near in time to a resting keyframe show the rest, too.
_AROUND_S = 0.2


def examine(
    track: FaceTrack, landmarks: Landmarks, keyframes: Keyframes, rest: Sequence[int], settings: ClinicSettings
) -> ClinicMeasures:
    """Measure a face.

    Args:
        track: when each of N frames was taken.
        landmarks: the points of each, in pixels.
        keyframes: faces among which the rest is found.
        rest: positions of the resting keyframes.
        settings: scale and head turn.

    Returns:
        Measures; none, and a reason, where no resting frame is known.
    """
    if not rest:
        return ClinicMeasures(Scale(None, None, None, "no rest is known"), reason="no resting frame is known")
    chosen = list(rest)
    at_rest = _near(track.times_s, keyframes.times_s[chosen])
    face = lay_on_face(landmarks.points, track.times_s, at_rest, max_head_turn=settings.max_head_turn)
    if face is None:
        return ClinicMeasures(Scale(None, None, None, "no rest is known"), reason="no resting frame has points")
    at_rest &= np.asarray(np.isfinite(face.points).all((1, 2)))
    movements = find_movements(face)
    return ClinicMeasures(
        scale=choose_scale(
            keyframes.faces[chosen],
            keyframes.face_points[chosen],
            float(np.median(face.unit_px[at_rest])),
            ipd_mm=settings.ipd_mm or None,
            mm_per_px=settings.mm_per_px or None,
        ),
        movements=movements,
        measures=measure_face(face, at_rest, movements),
        rest_frames=int(at_rest.sum()),
        turned_frames=int(face.turned.sum()),
    )


def _near(times_s: FloatArray, moments_s: FloatArray) -> npt.NDArray[np.bool_]:
    """(N,) True for times near one of some moments."""
    return np.asarray((np.abs(times_s[:, None] - moments_s[None]) <= _AROUND_S).any(1))
