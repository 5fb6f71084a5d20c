"""Bars, tables and streams."""

from __future__ import annotations

import io
import sys

import pytest

from palsy_cli import console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("TERM", "xterm")
        with console.progress() as tell:
            tell("face", 1, None)
            tell("face", 5, 10)
            tell("landmarks", 10, 10)
        assert ("landmarks" in stream.getvalue()) is shown


def test_data_and_talk_do_not_mix(capsys: pytest.CaptureFixture[str]) -> None:
    console.data("1,2")
    console.data("3,4\n")
    console.say("[bold]talk[/bold]")
    console.warn("careful")
    console.table("title", ("name", "value"), [("[red]raw[/red]", "1")])
    captured = capsys.readouterr()
    assert captured.out == "1,2\n3,4\n"
    for said in ("[bold]talk[/bold]", "palsy: warning: careful", "[red]raw[/red]", "title"):
        assert said in captured.err
