"""Text that no spreadsheet takes for a formula."""

from __future__ import annotations

import re

#: A spreadsheet runs a cell that begins with one of these (OWASP, "CSV injection"); an apostrophe makes it text.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")


def harmless(text: str) -> str:
    """``text`` with an apostrophe before it where a spreadsheet would run it as a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def original(text: str) -> str:
    """The inverse of ``harmless``."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text
