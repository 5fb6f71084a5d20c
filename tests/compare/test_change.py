"""The rule of the smallest detectable change."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palsy_cli.compare.change import Aim, Span, change_between

NUMBERS = st.floats(-100, 100).map(lambda value: round(value, 3))
SPANS = st.tuples(NUMBERS, st.sampled_from([0.0, 0.0, 5.0])).map(lambda two: Span(two[0], two[0] + two[1]))
AIMS = st.sampled_from(["more", "less", "neither"])
ERRORS = st.floats(0.01, 20)
REVERSED = {"better": "worse", "worse": "better"}


@given(SPANS, SPANS, AIMS, ERRORS, st.floats(0, 0.1))
def test_back_is_there_reversed(before: Span, after: Span, aim: Aim, error: float, scale: float) -> None:
    there = change_between(before, after, aim=aim, errors=(error, error), of_scale=scale)
    back = change_between(after, before, aim=aim, errors=(error, error), of_scale=scale)
    assert (back.value.low, back.value.high) == (-there.value.high, -there.value.low)
    assert back.smallest == there.smallest
    assert back.verdict == REVERSED.get(there.verdict, there.verdict)


@given(NUMBERS, NUMBERS, AIMS, ERRORS)
def test_real_is_what_exceeds_the_smallest(before: float, after: float, aim: Aim, error: float) -> None:
    found = change_between(Span.of(before), Span.of(after), aim=aim, errors=(error, error))  # type: ignore[arg-type]
    assert found.smallest == pytest.approx(1.959964 * math.sqrt(2) * error)
    assert (found.verdict == "within") == (abs(after - before) <= found.smallest)


@given(NUMBERS, NUMBERS, ERRORS)
def test_sides_more_alike_are_better(before: float, after: float, error: float) -> None:
    found = change_between(Span.of(before), Span.of(after), aim="zero", errors=(error, error))  # type: ignore[arg-type]
    if found.verdict in ("better", "worse"):
        assert (found.verdict == "better") == (abs(after) < abs(before))


def test_a_scale_in_doubt_alone_makes_no_change_and_unmakes_none_that_is_large() -> None:
    """An error that stretches a change cannot turn it round: below one half in 95 of 100 it is no matter."""
    near, far = Span(0, 0), Span(100, 100)
    assert change_between(near, far, aim="more", errors=(0.1, 0.1), of_scale=0.04).verdict == "better"
    assert change_between(near, near, aim="more", errors=(0.1, 0.1), of_scale=0.04).verdict == "within"


def test_an_error_that_nobody_measured_decides_nothing() -> None:
    found = change_between(Span(0, 0), Span(1e6, 1e6), aim="more", errors=(None, None))
    assert found.verdict == "unknown" and found.smallest is None and found.value == Span(1e6, 1e6)


def test_of_ranges_what_is_certain_counts() -> None:
    wide, low, high = Span(20, 60), Span(20, 30), Span(58, 68)
    assert change_between(wide, high, aim="more", errors=(1, 1)).verdict == "within"
    assert change_between(low, high, aim="more", errors=(1, 1)).verdict == "better"
    assert change_between(low, high, aim="more", errors=(15, 15)).verdict == "within"
