"""``palsy selftest``: whether this installation still does what it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.config import Execution

if TYPE_CHECKING:
    from palsy_cli.selftest.checks import Outcome


def selftest(
    models: options.Models = None,
    device: options.Device = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="The JSON alone, without the table on stderr.")] = False,
) -> None:
    """Check this installation: settings, stages, weights and networks, in under two minutes.

    Draws a patient of known truth and compares what every stage makes of it with what it must make. Writes JSON to
    stdout; exits with 0 when all is well, 4 for bad weights, 1 for anything else, and names the stage.
    """
    from palsy_cli.report.json_report import to_json
    from palsy_cli.selftest.run import run_selftest

    with console.progress() as on_progress:
        found = run_selftest(Execution(device=device, models_dir=models), on_progress=on_progress)
    if not as_json:
        rows = [(each.stage, each.name, state(each), f"{each.seconds:.1f}") for each in found.outcomes]
        console.table("palsy selftest", ("stage", "check", "result", "seconds"), rows)
    console.data(to_json(found.to_dict()))
    found.require()


def state(outcome: Outcome) -> str:
    """Say "ok", the reason for not running, or what is wrong."""
    if outcome.ok is None:
        return outcome.problem or "not run"
    return "ok" if outcome.ok else f"FAILED: {outcome.problem}"
