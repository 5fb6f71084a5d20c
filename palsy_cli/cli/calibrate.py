"""``palsy calibrate``: limits from a lab's own people."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from palsy_cli import console
from palsy_cli.cli import options, output

if TYPE_CHECKING:
    from palsy_cli.calibration.measure import HealthyNorms, Limit

app = typer.Typer(no_args_is_help=True, help="Limits from a lab's own people.", rich_markup_mode=None)


@app.command()
def healthy(
    results: Annotated[
        Path, typer.Argument(metavar="DIR", help="Assessments of healthy people, as `palsy batch` writes them.")
    ],
    out: options.OutFile = None,
    visits: Annotated[
        Path | None,
        typer.Option("--visits", metavar="FILE", help="CSV of who each folder is: folder,patient,session."),
    ] = None,
    upper: Annotated[
        bool, typer.Option("--upper", help="Leave a pair untested when the upper end of its interval exceeds one half.")
    ] = False,
    tasks: Annotated[
        str | None, typer.Option("--tasks", metavar="TEXT", help="What the people did, for the record.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the people of the intervals.")] = 0,
) -> None:
    """Dead zones, normal co-occurrence and thresholds from healthy people.

    Reads assessments, at least five people's; twenty are advised. Writes one TOML file for --config, bound to the
    weights and settings that the people were measured with.
    """
    from palsy_cli.calibration.cohort import read_cohort
    from palsy_cli.calibration.measure import ADVISED_PEOPLE, measure_norms
    from palsy_cli.calibration.norms_file import CALIBRATION_TOML, to_toml

    cohort = read_cohort(results, visits)
    found = measure_norms(cohort, upper=upper, seed=seed)
    if found.left_out:
        console.warn(f"{len(found.left_out)} left out, too little is seen of them: {', '.join(found.left_out)}")
    if found.norms.people < ADVISED_PEOPLE:
        console.warn(f"{found.norms.people} people: at least {ADVISED_PEOPLE} are advised, limits rest on the extremes")
    if len(cohort.versions) > 1:
        console.warn(f"assessed by different versions of palsy: {', '.join(cohort.versions)}")
    show(found)
    today = datetime.date.today()  # noqa: DTZ011  # the day on the wall of the lab
    output.emit(to_toml(found, cohort, date=today, tasks=tasks, upper=upper), out, name=CALIBRATION_TOML)


def show(found: HealthyNorms) -> None:
    """The limits of each region on stderr."""

    def words(limit: Limit | None) -> str:
        return "too few people" if limit is None else f"{limit.value:.2f} ({limit.low:.2f} to {limit.high:.2f})"

    rows = [(each.region, str(each.people), words(each.relative), words(each.absolute)) for each in found.regions]
    title = f"95th percentiles of {found.norms.people} healthy people"
    console.table(title, ("", "people", "relative asymmetry", "intensity steps"), rows)
    console.say(f"dead zone: relative {found.dead_zone_relative:.2f}, absolute {found.dead_zone_absolute:.2f}")
