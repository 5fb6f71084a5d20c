"""What helper frames do for the difference ensemble on simulated patients (DEM, figure 6).

    python docs/benchmarks/helper_frames.py CLIPS OUT [--models MODELS]

CLIPS is a folder of what ``palsy simulate PHOTO`` wrote, from photos of people that the weights were not trained on.
The key frames of every clip are estimated with 0 to 6 helpers, as ``palsy evaluate clips`` does. OUT gets the tables
and the plot.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from palsy_cli.config import load_settings
from palsy_cli.datasets.catalogue import read_dataset
from palsy_cli.evaluation.labels import KINDS, key_of
from palsy_cli.evaluation.paper_tables import intensity_tables
from palsy_cli.evaluation.predict import find_intensities
from palsy_cli.evaluation.published import DEM_INTENSITY
from palsy_cli.evaluation.render import tables_to_csv, tables_to_markdown
from palsy_cli.evaluation.study_plots import draw_study
from palsy_cli.networks.weights import ModelSet, find_models_dir
from palsy_cli.training.prepare import Preparation, prepare_faces


def main() -> None:
    """Estimate, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clips", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path)
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    faces = read_dataset("clips", chosen.clips)
    models = ModelSet(find_models_dir(chosen.models)[0])
    with tempfile.TemporaryDirectory() as cache:
        prepared = prepare_faces(faces, Path(cache), models=models, preparation=Preparation(keyframes=True))
        rows = np.arange(len(prepared.face))
        for profile in ("clinical", "paper"):
            answers = find_intensities(faces, prepared, rows, models, load_settings(profile=profile))  # type: ignore[arg-type]
            keys = set(answers.keys)
            asked = [face for face in faces.faces if key_of(face) in keys]
            study = KINDS["intensity"].study(faces, asked, answers)
            tables = intensity_tables(study, DEM_INTENSITY, title="clips")  # type: ignore[arg-type]
            page = tables_to_markdown(tables, title=f"Helper frames, profile {profile}")
            (chosen.out / f"{profile}.md").write_text(page, encoding="utf-8")
            (chosen.out / f"{profile}.csv").write_text(tables_to_csv(tables), encoding="utf-8")
            for name, picture in draw_study(study, DEM_INTENSITY):
                (chosen.out / f"{profile}-{name}.png").write_bytes(picture)


if __name__ == "__main__":
    main()
