"""Working ahead changes nothing but the time."""

from __future__ import annotations

import threading
from collections.abc import Generator

import pytest

from palsy_cli.ahead import ahead


def counting(made: list[int], closed: threading.Event, stop: int = 10**9) -> Generator[int, None, None]:
    try:
        for number in range(stop):
            made.append(number)
            yield number
    finally:
        closed.set()


@pytest.mark.parametrize("depth", [1, 4])
def test_the_same_items_in_the_same_order(depth: int) -> None:
    closed = threading.Event()
    assert list(ahead(counting([], closed, 100), depth=depth)) == list(range(100)) and closed.is_set()


def test_only_so_many_wait() -> None:
    made: list[int] = []
    items = ahead(counting(made, threading.Event()), depth=3)
    for number in range(20):
        assert next(items) == number
        assert len(made) <= number + 1 + 3 + 1
    items.close()


def test_who_stops_early_leaves_nothing_running() -> None:
    closed, before = threading.Event(), threading.active_count()
    items = ahead(counting([], closed), depth=2)
    next(items)
    items.close()
    assert closed.is_set() and threading.active_count() == before


def test_what_goes_wrong_comes_after_what_went_right() -> None:
    def failing() -> Generator[int, None, None]:
        yield 1
        yield 2
        raise OSError("the disk is gone")

    found = []
    with pytest.raises(OSError, match="the disk is gone"):
        for number in ahead(failing(), depth=4):
            found.append(number)
    assert found == [1, 2]
