"""A cohort is refused unless everybody in it was measured alike."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from healthy import OVERRIDES, assessed, person, write

from palsy_cli.calibration.cohort import read_cohort
from palsy_cli.config import load_settings
from palsy_cli.errors import DatasetError, InputError
from palsy_cli.manifest import run_info
from palsy_cli.records import ModelCard

Write = Callable[..., Path]


def test_people_are_those_of_the_batch(cohort: Write, tmp_path: Path) -> None:
    results = cohort([person(0.0)] * 3, name="out/results")
    (tmp_path / "out" / "summary.csv").write_text(
        "patient,session,job_id\nanna,1,p00\nanna,2,p01\n", encoding="utf-8"
    )  # p02 is of settings that were left behind
    found = read_cohort(results.parent)
    assert [(each.name, len(each.recordings)) for each in found.people] == [("anna", 2)]
    assert sorted(found.models) == ["dvpm", "landmark_fcn", "ovpm", "retinaface"]


def test_other_weights_are_refused_by_name(cohort: Write) -> None:
    folder = cohort([person(0.0)] * 2)
    record = assessed(person(0.0))
    models = {**record.models, "dvpm": ModelCard("dvpm", "9" * 64, "others")}
    odd = write(folder / "p02", dataclasses.replace(record, models=models))
    told = (
        f"{odd / 'assessment.json'}: dvpm is {'9' * 12}, but {record.models['dvpm'].sha256[:12]} in "
        f"{folder / 'p00' / 'assessment.json'}; assess all recordings with the same weights and settings"
    )
    with pytest.raises(DatasetError) as caught:
        read_cohort(folder)
    assert str(caught.value) == told and caught.value.exit_code == 3


def test_weights_that_only_grade_may_differ(cohort: Write) -> None:
    folder = cohort([person(0.0)])
    record = assessed(person(0.0))
    models = {**record.models, "algrnet": ModelCard("algrnet", "9" * 64, "others")}
    write(folder / "p01", dataclasses.replace(record, models=models))
    assert len(read_cohort(folder).people) == 2


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("keyframes.threshold=2.5", r"p01.*keyframes.threshold is 2.5, but 1.5 in .*p00"),
        ("symptoms.min_support=7", "symptoms.min_support is 7, but 5"),
        ("symptoms.dead_zone_relative=0.5", ""),
        ("grades.peak_frames=3", ""),
    ],
)
def test_other_settings_are_refused_where_norms_depend_on_them(cohort: Write, override: str, told: str) -> None:
    folder = cohort([person(0.0)])
    settings = load_settings(overrides=[*OVERRIDES, override])
    write(folder / "p01", assessed(person(0.0), run=run_info(settings, device="cpu", seconds={})))
    if not told:
        assert len(read_cohort(folder).people) == 2
        return
    with pytest.raises(DatasetError, match=told):
        read_cohort(folder)


def test_a_setting_that_is_not_stated_is_another_version(cohort: Write) -> None:
    folder = cohort([person(0.0)])
    file = folder / "p00" / "assessment.json"
    data = json.loads(file.read_text())
    del data["run"]["settings"]["face"]["nms_iou"]
    file.write_text(json.dumps(data))
    with pytest.raises(DatasetError, match="written by a palsy of other settings; assess the recordings again$"):
        read_cohort(folder)


def test_videos_alone_are_to_be_assessed_first(tmp_path: Path) -> None:
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "clip.mp4").write_bytes(b"")
    with pytest.raises(DatasetError) as caught:
        read_cohort(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: no assessment.json in it or below; assess the recordings first (palsy batch {tmp_path} -o OUT) "
        "and give OUT"
    )


def test_an_absent_folder_and_an_absent_table(cohort: Write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_cohort(tmp_path / "nowhere")
    folder = cohort([person(0.0)])
    (folder / "p00" / "action_units.csv").unlink()
    with pytest.raises(InputError, match=r"action_units.csv: cannot be read"):
        read_cohort(folder)
