"""How sure each result is: keyframes are drawn anew, and everything that rests on them is found again.

What is drawn are keyframes, and of lengths stills with the frames around them; not frames, for neighbouring frames show
the same. The networks are not run again, so these intervals tell what the choice of moments does, not what another
network or another day would say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from palsy_cli.clinic.examine import Examined
from palsy_cli.clinic.samples import Sampled, interval_of
from palsy_cli.clinic.scales import score_scales
from palsy_cli.config import ScaleSettings, Settings, SymptomSettings
from palsy_cli.records import (
    ActionUnits,
    ClinicMeasures,
    FloatArray,
    Interval,
    Measure,
    ScaleScore,
    Symptoms,
    SynkinesisPair,
)
from palsy_cli.stages.symptoms import find_symptoms

#: A total that so many of the draws cannot give has no interval.
_MOST_MISSING = 0.5


def score_with_intervals(
    action_units: ActionUnits,
    symptoms: Symptoms,
    examined: Examined,
    settings: Settings,
    *,
    by_hand: Mapping[tuple[str, str], float] | None = None,
) -> tuple[Symptoms, ClinicMeasures, dict[str, ScaleScore]]:
    """Scales by rule, and how sure they and all that they rest on are.

    Args:
        action_units: of the K keyframes.
        symptoms: as found in them.
        examined: the measures.
        settings: of symptoms, measures and scales; number of draws and seed.
        by_hand: items that a clinician set, (scale, item) -> value.
    """
    rounds, clinic = settings.clinic.rounds, examined.clinic
    drawn = draw_symptoms(action_units, settings.symptoms, rounds=rounds, seed=settings.seed)
    measures = draw_measures(examined.samples, rounds=rounds, seed=settings.seed)
    scores = score_scales(clinic, symptoms, settings.scales, by_hand=by_hand)
    of_draws = [
        score_scales(_drawn_clinic(clinic, measures, number), own, settings.scales, by_hand=by_hand)
        for number, own in enumerate(drawn)
    ]
    return (
        symptoms_with_intervals(symptoms, drawn),
        measures_with_intervals(clinic, measures),
        scales_with_intervals(scores, of_draws, settings.scales),
    )


def draw_symptoms(
    action_units: ActionUnits, settings: SymptomSettings, *, rounds: int, seed: int
) -> tuple[Symptoms, ...]:
    """Symptoms of ``rounds`` draws of the keyframes, in order of time."""
    rng, count = np.random.default_rng([seed, 21]), len(action_units.left)
    drawn = []
    for _ in range(rounds if count > 1 else 0):
        rows = np.sort(rng.integers(count, size=count))
        units = ActionUnits(action_units.aus, action_units.left[rows], action_units.right[rows])
        drawn.append(find_symptoms(units, settings))
    return tuple(drawn)


def symptoms_with_intervals(symptoms: Symptoms, drawn: Sequence[Symptoms]) -> Symptoms:
    """Intervals of each unit, each region and the face, and how often the same side and the same pairs were named."""
    if not drawn:
        return symptoms
    units = [
        dataclasses.replace(own, delta_interval=_interval([each.action_units[i].delta_am for each in drawn]))
        for i, own in enumerate(symptoms.action_units)
    ]
    regions = [
        dataclasses.replace(
            own,
            delta_interval=_interval([each.regions[i].delta_am for each in drawn]),
            agreement=_agreement(own.weak_side, [each.regions[i].weak_side for each in drawn]),
        )
        for i, own in enumerate(symptoms.regions)
    ]
    flagged = [frozenset(map(_cell, each.pairs)) for each in drawn]
    pairs = [
        dataclasses.replace(own, agreement=float(np.mean([_cell(own) in each for each in flagged])))
        for own in symptoms.pairs
    ]
    return dataclasses.replace(
        symptoms,
        action_units=tuple(units),
        regions=tuple(regions),
        pairs=tuple(pairs),
        delta_interval=_interval([each.delta_am for each in drawn]),
        agreement=_agreement(symptoms.weak_side, [each.weak_side for each in drawn]),
    )


def draw_measures(samples: Sequence[Sampled], *, rounds: int, seed: int) -> dict[tuple[str, str], FloatArray]:
    """(name, task) -> (rounds, sides) of those measures whose frames belong to several stills or keyframes."""
    rng = np.random.default_rng([seed, 22])
    drawn = {(one.name, one.task): one.drawn(rounds, rng) for one in samples}
    return {key: values for key, values in drawn.items() if values is not None}


def measures_with_intervals(clinic: ClinicMeasures, drawn: Mapping[tuple[str, str], FloatArray]) -> ClinicMeasures:
    """The intervals of each measure that was drawn."""
    return dataclasses.replace(
        clinic, measures=tuple(_with_interval(one, drawn.get((one.name, one.task))) for one in clinic.measures)
    )


def _with_interval(measure: Measure, drawn: FloatArray | None) -> Measure:
    if drawn is None:
        return measure
    if drawn.shape[1] == 1:
        return dataclasses.replace(measure, middle_interval=interval_of(drawn[:, 0]))
    left, right = map(interval_of, drawn.T)
    return dataclasses.replace(measure, left_interval=left, right_interval=right)


def scales_with_intervals(
    scores: Mapping[str, ScaleScore], drawn: Sequence[Mapping[str, ScaleScore]], settings: ScaleSettings
) -> dict[str, ScaleScore]:
    """The totals' intervals; a House-Brackmann grade that could be nearly any is withheld."""
    done = {
        name: dataclasses.replace(score, interval=_total_interval([each[name] for each in drawn]))
        for name, score in scores.items()
    }
    if not drawn:
        return done
    return {**done, "house_brackmann": _unless_uncertain(done["house_brackmann"], settings.widest_grades)}


def _drawn_clinic(
    clinic: ClinicMeasures, measures: Mapping[tuple[str, str], FloatArray], number: int
) -> ClinicMeasures:
    """The measures of one draw."""
    drawn = []
    for one in clinic.measures:
        values = measures.get((one.name, one.task))
        if values is None:
            drawn.append(one)
        elif one.middle is not None:
            drawn.append(dataclasses.replace(one, middle=float(values[number, 0])))
        else:
            left, right = (None if not np.isfinite(value) else float(value) for value in values[number])
            drawn.append(dataclasses.replace(one, left=left, right=right))
    return dataclasses.replace(clinic, measures=tuple(drawn))


def _total_interval(drawn: Sequence[ScaleScore]) -> Interval | None:
    ends = np.array([(one.low, one.high) for one in drawn if one.low is not None and one.high is not None], float)
    if not len(ends) or len(ends) < _MOST_MISSING * len(drawn):
        return None
    return float(np.percentile(ends[:, 0], 2.5)), float(np.percentile(ends[:, 1], 97.5))


def _unless_uncertain(score: ScaleScore, widest: float) -> ScaleScore:
    """The score; without a grade where the draws spread over more grades than that: none is better than a wrong one."""
    if score.low is None:
        return score
    if score.interval is None:
        return dataclasses.replace(score, low=None, high=None, reason="most draws of the keyframes give no grade")
    low, high = score.interval
    if high - low <= widest:
        return score
    return dataclasses.replace(
        score, low=None, high=None, reason=f"anything from grade {low:.0f} to {high:.0f} when keyframes are drawn anew"
    )


def _interval(values: Sequence[float | None]) -> Interval | None:
    """Of those that are known, if most are."""
    known = np.array([value for value in values if value is not None])
    return interval_of(known) if len(known) >= _MOST_MISSING * len(values) and len(known) else None


def _agreement(named: str | None, drawn: Sequence[str | None]) -> float | None:
    return None if named is None else float(np.mean([each == named for each in drawn]))


def _cell(pair: SynkinesisPair) -> tuple[str, int, int]:
    return pair.side, pair.response_au, pair.trigger_au
