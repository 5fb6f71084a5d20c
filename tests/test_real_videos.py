"""Real recordings from ``$PALSY_DATA``, with the shipped weights; skipped where that folder is not at hand."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from palsy_cli import assess
from palsy_cli.config import Execution
from palsy_cli.errors import NoFaceError
from palsy_cli.pipeline import run_landmarks
from palsy_cli.records import Assessment
from palsy_cli.report import write_report

DATA = os.environ.get("PALSY_DATA")
pytestmark = pytest.mark.skipif(DATA is None, reason="PALSY_DATA is not set: no real recordings at hand")
CPU = Execution(device="cpu")
#: In pyfeat_single_face.mp4 the man rests up to this frame, and smiles broadly from this one on.
REST_UNTIL, SMILE_FROM, SMILE_UNTIL = 14, 26, 62


def video(name: str) -> Path:
    return Path(str(DATA)) / "videos" / name


@pytest.fixture(scope="module")
def smiling() -> Assessment:
    return assess(video("pyfeat_single_face.mp4"), execution=CPU)


def test_a_video_without_a_face_is_an_unusable_input() -> None:
    with pytest.raises(NoFaceError):
        run_landmarks(video("pyfeat_no_face.mp4"), execution=CPU)


def test_every_decoded_frame_has_its_row(smiling: Assessment, tmp_path: Path) -> None:
    path = write_report(smiling, tmp_path)["landmarks.csv"]
    with path.open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 72


def test_a_broad_smile_shows_as_au12_on_both_sides(smiling: Assessment) -> None:
    units, frames = smiling.action_units, smiling.keyframes.frames
    both = (units.left + units.right)[:, units.channel(12)] / 2
    assert both[frames <= REST_UNTIL].mean() < 0.8
    assert both[(frames >= SMILE_FROM) & (frames <= SMILE_UNTIL)].mean() > 1.5


def test_the_points_follow_the_smile(smiling: Assessment) -> None:
    points = smiling.landmarks.points
    unit = np.hypot(*(points[:, 45] - points[:, 36]).T)
    width = np.hypot(*(points[:, 54] - points[:, 48]).T) / unit
    assert np.median(width[SMILE_FROM:SMILE_UNTIL]) > 1.15 * np.median(width[:REST_UNTIL])
