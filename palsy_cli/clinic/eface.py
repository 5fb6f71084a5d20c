"""A score like the eFACE (Banks et al., Plast Reconstr Surg 2015): 0..100, 100 is balance. It is not the eFACE.

Each item compares the affected side with the other in percent: 100 - |100 - x|; too much counts like too little. The
total weighs what moves twice: (static + 2 dynamic + synkinesis) / 4 (ours). The nasolabial fold has no landmark.
"""

from __future__ import annotations

from statistics import fmean

from palsy_cli.clinic.scale_inputs import Found
from palsy_cli.config import ScaleSettings
from palsy_cli.records import ScaleItem, ScaleScore

_NO_FOLD = ScaleItem(None, "the nasolabial fold has no landmark")
#: Units of the mouth, of the eye and of the brow, as triggers; what each area of the face answers with.
_MOUTH, _ELSEWHERE = (12, 15, 18, 20, 25), (1, 2, 6, 43)
_SYNKINESIS: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "ocular": (_MOUTH + (1, 2), (5, 6, 43)),
    "midfacial": (_ELSEWHERE, (9, 12)),
    "mentalis": (_MOUTH + _ELSEWHERE, (17,)),
    "platysmal": (_MOUTH + _ELSEWHERE, (20,)),
}
_STATIC: dict[str, tuple[str, bool]] = {
    "brow": ("brow_height", False), "fissure": ("fissure", True), "commissure": ("commissure_position", False),
}  # fmt: skip
_DYNAMIC: dict[str, str] = {
    "brow_elevation": "brow_excursion",
    "commissure_with_smile": "commissure_excursion",
    "lower_lip": "lower_lip_depression",
}
_CLOSURES = ("gentle_eye_closure", "tight_eye_closure")
ITEMS: tuple[str, ...] = (
    *(f"static_{name}" for name in (*_STATIC, "nasolabial_fold")),
    *(f"dynamic_{name}" for name in (*_DYNAMIC, *_CLOSURES, "nasolabial_fold")),
    *(f"synkinesis_{name}" for name in _SYNKINESIS),
)


def items(found: Found) -> dict[str, ScaleItem]:
    """Every item, 0..100."""
    return {
        **{f"static_{name}": _balance(found, *how) for name, how in _STATIC.items()},
        "static_nasolabial_fold": _NO_FOLD,
        **{f"dynamic_{name}": _movement(found, measure) for name, measure in _DYNAMIC.items()},
        **{f"dynamic_{task}": _closure(found, task) for task in _CLOSURES},
        "dynamic_nasolabial_fold": _NO_FOLD,
        **{f"synkinesis_{name}": _freedom(found, *units) for name, units in _SYNKINESIS.items()},
    }


def total(items: dict[str, ScaleItem], settings: ScaleSettings) -> ScaleScore:
    """The total of the domains, each the mean of its items; not assessed when one but the fold is unknown."""
    missing = [name for name, item in items.items() if not item.known and not name.endswith("nasolabial_fold")]
    if missing:
        first = missing[0]
        return ScaleScore(items, reason=f"{first.partition('_')[2].replace('_', ' ')}: {items[first].basis}")
    static, dynamic, synkinesis = (
        fmean(item.value for name, item in items.items() if name.startswith(domain) and item.value is not None)
        for domain in ("static", "dynamic", "synkinesis")
    )
    score = (static + 2 * dynamic + synkinesis) / 4
    return ScaleScore(items, score, score)


def _balance(found: Found, name: str, inverse: bool) -> ScaleItem:
    """How even the sides are at rest; of the fissure the other way round, for a wide eye is the weak one."""
    sides = found.affected(name, "rest")
    if isinstance(sides, ScaleItem):
        return sides
    affected, other, frames = sides
    share = _percent(*((other, affected) if inverse else (affected, other)))
    what = f"{name.replace('_', ' ')} {share:.0f} % of the {'affected' if inverse else 'other'} side's"
    return ScaleItem(100 - abs(100 - share), what, frames)


def _movement(found: Found, name: str) -> ScaleItem:
    """How much of the other side's movement the affected side makes."""
    sides = found.affected(name)
    if isinstance(sides, ScaleItem):
        return sides
    affected, other, frames = sides
    if max(affected, other) < found.settings.least_excursion:
        return ScaleItem(None, "neither side moved", frames)
    share = min(100.0, _percent(affected, other))
    return ScaleItem(share, f"{name.replace('_', ' ')} {share:.0f} % of the other side's", frames)


def _closure(found: Found, task: str) -> ScaleItem:
    """How far the affected eye closes; within what counts as closed it is closed."""
    sides, open_ = found.affected("closure", task), found.open_after(task)
    if isinstance(sides, ScaleItem):
        return sides
    closed = open_.value == 0
    value = 100.0 if closed else 100.0 * sides[0]
    return ScaleItem(value, "both eyes close" if closed else f"closes by {value:.0f} %", sides[2])


def _freedom(found: Found, triggers: tuple[int, ...], responses: tuple[int, ...]) -> ScaleItem:
    """100 without synkinesis of an area, 0 with the severest."""
    level = found.synkinesis(triggers, responses)
    return ScaleItem(None if level.value is None else 100.0 * (1.0 - level.value / 3.0), level.basis)


def _percent(value: float, other: float) -> float:
    """One in percent of the other, 0..200."""
    if other <= 0:
        return 200.0 if value > 0 else 100.0
    return min(200.0, max(0.0, 100.0 * value / other))
