"""The pages that lead from the papers to the code lead somewhere."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("paper-map.md", "errata.md")
#: Equations that each paper numbers.
EQUATIONS = {"AFLFP": range(1, 4), "ALGRNet": (2, 3, *range(7, 14)), "DEM": range(1, 10), "CEN": range(1, 5)}


def text(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def places(page: str) -> list[tuple[str, str]]:
    """Every `file.py:name` of a page."""
    return re.findall(r"`([\w/]+\.py):([\w.]+)`", text(page))


def names(path: Path) -> set[str]:
    """What a module defines: functions, classes, their methods, constants."""
    return set(_defined(ast.parse(path.read_text(encoding="utf-8")).body))


def _defined(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from _defined(node.body, f"{node.name}.")
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))


@pytest.mark.parametrize("page", PAGES)
def test_every_place_exists(page: str) -> None:
    assert len(places(page)) > 20
    for file, name in places(page):
        path = ROOT / "palsy_cli" / file
        assert path.is_file(), f"{page}: no file {file}"
        assert name in names(path), f"{page}: no {name} in {file}"


@pytest.mark.parametrize("page", PAGES)
def test_files_are_named_with_what_is_in_them(page: str) -> None:
    assert not re.findall(r"`[\w/]+\.py(?:: [^`]*)?`", text(page)), "write `file.py:name`"


@pytest.mark.parametrize("paper", EQUATIONS)
def test_every_equation_is_in_the_map(paper: str) -> None:
    section = next(part for part in text("paper-map.md").split("\n## ") if part.startswith(f"{paper}:"))
    found: set[int] = set()
    for first, joint, last in re.findall(r"eqs?\. (\d+)(?: (to|and) (\d+))?", section):
        found |= set(range(int(first), int(last) + 1)) if joint == "to" else {int(first), int(last or first)}
    assert found == set(EQUATIONS[paper])


def test_map_and_errata_know_each_other() -> None:
    known = set(re.findall(r"^\| (E\d+) \|", text("errata.md"), re.MULTILINE))
    assert known == {f"E{k}" for k in range(1, len(known) + 1)}
    assert set(re.findall(r"\bE\d+\b", text("paper-map.md"))) <= known


def test_errata_named_in_the_code_exist() -> None:
    known = set(re.findall(r"^\| (E\d+) \|", text("errata.md"), re.MULTILINE))
    for path in (ROOT / "palsy_cli").rglob("*.py"):
        named = set(re.findall(r"\(E(\d+)\)|erratum E(\d+)", path.read_text(encoding="utf-8")))
        assert {f"E{a or b}" for a, b in named} <= known, path.name
