"""Work ahead: what a generator yields is made in a thread of its own while the consumer is still busy."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import closing
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds after which a full queue is looked at again, to see whether anybody still wants its items.
_LOOK_S = 0.1
_END = object()


def ahead(items: Generator[T, None, None], *, depth: int) -> Generator[T, None, None]:
    """Yield the items in their order; at most ``depth`` of them wait, and one more is being made.

    What the generator raises is raised here, after the items before. When the consumer stops, the generator is closed
    in the thread in which it ran, and this waits for it.
    """
    waiting: queue.Queue[tuple[Any, BaseException | None]] = queue.Queue(depth)
    over = threading.Event()

    def put(item: Any, error: BaseException | None = None) -> None:
        while not over.is_set():
            try:
                return waiting.put((item, error), timeout=_LOOK_S)
            except queue.Full:
                continue

    def work() -> None:
        try:
            with closing(items):
                for item in items:
                    put(item)
                    if over.is_set():
                        return
            put(_END)
        except BaseException as error:  # whatever it is, it is the consumer's to handle
            put(_END, error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if error is not None:
                raise error
            if item is _END:
                return
            yield item
    finally:
        over.set()
        thread.join()
