"""``palsy calibrate healthy``: from assessments to a file that ``--config`` takes, and who may use it."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from healthy import assessed, person, table, write
from typer.testing import CliRunner, Result

from palsy_cli.cli import app
from palsy_cli.config import load_settings
from palsy_cli.networks.manifest_file import ModelEntry, update_manifest
from palsy_cli.norms import Norms
from palsy_cli.records import ALL_AUS, ActionUnits
from palsy_cli.report.csv_report import action_units_csv

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The run on six people whose mouths differ by at most 0.04, and who all show AU17 with a smile."""
    folder = tmp_path_factory.mktemp("cohort")
    for number in range(6):
        write(folder / f"p{number}", assessed(person((number + 1) / 100, partner=2.0)))
    return CliRunner().invoke(app, ["calibrate", "healthy", str(folder), "--tasks", "brows, smile"])


@pytest.fixture
def calibration(calibrated: Result, tmp_path: Path) -> Path:
    """The file that it wrote."""
    path = tmp_path / "calibration.toml"
    path.write_text(calibrated.stdout, encoding="utf-8")
    return path


def csv_of(folder: Path, units: ActionUnits, name: str = "patient.csv") -> Path:
    path = folder / name
    path.write_text(action_units_csv(assessed(units).keyframes, units), encoding="utf-8")
    return path


def symptoms(palsy: Run, csv: Path, *options: str) -> dict[str, Any]:
    done = palsy("symptoms", csv, "--set", "symptoms.compare_movement=false", *options)
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_data_goes_to_stdout_and_talk_to_stderr(calibrated: Result) -> None:
    assert calibrated.exit_code == 0, calibrated.stderr
    for said in ("6 people: at least 20 are advised", "95th percentiles of 6", "mouth", "dead zone: relative 0.04"):
        assert said in calibrated.stderr


def test_the_file_says_what_it_rests_on(calibration: Path) -> None:
    tree = tomllib.loads(calibration.read_text(encoding="utf-8"))
    assert tree["symptoms"] == {
        "dead_zone_relative": 0.04,
        "dead_zone_absolute": 0.06,
        "compare_movement": False,  # as the people were measured
    }
    norms = tree["norms"]
    assert (norms["people"], norms["aus"]) == (6, list(ALL_AUS))
    assert set(norms["models"]) == {"retinaface", "landmark_fcn", "ovpm", "dvpm"}
    assert norms["settings"]["keyframes.threshold"] == 1.5
    evidence = norms["evidence"]
    assert (evidence["recordings"], evidence["people_left_out"], evidence["tasks"]) == (6, 0, "brows, smile")
    assert evidence["asymmetry"]["mouth"]["relative"][0] == 0.04
    row, column = ALL_AUS.index(17), ALL_AUS.index(12)
    assert evidence["probability"][row][column] == 1.0 and evidence["people_of_cell"][row][column] == 6
    assert not norms["unexpected"][row][column]


def test_the_dead_zone_is_the_cohorts(palsy: Run, calibration: Path, tmp_path: Path) -> None:
    csv = csv_of(tmp_path, person(0.1))
    assert symptoms(palsy, csv)["asymmetry"]["regions"]["mouth"]["weak_side"] == "none"
    assert symptoms(palsy, csv, "--config", str(calibration))["asymmetry"]["regions"]["mouth"]["weak_side"] == "left"


def test_what_healthy_people_show_is_no_synkinesis(palsy: Run, calibration: Path, tmp_path: Path) -> None:
    csv = csv_of(tmp_path, table([(range(8, 18), {12: (4.0, 4.0), 17: (2.0, 0.0)})]))
    plain, with_norms = symptoms(palsy, csv), symptoms(palsy, csv, "--config", str(calibration))
    assert [(pair["response_au"], pair["trigger_au"]) for pair in plain["synkinesis"]["pairs"]] == [(17, 12)]
    assert plain["norms"] is None
    assert with_norms["synkinesis"]["present"] is False
    used = load_settings(config_file=calibration).symptoms.norms
    assert with_norms["norms"] == {"people": 6, "sha256": used.digest()}


def test_a_threshold_of_the_cohort_raises_but_never_lowers(palsy: Run, tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / "healthy" / f"p{number}", assessed(person(0.0, one_sided=number)))
    done = palsy("calibrate", "healthy", "healthy", "-o", "calibration.toml")
    assert (done.exit_code, done.stdout) == (0, "") and "wrote calibration.toml" in done.stderr
    assert stat.S_IMODE((tmp_path / "calibration.toml").stat().st_mode) == 0o600
    # In the healthy AU4 with AU12 differs by up to 0.5; AU15 with AU12 by nothing, so that anything would be flagged.
    for frames, unit, without, with_norms in ((18, 4, True, False), (26, 4, True, True), (11, 15, False, False)):
        patient = table([(range(0, 40), {12: (4.0, 4.0)}), (range(0, frames), {unit: (3.0, 0.0)})])
        csv = csv_of(tmp_path, patient)
        assert symptoms(palsy, csv)["synkinesis"]["present"] is without
        assert symptoms(palsy, csv, "--config", "calibration.toml")["synkinesis"]["present"] is with_norms


def test_without_models_the_binding_cannot_be_checked(palsy: Run, calibration: Path, tmp_path: Path) -> None:
    done = palsy("symptoms", csv_of(tmp_path, person(0.1)), "--config", calibration)
    assert "it cannot be checked that the norms were measured with the same" in " ".join(done.stderr.split())


@pytest.mark.parametrize("command", ["assess", "aus", "symptoms", "batch"])
def test_other_weights_are_refused(palsy: Run, calibration: Path, tmp_path: Path, command: str) -> None:
    names = ("retinaface", "landmark_fcn", "ovpm", "dvpm")
    for name in names:
        entry = ModelEntry(name, name, "tiny", f"{name}.safetensors", "5" * 64, 1, "nothing", "0.1.0")
        update_manifest(tmp_path / "weights", entry)
    (tmp_path / "visit.mp4").write_bytes(b"never read")
    source = tmp_path if command == "batch" else tmp_path / "visit.mp4"
    done = palsy(command, source, "--models", "weights", "--config", calibration, "--device", "cpu")
    wanted = load_settings(config_file=calibration).symptoms.norms.models["retinaface"]
    assert done.exit_code == 4
    assert done.stderr == (
        f"palsy: error: weights: retinaface is {'5' * 12}, the norms of 6 healthy people were measured with "
        f"{wanted[:12]}; use those weights, or run `palsy calibrate healthy` with these\n"
    )


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"face.nms_iou" = 0.4', '"face.nms_iou" = 0.5', "face.nms_iou is 0.4, but the norms were measured with 0.5"),
        ('"face.nms_iou" = 0.4', "", "face.nms_iou is 0.4, but the norms were measured by another version of palsy"),
        ("people = 6", "people = 2.5", "[norms] cannot be used (people is 2.5; it must be a whole number)"),
        ("aus = [1,", "aus = [3,", "it must be action units of"),
        ("thresholds = [", "thresholds = [[0.1],", "thresholds must have 14 rows of 14"),
        ("unexpected = [", "expected = [", "[norms] cannot be used (no unexpected)"),
    ],
)
def test_a_file_that_does_not_fit_says_so(
    palsy: Run, calibration: Path, tmp_path: Path, old: str, new: str, told: str
) -> None:
    text = calibration.read_text(encoding="utf-8")
    assert old in text
    calibration.write_text(text.replace(old, new, 1), encoding="utf-8")
    done = palsy("symptoms", csv_of(tmp_path, person(0.1)), "--config", calibration)
    assert done.exit_code == 2 and told in " ".join(done.stderr.split()), done.stderr


def test_norms_are_no_text(palsy: Run, tmp_path: Path) -> None:
    done = palsy("symptoms", csv_of(tmp_path, person(0.1)), "--set", "symptoms.norms=calibration.toml")
    assert done.exit_code == 2
    assert "symptoms.norms: give --config a file that `palsy calibrate healthy` wrote" in done.stderr


def test_norms_are_content_of_the_fingerprint(calibration: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "copy.toml"
    elsewhere.write_bytes(calibration.read_bytes())
    loaded = load_settings(config_file=calibration)
    assert loaded == load_settings(config_file=elsewhere)
    text = calibration.read_text(encoding="utf-8")
    elsewhere.write_text(text.replace('date = "', 'date = "1'), encoding="utf-8")  # evidence does not act
    assert load_settings(config_file=elsewhere).fingerprint() == loaded.fingerprint()
    elsewhere.write_text(text.replace("  [false, ", "  [true, ", 1), encoding="utf-8")
    assert load_settings(config_file=elsewhere).fingerprint() != loaded.fingerprint()
    assert Norms().used() is None


def test_people_in_whom_too_little_is_seen_are_named(palsy: Run, tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path / "healthy" / f"p{number}", assessed(person(0.0)))
    write(tmp_path / "healthy" / "still", assessed(table([])))
    done = palsy("calibrate", "healthy", "healthy")
    assert "1 left out, too little is seen of them: still" in done.stderr
    assert tomllib.loads(done.stdout)["norms"]["evidence"]["people_left_out"] == 1
