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
    ("region", "", 1.10, 24),
    ("house_brackmann_of_networks", "", 0.43, 8),
    ("severity", "", 0.35, 8),
    ("eface_like", "", 1.63, 6),
    ("fngs", "", 0.94, 8),
    ("house_brackmann", "", 0.58, 6),
    ("sunnybrook", "", 6.75, 8),
    ("brow_height", "rest", 0.62, 16),
    ("brow_height, left minus right", "rest", 0.99, 8),
    ("mrd1", "rest", 0.17, 16),
    ("mrd1, left minus right", "rest", 0.23, 8),
    ("mrd2", "rest", 0.36, 16),
    ("mrd2, left minus right", "rest", 0.47, 8),
    ("fissure", "rest", 0.48, 16),
    ("fissure, left minus right", "rest", 0.65, 8),
    ("commissure_width", "rest", 0.26, 16),
    ("commissure_width, left minus right", "rest", 0.47, 8),
    ("commissure_height", "rest", 0.47, 16),
    ("commissure_height, left minus right", "rest", 0.78, 8),
    ("commissure_position", "rest", 0.56, 16),
    ("commissure_position, left minus right", "rest", 1.09, 8),
    ("upper_lip_height", "rest", 0.16, 16),
    ("upper_lip_height, left minus right", "rest", 0.19, 8),
    ("lower_lip_height", "rest", 0.28, 16),
    ("lower_lip_height, left minus right", "rest", 0.49, 8),
    ("dental_show", "rest", 0.05, 16),
    ("dental_show, left minus right", "rest", 0.06, 8),
    ("alar_height", "rest", 0.16, 16),
    ("alar_height, left minus right", "rest", 0.15, 8),
    ("mouth_area", "rest", 15.21, 16),
    ("mouth_area, left minus right", "rest", 29.98, 8),
    ("philtrum_deviation", "rest", 0.95, 8),
    ("brow_excursion", "brow_raise", 0.55, 16),
    ("brow_excursion_speed", "brow_raise", 2.50, 14),
    ("brow_excursion_delay", "brow_raise", 0.03, 14),
    ("commissure_excursion", "smile", 0.60, 16),
    ("smile_angle", "smile", 3.01, 15),
    ("dental_show", "smile", 0.76, 16),
    ("philtrum_deviation", "smile", 1.31, 8),
    ("commissure_excursion_speed", "smile", 2.19, 15),
    ("commissure_excursion_delay", "smile", 0.03, 15),
    ("alar_lift", "snarl", 0.21, 16),
    ("alar_lift_speed", "snarl", 1.45, 15),
    ("alar_lift_delay", "snarl", 0.01, 15),
    ("commissure_narrowing", "lip_pucker", 0.21, 16),
    ("commissure_narrowing_speed", "lip_pucker", 1.88, 15),
    ("commissure_narrowing_delay", "lip_pucker", 0.02, 15),
    ("lower_lip_depression", "lower_teeth_EEE", 0.28, 16),
    ("lower_lip_depression_speed", "lower_teeth_EEE", 2.13, 15),
    ("lower_lip_depression_delay", "lower_teeth_EEE", 0.01, 15),
    ("lagophthalmos", "gentle_eye_closure", 0.37, 16),
    ("closure", "gentle_eye_closure", 4.67, 16),
    ("lagophthalmos", "tight_eye_closure", 0.96, 12),
    ("closure", "tight_eye_closure", 6.24, 12),
    # fmt: skip
)
PRECISIONS: dict[tuple[str, str], Precision] = {
    (name, task): Precision(error, _SOURCE.format(count)) for name, task, error, count in _CHANGES
}


def precision_of(name: str, task: str = "", *, of_difference: bool = False) -> Precision | None:
    """The error of a measure of one side in a task, or of left minus right; ``None`` when nobody measured it."""
    return PRECISIONS.get((f"{name}, left minus right" if of_difference else name, task))
