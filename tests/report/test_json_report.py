"""``assessment.json`` holds the published keys, and absence is null beside a reason."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import numpy as np
import pytest

from palsy_cli.config import GradeSettings, SymptomSettings
from palsy_cli.records import ALL_AUS, SEVERITY_LABELS, ActionUnits, Assessment, Grades
from palsy_cli.report.json_report import SCHEMA_VERSION, assessment_json, grades_dict, number, to_json
from palsy_cli.stages.grade_fusion import join_opinions
from palsy_cli.stages.symptoms import find_symptoms

REQUIRED: dict[str, set[str]] = {
    "": {"schema_version", "video", "quality", "weak_side", "asymmetry", "synkinesis", "grades", "models", "run"},
    "video": {"path", "sha256", "fps", "frames", "duration_s", "width", "height", "mirrored"},
    "quality": {"frames_with_face", "keyframes", "other_faces", "warnings"},
    "asymmetry": {"threshold", "action_units", "regions"},
    "asymmetry.regions": {"eyebrows", "eyes", "mouth"},
    "asymmetry.regions.eyebrows": {"delta_am", "weak_side"},
    "synkinesis": {"present", "threshold", "pairs", "matrices"},
    "synkinesis.matrices": {"left_given_left", "left_given_right", "right_given_left", "right_given_right"},
    "grades": {"severity", "house_brackmann"},
    "grades.severity": {"label", "probabilities"},
    "grades.house_brackmann": {"grade", "probabilities"},
    "models.retinaface": {"name", "sha256", "trained_on"},
    "run": {"version", "device", "seed", "settings_sha256", "seconds"},
}


def parsed(assessment: Assessment) -> dict[str, Any]:
    """The file read back; a bare NaN or Infinity is refused."""

    def refuse(text: str) -> None:
        raise AssertionError(f"{text} in the JSON")

    return json.loads(assessment_json(assessment), parse_constant=refuse)


@pytest.mark.parametrize("where", REQUIRED, ids=lambda where: where or "top")
def test_published_keys(assessment: Assessment, where: str) -> None:
    node = parsed(assessment)
    for key in filter(None, where.split(".")):
        node = node[key]
    assert REQUIRED[where] <= set(node)


def test_values_come_from_the_records(assessment: Assessment) -> None:
    data = parsed(assessment)
    assert data["schema_version"] == SCHEMA_VERSION == "1.0"
    assert data["weak_side"] == assessment.symptoms.weak_side == "left"
    assert data["video"]["frames"] == 300 and data["video"]["duration_s"] == pytest.approx(10.01, abs=0.01)
    assert data["quality"]["frames_with_face"] == 298
    assert data["quality"]["usable_frames"] == 292
    assert data["quality"]["unusable_frames"] == {"blurred": 6, "no_face": 2}
    assert list(data["grades"]["severity"]["probabilities"]) == list(SEVERITY_LABELS)
    assert data["grades"]["house_brackmann"]["grade"] == 3
    assert data["grades"]["house_brackmann"]["expected"] == pytest.approx(3.26)
    by_au = {row["au"]: row for row in data["asymmetry"]["action_units"]}
    assert list(by_au) == list(ALL_AUS)
    assert by_au[1]["delta_am"] == pytest.approx(by_au[1]["am_left"] - by_au[1]["am_right"], abs=2e-6)


def test_never_active_is_null(assessment: Assessment) -> None:
    row = next(r for r in parsed(assessment)["asymmetry"]["action_units"] if r["au"] == 15)
    assert row["am_left"] is row["am_right"] is row["delta_am"] is None and row["active_keyframes"] == 0


def test_matrices_follow_aus_and_blank_without_support(assessment: Assessment) -> None:
    synkinesis = parsed(assessment)["synkinesis"]
    size = len(synkinesis["aus"])
    table = assessment.symptoms.cooccurrence
    for name, rows in synkinesis["matrices"].items():
        truth = getattr(table, name)
        assert len(rows) == size and {len(row) for row in rows} == {size}
        for i in range(size):
            for j in range(size):
                value = rows[i][j]
                assert (value is None) == math.isnan(truth[i, j])
                assert value is None or value == pytest.approx(truth[i, j], abs=1e-6)
    assert synkinesis["pairs"][0]["difference"] == max(pair["difference"] for pair in synkinesis["pairs"])


def test_not_assessed_is_null_beside_a_reason(build) -> None:  # noqa: ANN001
    still = ActionUnits(ALL_AUS, np.zeros((48, 14)), np.zeros((48, 14)))
    grades = Grades(None, None, "no model was given", "too few keyframes")
    data = parsed(build(action_units=still, symptoms=find_symptoms(still, SymptomSettings()), grades=grades))
    assert data["weak_side"] is None and data["weak_side_reason"]
    for region in ("eyebrows", "eyes", "mouth"):
        assert data["asymmetry"]["regions"][region] is None
        assert data["asymmetry"]["regions"][f"{region}_reason"]
    assert data["synkinesis"]["present"] is None and data["synkinesis"]["present_reason"]
    assert data["grades"]["severity"] is None and data["grades"]["severity_reason"] == "no model was given"
    assert data["grades"]["house_brackmann"] is None
    assert data["grades"]["house_brackmann_reason"] == "too few keyframes"


def test_only_the_timings_vary(assessment: Assessment) -> None:
    slower = dataclasses.replace(assessment.run, seconds={"video": 99.0})
    one, two = parsed(assessment), parsed(dataclasses.replace(assessment, run=slower))
    assert one["run"].pop("seconds") != two["run"].pop("seconds")
    assert one == two


def test_images_have_no_rate(assessment: Assessment) -> None:
    clip = dataclasses.replace(assessment.clip, fps=None, kind="folder")
    video = parsed(dataclasses.replace(assessment, clip=clip))["video"]
    assert video["fps"] is None and video["duration_s"] is None


def test_numbers() -> None:
    assert number(math.nan) is None and number(math.inf) is None and number(None) is None
    assert str(number(-1e-9)) == "0.0"
    assert number(np.float32(0.1)) == 0.1


def test_layout_reads_back_and_stays_compact() -> None:
    data = {"a": [], "b": {}, "c": [[1, None], [2.5, True]], "d": ["x\n", "ü"], "e": {"f": 'say "hi"'}}
    text = to_json(data)
    assert json.loads(text) == data
    assert "[1, null]" in text and text.endswith("}\n")
    with pytest.raises(ValueError, match="JSON"):
        to_json({"a": math.nan})


def test_grades_tell_both_opinions(assessment: Assessment) -> None:
    joined = join_opinions(assessment.grades, assessment.symptoms, GradeSettings())
    graded = grades_dict(joined)["house_brackmann"]
    assert graded["of_pictures"] == [number(chance) for chance in assessment.grades.house_brackmann or ()]
    assert len(graded["of_movement"]) == 6 and graded["probabilities"] != graded["of_pictures"]
    assert grades_dict(assessment.grades)["house_brackmann"]["of_movement"] is None
