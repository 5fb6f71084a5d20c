"""Every data set, in miniature: one epoch of its recipe in size tiny, two folds, and the paper's table filled in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trees
import trees_marks

from palsy_cli.config import Execution, Settings
from palsy_cli.datasets.catalogue import ADAPTERS, read_dataset
from palsy_cli.errors import DatasetError, ModelError, UsageError
from palsy_cli.evaluation.labels import KINDS
from palsy_cli.evaluation.predictions import read_predictions, write_predictions
from palsy_cli.evaluation.protocol import PROTOCOLS, Measured, Request, evaluate_protocol
from palsy_cli.evaluation.study import NotRun
from palsy_cli.training.run import train
from palsy_cli.training.settings import load_train_settings

TREES: dict[str, Callable[[Path], Path]] = {
    "disfa-plus": trees.disfa_plus_tree,
    "disfa": trees.disfa_tree,
    "bp4d": trees.bp4d_tree,
    "csv": trees.csv_tree,
    "aflfp": lambda root: trees_marks.aflfp_tree(root, subjects=6, expressions=("BR",)),
    "300w": trees_marks.w300_tree,
    "aflw": trees_marks.aflw_tree,
    "fpara": trees_marks.fpara_tree,
    "clips": trees_marks.clips_tree,
    "marked": trees_marks.marked_tree,
}
#: What is trained for each protocol, and settings beside those of all.
TRAININGS: dict[str, tuple[str, ...]] = {
    "aflfp": ("landmark_fcn",),
    "300w": ("landmark_fcn",),
    "aflw": ("landmark_fcn",),
    "marked": ("landmark_fcn",),
    "bp4d": ("algrnet",),
    "disfa": ("algrnet", "ovpm", "dvpm"),
    "disfa-plus": ("ovpm", "dvpm"),
    "fpara": ("algrnet",),
    "hb": ("hb_cascade",),
    "csv": ("algrnet", "hb_cascade"),
    "clips": ("ovpm", "dvpm"),
}
CPU = {"size": "tiny", "device": "cpu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tree by the name of its protocol."""
    root = tmp_path_factory.mktemp("trees")

    def of(protocol: str) -> Path:
        name = "fpara" if protocol == "hb" else protocol
        if not (root / name).is_dir():
            TREES[name](root / name)
        return root / name

    return of


@pytest.fixture(scope="module")
def models(data: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Networks trained for a protocol: a folder with one for each fold."""
    root = tmp_path_factory.mktemp("models")

    def of(protocol: str) -> Path:
        place = root / protocol
        for network in () if place.is_dir() else TRAININGS[protocol]:
            texts = ["recipe.epochs=1", "data.folds=2", "data.frames_per_video=3"]
            if protocol == "hb":
                texts.append(f"data.pretraining={data('aflw')}")
            settings = load_train_settings(network, "tiny", overrides=texts)
            train(
                network,
                data=data(protocol),
                run=root / "runs" / f"{network}-{protocol}",
                export_to=place,
                dataset="fpara" if protocol == "hb" else protocol,
                settings=settings,
                **CPU,  # type: ignore[arg-type]
            )
        return place

    return of


def request(protocol: str, data: Path | None, cache: Path, **more: object) -> Request:
    place = more.pop("models", None)
    execution = Execution(device="cpu", models_dir=place)  # type: ignore[arg-type]
    return Request(protocol, data, Settings(), execution, room=cache, **more)  # type: ignore[arg-type]


def ours(measured: Measured) -> list[tuple[str, str, tuple[float | None, ...]]]:
    """Table, row and values of everything that is ours."""
    return [
        (table.key, row.label, tuple(cell.value for cell in row.cells))
        for table in measured.tables
        for row in table.rows
        if row.origin == "ours"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_miniature_set_fills_its_paper_s_table(
    protocol: str, data: Callable[[str], Path], models: Callable[[str], Path], tmp_path: Path
) -> None:
    """Every kind that was trained for is measured on every label, and everything is written."""
    measured = evaluate_protocol(request(protocol, data(protocol), tmp_path / "crops", models=models(protocol)))
    answered = {part.kind for part, _ in measured.studies}
    trained = {kind for kind, own in KINDS.items() if set(own.networks) <= set(TRAININGS[protocol])}
    assert answered and answered <= trained | {"points"}
    for part, study in measured.studies:
        assert len(study.subjects) >= 3
        if part.paper is not None:
            (table,) = [table for table in measured.tables if table.key == part.paper.key]
            row = next(row for row in table.rows if row.origin == "ours")
            assert any(cell.value is not None and np.isfinite(cell.value) for cell in row.cells)
    page = measured.write(tmp_path / "out")
    names = {path.name for path in page.parent.iterdir()}
    assert {f"{protocol}.{kind}" for kind in ("md", "csv", "json", "tex")} <= names
    for part, _ in measured.studies:
        kept = read_predictions(page.parent / f"{protocol}-{part.kind}-predictions.csv")
        assert len(kept.keys) == len(measured.answers[part.kind][1].keys)


def test_every_adapter_has_a_protocol_and_a_tree() -> None:
    assert set(ADAPTERS) == set(TREES) == set(PROTOCOLS) - {"hb"}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_without_data_the_published_rows_stand_alone(protocol: str, tmp_path: Path) -> None:
    measured = evaluate_protocol(request(protocol, None, tmp_path))
    missing = [row for table in measured.tables for row in table.rows if row.origin == "not run"]
    assert not ours(measured) and all("--data" in row.note for row in missing)
    papers = [part.paper for part in PROTOCOLS[protocol] if part.paper is not None]
    assert {paper.key for paper in papers} <= {table.key for table in measured.tables}
    assert "palsy datasets show" in measured.markdown()


def test_another_program_s_answers_are_measured_like_ours(data: Callable[[str], Path], tmp_path: Path) -> None:
    """Labels given as answers are right everywhere; one answer less is an error, not a better mean."""
    faces = read_dataset("bp4d", data("bp4d"))
    keys = [(face.subject, face.sequence, face.frame) for face in faces.faces]
    labels = np.stack([np.asarray(face.left) for face in faces.faces])
    columns = [f"AU{au}" for au in faces.aus]
    file = write_predictions(tmp_path / "theirs.csv", keys, columns, np.nan_to_num(labels))
    measured = evaluate_protocol(request("bp4d", data("bp4d"), tmp_path, predictions=file))
    (row,) = [values for key, _, values in ours(measured) if key == "bp4d-f1"]
    known = [value for value in row if value is not None and np.isfinite(value)]
    assert known and all(value == pytest.approx(100) for value in known)
    write_predictions(file, keys[1:], columns, np.nan_to_num(labels)[1:])
    with pytest.raises(DatasetError, match=f"no prediction for {keys[0][0]}.*1 of {len(keys)}"):
        evaluate_protocol(request("bp4d", data("bp4d"), tmp_path, predictions=file))


def test_answers_of_others_are_intensities_or_probabilities(data: Callable[[str], Path], tmp_path: Path) -> None:
    """DISFA asks for both in the same columns; a file off the scale is an error that names it."""
    faces = read_dataset("disfa", data("disfa"))
    keys = [(face.subject, face.sequence, face.frame) for face in faces.faces]
    labels = np.stack([np.asarray(face.left) for face in faces.faces])
    columns = [f"AU{au}" for au in faces.aus]

    def measure(values: np.ndarray) -> Measured:
        file = write_predictions(tmp_path / "theirs.csv", keys, columns, values)
        return evaluate_protocol(request("disfa", data("disfa"), tmp_path, predictions=file))

    whole = measure(labels)
    assert {part.kind for part, _ in whole.studies} == {"presence", "intensity"}
    (errors,) = [values for key, _, values in ours(whole) if key == "dem-intensity"]
    assert errors[0] == 0
    sure = measure((labels >= faces.present_from).astype(float))
    assert {part.kind for part, _ in sure.studies} == {"presence"} and "taken as probabilities" in sure.markdown()
    f1 = [[values for key, _, values in ours(each) if key == "disfa-f1"] for each in (whole, sure)]
    assert f1[0] == f1[1]
    with pytest.raises(DatasetError, match=r"theirs\.csv: .*expected 0\.\.5"):
        measure(labels * 20)


@pytest.mark.slow
def test_nobody_is_tested_who_was_learned_from(
    data: Callable[[str], Path], models: Callable[[str], Path], tmp_path: Path
) -> None:
    """Weights remember their people: exchanged folds, and DISFA's people in DISFA+, are found out."""
    folder = tmp_path / "models"
    for mine, other in (("fold1", "fold2"), ("fold2", "fold1")):
        shutil.copytree(models("bp4d") / mine, folder / other)
    with pytest.raises(DatasetError, match="learned from .*, who is tested here"):
        evaluate_protocol(request("bp4d", data("bp4d"), tmp_path / "crops", models=folder))
    with pytest.raises(DatasetError, match="ovpm .* learned from SN0"):
        evaluate_protocol(
            request("disfa-plus", data("disfa-plus"), tmp_path / "more", models=models("disfa") / "fold1")
        )


@pytest.mark.slow
def test_weights_that_answer_something_else(
    models: Callable[[str], Path], data: Callable[[str], Path], tmp_path: Path
) -> None:
    """A set's only question unanswered is an error; one of several is a row that says why."""
    with pytest.raises(ModelError, match="palsy train algrnet --dataset bp4d"):
        evaluate_protocol(request("bp4d", data("bp4d"), tmp_path / "crops", models=models("disfa")))
    measured = evaluate_protocol(request("csv", data("csv"), tmp_path / "more", models=models("csv")))
    assert {part.kind for part, _ in measured.studies} == {"presence", "house_brackmann"}
    page = measured.markdown()
    assert "no model named 'landmark_fcn'" in page and "tells action units, not severity" in page


@pytest.mark.slow
def test_the_whole_product_is_measured_on_a_clinic_s_videos(data: Callable[[str], Path], tmp_path: Path) -> None:
    """Without folds a video goes the whole way of assess: grades, and the weaker side of each region."""
    root = tmp_path / "clinic"
    shutil.copytree(data("fpara"), root)
    films = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.mp4"))[:2]
    lines = [f"{film},p{n},{n + 1},none,{('none', 'left')[n]}" for n, film in enumerate(films)]
    (root / "labels.csv").write_text("\n".join(["file,subject,house_brackmann,weak_eyes,weak_mouth", *lines]) + "\n")
    measured = evaluate_protocol(request("csv", root, tmp_path / "crops", workers=1))
    assert {part.kind for part, _ in measured.studies} == {"severity", "house_brackmann", "signs"}
    (row,) = [values for key, label, values in ours(measured) if key == "dem-regions" and "macro" in label]
    assert row[0] is None or np.isnan(row[0])  # nobody judged the brows
    signs = measured.answers["signs"][1].values
    assert signs.shape == (2, 3) and set(np.unique(signs[np.isfinite(signs)])) <= {-1.0, 0.0, 1.0}


@pytest.mark.slow
def test_regions_of_the_face_are_measured_on_aflw(data: Callable[[str], Path], tmp_path: Path) -> None:
    measured = evaluate_protocol(request("aflw", data("aflw"), tmp_path / "crops"))
    (overlap,) = [values for key, _, values in ours(measured) if key == "overlap"]
    assert all(value is not None and 0 <= value <= 100 for value in overlap) and overlap[-2] > 20  # type: ignore[operator]
    assert any(table.key == "cen-segmentation" for table in measured.tables)


def test_unknown_protocol(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown protocol 'affectnet'"):
        evaluate_protocol(request("affectnet", None, tmp_path))


def test_a_reason_stands_in_every_table_of_a_part() -> None:
    for parts in PROTOCOLS.values():
        for part in parts:
            for table in part.tables(NotRun("because")):
                assert any("because" in row.note for row in table.rows if row.origin == "not run") or part.paper is None
