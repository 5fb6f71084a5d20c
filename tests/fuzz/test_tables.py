"""CSV and its like: tables of units and points, manifests, maps, predictions, and the tables of data sets."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile import damaged, put, survives, tables
from hypothesis import example, given, settings
from hypothesis import strategies as st

from palsy_cli.batch.find import find_recordings
from palsy_cli.datasets import bp4d, disfa, disfa_plus, fpara, marks, people, table
from palsy_cli.datasets.reading import Unfit
from palsy_cli.evaluation.predictions import read_predictions
from palsy_cli.exports.pseudonyms import pseudonymise
from palsy_cli.exports.recordings import read_action_units, read_landmarks
from palsy_cli.exports.visits import find_visits
from palsy_cli.records import ALL_AUS
from palsy_cli.report.csv_report import au_columns, load_action_units
from palsy_cli.stages.symptoms import find_symptoms
from palsy_cli.training.checkpoints import RunFolder

FEW = settings(max_examples=max(5, settings().max_examples // 8))
_UNITS = [name for au in ALL_AUS for name in au_columns(au)]
UNITS = "\n".join(
    ["frame,time_s,success,confidence,reason," + ",".join(_UNITS)]
    + [f"{i},{i / 25:.3f},1,0.9,," + ",".join(f"{(i + j) % 5}.5" for j in range(len(_UNITS))) for i in range(3)]
)
POINTS = "\n".join(
    ["frame,time_s,success,confidence,reason," + ",".join(f"{axis}_{i}" for axis in "xy" for i in range(68))]
    + [f"{i},0.1,1,0.9,," + ",".join(map(str, range(136))) for i in range(2)]
)
BATCH = "path,patient,session,mirrored\np1/a.mp4,p1,1,0\n/data/b.mp4,p2,,yes\n"
VISITS = "folder,patient,session,date\nassessed,Ann,1,2020-01-31\n"
SUMMARY = "patient,session,job_id\nAnn,1,one\nBob,,two\n"
MAP = "patient,pseudonym,shift_days\nAnn,sub-0001,-3\nBob,sub-0002,\n"
PREDICTIONS = "subject,sequence,frame,AU1,p_I,weak_mouth,x_0\ns,q,0,0.5,0.1,1,2\ns,q,1,,nan,0,3\n"
METRICS = "epoch,step,mae\n1,10,0.5\n2,20,0.25\n"
LABELS = (
    "file,subject,sequence,frame,house_brackmann,condition,weak_mouth,AU12_L,AU12_R,AU1,group_sex\n"
    "a.png,p1,s,0,III,x,left,1,2,0,f\na.png,p2,s,1,2.5,,none,,,1,m\n"
)
FPARA = "video,subject,house_brackmann,task,group_sex\np01/a.mp4,p01,III,,f\np01/b.mp4,p01,2.5,smile,f\n"
PHOTOS = "file,frontal,covered\na.jpg,1,0\n"
BP4D = "0,1,2,4,6,7,10,12,14,15,17,23,24\n2440,0,1,0,9,0,1,0,1,0,1,0,1\n2441,0,1,0,9,0,1,0,1,0,1,0,1\n"
DISFA = "1,0\n2,3\n3,5\n"
DISFA_PLUS = "# image intensity\n# -----\n000.jpg 0\n001.jpg 3\n"
PTS = "version: 1\nn_points: 68\n{\n" + "".join(f"{i}.5 {i % 9}\n" for i in range(68)) + "}\n"
XY = "x,y\n" + "".join(f"{i}.5,{i % 9}\n" for i in range(68))


def tabular(text: str) -> st.SearchStrategy[bytes]:
    return tables(text) | damaged(text.encode())


def refused(read: Callable[[], object]) -> None:
    """``survives`` for the readers of one file of a data set, whose adapters turn ``Unfit`` into problems."""
    try:
        survives(read)
    except Unfit as error:
        assert error.problem.what.isprintable() and len(error.problem.what) <= 2000


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, assessed: Path) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    put(folder / "labels" / "a.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 20)
    shutil.copytree(assessed, folder / "results" / "assessed")
    return folder


@given(tabular(UNITS))
@example(UNITS.replace("\n1,", "\n" + "9" * 30 + ",").encode())
@example(UNITS.replace("\n1,", "\n" + "9" * 5000 + ",").encode())
@example(UNITS.replace("AU01_r_L", "AU01_r_R").encode())
def test_action_units(room: Path, content: bytes) -> None:
    path = put(room / "units" / "action_units.csv", content)
    survives(lambda: find_symptoms(load_action_units(path)[0]))
    survives(lambda: read_action_units(path.parent))


@given(tabular(POINTS))
def test_landmarks(room: Path, content: bytes) -> None:
    survives(lambda: read_landmarks(put(room / "points" / "landmarks.csv", content).parent))


@given(tabular(BATCH))
@example(b"path,patient\na\0b.mp4,p\n")
@example(b'path,patient\n"a\nb.mp4",p\n')
def test_a_manifest_of_a_batch(room: Path, content: bytes) -> None:
    survives(lambda: find_recordings(put(room / "batch.csv", content), out=room / "out"))


@given(tabular(VISITS), tabular(SUMMARY), tabular(MAP))
@example(b"folder,patient,session\na\0b,x,1\n", b"", b"")
@example(b"folder,patient,session\n" + b"x" * 300 + b",x,1\n", b"", b"")
@example(b"folder,patient,session\n../..,x,1\n", b"", b"")
@FEW
def test_whose_visits(room: Path, visits: bytes, summary: bytes, id_map: bytes) -> None:
    put(room / "results" / "summary.csv", summary)
    listed, known = put(room / "visits.csv", visits), put(room / "map.csv", id_map)
    for named in (listed, None):
        survives(lambda named=named: pseudonymise(find_visits(room / "results", named), id_map=known, shift="auto"))


@given(tabular(PREDICTIONS))
def test_predictions(room: Path, content: bytes) -> None:
    survives(lambda: read_predictions(put(room / "predictions.csv", content)))


@given(tabular(METRICS))
def test_curves_of_a_training(room: Path, content: bytes) -> None:
    put(room / "run" / "metrics.csv", content)
    survives(RunFolder(room / "run").read_metrics)


@given(tabular(LABELS))
@example((LABELS.replace("AU1,", "AU" + "9" * 5000 + ",")).encode())
@example(("file,subject," + ",".join(f"c{i}" for i in range(20_000)) + "\n").encode())
@example(("file,subject\n" + "x" * 300 + ".png,p\n").encode())
def test_own_labels(room: Path, content: bytes) -> None:
    put(room / "labels" / "labels.csv", content)
    survives(lambda: table.scan(room / "labels"))


@given(tabular(FPARA))
def test_graded_videos(room: Path, content: bytes) -> None:
    put(room / "fpara" / "labels.csv", content)
    survives(lambda: fpara.scan(room / "fpara"))


@given(tabular(PHOTOS))
def test_the_index_of_photos(room: Path, content: bytes) -> None:
    for part in ("rig/au_rig.npz", "photos/landmarks.npz", "backgrounds/x"):
        put(room / "data" / part, b"PK\x03\x04")
    put(room / "data" / "photos" / "index.csv", content)
    survives(lambda: people.read_photos(room / "data"))


@given(tabular(BP4D), tabular(DISFA), damaged(DISFA_PLUS.encode()))
@example((BP4D.replace("0,1,2", "0," + "9" * 5000 + ",2")).encode(), b"", ("9" * 5000 + ".jpg 1\n").encode())
@example(BP4D.replace("2440", "x" * 200_000).encode(), b"1," + b"x" * 200_000, b"000.jpg " + b"x" * 200_000)
def test_intensities(room: Path, codes: bytes, numbers: bytes, lines: bytes) -> None:
    refused(lambda: bp4d.read_codes(put(room / "F001_T1.csv", codes)))
    refused(lambda: disfa.read_intensities(put(room / "SN001_au1.txt", numbers)))
    refused(lambda: disfa_plus.read_intensities(put(room / "AU1.txt", lines)))


@given(damaged(PTS.encode()), damaged(XY.encode()))
def test_marks(room: Path, pts: bytes, pairs: bytes) -> None:
    refused(lambda: marks.read_pts(put(room / "a.pts", pts)))
    refused(lambda: marks.read_xy(put(room / "a.txt", pairs)))
