"""Which action units move together: conditional probabilities, the normal mask, confidence intervals (DEM, eqs 7-9).

Everywhere, row ``i`` is the response and column ``j`` the condition (the trigger). Pure NumPy.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from palsy_cli.norms import Norms
from palsy_cli.records import CORE_AUS, ActionUnits, Cooccurrence, FloatArray

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

#: Posed expressions and single movements of healthy faces, each as the action units that it needs. They stand in for
#: a measured table of normal co-occurrence, which was published as a picture only. Every item weighs the same.
PRIOR_ITEMS: tuple[tuple[int, ...], ...] = (
    # prototypes: joy, sadness, surprise, fear, anger, disgust and their closed-mouth or milder forms, a smirk
    (6, 12, 25), (6, 12), (1, 4, 15, 17), (1, 4, 15), (1, 2, 5, 25, 26), (1, 2, 4, 5, 20, 25, 26),
    (1, 2, 4, 5, 20), (4, 5, 17), (4, 5, 25), (4, 9, 17), (9, 25), (12,),
    # clinical tasks: brows up, frown, tight closure, smiles, snarl, "eee", corners down, pout, jaw open, wide eyes
    (1, 2), (4,), (4, 6), (12,), (6, 12, 25), (4, 9, 25), (20, 25), (15, 17), (17,), (25, 26), (1, 2, 5),
    # single units and their usual combinations
    (1,), (1, 2), (4,), (1, 4), (1, 2, 4), (5,), (1, 2, 5), (4, 5), (6,), (9,), (12,), (6, 12), (12, 25), (15,),
    (15, 17), (17,), (20,), (20, 25), (25,), (25, 26), (12, 25, 26),
)  # fmt: skip

#: Cells (response, trigger) that healthy people show freely although the prior puts them at one half or below: one
#: muscle group, one voluntary task, or common co-activation.
ANATOMICAL_EXCLUSIONS: tuple[tuple[int, int], ...] = (
    (5, 1), (6, 12), (25, 12), (25, 6), (4, 9), (25, 9), (4, 6), (6, 4), (15, 17), (26, 25),
)  # fmt: skip

#: Cells (response, trigger) that are tested with the channels 43 (closure) and 18 (pucker): smile, pucker and shown
#: teeth to eye, gentle closure to mouth and chin, brow raise to eye. No other cell with these channels is tested.
EXTRA_PAIRS: tuple[tuple[int, int], ...] = (
    (43, 12), (43, 18), (43, 20), (6, 18), (12, 43), (15, 43), (17, 43), (20, 43), (25, 43), (43, 1), (43, 2),
)  # fmt: skip


def posed_prior() -> FloatArray:
    """P(row | column) among ``PRIOR_ITEMS``, (12, 12) in the order of ``CORE_AUS``, values 0..1."""
    shown = np.array([[au in item for au in CORE_AUS] for item in PRIOR_ITEMS], float)
    both = shown.T @ shown
    prior: FloatArray = both / np.diag(both)[None, :]
    return prior


def normal_mask() -> BoolArray:
    """Derive the tested cells: (12, 12), False on the diagonal, where the prior exceeds 0.5 and where excluded."""
    keep = ~(posed_prior() > 0.5)
    for response, trigger in ANATOMICAL_EXCLUSIONS:
        keep[CORE_AUS.index(response), CORE_AUS.index(trigger)] = False
    np.fill_diagonal(keep, False)
    keep.setflags(write=False)
    return keep


#: True where a co-occurrence is unexpected and is therefore tested (DEM, fig. 4, by our prior), (12, 12), read-only.
NORMAL_MASK: BoolArray = normal_mask()


def cells_under_test(aus: tuple[int, ...], *, extra_channels: bool, norms: Norms | None = None) -> BoolArray:
    """Which cells are tested for the given channels.

    Args:
        aus: channels of the table, any of ``ALL_AUS``.
        extra_channels: test ``EXTRA_PAIRS`` too where their channels are present.
        norms: what a healthy cohort does not show together takes the place of the prior. ``ANATOMICAL_EXCLUSIONS``
            stay untested, and of the extra channels nothing but ``EXTRA_PAIRS`` is tested.

    Returns:
        (A, A) True where tested; row = response, column = trigger.
    """
    keep = np.zeros((len(aus), len(aus)), bool)
    for row, response in enumerate(aus):
        for column, trigger in enumerate(aus):
            if response in CORE_AUS and trigger in CORE_AUS:
                keep[row, column] = NORMAL_MASK[CORE_AUS.index(response), CORE_AUS.index(trigger)]
            else:
                keep[row, column] = extra_channels and (response, trigger) in EXTRA_PAIRS
            if norms is not None and response in norms.aus and trigger in norms.aus:
                keep[row, column] = (
                    _testable(response, trigger, extra_channels=extra_channels)
                    and (norms.unexpected[norms.aus.index(response)][norms.aus.index(trigger)])
                )
    return keep


def _testable(response: int, trigger: int, *, extra_channels: bool) -> bool:
    """Whether a cell may be tested at all, whatever healthy people show."""
    if response in CORE_AUS and trigger in CORE_AUS:
        return response != trigger and (response, trigger) not in ANATOMICAL_EXCLUSIONS
    return extra_channels and (response, trigger) in EXTRA_PAIRS


def active_frames(action_units: ActionUnits, *, threshold: float) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Where each unit is active on the left, on the right, and where it was measured on both; (K, A) each.

    A keyframe in which either side of a unit is missing (NaN) says nothing of that unit.
    """
    measured = np.isfinite(action_units.left) & np.isfinite(action_units.right)
    with np.errstate(invalid="ignore"):
        left = measured & (action_units.left > threshold)
        right = measured & (action_units.right > threshold)
    return left, right, measured


def conditional(response: BoolArray, trigger: BoolArray, measured: BoolArray, *, min_support: int) -> FloatArray:
    """P(response i active | trigger j active), (A, A); NaN where fewer than ``min_support`` keyframes carry it.

    Args:
        response: (K, A) active units of the responding side.
        trigger: (K, A) active units of the triggering side.
        measured: (K, A) where a unit was measured.
        min_support: keyframes that a cell needs; at least one is always needed.
    """
    count = trigger_support(trigger, measured)
    both = response.astype(np.int64).T @ trigger.astype(np.int64)
    table = np.full(count.shape, np.nan)
    np.divide(both, count, out=table, where=count >= max(1, min_support))
    return table


def trigger_support(trigger: BoolArray, measured: BoolArray) -> IntArray:
    """Keyframes with trigger j active in which response i was measured, (A, A)."""
    return measured.astype(np.int64).T @ trigger.astype(np.int64)


def cooccurrence(action_units: ActionUnits, *, threshold: float = 0.5, min_support: int = 5) -> Cooccurrence:
    """Measure the four conditional matrices and the two differences (DEM, eqs 7-9).

    ``difference_left`` has the trigger on the left: P(right | left) - P(left | left); ``difference_right`` likewise
    P(left | right) - P(right | right). Positive means that the response is commoner on the side *opposite* the trigger.

    Args:
        action_units: intensities 0..5 of K keyframes.
        threshold: active above this intensity.
        min_support: trigger keyframes that a cell needs, else it is NaN.
    """
    left, right, measured = active_frames(action_units, threshold=threshold)
    ll = conditional(left, left, measured, min_support=min_support)
    lr = conditional(left, right, measured, min_support=min_support)
    rl = conditional(right, left, measured, min_support=min_support)
    rr = conditional(right, right, measured, min_support=min_support)
    return Cooccurrence(
        aus=action_units.aus,
        left_given_left=ll,
        left_given_right=lr,
        right_given_left=rl,
        right_given_right=rr,
        difference_left=rl - ll,
        difference_right=lr - rr,
        support_left=trigger_support(left, measured),
        support_right=trigger_support(right, measured),
    )


def wilson_interval(successes: int, trials: int, *, z: float = 1.959963984540054) -> tuple[float, float]:
    """Wilson's score interval of a proportion, within 0..1; ``(0, 1)`` when nothing was tried.

    Args:
        successes: times that it happened.
        trials: times that it could have.
        z: normal quantile; the default gives 95 %.
    """
    if trials == 0:
        return 0.0, 1.0
    share = successes / trials
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    centre = share + z * z / (2 * trials)
    scale = 1 + z * z / trials
    low, high = (centre - spread) / scale, (centre + spread) / scale
    # At 0 or all successes one end is exact; rounding must not push it across the observed share.
    return max(0.0, min(low, share)), min(1.0, max(high, share))
