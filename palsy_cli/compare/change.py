"""What changed from one visit to another, and whether measuring alone could do that.

A change is told real when it exceeds the smallest detectable change of 95 %, 1.96 x sqrt(2) x the standard error of
measurement (Weir, J Strength Cond Res 2005; de Vet et al., Health Qual Life Outcomes 2006): two visits without any
change differ by less than that in 95 of 100 pairs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Verdict = Literal["better", "worse", "changed", "within", "unknown", "not assessed"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
#: Which way health lies: more, less, towards zero (sides alike), or neither.
Aim = Literal["more", "less", "zero", "neither"]
#: Two standard deviations of a normal distribution hold 95 %, roughly; this many do exactly.
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Span:
    """A value, or a range where not every part of it could be assessed (``low`` below ``high``)."""

    low: float
    high: float

    @staticmethod
    def of(value: float | None) -> Span | None:
        """One value; ``None`` of none."""
        return None if value is None else Span(value, value)

    @property
    def is_range(self) -> bool:
        """Whether it is not one value."""
        return self.high > self.low


@dataclass(frozen=True)
class Change:
    """Later minus earlier, the smallest change that measuring alone does not explain, and what that amounts to."""

    value: Span
    smallest: float | None
    verdict: Verdict


def change_between(
    earlier: Span, later: Span, *, aim: Aim, errors: tuple[float | None, float | None], of_scale: float = 0.0
) -> Change:
    """The change of one measure.

    Args:
        earlier: value of one visit; of ranges, the change may lie anywhere between its ends.
        later: value of the other.
        aim: which way health lies.
        errors: standard error of measurement of both visits, in the unit of the values; ``None`` when nobody measured
            it.
        of_scale: standard error of the scale that both visits share, as a share: it stretches a change, so that it is
            joined by root of squares in proportion to the change.
    """
    value = Span(later.low - earlier.high, later.high - earlier.low)
    if errors[0] is None or errors[1] is None:
        return Change(value, None, "unknown")
    sure = max(0.0, value.low, -value.high)  # what a range leaves certain
    smallest = Z95 * math.hypot(errors[0], errors[1], of_scale * sure)
    if sure <= smallest:
        return Change(value, smallest, "within")
    if aim == "zero":
        nearer = abs(earlier.low) - abs(later.low)
        verdict: Verdict = "changed" if abs(nearer) <= smallest else "better" if nearer > 0 else "worse"
    elif aim == "neither":
        verdict = "changed"
    else:
        verdict = "better" if (value.low > 0) == (aim == "more") else "worse"
    return Change(value, smallest, verdict)
