"""The printed report: which browser, what it is told, and what a failure leaves behind."""

from __future__ import annotations

import re
import stat
import sys
from pathlib import Path

import pytest

from palsy_cli.errors import UsageError
from palsy_cli.records import Assessment
from palsy_cli.report import pdf, write_report

#: Millimetres of A4 in points of a PDF, and how far a page may be from it.
A4_PT = (595.28, 841.89)


def stand_in(folder: Path, body: str, name: str = "chromium") -> Path:
    """A program that takes a browser's place; ``args`` are what it was told, ``target`` the PDF that it must write."""
    path = folder / name
    head = "target = next(a.split('=', 1)[1] for a in args if a.startswith('--print-to-pdf='))"
    path.write_text(f"#!{sys.executable}\nimport pathlib, sys, time\nargs = sys.argv[1:]\n{head}\n{body}\n")
    path.chmod(0o755)
    return path


def test_the_first_browser_on_path_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="--pdf needs Chromium.*install") as caught:
        pdf.find_browser()
    assert "\n" not in str(caught.value)
    for name in ("msedge", "google-chrome", "chromium"):
        stand_in(tmp_path, "", name)
        assert pdf.find_browser() == tmp_path / name


def test_a_browser_is_told_to_keep_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "a b#c.html"
    page.write_text("<p>")
    body = "pathlib.Path(target).write_bytes(b'%PDF-1.4 ' + '\\n'.join(args).encode())"
    out = pdf.print_pdf(page, tmp_path / "out" / "report.pdf", stand_in(tmp_path, body))
    told = out.read_text().removeprefix("%PDF-1.4 ").splitlines()
    assert told[-1] == page.as_uri() and "%23" in told[-1]
    assert "--headless=new" in told and "--disable-background-networking" in told
    assert "--host-resolver-rules=MAP * ~NOTFOUND" in told
    (profile,) = (word.partition("=")[2] for word in told if word.startswith("--user-data-dir="))
    assert not Path(profile).parent.exists()  # nothing stays behind
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    for user, without_sandbox in ((0, True), (1000, False)):
        monkeypatch.setattr(pdf.os, "geteuid", lambda user=user: user)
        assert ("--no-sandbox" in pdf.browser_command(Path("chromium"), tmp_path)) == without_sandbox


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.exit(3)", "exit 3"),
        ("pass", "printed no PDF"),
        ("pathlib.Path(target).write_bytes(b'<html>')", "printed no PDF"),
        ("pathlib.Path(target).write_bytes(b'%PDF-1.4 half'); sys.exit(1)", "exit 1"),
        ("time.sleep(60)", "longer than 1 s"),
    ],
)
def test_a_failure_is_one_line_and_leaves_what_was_there(tmp_path: Path, body: str, said: str) -> None:
    out = tmp_path / "out" / "report.pdf"
    out.parent.mkdir()
    out.write_text("of the last visit")
    page = tmp_path / "report.html"
    page.write_text("<p>")
    with pytest.raises(UsageError, match=said) as caught:
        pdf.print_pdf(page, out, stand_in(tmp_path, body), limit_s=1.0)
    assert "\n" not in str(caught.value) and str(out) in str(caught.value)
    assert out.read_text() == "of the last visit" and list(out.parent.iterdir()) == [out]


def test_what_is_no_program_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be run"):
        pdf.print_pdf(tmp_path / "report.html", tmp_path / "report.pdf", tmp_path / "gone")


def test_a_real_browser_prints_a4(assessment: Assessment, tmp_path: Path) -> None:
    try:
        browser = pdf.find_browser()
    except UsageError as error:
        pytest.skip(str(error))
    page = write_report(assessment, tmp_path)["report.html"]
    printed = pdf.print_pdf(page, tmp_path / "report.pdf", browser).read_bytes()
    pages = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed)
    assert len(pages) >= 2 and printed.rstrip().endswith(b"%%EOF")
    for size in pages:
        assert [float(side) for side in size] == pytest.approx(A4_PT, abs=1.0)
