"""The page: self-contained, safe, failures first, patients' visits in natural order, lists that end."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from batch.conftest import MakeRow

from palsy_cli.batch import page as page_module
from palsy_cli.batch import tally as tally_module
from palsy_cli.batch.page import render_cohort
from palsy_cli.batch.tally import Tally, natural, short_reason
from palsy_cli.report.terms import NOTICE

NAME = "O'Brien <script>alert(1)</script>"


class Page(HTMLParser):
    """Elements, their attributes, and the text as a reader sees it."""

    VOID = {"meta", "br"}

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "title"):
            self.words.append(f" {data}")

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def named(self, label: str) -> list[str]:
        """Labels of the pictures that begin so."""
        labels = [attributes.get("aria-label") or "" for tag, attributes in self.elements if tag == "svg"]
        return [each for each in labels if each.startswith(label)]


def make_page(rows: list[dict[str, Any]], problems: tuple[tuple[str, str], ...] = ()) -> Page:
    tally = Tally()
    assert list(tally.watch(rows)) == rows
    return Page(render_cohort(tally, problems))


def failed(patient: str = "p", reason: str = "v.mp4: no face found") -> dict[str, Any]:
    return {
        "patient": patient,
        "video": "p/v.mp4",
        "status": "failed",
        "exit_code": 3,
        "reason": reason,
        "job_id": "f0",
    }


def test_nothing_runs_and_nothing_is_fetched(make_row: MakeRow) -> None:
    hostile = {"session": '"><img src=x onerror=alert(1)>', "video": "</td><script>x</script>", "weak_side": "left",
               "warnings": "<b>5 faces</b>", "synkinesis_pairs": "left:AU06<left:AU20"}  # fmt: skip
    rows = [make_row(NAME, **hostile), make_row(NAME, "2"), failed(NAME, "<script src='http://x'>")]
    page = make_page(rows, (("<script>", "</style><script>"),))
    assert "<script" not in page.source and "javascript:" not in page.source and "@import" not in page.source
    assert not {tag for tag, _ in page.elements} & {
        "script",
        "iframe",
        "object",
        "embed",
        "link",
        "form",
        "base",
        "img",
    }
    targets = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("href", "src")
    ]
    assert all(re.fullmatch(r"#[a-z]+|summary\.csv|results/[0-9a-f]{32}/report\.html", str(each)) for each in targets)
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "url(" not in page.source
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert page.text.count(NAME) == 5, "failure, course, both videos and a path show the name as it is"


def test_the_first_screen_says_what_this_is(make_row: MakeRow) -> None:
    page = make_page([make_row()])
    assert page.text.index(NOTICE) < page.text.index("What the weights were trained on") < page.text.index("Assessed")
    assert "prefers-color-scheme: dark" in page.source


def test_failures_come_first_and_are_grouped(make_row: MakeRow) -> None:
    rows = [failed(f"p{i}", f"/data/v.mp4: too short: {i} usable frames; film longer") for i in range(3)]
    page = make_page([*rows, make_row("fine")], (("closed", "the folder cannot be read"),))
    text = page.text
    assert text.index("the folder cannot be read") < text.index("too short: … usable frames") < text.index("fine")
    assert "too short: 2 usable frames; film longer" in text and "/data/" not in text


def test_lists_end(make_row: MakeRow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MAX_FAILURES", 20)
    monkeypatch.setattr(tally_module, "MAX_LINKS", 6)
    monkeypatch.setattr(page_module, "MAX_COURSES", 2)
    monkeypatch.setattr(page_module, "MAX_VISITS", 2)
    rows = [make_row(f"p{i}", f"visit {v}") for i in range(5) for v in range(3)] + [failed()] * 50
    page = make_page(rows)
    assert "and another 30" in page.text and " 5 more " in page.text, "15 failures are shown, 5 can be opened"
    assert "and 9 more: results/JOB_ID/report.html" in re.sub(r" +", " ", page.text)
    assert "and 3 more patients" in page.text and page.text.count("(the first 1 not drawn)") == 2
    assert sum(tag == "a" and str(a["href"]).startswith("results/") for tag, a in page.elements) == 6


def test_visits_are_in_natural_order(make_row: MakeRow) -> None:
    grades = {"visit 10": 1.5, "visit 2": 3.0, "Visit 1": 4.0, "visit 3": None, "visit 02b": 2.5}
    rows = [make_row("p", name, house_brackmann_expected=grade, delta_am=-2.0) for name, grade in grades.items()]
    rows.append(make_row("p", "visit 2", house_brackmann_expected=2.0, delta_am=1.0))
    (grade,) = make_page(rows).named("Expected grade")
    (delta,) = make_page(rows).named("Left minus right")
    assert grade == "Expected grade: Visit 1 4.0, visit 2 2.5, visit 02b 2.5, visit 3 not assessed, visit 10 1.5"
    assert "visit 2 -0.5" in delta, "the mean of both videos of a session"
    assert "4.0 → 1.5" in make_page(rows).text


@pytest.mark.parametrize(
    "names", [["2", "10"], ["a2b1", "a2b10"], ["", "a"], ["Ä 9", "ä 10"], ["1" * 5000, "2" * 5000]]
)
def test_natural_order(names: list[str]) -> None:
    assert sorted(reversed(names), key=natural) == names


def test_one_name_written_in_two_ways_is_one_patient(make_row: MakeRow) -> None:
    page = make_page([make_row("Zoe\u0308", "1"), make_row("Zo\u00eb", "2")])
    assert "2 videos of 1 patient" in page.text and len(page.named("Expected grade")) == 1


def test_copies_and_single_sessions_have_no_course(make_row: MakeRow) -> None:
    page = make_page([make_row("a", "1"), make_row("a", "1"), make_row("b")])
    assert "No patient has two assessed sessions" in page.text and not page.named("Expected grade")


def test_no_row() -> None:
    text = make_page([]).text
    assert "0 videos of 0 patients" in text and "None was assessed" in text


def test_all_failed() -> None:
    text = make_page([failed()] * 3).text
    assert "0 of 3 videos" in text and "no face found" in text and "None was assessed" in text


def test_what_was_not_assessed_is_counted(make_row: MakeRow, still_facts: dict[str, Any]) -> None:
    still = {name: value for name, value in make_row().items() if name in ("patient", "video", "status", "job_id")}
    text = make_page([make_row(), still | still_facts, {"patient": "w", "video": "w", "status": "waiting"}]).text
    assert text.count("Not assessed: 1") == 7, "both grades, the side, three regions and synkinesis"
    assert "1 waiting" in text


def test_results_that_were_made_differently_are_told_apart(make_row: MakeRow) -> None:
    assert "Not all results were made alike" not in make_page([make_row(), make_row()]).text
    text = make_page([make_row(), make_row(settings_sha256="0", palsy_version="9")]).text
    assert "they differ in palsy_version, settings_sha256." in text


def test_warnings_are_counted_without_their_numbers(make_row: MakeRow) -> None:
    rows = [make_row(warnings=f"only {i} keyframes; AU15 is lacking | other") for i in range(4)]
    tally = Tally()
    assert list(tally.watch(rows)) and tally.warnings == {"only … keyframes; AU15 is lacking": 4, "other": 4}
    assert tally.warned == 4


def test_kinds_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally_module, "MAX_KINDS", 2)
    tally = Tally()
    assert list(tally.watch(failed(reason=word) for word in "abcda"))
    assert tally.reasons == {"a": 2, "b": 1, "others": 2}


@pytest.mark.parametrize(
    ("reason", "video", "short"),
    [
        ("/x/a: b/v.mp4: no face: film again", "a: b/v.mp4", "no face: film again"),
        ("its worker died", "v.mp4", "its worker died"),
        ("", "v.mp4", "no reason was recorded"),
        ("x: y", "", "x: y"),
    ],
)
def test_reasons_without_paths(reason: str, video: str, short: str) -> None:
    assert short_reason(reason, video) == short
