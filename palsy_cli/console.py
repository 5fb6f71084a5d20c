"""The only file that prints. Data goes to stdout, talk (tables, bars, warnings, errors) to stderr through rich.

Names of files and cells of tables come from others: whatever in them would act on a terminal is spelled out. rich is
imported on first use, so that ``palsy --help`` stays quick.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, TextIO

from palsy_cli.text import one_line, printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

#: Called with the name of what goes on, how much of it is done, and how much there is (``None`` when unknown).
ProgressCallback = Callable[[str, int, int | None], None]


@lru_cache(maxsize=4)
def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, highlight=False, soft_wrap=True)


def console() -> Console:
    """The rich console on the current stderr."""
    return _console(sys.stderr)


def data(text: str) -> None:
    """Write data to stdout, ended by a newline, and nothing else.

    Programs get every byte, those of a file's name that are no text among them; a terminal gets ``printable`` text.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    text = printable(text) if sys.stdout.isatty() else text
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()


def say(text: str) -> None:
    """One line of talk on stderr."""
    console().print(printable(text), markup=False)


def warn(text: str) -> None:
    """One warning on stderr, always a single line."""
    console().print(f"palsy: warning: {one_line(text)}", style="yellow", markup=False)


def error(text: str) -> None:
    """One error on stderr, always a single line."""
    console().print(f"palsy: error: {one_line(text)}", style="red", markup=False)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A short table on stderr."""
    from rich.table import Table
    from rich.text import Text

    shown = Table(*columns, title=Text(printable(title), style="table.title"), title_justify="left")
    for row in rows:
        shown.add_row(*(Text(printable(cell)) for cell in row))
    console().print(shown)


@contextmanager
def progress() -> Iterator[ProgressCallback]:
    """A progress bar on stderr while the block runs; silent when stderr is no terminal.

    Each new stage name starts a new line; a stage that another one follows is complete.
    """
    if not console().is_terminal:
        yield lambda stage, done, total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<24}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console()) as bars:
        lines: dict[str, int] = {}

        def advance(stage: str, done: int, total: int | None) -> None:
            if stage not in lines:
                for line in lines.values():
                    bars.stop_task(line)  # type: ignore[arg-type]
                lines[stage] = bars.add_task(stage, total=total)
            bars.update(lines[stage], completed=done, total=total)  # type: ignore[arg-type]

        yield advance


class CrewProgress:
    """What several workers do, as bars: all jobs together, and a line for each worker. Silent by itself."""

    def working(self, worker: str, job: str, stage: str, done: int, total: int | None) -> None:
        """A worker is so far with a stage of its job."""

    def finished(self) -> None:
        """One more job is done."""


@contextmanager
def crew_progress(total: int) -> Iterator[CrewProgress]:
    """Bars on stderr while the block runs: jobs done of ``total``, their rate, the time left, each worker's stage.

    Silent when stderr is no terminal.
    """
    if not console().is_terminal:
        yield CrewProgress()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:<44}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bars(*columns, console=console()) as bars:
        yield _CrewBars(bars, total)


class _CrewBars(CrewProgress):
    def __init__(self, bars: Progress, total: int) -> None:
        self.bars = bars
        self.lines: dict[str, TaskID] = {}
        self.whole = bars.add_task("all recordings", total=total, rate="")

    def working(self, worker: str, job: str, stage: str, done: int, total: int | None) -> None:
        if worker not in self.lines:
            self.lines[worker] = self.bars.add_task("", rate="")
        told = one_line(f"{worker}: {stage}, {job}")[:44]
        self.bars.update(self.lines[worker], description=told, completed=done, total=total)

    def finished(self) -> None:
        self.bars.update(self.whole, advance=1)
        task = self.bars.tasks[0]
        self.bars.update(self.whole, rate=f"{60 * task.completed / max(task.elapsed or 0.0, 1e-3):.1f} a minute")


def close_quietly() -> None:
    """Point stdout at nothing: whoever read it has gone, and the interpreter must not complain of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
