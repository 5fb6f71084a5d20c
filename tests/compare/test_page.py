"""The page: self-contained, honest on its first screen, and every number of it in ``comparison.json``."""

from __future__ import annotations

import datetime
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from visited import Json, compared, measure, visit

from palsy_cli.compare.document import comparison_dict
from palsy_cli.compare.page import VERDICT_WORDS, render_comparison
from palsy_cli.records import SEVERITY_LABELS
from palsy_cli.report.terms import NOTICE, ROMAN

VOID = {"meta", "br"}
#: Words of a page that hold digits and are no results: names of units, scales and visits.
NO_RESULT = re.compile(
    r"AU\d+|FNGS 2\.0, total 4 to 27|eFACE-like score, 0 to 100|Sunnybrook composite, 0 to 100"
    r"|\(MRD\d\)|[Vv]isit \d|\d{4}-\d\d-\d\d"
)


class Page(HTMLParser):
    """Elements, traced numbers, and the text of every cell of a table that is none."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.traced: list[tuple[dict[str, str | None], str]] = []
        self.cells: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append((tag, dict(attrs)))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop()[0] == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self.open]
        if "style" in inside or "svg" in inside:
            return
        self.words.append(data)
        attributes = self.open[-1][1] if self.open else {}
        if "data-path" in attributes:
            self.traced.append((attributes, data))
        elif ("td" in inside or "big" in str([a.get("class") for _, a in self.open])) and "code" not in inside:
            self.cells.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))


def resolved(told: Json, path: str) -> Any:
    """The value at ``lines[3].values[0][1]``."""
    value: Any = told
    for name, quoted, index in re.findall(r"(\w+)|\['([^']+)'\]|\[(\d+)\]", path):
        value = value[int(index)] if index else value[name or quoted]
    return value


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Three visits on dates, one of which lacks a movement; a range; weak left, better and worse."""
    first, second, third = visit(left_strength=0.2), visit(left_strength=0.5), visit(left_strength=0.9)
    measure(second, "commissure_excursion", "smile").update(left=None, right=None, reason="not seen")
    for data, low in ((first, 20.0), (second, 40.0), (third, 70.0)):
        data["scales"]["sunnybrook"] |= {"low": low, "high": low + 10, "reason": None}
    dates = [datetime.date(2026, month, 1) for month in (1, 2, 6)]
    return comparison_dict(compared(tmp_path_factory.mktemp("page"), first, second, third, dates=dates))


@pytest.fixture(scope="module")
def html(told: Json) -> str:
    return render_comparison(told)


def test_every_number_is_in_the_json(told: Json, html: str) -> None:
    page = Page(html)
    assert page.open == [] and len(page.traced) > 300
    for attributes, text in page.traced:
        value, form, places = (attributes[f"data-{key}"] for key in ("path", "form", "places"))
        value = resolved(told, value or "")
        if form == "roman":
            assert text == ROMAN[value - 1 if isinstance(value, int) else int(value) - 1]
        elif form == "severity":
            assert text == SEVERITY_LABELS[int(value)]
        else:
            assert re.fullmatch(rf"[+−]?\d+(\.\d{{{places}}})?", text), text
            assert float(text.replace("−", "-")) == pytest.approx(value, abs=0.5001 * 10.0 ** -int(places or 0))
            assert form != "signed" or text[0] in "+−" or float(text) == 0


def test_no_number_of_a_table_or_tile_is_untraced(html: str) -> None:
    page = Page(html)
    visits = html.index("<h2>Visits</h2>")
    for words in Page(html[: html.rindex("<section>", 0, visits)] + "</main></body></html>").cells:
        assert not re.search(r"\d", NO_RESULT.sub("", words)), words
    assert len(page.cells) > 300


def test_nothing_runs_and_nothing_is_fetched(html: str) -> None:
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "base",
        "a",
        "img",
    }
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("src", "href", "xlink:href")]
    assert "http://" not in html and "https://" not in html and "url(" not in html
    policy = next(a["content"] for _, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"


def test_first_screen_says_what_it_must(html: str) -> None:
    text = Page(html).text
    start = text[: text.index("What changed")]
    assert NOTICE in start and "no person's picture" in start and "2026-06-01: left" in start
    assert "20 to 30 → 70 to 80" in start and "III → III" in start


def test_it_is_said_how_visits_are_compared(html: str) -> None:
    text = Page(html).text
    for words in ("rest of 2026-01-01", "one scale, 62.0 ± 0.5 mm", "1.96 × √2", "Not known whether real"):
        assert words in text


def test_every_verdict_has_its_words(told: Json, html: str) -> None:
    text = Page(html).text
    for line in told["lines"]:
        if any(value is not None for value in line["values"]):
            assert VERDICT_WORDS[line["verdict"]] in text
    assert {line["verdict"] for line in told["lines"]} >= {"better", "within"}


def test_what_a_visit_lacks_is_told_with_its_reason(told: Json, html: str) -> None:
    text = Page(html).text
    reasons = {reason for line in told["lines"] for reason in line["reasons"] if reason}
    some = [line for line in told["lines"] if any(v is not None for v in line["values"]) and any(line["reasons"])]
    assert "2026-02-01: not seen" in reasons and some
    for line in some:
        assert all(reason in text for reason in line["reasons"] if reason)
    for line in told["lines"]:
        assert line["title"] in text


def test_a_real_last_step_is_bold(told: Json, html: str) -> None:
    real = {i for i, line in enumerate(told["lines"]) if line["steps"][-1]["verdict"] in ("better", "worse", "changed")}
    bold = re.findall(r'<b><span data-path="lines\[(\d+)\]\.steps\[1\]\.change', html)
    assert real and {int(i) for i in bold} == real


def test_courses_are_drawn_of_more_than_two_visits(told: Json, html: str, tmp_path: Path) -> None:
    courses = [a for tag, a in Page(html).tags if tag == "svg" and a.get("class") == "course"]
    assert len(courses) > 100 and all(attributes["aria-label"] for attributes in courses)
    two = render_comparison(comparison_dict(compared(tmp_path, visit(), visit())))
    assert "course" not in [a.get("class") for tag, a in Page(two).tags if tag == "svg"]
    assert "Nothing changed by more than measuring alone can do" in two and NOTICE in two


def test_what_was_forced_stands_above_all(tmp_path: Path) -> None:
    second = visit()
    second["models"]["ovpm"]["sha256"] = "0" * 64
    text = Page(render_comparison(comparison_dict(compared(tmp_path, visit(), second, force=True)))).text
    assert "should not be compared" in text[: text.index("House–Brackmann")] and "weights of visit 1" in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)<b>&\"'.mp4"
    second = visit()
    second["video"]["path"] = f"secret folder/{evil}"
    second["models"]["ovpm"]["trained_on"] = "<img src=x>"
    second["clinic"]["measures"][0].update(left=None, reason='"><script>')
    html = render_comparison(comparison_dict(compared(tmp_path, visit(), second)))
    page = Page(html)
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert evil in page.text and "secret folder" not in html
