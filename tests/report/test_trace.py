"""Every number of the page is a value of ``assessment.json``, named and written as it stands there."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from functools import lru_cache
from html import unescape
from typing import Any

import numpy as np
import pytest
from factories import make_assessment, stills_of
from pages import Page, Text

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.examine import examine
from palsy_cli.config import ClinicSettings, GradeSettings, Settings, SymptomSettings, load_settings, setting_types
from palsy_cli.norms import Norms
from palsy_cli.records import ALL_AUS, ActionUnits, Assessment, Grades, Measure, Scale
from palsy_cli.report.html_report import render_html
from palsy_cli.report.json_report import assessment_json, measure_dict
from palsy_cli.report.page.explained import EXPLAINED, measure_words
from palsy_cli.report.page.measures import groups
from palsy_cli.report.page.told import Told
from palsy_cli.report.terms import NOTICE, SCALE_NAMES
from palsy_cli.stages.grade_fusion import join_opinions
from palsy_cli.stages.symptoms import find_symptoms

#: Sentences with a number that is the same in every report; longest first, so that none leaves a part of another.
FIXED = sorted(
    {
        NOTICE,
        *(each.words for each in EXPLAINED.values()),
        *(each.title for each in EXPLAINED.values()),
        *(measure_words(name) for name in DEFINITIONS),
        *(each.title for each in DEFINITIONS.values()),
        *SCALE_NAMES.values(),
        "0 (absent) to 5 (maximal)",
        "Left above right, 0 to 5",
        "composite by rule; 100 is normal",
        "95 % intervals: ",
        "1 to 5 stand for 10, 22, 45, 75 and 100 %",
        "healthy faces differ by 7 to 9 % on average",
        "what 95 % of them stay within",
        "SHA-256",
        *setting_types(),
    },
    key=len,
    reverse=True,
)
ROMAN = ["I", "II", "III", "IV", "V", "VI"]


def look_up(data: Any, path: str) -> Any:
    """Follow a path such as ``clinic.measures[3].left``."""
    for step in re.findall(r"[^.\[\]]+", path):
        data = data[int(step)] if isinstance(data, list) else data[step]
    return data


def expected(value: Any, places: str | None, style: str | None) -> str:
    """A value as the page must write it; made anew here, so that it can contradict the page."""
    if value is None:
        return "–"
    if style == "count":
        return str(len(value))
    if style == "roman":
        return ROMAN[int(value) - 1]
    if style == "percent":
        return "<1 %" if 0 < value < 0.005 else f"{value * 100:.0f} %"
    if isinstance(value, bool):
        return {True: "yes", False: "no"}[value]
    if isinstance(value, str):
        return value
    value = abs(value) if style == "size" else value
    text = f"{value}" if places is None else f"{value:.{int(places)}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return ("+" if style == "signed" and float(text) > 0 else "") + text.replace("-", "−")


def unexplained(text: str) -> str:
    """What of a text is not fixed prose and no name of an action unit."""
    text = " ".join(text.split())
    for phrase in FIXED if re.search(r"\d", text) else ():
        text = text.replace(" ".join(phrase.split()), " ")
    return re.sub(r"AU\d+", " ", text)


def untraced(page: Page, data: Any) -> list[str]:
    """Every number that leads nowhere or to another value, each with where it stands."""
    faults = []
    for each in page.texts:
        marked = each.nearest("data-path")
        if marked is not None:
            faults += _contradictions(each, marked[1], data)
        elif re.search(r"\d", unexplained(each.words)) and not _at_axis(each) and not each.within("head"):
            faults.append(f"no trace: {each.words!r} in {[tag for tag, _ in each.around][-3:]}")
    for tag, attributes in page.elements:
        for name in ("title", "aria-label", "alt"):
            if re.search(r"\d", unexplained(attributes.get(name) or "")):
                faults.append(f"no trace: {name} of {tag}: {attributes[name]}")
    return faults


def _at_axis(text: Text) -> bool:
    """Whether it is a number, with a unit at most, at the axis of a drawing."""
    tag, attributes = text.around[-1]
    number = re.fullmatch(r"−?\d+(\.\d+)?( s| mm| eye distances)?", text.words)
    return tag == "text" and attributes.get("class") == "axis" and text.within("svg") and number is not None


def _contradictions(text: Text, marks: dict[str, str | None], data: Any) -> list[str]:
    """Where a marked text does not say what the JSON says at its place."""
    paths = (marks["data-path"] or "").split(";")
    places = (marks.get("data-places") or ";" * (len(paths) - 1)).split(";")
    told = [
        expected(look_up(data, path), decimals or None, marks.get("data-as"))
        for path, decimals in zip(paths, places, strict=True)
    ]
    if text.within("title"):  # a tooltip: words around its numbers
        shown = re.findall(r"−?\d+(?:\.\d+)?", unexplained(text.words))
        return [] if shown == told else [f"{paths}: {shown} is shown, {told} is known"]
    return [] if [text.words] == told else [f"{paths}: {text.words!r} is shown, {told} is known"]


@lru_cache
def plain_case() -> Assessment:
    return make_assessment()


def measured_in_mm() -> Assessment:
    plain = plain_case()
    stills, settings = stills_of(plain.keyframes), ClinicSettings(ipd_mm=62.0)
    clinic = examine(plain.track, plain.landmarks, plain.keyframes, stills, plain.action_units, settings).clinic
    return dataclasses.replace(plain, clinic=clinic, warnings=("only 3 of 300 frames could be used",))


def still() -> Assessment:
    plain = plain_case()
    units = ActionUnits(ALL_AUS, np.zeros((48, 14)), np.zeros((48, 14)))
    nothing = Grades(None, None, "fewer than 3 keyframes", "fewer than 3 keyframes")
    return dataclasses.replace(plain, action_units=units, symptoms=find_symptoms(units), grades=nothing, models={})


def by_paper() -> Assessment:
    plain = plain_case()
    settings = load_settings(profile="paper")
    run = dataclasses.replace(plain.run, profile="paper", settings=dataclasses.asdict(settings))
    symptoms = find_symptoms(plain.action_units, settings.symptoms)
    return dataclasses.replace(plain, run=run, symptoms=symptoms)


def with_norms() -> Assessment:
    plain = plain_case()
    size = len(ALL_AUS)
    norms = Norms(57, ALL_AUS, ((True,) * size,) * size, ((0.4,) * size,) * size, {"ovpm": "a7" * 32})
    settings = Settings(symptoms=SymptomSettings(norms=norms))
    run = dataclasses.replace(plain.run, settings=dataclasses.asdict(settings), norms=norms.used())
    return dataclasses.replace(plain, run=run)


def all_opinions() -> Assessment:
    plain = plain_case()
    return dataclasses.replace(plain, grades=join_opinions(plain.grades, plain.symptoms, GradeSettings()))


def pictures() -> Assessment:
    plain = plain_case()
    return dataclasses.replace(plain, clip=dataclasses.replace(plain.clip, fps=None, kind="folder", mirrored=True))


def healthy() -> Assessment:
    return make_assessment(left_strength=1.0, misrouted=False)


CASES = (plain_case, measured_in_mm, still, by_paper, with_norms, all_opinions, pictures, healthy)


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_every_number_is_that_of_the_json(make: Callable[[], Assessment]) -> None:
    assessment = make()
    page = Page(render_html(assessment, include_images=True))
    assert untraced(page, json.loads(assessment_json(assessment))) == []
    traced = [attributes for _, attributes in page.elements if "data-path" in attributes]
    assert len(traced) > 150


def test_a_number_without_a_trace_is_found() -> None:
    assessment = plain_case()
    html, data = render_html(assessment), json.loads(assessment_json(assessment))
    first = html.index("</h2>", html.index("Movement over time"))
    for wrong in (
        "<p>7</p>",
        "<p>AU12 moves by 3.1</p>",
        '<svg><text class="axis">3 of 4</text></svg>',
        '<p class="axis">3</p>',
        '<abbr title="9 mm">x</abbr>',
        '<span data-path="video.frames">301</span>',
        '<span data-path="grades.house_brackmann.expected" data-places="1">3.26</span>',
        '<svg><title data-path="video.frames;video.width" data-places="0;0">300 and 1081</title></svg>',
    ):
        assert untraced(Page(html[:first] + wrong + html[first:]), data), wrong


@pytest.mark.parametrize(
    ("value", "places", "style", "text"),
    [
        (None, 2, "plain", "–"), (-0.001, 2, "signed", "0.00"), (-0.5, 1, "signed", "−0.5"), (0.5, 1, "signed", "+0.5"),
        (0.001, None, "percent", "<1 %"), (0.0, None, "percent", "0 %"), (0.4649, None, "percent", "46 %"),
        (4, None, "roman", "IV"), ([1, 2], None, "count", "2"), (-2.04, 1, "size", "2.0"), (True, None, "plain", "yes"),
        ("<b>", None, "plain", "<b>"), (12, None, "plain", "12"),
    ],
)  # fmt: skip
def test_values_are_written_plainly(value: Any, places: int | None, style: Any, text: str) -> None:
    told = Told({"a": [{"b": value}]})
    shown = told("a[0].b", places, style)
    assert unescape(re.sub("<[^>]+>", "", str(shown))) == text and 'data-path="a[0].b"' in shown


@pytest.mark.parametrize(
    ("ends", "told"), [((-0.9, -0.7), "0.7 to 0.9"), ((0.7, 0.9), "0.7 to 0.9"), ((-0.1, 0.9), "−0.1 to +0.9")]
)
def test_the_interval_of_a_deviation_rises(ends: tuple[float, float], told: str) -> None:
    one = Measure("philtrum_deviation", "rest", middle=sum(ends) / 2, middle_interval=ends, frames=9)
    clinic = {"movements": [], "measures": [measure_dict(one, Scale(1.0, None, "ipd"))]}
    ((_, _, (row,)),) = groups(Told({"clinic": clinic, "video": {"fps": None}}))["groups"]
    assert re.sub("<[^>]+>", "", str(row["middle"])).endswith(told)
