"""Text from elsewhere (names, cells, messages of libraries) made safe to show: what is not printable is spelled out."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

#: Letters that one line shows, at its beginning and at its end; whatever lies between is left out.
_BEGINNING, _END = 1500, 400
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_TAGS = re.compile(r"[\\\[]|<(?=[A-Za-z/!?])")
_MARKS = re.compile(r"[\\|*\[`]|<(?=[A-Za-z/!?])")


def printable(text: str) -> str:
    r"""``text`` in which nothing acts on a terminal: all but line ends and tabs that cannot be printed is spelled out.

    An escape sequence becomes ``\x1b[...``, a mark that turns the direction of writing ``\u202e``, a byte of a file's
    name that is no text ``\udcff``.
    """
    return text if text.isprintable() else "".join(map(_spelled, text))


def one_line(text: str) -> str:
    """``printable`` text as one line: all blanks become one space each, and very long text loses its middle."""
    shown = printable(" ".join(text.split()))
    return shown if len(shown) <= _BEGINNING + _END else f"{shown[:_BEGINNING]} ... {shown[-_END:]}"


def storable(text: str) -> str:
    r"""``text`` that UTF-8 can hold: bytes of a file's name that are no text are spelled out, as ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def has_control(text: str) -> bool:
    """Whether a control character is in it, which no name that somebody writes into a table has on purpose."""
    return _CONTROL.search(text) is not None


def markdown_cell(text: str) -> str:
    """``text`` as it stands, in a cell of a table in Markdown: it marks nothing up and opens no tag."""
    return _MARKS.sub(r"\\\g<0>", one_line(text))


def markdown_line(text: str) -> str:
    """``text`` as one line of Markdown that may mark words up; it opens no tag and leads nowhere."""
    return _TAGS.sub(r"\\\g<0>", one_line(text))


def did_you_mean(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """``; did you mean ...?`` with the most similar of the known names, or nothing when none is similar."""
    near = difflib.get_close_matches(name[:80], list(known), n=1, cutoff=0.4)
    return f"; did you mean {prefix}{near[0]}?" if near else ""


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def _spelled(letter: str) -> str:
    return letter if letter.isprintable() or letter in "\n\t" else _escaped(letter)
