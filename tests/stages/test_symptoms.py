"""Weakness and synkinesis: hand-computed cases, and the properties that any clinic would assume."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from palsy_cli.config import SymptomSettings, load_settings
from palsy_cli.facs import intensity_of_fraction
from palsy_cli.records import ALL_AUS, CORE_AUS, ActionUnits, Symptoms
from palsy_cli.stages.cooccurrence import (
    ANATOMICAL_EXCLUSIONS,
    EXTRA_PAIRS,
    NORMAL_MASK,
    PRIOR_ITEMS,
    cells_under_test,
    cooccurrence,
    posed_prior,
    wilson_interval,
)
from palsy_cli.stages.symptoms import active_means, find_symptoms, regional_asymmetry

PAPER = load_settings(profile="paper").symptoms


def table(
    left: dict[int, npt.ArrayLike],
    right: dict[int, npt.ArrayLike],
    frames: int = 10,
    aus: tuple[int, ...] = ALL_AUS,
) -> ActionUnits:
    """A table that is zero but for the named units."""
    values = {"left": np.zeros((frames, len(aus))), "right": np.zeros((frames, len(aus)))}
    for side, given in (("left", left), ("right", right)):
        for au, curve in given.items():
            values[side][:, aus.index(au)] = curve
    return ActionUnits(aus=aus, left=values["left"], right=values["right"])


def exchanged(action_units: ActionUnits) -> ActionUnits:
    """The same recording flipped."""
    return dataclasses.replace(action_units, left=action_units.right, right=action_units.left)


def region(symptoms: Symptoms, name: str):  # noqa: ANN201 - a record
    return next(item for item in symptoms.regions if item.region == name)


def pulse(on: int, height: float = 2.0, frames: int = 10) -> npt.NDArray[np.float64]:
    """``height`` in the first ``on`` frames, 0 after."""
    return np.where(np.arange(frames) < on, height, 0.0)


def test_stronger_side_is_the_known_one() -> None:
    units = table({12: [1.0, np.nan, np.nan]}, {12: [3.0, 2.0, np.nan]}, frames=3)
    assert units.stronger_side(12) == pytest.approx([3.0, 2.0, np.nan], nan_ok=True)
    assert exchanged(units).stronger_side(12) == pytest.approx([3.0, 2.0, np.nan], nan_ok=True)


# --- the normal mask -------------------------------------------------------------------------------------------------


def test_mask_is_rederived_from_the_prior() -> None:
    """44 items; above one half or anatomically excluded or diagonal is masked: 20 cells off the diagonal."""
    assert len(PRIOR_ITEMS) == 44
    prior = posed_prior()
    for row, response in enumerate(CORE_AUS):
        for column, trigger in enumerate(CORE_AUS):
            carried = [item for item in PRIOR_ITEMS if trigger in item]
            share = sum(response in item for item in carried) / len(carried)
            assert prior[row, column] == pytest.approx(share)
            masked = response == trigger or share > 0.5 or (response, trigger) in ANATOMICAL_EXCLUSIONS
            assert NORMAL_MASK[row, column] == (not masked)
    assert NORMAL_MASK.sum() == 112


def test_mask_agrees_with_anatomy() -> None:
    """Whatever healthy people couple is never tested; the paper's demonstration pair is."""
    cells = cells_under_test(CORE_AUS, extra_channels=False)

    def kept(response: int, trigger: int) -> bool:
        return bool(cells[CORE_AUS.index(response), CORE_AUS.index(trigger)])

    for pair in ((1, 2), (2, 1), (12, 6), (6, 12), (25, 26), (26, 25), (15, 17), (17, 15), (25, 20), (4, 5)):
        assert not kept(*pair)
    for pair in ((5, 20), (6, 20), (12, 1), (17, 12), (9, 6), (1, 12)):
        assert kept(*pair)


def test_extra_channels_test_only_the_listed_pairs() -> None:
    cells = cells_under_test(ALL_AUS, extra_channels=True)
    extra = {(ALL_AUS[i], ALL_AUS[j]) for i, j in np.argwhere(cells) if not {ALL_AUS[i], ALL_AUS[j]} <= set(CORE_AUS)}
    # 6 given 18 has its response among the twelve, and still belongs to the extra pairs
    assert extra == set(EXTRA_PAIRS)
    assert (cells_under_test(ALL_AUS, extra_channels=False)[:12, :12] == NORMAL_MASK).all()
    assert cells_under_test(ALL_AUS, extra_channels=False).sum() == 112


# --- weakness --------------------------------------------------------------------------------------------------------


def test_active_means_by_hand() -> None:
    """The mean runs over the keyframes in which *either* side is above (not at) the threshold."""
    units = table({12: [0, 1, 2, 0.5]}, {12: [0, 0, 4, 0.5]}, frames=4)
    mean = next(m for m in active_means(units) if m.au == 12)
    assert (mean.am_left, mean.am_right, mean.delta_am, mean.active_keyframes) == (1.5, 2.0, -0.5, 2)


def test_never_active_is_not_assessed() -> None:
    symptoms = find_symptoms(table({}, {}))
    assert all(mean.am_left is None and mean.active_keyframes == 0 for mean in symptoms.action_units)
    assert symptoms.weak_side is None and symptoms.weak_side_reason
    for item in symptoms.regions:
        assert item.weak_side is None and item.delta_am is None and item.reason
    assert symptoms.synkinesis_present is None and symptoms.synkinesis_reason and symptoms.pairs == ()


def test_no_keyframes_at_all() -> None:
    symptoms = find_symptoms(table({}, {}, frames=0))
    assert symptoms.weak_side is None and symptoms.synkinesis_present is None


@pytest.mark.parametrize("severity", [0.3, 0.6, 1.0])
def test_weaker_side_is_named(severity: float) -> None:
    curve = np.linspace(0, 4, 10)
    units = table({au: curve * (1 - severity) for au in CORE_AUS}, {au: curve for au in CORE_AUS})
    symptoms = find_symptoms(units)
    assert symptoms.weak_side == "left"
    assert {item.weak_side for item in symptoms.regions} == {"left"}
    as_published = find_symptoms(units, dataclasses.replace(SymptomSettings(), compare_movement=False))
    assert region(as_published, "mouth").relative == pytest.approx(severity)


def test_dead_zone_is_relative_and_absolute() -> None:
    """10 % less movement is healthy variation; 30 % less is not; and tiny movements never name a side."""
    settings = SymptomSettings()

    def verdict(left: float, right: float, chosen: SymptomSettings = settings) -> str | None:
        units = table({12: pulse(5, left)}, {12: pulse(5, right)})
        return region(find_symptoms(units, chosen), "mouth").weak_side

    def of(share: float) -> float:
        return float(intensity_of_fraction(share))

    assert verdict(of(1.0), of(0.90)) == "none"
    assert verdict(of(1.0), of(0.70)) == "right"
    assert verdict(0.4, 0.6) == "none"
    assert verdict(of(1.0), of(0.90), PAPER) == "right"
    assert verdict(4.0, 4.0, PAPER) == "none"


def test_eye_region_follows_the_profile() -> None:
    """AU5 (nerve III) hides an eye weakness in the paper's sum and not in the clinical one."""
    curves_left = {5: pulse(5, 3.0), 6: pulse(5, 1.0), 43: pulse(5, 2.0)}
    curves_right = {5: pulse(5, 1.0), 6: pulse(5, 3.0), 43: pulse(5, 4.0)}
    clinical = region(find_symptoms(table(curves_left, curves_right)), "eyes")
    assert clinical.aus == (6, 43) and clinical.delta_am == -4.0 and clinical.weak_side == "left"
    paper = region(find_symptoms(table(curves_left, curves_right), PAPER), "eyes")
    assert paper.aus == (5, 6) and paper.delta_am == 0.0 and paper.weak_side == "none"


def test_a_seventh_less_movement_is_weak_although_the_intensity_hardly_differs() -> None:
    left, right = float(intensity_of_fraction(1.0)), float(intensity_of_fraction(0.85))
    units = table({12: pulse(5, left)}, {12: pulse(5, right)})
    assert find_symptoms(units).weak_side == "right"
    assert find_symptoms(units, SymptomSettings(compare_movement=False)).weak_side == "none"


def test_no_side_where_intensity_and_movement_disagree() -> None:
    """One full movement against many faint ones."""
    units = table({12: [5.0, 0, 0, 0, 0, 0]}, {12: [0, 2, 2, 2, 2, 2]}, frames=6)
    mouth = region(find_symptoms(units), "mouth")
    assert mouth.delta_am is not None and mouth.delta_am < 0 and mouth.weak_side == "none"


def test_lids_on_their_way_tell_no_strength() -> None:
    """Both eyes close alike, the left one frame later; and a left that stays half open when the right is closed."""
    right = np.array([0, 2.5, 5, 5, 5, 2.5, 0, 0, 0, 0])
    late = find_symptoms(table({43: np.roll(right, 1)}, {43: right}))
    closure = next(m for m in late.action_units if m.au == 43)
    assert closure.active_keyframes == 4 and region(late, "eyes").weak_side == "none"
    assert region(find_symptoms(table({43: 0.6 * right}, {43: right})), "eyes").weak_side == "left"
    half = find_symptoms(table({43: pulse(5, 1.5)}, {43: pulse(5, 2.0)}))
    assert next(m for m in half.action_units if m.au == 43).active_keyframes == 5, "never closed: all frames count"


def test_a_misfiring_muscle_does_not_pass_for_a_strong_one() -> None:
    """The left corner of the mouth moves less in a smile, and on its own whenever the eyes close."""
    smile, closure = pulse(6, 4.0, 14), np.roll(pulse(8, 4.0, 14), 6)
    units = table({12: 0.5 * smile + 0.8 * closure, 43: closure}, {12: smile, 43: closure}, frames=14)
    symptoms = find_symptoms(units)
    assert [(p.side, p.response_au, p.trigger_au) for p in symptoms.pairs] == [("left", 12, 43)]
    assert region(symptoms, "mouth").weak_side == "left"
    careless = find_symptoms(units, SymptomSettings(informative_only=False))
    assert region(careless, "mouth").weak_side != "left"


def test_a_muscle_that_only_misfires_says_nothing_of_strength() -> None:
    closure, smile = pulse(8, 4.0, 16), np.roll(pulse(6, 4.0, 16), 9)
    units = table({15: closure, 43: closure, 12: 0.4 * smile}, {43: closure, 12: smile}, frames=16)
    symptoms = find_symptoms(units)
    corner = next(m for m in symptoms.action_units if m.au == 15)
    assert corner.am_left == 4.0 and corner.am_right == 0.0 and not corner.counted
    assert region(symptoms, "mouth").weak_side == "left"
    assert region(find_symptoms(units, SymptomSettings(informative_only=False)), "mouth").weak_side != "left"


def test_overall_side_ignores_units_outside_the_regions() -> None:
    """AU26 opens the jaw by the trigeminal nerve: it must not decide a facial palsy."""
    units = table({26: pulse(8, 5.0), 12: pulse(5, 1.0)}, {26: pulse(8, 1.0), 12: pulse(5, 3.0)})
    assert find_symptoms(units).weak_side == "left"


def test_missing_frames_count_for_nothing() -> None:
    whole = table({12: pulse(5, 1.0), 1: pulse(6)}, {12: pulse(5, 3.0), 1: pulse(6)})
    left, right = whole.left.copy(), whole.right.copy()
    left[-1], right[-2] = np.nan, np.nan
    holed = find_symptoms(dataclasses.replace(whole, left=left, right=right))
    assert holed.action_units == find_symptoms(whole).action_units
    assert holed.weak_side == "left"


def test_regions_without_the_closure_channel() -> None:
    units = table({6: pulse(5, 1.0)}, {6: pulse(5, 3.0)}, aus=CORE_AUS)
    eyes = regional_asymmetry(active_means(units), SymptomSettings())[1]
    assert eyes.region == "eyes" and eyes.aus == (6,) and eyes.weak_side == "left"


# --- synkinesis ------------------------------------------------------------------------------------------------------


def test_conditionals_by_hand() -> None:
    """AU20 in frames 0-4 on both sides; AU6 on the right in frames 0-2 only."""
    units = table({20: pulse(5)}, {20: pulse(5), 6: pulse(3)})
    matrices = cooccurrence(units)
    cell = (ALL_AUS.index(6), ALL_AUS.index(20))
    assert matrices.left_given_left[cell] == 0.0
    assert matrices.right_given_left[cell] == pytest.approx(0.6)
    assert matrices.left_given_right[cell] == 0.0
    assert matrices.right_given_right[cell] == pytest.approx(0.6)
    assert matrices.difference_left[cell] == pytest.approx(0.6)
    assert matrices.difference_right[cell] == pytest.approx(-0.6)
    assert matrices.support_left[cell] == matrices.support_right[cell] == 5
    # AU6 is active in three frames only: as a trigger it has no support
    assert np.isnan(matrices.right_given_right[:, ALL_AUS.index(6)]).all()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(("response", "trigger"), [(6, 20), (5, 20), (12, 1), (43, 12), (15, 43), (6, 18)])
def test_planted_pair_is_found_once_on_its_side(side: str, response: int, trigger: int) -> None:
    extra = {trigger: pulse(8), response: pulse(8, 3.0)}
    plain = {trigger: pulse(8)}
    units = table(extra, plain) if side == "left" else table(plain, extra)
    symptoms = find_symptoms(units)
    assert symptoms.synkinesis_present is True
    found = [p for p in symptoms.pairs if (p.response_au, p.trigger_au) == (response, trigger)]
    assert len(found) == 1
    (pair,) = found
    assert pair.side == side and pair.trigger_side == side
    assert pair.difference == 1.0 and pair.support == 8
    assert pair.interval_response[1] == 1.0 and pair.interval_reference[0] == 0.0
    assert pair.interval_reference[1] < pair.interval_response[0]
    assert {p.side for p in symptoms.pairs} == {side}


def test_trigger_on_the_healthy_side_alone_is_enough() -> None:
    """The trigger is paralysed on the right, its response still moves there: right synkinesis from a left trigger."""
    units = table({12: pulse(8)}, {17: pulse(8, 3.0)})
    (pair,) = [p for p in find_symptoms(units).pairs if p.response_au == 17 and p.trigger_au == 12]
    assert pair.side == "right" and pair.trigger_side == "left"


def test_expected_partners_are_never_flagged() -> None:
    """A weak cheek in a smile is weakness, not synkinesis of the healthy side."""
    units = table({12: pulse(8), 6: pulse(8, 3.0)}, {12: pulse(8)})
    symptoms = find_symptoms(units)
    assert symptoms.synkinesis_present is False and symptoms.pairs == ()


def test_dead_side_is_weakness_not_synkinesis() -> None:
    """Snarl (9 with 4 and 25) on a face whose right is dead: the healthy left must not be called synkinetic."""
    units = table({4: pulse(8), 9: pulse(6, 3.0), 25: pulse(6)}, {})
    assert find_symptoms(units).synkinesis_present is False
    assert find_symptoms(units, PAPER).synkinesis_present is True


def test_small_excess_is_no_synkinesis() -> None:
    """Just above the threshold on one side, just below on the other: condition (b) refuses it."""
    units = table({20: pulse(8), 6: pulse(8, 0.6)}, {20: pulse(8), 6: pulse(8, 0.4)})
    assert find_symptoms(units).synkinesis_present is False
    assert find_symptoms(units, SymptomSettings(min_excess=0.1)).synkinesis_present is True


def test_one_misfire_is_not_blamed_on_all_that_moves() -> None:
    """Tight closure works 43, 6, 4 and 9 at once, a snarl 9 and 4, a smile 6; the mouth misfires with closure alone."""
    tight, gentle, snarl = (np.roll(pulse(6, 4.0, 24), 6 * k) for k in range(3))
    smile = np.roll(pulse(6, 4.0, 24), 18)
    healthy = {43: tight + gentle, 6: 0.8 * tight + smile, 4: 0.4 * tight + 0.4 * snarl, 9: 0.2 * tight + snarl}
    units = table(healthy | {15: tight + gentle}, healthy, frames=24)
    named = [(p.side, p.response_au, p.trigger_au) for p in find_symptoms(units).pairs]
    assert named == [("left", 15, 43)]
    every = find_symptoms(units, SymptomSettings(explain_away=False)).pairs
    assert {p.trigger_au for p in every if p.response_au == 15} == {43, 6, 4, 9}


def test_two_triggers_of_one_response_are_both_named() -> None:
    smile, brows = pulse(8, 3.0, 20), np.roll(pulse(8, 3.0, 20), 10)
    units = table({12: smile, 1: brows, 20: smile + brows}, {12: smile, 1: brows}, frames=20)
    assert {(p.response_au, p.trigger_au) for p in find_symptoms(units).pairs} == {(20, 12), (20, 1)}


def test_the_stronger_movement_is_the_trigger() -> None:
    units = table({1: pulse(8, 4.0), 5: pulse(8, 1.5), 20: pulse(8)}, {1: pulse(8, 4.0), 5: pulse(8, 1.5)})
    assert [(p.response_au, p.trigger_au) for p in find_symptoms(units).pairs] == [(20, 1)]


def test_too_few_frames_to_tell_the_sides_apart() -> None:
    """Four of five against none: the intervals overlap."""
    units = table({20: pulse(5), 6: pulse(4, 3.0)}, {20: pulse(5)})
    assert find_symptoms(units).synkinesis_present is False
    assert find_symptoms(units, SymptomSettings(clear_intervals=False)).synkinesis_present is True


def test_support_is_required() -> None:
    units = table({20: pulse(4), 6: pulse(4, 3.0)}, {20: pulse(4)})
    assert find_symptoms(units).synkinesis_present is None
    assert find_symptoms(units, SymptomSettings(min_support=4)).synkinesis_present is True


def test_symmetric_face_is_healthy() -> None:
    rng = np.random.default_rng(3)
    values = rng.uniform(0, 5, (40, len(ALL_AUS)))
    symptoms = find_symptoms(ActionUnits(ALL_AUS, values, values.copy()))
    assert symptoms.weak_side == "none" and symptoms.synkinesis_present is False


@pytest.mark.parametrize("settings", [SymptomSettings(), PAPER], ids=["clinical", "paper"])
def test_flip_exchanges_everything_exactly(settings: SymptomSettings) -> None:
    rng = np.random.default_rng(11)
    swap = {"left": "right", "right": "left", "none": "none", None: None}
    seen_pairs = 0
    for _ in range(60):
        shape = (24, len(ALL_AUS))
        left = rng.uniform(0, 5, shape).astype(np.float32) * (rng.random(shape) < 0.5)
        right = left * rng.uniform(0, 1, shape[1]).astype(np.float32)
        right[rng.random(shape) < 0.05] = np.nan
        units = ActionUnits(ALL_AUS, left, right)
        one, two = find_symptoms(units, settings), find_symptoms(exchanged(units), settings)
        assert two.weak_side == swap[one.weak_side]
        for a, b in zip(one.action_units, two.action_units, strict=True):
            assert (a.am_left, a.am_right) == (b.am_right, b.am_left)
            assert a.delta_am is None or b.delta_am == -a.delta_am
        for a, b in zip(one.regions, two.regions, strict=True):
            assert b.weak_side == swap[a.weak_side] and b.relative == a.relative
            assert a.delta_am is None or b.delta_am == -a.delta_am
        mirrored = {dataclasses.replace(p, side=swap[p.side], trigger_side=swap[p.trigger_side]) for p in one.pairs}
        assert mirrored == set(two.pairs)
        seen_pairs += len(one.pairs)
        np.testing.assert_array_equal(one.cooccurrence.difference_left, two.cooccurrence.difference_right)
        np.testing.assert_array_equal(one.cooccurrence.left_given_right, two.cooccurrence.right_given_left)
    assert seen_pairs > 20


def test_order_of_keyframes_is_irrelevant() -> None:
    rng = np.random.default_rng(5)
    values = rng.uniform(0, 5, (2, 30, len(ALL_AUS)))
    order = rng.permutation(30)
    one = find_symptoms(ActionUnits(ALL_AUS, values[0], values[1]))
    two = find_symptoms(ActionUnits(ALL_AUS, values[0, order], values[1, order]))
    assert one.weak_side == two.weak_side
    assert [(p.side, p.response_au, p.trigger_au) for p in one.pairs] == [
        (p.side, p.response_au, p.trigger_au) for p in two.pairs
    ]


@pytest.mark.parametrize(("successes", "trials"), [(0, 5), (5, 5), (3, 9), (50, 100), (1, 1)])
def test_wilson_interval_holds_the_share(successes: int, trials: int) -> None:
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    # it solves (p - share)^2 = z^2 p (1 - p) / n at both ends
    for end in (low, high):
        if 0 < end < 1:
            assert (end - successes / trials) ** 2 == pytest.approx(1.96**2 * end * (1 - end) / trials, rel=1e-3)


def test_wilson_interval_of_nothing_is_everything() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
