"""Records read back through the data dictionary, as REDCap's import would check them."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from palsy_cli.errors import InputError
from palsy_cli.exports.pseudonyms import PseudonymousVisit, pseudonymise
from palsy_cli.exports.redcap import DICTIONARY_COLUMNS, INSTRUMENT, redcap_files
from palsy_cli.exports.visits import find_visits

Rows = list[dict[str, str]]
SYSTEM_COLUMNS = {"redcap_repeat_instrument", "redcap_repeat_instance", f"{INSTRUMENT}_complete"}


def read(visits: Sequence[PseudonymousVisit]) -> tuple[Rows, Rows]:
    """The data dictionary and the records."""
    files = dict(redcap_files(visits))
    tables = [list(csv.DictReader(io.StringIO(text, newline=""))) for text in files.values()]
    assert list(files) == [f"{INSTRUMENT}_dictionary.csv", f"{INSTRUMENT}_import.csv"]
    return tables[0], tables[1]


@pytest.fixture(scope="module")
def tables(visits: Sequence[PseudonymousVisit]) -> tuple[Rows, Rows]:
    return read(visits)


def accepted(field: dict[str, str], text: str) -> object:
    """The value that REDCap stores for a cell; fails the test where it would refuse it."""
    kind, validation = field["Field Type"], field["Text Validation Type OR Show Slider Number"]
    if text == "":
        return None
    if kind == "radio":
        choices = dict(
            choice.split(", ", 1) for choice in field["Choices, Calculations, OR Slider Labels"].split(" | ")
        )
        return choices[text]
    if kind == "yesno":
        return {"0": False, "1": True}[text]
    if validation in ("number", "integer"):
        assert re.fullmatch(r"-?\d+" if validation == "integer" else r"-?\d+(\.\d+)?", text), (field, text)
        low, high = field["Text Validation Min"], field["Text Validation Max"]
        assert (not low or float(text) >= float(low)) and (not high or float(text) <= float(high))
        return int(text) if validation == "integer" else float(text)
    if validation == "date_ymd":
        return datetime.date.fromisoformat(text)
    assert kind in ("text", "notes") and not validation
    return text


def test_the_dictionary_is_one_that_redcap_takes(tables: tuple[Rows, Rows]) -> None:
    dictionary, _ = tables
    assert tuple(dictionary[0]) == DICTIONARY_COLUMNS and len(DICTIONARY_COLUMNS) == 18
    names = [field["Variable / Field Name"] for field in dictionary]
    assert names[0] == "record_id" and len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]{0,25}", name) and "__" not in name for name in names)
    for field in dictionary:
        assert field["Form Name"] == INSTRUMENT and field["Field Label"]
        assert field["Field Type"] in ("text", "notes", "radio", "yesno")
        assert bool(field["Choices, Calculations, OR Slider Labels"]) == (field["Field Type"] == "radio")
        assert field["Text Validation Type OR Show Slider Number"] in ("", "number", "integer", "date_ymd")


def test_the_records_fit_the_dictionary(tables: tuple[Rows, Rows]) -> None:
    dictionary, records = tables
    fields = {field["Variable / Field Name"]: field for field in dictionary}
    assert list(records[0])[0] == "record_id" and set(records[0]) == set(fields) | SYSTEM_COLUMNS
    for record in records:
        assert record[f"{INSTRUMENT}_complete"] == "1"
        for name, field in fields.items():
            accepted(field, record[name])


def test_the_values_are_those_of_the_assessment(tables: tuple[Rows, Rows], assessed: Path) -> None:
    dictionary, records = tables
    truth = json.loads((assessed / "assessment.json").read_text(encoding="utf-8"))
    record = next(each for each in records if each["record_id"] == "sub-0002")
    found = {each["Variable / Field Name"]: each for each in dictionary}
    value = {name: accepted(field, record[name]) for name, field in found.items()}
    assert value["fp_side"] == "Left" and value["hb_grade"] == "III" and value["fp_severity"] == "Medium"
    assert [value[f"hb_prob_{i}"] for i in range(1, 7)] == truth["grades"]["house_brackmann"]["probabilities"]
    assert [value[f"fp_severity_prob_{i}"] for i in range(4)] == list(
        truth["grades"]["severity"]["probabilities"].values()
    )
    for short, region in (("brow", "eyebrows"), ("eye", "eyes"), ("mouth", "mouth")):
        there = truth["asymmetry"]["regions"][region]
        assert value[f"dam_{short}"] == there["delta_am"]
        assert str(value[f"fp_side_{short}"]).lower() == there["weak_side"]
    pairs = truth["synkinesis"]["pairs"]
    assert value["syn_present"] is True and value["syn_max"] == max(pair["difference"] for pair in pairs)
    assert str(value["syn_pairs"]).count(";") == len(pairs) - 1
    assert (value["qc_frames"], value["qc_frames_total"], value["qc_keyframes"], value["qc_conf"]) == (
        292,
        300,
        48,
        0.97,
    )
    assert value["fp_visit_date"] == datetime.date(2023, 3, 2) and value["fp_video_id"] == "sub-0002_ses-01_run-01"
    assert value["fp_tool_version"] == "0.1.0" and value["fp_not_assessed"] is None


def test_missing_is_blank_with_a_reason(tables: tuple[Rows, Rows]) -> None:
    record = next(each for each in tables[1] if each["fp_video_id"] == "sub-0002_ses-02_run-01")
    blank = {name for name, text in record.items() if text == ""}
    scored = {name for name in record if name.startswith(("hb_", "fp_side", "fp_severity", "dam_", "syn_p", "syn_m"))}
    assert blank == scored
    assert "severity: no model was given; House-Brackmann: =too few keyframes" in record["fp_not_assessed"]


def test_a_text_that_a_spreadsheet_would_run_is_disarmed(changed, tmp_path: Path) -> None:  # noqa: ANN001
    folder = changed("run.version", "=1+1")
    _, (record,) = read(pseudonymise(find_visits(folder), id_map=None, shift=None))
    assert record["fp_tool_version"] == "'=1+1" and float(record["dam_mouth"]) < 0, "a negative number stays a number"


def test_repeats_only_where_there_are_some(tables: tuple[Rows, Rows], visits: Sequence[PseudonymousVisit]) -> None:
    got = [(r["record_id"], r["redcap_repeat_instrument"], r["redcap_repeat_instance"]) for r in tables[1]]
    assert got == [
        ("sub-0001", INSTRUMENT, "1"),
        ("sub-0002", INSTRUMENT, "1"),
        ("sub-0002", INSTRUMENT, "2"),
        ("sub-0003", INSTRUMENT, "1"),
    ]
    _, single = read([visits[0], visits[1]])
    assert not any(name.startswith("redcap_") for name in single[0])


def test_damaged_tables_are_one_line(changed, study: Path) -> None:  # noqa: ANN001
    for damage, says in (("confidence\nhigh\n", "line 2: confidence is 'high'"), ("x\n", "no column confidence")):
        (study / "a" / "action_units.csv").write_text(damage)
        with pytest.raises(InputError, match=says):
            read(pseudonymise(find_visits(study), id_map=None, shift=None))
