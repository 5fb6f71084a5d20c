"""JSON and TOML: assessments, truths, evaluations, settings, norms, recipes, manifests."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hostile import damaged, json_files, put, survives, tokens
from hypothesis import example, given, settings
from hypothesis import strategies as st

from palsy_cli import documents
from palsy_cli.batch.index import Index
from palsy_cli.batch.jobs import RESULTS, read_result
from palsy_cli.batch.summary import write_summary
from palsy_cli.benchmark.page import read_benchmark
from palsy_cli.calibration.cohort import read_cohort
from palsy_cli.compare import compare
from palsy_cli.compare.document import comparison_dict
from palsy_cli.compare.page import render_comparison
from palsy_cli.config import Settings, load_settings, measured_with
from palsy_cli.datasets.clips import scan
from palsy_cli.exports import export
from palsy_cli.networks.weights import list_models
from palsy_cli.norms import Norms
from palsy_cli.records import ALL_AUS
from palsy_cli.training.evaluated import read_evaluation
from palsy_cli.training.recipes import RECIPES, read_recipe, recipe_toml
from palsy_cli.training.settings import load_train_settings

#: For properties that take tenths of a second an example.
FEW = settings(max_examples=max(5, settings().max_examples // 8))
TRUTH = {
    "schema_version": "1.0", "aus": list(ALL_AUS), "frames": 2, "fps": 25.0, "house_brackmann": 3, "seed": 1,
    "landmarks": [[[float(i), float(i % 7)] for i in range(68)], None],
    "action_units": {"left": [[0.0] * 14] * 2, "right": [[1.0] * 14] * 2},
    "movements": [{"task": "smile", "start_s": 0.0, "release_s": 1.0}], "source": {"kind": "photo", "sha256": "0" * 64},
}  # fmt: skip
EVALUATION = {
    "schema_version": "1.0", "version": "1", "patients": 3, "weights": {"ovpm": "0" * 12},
    "figures": [{"group": "a", "name": "b", "value": 1.0, "interval": [0.5, 1.5], "note": ""}],
}  # fmt: skip
BENCHMARK = {
    "schema_version": "1.0", "commit": "abc", "start": {"help_s": 0.1, "first_frame_s": 0.2},
    "videos": [
        {"duration_s": 2.0, "assess": {"wall_s": 1.0, "cpu_s": 1.0, "peak_mib": 9.0}, "stages_s": {"video": 1.0}}
    ],
}  # fmt: skip
SETTINGS = """profile = "clinical"
seed = 3
[face]
detector = "own"
min_confidence = 0.9
[keyframes]
max_keyframes = 64
"""
NORMS = (
    "[norms]\npeople = 9\naus = [6, 12]\nunexpected = [[true, false], [false, true]]\n"
    f'thresholds = [[0.1, 0.2], [0.3, 0.4]]\n[norms.models]\novpm = "{"0" * 64}"\n[norms.settings]\n'
    + "".join(f'"{name}" = {json.dumps(value)}\n' for name, value in measured_with(Settings()).items())
)
MANIFEST = (
    'schema_version = "1.0"\n[[model]]\nname = "ovpm"\nnetwork = "ovpm"\nsize = "tiny"\nfile = "ovpm.safetensors"\n'
    f'sha256 = "{"0" * 64}"\nbytes = 10\ntrained_on = "x"\nversion = "1"\nmetrics = {{"MAE" = 0.5}}\n'
)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("documents")


@pytest.fixture(scope="session")
def document(assessed: Path) -> Any:
    return json.loads((assessed / "assessment.json").read_text(encoding="utf-8"))


@given(st.data())
@FEW
def test_an_assessment_is_exported_or_refused(assessed: Path, document: Any, room: Path, data: st.DataObject) -> None:
    results = room / "results"
    shutil.copytree(assessed, results, dirs_exist_ok=True)
    put(results / "assessment.json", data.draw(json_files(document)))
    for kind in ("fhir", "redcap", "bids"):
        shutil.rmtree(room / kind, ignore_errors=True)
        found = survives(lambda kind=kind: export(results, room / kind, to=kind))
        assert not isinstance(found, Exception) or not any((room / kind).glob("*")), "a refused export leaves nothing"
    survives(lambda: read_cohort(results))


@given(st.data())
@FEW
def test_a_visit_is_compared_or_refused(assessed: Path, document: Any, room: Path, data: st.DataObject) -> None:
    other = put(room / "visit.json", data.draw(json_files(document)))
    survives(lambda: render_comparison(comparison_dict(compare([assessed, other], force=True))))


@given(st.data())
@FEW
def test_a_result_is_taken_into_the_table_or_passed_over(document: Any, room: Path, data: st.DataObject) -> None:
    content, failure = data.draw(json_files(document)), data.draw(json_files({"exit_code": 3, "reason": "no face"}))
    out = room / "batch"
    shutil.rmtree(out, ignore_errors=True)
    put(out / RESULTS / "one" / "assessment.json", content)
    put(out / RESULTS / "two" / "failure.json", failure)
    with Index(out) as index:
        known = [{**(facts or {}), "status": "done", "job_id": job, "patient": "p", "video": "v"}
                 for job, facts in zip(("one", "two"), index.facts(iter(("one", "two"))), strict=True)]  # fmt: skip
    survives(lambda: write_summary(out, known))
    survives(lambda: read_result(out / RESULTS / "one"))


@given(json_files(TRUTH))
@example(json.dumps(TRUTH | {"frames": 10**15}).encode())
@example(json.dumps(TRUTH).replace("25.0", "1e400").encode())
def test_a_truth(room: Path, content: bytes) -> None:
    put(room / "clips" / "p1" / "truth.json", content)
    put(room / "clips" / "p1" / "patient.mp4", b"")
    survives(lambda: scan(room / "clips"))


@given(json_files(EVALUATION))
def test_an_evaluation(room: Path, content: bytes) -> None:
    survives(lambda: read_evaluation(put(room / "simulated.json", content)))


@given(json_files(BENCHMARK))
def test_a_benchmark(room: Path, content: bytes) -> None:
    survives(lambda: read_benchmark(put(room / "benchmark.json", content)))


@given(tokens(SETTINGS) | damaged(SETTINGS.encode()))
@example(("seed = " + "9" * 5000).encode())
@example(("a = " + "[" * 5000).encode())
@example((".".join("a" * 2000) + " = 1").encode())
def test_settings(room: Path, content: bytes) -> None:
    survives(lambda: load_settings(config_file=put(room / "settings.toml", content)))
    survives(lambda: load_train_settings("ovpm", "tiny", config_file=room / "settings.toml"))


@given(tokens(NORMS) | damaged(NORMS.encode()))
def test_norms(room: Path, content: bytes) -> None:
    survives(lambda: load_settings(config_file=put(room / "norms.toml", content)))


@given(json_files({"a": [1, {"b": "c"}]}) | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"[" * 100_000)
@example(b"9" * 10_000)
def test_a_setting_of_the_command_line(content: bytes) -> None:
    value = content.decode("utf-8", "surrogateescape")
    for name in ("seed", "face.detector", "face.min_confidence", "symptoms.norms", "grades.flip_average"):
        survives(lambda name=name: load_settings(overrides=[f"{name}={value}"]))
    survives(lambda: load_settings(overrides=[value]))


@given(tokens(recipe_toml(RECIPES["ovpm", "tiny"])) | damaged(recipe_toml(RECIPES["ovpm", "tiny"]).encode()))
def test_a_recipe(room: Path, content: bytes) -> None:
    survives(lambda: read_recipe(put(room / "recipe.toml", content)))


@given(tokens(MANIFEST) | damaged(MANIFEST.encode()))
def test_a_manifest_of_weights(room: Path, content: bytes) -> None:
    put(room / "models" / "manifest.toml", content)
    survives(lambda: list_models(room / "models", check=True))


@given(st.binary(max_size=200) | json_files([1, {"a": 2.5}]))
def test_the_parsers_themselves(content: bytes) -> None:
    text = content.decode("utf-8", "replace")
    for parse in (documents.parse_json, documents.parse_toml):
        try:
            parse(text)
        except documents.Unreadable as error:
            assert str(error).isprintable()


def test_norms_of_a_file_are_those_of_the_record(room: Path) -> None:
    """What the tests above damage is whole to begin with."""
    assert load_settings(config_file=put(room / "norms.toml", NORMS.encode())).symptoms.norms.people == 9
    assert Norms().people == 0 and load_settings(config_file=put(room / "s.toml", SETTINGS.encode())).seed == 3
    assert len(read_evaluation(put(room / "e.json", json.dumps(EVALUATION).encode())).figures) == 1
    assert read_benchmark(put(room / "b.json", json.dumps(BENCHMARK).encode()))["commit"] == "abc"
    put(room / "truths" / "p1" / "truth.json", json.dumps(TRUTH).encode())
    put(room / "truths" / "p1" / "patient.mp4", b"")
    assert len(scan(room / "truths")[0].faces) == 2
