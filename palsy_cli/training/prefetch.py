"""Batches made one step ahead: OpenCV and NumPy release the interpreter while torch computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
_END = object()


def prefetch(items: Iterable[T], *, depth: int = 3) -> Iterator[T]:
    """Yield ``items`` in order while a thread prepares the next ``depth``; its exceptions are raised here."""
    waiting: queue.Queue[object] = queue.Queue(maxsize=depth)
    closed = threading.Event()

    def hand_over(item: object) -> bool:
        while not closed.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def produce() -> None:
        try:
            for item in items:
                if not hand_over(item):
                    return
            hand_over(_END)
        except BaseException as error:  # handed to the consumer, whoever it is
            hand_over(error)

    threading.Thread(target=produce, daemon=True).start()
    try:
        while (item := waiting.get()) is not _END:
            if isinstance(item, BaseException):
                raise item
            yield item  # type: ignore[misc]
    finally:
        closed.set()
