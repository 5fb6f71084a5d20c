"""Work in batches: as large as wanted, even, and halved where a device has no memory for them."""

from __future__ import annotations

import logging

import pytest
import torch

from palsy_cli.errors import UsageError
from palsy_cli.networks.batches import Batches


class Device:
    """Holds so many rows at once."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.asked: list[int] = []

    def compute(self, rows: slice) -> list[int]:
        self.asked.append(rows.stop - rows.start)
        if self.asked[-1] > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return list(range(rows.start, rows.stop))


@pytest.mark.parametrize(
    ("count", "size", "parts"), [(0, 4, []), (4, 4, [4]), (17, 16, [9, 8]), (7, 3, [3, 2, 2]), (5, None, [5])]
)
def test_batches_are_even_and_no_larger_than_wanted(count: int, size: int | None, parts: list[int]) -> None:
    device = Device(room=100)
    found = [row for part in Batches(size).over(count, device.compute) for row in part]
    assert found == list(range(count)) and device.asked == parts


def test_too_much_is_halved_with_a_warning_and_not_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    device, batches = Device(room=3), Batches(16)
    with caplog.at_level(logging.WARNING):
        found = [row for part in batches.over(16, device.compute) for row in part]
    assert found == list(range(16))
    assert device.asked[:3] == [16, 8, 4] and max(device.asked[3:]) == 2
    assert [record.args for record in caplog.records] == [(16, 8), (8, 4), (4, 2)]
    caplog.clear()
    device.asked.clear()
    assert len(list(batches.over(6, device.compute))) == 3 and not caplog.records


def test_what_was_done_before_is_not_done_again() -> None:
    class Filling(Device):
        def compute(self, rows: slice) -> list[int]:
            found = super().compute(rows)
            self.room = 2
            return found

    device = Filling(room=4)
    assert [row for part in Batches(4).over(8, device.compute) for row in part] == list(range(8))
    assert device.asked == [4, 4, 2, 2]


def test_one_picture_that_does_not_fit_is_one_line() -> None:
    with pytest.raises(UsageError, match="use --device cpu"):
        list(Batches(4).over(4, Device(room=0).compute))


def test_other_faults_pass() -> None:
    def broken(_: slice) -> int:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        list(Batches(4).over(4, broken))
