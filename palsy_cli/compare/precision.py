"""How much a measure errs from one visit to the next: the standard errors of measurement, and where they are from.

All are from one trial (``docs/benchmarks/2026-11-22-visits.md``): eight people whom no network was trained on, each
simulated at two visits with another grade, effort, camera and light, so that the true change is known. The standard
error is the root mean square of the error of the change, over the square root of two. What a real clinic adds (another
distance, another pose, make-up, a tired patient) is in none, so they are the least.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Lengths of the trial are in millimetres at this distance of the eyes.
EYE_DISTANCE_MM = 63.0
_SOURCE = "errors of {} known changes of simulated people, docs/benchmarks/2026-11-22-visits.md"


@dataclass(frozen=True)
class Precision:
    """The standard error of one measure, in its unit (lengths: millimetres at ``EYE_DISTANCE_MM``), and its source."""

    error: float
    source: str


#: Measure (as in ``assessment.json``, closure in percent), task, standard error, number of changes.
_CHANGES: tuple[tuple[str, str, float, int], ...] = (
    ("active_mean", "", 0.39, 224),
    ("region", "", 1.13, 24),
    ("house_brackmann_of_networks", "", 0.66, 8),
    ("severity", "", 0.56, 8),
    ("eface_like", "", 1.82, 7),
    ("fngs", "", 1.06, 8),
    ("house_brackmann", "", 0.46, 7),
    ("sunnybrook", "", 9.41, 8),
    ("brow_height", "rest", 0.69, 16),
    ("brow_height, left minus right", "rest", 1.02, 8),
    ("mrd1", "rest", 0.16, 16),
    ("mrd1, left minus right", "rest", 0.21, 8),
    ("mrd2", "rest", 0.38, 16),
    ("mrd2, left minus right", "rest", 0.57, 8),
    ("fissure", "rest", 0.48, 16),
    ("fissure, left minus right", "rest", 0.66, 8),
    ("commissure_width", "rest", 0.32, 16),
    ("commissure_width, left minus right", "rest", 0.60, 8),
    ("commissure_height", "rest", 0.49, 16),
    ("commissure_height, left minus right", "rest", 0.85, 8),
    ("commissure_position", "rest", 0.57, 16),
    ("commissure_position, left minus right", "rest", 1.05, 8),
    ("upper_lip_height", "rest", 0.21, 16),
    ("upper_lip_height, left minus right", "rest", 0.26, 8),
    ("lower_lip_height", "rest", 0.36, 16),
    ("lower_lip_height, left minus right", "rest", 0.56, 8),
    ("dental_show", "rest", 0.08, 16),
    ("dental_show, left minus right", "rest", 0.14, 8),
    ("alar_height", "rest", 0.22, 16),
    ("alar_height, left minus right", "rest", 0.27, 8),
    ("mouth_area", "rest", 15.75, 16),
    ("mouth_area, left minus right", "rest", 29.69, 8),
    ("philtrum_deviation", "rest", 1.06, 8),
    ("brow_excursion", "brow_raise", 0.62, 16),
    ("brow_excursion_speed", "brow_raise", 3.01, 14),
    ("brow_excursion_delay", "brow_raise", 0.03, 14),
    ("commissure_excursion", "smile", 0.64, 16),
    ("smile_angle", "smile", 2.42, 15),
    ("dental_show", "smile", 0.54, 16),
    ("philtrum_deviation", "smile", 1.32, 8),
    ("commissure_excursion_speed", "smile", 4.53, 15),
    ("commissure_excursion_delay", "smile", 0.04, 15),
    ("alar_lift", "snarl", 0.25, 16),
    ("alar_lift_speed", "snarl", 1.64, 15),
    ("alar_lift_delay", "snarl", 0.03, 15),
    ("commissure_narrowing", "lip_pucker", 0.79, 16),
    ("commissure_narrowing_speed", "lip_pucker", 3.64, 14),
    ("commissure_narrowing_delay", "lip_pucker", 0.06, 14),
    ("lower_lip_depression", "lower_teeth_EEE", 0.49, 16),
    ("lower_lip_depression_speed", "lower_teeth_EEE", 1.86, 15),
    ("lower_lip_depression_delay", "lower_teeth_EEE", 0.02, 15),
    ("lagophthalmos", "gentle_eye_closure", 0.37, 16),
    ("closure", "gentle_eye_closure", 4.90, 16),
    ("lagophthalmos", "tight_eye_closure", 1.00, 14),
    ("closure", "tight_eye_closure", 7.15, 14),
    # fmt: skip
)
PRECISIONS: dict[tuple[str, str], Precision] = {
    (name, task): Precision(error, _SOURCE.format(count)) for name, task, error, count in _CHANGES
}


def precision_of(name: str, task: str = "", *, of_difference: bool = False) -> Precision | None:
    """The error of a measure of one side in a task, or of left minus right; ``None`` when nobody measured it."""
    return PRECISIONS.get((f"{name}, left minus right" if of_difference else name, task))
