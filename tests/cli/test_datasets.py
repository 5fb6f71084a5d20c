"""``palsy datasets`` through the real entry point."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import trees_marks
from typer.testing import Result

from palsy_cli.datasets.catalogue import ADAPTERS, dataset_spec, dataset_specs

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def aflw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees_marks.aflw_tree(tmp_path_factory.mktemp("aflw"))


def counts(done: Result) -> dict[str, int]:
    cells = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: int(number) for name, number, *rest in cells if not rest}


def test_list_names_every_data_set(palsy: Run) -> None:
    done = palsy("datasets", "list")
    assert done.exit_code == 0 and not done.stderr
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert [row[0] for row in rows] == list(ADAPTERS) and {len(row) for row in rows} == {3}
    found = json.loads(palsy("datasets", "list", "--json").stdout)
    assert [each["name"] for each in found] == list(ADAPTERS) and found[0]["folds"] == dataset_specs()[0].folds


@pytest.mark.parametrize("name", ADAPTERS)
def test_show_tells_what_must_be_known(palsy: Run, name: str) -> None:
    done = palsy("datasets", "show", name)
    spec = dataset_spec(name)
    assert done.exit_code == 0 and done.stdout.startswith(f"{name}: {spec.title}\n")
    for text in (spec.labels, spec.layout, spec.licence, spec.request, spec.leakage):
        assert text and text in done.stdout


def test_an_unknown_name_is_exit_2_with_the_nearest(palsy: Run, tmp_path: Path) -> None:
    for command in (("show", "aflv"), ("check", "aflv", tmp_path)):
        done = palsy("datasets", *command)
        assert done.exit_code == 2 and not done.stdout and done.stderr.count("\n") == 1
        assert "unknown data set 'aflv'; did you mean aflw?" in done.stderr


def test_a_whole_copy_is_counted(palsy: Run, aflw: Path) -> None:
    done = palsy("datasets", "check", "aflw", aflw)
    assert done.exit_code == 0 and done.stderr == f"{aflw}: whole\n"
    points = 8 * 17 - 5  # one face shows only what a turned head does
    assert counts(done) == {
        **{"subjects": 7, "sequences": 8, "faces": 8, "labelled_units": 0, "unit_labels": 0, "points": points},
        "graded": 0,
    }


def test_missing_files_are_exit_3_and_come_first(palsy: Run, tmp_path: Path) -> None:
    root = trees_marks.aflfp_tree(tmp_path / "set", subjects=4, expressions=("BR",))
    for path in root.glob("*/BR/*.jpg"):
        path.write_bytes(b"") if path.stem == "peak" else path.unlink()
    done = palsy("datasets", "check", "aflfp", root)
    assert done.exit_code == 3
    kinds = [line.split("\t")[0] for line in done.stdout.splitlines() if line.count("\t") == 2]
    assert kinds == ["missing"] * 12 + ["damaged"] * 4 + ["note"] * 2
    told = f"{root}: 12 missing and 4 damaged; palsy datasets show aflfp draws how it must lie"
    assert done.stderr == f"palsy: error: {told}\n"


def test_only_the_first_problems_are_shown(palsy: Run, tmp_path: Path) -> None:
    root = trees_marks.aflfp_tree(tmp_path / "set", subjects=6, expressions=("BR",))
    for path in root.glob("*/BR/*.jpg"):
        path.unlink()
    some, everything = (palsy("datasets", "check", "aflfp", root, *more) for more in ((), ("--all",)))
    assert some.stdout.count("no such file") == 20 and "6 more problems; --all shows them" in some.stderr
    assert everything.stdout.count("no such file") == 24 and "more problems" not in everything.stderr
    found = json.loads(palsy("datasets", "check", "aflfp", root, "--json").stdout)
    assert found["whole"] is False and found["faces"] == 0 and len(found["problems"]) == 26
    assert found["problems"][0] == {
        **{"kind": "missing", "where": str(root / "S01/BR/neutral.jpg")},
        "what": "no such file (nor .jpeg, .png, .bmp)",
    }


def test_json_of_a_whole_copy(palsy: Run, aflw: Path) -> None:
    done = palsy("datasets", "check", "aflw", aflw, "--json")
    found = json.loads(done.stdout)
    assert done.exit_code == 0 and found["whole"] is True and found["name"] == "aflw" and found["problems"] == []


@pytest.mark.parametrize("name", ADAPTERS)
def test_a_folder_of_something_else_is_exit_3(palsy: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    done = palsy("datasets", "check", name, tmp_path / "empty")
    assert done.exit_code == 3 and done.stdout.count("\nmissing\t") + done.stdout.count("\ndamaged\t") == 1
    done = palsy("datasets", "check", name, tmp_path / "absent")
    assert done.exit_code == 3 and not done.stdout and "no such folder" in done.stderr
