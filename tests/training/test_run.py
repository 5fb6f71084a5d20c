"""From a data folder to models that the product loads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from palsy_cli.errors import DatasetError, ModelError, UsageError
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.networks.weights import ModelSet, load_network, read_manifest, verify
from palsy_cli.training import run as training_run
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.run import SHARES, train, train_all
from palsy_cli.training.tasks import detector

#: Budget of a run; whatever it allows, an epoch's validation follows.
MINUTES = 0.01


@pytest.fixture(scope="module")
def small_scenes() -> pytest.MonkeyPatch:
    """Few and small scenes for the detector."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detector, "SCENE_SIDE", 96)
        patch.setattr(training_run, "_DETECTOR_STEPS", 2)
        patch.setattr(training_run, "DRAWN_PEOPLE", 2)
        yield patch


@pytest.fixture(scope="module")
def models(data: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory, small_scenes: object) -> Path:
    """All six networks, hardly trained; runs lie beside the cache."""
    folder = tmp_path_factory.mktemp("models")
    train_all(data=data, runs=cache.parent, size="tiny", minutes=6 * MINUTES, export_to=folder)
    return folder


def steps_of(run: Path) -> list[float]:
    return [row["step"] for row in RunFolder(run).read_metrics()]


@pytest.mark.slow
def test_all_shares_one_budget_and_goes_on(models: Path, data: Path, cache: Path) -> None:
    assert set(SHARES) == set(NETWORKS) and sum(SHARES.values()) == pytest.approx(1)
    before = {name: steps_of(cache.parent / f"{name}-tiny") for name in NETWORKS}
    digests = {entry.name: entry.sha256 for entry in read_manifest(models)}
    train_all(data=data, runs=cache.parent, size="tiny", minutes=6 * MINUTES, resume=True, export_to=models)
    assert {name: steps_of(cache.parent / f"{name}-tiny") for name in NETWORKS} == before
    assert {entry.name: entry.sha256 for entry in read_manifest(models)} == digests
    with pytest.raises(UsageError, match="--export"):
        train_all(data=data, runs=cache.parent, size="tiny", export_to=None)


def test_every_network_is_exported_whole(models: Path) -> None:
    assert [entry.name for entry in read_manifest(models)] == sorted(NETWORKS)
    assert all(status.ok for status in verify(models)), [status.problem for status in verify(models)]
    for name in NETWORKS:
        loaded = load_network(name, models)
        assert not loaded.module.training and loaded.metadata["size"] == "tiny"
        assert "AI-generated" in loaded.card.trained_on


def test_difference_network_names_its_partner(models: Path) -> None:
    digest = next(entry.sha256 for entry in read_manifest(models) if entry.name == "ovpm")
    assert load_network("dvpm", models).metadata["ovpm_sha256"] == digest
    assert ModelSet(models).get("dvpm").card.name == "dvpm"


def test_figures_are_of_the_best_epoch(models: Path, cache: Path) -> None:
    entry = next(entry for entry in read_manifest(models) if entry.name == "landmark_fcn")
    rows = RunFolder(cache.parent / "landmark_fcn-tiny").read_metrics()
    assert entry.metrics["error_percent"] == pytest.approx(min(row["error_percent"] for row in rows), rel=1e-3)
    assert "segmentation_miou" in next(e for e in read_manifest(models) if e.name == "hb_cascade").metrics


def test_run_goes_on(models: Path, data: Path, cache: Path, tmp_path: Path) -> None:
    shutil.copytree(cache.parent / "landmark_fcn-tiny", tmp_path / "run")
    (tmp_path / "samples").symlink_to(cache, target_is_directory=True)
    before = RunFolder(tmp_path / "run").read_metrics()
    with pytest.raises(UsageError, match="--resume"):
        train("landmark_fcn", data=data, run=tmp_path / "run", size="tiny", minutes=MINUTES)
    longer = before[-1]["minutes"] + MINUTES
    train("landmark_fcn", data=data, run=tmp_path / "run", size="tiny", minutes=longer, resume=True)
    after = RunFolder(tmp_path / "run").read_metrics()
    assert after[-1]["step"] > before[-1]["step"]
    assert after[: len(before) - 1] == before[:-1]


def test_difference_network_needs_its_partner(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        train("dvpm", data=data, run=tmp_path / "run", size="tiny", minutes=MINUTES, export_to=tmp_path / "models")


def test_what_cannot_be_trained(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="retinaface"):
        train("retina", data=data, run=tmp_path / "run")
    with pytest.raises(DatasetError, match=r"index\.csv"):
        train("ovpm", data=tmp_path, run=tmp_path / "run")
