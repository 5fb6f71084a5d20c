"""What is compared: every measure of every side as a line of values, one for each visit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.measures import unit_of
from palsy_cli.compare.change import Z95, Aim, Change, Span, change_between
from palsy_cli.compare.precision import EYE_DISTANCE_MM, Precision, precision_of
from palsy_cli.compare.scale import CommonScale
from palsy_cli.compare.visits import Cell, Shares, Visit, reason_of
from palsy_cli.exports.findings import REGIONS, Pair
from palsy_cli.records import ALL_AUS, SEVERITY_LABELS, SIDES, AuAsymmetry, Measure, Scale, ScaleScore, Side
from palsy_cli.report.terms import AU_NAMES, SCALE_NAMES
from palsy_cli.stages.cooccurrence import wilson_interval

Section = Literal["grades", "regions", "action units", "synkinesis", "rest", "movements"]
#: A value of a visit, or why there is none.
Found = tuple[Span | None, str | None]
#: Which way health lies, of the scales by rule; of any other nothing is said.
_SCALE_AIMS: dict[str, Aim] = {"house_brackmann": "less", "fngs": "less", "sunnybrook": "more", "eface_like": "more"}
#: The same of measures of the weak side, by how their names end; of all others neither way is better.
_MORE = ("_excursion", "_lift", "_narrowing", "_depression", "_speed", "closure")
_LESS = ("_delay", "lagophthalmos")
_NEVER_ACTIVE = "never active on either side"
_NO_SUPPORT = "the trigger was active in too few keyframes"
_NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class What:
    """One measure of one side.

    Attributes:
        section: where it stands.
        measure: its name, as in ``assessment.json``.
        title: its name in words.
        unit: of values, changes and errors.
        task: movement in which it was taken, or ``rest``; blank where that is no matter.
        side: ``left``, ``right``, ``difference`` (left minus right), or blank.
        aim: which way health lies.
    """

    section: Section
    measure: str
    title: str
    unit: str
    task: str = ""
    side: Side | Literal["difference", ""] = ""
    aim: Aim = "neither"


@dataclass(frozen=True)
class Line:
    """A measure at every visit.

    Attributes:
        what: which one.
        values: one for each visit, ``None`` beside a reason.
        reasons: why there is none.
        errors: standard error of measurement at each visit, in the measure's unit; ``None`` when nobody measured it.
        precision: where that is from; ``None`` when it follows from the visits themselves, or is not known.
        of_scale: standard error of the common scale, as a share of every change.
        flagged: of a pair, whether each visit names it a synkinesis.
    """

    what: What
    values: tuple[Span | None, ...]
    reasons: tuple[str | None, ...]
    errors: tuple[float | None, ...]
    precision: Precision | None = None
    of_scale: float = 0.0
    flagged: tuple[bool, ...] = ()

    def change(self, earlier: int = 0, later: int = -1) -> Change | None:
        """What changed between two visits, by position; ``None`` when one of them has no value."""
        before, after = self.values[earlier], self.values[later]
        if before is None or after is None:
            return None
        errors = self.errors[earlier], self.errors[later]
        return change_between(before, after, aim=self.what.aim, errors=errors, of_scale=self.of_scale)

    @property
    def seen(self) -> bool:
        """Whether any visit has a value."""
        return any(value is not None for value in self.values)


def weak_side_of(visits: Sequence[Visit]) -> Side | None:
    """The side that visits call weak; ``None`` when none is named, or both are."""
    named = {visit.findings.weak_side for visit in visits} & set(SIDES)
    return next((side for side in SIDES if named == {side}), None)


def lines_of(visits: Sequence[Visit], scale: CommonScale) -> list[Line]:
    """Every line, in the order in which it is read."""
    weak = weak_side_of(visits)
    return [
        *_grades(visits),
        *_regions(visits),
        *_action_units(visits, weak),
        *_synkinesis(visits),
        *_measures(visits, weak, scale),
    ]


def _line(
    visits: Sequence[Visit],
    what: What,
    found: Sequence[Found],
    precision: Precision | None,
    *,
    per_unit: float = 1.0,
    of_scale: float = 0.0,
) -> Line:
    """A line whose error is the same at every visit: the precision's, times ``per_unit``."""
    error = precision.error * per_unit if precision else None
    return Line(
        what=what,
        values=tuple(value for value, _ in found),
        reasons=tuple(
            reason_of(visit, reason) if value is None else None
            for visit, (value, reason) in zip(visits, found, strict=True)
        ),
        errors=(error,) * len(visits),
        precision=precision,
        of_scale=of_scale,
    )


def _grades(visits: Sequence[Visit]) -> Iterator[Line]:
    """Both gradings of the networks, and the scales by rule."""
    findings = [visit.findings for visit in visits]
    grades: list[Found] = [
        (Span.of(f.house_brackmann.value if f.house_brackmann else None), f.house_brackmann_reason) for f in findings
    ]
    severities: list[Found] = [
        (Span.of(SEVERITY_LABELS.index(f.severity.value) if f.severity else None), f.severity_reason) for f in findings
    ]
    name = "house_brackmann_of_networks"
    what = What("grades", name, "House–Brackmann, by the networks", "grade", aim="less")
    yield _line(visits, what, grades, precision_of(name))
    what = What("grades", "severity", "Severity, by the networks", "class", aim="less")
    yield _line(visits, what, severities, precision_of("severity"))
    absent = ScaleScore(reason=_NOT_MEASURED)
    for name, title in SCALE_NAMES.items():
        scores = [visit.scales.get(name, absent) for visit in visits]
        found = [(_range(score), score.reason) for score in scores]
        unit = "grade" if name == "house_brackmann" else "points"
        what = What("grades", name, title, unit, aim=_SCALE_AIMS.get(name, "neither"))
        yield _line(visits, what, found, precision_of(name))


def _range(score: ScaleScore) -> Span | None:
    return None if score.low is None or score.high is None else Span(score.low, score.high)


def _regions(visits: Sequence[Visit]) -> Iterator[Line]:
    """Sums of left minus right active means."""
    for i, region in enumerate(REGIONS):
        found = [(Span.of(f.delta_am), f.reason) for f in (visit.findings.regions[i] for visit in visits)]
        what = What("regions", region, region.capitalize(), "AU steps", side="difference", aim="zero")
        yield _line(visits, what, found, precision_of("region"))


def _action_units(visits: Sequence[Visit], weak: Side | None) -> Iterator[Line]:
    """Active means of each side; more on the weak side is better, of muscles of the facial nerve."""
    silent = AuAsymmetry(0, None, None, None, 0)
    for au in ALL_AUS:
        means = [next((mean for mean in visit.action_units if mean.au == au), silent) for visit in visits]
        for side in SIDES:
            found = [(Span.of(getattr(mean, f"am_{side}")), _NEVER_ACTIVE) for mean in means]
            aim: Aim = "more" if side == weak and AU_NAMES[au].nerve == "VII" else "neither"
            title = f"AU{au} {AU_NAMES[au].name}"
            what = What("action units", f"AU{au}", title, "AU steps", side=side, aim=aim)
            yield _line(visits, what, found, precision_of("active_mean"))


def _synkinesis(visits: Sequence[Visit]) -> Iterator[Line]:
    """Every pair that some visit flags, at all visits: how much commoner the response is on its side."""
    flagged = [{_key(pair) for pair in visit.findings.pairs} for visit in visits]
    for side, cell in sorted(set().union(*flagged)):
        response, trigger_side, trigger = cell
        shares = [visit.shares.get(cell) for visit in visits]
        title = f"AU{response} {AU_NAMES[response].name} with AU{trigger} {AU_NAMES[trigger].name}, {trigger_side}"
        what = What("synkinesis", f"AU{response} with AU{trigger}", title, "share", trigger_side, side, "less")
        yield Line(
            what=what,
            values=tuple(Span.of(_excess(each, side)) for each in shares),
            reasons=tuple(
                reason_of(visit, _NO_SUPPORT) if each is None else None
                for visit, each in zip(visits, shares, strict=True)
            ),
            errors=tuple(_counting_error(each) for each in shares),
            flagged=tuple((side, cell) in pairs for pairs in flagged),
        )


def _key(pair: Pair) -> tuple[Side, Cell]:
    return pair.side, (pair.response_au, pair.trigger_side, pair.trigger_au)


def _excess(shares: Shares | None, side: Side) -> float | None:
    """P(response on the side) minus on the other."""
    if shares is None:
        return None
    return shares.left - shares.right if side == "left" else shares.right - shares.left


def _counting_error(shares: Shares | None) -> float | None:
    """Standard error of the difference of two shares, from Wilson's 95 % intervals.

    Counting alone errs by so much if keyframes were independent; it is the least that a difference may be off.
    """
    if shares is None:
        return None
    intervals = (wilson_interval(round(p * shares.support), shares.support) for p in (shares.left, shares.right))
    return math.hypot(*((high - low) / (2 * Z95) for low, high in intervals))


def _measures(visits: Sequence[Visit], weak: Side | None, scale: CommonScale) -> Iterator[Line]:
    """The clinic's measures in the order of the first visit that has them, those at rest first."""
    keys = dict.fromkeys((one.task, one.name) for visit in visits for one in visit.measures)
    for task, name in sorted(keys, key=lambda key: key[0] != "rest"):
        yield from _of_measure(visits, task, name, weak, scale)


def _of_measure(visits: Sequence[Visit], task: str, name: str, weak: Side | None, scale: CommonScale) -> Iterator[Line]:
    """Both sides of one measure, at rest their difference too; or the midline."""
    found = [_find(visit, task, name) for visit in visits]
    unit, factor = unit_of(found[0], Scale(scale.mm, scale.error_mm, None))
    power = {"length": 1, "speed": 1, "area": 2}.get(DEFINITIONS[name].kind, 0)
    factor = 100.0 if unit == "share" else factor
    told = "%" if unit == "share" else unit
    section: Section = "rest" if task == "rest" else "movements"
    for place, take, aim in _places(task, name, weak, found):
        what = What(section, name, DEFINITIONS[name].title, told, task, place, aim)
        values = [take(one) for one in found]
        spans = [(Span.of(None if v is None else factor * v), one.reason) for v, one in zip(values, found, strict=True)]
        precision = precision_of(name, task, of_difference=place == "difference")
        per_unit = factor / EYE_DISTANCE_MM**power if power else 1.0
        yield _line(visits, what, spans, precision, per_unit=per_unit, of_scale=power * scale.relative)


def _find(visit: Visit, task: str, name: str) -> Measure:
    """A visit's measure; one without values, and the reason, when it has none."""
    found = (one for one in visit.measures if (one.task, one.name) == (task, name))
    return next(found, Measure(name, task, reason=visit.clinic_reason or _NOT_MEASURED))


def _places(
    task: str, name: str, weak: Side | None, found: Sequence[Measure]
) -> Iterator[tuple[Side | Literal["difference", ""], Callable[[Measure], float | None], Aim]]:
    """Where a measure is compared, how its value is taken, and which way health lies there."""
    if any(one.middle is not None for one in found):
        yield "", lambda one: one.middle, "zero"
        return
    aim: Aim = "more" if name.endswith(_MORE) else "less" if name.endswith(_LESS) else "neither"
    yield "left", lambda one: one.left, aim if weak == "left" else "neither"
    yield "right", lambda one: one.right, aim if weak == "right" else "neither"
    if task == "rest":
        yield "difference", _difference, "zero"


def _difference(measure: Measure) -> float | None:
    """Left minus right."""
    return None if measure.left is None or measure.right is None else measure.left - measure.right
