"""From assessed patients to the figures that a reader compares: each with its interval, target and published value."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from palsy_cli.evaluation.metrics import (
    absolute_error,
    bootstrap_interval,
    intraclass,
    macro_f1,
    pearson,
    quadratic_kappa,
    within_one,
)
from palsy_cli.evaluation.patients import DOSES, Case
from palsy_cli.records import ALL_AUS, FloatArray
from palsy_cli.stages.cooccurrence import cells_under_test
from palsy_cli.stages.symptoms import CLINICAL_REGIONS

#: The channels of the AU figures: twelve units and closure.
SCORED_AUS: tuple[int, ...] = (*ALL_AUS[:12], 43)
_SIDES = ("right", "none", "left")
#: A misfiring weaker than this cannot be seen and is not asked for.
_VISIBLE_GAIN = 0.3


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        group: what is measured.
        name: which figure of it.
        value: ``None`` with a reason in ``note`` when it could not be measured.
        interval: 95 %, people drawn anew.
        target: what this project asks of itself, as text.
        published: the paper's figure, on other data.
        note: what a reader must know.
    """

    group: str
    name: str
    value: float | None
    interval: tuple[float, float] | None = None
    target: str = ""
    published: str = ""
    note: str = ""


def measure(
    group: str,
    name: str,
    figure: Callable[[npt.NDArray[np.int64]], float],
    people: Sequence[int] | npt.NDArray[np.integer],
    *,
    target: str = "",
    published: str = "",
    note: str = "",
) -> Figure:
    """A figure over all rows with its interval over people; ``None`` when there is no row or no number."""
    rows = np.arange(len(people))
    value = figure(rows) if len(rows) else math.nan
    if not math.isfinite(value):
        return Figure(group, name, None, None, target, published, note or "nothing to measure")
    low, high = bootstrap_interval(figure, people, rounds=200)
    interval = (low, high) if math.isfinite(low) else None
    return Figure(group, name, value, interval, target, published, note)


def landmark_figures(cases: Sequence[Case]) -> list[Figure]:
    """Points of simulated patients, percent of the outer-canthal distance."""
    people = [case.person for case in cases]
    errors = np.array([case.points_error.mean() for case in cases])
    strong = [case for case in cases if case.grade >= 5]
    corners = np.array([case.corner_error.mean() for case in strong])
    opening = [pearson(case.eyes_open.reshape(-1, 1), case.true_eyes_open.reshape(-1, 1))[0] for case in cases]
    return [
        measure("landmarks", "mean error %, simulated patients", mean_over(errors), people,
                target="<= 4.0"),
        measure("landmarks", "eye and mouth corners %, grades V and VI", mean_over(corners),
                [case.person for case in strong], target="<= 5"),
        measure("landmarks", "PCC of the eyes' opening over time, simulated patients", mean_over(np.array(opening)),
                people),
    ]  # fmt: skip


def au_figures(cases: Sequence[Case]) -> list[Figure]:
    """Intensity of each half face in the keyframes: MAE, ICC(3,1) and PCC, mean over units, and PCC of each."""
    found, truth, people = found_and_true(cases)

    def mean_of(figure: Callable[[FloatArray, FloatArray], FloatArray]) -> Callable[[Any], float]:
        return lambda rows: float(np.nanmean(figure(found[rows], truth[rows])))

    figures = [
        measure("action units", "MAE", mean_of(absolute_error), people, target="<= 0.25", published="0.41"),
        measure("action units", "ICC(3,1)", mean_of(intraclass), people, target=">= 0.85", published="0.59"),
        measure("action units", "PCC", mean_of(pearson), people, target=">= 0.90", published="0.63"),
    ]
    each = pearson(found, truth)
    for au, value in zip(SCORED_AUS, each.tolist(), strict=True):
        known = value if math.isfinite(value) else None
        figures.append(Figure("action units", f"PCC of AU{au}", known, target=">= 0.80"))
    return figures


#: Each figure of agreement with the direction that is better.
_AGREEMENT: dict[str, tuple[Callable[[FloatArray, FloatArray], FloatArray], int]] = {
    "MAE": (absolute_error, -1),
    "ICC(3,1)": (intraclass, 1),
    "PCC": (pearson, 1),
}


def helper_curve(cases: Sequence[Case]) -> dict[int, dict[str, float]]:
    """MAE, ICC(3,1) and PCC, mean over units, for each number of helper frames that was tried; 0 is the OVPM alone."""
    tried = [case for case in cases if case.by_helpers]
    curve: dict[int, dict[str, float]] = {}
    for m in sorted(tried[0].by_helpers) if tried else ():
        halves = [case.by_helpers[m] for case in tried]
        as_found = [replace(case, left=left, right=right) for case, (left, right) in zip(tried, halves, strict=True)]
        found, truth, _ = found_and_true(as_found)
        curve[m] = {name: float(np.nanmean(figure(found, truth))) for name, (figure, _) in _AGREEMENT.items()}
    return curve


def ensemble_figures(cases: Sequence[Case], *, helpers: int) -> list[Figure]:
    """What the difference ensemble adds to the OVPM alone: the gain of each figure, positive is better."""
    curve = helper_curve(cases)
    if 0 not in curve or helpers not in curve:
        return []
    alone, together = curve[0], curve[helpers]
    return [
        Figure("difference ensemble", f"gain in {name} over the OVPM alone", sign * (together[name] - alone[name]),
               target=">= 0", note=f"{alone[name]:.3f} alone, {together[name]:.3f} with {helpers} helpers")
        for name, (_, sign) in _AGREEMENT.items()
    ]  # fmt: skip


def found_and_true(cases: Sequence[Case]) -> tuple[FloatArray, FloatArray, npt.NDArray[np.int64]]:
    """Found and true intensities (2 x keyframes, ``SCORED_AUS``) of all patients' halves; the person of each row."""
    none = np.zeros((0, len(ALL_AUS)))  # weights may be so bad that nobody could be assessed
    found = np.concatenate([none, *(half for case in cases for half in (case.left, case.right))])
    truth = np.concatenate([none, *(half for case in cases for half in (case.true_left, case.true_right))])
    columns = [ALL_AUS.index(au) for au in SCORED_AUS]
    people = np.repeat([case.person for case in cases], [2 * len(case.left) for case in cases]).astype(np.int64)
    return found[:, columns], truth[:, columns], people


def side_figures(cases: Sequence[Case]) -> list[Figure]:
    """F1 over left, right and none of each region, and of the whole face."""
    published = {"eyebrows": "0.800", "eyes": "0.792", "mouth": "0.909"}
    figures = []
    for region in (*CLINICAL_REGIONS, "face"):
        named = [case for case in cases if case.weak_sides.get(region) is not None]
        truth, found, ideal = (
            np.array([_SIDES.index(side) for side in sides], int)
            for sides in (
                [case.true_weak_side(region) for case in named],
                [case.weak_sides[region] or "none" for case in named],
                [case.ideal_sides[region] or "none" for case in named],
            )
        )
        missing = len(cases) - len(named)
        best = macro_f1(truth, ideal, classes=3) if named else math.nan
        figures.append(
            measure(
                "weak side",
                f"F1, {region}",
                _f1(truth, found, 3),
                [case.person for case in named],
                target=">= 0.90" if region in published else "",
                published=published.get(region, ""),
                note=_note(best, f"{missing} of {len(cases)} not assessed" if missing else ""),
            )  # fmt: skip
        )
    return figures


def grade_figures(cases: Sequence[Case]) -> list[Figure]:
    """Severity and House-Brackmann grade of each video."""
    severity = [case for case in cases if case.severity is not None]
    truth = np.array([case.true_severity for case in severity], int)
    found = np.array([int(np.argmax(case.severity)) for case in severity if case.severity], int)
    why = f"{len(cases) - len(severity)} of {len(cases)} not assessed" if len(severity) < len(cases) else ""
    people = [case.person for case in severity]
    figures = [
        measure("severity", "mean F1 of 4 grades", _f1(truth, found, 4), people, target=">= 0.85", published="0.754",
                note=why)
    ]  # fmt: skip
    graded = [case for case in cases if case.house_brackmann is not None]
    real = np.array([case.grade - 1 for case in graded], int)
    said = np.array([int(np.argmax(case.house_brackmann)) for case in graded if case.house_brackmann], int)
    why = f"{len(cases) - len(graded)} of {len(cases)} not assessed" if len(graded) < len(cases) else ""
    people = [case.person for case in graded]
    asked: list[tuple[str, Callable[[Any], float], str, str]] = [
        ("exact", lambda r: float((real[r] == said[r]).mean()), ">= 0.75", "0.956 an image"),
        ("within one grade", lambda r: within_one(real[r], said[r]), ">= 0.97", ""),
        ("quadratic kappa", lambda r: quadratic_kappa(real[r], said[r], classes=6), ">= 0.93", ""),
    ]
    for name, figure, target, published in asked:
        figures.append(measure("House-Brackmann", name, figure, people, target=target, published=published, note=why))
    for name in ("of_pictures", "of_movement"):
        opinions = [(case.grade - 1, getattr(case, name), case.person) for case in cases if getattr(case, name)]
        hits = np.array([int(np.argmax(chances)) == grade for grade, chances, _ in opinions], float)
        title = f"exact, {name.removeprefix('of_')} alone"
        figures.append(measure("House-Brackmann", title, mean_over(hits), [person for *_, person in opinions]))
    return figures


def synkinesis_figures(cases: Sequence[Case]) -> list[Figure]:
    """Pairs found among those put in, and patients without any that stay without."""
    tested = [case for case in cases if case.tested_synkinesis]
    people = [case.person for case in tested]
    wanted = [
        {(case.lesion.side, *pair) for pair, gain in case.lesion.synkinesis.items() if _can_be_seen(pair, gain)}
        for case in tested
    ]
    hits = np.array([len(case.pairs & pairs) for case, pairs in zip(tested, wanted, strict=True)])
    said = np.array([len(case.pairs) for case in tested])
    put_in = np.array([len(pairs) for pairs in wanted])
    free = [case for case in tested if not case.lesion.synkinesis]
    quiet = np.array([not case.pairs for case in free], float)
    ideal_hits = np.array([len(case.ideal_pairs & pairs) for case, pairs in zip(tested, wanted, strict=True)])
    ideal_said = np.array([len(case.ideal_pairs) for case in tested])
    untested = f"{len(cases) - len(tested)} of {len(cases)} without support" if len(tested) < len(cases) else ""
    precise, complete = (_note(_ratio(ideal_hits, count), untested) for count in (ideal_said, put_in))
    return [
        measure("synkinesis", "precision of pairs", lambda r: _ratio(hits[r], said[r]), people, target=">= 0.85",
                note=precise),
        measure("synkinesis", "recall of pairs", lambda r: _ratio(hits[r], put_in[r]), people, target=">= 0.85",
                note=complete),
        measure("synkinesis", "patients without any that are told none", mean_over(quiet),
                [case.person for case in free], target=">= 0.95"),
    ]  # fmt: skip


def _can_be_seen(pair: tuple[int, int], gain: float) -> bool:
    """Whether a misfiring is strong enough, and whether the method tests for it (6 given 12 is part of any smile)."""
    response, trigger = (ALL_AUS.index(au) for au in pair)
    return gain >= _VISIBLE_GAIN and bool(cells_under_test(ALL_AUS, extra_channels=True)[response, trigger])


def dose_figures(cases: Sequence[Case]) -> list[Figure]:
    """Whether the asymmetry found rises with the weakness put in: Spearman's rank correlation, mean over people."""
    people = sorted({case.person for case in cases})
    correlations = []
    for person in people:
        own = [case for case in cases if case.person == person]
        if len(own) == len(DOSES):
            dose = [max(case.lesion.weakness.values(), default=0.0) for case in own]
            correlations.append(float(stats.spearmanr(dose, [case.asymmetry for case in own]).statistic))
    values = np.array(correlations)
    return [
        measure("dose response", "Spearman of asymmetry over weakness", lambda r: float(np.nanmean(values[r])),
                np.arange(len(values)), target=">= 0.95"),
    ]  # fmt: skip


def _f1(truth: Any, found: Any, classes: int) -> Callable[[Any], float]:
    return lambda rows: macro_f1(truth[rows], found[rows], classes=classes)


def _note(ideal: float, withheld: str) -> str:
    """What the rules make of the true intensities, and what could not be measured."""
    best = f"{ideal:.2f} from the true intensities" if math.isfinite(ideal) else ""
    return "; ".join(part for part in (best, withheld) if part)


def _ratio(part: Any, whole: Any) -> float:
    return float(part.sum() / whole.sum()) if whole.sum() else math.nan


def mean_over(values: FloatArray) -> Callable[[Any], float]:
    """A figure for ``measure``: the mean of some rows' values."""
    return lambda rows: float(values[rows].mean())
