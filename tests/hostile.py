"""Files that mean harm: valid ones with values exchanged, dropped, doubled and blown up, and with bytes that are wrong.

A reader that is given one must read it, or raise a ``PalsyError`` of one line, and be quick about it either way.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from palsy_cli.errors import PalsyError

#: Processor seconds that no file of some kilobytes may cost.
LONGEST_S = 20.0
#: Names that mean harm to a file system, a terminal, a page, a table or a spreadsheet.
NAMES = (
    "", ".", "..", "../../x", "/etc/passwd", "~", "~root/x", "a\0b", "a\nb", "a\r\nb", "x" * 300, "CON", "nul.txt",
    "x. ", "\u202egnp.exe", "\x1b]0;owned\x07", "\x1b[31mred", "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "]]>", "&lt;", "javascript:alert(1)", "=cmd|' /C calc'!A0", "+1+1", "-2", "@SUM(A1)", "\t=1", "a|b", "*b*",
    "[a](b)",
    "`x`", "\\input{x}", "$x$", "%00", "{{7*7}}", "{% x %}", "\ufeff", "\u2028", "caf\u00e9", "\U0001f600", "a,b;c\td",
)  # fmt: skip
#: What stands in JSON or TOML where a value is expected; most of it is no value of the kind that is wanted.
_TOKENS = (
    "null", "true", "NaN", "-Infinity", "inf", "1e400", "-1e400", "1e-400", "9" * 30, "9" * 5000, "-0", "0x10",
    '"\\ud800"',
    "[" * 3000, "[" * 200 + "]" * 200, '{"a":' * 100 + "1" + "}" * 100, "[]", "{}", '""', "'", '"\\u0000"',
    "1979-05-27",
    '"' + "x" * 200_000 + '"', '{"a": 1, "a": 2}',
)  # fmt: skip
_BYTES = (
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b'"', b"'", b"{", b"}", b"[" * 3000, b",", b"\n",
    b"\r",
    b"\t", b"#", b"=", b"9" * 5000, b"x" * 200_000, b"\n\n\n", b"nan", b"inf", b"1e400", b"-1", b";",
)  # fmt: skip


def survives(read: Callable[[], object]) -> object:
    """What a reader gives, or the ``PalsyError`` that it raises; fails when it does neither, or takes long."""
    started = time.process_time()
    try:
        return read()
    except PalsyError as error:
        told = str(error)
        assert told.isprintable() and 0 < len(told) <= 2000, told[:200]
        return error
    finally:
        assert time.process_time() - started < LONGEST_S


def values() -> st.SearchStrategy[Any]:
    """Anything that JSON can hold, odd numbers and names among it."""
    plain = st.one_of(
        st.none(), st.booleans(), st.integers(-10, 10), st.integers(), st.floats(width=64), st.sampled_from(NAMES),
        st.sampled_from([1e308, -1e308, 2**31, 2**63, -(2**63), 10**17, 10**400]), st.text(max_size=20),
    )  # fmt: skip
    return st.recursive(
        plain, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
    )


def places(document: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document, as keys and numbers; of a long list the first and the last."""
    found = [way]
    if isinstance(document, dict):
        found += [place for key, each in document.items() for place in places(each, (*way, key))]
    elif isinstance(document, list) and document:
        for number in sorted({0, len(document) - 1}):
            found += places(document[number], (*way, number))
    return found


@st.composite
def documents(draw: st.DrawFn, document: Any) -> Any:
    """A document of which some values are exchanged, dropped or doubled."""
    ways = [place for place in places(document) if place]
    changed = copy.deepcopy(document)
    for way in draw(st.lists(st.sampled_from(ways), min_size=1, max_size=3)):
        node = changed
        try:
            for step in way[:-1]:
                node = node[step]
            node[way[-1]]
        except (LookupError, TypeError):  # an earlier change took it away
            continue
        if isinstance(node, str):  # or left a text there, whose letters have numbers, too
            continue
        what = draw(st.sampled_from(("exchange", "exchange", "drop", "double")))
        if what == "drop":
            del node[way[-1]]
        elif what == "double" and isinstance(node[way[-1]], list):
            node[way[-1]] *= 2
        else:
            node[way[-1]] = draw(values())
    return changed


def json_files(document: Any) -> st.SearchStrategy[bytes]:
    """A JSON file that is wrong in its values, its tokens or its bytes."""

    def text(changed: Any) -> bytes:
        return json.dumps(changed).encode()

    return st.one_of(documents(document).map(text), tokens(json.dumps(document)), damaged(text(document)))


@st.composite
def tokens(draw: st.DrawFn, text: str) -> bytes:
    """A text with one of its values (what stands between separators) exchanged for what no writer would write."""
    starts = [i + 1 for i, letter in enumerate(text) if letter in ":,[=" and i + 1 < len(text)]
    start = draw(st.sampled_from(starts))
    end = next((i for i in range(start, len(text)) if text[i] in ",]}\n"), len(text))
    return (text[:start] + " " + draw(st.sampled_from(_TOKENS)) + text[end:]).encode()


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """Bytes of which some are exchanged, taken out, put in or cut off."""
    changed = content
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(changed)))
        length = draw(st.sampled_from((0, 1, 1, 4, 50)))
        odd = draw(st.sampled_from(_BYTES) | st.binary(max_size=8))
        kind = draw(st.sampled_from(("put", "put", "cut", "end", "flip")))
        if kind == "end":
            changed = changed[:at]
        elif kind == "flip" and changed:
            at = min(at, len(changed) - 1)
            changed = changed[:at] + bytes([changed[at] ^ draw(st.integers(1, 255))]) + changed[at + 1 :]
        else:
            changed = changed[:at] + (odd if kind == "put" else b"") + changed[at + length :]
    return changed


@st.composite
def tables(draw: st.DrawFn, text: str, delimiter: str = ",") -> bytes:
    """A table of which cells, rows or columns are exchanged, dropped, doubled or blown up."""
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    for _ in range(draw(st.integers(1, 3))):
        row = draw(st.integers(0, len(rows) - 1))
        column = draw(st.integers(0, max(0, len(rows[row]) - 1)))
        kind = draw(
            st.sampled_from(("cell", "cell", "cell", "short", "drop row", "double row", "column twice", "wide"))
        )
        if kind == "cell" and rows[row]:
            odd = ("nan", "inf", "-1", "1e400", "9" * 5000, "1_0", "\u0663", "0x1", "2.5", " ", "AU" + "9" * 5000)
            rows[row][column] = draw(st.sampled_from(NAMES) | st.sampled_from(odd) | st.text(max_size=8))
        elif kind == "short":
            rows[row] = rows[row][:column]
        elif kind == "drop row" and len(rows) > 1:
            del rows[row]
        elif kind == "double row":
            rows.insert(row, list(rows[row]))
        elif kind == "column twice":
            rows = [[*each, each[min(column, len(each) - 1)]] if each else each for each in rows]
        elif kind == "wide" and len(rows[row]) < 1000:
            rows[row] = rows[row] * 500
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter, lineterminator="\n").writerows(rows)
    whole = stream.getvalue().encode("utf-8", "surrogatepass")
    return draw(damaged(whole)) if draw(st.integers(0, 4)) == 0 else whole


def put(path: Path, content: bytes) -> Path:
    """The file with this content, in a folder that is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
