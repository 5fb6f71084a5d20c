"""Units that move with another on one side only, where healthy faces do not couple the two (DEM, eqs 7-9).

Pure NumPy. A cell is one (response, trigger) pair on one side. Cells are flagged by their difference of conditional
probabilities; then each response is put down to as few triggers as explain it, because a movement on request works
several units at once and every one of them would be blamed for the same misfiring.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from palsy_cli.config import SymptomSettings
from palsy_cli.records import ActionUnits, Cooccurrence, FloatArray, Side, SynkinesisPair
from palsy_cli.stages.cooccurrence import BoolArray, active_frames, cells_under_test, wilson_interval


@dataclass(frozen=True, eq=False)
class Misfire:
    """A flagged pair with its evidence over K keyframes.

    Attributes:
        pair: what is reported.
        triggered: (K,) where the trigger is active and the response was measured.
        alone: (K,) where, of those, the response is active on the flagged side and not on the other.
        strength: mean intensity of the trigger over ``triggered``.
        limit: |D| above which the cell is flagged.
    """

    pair: SynkinesisPair
    triggered: BoolArray
    alone: BoolArray
    strength: float
    limit: float


def find_synkinesis(
    action_units: ActionUnits, table: Cooccurrence, settings: SymptomSettings
) -> tuple[bool | None, tuple[Misfire, ...]]:
    """Flag the cells whose difference is too large; ``None`` when no tested cell has support.

    A pair that shows with the trigger of either side is reported once, with the trigger on the flagged side: that is
    where the nerve would be misrouted. Largest difference first.
    """
    tested = cells_under_test(table.aus, extra_channels=settings.extra_channels, norms=settings.norms)
    supported = np.isfinite(table.difference_left) | np.isfinite(table.difference_right)
    if not (tested & supported).any():
        return None, ()
    flagged = list(flagged_cells(action_units, table, settings))
    if settings.explain_away:
        flagged = list(attribute(flagged, table.aus, settings))
    found: dict[tuple[Side, int, int], Misfire] = {}
    for misfire in flagged:
        pair = misfire.pair
        key = (pair.side, pair.response_au, pair.trigger_au)
        if key not in found or pair.trigger_side == pair.side:
            found[key] = misfire
    order = {au: position for position, au in enumerate(table.aus)}

    def rank(misfire: Misfire) -> tuple[float, int, int, str]:
        pair = misfire.pair
        return -pair.difference, order[pair.response_au], order[pair.trigger_au], pair.side

    return bool(found), tuple(sorted(found.values(), key=rank))


def flagged_cells(action_units: ActionUnits, table: Cooccurrence, settings: SymptomSettings) -> Iterator[Misfire]:
    """Every cell beyond the threshold, on the side that the sign of its difference names.

    With the trigger on the left, a positive difference is an extra response on the right and a negative one an extra
    response on the left; with the trigger on the right it is the other way round. ``is_extra_movement`` then tells
    synkinesis from weakness.
    """
    tested = cells_under_test(table.aus, extra_channels=settings.extra_channels, norms=settings.norms)
    limits = cell_thresholds(table.aus, settings)
    active_left, active_right, measured = active_frames(action_units, threshold=settings.active_threshold)
    active: dict[Side, BoolArray] = {"left": active_left, "right": active_right}
    values: dict[Side, FloatArray] = {"left": action_units.left, "right": action_units.right}
    differences: dict[Side, FloatArray] = {"left": table.difference_left, "right": table.difference_right}
    for trigger_side, difference in differences.items():
        with np.errstate(invalid="ignore"):
            cells = np.argwhere(tested & (np.abs(difference) > limits))
        for response, trigger in cells.tolist():
            side = opposite(trigger_side) if difference[response, trigger] > 0 else trigger_side
            frames = active[trigger_side][:, trigger] & measured[:, response]
            gain = excess(action_units, side, response, frames), excess(action_units, side, trigger, frames)
            if not is_extra_movement(*gain, settings=settings):
                continue
            support = int(frames.sum())
            seen = {s: int(active[s][frames, response].sum()) for s in active}
            pair = SynkinesisPair(
                side=side,
                response_au=table.aus[response],
                trigger_au=table.aus[trigger],
                difference=abs(float(difference[response, trigger])),
                support=support,
                interval_response=wilson_interval(seen[side], support),
                interval_reference=wilson_interval(seen[opposite(side)], support),
                trigger_side=trigger_side,
            )
            if settings.clear_intervals and pair.interval_response[0] <= pair.interval_reference[1]:
                continue
            alone = frames & active[side][:, response] & ~active[opposite(side)][:, response]
            strength = float(values[trigger_side][frames, trigger].mean())
            yield Misfire(pair, frames, alone, strength, float(limits[response, trigger]))


def cell_thresholds(aus: tuple[int, ...], settings: SymptomSettings) -> FloatArray:
    """|D| above which each cell is flagged, (A, A): what healthy people stay within, but never below the one threshold.

    Where nothing ever happens in a small healthy cohort, its 95th percentile is 0, and the slightest difference would
    be flagged; so norms only raise (ours).
    """
    limits = np.full((len(aus), len(aus)), settings.synkinesis_threshold)
    norms = settings.norms
    for row, response in enumerate(aus):
        for column, trigger in enumerate(aus):
            if response in norms.aus and trigger in norms.aus:
                own = norms.thresholds[norms.aus.index(response)][norms.aus.index(trigger)]
                limits[row, column] = max(limits[row, column], own)
    return limits


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


def attribute(flagged: Iterable[Misfire], aus: tuple[int, ...], settings: SymptomSettings) -> Iterator[Misfire]:
    """Keep, for each response of each side, as few triggers as explain its misfiring (ours).

    The trigger that explains most keyframes and explains them best (their number times the difference) comes first;
    among equals the stronger movement: what was asked for, not what came along. Its keyframes then prove nothing of
    the others, which must show the same difference in what is left.

    Args:
        flagged: cells beyond the threshold.
        aus: channels in order, to break the last tie.
        settings: the support that a cell needs.
    """
    groups: dict[tuple[Side, int], list[Misfire]] = {}
    for misfire in flagged:
        groups.setdefault((misfire.pair.side, misfire.pair.response_au), []).append(misfire)
    for left in groups.values():
        explained = np.zeros(len(left[0].triggered), bool)
        while left:
            best = max(left, key=lambda m: (*_weight(m, explained), -aus.index(m.pair.trigger_au)))
            same = [m for m in left if m.pair.trigger_au == best.pair.trigger_au]
            yield from same
            explained = explained | np.any([m.triggered for m in same], axis=0)
            left = [m for m in left if m not in same and _still_differs(m, explained, settings)]


def _weight(misfire: Misfire, explained: BoolArray) -> tuple[float, float, bool]:
    pair = misfire.pair
    hits = int((misfire.alone & ~explained).sum())
    return round(hits * pair.difference, 6), round(misfire.strength, 6), pair.trigger_side == pair.side


def _still_differs(misfire: Misfire, explained: BoolArray, settings: SymptomSettings) -> bool:
    """Whether a cell would be flagged by the keyframes that no chosen trigger explains."""
    frames = misfire.triggered & ~explained
    support = int(frames.sum())
    if support < max(1, settings.min_support):
        return False
    return bool((misfire.alone & frames).sum() / support > misfire.limit)


def excess(action_units: ActionUnits, side: Side, column: int, frames: BoolArray) -> float:
    """Mean intensity of one unit on ``side`` minus the other side over ``frames``, missing values left out."""
    left_minus_right = (action_units.left - action_units.right)[frames, column]
    mean = float(np.mean(left_minus_right[np.isfinite(left_minus_right)], dtype=float))
    return mean if side == "left" else -mean


def opposite(side: Side) -> Side:
    """The other side."""
    return "right" if side == "left" else "left"
