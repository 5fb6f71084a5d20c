"""All checks, one after the other."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import palsy_cli
from palsy_cli.config import Execution
from palsy_cli.console import ProgressCallback
from palsy_cli.errors import ModelError, SelftestError
from palsy_cli.networks.device import choose_device, keep_freed_memory
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.networks.weights import ModelSet, find_models_dir, verify
from palsy_cli.selftest import geometry_cases, grade_cases, input_cases, muscle_cases, patient, written
from palsy_cli.selftest.checks import Check, Outcome, perform, to_dict
from palsy_cli.selftest.golden import Facts

#: Failures that the closing line spells out; the JSON has all of them.
_TOLD = 3


@dataclass(frozen=True)
class Selftest:
    """What came out of all checks; ``seconds`` is wall-clock time, ``device`` where the networks ran."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    device: str

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """Checks that were run and did not hold."""
        return tuple(outcome for outcome in self.outcomes if outcome.ok is False)

    def to_dict(self) -> dict[str, Any]:
        """The JSON document."""
        return {
            "ok": not self.failed,
            "checks": [to_dict(outcome) for outcome in self.outcomes],
            "seconds": round(self.seconds, 3),
            "version": palsy_cli.__version__,
            "device": self.device,
        }

    def require(self) -> None:
        """Raise unless all checks that were run held.

        Raises:
            ModelError: weights are missing or damaged.
            SelftestError: a stage does not do what it did; the line names each such stage.
        """
        if not self.failed:
            return
        stages = ", ".join(dict.fromkeys(outcome.stage for outcome in self.failed))
        told = "; ".join(f"{each.stage} {each.name}: {each.problem}" for each in self.failed[:_TOLD])
        more = f"; and {len(self.failed) - _TOLD} more" if len(self.failed) > _TOLD else ""
        kind = ModelError if any(outcome.stage == "models" for outcome in self.failed) else SelftestError
        raise kind(f"selftest: {len(self.failed)} of {len(self.outcomes)} checks failed, in {stages}: {told}{more}")


def run_selftest(execution: Execution, *, on_progress: ProgressCallback | None = None) -> Selftest:
    """Check settings, stages, weights and networks; a failing check does not stop the others.

    Args:
        execution: device and weights.
        on_progress: told the stage, checks done and their number.

    Raises:
        UsageError: the device is not there.
    """
    report = on_progress or (lambda stage, done, total: None)
    started = time.perf_counter()
    device = choose_device(execution.device)
    keep_freed_memory()
    outcomes: list[Outcome] = []
    bad: frozenset[str] = frozenset()
    with tempfile.TemporaryDirectory(prefix="palsy-selftest-") as folder:
        planned = list(plan(execution, Path(folder), device=device))
        for number, check in enumerate(planned):
            report(f"checking {check.stage}", number, len(planned))
            outcomes.append(perform(check, bad_networks=bad))
            if check.stage == "models":
                bad = bad_networks(outcomes[-1])
    report("checked", len(planned), len(planned))
    return Selftest(tuple(outcomes), time.perf_counter() - started, device)


def plan(execution: Execution, folder: Path, *, device: str) -> Iterator[Check]:
    """The checks in order: the weights, what is written, the small cases, the drawn patient."""
    try:
        models_dir = find_models_dir(execution.models_dir)[0]
    except ModelError:
        models_dir = folder  # without weights anywhere the first check says so, and the cases are still run
    yield Check("models", "weights", lambda: weights(execution))
    for part in (written, input_cases, geometry_cases, muscle_cases, grade_cases):
        yield from part.checks()
    yield from patient.checks(patient.DrawnPatient(folder, ModelSet(models_dir, device=device), execution))


def weights(execution: Execution) -> Facts:
    """Every weight file: "whole", or what is wrong with it (digest, header, fit, the DVPM's binding to its OVPM).

    Raises:
        ModelError: no folder of weights, or no readable manifest.
    """
    found = verify(find_models_dir(execution.models_dir)[0])
    return {status.name: "whole" if status.ok else status.problem or "bad" for status in found}


def bad_networks(outcome: Outcome) -> frozenset[str]:
    """Networks that cannot be used, by the outcome of the check of weights."""
    if outcome.found is None:
        return frozenset(NETWORKS)
    return frozenset(name for name in NETWORKS if outcome.found.get(name) != "whole")
