"""``assessment.json`` as a tree of checked values; what does not fit is one line of error that names the place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from palsy_cli.documents import Unreadable, read_json
from palsy_cli.errors import InputError
from palsy_cli.exports.findings import NO_REASON
from palsy_cli.files import ASSESSMENT_JSON
from palsy_cli.report.json_report import SCHEMA_VERSION

#: Far beyond whatever is measured; a greater number is damage.
_LARGEST = 1e12


@dataclass(frozen=True)
class Node:
    """A value of the file with its place, so that an error can say where it is; what does not fit is an InputError."""

    path: Path
    where: str
    raw: Any

    def fail(self, needed: str) -> NoReturn:
        """Raise InputError: what the value is, where, and what is ``needed`` instead."""
        shown = json.dumps(self.raw)
        shown = shown if len(shown) <= 40 else f"{shown[:37]}..."
        raise InputError(f"{self.path}: {self.where} is {shown}; it must be {needed}; assess the video again")

    def __getitem__(self, key: str) -> Node:
        """The value of a table under a name."""
        if not isinstance(self.raw, dict) or key not in self.raw:
            place = f"{self.where}.{key}" if self.where else key
            raise InputError(f"{self.path}: no {place}; give an {ASSESSMENT_JSON} as `palsy assess` writes it")
        return Node(self.path, f"{self.where}.{key}" if self.where else key, self.raw[key])

    @property
    def absent(self) -> bool:
        """Whether the value is ``null``."""
        return self.raw is None

    def items(self) -> list[Node]:
        """The values of a list."""
        if not isinstance(self.raw, list):
            self.fail("a list")
        return [Node(self.path, f"{self.where}[{i}]", raw) for i, raw in enumerate(self.raw)]

    def table(self) -> dict[str, Node]:
        """The values of a table whose names are printable, by name."""
        if not isinstance(self.raw, dict) or not all(name and name.isprintable() for name in self.raw):
            self.fail("a table with names")
        return {name: self[name] for name in sorted(self.raw)}

    def text(self, *, may_be_blank: bool = True) -> str:
        """One line of printable text: line ends and control characters would break a table."""
        if not isinstance(self.raw, str):
            self.fail("text")
        words = "".join(char for char in " ".join(self.raw.split()) if char.isprintable())
        if not words and not may_be_blank:
            self.fail("text that is not blank")
        return words

    def number(self, low: float = -_LARGEST, high: float = _LARGEST) -> float:
        """A number within a range."""
        if isinstance(self.raw, bool) or not isinstance(self.raw, (int, float)) or not low <= self.raw <= high:
            self.fail(f"a number from {low:g} to {high:g}")
        return float(self.raw)

    def count(self) -> int:
        """A whole number, zero or more."""
        if isinstance(self.raw, bool) or not isinstance(self.raw, int) or not 0 <= self.raw <= _LARGEST:
            self.fail("a whole number, zero or more")
        return self.raw

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.raw, bool):
            self.fail("true or false")
        return self.raw

    def choice(self, options: Sequence[Any]) -> Any:
        """One of some values."""
        if isinstance(self.raw, bool) or self.raw not in options:
            self.fail(f"one of {', '.join(map(str, options))}")
        return options[options.index(self.raw)]  # 3.0 is 3, as in JSON

    def reason(self, key: str) -> str:
        """The reason beside a value that is absent."""
        node = self[key]
        return (None if node.absent else node.text()) or NO_REASON


def open_assessment(path: Path) -> Node:
    """The root of one ``assessment.json``.

    Raises:
        InputError: the file cannot be read, is no JSON or has another schema version.
    """
    try:
        root = Node(path, "", read_json(path))
    except Unreadable as error:
        raise InputError(f"{path}: cannot be read as JSON ({error}); assess the video again") from error
    version = root["schema_version"].raw
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema_version is {version!r}, this palsy reads {SCHEMA_VERSION}; assess the video again"
        )
    return root
