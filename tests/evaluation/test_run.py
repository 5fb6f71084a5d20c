"""`palsy evaluate simulated` on real photos and with the shipped weights; skipped where they are not at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from palsy_cli.config import Execution
from palsy_cli.errors import DatasetError, UsageError
from palsy_cli.evaluation import run
from palsy_cli.evaluation.run import evaluate_simulated, read_faces

DATA = os.environ.get("PALSY_DATA")
CPU = Execution(device="cpu")


def test_only_people_held_out_of_training_count(data: Path) -> None:
    assert {face.name for face, _ in read_faces(data)} == {"calm_c.png", "turned.png"}
    assert all(face.points.shape == (68, 2) and photo.held_out for face, photo in read_faces(data))


def test_refusals(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="photos"):
        evaluate_simulated(tmp_path, execution=CPU)
    with pytest.raises(UsageError, match="0 patients"):
        evaluate_simulated(data, patients=0, execution=CPU)


@pytest.mark.slow
@pytest.mark.skipif(DATA is None, reason="PALSY_DATA is not set: no photos at hand")
def test_two_patients_go_the_whole_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "_MOST_PHOTOS", 4)
    told: list[str] = []
    found = evaluate_simulated(
        Path(str(DATA)),
        patients=2,
        dose_people=0,
        execution=CPU,
        on_progress=lambda stage, done, of: told.append(stage),
    )
    values = {figure.name: figure.value for figure in found.pages.figures}
    assert (values["mean error %, simulated patients"] or 99) < 8 and values["recall, photos"] is not None
    assert values["MAE"] is not None and values["Spearman of asymmetry over weakness"] is None
    assert set(told) == {"photos", "patients"}
    found.write(tmp_path)
    assert "| weak side | F1, face |" in (tmp_path / "simulated.md").read_text()
