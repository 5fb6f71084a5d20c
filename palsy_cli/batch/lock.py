"""One batch at a time in a folder of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palsy_cli.errors import UsageError
from palsy_cli.files import open_below

LOCK = ".lock"


@contextmanager
def only_batch(out: Path) -> Iterator[None]:
    """Hold ``out`` for this process; the system lets go of it however the process ends.

    Raises:
        UsageError: another batch works there, or the folder cannot be written.
    """
    import fcntl

    try:
        out.mkdir(parents=True, exist_ok=True)
        handle = open_below(out, LOCK, os.O_RDWR)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror or error}); choose another folder") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            told = f"{out}: another batch (process {holder}) works there; wait for it or name another -o"
            raise UsageError(told) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)
