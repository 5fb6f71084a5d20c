"""What a user says was done: names of tasks as clinics write them, in a file's name or a table."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from palsy_cli.clinic.tasks import TASKS, task_name
from palsy_cli.errors import InputError
from palsy_cli.records import ToldTask
from palsy_cli.text import did_you_mean

REST = "rest"
#: Other names of the tasks, BIDS-like labels among them, as ``_plain`` leaves them.
_ALIASES: dict[str, str] = {
    **{"closed_smile": "smile", "eee": "lower_teeth_EEE", "lower_teeth": "lower_teeth_EEE", "pucker": "lip_pucker"},
    **{"eyebrow_raise": "brow_raise", "forehead_wrinkle": "brow_raise", "nose_wrinkle": "snarl"},
    **{"lower_teeth_eee": "lower_teeth_EEE", "open_mouth_smile": "smile"},
}
_IN_NAME = re.compile(r"(?:^|_)task-([A-Za-z0-9]+)(?=_|\.|$)")


def known_task(text: str) -> str | None:
    """The task that somebody means, ``rest`` among them; ``None`` when it is none of ours."""
    plain = _plain(text)
    meant = _ALIASES.get(plain, task_name(plain))
    return meant if meant in (REST, *TASKS) else None


def require_task(text: str, *, where: str) -> str:
    """``known_task``; raises InputError, with what may have been meant, where there is none."""
    task = known_task(text)
    if task is None:
        known = ", ".join((REST, *TASKS))
        raise InputError(
            f"{where}: unknown task {text!r}{did_you_mean(_plain(text), (REST, *TASKS, *_ALIASES))}; known are {known}"
        )
    return task


def task_of_name(path: Path) -> tuple[ToldTask | None, str | None]:
    """The task that a file's name holds (``..._task-browRaise_...``), for the whole recording.

    Returns:
        The task, and what is to be said of a name that holds one of which nothing is known (speech, say).
    """
    named = _IN_NAME.search(path.stem)
    if named is None:
        return None, None
    task = known_task(named[1])
    if task is None:
        return (
            None,
            f"the file's name says task {named[1]!r}, which is none of ours; movements are found as ever",
        )
    return ToldTask(task, -np.inf, np.inf, "file name"), None


def require_order(told: Iterable[ToldTask], *, where: str) -> tuple[ToldTask, ...]:
    """The tasks in order of time; raises InputError when one ends before it begins or two overlap."""
    ordered = sorted(told, key=lambda one: one.onset_s)
    for one in ordered:
        if not one.offset_s > one.onset_s >= 0:
            raise InputError(f"{where}: {one.task} goes from {one.onset_s:g} to {one.offset_s:g} s; no time span")
    for one, after in zip(ordered, ordered[1:], strict=False):
        if after.onset_s < one.offset_s:
            raise InputError(
                f"{where}: {one.task} until {one.offset_s:g} s and {after.task} from {after.onset_s:g} s overlap; a "
                "patient does one thing at a time"
            )
    return tuple(ordered)


def require_within(told: Sequence[ToldTask], length_s: float, *, where: str) -> None:
    """Raise InputError when a task of a table lies outside a recording of this length."""
    for one in told:
        if one.source == "table" and one.offset_s > length_s:
            raise InputError(
                f"{where}: {one.task} ends at {one.offset_s:g} s, the recording at {length_s:.2f} s; times count from "
                "its beginning, in seconds"
            )


def _plain(text: str) -> str:
    """``browRaise``, ``Brow raise`` and ``brow-raise`` as ``brow_raise``."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text.strip())
    return re.sub(r"[\s_-]+", "_", snake).lower()
