"""A whole export: nothing that names a person leaves, all files or none, the same bytes twice."""

from __future__ import annotations

import os
import stat
import typing
from pathlib import Path

import pytest
from study import SECRETS, contents

from palsy_cli.errors import InputError, UsageError
from palsy_cli.exports import Format, export

FORMATS = typing.get_args(Format)


@pytest.mark.parametrize("to", FORMATS)
def test_no_secret_leaves(study: Path, visits_csv: Path, tmp_path: Path, to: Format) -> None:
    out = tmp_path / "out"
    found = export(study, out, to=to, visits_csv=visits_csv, id_map=tmp_path / "ids.csv", shift="-1000")
    made = contents(out)
    assert len(found) == 4 and any("sub-0003" in text for text in made.values())
    for name, text in made.items():
        leaked = [secret for secret in (*SECRETS, "2024-", str(tmp_path)) if secret in name or secret in text]
        assert not leaked, f"{name}: {leaked}"


@pytest.mark.parametrize("to", FORMATS)
def test_twice_gives_the_same_bytes(study: Path, visits_csv: Path, tmp_path: Path, to: Format) -> None:
    options = {"to": to, "visits_csv": visits_csv, "id_map": tmp_path / "ids.csv", "shift": "auto"}
    export(study, tmp_path / "one", **options)  # type: ignore[arg-type]
    export(study, tmp_path / "two", **options)  # type: ignore[arg-type]
    assert contents(tmp_path / "one") == contents(tmp_path / "two") != {}


@pytest.mark.skipif(os.name == "nt", reason="no POSIX modes")
def test_only_the_owner_may_read(assessed: Path, tmp_path: Path) -> None:
    export(assessed, tmp_path / "out", to="bids")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert files and {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


def test_one_broken_visit_leaves_nothing_behind(study: Path, tmp_path: Path) -> None:
    (study / "d" / "landmarks.csv").write_text("frame\n")
    with pytest.raises(InputError, match=r"landmarks\.csv: no column"):
        export(study, tmp_path / "out", to="bids")
    assert list((tmp_path / "out").iterdir()) == []


def test_the_id_map_stays_outside(assessed: Path, tmp_path: Path) -> None:
    for place in ("out/ids.csv", "out/deep/ids.csv", "other/../out/ids.csv"):
        with pytest.raises(UsageError, match="may not lie within"):
            export(assessed, tmp_path / "out", to="fhir", id_map=tmp_path / place)
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_not_mixed(assessed: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    export(assessed, tmp_path / "out", to="fhir")
    with pytest.raises(UsageError, match="not an empty folder"):
        export(assessed, tmp_path / "out", to="fhir")
    (tmp_path / "file").write_text("in the way")
    for place in ("file", "file/below"):
        with pytest.raises(UsageError):
            export(assessed, tmp_path / place, to="fhir")
