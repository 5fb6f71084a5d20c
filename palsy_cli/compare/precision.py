"""How much a measure errs from one visit to the next: the standard errors of measurement, and where they are from.

All are from one trial (``docs/benchmarks/2026-11-22-visits.md``): eight people whom no network was trained on, each
simulated at two visits with another grade, effort, camera and light, so that the true change is known. The standard
error is the root mean square of the error of the change, over the square root of two. Where fewer than six changes
could be compared it is that of the error of a visit, which is larger: it holds what is mistaken alike at both visits.
What a real clinic adds (another distance, another pose, make-up, a tired patient) is in none, so they are the least.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Lengths of the trial are in millimetres at this distance of the eyes.
EYE_DISTANCE_MM = 63.0
_OF_CHANGES = "errors of {} known changes of simulated people, docs/benchmarks/2026-11-22-visits.md"
_OF_VISITS = "errors of {} simulated visits, docs/benchmarks/2026-11-22-visits.md"


@dataclass(frozen=True)
class Precision:
    """The standard error of one measure, in its unit (lengths: millimetres at ``EYE_DISTANCE_MM``), and its source."""

    error: float
    source: str


#: Measure (as in ``assessment.json``, closure in percent), task, standard error, number of changes.
_CHANGES: tuple[tuple[str, str, float, int], ...] = (
    ("active_mean", "", 0.39, 224),
    ("region", "", 1.14, 24),
    ("house_brackmann_of_networks", "", 0.66, 8),
    ("severity", "", 0.56, 8),
    ("fngs", "", 1.77, 8),
    ("brow_height", "rest", 0.72, 16),
    ("brow_height, left minus right", "rest", 1.06, 8),
    ("mrd1", "rest", 0.16, 16),
    ("mrd1, left minus right", "rest", 0.19, 8),
    ("mrd2", "rest", 0.38, 16),
    ("mrd2, left minus right", "rest", 0.57, 8),
    ("fissure", "rest", 0.48, 16),
    ("fissure, left minus right", "rest", 0.66, 8),
    ("commissure_width", "rest", 0.35, 16),
    ("commissure_width, left minus right", "rest", 0.65, 8),
    ("commissure_height", "rest", 0.50, 16),
    ("commissure_height, left minus right", "rest", 0.82, 8),
    ("upper_lip_height", "rest", 0.18, 16),
    ("upper_lip_height, left minus right", "rest", 0.22, 8),
    ("lower_lip_height", "rest", 0.33, 16),
    ("lower_lip_height, left minus right", "rest", 0.50, 8),
    ("dental_show", "rest", 0.06, 16),
    ("dental_show, left minus right", "rest", 0.11, 8),
    ("alar_height", "rest", 0.20, 16),
    ("alar_height, left minus right", "rest", 0.22, 8),
    ("mouth_area", "rest", 16.32, 16),
    ("mouth_area, left minus right", "rest", 29.81, 8),
    ("philtrum_deviation", "rest", 1.09, 8),
    ("brow_excursion", "brow_raise", 0.73, 16),
    ("brow_excursion_speed", "brow_raise", 4.37, 14),
    ("brow_excursion_delay", "brow_raise", 0.04, 14),
    ("commissure_excursion", "smile", 0.64, 16),
    ("commissure_excursion_speed", "smile", 6.73, 15),
    ("commissure_excursion_delay", "smile", 0.06, 15),
    ("smile_angle", "smile", 1.26, 15),
    ("dental_show", "smile", 0.54, 16),
    ("philtrum_deviation", "smile", 1.49, 8),
    ("alar_lift", "snarl", 0.31, 16),
    ("alar_lift_speed", "snarl", 2.54, 15),
    ("alar_lift_delay", "snarl", 0.03, 15),
    ("commissure_narrowing", "lip_pucker", 0.85, 10),
    ("commissure_narrowing_speed", "lip_pucker", 3.73, 10),
    ("commissure_narrowing_delay", "lip_pucker", 0.04, 10),
    ("lower_lip_depression", "lower_teeth_EEE", 0.48, 14),
    ("lower_lip_depression_speed", "lower_teeth_EEE", 3.64, 9),
    ("lower_lip_depression_delay", "lower_teeth_EEE", 0.06, 9),
    ("lagophthalmos", "gentle_eye_closure", 0.61, 16),
    ("closure", "gentle_eye_closure", 5.25, 16),
    ("lagophthalmos", "tight_eye_closure", 0.29, 10),
    ("closure", "tight_eye_closure", 2.64, 10),
    # fmt: skip
)
#: The same of what could be compared too seldom: number of visits.
_VISITS: tuple[tuple[str, str, float, int], ...] = (
    ("house_brackmann", "", 1.21, 13),
    ("sunnybrook", "", 9.27, 12),
)
PRECISIONS: dict[tuple[str, str], Precision] = {
    (name, task): Precision(error, source.format(count))
    for table, source in ((_CHANGES, _OF_CHANGES), (_VISITS, _OF_VISITS))
    for name, task, error, count in table
}


def precision_of(name: str, task: str = "", *, of_difference: bool = False) -> Precision | None:
    """The error of a measure of one side in a task, or of left minus right; ``None`` when nobody measured it."""
    return PRECISIONS.get((f"{name}, left minus right" if of_difference else name, task))
