"""``cohort.html``: one page on a whole cohort that opens offline, runs no script and fetches nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice, pairwise
from typing import Any

from markupsafe import Markup

from palsy_cli.batch.summary import REGIONS
from palsy_cli.batch.tally import MAX_FAILURES, RUN, STEPS, Failure, Tally, Visit
from palsy_cli.records import FRAME_REASONS, SEVERITY_LABELS
from palsy_cli.report import templating
from palsy_cli.report.plots import label, num, percent, scale, shape, sparkline, svg
from palsy_cli.report.terms import AU_NAMES, LEFT_COLOUR, NOTICE, REASON_WORDS, RIGHT_COLOUR, ROMAN

MAX_COURSES = 500
#: Sessions that a course draws, the last ones, so that one patient cannot fill the page.
MAX_VISITS = 60
#: Lines of a list of what was most frequent.
MOST = 15
#: Bins of key frames by their beginning.
_KEYFRAME_BINS = {0: "0", 1: "1–4", 5: "5–9", 10: "10–19", 20: "20–39", 40: "40–79", 80: "80 or more"}
_SIDES = (("left", "left"), ("right", "right"), ("none", ""))


def render_cohort(tally: Tally, problems: Sequence[tuple[str, str]] = ()) -> str:
    """The page as text; the same rows give the same text.

    Args:
        tally: all rows of the summary, counted.
        problems: places that could not be read, (name, reason) each; they stand above the failed videos.
    """
    courses = tally.courses()
    drawn = dict(islice(courses.items(), MAX_COURSES))
    widest = widest_delta(drawn.values())
    done = tally.status["done"]
    places = [Failure("", "", name, reason) for name, reason in problems[:MAX_FAILURES]]
    return templating.render(
        "cohort.html.j2",
        {"thousands": thousands, "roman": lambda grade: ROMAN[grade - 1] if grade else "–"},
        notice=NOTICE,
        left_colour=LEFT_COLOUR,
        right_colour=RIGHT_COLOUR,
        t=tally,
        done=done,
        failed=tally.status["failed"],
        waiting=tally.status["waiting"],
        total=sum(tally.status.values()),
        places=places,
        more_places=len(problems) - len(places),
        shown=MOST,
        reasons=bars(tally.reasons.most_common(MOST)),
        different=[name for i, name in enumerate(RUN) if len({run[i] for run in tally.runs}) > 1],
        grades=bars([(ROMAN[grade - 1], tally.grades[grade]) for grade in range(1, 7)], of=done),
        severities=bars([(name.capitalize(), tally.severities[name]) for name in SEVERITY_LABELS], of=done),
        sides=side_bars(tally.weak_sides, of=done),
        synkinesis=bars([("Yes", tally.synkinesis[True]), ("No", tally.synkinesis[False])], of=done),
        regions=[region(tally, name) for name in REGIONS],
        pairs=pairs(tally.pairs),
        kinds_of_pairs=len(pair_sides(tally.pairs)),
        usable=Markup(usable(tally.usable)),
        keyframes=Markup(keyframes(tally.keyframes)),
        left_out=bars([(REASON_WORDS[name], tally.left_out[name]) for name in FRAME_REASONS], of=tally.frames),
        warnings=bars(tally.warnings.most_common(MOST), of=done),
        courses=[course(name, visits, widest) for name, visits in drawn.items()],
        widest=widest,
        more_courses=len(courses) - len(drawn),
        returning=len(courses),
    )


def thousands(count: int) -> str:
    """``12,345``."""
    return f"{count:,}"


def bars(counts: Iterable[tuple[str, int]], *, of: int = 0, css: str = "") -> list[dict[str, Any]]:
    """Lines of a bar chart; the longest bar is full, and the share is that of ``of`` where it is given."""
    lines = list(counts)
    longest = max((count for _, count in lines), default=0)
    return [
        {
            "name": name,
            "count": count,
            "width": num(100 * count / longest) if longest else "0",
            "share": percent(count / of) if of else "",
            "css": css,
        }
        for name, count in lines
    ]


def side_bars(counts: Counter[str | None], *, of: int) -> list[dict[str, Any]]:
    """Videos by weak side, each side in its colour."""
    lines = bars([(name.capitalize(), counts[name]) for name, _ in _SIDES], of=of)
    return [line | {"css": css} for line, (_, css) in zip(lines, _SIDES, strict=True)]


def region(tally: Tally, name: str) -> dict[str, Any]:
    """A region's weak sides and the spread of its asymmetry."""
    sides = tally.region_sides[name]
    counts = [tally.region_steps[name][step] for step in range(-STEPS, STEPS + 1)]
    colours = ["left"] * STEPS + [""] + ["right"] * STEPS
    marks = {0: "left weaker", STEPS: "0", 2 * STEPS: "right weaker"}
    title = f"Asymmetry of the {name}: {sides['left']} videos left weaker, {sides['right']} right weaker"
    return {
        "name": name,
        "sides": side_bars(sides, of=sum(sides.values())),
        "unknown": sides[None],
        "picture": Markup(columns(counts, title=title, marks=marks, colours=colours, width=360.0)),
    }


def columns(
    counts: Sequence[int], *, title: str, marks: dict[int, str], colours: Sequence[str] = (), width: float = 540.0
) -> str:
    """A histogram; ``marks`` are words below the columns, ``colours`` are classes of the page's style."""
    height, top = 150.0, 16.0
    step, base, highest = width / len(counts), height - 20, max(*counts, 1)
    y = scale(0, highest, base, top)
    body = [shape("line", x1=0, x2=width, y1=base, y2=base, **{"class": "axis"})]
    for i, count in enumerate(counts):
        css = colours[i] if colours else ""
        if count:
            tall = max(1.0, base - y(count))
            tip = shape("title", f"{count:,}")
            body.append(shape("rect", tip, x=i * step + 1, y=base - tall, width=step - 2, height=tall,
                              **{"class": f"bar {css}".strip()}))  # fmt: skip
        if count == highest:
            body.append(words_at((i + 0.5) * step, y(count) - 4, f"{count:,}", width))
    body += [words_at((i + 0.5) * step, height - 5, text, width) for i, text in marks.items()]
    return svg(width, height, title, body, css="columns")


def words_at(x: float, y: float, text: str, width: float) -> str:
    """Text around ``x`` that stays within a picture of ``width``."""
    anchor = "start" if x < 0.08 * width else "end" if x > 0.92 * width else "middle"
    at = {"start": 0.0, "end": width, "middle": x}[anchor]
    return label(at, y, text, text_anchor=anchor, font_size=11, fill="currentColor")


def usable(counts: Counter[int]) -> str:
    """Videos by their share of usable frames."""
    marks = {0: "0–10 %", 4: "40–50 %", 9: "90–100 %"}
    return columns([counts[i] for i in range(10)], title="Videos by their share of usable frames", marks=marks)


def keyframes(counts: Counter[int]) -> str:
    """Videos by their number of key frames."""
    starts = [*_KEYFRAME_BINS, math.inf]
    heights = [
        sum(videos for number, videos in counts.items() if low <= number < high) for low, high in pairwise(starts)
    ]
    marks = dict(enumerate(_KEYFRAME_BINS.values()))
    return columns(heights, title="Videos by their number of key frames", marks=marks)


def pair_sides(counts: Counter[tuple[str, str]]) -> dict[tuple[int, int], Counter[str]]:
    """(Response, trigger) to the number of videos by the side of the response."""
    found: dict[tuple[int, int], Counter[str]] = {}
    for (response, trigger), videos in counts.items():
        side, _, unit = response.partition(":")
        key = _unit(unit), _unit(trigger.partition(":")[2])
        found.setdefault(key, Counter())[side] += videos
    return found


def _unit(name: str) -> int:
    return int(name.removeprefix("AU"))


def pairs(counts: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    """The most frequent pairs in words, with their counts on either side."""
    found = sorted(pair_sides(counts).items(), key=lambda item: (-item[1].total(), item[0]))[:MOST]
    longest = max((max(sides.values()) for _, sides in found), default=1)
    return [
        {
            "name": f"AU{response} {AU_NAMES[response].name} with AU{trigger} {AU_NAMES[trigger].name}",
            "sides": [
                {"css": side, "count": sides[side], "width": num(100 * sides[side] / longest)}
                for side in ("left", "right")
            ],
        }
        for (response, trigger), sides in found
    ]


def widest_delta(courses: Iterable[Sequence[Visit]]) -> int:
    """Whole intensity steps that hold every asymmetry, so that all courses have one scale."""
    known = (abs(visit.delta_am) for visits in courses for visit in visits if visit.delta_am is not None)
    return max(1, math.ceil(max(known, default=1.0)))


def course(patient: str, visits: Sequence[Visit], widest: int) -> dict[str, Any]:
    """A patient's line: grade over the sessions, and asymmetry on the scale ``-widest..widest``."""
    drawn = visits[-MAX_VISITS:]
    grades, deltas = [visit.grade for visit in drawn], [visit.delta_am for visit in drawn]
    names = [visit.session for visit in drawn]
    grade_told = _told("Expected grade", names, grades, "{:.1f}")
    delta_told = _told("Left minus right", names, deltas, "{:+.1f}")
    return {
        "patient": patient,
        "visits": len(visits),
        "left_out": len(visits) - len(drawn),
        "grade": Markup(sparkline(grades, (1.0, 6.0), title=grade_told)),
        "grade_ends": _ends(grades, "{:.1f}"),
        "delta": Markup(sparkline(deltas, (-widest, widest), title=delta_told)),
        "delta_ends": _ends(deltas, "{:+.1f}"),
    }


def _told(what: str, names: Sequence[str], values: Sequence[float | None], form: str) -> str:
    """All values in words, for a pointer and for those who cannot see the line."""
    told = (
        f"{name or 'no session'} {'not assessed' if value is None else form.format(value)}"
        for name, value in zip(names, values, strict=True)
    )
    return f"{what}: {', '.join(told)}"


def _ends(values: Sequence[float | None], form: str) -> str:
    """The first and the last value that are known."""
    known = [form.format(value).replace("-", "−") for value in values if value is not None]
    return f"{known[0]} → {known[-1]}" if len(known) > 1 else "".join(known) or "–"
