"""Medians, and what they become when their frames are drawn anew."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.clinic.samples import Sampled, interval_of
from palsy_cli.records import FloatArray


def sampled(*parts: FloatArray, blocks: int = 5) -> Sampled:
    own = tuple(np.arange(len(part)) * blocks // max(len(part), 1) for part in parts)
    return Sampled("fissure", "rest", parts, own, "not seen")


def test_the_value_is_the_median_of_the_repetitions_medians() -> None:
    first, second = np.array([[1.0, 4.0], [2.0, 5.0], [9.0, 6.0]]), np.array([[4.0, 7.0]])
    found = sampled(first, second).measure()
    assert (found.left, found.right, found.frames, found.reason) == (3.0, 6.0, 4, None)
    middle = sampled(first[:, :1]).measure()
    assert (middle.left, middle.middle) == (None, 2.0)


def test_nothing_seen_is_no_value() -> None:
    found = sampled(np.zeros((0, 2))).measure()
    assert (found.left, found.right, found.reason) == (None, None, "not seen")
    half = sampled(np.array([[1.0, np.nan], [2.0, np.nan]])).measure()
    assert (half.left, half.right, half.reason) == (1.5, None, "not seen")


def test_an_interval_holds_the_value_and_is_as_wide_as_the_keyframes_differ() -> None:
    rng = np.random.default_rng(0)
    wide = rng.normal(10.0, 2.0, (60, 2))
    narrow = 10.0 + (wide - 10.0) / 10
    ends = []
    for values in (wide, narrow):
        drawn = sampled(values, blocks=12).drawn(400, np.random.default_rng(1))
        assert drawn is not None and drawn.shape == (400, 2)
        low, high = interval_of(drawn[:, 0]) or (np.nan, np.nan)
        assert low <= np.median(values[:, 0]) <= high
        ends.append(high - low)
    assert ends[0] == pytest.approx(10 * ends[1], rel=1e-6)


def test_frames_of_one_keyframe_are_not_independent() -> None:
    """A hundred frames near one keyframe tell no more than it does."""
    values = np.random.default_rng(0).normal(size=(100, 2))
    assert sampled(values, blocks=1).drawn(100, np.random.default_rng(1)) is None
    few, many = (sampled(np.repeat(values[:6], n, axis=0), blocks=6).drawn(300, np.random.default_rng(1))
                 for n in (1, 30))  # fmt: skip
    assert few is not None and many is not None and np.array_equal(few, many)


def test_draws_are_weighted_medians() -> None:
    """The same as copying the drawn blocks and taking the median of the copies."""
    values, blocks = np.random.default_rng(3).normal(size=(9, 1)), np.array([0, 0, 1, 1, 1, 2, 2, 3, 3])
    drawn = Sampled("x", "rest", (values,), (blocks,)).drawn(50, np.random.default_rng(7))
    rng = np.random.default_rng(7)
    chosen = rng.integers(4, size=(50, 4))
    copies = [np.median(np.concatenate([values[blocks == b, 0] for b in row])) for row in chosen]
    assert drawn is not None and np.allclose(drawn[:, 0], copies)


def test_repetitions_that_differ_widen_the_interval() -> None:
    one = np.full((8, 2), 5.0) + np.arange(8)[:, None] * 0.01
    alike = sampled(one, one).drawn(300, np.random.default_rng(1))
    apart = sampled(one, one + 3.0).drawn(300, np.random.default_rng(1))
    assert alike is not None and apart is not None
    assert np.ptp(apart[:, 0]) > 10 * np.ptp(alike[:, 0])
    assert interval_of(np.array([1.0, np.nan])) is None
