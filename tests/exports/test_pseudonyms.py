"""Pseudonyms are stable through the id map, say nothing, and dates keep their distances."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from study import AWKWARD, CHINESE, FORMULA

from palsy_cli.errors import InputError, UsageError
from palsy_cli.exports.pseudonyms import LONGEST_SHIFT, PseudonymousVisit, pseudonymise
from palsy_cli.exports.tables import harmless, original
from palsy_cli.exports.visits import Visit, find_visits, patient_key


@pytest.fixture(scope="module")
def plain(assessed: Path) -> Visit:
    """One visit, to be changed."""
    return find_visits(assessed)[0]


def visit(plain: Visit, patient: str, session: str = "1", *, folder: str = "x", date: str = "") -> Visit:
    when = datetime.date.fromisoformat(date) if date else None
    return dataclasses.replace(plain, patient=patient, session=session, folder=Path(folder), date=when)


def named(found: Sequence[PseudonymousVisit], visits: Sequence[Visit]) -> dict[str, str]:
    """Patient to pseudonym, told by the folders."""
    return {v.patient: p.subject for v in visits for p in found if p.folder == v.folder}


def test_without_a_map_patients_are_numbered_by_name(plain: Visit) -> None:
    visits = [visit(plain, name, folder=name) for name in ("c", "a", "b")]
    found = pseudonymise(visits, id_map=None, shift=None)
    assert named(found, visits) == {"a": "sub-0001", "b": "sub-0002", "c": "sub-0003"}


def test_the_map_keeps_every_name_and_grows(plain: Visit, tmp_path: Path) -> None:
    path = tmp_path / "private" / "ids.csv"
    first = [
        visit(plain, name, folder=str(i)) for i, name in enumerate((AWKWARD, FORMULA, CHINESE, patient_key("\udcff")))
    ]
    before = named(pseudonymise(first, id_map=path, shift=None), first)
    assert sorted(before.values()) == [f"sub-{i:04d}" for i in (1, 2, 3, 4)]
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    bytes_before = path.read_bytes()
    more = [visit(plain, "Aaron", folder="new"), *first]
    after = named(pseudonymise(more, id_map=path, shift=None), more)
    assert after == before | {"Aaron": "sub-0005"} and path.read_bytes() != bytes_before
    bytes_before = path.read_bytes()
    assert named(pseudonymise(first[:1], id_map=path, shift=None), first[:1]) == {AWKWARD: before[AWKWARD]}
    assert path.read_bytes() == bytes_before, "nobody is forgotten"


def test_no_cell_of_the_map_is_a_formula(plain: Visit, tmp_path: Path) -> None:
    names = [FORMULA, "+1", "-x", "@y", "'=z"]
    visits = [visit(plain, name, folder=str(i)) for i, name in enumerate(names)]
    pseudonymise(visits, id_map=tmp_path / "ids.csv", shift=None)
    cells = [row[0] for row in csv.reader(io.StringIO((tmp_path / "ids.csv").read_text(encoding="utf-8")))][1:]
    assert all(cell.startswith("'") for cell in cells) and {original(cell) for cell in cells} == set(names)


@pytest.mark.parametrize("text", ["", "x", "=1", "'=1", "''=1", "'t Hooft", "'", "''", "-", "\t=", "a=b"])
def test_harmless_text_reads_back(text: str) -> None:
    assert original(harmless(text)) == text
    assert not harmless(text).startswith(("=", "+", "-", "@", "\t"))


def test_auto_shift_is_constant_for_a_patient_and_stable(plain: Visit, tmp_path: Path) -> None:
    path = tmp_path / "ids.csv"
    dates = ("2024-03-01", "2024-03-31")
    visits = [
        visit(plain, patient, str(i), folder=f"{patient}{i}", date=date)
        for patient in "abcdefgh"
        for i, date in enumerate(dates)
    ]
    found = pseudonymise(visits, id_map=path, shift="auto")
    shifts = set()
    for early, late in zip(found[::2], found[1::2], strict=True):
        assert early.subject == late.subject and early.date and late.date
        assert late.date - early.date == datetime.timedelta(days=30)
        shifts.add((early.date - datetime.date(2024, 3, 1)).days)
    assert len(shifts) > 1 and all(-LONGEST_SHIFT <= days <= -1 for days in shifts)
    assert pseudonymise(visits, id_map=path, shift="auto") == found


def test_fixed_shift_and_no_shift(plain: Visit, tmp_path: Path) -> None:
    visits = [visit(plain, "a", date="2024-03-01")]
    assert pseudonymise(visits, id_map=None, shift="-1")[0].date == datetime.date(2024, 2, 29)
    assert pseudonymise(visits, id_map=None, shift="0")[0].date == datetime.date(2024, 3, 1)
    assert pseudonymise(visits, id_map=None, shift=None)[0].date is None, "no date leaves unasked"
    undated = [visit(plain, "a")]
    assert pseudonymise(undated, id_map=tmp_path / "ids.csv", shift="auto")[0].date is None


@pytest.mark.parametrize(("shift", "says"), [("auto", "--id-map"), ("soon", "whole number"), ("-999999", "calendar")])
def test_a_shift_that_cannot_be(plain: Visit, shift: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        pseudonymise([visit(plain, "a", date="2024-03-01")], id_map=None, shift=shift)


def test_sessions_and_runs(plain: Visit) -> None:
    """Numbers stay; names and dates are counted; several recordings of a session are runs."""
    visits = [
        visit(plain, "a", "3", folder="1"),
        visit(plain, "a", "03", folder="2"),
        visit(plain, "a", "12", folder="3"),
        visit(plain, "b", "2024-05-01", folder="4", date="2024-05-01"),
        visit(plain, "b", "before", folder="5", date="2024-01-01"),
    ]
    found = pseudonymise(visits, id_map=None, shift=None)
    assert [(str(v.folder), v.label) for v in found] == [
        ("1", "sub-0001_ses-03_run-01"),
        ("2", "sub-0001_ses-03_run-02"),
        ("3", "sub-0001_ses-12_run-01"),
        ("5", "sub-0002_ses-01_run-01"),
        ("4", "sub-0002_ses-02_run-01"),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name,id\n", "no column patient"),
        ("patient,pseudonym\na,p1\n", "like sub-0001"),
        ("patient,pseudonym\na,sub-0001\nb,sub-0001\n", "line 3"),
        ("patient,pseudonym\na,sub-0001\na,sub-0002\n", "line 3"),
        ("patient,pseudonym\n,sub-0001\n", "blank"),
        ("patient,pseudonym,shift_days\na,sub-0001,soon\n", "shift_days"),
    ],
)
def test_a_damaged_map_stops_the_export(plain: Visit, tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "ids.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=says):
        pseudonymise([visit(plain, "a")], id_map=path, shift=None)
    assert path.read_text() == text
