"""The decoder's side: wait for a task, send its pictures, leave with whoever started it.

Messages are JSON. In come ``ping``, ``task`` (see ``Task``), ``free`` (a slot whose picture was copied) and ``stop``.
Out go ``ready`` at the start and after each ``ping``, then for each task ``header``, ``frame`` (number, time, slot,
size of a slot, height, width), ``passed`` (a frame that nobody wants), ``log`` (logger, level, text), and one of
``end``, ``error`` (a line for the user) or ``fault`` (a traceback of ours) as the last.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import logging
import os
import queue
import resource
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palsy_cli.config import VideoSettings
from palsy_cli.decoder.reading import read_header, read_pictures, require_memory
from palsy_cli.decoder.ring import Ring, slots_of
from palsy_cli.decoder.task import Task
from palsy_cli.errors import VideoError

if TYPE_CHECKING:
    from palsy_cli.records import ByteImage

#: How this process ends when it has no more memory.
OUT_OF_MEMORY = 86
#: Seconds after which it looks whether its parent is alive: a process that the parent forked may hold the pipe open.
_LOOK_S = 2.0
_MIB = 1 << 20


class _StoppedError(Exception):
    """Nobody wants more pictures of this task."""


class _Job:
    """A task under way, and the slots that are free for its pictures; ``None`` among them means stop."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.free: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.stopped = False
        self._slots = 0

    def stop(self) -> None:
        """End it at the next frame."""
        self.stopped = True
        self.free.put(None)

    def resize(self, ring: Ring, slot_bytes: int) -> None:
        """Make all slots so large, once every picture before has been copied; raises _StoppedError."""
        for _ in range(self._slots):
            self.take()
        ring.resize(slot_bytes)
        self._slots = slots_of(slot_bytes)
        for slot in range(self._slots):
            self.free.put(slot)

    def take(self) -> int:
        """Wait for a free slot; raises _StoppedError."""
        slot = self.free.get()
        if slot is None or self.stopped:
            raise _StoppedError
        return slot


class _Sender(logging.Handler):
    """Sends messages, log lines among them."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(logging.WARNING)
        self.connection = connection

    def emit(self, record: logging.LogRecord) -> None:
        """Send a log line."""
        self.send(log=[record.name, record.levelno, record.getMessage()])

    def send(self, **message: Any) -> None:
        """Send a message; without a reader there is no reason to live."""
        try:
            self.connection.send_bytes(json.dumps(message).encode())
        except OSError:
            os._exit(0)


def main(channel: str, memory: str, parent: str, limits: str) -> None:
    """Serve until the parent is gone.

    Args:
        channel: handle of the connection to the parent.
        memory: handle of the ring.
        parent: its process number.
        limits: ``VideoSettings`` as JSON.
    """
    connection, ring, settings = Connection(int(channel)), Ring(int(memory)), VideoSettings(**json.loads(limits))
    sender = _Sender(connection)
    logging.getLogger().addHandler(sender)
    jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, sender, jobs, int(parent)), daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # what libraries write to it is for nobody
    _limit(settings)
    gc.freeze()  # what the program consists of is never looked through again
    sender.send(ready=True)
    while True:
        try:
            _do(jobs.get(), sender, ring, settings)
        except (MemoryError, ImportError):  # a library that is there, but cannot be mapped any more
            os._exit(OUT_OF_MEMORY)


def _limit(settings: VideoSettings) -> None:
    """Leave no core dump, which would show the patient, and take no more memory than allowed where it is counted."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    counted = Path("/proc/self/statm")
    if not counted.exists():
        return
    program = int(counted.read_text().split()[0]) * resource.getpagesize()
    wanted = min(program + settings.max_memory_mib * _MIB, sys.maxsize)
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _listen(connection: Connection, sender: _Sender, jobs: queue.SimpleQueue[_Job], parent: int) -> None:
    """Take what the parent says; a thread of its own, so that the end of the parent ends even a hopeless decoding."""
    job: _Job | None = None
    while os.getppid() == parent:
        try:
            if not connection.poll(_LOOK_S):
                continue
            message = json.loads(connection.recv_bytes())
        except (EOFError, OSError):
            break
        except MemoryError:
            os._exit(OUT_OF_MEMORY)
        if "ping" in message:
            sender.send(ready=True)
        elif "task" in message:
            job = _Job(Task(**message["task"]))
            jobs.put(job)
        elif job is not None and "free" in message:
            job.free.put(message["free"])
        elif job is not None:
            job.stop()
    os._exit(0)


def _do(job: _Job, sender: _Sender, ring: Ring, settings: VideoSettings) -> None:
    """One task, to its last message; raises MemoryError, or ImportError for want of memory."""
    try:
        if job.task.what == "header":
            sender.send(header=dataclasses.asdict(read_header(job.task, settings)))
        else:
            _send_pictures(job, sender, ring, settings)
    except VideoError as error:
        sender.send(error=str(error))
    except (MemoryError, ImportError):
        raise
    except Exception as error:
        require_memory(error)
        sender.send(fault=traceback.format_exc())
    else:
        sender.send(end=True)


def _send_pictures(job: _Job, sender: _Sender, ring: Ring, settings: VideoSettings) -> None:
    """Decode to the end, or until nobody wants more."""
    ring.forget()
    pictures = read_pictures(job.task, settings)
    try:
        for index, time_s, image in pictures:
            if job.stopped:
                return
            if image is None:
                sender.send(passed=index)
                continue
            slot = _place(job, ring, image)
            sender.send(frame=[index, time_s, slot, ring.slot_bytes, *image.shape[:2]])
            gc.collect()  # a frame of PyAV refers to itself: left alone, hundreds of them would pile up
    except _StoppedError:
        return
    finally:
        pictures.close()


def _place(job: _Job, ring: Ring, image: ByteImage) -> int:
    """Put a picture into a free slot, after making all slots larger if it does not fit; raises _StoppedError."""
    if image.nbytes > ring.slot_bytes:
        job.resize(ring, image.nbytes)
    slot = job.take()
    ring.write(slot, image)
    return slot
