"""Each command hands on exactly what it was told, writes data to stdout or whole files, and talk to stderr."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from palsy_cli.config import Execution, Settings, load_settings
from palsy_cli.records import Assessment

Run = Callable[..., Result]
STAGES = {
    "assess": "assess",
    "keyframes": "run_keyframes",
    "landmarks": "run_landmarks",
    "aus": "run_action_units",
    "grade": "run_grades",
    "symptoms": "run_action_units",
}


@pytest.fixture(autouse=True)
def no_html(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Reports have tests of their own: here only how ``write_report`` is called counts."""
    calls: list[dict[str, Any]] = []

    def write_report(assessment: Assessment, out: Path, *, include_images: bool = False) -> dict[str, Path]:
        calls.append({"assessment": assessment, "out": out, "include_images": include_images})
        return {}

    pytest.importorskip("palsy_cli.report.csv_report")
    monkeypatch.setattr("palsy_cli.report.write_report", write_report)
    return calls


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


#: What only one command hands on.
OWN: dict[str, dict[str, Any]] = {"assess": {"tasks": None, "by_hand": {}}}


@pytest.mark.parametrize("command", STAGES)
def test_defaults_reach_the_pipeline(palsy: Run, pipeline: Any, command: str) -> None:
    done = palsy(command, "visit.mp4")
    assert done.exit_code == 0, done.stderr
    expected = {"settings": Settings(), "execution": Execution(), "mirrored": False, **OWN.get(command, {})}
    assert pipeline.calls == [(STAGES[command], Path("visit.mp4"), expected)]


@pytest.mark.parametrize("command", STAGES)
def test_every_shared_option_changes_something(palsy: Run, pipeline: Any, command: str, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[keyframes]\nthreshold = 2.5\nmax_keyframes = 9\n")
    options = "--mirrored --device cpu --models weights --profile paper --config my.toml --set keyframes.threshold=2"
    assert palsy(command, "visit.mp4", *options.split(), "--set", "seed=4").exit_code == 0
    overrides = ["keyframes.threshold=2", "seed=4"]
    settings = load_settings(profile="paper", config_file=tmp_path / "my.toml", overrides=overrides)
    assert (settings.keyframes.threshold, settings.keyframes.max_keyframes, settings.seed) == (2.0, 9, 4)
    execution = Execution(device="cpu", models_dir=Path("weights"))
    expected = {"settings": settings, "execution": execution, "mirrored": True, **OWN.get(command, {})}
    assert pipeline.calls == [(STAGES[command], Path("visit.mp4"), expected)]


def test_models_may_come_from_the_environment(palsy: Run, pipeline: Any) -> None:
    palsy("aus", "visit.mp4", env={"PALSY_MODELS": "elsewhere"})
    assert pipeline.calls[0][2]["execution"].models_dir == Path("elsewhere")


def test_assess_prints_the_report_and_summarises(palsy: Run, pipeline: Any, no_html: Any, result: Assessment) -> None:
    done = palsy("assess", "folder/visit.one.mp4")
    assert done.stdout == "visit.one_assessment/report.html\n"
    assert no_html == [{"assessment": result, "out": Path("visit.one_assessment"), "include_images": False}]
    for said in ("one frame shows no face", "weak side", "left", "low", "too few frames", "not a medical device"):
        assert said in done.stderr


def test_the_scale_may_be_told(palsy: Run, pipeline: Any, no_html: Any) -> None:
    assert palsy("assess", "visit.mp4", "--ipd-mm", "61.5").exit_code == 0
    assert palsy("assess", "visit.mp4", "--mm-per-px", "0.3").exit_code == 0
    clinic = [options["settings"].clinic for _, _, options in pipeline.calls]
    assert [(one.ipd_mm, one.mm_per_px) for one in clinic] == [(61.5, 0.0), (0.0, 0.3)]
    both = palsy("assess", "visit.mp4", "--ipd-mm", "61.5", "--mm-per-px", "0.3")
    assert both.exit_code == 2 and "give one of them" in both.stderr
    assert palsy("assess", "visit.mp4", "--ipd-mm", "6").exit_code == 2


def test_assess_options(palsy: Run, pipeline: Any, no_html: Any) -> None:
    assert palsy("assess", "visit.mp4", "-o", "here", "--include-images").stdout == "here/report.html\n"
    assert no_html[0]["out"] == Path("here") and no_html[0]["include_images"] is True


def test_pdf_needs_a_browser_before_the_long_run(
    palsy: Run, pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = palsy("assess", "visit.mp4", "--pdf")
    assert done.exit_code == 2 and "install one" in done.stderr and pipeline.calls == []
    assert palsy("assess", "visit.mp4").exit_code == 0  # nobody else needs one


@pytest.mark.parametrize(("writes", "code"), [(b"%PDF-1.4 %%EOF", 0), (b"sorry", 2)])
def test_pdf_is_printed_beside_the_report(
    palsy: Run, pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: bytes, code: int
) -> None:
    browser = tmp_path / "bin" / "chromium"
    browser.parent.mkdir()
    target = "next(a.split('=', 1)[1] for a in sys.argv if a.startswith('--print-to-pdf='))"
    browser.write_text(f"#!{sys.executable}\nimport sys\nopen({target}, 'wb').write({writes!r})\n")
    browser.chmod(0o755)
    monkeypatch.setenv("PATH", str(browser.parent))
    done = palsy("assess", "visit.mp4", "--pdf", "-o", "out")
    assert done.exit_code == code
    assert (tmp_path / "out" / "report.pdf").exists() == (code == 0)
    if code:
        assert "report.html is written" in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_landmarks_have_a_row_per_frame(palsy: Run, pipeline: Any) -> None:
    table = rows(palsy("landmarks", "visit.mp4").stdout)
    assert [row["success"] for row in table] == ["1", "0", "1", "1"]
    assert table[1]["reason"] == "no_face" and table[1]["x_0"] == ""
    assert {"x_67", "y_67"} <= set(table[0])


def test_aus_pipe_into_symptoms(palsy: Run, pipeline: Any) -> None:
    text = palsy("aus", "visit.mp4").stdout
    assert rows(text)[1]["AU12_r_L"].startswith("1.0") and rows(text)[1]["AU12_r_R"].startswith("3.0")
    pipeline.calls.clear()
    piped = palsy("symptoms", "-", input=text)
    assert piped.exit_code == 0 and not pipeline.calls
    found = json.loads(piped.stdout)
    assert found["asymmetry"]["regions"]["mouth"]["weak_side"] == "left"
    assert piped.stdout == palsy("symptoms", "visit.mp4").stdout


def test_symptoms_settings_count_for_tables_too(palsy: Run, pipeline: Any, tmp_path: Path) -> None:
    (tmp_path / "units.csv").write_text(palsy("aus", "visit.mp4").stdout)
    strict = palsy("symptoms", "units.csv", "--set", "symptoms.dead_zone_absolute=4")
    assert json.loads(strict.stdout)["asymmetry"]["regions"]["mouth"]["weak_side"] == "none"


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "frame,time_s,success\n0,0,1\n", "\x00\x01"])
def test_useless_table_is_exit_3(palsy: Run, text: str) -> None:
    done = palsy("symptoms", "-", input=text)
    assert done.exit_code == 3 and done.stderr.count("\n") == 1


def test_grade_is_json(palsy: Run, pipeline: Any) -> None:
    grades = json.loads(palsy("grade", "visit.mp4").stdout)
    assert grades["severity"]["label"] == "low" and grades["house_brackmann"] is None
    assert grades["house_brackmann_reason"] == "too few frames"


@pytest.mark.parametrize(
    ("command", "name"), [("landmarks", "landmarks.csv"), ("aus", "action_units.csv"), ("grade", "grades.json")]
)
def test_files_hold_what_stdout_would(palsy: Run, pipeline: Any, tmp_path: Path, command: str, name: str) -> None:
    text = palsy(command, "visit.mp4").stdout
    for out, path in (("deep/folder", tmp_path / "deep/folder" / name), ("named.dat", tmp_path / "named.dat")):
        done = palsy(command, "visit.mp4", "-o", out)
        assert done.exit_code == 0 and done.stdout == "" and path.read_text() == text
    assert not list(tmp_path.rglob("*.part"))


def test_unwritable_target_is_one_line(palsy: Run, pipeline: Any, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    done = palsy("aus", "visit.mp4", "-o", "taken/x.csv")
    assert done.exit_code == 2 and done.stderr.count("\n") == 1 and "taken" in done.stderr


def test_keyframes_write_pictures_whose_halves_meet_at_the_midline(
    palsy: Run, pipeline: Any, result: Assessment, tmp_path: Path
) -> None:
    import cv2

    table = rows(palsy("keyframes", "visit.mp4").stdout)
    assert [row["frame"] for row in table] == ["0", "2", "3"]
    assert palsy("keyframes", "visit.mp4", "-o", "frames").exit_code == 0
    names = {path.name for path in (tmp_path / "frames").iterdir()}
    kinds = ("aligned", "left", "right")
    assert names == {"keyframes.csv"} | {f"frame_{n:06d}_{kind}.png" for n in (0, 2, 3) for kind in kinds}
    aligned, left, right = (cv2.imread(str(tmp_path / f"frames/frame_000002_{k}.png"))[..., ::-1] for k in kinds)
    np.testing.assert_array_equal(aligned, result.keyframes.aligned[1])
    np.testing.assert_array_equal(np.concatenate([right[:, ::-1], left], axis=1), aligned)
