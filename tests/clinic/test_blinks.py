"""Blinks are counted, and each eye's part of them is measured."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.clinic.blinks import find_blinks
from palsy_cli.records import FloatArray, Measure, Movement

FPS = 25.0
OPEN = np.array([0.15, 0.16])


def blinking(
    moments_s: tuple[float, ...], *, length_s: float = 20.0, weak: float = 1.0, lasts_s: float = 0.24
) -> tuple[FloatArray, FloatArray]:
    """Times (N,) and fissures (N, 2) of eyes that close at these moments, the left by this share of the right."""
    times_s = np.arange(int(length_s * FPS)) / FPS
    closing = np.zeros(len(times_s))
    for moment in moments_s:
        closing = np.maximum(closing, np.clip(1.5 - 3.0 * np.abs(times_s - moment) / lasts_s, 0.0, 1.0))
    return times_s, OPEN * (1.0 - 0.9 * np.stack([weak * closing, closing], axis=1))


def found(times_s: FloatArray, fissure: FloatArray, *movements: Movement) -> tuple[Measure, Measure]:
    rate, closure = find_blinks(times_s, fissure, OPEN, movements)
    return rate, closure.measure()


def closing(onset_s: float, offset_s: float) -> Movement:
    return Movement("gentle_eye_closure", onset_s, onset_s, offset_s, np.arange(0), 1.0, np.zeros((68, 2)))


def test_blinks_are_counted_per_minute() -> None:
    rate, closure = found(*blinking((2.0, 5.5, 9.0, 16.2)))
    assert rate.middle == pytest.approx(12.0, rel=0.02) and closure.frames == 4
    assert closure.left == pytest.approx(0.9, abs=0.02) == closure.right


def test_the_weak_eye_blinks_less() -> None:
    _, closure = found(*blinking((2.0, 5.5, 9.0), weak=0.5))
    assert closure.left == pytest.approx(0.45, abs=0.02) and closure.right == pytest.approx(0.9, abs=0.02)


def test_what_lasts_is_no_blink_and_neither_is_what_was_asked_for() -> None:
    rate, closure = found(*blinking((3.0, 12.0), lasts_s=1.5))
    assert rate.middle == 0.0 and closure.reason == "no blink was seen"
    rate, _ = found(*blinking((3.0, 12.0)), closing(2.5, 4.0))
    assert rate.middle == pytest.approx(60.0 / (20.0 - 2.1), rel=0.03)


def test_trembling_lids_do_not_blink() -> None:
    times_s, fissure = blinking(())
    trembling = fissure + np.random.default_rng(0).normal(0.0, 0.006, fissure.shape)
    assert found(times_s, trembling)[0].middle == 0.0


def test_a_blink_beside_a_gap_is_not_counted() -> None:
    times_s, fissure = blinking((2.0, 9.0))
    fissure[(times_s > 2.0) & (times_s < 2.4)] = np.nan
    rate, _ = found(times_s, fissure)
    assert rate.middle == pytest.approx(60.0 / 19.6, rel=0.03)


@pytest.mark.parametrize(
    ("length_s", "step", "rest", "reason"),
    [(5.0, 1, 0.15, "only 5 s"), (20.0, 4, 0.15, "frames a second"), (20.0, 1, 0.0, "closed at rest")],
)
def test_where_blinks_cannot_be_counted_it_says_why(length_s: float, step: int, rest: float, reason: str) -> None:
    times_s, fissure = blinking((2.0,), length_s=length_s)
    rate, closure = find_blinks(times_s[::step], fissure[::step], np.array([rest, 0.16]), ())
    assert rate.middle is None and reason in (rate.reason or "") and reason in (closure.measure().reason or "")
