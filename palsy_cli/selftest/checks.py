"""A check, and what came out of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from palsy_cli.selftest.golden import Facts, differences, golden, plain


class SkipCheck(Exception):
    """Raised by a measurement that cannot be made here; its text is the reason."""


@dataclass(frozen=True)
class Check:
    """One thing that must hold.

    Attributes:
        stage: whom a failure blames: a file of ``palsy_cli/stages``, or ``models``, ``pipeline`` and so on.
        name: what is looked at; ``golden.toml`` holds the answer under ``[stage.name]``.
        measure: what is found; raises ``SkipCheck`` where there is nothing to measure.
        networks: trained networks that it needs; it is not run when the weights of one of them are bad.
    """

    stage: str
    name: str
    measure: Callable[[], Facts]
    networks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Outcome:
    """What came out of a check; the field names are those of the JSON.

    Attributes:
        ok: ``None`` when the check was not run.
        expected, found: facts by name; ``found`` is ``None`` when nothing could be measured.
        problem: one line: what differs, what was raised, or why the check was not run.
        seconds: wall-clock time.
    """

    stage: str
    name: str
    ok: bool | None
    expected: Facts
    found: Facts | None
    problem: str | None
    seconds: float


def perform(check: Check, *, bad_networks: frozenset[str] = frozenset()) -> Outcome:
    """Measure and compare; whatever is raised becomes the outcome's problem."""
    expected = golden().get(check.stage, {}).get(check.name, {})
    started = time.perf_counter()
    found: Facts | None = None
    ok: bool | None = False
    missing = [name for name in check.networks if name in bad_networks]
    try:
        if missing:
            raise SkipCheck(f"not run: the weights of {', '.join(missing)} are bad")
        if not expected:
            raise LookupError(f"golden.toml has no [{check.stage}.{check.name}]")
        found = plain(check.measure())
        problem = "; ".join(differences(expected, found)) or None
        ok = problem is None
    except SkipCheck as reason:
        ok, problem = None, str(reason)
    except Exception as error:  # a broken stage may raise anything, and the others must still be checked
        problem = one_line(error)
    seconds = round(time.perf_counter() - started, 3)
    return Outcome(check.stage, check.name, ok, expected, found, problem, seconds)


def one_line(error: BaseException) -> str:
    """An exception's kind and text without line breaks."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def to_dict(outcome: Outcome) -> dict[str, Any]:
    """The outcome as the JSON shows it."""
    return {
        "name": outcome.name,
        "stage": outcome.stage,
        "ok": outcome.ok,
        "problem": outcome.problem,
        "expected": outcome.expected,
        "found": outcome.found,
        "seconds": outcome.seconds,
    }
