"""The house rules that a program can check."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "palsy_cli"
FILES = sorted(PACKAGE.rglob("*.py"))

#: From the top down; a module may import from its own layer and from those below.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("batch", "benchmark", "selftest"),
    ("training", "evaluation", "calibration"),
    ("pipeline",),
    ("exports", "compare"),
    ("overlay",),
    ("report", "simulate", "datasets"),
    ("clinic",),
    ("stages",),
    ("networks", "decoder"),
    ("console", "manifest"),
    ("records", "config", "errors", "facs", "files", "points", "norms", "documents", "processes", "text"),
)
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def ident(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_parts(path: Path) -> Iterator[tuple[int, str]]:
    """Line and first part below ``palsy_cli`` of every import, those inside functions included."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{ident(path)}:{node.lineno}: relative import"
            whole = node.module == "palsy_cli"
            names = [f"palsy_cli.{alias.name}" for alias in node.names] if whole else [node.module or ""]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "palsy_cli" and len(parts) > 1 and parts[1] in RANK:
                yield node.lineno, parts[1]


def test_every_part_has_its_layer() -> None:
    assert {part_of(path) for path in FILES} - {"__init__"} <= set(RANK)


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_imports_point_one_way(path: Path) -> None:
    own = part_of(path)
    if own == "__init__":  # the package offers `assess` lazily
        return
    upward = [(line, part) for line, part in imported_parts(path) if RANK[part] < RANK[own]]
    assert not upward, f"{ident(path)} ({own}) imports from above: {upward}"


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_only_the_console_prints_and_nothing_is_global(path: Path) -> None:
    for node in ast.walk(tree(path)):
        assert not isinstance(node, ast.Global), f"{ident(path)}:{node.lineno}: global"
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), (
            f"{ident(path)}:{node.lineno}: bare except"
        )
        if path.name == "console.py":
            continue
        called = node.func if isinstance(node, ast.Call) else None
        assert not (isinstance(called, ast.Name) and called.id == "print"), f"{ident(path)}:{node.lineno}: print"


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_everything_is_annotated_and_public_names_are_documented(path: Path) -> None:
    module = tree(path)
    assert ast.get_docstring(module), f"{ident(path)}: no docstring"
    for node in ast.walk(module):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{ident(path)}:{node.lineno}: class {node.name} has no docstring"
        if not isinstance(node, ast.FunctionDef):
            continue
        where = f"{ident(path)}:{node.lineno}: {node.name}"
        arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        bare = [each.arg for each in arguments if each.annotation is None and each.arg not in ("self", "cls")]
        assert node.returns is not None and not bare, f"{where}: not annotated {bare}"


@pytest.mark.parametrize("path", FILES, ids=ident)
def test_files_and_functions_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 450, f"{ident(path)}: too long"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef):
            said = (ast.get_docstring(node, clean=False) or "").count("\n")
            length = (node.end_lineno or 0) - node.lineno + 1 - said
            assert length <= 60, f"{ident(path)}:{node.lineno}: {node.name} has {length} lines of code"


@pytest.mark.parametrize("path", sorted((PACKAGE / "cli").glob("*.py")), ids=ident)
def test_commands_are_thin_and_import_late(path: Path) -> None:
    heavy = {"torch", "timm", "cv2", "av", "numpy", "pyarrow", "scipy"}
    late = {"batch", "pipeline", "exports", "report", "simulate", "stages", "networks", "training", "records", "files"}
    late |= {"compare", "overlay"}
    module = tree(path)
    assert path.name == "__init__.py" or len(path.read_text().splitlines()) <= 75
    for node in module.body:
        if isinstance(node, ast.Import):
            assert not heavy & {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            parts = (node.module or "").split(".")
            assert parts[0] not in heavy
            assert not (parts[0] == "palsy_cli" and len(parts) > 1 and parts[1] in late - {"files"})


#: Who may parse a file besides ``documents.py``: those who read what they wrote themselves a moment ago, one table with
#: semicolons, and arrays that do not fit into memory.
OWN_PARSERS = {
    "json.loads": {
        "documents.py",
        "networks/weights.py",
        "benchmark/processes.py",
        "benchmark/run.py",
        "decoder/child.py",
        "decoder/process.py",
    },
    "tomllib.loads": {"documents.py", "selftest/golden.py"},
    "csv.reader": {"documents.py", "datasets/table.py"},
    "np.load": {"documents.py", "training/samples.py"},
    "csv.DictReader": set(),
    "json.load": set(),
    "tomllib.load": set(),
}


def test_files_of_others_are_parsed_in_one_place() -> None:
    for path in FILES:
        calls = {ast.unparse(node.func) for node in ast.walk(tree(path)) if isinstance(node, ast.Call)}
        for name, readers in OWN_PARSERS.items():
            assert name not in calls or ident(path) in readers, f"{ident(path)}: {name}; use palsy_cli/documents.py"


def test_no_network_and_no_pickle() -> None:
    forbidden = {"socket", "urllib", "http", "requests", "ftplib"}
    forbidden |= {"pickle", "shelve", "dill", "joblib", "marshal", "yaml"}  # reading them runs code
    for path in FILES:
        for node in ast.walk(tree(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not forbidden & {name.split(".")[0] for name in names}, ident(path)
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "torch.save", "eval", "exec"), f"{ident(path)}:{node.lineno}"
                pickled = any(
                    each.arg == "allow_pickle" and ast.unparse(each.value) != "False" for each in node.keywords
                )
                assert not pickled, f"{ident(path)}:{node.lineno}: may run foreign code"
