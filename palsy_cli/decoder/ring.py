"""A few slots of shared memory through which pictures pass from the decoder to us."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from palsy_cli.records import ByteImage

#: Pictures that wait for whoever looks at them, at least and at most: whoever computes by the batch comes back late.
LEAST_SLOTS, MOST_SLOTS = 4, 16
#: Bytes that more than the least may take.
_ROOM = 128 << 20


def slots_of(slot_bytes: int) -> int:
    """How many slots of that size there are."""
    return min(max(LEAST_SLOTS, _ROOM // slot_bytes), MOST_SLOTS)


class Ring:
    """``slots_of`` places of equal size in a file without a name, which both processes map."""

    def __init__(self, handle: int) -> None:
        """Take an open file; nothing is mapped yet."""
        self.handle = handle
        self.slot_bytes = 0
        self._map: mmap.mmap | None = None

    @staticmethod
    def create() -> Ring:
        """A new one, in memory where the system offers such files."""
        if hasattr(os, "memfd_create"):
            return Ring(os.memfd_create("palsy-frames"))
        with tempfile.TemporaryFile() as file:
            return Ring(os.dup(file.fileno()))

    def resize(self, slot_bytes: int) -> None:
        """Change the size of all slots; only the decoder does, and only while nobody waits for a picture."""
        os.ftruncate(self.handle, slots_of(slot_bytes) * slot_bytes)
        self.map(slot_bytes)

    def map(self, slot_bytes: int) -> None:
        """Look at slots of this size, which the file must have."""
        if slot_bytes != self.slot_bytes:
            self._map = mmap.mmap(self.handle, slots_of(slot_bytes) * slot_bytes)
            self.slot_bytes = slot_bytes

    def write(self, slot: int, image: ByteImage) -> None:
        """Put a picture (H, W, 3), in whatever order its pixels lie, into a slot."""
        np.copyto(self._view(slot, image.shape), image)

    def read(self, slot: int, shape: tuple[int, ...]) -> ByteImage:
        """A copy of the picture of this shape in a slot."""
        return self._view(slot, shape).copy()

    def _view(self, slot: int, shape: tuple[int, ...]) -> ByteImage:
        """The pixels where they lie."""
        if self._map is None:
            raise ValueError("the ring is not mapped")
        count = int(np.prod(shape))
        return np.frombuffer(self._map, np.uint8, count, slot * self.slot_bytes).reshape(shape)

    def forget(self) -> None:
        """Let the mapping go; the next picture may be of any size."""
        self._map, self.slot_bytes = None, 0

    def close(self) -> None:
        """Let everything go."""
        self.forget()
        os.close(self.handle)
