"""The ``palsy`` command. Each sub-command is one thin file that imports what it needs when it runs.

Exit codes: 0 done, 1 a bug, 2 wrong usage, 3 the input cannot be used, 4 a model is missing or damaged,
5 a batch finished with failures, 130 interrupted. A failure is one line on stderr; ``--debug`` adds the traceback.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import palsy_cli
from palsy_cli import console
from palsy_cli.cli import (
    aus,
    calibrate,
    datasets,
    evaluate,
    export,
    grade,
    info,
    keyframes,
    landmarks,
    modelcard,
    models,
    selftest,
    simulate,
    symptoms,
    train,
)
from palsy_cli.cli.assess import assess
from palsy_cli.cli.batch import batch
from palsy_cli.cli.benchmark import benchmark
from palsy_cli.cli.compare import compare
from palsy_cli.errors import PalsyError

INTERRUPTED = 130


class PalsyGroup(TyperGroup):
    """Turns every exception into one line and an exit code, for the shell and for tests alike."""

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """Take ``--debug`` out of the arguments wherever it stands, then parse."""
        debug = "--debug" in args
        with one_line(debug=debug):
            context = super().make_context(info_name, [arg for arg in args if arg != "--debug"], *rest, **extra)
        context.meta["palsy.debug"] = debug
        return context

    def invoke(self, ctx: Any) -> Any:
        """Run the sub-command."""
        with one_line(debug=bool(ctx.meta.get("palsy.debug"))):
            return super().invoke(ctx)


@contextmanager
def one_line(*, debug: bool) -> Iterator[None]:
    """Turn whatever leaves the block into one line on stderr and ``typer.Exit``."""
    try:
        yield
    except (KeyboardInterrupt, typer.Abort):
        console.error("interrupted")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        console.close_quietly()
        raise typer.Exit(0) from None
    except typer.Exit:
        raise
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        if debug:
            console.say(traceback.format_exc())
        console.error(describe(error))
        raise typer.Exit(getattr(error, "exit_code", 1)) from None


def describe(error: Exception) -> str:
    """What happened and what to do next, in one line."""
    if isinstance(error, PalsyError):
        return str(error)
    if hasattr(error, "format_message"):  # the parser's own errors; their class has moved between versions of typer
        context = getattr(error, "ctx", None)
        return f"{error.format_message().rstrip('.')}; see {context.command_path if context else 'palsy'} --help"
    return f"unexpected {type(error).__name__}: {error} (a bug in palsy; repeat with --debug and report the traceback)"


app = typer.Typer(
    name="palsy",
    cls=PalsyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("assess")(assess)
app.command("batch")(batch)
app.command("keyframes")(keyframes.keyframes)
app.command("landmarks")(landmarks.landmarks)
app.command("aus")(aus.aus)
app.command("grade")(grade.grade)
app.command("symptoms")(symptoms.symptoms)
app.command("simulate")(simulate.simulate)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(calibrate.app, name="calibrate")
app.command("compare")(compare)
app.command("export")(export.export)
app.add_typer(datasets.app, name="datasets")
app.add_typer(models.app, name="models")
app.command("modelcard")(modelcard.modelcard)
app.command("info")(info.info)
app.command("benchmark")(benchmark)
app.command("selftest")(selftest.selftest)


def show_version(value: bool) -> None:
    """Print the version and stop."""
    if value:
        console.data(palsy_cli.__version__)
        raise typer.Exit


@app.callback()
def palsy(
    version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")] = False,
) -> None:
    """Facial palsy from a video: muscle activity of each side, asymmetry, synkinesis and severity.

    Research use only; not a medical device. Left and right are the patient's own.
    """


def main() -> None:
    """Entry point of the ``palsy`` script."""
    app()
