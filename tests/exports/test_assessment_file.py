"""``assessment.json`` is read as it is written; what does not fit is one line that names file and place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from factories import make_assessment

from palsy_cli.errors import InputError
from palsy_cli.exports.assessment_file import read_findings


def test_reads_what_was_written(assessed: Path) -> None:
    found, truth = read_findings(assessed / "assessment.json"), make_assessment()
    assert found.weak_side == truth.symptoms.weak_side == "left" and found.weak_side_reason is None
    assert [(r.region, r.weak_side) for r in found.regions] == [
        (r.region, r.weak_side) for r in truth.symptoms.regions if r.region in ("eyebrows", "eyes", "mouth")
    ]
    assert found.house_brackmann is not None and found.severity is not None
    assert found.house_brackmann.value == 3 and found.house_brackmann.probabilities == truth.grades.house_brackmann
    assert found.severity.value == "medium" and found.severity.probabilities == truth.grades.severity
    assert [(p.side, p.response_au, p.trigger_au, p.support) for p in found.pairs] == [
        (p.side, p.response_au, p.trigger_au, p.support) for p in truth.symptoms.pairs
    ]
    assert found.models == truth.models
    assert (found.recording.frames, found.recording.usable_frames, found.recording.keyframes) == (300, 292, 48)
    assert found.not_assessed() == []


def test_absence_comes_with_its_reason(unassessed: Path) -> None:
    found = read_findings(unassessed / "assessment.json")
    assert found.house_brackmann is found.severity is found.weak_side is found.synkinesis_present is None
    assert found.severity_reason == "no model was given"
    assert found.house_brackmann_reason == "=too few keyframes", "one line, without the tab"
    assert len(found.not_assessed()) == 7 and all(reason for _, reason in found.not_assessed())


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("schema_version", "2.0"),
        ("weak_side", "<script>"),
        ("weak_side", 1),
        ("grades.house_brackmann.grade", 7),
        ("grades.house_brackmann.grade", True),
        ("grades.house_brackmann.probabilities", [0.5, 0.5]),
        ("grades.severity.label", "dire"),
        ("grades.severity.probabilities", {"normal": 1.0}),
        ("grades.severity.probabilities.low", "0.5"),
        ("asymmetry.regions.eyes.delta_am", 1e300),
        ("asymmetry.regions", []),
        ("synkinesis.present", "yes"),
        ("synkinesis.pairs", {}),
        ("synkinesis.pairs", [{"side": "left"}]),
        ("quality.keyframes", -1),
        ("models", []),
        ("models", {"\u202e": {"name": "x", "sha256": "", "trained_on": ""}}),
        ("run.version", ""),
        ("run", None),
    ],
)
def test_what_does_not_fit_is_one_line(changed: Callable[..., Path], place: str, value: Any) -> None:
    file = changed(place, value) / "assessment.json"
    with pytest.raises(InputError) as caught:
        read_findings(file)
    said = str(caught.value)
    assert said.startswith(f"{file}: ") and "\n" not in said and place.rpartition(".")[2].rstrip("s") in said


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'"x"', b'{"schema_version": NaN}', b"\xff\xfe", b"[" * 100_000])
def test_no_json_is_one_line(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "assessment.json"
    file.write_bytes(text)
    with pytest.raises(InputError) as caught:
        read_findings(file)
    assert str(caught.value).startswith(f"{file}: ") and "\n" not in str(caught.value)
