"""Items of a clinical scale that a clinician sets by hand: ``sunnybrook.resting_cheek=1``."""

from __future__ import annotations

from collections.abc import Iterable

from palsy_cli.clinic.scales import RULES
from palsy_cli.errors import UsageError
from palsy_cli.text import did_you_mean


def read_overrides(texts: Iterable[str]) -> dict[tuple[str, str], float]:
    """(scale, item) -> value of ``scale.item=value``; of two for one item the later counts.

    Raises:
        UsageError: no such form, scale or item (with what may have been meant), or a value that it cannot have.
    """
    return dict(map(_read, texts))


def _read(text: str) -> tuple[tuple[str, str], float]:
    name, equals, given = text.partition("=")
    scale, dot, item = name.strip().partition(".")
    if not equals or not dot:
        raise UsageError(f"--override {text}: write scale.item=value, as in sunnybrook.resting_cheek=1")
    known = {f"{each}.{own}" for each, rule in RULES.items() for own in rule.values}
    if name.strip() not in known:
        hint = did_you_mean(name.strip(), sorted(known)) or f"; scales are {', '.join(RULES)}"
        raise UsageError(f"--override {text}: unknown item {name.strip()!r}{hint}")
    allowed = RULES[scale].values[item]
    needed = f"{'a whole number' if allowed.whole else 'a number'} from {allowed.low:g} to {allowed.high:g}"
    try:
        value = float(given)
    except ValueError:
        raise UsageError(f"--override {text}: the value must be {needed}") from None
    if not allowed.low <= value <= allowed.high or (allowed.whole and value != int(value)):
        raise UsageError(f"--override {text}: the value must be {needed}")
    return (scale, item), value
