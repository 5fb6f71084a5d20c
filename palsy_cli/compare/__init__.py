"""Visits of one patient on one time line: what changed, and what measuring alone could have changed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from palsy_cli.compare.alike import cautions, objections
from palsy_cli.compare.lines import Line, lines_of, weak_side_of
from palsy_cli.compare.scale import CommonScale, common_scale
from palsy_cli.compare.visits import Visit, read_visit
from palsy_cli.errors import UsageError
from palsy_cli.exports.visits import iso_date
from palsy_cli.records import Side


@dataclass(frozen=True)
class Comparison:
    """Visits in the order of time.

    Attributes:
        visits: two or more.
        weak_side: the side that they call weak; ``None`` when none is named, or both are.
        scale: millimetres of an eye distance, one for all.
        lines: every measure of every side.
        forced: why the visits should not have been compared; blank unless somebody insisted.
        warnings: what a reader must know.
    """

    visits: tuple[Visit, ...]
    weak_side: Side | None
    scale: CommonScale
    lines: tuple[Line, ...]
    forced: tuple[str, ...]
    warnings: tuple[str, ...]


def compare(places: Sequence[Path], *, dates: Sequence[datetime.date] = (), force: bool = False) -> Comparison:
    """Compare assessments of one patient, the earliest first.

    Args:
        places: files ``assessment.json``, or folders that hold one.
        dates: when each visit was; none of them, or one for each.
        force: compare although something speaks against it.

    Raises:
        UsageError: fewer than two visits, or they may not be compared.
        InputError: a visit cannot be read.
    """
    if len(places) < 2:
        raise UsageError(f"{len(places)} visit: a comparison needs two or more; name each visit's assessment")
    names = [date.isoformat() for date in dates] or [f"visit {i}" for i in range(1, len(places) + 1)]
    told: Sequence[datetime.date | None] = dates or [None] * len(places)
    visits = tuple(read_visit(*each) for each in zip(places, names, told, strict=True))
    against = tuple(objections(visits))
    if against and not force:
        raise UsageError(f"{against[0]}; give other visits, or compare them all the same with --force")
    scale = common_scale(visits)
    return Comparison(
        visits=visits,
        weak_side=weak_side_of(visits),
        scale=scale,
        lines=tuple(lines_of(visits, scale)),
        forced=against,
        warnings=tuple(cautions(visits, scale)),
    )


def read_dates(texts: Sequence[str], count: int) -> list[datetime.date]:
    """Dates of ``--dates``, separated by commas or told one by one; empty when none is told.

    Raises:
        UsageError: not one for each of ``count`` visits, no date, or not in the order of time.
    """
    words = [word.strip() for text in texts for word in text.split(",")]
    if words and len(words) != count:
        raise UsageError(f"--dates: {len(words)} of {count} visits have a date; give one for each visit, or none")
    dates = []
    for word in words:
        try:
            dates.append(iso_date(word))
        except ValueError:
            raise UsageError(f"--dates: {word!r} is no date; write it as YYYY-MM-DD") from None
        if dates[1:] and dates[-2] >= dates[-1]:
            raise UsageError(f"--dates: {dates[-1]} does not come after {dates[-2]}; name the earliest visit first")
    return dates
