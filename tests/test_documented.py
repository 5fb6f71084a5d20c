"""What exists is documented, and what is documented exists."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from palsy_cli import errors
from palsy_cli.cli import INTERRUPTED, app
from palsy_cli.config import setting_types
from palsy_cli.report.terms import NOTICE

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands() -> set[str]:
    plain = {each.name for each in app.registered_commands if each.name}
    return plain | {group.name for group in app.registered_groups if group.name}


@pytest.mark.parametrize("page", ["settings.md", "cli.md", "cohort.md", "datasets.md", "measures.md"])
def test_reference_pages_are_up_to_date(page: str) -> None:
    made = maker().PAGES[page]()
    assert (DOCS / "reference" / page).read_text(encoding="utf-8") == made, "run `make docs`"


def test_every_setting_has_a_meaning() -> None:
    page = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    for name in setting_types():
        row = next((line for line in page.splitlines() if line.startswith(f"| `{name}` |")), "")
        assert row and (name in ("profile", "seed") or row.split("|")[-2].strip()), name


@pytest.mark.parametrize("name", sorted(setting_types()))
def test_every_setting_is_read_somewhere(name: str) -> None:
    word = name.rpartition(".")[2]
    sources = [p for p in (ROOT / "palsy_cli").rglob("*.py") if p.name != "config.py"]
    assert any(re.search(rf"\.{word}\b", path.read_text(encoding="utf-8")) for path in sources), name


def test_every_command_is_in_the_readme_and_the_reference() -> None:
    reference = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    for command in commands():
        assert f"palsy {command}" in README and f"## `palsy {command}" in reference


def test_commands_in_the_docs_exist() -> None:
    for path in (ROOT / "README.md", *DOCS.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        shown = set(re.findall(r"(?:^|[`|] ?)palsy ([a-z]+)", text, re.MULTILINE))
        assert shown <= commands() | {"-"}, f"{path.name}: {shown - commands()}"


def test_every_exit_code_is_documented() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text(encoding="utf-8")
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PalsyError)]
    for kind in kinds:
        row = next(line for line in page.splitlines() if line.startswith(f"| {kind.exit_code} |"))
        assert kind.__name__ in row
    assert f"| {INTERRUPTED} |" in page and "| 0 |" in page


@pytest.mark.parametrize("path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))])
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if not target.startswith(("http", "mailto")) and not target.endswith(".png"):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_readme_opens_with_the_notice_and_the_two_commands() -> None:
    quoted = " ".join(line.removeprefix("> ") for line in README.splitlines() if line.startswith("> "))
    assert NOTICE in quoted
    assert README.index("make demo") < README.index("make test") < README.index("## Install")
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"setup", "demo", "test", "lint", "bench", "models", "clean"} <= set(targets)


def test_package_metadata_agrees() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"palsy": "palsy_cli.cli:main"} and project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "license: Apache-2.0" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
