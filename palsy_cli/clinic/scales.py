"""Clinical scales by rule, each item with what it rests on: House-Brackmann, FNGS 2.0, Sunnybrook.

All of it is an estimate from lengths, closures and synkinesis; no picture is looked at. An item without its inputs is
not assessed, and a score that needs it is not either, or a range.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palsy_cli.clinic.measures import ratio_of
from palsy_cli.config import ScaleSettings
from palsy_cli.records import ClinicMeasures, Measure, ScaleItem, ScaleScore, Symptoms

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


class _Found:
    """The measures of a recording at hand."""

    def __init__(self, clinic: ClinicMeasures, symptoms: Symptoms, settings: ScaleSettings) -> None:
        self.clinic, self.symptoms, self.settings = clinic, symptoms, settings

    def measure(self, name: str, task: str = "") -> Measure | None:
        """The first measure of that name, in that task if one is named."""
        return next((m for m in self.clinic.measures if m.name == name and task in ("", m.task)), None)

    def ratio(self, name: str, task: str = "") -> ScaleItem:
        """Weaker over stronger side, 0..1."""
        found = self.measure(name, task)
        if found is None:
            return ScaleItem(None, "not measured")
        if found.left is None or found.right is None:
            return ScaleItem(None, found.reason or "not measured", found.frames)
        if name != "closure" and max(found.left, found.right) < self.settings.least_excursion:
            return ScaleItem(None, "neither side moved", found.frames)
        share = ratio_of(found)
        if share is None:
            return ScaleItem(None, "neither side moved", found.frames)
        return ScaleItem(
            share, f"{found.name.replace('_', ' ')} {100 * share:.0f} % of the stronger side", found.frames
        )

    def open_after(self, task: str) -> ScaleItem:
        """1 when an eye stays open after a closure, else 0."""
        gap, rest = self.measure("lagophthalmos", task), self.measure("fissure", "rest")
        if gap is None or rest is None or None in (gap.left, gap.right, rest.left, rest.right):
            return ScaleItem(None, gap.reason or "not measured" if gap is not None else "not measured")
        mm = self.clinic.scale.mm
        least = self.settings.closed_mm / mm if mm else 0.0
        still_open = [
            getattr(gap, side) > max(least, self.settings.closed_share * getattr(rest, side))
            for side in ("left", "right")
        ]
        what = "an eye stays open" if any(still_open) else "both eyes close"
        return ScaleItem(float(any(still_open)), f"{task.replace('_', ' ')}: {what}")

    def apart_mm(self, name: str) -> ScaleItem:
        """Left minus right of a measure at rest, in mm."""
        found, mm = self.measure(name, "rest"), self.clinic.scale.mm
        if found is None or found.left is None or found.right is None:
            return ScaleItem(None, "not measured")
        if mm is None:
            return ScaleItem(None, "no millimetres", found.frames)
        apart = mm * (found.left - found.right)
        return ScaleItem(apart, f"{name.replace('_', ' ')} differs by {abs(apart):.1f} mm", found.frames)

    def synkinesis(self, triggers: Sequence[int] | None = None) -> ScaleItem:
        """0 none .. 3 severe, by the largest difference of flagged pairs, of these triggers only if named."""
        if self.symptoms.synkinesis_present is None:
            return ScaleItem(None, self.symptoms.synkinesis_reason or "not assessed")
        pairs = [pair for pair in self.symptoms.pairs if triggers is None or pair.trigger_au in triggers]
        worst = max((pair.difference for pair in pairs), default=0.0)
        cuts = self.settings.synkinesis_mild, self.settings.synkinesis_obvious, self.settings.synkinesis_severe
        level = int(np.searchsorted(cuts, worst, side="right"))
        return ScaleItem(level, f"largest difference {worst:.2f}" if pairs else "none found")


def score_scales(clinic: ClinicMeasures, symptoms: Symptoms, settings: ScaleSettings) -> dict[str, ScaleScore]:
    """All scales, by name."""
    scales = {"house_brackmann": house_brackmann, "fngs": fngs, "sunnybrook": sunnybrook}
    return {name: scale(clinic, symptoms, settings) for name, scale in scales.items()}


def house_brackmann(clinic: ClinicMeasures, symptoms: Symptoms, settings: ScaleSettings) -> ScaleScore:
    """House-Brackmann grade 1..6 by rule; the pivot is eye closure with effort.

    Grades I and II part at the mean over the regions: single regions of healthy people differ by 7 to 9 %.
    """
    found = _Found(clinic, symptoms, settings)
    items = {name: found.ratio(*REGIONS[name]) for name in REGIONS}
    items["gentle_open"], items["tight_open"] = (
        found.open_after(task) for task in ("gentle_eye_closure", "tight_eye_closure")
    )
    items["synkinesis"] = found.synkinesis()
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


def fngs(clinic: ClinicMeasures, symptoms: Symptoms, settings: ScaleSettings) -> ScaleScore:
    """FNGS 2.0: four regions 1..6 and secondary movement 0..3; the total, 4..27."""
    found = _Found(clinic, symptoms, settings)
    items: dict[str, ScaleItem] = {}
    for name, where in REGIONS.items():
        share = found.ratio(*where)
        value = None if share.value is None else 1 + sum(share.value < cut for cut in _FNGS_CUTS)
        items[name] = ScaleItem(value, share.basis, share.frames)
    mouth, tight = found.apart_mm("commissure_height"), found.open_after("tight_eye_closure")
    if mouth.value is not None and abs(mouth.value) >= settings.corner_mm:
        items["oral"] = _at_least(items["oral"], 4, mouth.basis)
    if tight.value:
        items["eye"] = _at_least(items["eye"], 4, tight.basis)
    items["secondary"] = found.synkinesis()
    return _sum(items)


def fngs_grade(total: float) -> int:
    """House-Brackmann's grade of an FNGS 2.0 total: 4, 5-9, 10-14, 15-19, 20-23, 24 and more."""
    return 1 + sum(total >= limit for limit in (5, 10, 15, 20, 24))


def sunnybrook(clinic: ClinicMeasures, symptoms: Symptoms, settings: ScaleSettings) -> ScaleScore:
    """Sunnybrook: voluntary x 4 - resting x 5 - synkinesis; a range, for landmarks show no cheek."""
    found = _Found(clinic, symptoms, settings)
    eye, mouth = found.apart_mm("fissure"), found.apart_mm("commissure_height")
    items = {
        "resting_eye": _beyond(eye, settings.fissure_mm),
        "resting_cheek": ScaleItem(None, "the nasolabial fold has no landmark"),
        "resting_mouth": _beyond(mouth, settings.corner_mm),
    }
    for name, (_, measure) in EXPRESSIONS.items():
        share = found.ratio(measure, name if measure == "closure" else "")
        value = None if share.value is None else 1 + sum(share.value >= cut for cut in _SUNNYBROOK_CUTS)
        items[f"voluntary_{name}"] = ScaleItem(value, share.basis, share.frames)
    for name, (triggers, _) in EXPRESSIONS.items():
        items[f"synkinesis_{name}"] = found.synkinesis(triggers)
    return _composite(items)


def _composite(items: dict[str, ScaleItem]) -> ScaleScore:
    """Sunnybrook's composite of its items; those at rest may be unknown."""
    missing = [name for name, item in items.items() if not item.known and not name.startswith("resting")]
    if missing:
        first = missing[0]
        return ScaleScore(items, reason=f"{first.partition('_')[2].replace('_', ' ')}: {items[first].basis}")
    total = sum(4 * (item.value or 0) for name, item in items.items() if name.startswith("voluntary"))
    total -= sum(item.value or 0 for name, item in items.items() if name.startswith("synkinesis"))
    most = {"resting_eye": 1, "resting_cheek": 2, "resting_mouth": 1}
    rest = [(item.value, item.value) if item.value is not None else (0, most[name]) for name, item in items.items()
            if name in most]  # fmt: skip
    return ScaleScore(items, total - 5 * sum(high for _, high in rest), total - 5 * sum(low for low, _ in rest))


def _beyond(apart: ScaleItem, limit: float) -> ScaleItem:
    """1 when two sides differ by so much, else 0."""
    value = None if apart.value is None else float(abs(apart.value) >= limit)
    return ScaleItem(value, apart.basis, apart.frames)


def _at_least(item: ScaleItem, least: int, why: str) -> ScaleItem:
    """An item raised to a least value, where it is known."""
    if item.value is None or item.value >= least:
        return item
    return ScaleItem(least, f"{item.basis}; {why}", item.frames)


def _sum(items: dict[str, ScaleItem]) -> ScaleScore:
    """The total of all items, unless one is missing."""
    missing = [name for name, item in items.items() if not item.known]
    if missing:
        return ScaleScore(items, reason=f"{missing[0].replace('_', ' ')}: {items[missing[0]].basis}")
    total = sum(item.value or 0 for item in items.values())
    return ScaleScore(items, total, total)
