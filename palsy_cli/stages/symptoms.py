"""Hop 7: AU intensities of both sides become weakness and synkinesis (DEM, eqs 4-9). Pure NumPy; needs no model.

Weakness: over the keyframes in which a unit works on either side, compare the mean activity of the sides. Synkinesis
(``stages.synkinesis``) comes first: a misfiring muscle would pass for a strong one.
Exchanging left and right in the input exchanges left and right in the answer, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from palsy_cli.config import SymptomSettings
from palsy_cli.facs import fraction_of_intensity
from palsy_cli.records import ActionUnits, AuAsymmetry, RegionAsymmetry, Symptoms, WeakSide
from palsy_cli.stages.cooccurrence import BoolArray, active_frames, cooccurrence
from palsy_cli.stages.synkinesis import Misfire, find_synkinesis

#: Regions and their units (DEM, eq. 6). AU5 lifts the lid by another nerve (III): an unopposed levator makes it look
#: *stronger* on the weak side, so the clinical eye region is AU6 with closure and AU5 stands apart (E20).
CLINICAL_REGIONS: dict[str, tuple[int, ...]] = {
    "eyebrows": (1, 2, 4),
    "eyes": (6, 43),
    "mouth": (12, 15, 17, 20, 25),
}
PAPER_REGIONS: dict[str, tuple[int, ...]] = {**CLINICAL_REGIONS, "eyes": (5, 6)}

#: Closure (AU43) is judged where the stronger eye is within this share of the most it closes, if it closes so far.
_CLOSED_SHARE, _CLOSES = 0.85, 2.5

NEVER_ACTIVE = "none of its action units was active on either side in any keyframe, unless by misfiring"
NO_REGION = "no region could be assessed: no action unit was active on either side in any keyframe"
NO_SUPPORT = "no tested pair of action units has enough keyframes in which its trigger is active"


def find_symptoms(action_units: ActionUnits, settings: SymptomSettings | None = None) -> Symptoms:
    """Weakness per unit, region and face, and the synkinetic pairs.

    Args:
        action_units: intensities 0..5 of K keyframes (K may be 0; NaN = not measured).
        settings: thresholds; the defaults are those of profile ``clinical``.
    """
    settings = settings or SymptomSettings()
    table = cooccurrence(action_units, threshold=settings.active_threshold, min_support=settings.min_support)
    present, misfires = find_synkinesis(action_units, table, settings)
    passed_over = uninformative(action_units, misfires) if settings.informative_only else None
    means = active_means(action_units, threshold=settings.active_threshold, passed_over=passed_over)
    regions = regional_asymmetry(means, settings)
    face = whole_face(means, regions, settings)
    return Symptoms(
        active_threshold=settings.active_threshold,
        action_units=means,
        regions=regions,
        weak_side=face.weak_side,
        weak_side_reason=NO_REGION if face.weak_side is None else None,
        delta_am=face.delta_am,
        relative=face.relative,
        synkinesis_threshold=settings.synkinesis_threshold,
        synkinesis_present=present,
        synkinesis_reason=NO_SUPPORT if present is None else None,
        pairs=tuple(misfire.pair for misfire in misfires),
        cooccurrence=table,
    )


def uninformative(action_units: ActionUnits, misfires: Iterable[Misfire]) -> BoolArray:
    """Where a unit's activity does not tell how strong its muscle is, (K, A) (ours).

    Where it misfires with another unit, nobody asked the other side for it. Where lids are on their way (a blink, the
    beginning of a closure), one eye is ahead of the other in time, not in strength.
    """
    passed_over = np.zeros(action_units.left.shape, bool)
    for misfire in misfires:
        passed_over[:, action_units.channel(misfire.pair.response_au)] |= misfire.alone
    if 43 in action_units.aus and len(passed_over):
        closure = action_units.channel(43)
        stronger = action_units.stronger_side(43)
        most = np.nanmax(stronger, initial=0.0)
        if most >= _CLOSES:
            passed_over[:, closure] |= ~(stronger >= _CLOSED_SHARE * most)
    return passed_over


def active_means(
    action_units: ActionUnits, *, threshold: float = 0.5, passed_over: BoolArray | None = None
) -> tuple[AuAsymmetry, ...]:
    """Mean activity of each side over the keyframes in which the unit is active on either (DEM, eqs 4-5).

    ``delta_am`` is left minus right in intensity steps: above zero, the left works more. ``movement_left`` and
    ``movement_right`` are the same means of the share of the full movement (``facs.fraction_of_intensity``).

    Args:
        action_units: intensities 0..5 of K keyframes.
        threshold: active above this intensity.
        passed_over: (K, A) keyframes that do not count for a unit. A unit active in no others keeps its means and is
            marked as telling nothing of strength.
    """
    active_left, active_right, _ = active_frames(action_units, threshold=threshold)
    either = active_left | active_right
    means = []
    for column, au in enumerate(action_units.aus):
        frames = either[:, column]
        told = frames if passed_over is None else frames & ~passed_over[:, column]
        counted = bool(told.any())
        frames = told if counted else frames
        if not frames.any():
            means.append(AuAsymmetry(au, None, None, None, 0))
            continue
        sides = [np.asarray(half[frames, column], float) for half in (action_units.left, action_units.right)]
        left, right = (float(np.mean(side)) for side in sides)
        movement_left, movement_right = (float(np.mean(fraction_of_intensity(side))) for side in sides)
        count = int(frames.sum())
        means.append(AuAsymmetry(au, left, right, left - right, count, movement_left, movement_right, counted))
    return tuple(means)


def regional_asymmetry(means: Sequence[AuAsymmetry], settings: SymptomSettings) -> tuple[RegionAsymmetry, ...]:
    """Sum of delta AM over each region's active units (DEM, eq. 6) and the side that it calls weak."""
    layout = CLINICAL_REGIONS if settings.clinical_eye_region else PAPER_REGIONS
    return tuple(assess_region(region, aus, means, settings) for region, aus in layout.items())


def assess_region(
    name: str, aus: Sequence[int], means: Sequence[AuAsymmetry], settings: SymptomSettings
) -> RegionAsymmetry:
    """Asymmetry and weak side over some units; ``None`` with a reason when none of them was ever active."""
    delta, relative = summed_asymmetry(means, aus, of_movement=settings.compare_movement)
    present = tuple(mean.au for mean in means if mean.au in aus)
    if delta is None or relative is None:
        return RegionAsymmetry(name, None, None, None, present, NEVER_ACTIVE)
    return RegionAsymmetry(name, delta, abs(relative), weaker_side(delta, relative, settings), present, None)


def whole_face(
    means: Sequence[AuAsymmetry], regions: Iterable[RegionAsymmetry], settings: SymptomSettings
) -> RegionAsymmetry:
    """The same over the whole face.

    DEM names sides per region only. Our choice: the same sum and the same dead zone over the units of all assessed
    regions, so that strong evidence in one region is not outvoted by two small ones.
    """
    aus = tuple(au for region in regions if region.weak_side is not None for au in region.aus)
    return assess_region("face", aus, means, settings)


def summed_asymmetry(
    means: Sequence[AuAsymmetry], aus: Iterable[int], *, of_movement: bool
) -> tuple[float | None, float | None]:
    """Signed sum of delta AM, and the asymmetry relative to the stronger sides' sum; ``None`` if never active.

    Args:
        means: active means of all units.
        aus: the units to sum over.
        of_movement: compare shares of the full movement, not intensities. Published healthy asymmetry (7 to 9 %) is
            one of excursions, and a fifth less movement is only a sixth less intensity (5 to 4.2).

    Returns:
        Sum in intensity steps, and relative asymmetry -1..1; both above zero where the left works more.
    """
    wanted = set(aus)
    delta = difference = total = 0.0
    for mean in means:
        if mean.au not in wanted or not mean.counted or mean.am_left is None or mean.am_right is None:
            continue
        delta += mean.am_left - mean.am_right
        left, right = (mean.movement_left, mean.movement_right) if of_movement else (mean.am_left, mean.am_right)
        difference += left - right
        total += max(left, right)
    return (delta, difference / total) if total > 0 else (None, None)


def weaker_side(delta: float, relative: float, settings: SymptomSettings) -> WeakSide:
    """The weaker side, or ``none`` inside the dead zone (E19); without dead zone, by the sign of ``delta`` alone.

    Outside of it ``none``, too, where intensity and movement name different sides.
    """
    small = abs(relative) <= settings.dead_zone_relative or abs(delta) < settings.dead_zone_absolute
    if delta == 0 or (settings.dead_zone and (small or delta * relative < 0)):
        return "none"
    return "right" if delta > 0 else "left"
