"""Names that mean harm in pages, tables and on a terminal: they are shown, and do nothing."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from factories import make_assessment
from hostile import NAMES
from hypothesis import example, given, settings
from hypothesis import strategies as st

from palsy_cli import console
from palsy_cli.batch.page import render_cohort
from palsy_cli.batch.tally import Tally
from palsy_cli.errors import InputError
from palsy_cli.evaluation.render import tables_to_csv, tables_to_latex, tables_to_markdown
from palsy_cli.evaluation.results import Cell, ResultRow, ResultTable
from palsy_cli.exports.tables import harmless, original
from palsy_cli.files import ASSESSMENT_JSON, REPORT_HTML
from palsy_cli.records import ModelCard
from palsy_cli.report import report_texts
from palsy_cli.report.csv_report import to_csv
from palsy_cli.text import has_control, markdown_cell, one_line, printable, storable

_ASSESSMENT = make_assessment()
#: What a spreadsheet takes for the beginning of a formula.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


class Page(HTMLParser):
    """Whatever of a page could act, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.acting: list[str] = []
        self.tags: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("script", "iframe", "object", "embed", "link", "form", "base", "img"):
            self.acting.append(tag)
        for name, value in attrs:
            scheme = (value or "").strip().lower()
            if name.startswith("on") or name in ("srcdoc", "action", "formaction", "xlink:href"):
                self.acting.append(f"{name}={value}")
            if name in ("href", "src") and not scheme.startswith(("results/", "summary.csv", "#")):
                self.acting.append(f"{name}={value}")

    def handle_data(self, data: str) -> None:
        self.text += data


def names() -> st.SearchStrategy[str]:
    return st.sampled_from(NAMES) | st.text(st.characters(), max_size=30)


@given(names(), names())
@settings(max_examples=max(5, settings().max_examples // 8))
def test_a_report(name: str, trained_on: str) -> None:
    plain = Page(report_texts(_ASSESSMENT)[REPORT_HTML])
    clip = dataclasses.replace(_ASSESSMENT.clip, path=Path(f"x{name}".replace("\0", "") + ".mp4"))
    card = ModelCard(name=name, sha256="0" * 64, trained_on=trained_on)
    changed = dataclasses.replace(_ASSESSMENT, clip=clip, models={"ovpm": card}, warnings=(name, trained_on))
    texts = report_texts(changed)
    page = Page(texts[REPORT_HTML])
    assert not page.acting and not set(page.tags) - set(plain.tags) - {"p", "ul", "li", "strong"}
    assert all(text.encode("utf-8") for text in texts.values()) and ASSESSMENT_JSON in texts


@given(names(), names(), names())
def test_the_page_of_a_cohort(patient: str, session: str, video: str) -> None:
    tally = Tally()
    who = {"patient": patient, "session": session, "video": video, "weak_side": "left", "warnings": video}
    tally.add({**who, "status": "done", "job_id": "0" * 32, "house_brackmann_expected": 3.0, "delta_am": 1.0})
    tally.add({**who, "session": "2", "status": "done", "job_id": "1" * 32, "house_brackmann_expected": 2.0})
    tally.add({**who, "status": "failed", "reason": session})
    page = Page(render_cohort(tally, [(patient, video)]))
    assert not page.acting


@given(names())
def test_what_is_shown_does_nothing(name: str) -> None:
    for shown in (one_line(name), str(InputError(f"{name}: cannot be read"))):
        assert shown == "" or shown.isprintable()
    assert all(letter.isprintable() or letter in "\n\t" for letter in printable(name))
    assert one_line(one_line(name)) == one_line(name)
    storable(name).encode("utf-8")


def test_a_path_that_is_no_text_is_shown_and_passed_on(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Programs get the bytes of a path that is no text."""
    console.data("caf\udce9\n\x1b[31m")
    assert capfdbinary.readouterr().out == b"caf\xe9\n\x1b[31m\n"


@pytest.mark.parametrize("name", NAMES)
def test_talk_is_printable(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    console.say(name)
    console.warn(name)
    console.error(name)
    console.table(name, ("a", "b"), [(name, name)])
    told = capsys.readouterr().err
    assert not has_control(told.replace("\n", "").replace("\t", "")) and "\u202e" not in told
    assert told.replace("\n", "").isprintable()


@given(names())
def test_no_cell_is_a_formula(name: str) -> None:
    cell = harmless(name)
    assert not cell.startswith(_FORMULAS) and original(cell) == name


@given(st.lists(st.lists(names() | st.text('a,"\r\n\t', max_size=5), min_size=2, max_size=4), min_size=1, max_size=4))
@example([["a\rb", "c"]])
def test_a_table_is_read_as_it_was_written(rows: list[list[str]]) -> None:
    """A carriage return alone once broke the id map of a patient whose name held it."""
    assert list(csv.reader(io.StringIO(to_csv(rows[0], rows[1:]), newline=""), strict=True)) == rows


@given(names(), names())
@example("", "<\x1b")
def test_tables_to_publish(label: str, note: str) -> None:
    table = ResultTable("t", label, (label, "b"), (ResultRow(label, (Cell(1.0), Cell(2.0)), note=note),), notes=(note,))
    markdown = tables_to_markdown([table], title=label, about=[note])
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len(rows) == 3 and all(_bars(line) == 4 for line in rows)
    bare = markdown.replace("\\\\", "·")  # a backslash that is text parts what stands around it
    assert not re.search(r"(?<!\\)(<[A-Za-z/!?]|\[)", bare)
    latex = tables_to_latex([table])
    assert r"\input{" not in latex and latex.count(r"\begin{tabular}") == 1
    for row in csv.reader(io.StringIO(tables_to_csv([table]))):
        assert not any(cell.startswith(_FORMULAS) for cell in row)


def _bars(line: str) -> int:
    """Bars that part cells: those that no backslash makes text."""
    return line.replace("\\\\", "").replace("\\|", "").count("|")


def test_markdown() -> None:
    assert markdown_cell("a|b<script>\n[x](y)`*") == r"a\|b\<script> \[x](y)\`\*"
