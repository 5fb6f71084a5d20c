"""A patient who is only points: the clinical protocol with its truth, without a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from palsy_cli.clinic.face_frame import FacePoints, lay_on_face
from palsy_cli.records import FloatArray
from palsy_cli.simulate.clips import drives_at, gains_of
from palsy_cli.simulate.muscles import move_points
from palsy_cli.simulate.palsy import Lesion, house_brackmann_preset, rest_displacement
from palsy_cli.simulate.script import Script, write_script
from palsy_cli.simulate.template import draw_shape, neutral_points

FPS = 25.0


@dataclass(frozen=True)
class Patient:
    """Points (N, 68, 2) in pixels at times (N,); which frames are at rest; what was done."""

    times_s: FloatArray
    points: FloatArray
    at_rest: npt.NDArray[np.bool_]
    script: Script

    @property
    def face(self) -> FacePoints:
        """The points on the face."""
        face = lay_on_face(self.points, self.times_s, self.at_rest, max_head_turn=0.1)
        assert face is not None
        return face


@lru_cache(maxsize=16)
def _moved(grade: int, seed: int) -> tuple[Script, FloatArray, FloatArray]:
    """What is done, times (N,), and points (N, 68, 2) in pupil distances."""
    rng = np.random.default_rng(seed)
    lesion = house_brackmann_preset(grade, "left") if grade > 1 else Lesion()
    neutral, rest = neutral_points(draw_shape(rng)), rest_displacement(lesion)
    script = write_script()
    times_s = np.arange(int(script.duration_s * FPS)) / FPS
    drives = (drives_at(script, t, lesion, gains_of(seed)) for t in times_s)
    return script, times_s, np.stack([move_points(neutral, each, rest=rest).points for each in drives])


def make_patient(
    grade: int = 1, *, seed: int = 0, noise_mm: float = 0.0, tilt_deg: float = 0.0, unit_px: float = 100.0
) -> Patient:
    """A palsy of the left, of this House-Brackmann grade, in a picture tilted and scaled like this."""
    script, times_s, still = _moved(grade, seed)
    points = still + np.random.default_rng(seed).normal(0.0, noise_mm / 63.0, still.shape)
    tilt = np.deg2rad(tilt_deg)
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    first, last = script.movements[0], script.movements[-1]
    at_rest = (times_s < first.start_s) | (times_s > last.release_s + script.offset_s + 0.1)
    return Patient(times_s, unit_px * points @ turn.T + 4 * unit_px, at_rest, script)
