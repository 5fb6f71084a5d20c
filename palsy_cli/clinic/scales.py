"""Clinical scales by rule, each item with what it rests on: House-Brackmann, FNGS 2.0, Sunnybrook, one like eFACE.

An item without its inputs is not assessed, and a score that needs it is not either, or a range. A clinician may set
items by hand; the scores follow, and the items say so.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from palsy_cli.clinic import eface
from palsy_cli.clinic.scale_inputs import Found
from palsy_cli.config import ScaleSettings
from palsy_cli.records import ClinicMeasures, ScaleItem, ScaleScore, Symptoms

#: Units that trigger each of Sunnybrook's expressions, and the measure that tells its strength.
EXPRESSIONS: dict[str, tuple[tuple[int, ...], str]] = {
    "forehead_wrinkle": ((1, 2), "brow_excursion"),
    "gentle_eye_closure": ((43, 6), "closure"),
    "open_mouth_smile": ((12, 25), "commissure_excursion"),
    "snarl": ((9,), "alar_lift"),
    "lip_pucker": ((18,), "commissure_narrowing"),
}
#: Shares of the stronger side below which FNGS 2.0 counts one more, and from which Sunnybrook does.
_FNGS_CUTS = (0.85, 0.75, 0.50, 0.25, 0.03)
_SUNNYBROOK_CUTS = (0.10, 0.35, 0.65, 0.85)
#: Regions of House-Brackmann and FNGS 2.0, and the measure whose sides are compared.
REGIONS: dict[str, tuple[str, str]] = {
    "brow": ("brow_excursion", "brow_raise"),
    "eye": ("closure", "gentle_eye_closure"),
    "nasolabial_fold": ("alar_lift", "snarl"),
    "oral": ("commissure_excursion", ""),
}
#: Most points of Sunnybrook's items at rest.
_RESTING: dict[str, int] = {"resting_eye": 1, "resting_cheek": 2, "resting_mouth": 1}

Items = dict[str, ScaleItem]


@dataclass(frozen=True)
class Values:
    """What an item may be: from ``low`` to ``high``, whole numbers only or anything between."""

    low: float
    high: float
    whole: bool = True


@dataclass(frozen=True)
class Rule:
    """A scale: how its items are found, what each may be, and what they add up to."""

    items: Callable[[Found], Items]
    values: Mapping[str, Values]
    total: Callable[[Items, ScaleSettings], ScaleScore]


def score_scales(
    clinic: ClinicMeasures,
    symptoms: Symptoms,
    settings: ScaleSettings,
    *,
    by_hand: Mapping[tuple[str, str], float] | None = None,
) -> dict[str, ScaleScore]:
    """All scales, by name.

    Args:
        clinic: the measures.
        symptoms: weak side and synkinesis.
        settings: where an item's value ends and the next begins.
        by_hand: (scale, item) -> the value that a clinician gave it (``overrides.read_overrides``).
    """
    found = Found(clinic, symptoms, settings)
    scores = {}
    for name, rule in RULES.items():
        items = rule.items(found)
        for (scale, item), value in (by_hand or {}).items():
            if scale == name:
                items[item] = _set_by_hand(items[item], value)
        scores[name] = rule.total(items, settings)
    return scores


def _set_by_hand(item: ScaleItem, value: float) -> ScaleItem:
    """An item with a clinician's value, which tells what was there before."""
    before = "not assessed" if item.value is None else f"{item.value:.3g}"
    return dataclasses.replace(item, value=value, basis=f"set by hand; before: {before} ({item.basis})", by_hand=True)


def _house_brackmann_items(found: Found) -> Items:
    items = {name: found.ratio(*REGIONS[name]) for name in REGIONS}
    items["gentle_open"], items["tight_open"] = (
        found.open_after(task) for task in ("gentle_eye_closure", "tight_eye_closure")
    )
    return {**items, "synkinesis": found.synkinesis()}


def _house_brackmann(items: Items, settings: ScaleSettings) -> ScaleScore:
    """House-Brackmann grade 1..6; the pivot is eye closure with effort.

    Grades I and II part at the mean over the regions: single regions of healthy people differ by 7 to 9 %.
    """
    needed = ("brow", "eye", "oral", "gentle_open", "tight_open")
    missing = [name for name in needed if not items[name].known]
    if missing:
        return ScaleScore(items, reason=f"{missing[0].replace('_', ' ')} is not known: {items[missing[0]].basis}")
    brow, mouth = (float(items[name].value or 0.0) for name in ("brow", "oral"))
    known = [item.value for name, item in items.items() if name in REGIONS and item.value is not None]
    gentle, tight = bool(items["gentle_open"].value), bool(items["tight_open"].value)
    level = items["synkinesis"].value or 0
    if max(known) < settings.trace:
        grade = 6
    elif tight and brow < 0.25 and mouth < 0.25:
        grade = 5
    elif tight or (brow < 0.10 and mouth < 0.50):
        grade = 4
    elif gentle or mouth < 0.75 or brow < 0.50 or level >= 2:
        grade = 3
    elif float(np.mean(known)) < settings.normal_mean or min(known) < settings.normal_least or level == 1:
        grade = 2
    else:
        grade = 1
    return ScaleScore(items, grade, grade)


def grades_apart(by_network: int | None, scales: dict[str, ScaleScore]) -> bool:
    """Whether the rule and the networks name House-Brackmann grades more than one apart."""
    rule = scales.get("house_brackmann")
    return by_network is not None and rule is not None and rule.low is not None and abs(rule.low - by_network) > 1


def _fngs_items(found: Found) -> Items:
    items: Items = {}
    for name, where in REGIONS.items():
        share = found.ratio(*where)
        value = None if share.value is None else 1 + sum(share.value < cut for cut in _FNGS_CUTS)
        items[name] = ScaleItem(value, share.basis, share.frames)
    mouth, tight = found.apart_mm("commissure_height"), found.open_after("tight_eye_closure")
    if mouth.value is not None and abs(mouth.value) >= found.settings.corner_mm:
        items["oral"] = _at_least(items["oral"], 4, mouth.basis)
    if tight.value:
        items["eye"] = _at_least(items["eye"], 4, tight.basis)
    return {**items, "secondary": found.synkinesis()}


def _fngs(items: Items, settings: ScaleSettings) -> ScaleScore:
    """FNGS 2.0: four regions 1..6 and secondary movement 0..3; the total, 4..27."""
    missing = [name for name, item in items.items() if not item.known]
    if missing:
        return ScaleScore(items, reason=f"{missing[0].replace('_', ' ')}: {items[missing[0]].basis}")
    total = sum(item.value or 0 for item in items.values())
    return ScaleScore(items, total, total)


def fngs_grade(total: float) -> int:
    """House-Brackmann's grade of an FNGS 2.0 total: 4, 5-9, 10-14, 15-19, 20-23, 24 and more."""
    return 1 + sum(total >= limit for limit in (5, 10, 15, 20, 24))


def _sunnybrook_items(found: Found) -> Items:
    eye, mouth = found.apart_mm("fissure"), found.apart_mm("commissure_height")
    items = {
        "resting_eye": _beyond(eye, found.settings.fissure_mm),
        "resting_cheek": ScaleItem(None, "the nasolabial fold has no landmark"),
        "resting_mouth": _beyond(mouth, found.settings.corner_mm),
    }
    for name, (_, measure) in EXPRESSIONS.items():
        share = found.ratio(measure, name if measure == "closure" else "")
        value = None if share.value is None else 1 + sum(share.value >= cut for cut in _SUNNYBROOK_CUTS)
        items[f"voluntary_{name}"] = ScaleItem(value, share.basis, share.frames)
    for name, (triggers, _) in EXPRESSIONS.items():
        items[f"synkinesis_{name}"] = found.synkinesis(triggers)
    return items


def _sunnybrook(items: Items, settings: ScaleSettings) -> ScaleScore:
    """Sunnybrook: voluntary x 4 - resting x 5 - synkinesis; a range where an item at rest is not known."""
    missing = [name for name, item in items.items() if not item.known and name not in _RESTING]
    if missing:
        first = missing[0]
        return ScaleScore(items, reason=f"{first.partition('_')[2].replace('_', ' ')}: {items[first].basis}")
    total = sum(4 * (item.value or 0) for name, item in items.items() if name.startswith("voluntary"))
    total -= sum(item.value or 0 for name, item in items.items() if name.startswith("synkinesis"))
    at_rest = [(items[name].value, most) for name, most in _RESTING.items()]
    least = sum(0 if value is None else value for value, _ in at_rest)
    most = sum(most if value is None else value for value, most in at_rest)
    return ScaleScore(items, total - 5 * most, total - 5 * least)


def _beyond(apart: ScaleItem, limit: float) -> ScaleItem:
    """1 when two sides differ by so much, else 0."""
    value = None if apart.value is None else float(abs(apart.value) >= limit)
    return ScaleItem(value, apart.basis, apart.frames)


def _at_least(item: ScaleItem, least: int, why: str) -> ScaleItem:
    """An item raised to a least value, where it is known."""
    if item.value is None or item.value >= least:
        return item
    return ScaleItem(least, f"{item.basis}; {why}", item.frames)


_SHARE, _YES, _LEVEL = Values(0, 1, whole=False), Values(0, 1), Values(0, 3)
RULES: dict[str, Rule] = {
    "house_brackmann": Rule(
        _house_brackmann_items,
        {**dict.fromkeys(REGIONS, _SHARE), "gentle_open": _YES, "tight_open": _YES, "synkinesis": _LEVEL},
        _house_brackmann,
    ),
    "fngs": Rule(_fngs_items, {**dict.fromkeys(REGIONS, Values(1, 6)), "secondary": _LEVEL}, _fngs),
    "sunnybrook": Rule(
        _sunnybrook_items,
        {
            **{name: Values(0, most) for name, most in _RESTING.items()},
            **{f"voluntary_{name}": Values(1, 5) for name in EXPRESSIONS},
            **{f"synkinesis_{name}": _LEVEL for name in EXPRESSIONS},
        },
        _sunnybrook,
    ),
    "eface_like": Rule(eface.items, dict.fromkeys(eface.ITEMS, Values(0, 100, whole=False)), eface.total),
}
