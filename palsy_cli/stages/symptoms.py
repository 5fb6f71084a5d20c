"""AU intensities of both sides become weakness and synkinesis (DEM, eqs 4-9). Pure NumPy; needs no model.

Weakness: over the keyframes in which a unit works on either side, compare the mean intensities of the sides.
Synkinesis: a unit that moves with another on one side only, where healthy faces do not couple the two.
Exchanging left and right in the input exchanges left and right in the answer, exactly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from palsy_cli.config import SymptomSettings
from palsy_cli.records import (
    ActionUnits,
    AuAsymmetry,
    Cooccurrence,
    FloatArray,
    RegionAsymmetry,
    Side,
    Symptoms,
    SynkinesisPair,
    WeakSide,
)
from palsy_cli.stages.cooccurrence import BoolArray, active_frames, cells_under_test, cooccurrence, wilson_interval

#: Regions and their units (DEM, eq. 6). AU5 lifts the lid by another nerve (III): an unopposed levator makes it look
#: *stronger* on the weak side, so the clinical eye region is AU6 with closure and AU5 stands apart (E20).
CLINICAL_REGIONS: dict[str, tuple[int, ...]] = {
    "eyebrows": (1, 2, 4),
    "eyes": (6, 43),
    "mouth": (12, 15, 17, 20, 25),
}
PAPER_REGIONS: dict[str, tuple[int, ...]] = {**CLINICAL_REGIONS, "eyes": (5, 6)}

NEVER_ACTIVE = "none of its action units was active on either side in any keyframe"
NO_REGION = "no region could be assessed: no action unit was active on either side in any keyframe"
NO_SUPPORT = "no tested pair of action units has enough keyframes in which its trigger is active"


def find_symptoms(action_units: ActionUnits, settings: SymptomSettings | None = None) -> Symptoms:
    """Weakness per unit, region and face, and the synkinetic pairs.

    Args:
        action_units: intensities 0..5 of K keyframes (K may be 0; NaN = not measured).
        settings: thresholds; the defaults are those of profile ``clinical``.
    """
    settings = settings or SymptomSettings()
    means = active_means(action_units, threshold=settings.active_threshold)
    regions = regional_asymmetry(means, settings)
    weak_side = overall_weak_side(means, regions, settings)
    table = cooccurrence(action_units, threshold=settings.active_threshold, min_support=settings.min_support)
    present, pairs = find_synkinesis(action_units, table, settings)
    return Symptoms(
        active_threshold=settings.active_threshold,
        action_units=means,
        regions=regions,
        weak_side=weak_side,
        weak_side_reason=NO_REGION if weak_side is None else None,
        synkinesis_threshold=settings.synkinesis_threshold,
        synkinesis_present=present,
        synkinesis_reason=NO_SUPPORT if present is None else None,
        pairs=pairs,
        cooccurrence=table,
    )


def active_means(action_units: ActionUnits, *, threshold: float = 0.5) -> tuple[AuAsymmetry, ...]:
    """Mean intensity of each side over the keyframes in which the unit is active on either (DEM, eqs 4-5).

    ``delta_am`` is left minus right in intensity steps: above zero, the left works more.
    """
    active_left, active_right, _ = active_frames(action_units, threshold=threshold)
    either = active_left | active_right
    means = []
    for column, au in enumerate(action_units.aus):
        frames = either[:, column]
        if not frames.any():
            means.append(AuAsymmetry(au, None, None, None, 0))
            continue
        left = float(np.mean(action_units.left[frames, column], dtype=float))
        right = float(np.mean(action_units.right[frames, column], dtype=float))
        means.append(AuAsymmetry(au, left, right, left - right, int(frames.sum())))
    return tuple(means)


def regional_asymmetry(means: Sequence[AuAsymmetry], settings: SymptomSettings) -> tuple[RegionAsymmetry, ...]:
    """Sum of delta AM over each region's active units (DEM, eq. 6) and the side that it calls weak."""
    regions = []
    layout = CLINICAL_REGIONS if settings.clinical_eye_region else PAPER_REGIONS
    for region, aus in layout.items():
        delta, relative = summed_asymmetry(means, aus)
        weak = None if delta is None or relative is None else weaker_side(delta, relative, settings)
        present = tuple(mean.au for mean in means if mean.au in aus)
        reason = NEVER_ACTIVE if weak is None else None
        regions.append(RegionAsymmetry(region, delta, relative, weak, present, reason))
    return tuple(regions)


def overall_weak_side(
    means: Sequence[AuAsymmetry], regions: Iterable[RegionAsymmetry], settings: SymptomSettings
) -> WeakSide | None:
    """The weak side of the whole face; ``None`` when no region was assessed.

    DEM names sides per region only. Our choice: the same sum and the same dead zone over the units of all assessed
    regions, so that strong evidence in one region is not outvoted by two small ones.
    """
    aus = tuple(au for region in regions if region.weak_side is not None for au in region.aus)
    delta, relative = summed_asymmetry(means, aus)
    return None if delta is None or relative is None else weaker_side(delta, relative, settings)


def summed_asymmetry(means: Sequence[AuAsymmetry], aus: Iterable[int]) -> tuple[float | None, float | None]:
    """Signed sum of delta AM and its size relative to the stronger sides' sum (0..1); ``None`` if never active."""
    wanted = set(aus)
    delta = total = 0.0
    for mean in means:
        if mean.au in wanted and mean.am_left is not None and mean.am_right is not None:
            delta += mean.am_left - mean.am_right
            total += max(mean.am_left, mean.am_right)
    return (delta, abs(delta) / total) if total > 0 else (None, None)


def weaker_side(delta: float, relative: float, settings: SymptomSettings) -> WeakSide:
    """The weaker side, or ``none`` inside the dead zone (E19); without dead zone, by the sign alone."""
    small = relative <= settings.dead_zone_relative or abs(delta) < settings.dead_zone_absolute
    if delta == 0 or (settings.dead_zone and small):
        return "none"
    return "right" if delta > 0 else "left"


def find_synkinesis(
    action_units: ActionUnits, table: Cooccurrence, settings: SymptomSettings
) -> tuple[bool | None, tuple[SynkinesisPair, ...]]:
    """Flag the cells whose difference is too large; ``None`` when no tested cell has support.

    A pair that shows with the trigger of either side is reported once, with the trigger on the flagged side: that is
    where the nerve would be misrouted. Largest difference first.
    """
    tested = cells_under_test(table.aus, extra_channels=settings.extra_channels)
    supported = np.isfinite(table.difference_left) | np.isfinite(table.difference_right)
    if not (tested & supported).any():
        return None, ()
    found: dict[tuple[Side, int, int], SynkinesisPair] = {}
    for pair in flagged_cells(action_units, table, settings):
        key = (pair.side, pair.response_au, pair.trigger_au)
        if key not in found or pair.trigger_side == pair.side:
            found[key] = pair
    order = {au: position for position, au in enumerate(table.aus)}
    pairs = sorted(found.values(), key=lambda p: (-p.difference, order[p.response_au], order[p.trigger_au], p.side))
    return bool(pairs), tuple(pairs)


def flagged_cells(
    action_units: ActionUnits, table: Cooccurrence, settings: SymptomSettings
) -> Iterator[SynkinesisPair]:
    """Every cell beyond the threshold, on the side that the sign of its difference names.

    With the trigger on the left, a positive difference is an extra response on the right and a negative one an extra
    response on the left; with the trigger on the right it is the other way round. ``is_extra_movement`` then tells
    synkinesis from weakness.
    """
    tested = cells_under_test(table.aus, extra_channels=settings.extra_channels)
    active_left, active_right, measured = active_frames(action_units, threshold=settings.active_threshold)
    active: dict[Side, BoolArray] = {"left": active_left, "right": active_right}
    differences: dict[Side, FloatArray] = {"left": table.difference_left, "right": table.difference_right}
    for trigger_side, difference in differences.items():
        with np.errstate(invalid="ignore"):
            cells = np.argwhere(tested & (np.abs(difference) > settings.synkinesis_threshold))
        for response, trigger in cells.tolist():
            side = opposite(trigger_side) if difference[response, trigger] > 0 else trigger_side
            frames = active[trigger_side][:, trigger] & measured[:, response]
            gain = excess(action_units, side, response, frames), excess(action_units, side, trigger, frames)
            if not is_extra_movement(*gain, settings=settings):
                continue
            support = int(frames.sum())
            seen = {s: int(active[s][frames, response].sum()) for s in active}
            yield SynkinesisPair(
                side=side,
                response_au=table.aus[response],
                trigger_au=table.aus[trigger],
                difference=abs(float(difference[response, trigger])),
                support=support,
                interval_response=wilson_interval(seen[side], support),
                interval_reference=wilson_interval(seen[opposite(side)], support),
                trigger_side=trigger_side,
            )


def is_extra_movement(response_excess: float, trigger_excess: float, *, settings: SymptomSettings) -> bool:
    """Whether a flagged difference is an extra movement rather than weakness of the other side.

    Condition (b): over the trigger's keyframes the response is stronger on the flagged side by ``min_excess``. Our
    addition (``weakness_guard``): the trigger itself is not. On a face with one dead side every voluntary pair differs
    in both units, and the healthy side would be called synkinetic.

    Args:
        response_excess: mean intensity of the response on the flagged side minus the other side.
        trigger_excess: the same of the trigger.
        settings: ``min_excess`` and ``weakness_guard``.
    """
    paralysed_other_side = settings.weakness_guard and trigger_excess > settings.min_excess
    return response_excess > settings.min_excess and not paralysed_other_side


def excess(action_units: ActionUnits, side: Side, column: int, frames: BoolArray) -> float:
    """Mean intensity of one unit on ``side`` minus the other side over ``frames``, missing values left out."""
    left_minus_right = (action_units.left - action_units.right)[frames, column]
    mean = float(np.mean(left_minus_right[np.isfinite(left_minus_right)], dtype=float))
    return mean if side == "left" else -mean


def opposite(side: Side) -> Side:
    """The other side."""
    return "right" if side == "left" else "left"
