"""How much a network is given at once, and what is done when that is more than a device's memory holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from palsy_cli.errors import UsageError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class Batches:
    """Work that is done some rows at a time; where the memory of the device does not suffice, half as many.

    What was found to be too much is not tried again. Processors are not meant: their memory is the system's, which
    ends a program that wants too much.

    Args:
        size: rows at once; ``None`` tries all.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size = None if size is None else max(1, size)

    def over(self, count: int, compute: Callable[[slice], Result]) -> Iterator[Result]:
        """What ``compute`` makes of ``count`` rows, from first to last, in batches that are as even as can be.

        Raises:
            UsageError: not even one row fits.
        """
        start = 0
        while start < count:
            left = count - start
            stop = start + left if self._size is None else start + -(-left // -(-left // self._size))
            try:
                result = compute(slice(start, stop))
            except torch.OutOfMemoryError as error:
                self._halve(stop - start, error)
                continue
            yield result
            start = stop

    def _halve(self, rows: int, error: torch.OutOfMemoryError) -> None:
        """Take half of ``rows`` from now on."""
        if rows == 1:
            raise UsageError("the memory of the device is too small for one picture; use --device cpu") from error
        self._size = rows // 2
        logger.warning("the memory of the device does not hold %d pictures at once; going on with %d", rows, self._size)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
