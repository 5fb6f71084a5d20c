"""Every measure by name: what a reader calls it, its kind, how it is computed, and where it is from."""

from __future__ import annotations

from dataclasses import dataclass

from palsy_cli.records import MeasureKind


@dataclass(frozen=True)
class Definition:
    """One measure. ``formula`` is for the reference; points are numbered as on the patient's left (iBUG, from 0)."""

    name: str
    title: str
    kind: MeasureKind
    formula: str
    source: str = "ours"


_EMOTRICS = "Emotrics (Guarin et al. 2018)"
_EXCURSIONS: tuple[tuple[str, str, str, str], ...] = (
    ("brow_excursion", "Brow excursion", "brow height at the peak of raising the brows, minus at rest", "ours"),
    ("commissure_excursion", "Commissure excursion",
     "distance of the mouth corner (54) at the peak of the smile from its place at rest",
     "ours; Emotrics gives the name to a position in one photograph"),
    ("alar_lift", "Lift of the nasal wing", "nasal wing height at the peak of the snarl, minus at rest", "ours"),
    ("commissure_narrowing", "Narrowing of the mouth",
     "mouth corner from the midline at rest, minus at the peak of the pucker", "ours"),
    ("lower_lip_depression", "Depression of the lower lip",
     "lower lip height at rest, minus at the peak of showing the lower teeth", "ours"),
)  # fmt: skip

_ALL: tuple[Definition, ...] = (
    Definition("brow_height", "Brow height", "length",
               "height of the brow's line (22-26) above the middle of the canthi (42, 45)", _EMOTRICS),
    Definition("mrd1", "Upper lid (MRD1)", "length",
               "height of the upper lid's line (42-45) above the middle of the canthi, where the pupil is when a "
               "patient looks straight ahead", _EMOTRICS),
    Definition("mrd2", "Lower lid (MRD2)", "length",
               "depth of the lower lid's line (42, 47, 46, 45) below the middle of the canthi", _EMOTRICS),
    Definition("fissure", "Palpebral fissure", "length",
               "mean height of the upper lid's points (43, 44) above the lower lid's (47, 46), at least 0", _EMOTRICS),
    Definition("commissure_width", "Mouth corner from the midline", "length",
               "lateral distance of the mouth corner (54) from the line midway between the eyes"),
    Definition("commissure_height", "Mouth corner height", "length",
               "height of the mouth corner (54) above the line through the eyes; below it negative", _EMOTRICS),
    Definition("commissure_position", "Mouth corner from the lower lip", "length",
               "distance of the mouth corner (54) from the middle of the lower lip's outer border (57)",
               f"{_EMOTRICS}, there called commissure excursion"),
    Definition("upper_lip_height", "Upper lip height", "length",
               "height of the upper lip's outer border (51-54), halfway from the mouth's middle to its corner, above "
               "the line through the eyes", _EMOTRICS),
    Definition("lower_lip_height", "Lower lip height", "length",
               "height of the lower lip's outer border (57-54), likewise", _EMOTRICS),
    Definition("dental_show", "Dental show", "length",
               "gap between the lips' inner borders (62-64 and 66-64), likewise, at least 0", _EMOTRICS),
    Definition("alar_height", "Nasal wing height", "length",
               "height of the nasal wing (35) above the line through the eyes; below it negative"),
    Definition("mouth_area", "Area of half the mouth", "area",
               "area within the lips' outer border (51-57) on this side of the mouth's middle"),
    Definition("philtrum_deviation", "Philtrum deviation", "length",
               "how far the upper lip's middle (51) lies from the line midway between the eyes; to the patient's left "
               "positive"),
    *(Definition(name, title, "length", formula, source) for name, title, formula, source in _EXCURSIONS),
    *(Definition(f"{name}_speed", f"{title}: speed", "speed",
                 "mean speed between 20 and 80 % of the side's own excursion") for name, title, _, _ in _EXCURSIONS),
    *(Definition(f"{name}_delay", f"{title}: delay", "time",
                 "when the side reaches 20 % of its own excursion, after the side that does so first")
      for name, title, _, _ in _EXCURSIONS),
    Definition("smile_angle", "Smile angle", "angle",
               "direction in which the mouth corner moves from rest to the peak of the smile, above the horizontal"),
    Definition("lagophthalmos", "Lagophthalmos", "length",
               "palpebral fissure that is left at the peak of the closure"),
    Definition("blink_rate", "Blinks", "rate",
               "number of closures of at most half a second in which either eye loses a third of its opening, over the "
               "time outside the movements"),
    Definition("blink_closure", "Closure when blinking", "share",
               "median over the blinks of the largest share of its opening that the eye loses"),
    Definition("closure_intensity", "Eye closure as the network reads it (AU43)", "intensity",
               "median intensity of AU43 in the keyframes of the closure in which it is at least 80 % of its largest",
               "difference ensemble (DEM)"),
    Definition("closure", "Eye closure", "share",
               "1 - fissure at the peak of the closure / fissure at rest, within 0 and 1"),
)  # fmt: skip

#: By name, in the order of the reference.
DEFINITIONS: dict[str, Definition] = {each.name: each for each in _ALL}
EXCURSIONS: tuple[str, ...] = tuple(name for name, *_ in _EXCURSIONS)
