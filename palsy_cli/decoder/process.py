"""Our side: start a decoder when one is needed, ask it, and turn its failures into errors of the file it reads."""

from __future__ import annotations

import atexit
import dataclasses
import json
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator
from contextlib import closing, suppress
from typing import Any
from weakref import WeakSet

from palsy_cli.config import VideoSettings
from palsy_cli.decoder.child import OUT_OF_MEMORY
from palsy_cli.decoder.reading import Header
from palsy_cli.decoder.ring import Ring
from palsy_cli.decoder.task import Task
from palsy_cli.errors import PalsyError, VideoError
from palsy_cli.records import Frame

#: Only ``sys`` is imported before the path is ours: a file of a common name in the working folder must not be run.
_START = "import sys; sys.path[:] = sys.argv[5:]; from palsy_cli.decoder.child import main; main(*sys.argv[1:5])"
#: Seconds that a decoder may take to start (a cold disk), to stop, and at most to wait for a frame.
_START_S, _STOP_S, _LONGEST_S = 120.0, 5.0, 1e6


def start_ahead(limits: VideoSettings) -> None:
    """Start a decoder that will be needed soon: it gets ready while the caller does something else."""
    _give_back(Decoder(limits))


def read_header(task: Task, limits: VideoSettings) -> Header:
    """What a video says of itself; raises VideoError as ``read_frames`` does."""
    with closing(_ask(task, limits)) as replies:
        return next(Header(**reply) for reply in replies if isinstance(reply, dict))


def read_frames(task: Task, limits: VideoSettings) -> Generator[Frame, None, None]:
    """Yield the wanted frames of an input, decoded ahead by a few in another process.

    Raises:
        VideoError: the input cannot be opened or exceeds a limit, or the decoder crashed, ran out of memory or gave no
            frame in time. The next task gets a new one.
    """
    with closing(_ask(task, limits)) as replies:
        for reply in replies:
            if isinstance(reply, Frame):
                yield reply


def _ask(task: Task, limits: VideoSettings) -> Generator[Frame | dict[str, Any], None, None]:
    """Frames and header of one task; whoever stops early stops the decoder, which then has closed the file."""
    decoder = _take(limits)
    try:
        yield from decoder.work(task)
    except GeneratorExit:
        decoder.settle()
        raise
    finally:
        _give_back(decoder)


class Decoder:
    """A decoder process. It does one task at a time and is told all limits at its start.

    Attributes:
        limits: what it was told.
        ready: whether it has said that it can take tasks.
        alive: whether it was neither killed nor abandoned.
        busy: whether it has not sent the last message of its task.
    """

    def __init__(self, limits: VideoSettings) -> None:
        """Start it; ``wait`` until it is ready. Raises PalsyError when that fails."""
        self.limits = limits
        self.ready = False
        self.alive = True
        self.busy = False
        self._connection, theirs = multiprocessing.Pipe()
        self._ring = Ring.create()
        handles = (theirs.fileno(), self._ring.handle)
        told = (*map(str, (*handles, os.getpid())), json.dumps(dataclasses.asdict(limits)))
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _START, *told, *map(str, sys.path)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=handles,
                    env=_environment(limits),
                    start_new_session=True,  # the keyboard's interrupt is ours to handle
                )
        except OSError as error:
            self._ring.close()
            raise PalsyError(f"the decoder cannot be started ({error}); close other programs and try again") from error
        _living.add(self)

    def wait(self) -> None:
        """Wait until it can take a task; raises PalsyError when it never will."""
        if self._started():
            return
        self.kill()
        raise PalsyError("the decoder does not start; `palsy info` says whether the installation is whole")

    def _started(self) -> bool:
        with suppress(EOFError):
            self.ready = self.ready or self._hear(_START_S) is not None
        return self.ready

    def answers(self) -> bool:
        """Whether it can take a task; asked, for a process that is being killed lives on in the system's lists."""
        if not self._started():
            return False
        self._tell(ping=True)
        try:
            return self._hear(_STOP_S) is not None
        except EOFError:
            return False

    def work(self, task: Task) -> Generator[Frame | dict[str, Any], None, None]:
        """Do a task; raises VideoError, RuntimeError for a bug of ours."""
        self._ring.forget()
        self.busy = True
        self._tell(task=dataclasses.asdict(task))
        while self.busy:
            try:
                reply = self._hear(min(self.limits.max_wait_s, _LONGEST_S))
            except EOFError as error:
                raise self._crash(task) from error
            if reply is None:
                raise self._silence(task)
            if "frame" in reply:
                yield self._copy(*reply["frame"])
            elif "header" in reply:
                yield reply["header"]
            elif "log" in reply:
                name, level, text = reply["log"]
                logging.getLogger(name).log(level, "%s", text)
            elif "error" in reply:
                raise VideoError(reply["error"])
            elif "fault" in reply:
                whole = str(reply["fault"]).strip()
                raise RuntimeError(f"{task.path}: {whole.splitlines()[-1]}") from RuntimeError(whole)

    def _copy(self, index: int, time_s: float, slot: int, slot_bytes: int, height: int, width: int) -> Frame:
        """Copy a picture and set its slot free."""
        self._ring.map(slot_bytes)
        image = self._ring.read(slot, (height, width, 3))
        self._tell(free=slot)
        return Frame(index=index, time_s=time_s, image=image)

    def settle(self) -> None:
        """Be done with the task under way, if any; a decoder that does not obey is killed."""
        if self.busy and self.alive:
            self._tell(stop=True)
        deadline = time.monotonic() + _STOP_S
        while self.busy and self.alive:
            try:
                obeys = self._hear(max(0.0, deadline - time.monotonic())) is not None
            except EOFError:
                obeys = False
            if not obeys:
                self.kill()

    def kill(self) -> None:
        """End it; what it decoded is lost."""
        if self.alive:
            self._process.kill()
            self._process.wait()
            self.abandon()

    def abandon(self) -> None:
        """Let it go without touching it: after a fork it is our parent's."""
        if self.alive:
            self.alive = False
            self._connection.close()
            self._ring.close()
            self._process.returncode = self._process.returncode or 0  # else it would be waited for

    def _tell(self, **message: Any) -> None:
        """Send a message; that it is dead is noticed where we listen."""
        with suppress(OSError):
            self._connection.send_bytes(json.dumps(message).encode())

    def _hear(self, wait_s: float) -> dict[str, Any] | None:
        """The next message; ``None`` when none comes in time; raises EOFError when none will."""
        try:
            if not self._connection.poll(wait_s):
                return None
            reply: dict[str, Any] = json.loads(self._connection.recv_bytes())
        except OSError as error:
            raise EOFError from error
        self.busy = self.busy and not {"end", "error", "fault"} & set(reply)
        return reply

    def _silence(self, task: Task) -> VideoError:
        """The error of a decoder that says nothing any more; it is killed."""
        self.kill()
        limit = self.limits.max_wait_s
        return VideoError(
            f"{task.path}: the decoder gave no frame for {limit:g} s (damaged file, or a slow disk?); copy or export "
            f"it again, or raise video.max_wait_s = {limit:g}"
        )

    def _crash(self, task: Task) -> VideoError:
        """The error of a decoder that ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        code = self._process.returncode
        self.kill()
        if code == OUT_OF_MEMORY:
            limit = f"video.max_memory_mib = {self.limits.max_memory_mib}"
            return VideoError(f"{task.path}: the decoder ran out of memory; export it smaller or raise {limit}")
        how = f"exit {code}" if code is None or code >= 0 else f"signal {-code}"
        return VideoError(f"{task.path}: the decoder crashed ({how}; damaged file?); copy or export it again")


#: What glibc reads once when it is loaded: few arenas, and room for pictures that is not given back after each. Not all
#: of it, as ``networks.device.keep_freed_memory`` does: this process waits for the next video within a limit of memory.
_MALLOC = {
    "MALLOC_ARENA_MAX": "4",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

#: Every decoder of this process, and the one that waits for a task. ``deque`` needs no lock, which a generator that is
#: collected at any moment could not take.
_living: WeakSet[Decoder] = WeakSet()
_idle: deque[Decoder] = deque()


def _environment(limits: VideoSettings) -> dict[str, str]:
    """Ours, with what OpenCV reads once when it is loaded, with libraries that reserve little memory and keep it."""
    limited = {"OPENCV_IO_MAX_IMAGE_PIXELS": str(limits.max_pixels), "OPENBLAS_NUM_THREADS": "1"}
    return {**os.environ, **limited, **_MALLOC}


def _take(limits: VideoSettings) -> Decoder:
    """The one that waits, if it lives and has these limits; else a new one."""
    while True:
        try:
            decoder = _idle.pop()
        except IndexError:
            decoder = Decoder(limits)
            decoder.wait()
            return decoder
        if decoder.limits == limits and decoder.answers():
            return decoder
        decoder.kill()


def _give_back(decoder: Decoder) -> None:
    """Let it wait for the next task; one is enough, and one that was interrupted in the middle of a message is none."""
    if decoder.busy:
        decoder.kill()
    if decoder.alive:
        _idle.append(decoder)
    while len(_idle) > 1:
        with suppress(IndexError):
            _idle.popleft().kill()


def _end_all() -> None:
    """At the end of this process, however its iterators were left."""
    for decoder in list(_living):
        decoder.kill()
    _idle.clear()


def _abandon_all() -> None:
    """In a fork: two processes cannot talk to one decoder."""
    for decoder in list(_living):
        decoder.abandon()
    _idle.clear()


atexit.register(_end_all)
os.register_at_fork(after_in_child=_abandon_all)
