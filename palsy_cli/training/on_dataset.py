"""``palsy train --dataset``: the published recipes on the data sets that they were published for, fold by fold."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from torch import nn

from palsy_cli.datasets.catalogue import dataset_spec, folds_of, read_dataset
from palsy_cli.datasets.faces import FaceDataset
from palsy_cli.datasets.folds import Fold, check_apart, digests_of, without_test
from palsy_cli.errors import DatasetError, ModelError, UsageError
from palsy_cli.facs import columns_of
from palsy_cli.networks.algrnet_regions import KNOWN_AUS
from palsy_cli.networks.dem import OVPM
from palsy_cli.networks.hb_cascade import HBCascade
from palsy_cli.networks.manifest_file import read_manifest, update_manifest
from palsy_cli.networks.weights import ModelSet, find_models_dir, load_network
from palsy_cli.records import ALL_AUS, CORE_AUS
from palsy_cli.training.cards import write_card
from palsy_cli.training.jobs import Job, Trained, export
from palsy_cli.training.parallel import is_main, main_first
from palsy_cli.training.prepare import Preparation, PreparedFaces, prepare_faces
from palsy_cli.training.recipes import RECIPES
from palsy_cli.training.samples import CACHE_SIDE, FaceSamples
from palsy_cli.training.tasks.cascade import GraderTask, SegmentationTask
from palsy_cli.training.tasks.intensity import DifferenceValueTask, OriginalValueTask
from palsy_cli.training.tasks.landmarks import LandmarkTask
from palsy_cli.training.tasks.severity import SeverityTask
from palsy_cli.training.tasks.units import PresenceTask

#: Side in pixels of the crops from which half faces of the published size are cut.
_LARGE_SIDE = 2 * CACHE_SIDE
#: Header key of a weight file: digests of the ids of all people that it learned from.
PEOPLE_KEY = "people"


def train_on_dataset(job: Job, *, dataset: str, export_to: Path | None = None, start: Path | None = None) -> None:
    """Train one network on a data set: every fold in turn, in ``<run>/fold<k>``.

    With ``start`` there are no folds unless they are asked for: everybody is learned from, in the run's own folder, and
    the other networks of ``start`` are put beside the new one, so that the product can use the folder.

    Args:
        job: network, folder of the data set, folder of the run, size, budget (of all folds together), settings.
        dataset: name of its adapter.
        export_to: folder of models; every fold gets a folder ``fold<k>`` of its own in it. ``dvpm`` needs the OVPM of
            the same fold there.
        start: folder of models whose network the training begins with; its size is then that network's.

    Raises:
        UsageError: unknown data set, no such fold, or a network that does not learn from data sets.
        DatasetError: the data set is not whole or has not the labels that the network learns from.
        ModelError: ``dvpm`` without an OVPM, or no such network in ``start``.
    """
    if job.network not in _TRAINERS:
        raise UsageError(f"{job.network} learns from photos and backgrounds, not from {dataset}; leave --dataset out")
    before = {} if start is None else load_network(job.network, start).metadata
    if before:
        job = dataclasses.replace(job, size=before["size"])
    faces = read_dataset(dataset, job.data)
    check_labels(faces, job.network)
    prepared = prepare_for(faces, job.network, job)
    folds = chosen_folds(faces, job, whole=start is not None)
    for fold in folds:
        lesson = _of_fold(_Lesson(job, faces, prepared.of_fold(fold), export_to, start), fold, of=len(folds))
        trained = _TRAINERS[job.network](lesson)
        if lesson.place is not None:
            export(_remembering(trained, faces, fold, before), job.network, job.recipe(), lesson.place)
            if start is not None and is_main():
                copy_others(start, lesson.place, network=job.network)


def _remembering(trained: Trained, faces: FaceDataset, fold: Fold, before: Mapping[str, str]) -> Trained:
    """The same with what its header must say: on what and whom it learned, before (an older header) and now."""
    said = f"{dataset_spec(faces.name).title}, {f'all but fold {fold.number}' if len(fold.test) else 'all people'}"
    if before:
        said = f"{before['trained_on']}; then {said}"
    people = {faces.faces[row].subject for row in (*fold.training, *fold.validation)}
    known = digests_of(faces.name, people) | set(before.get(PEOPLE_KEY, "").split())
    return dataclasses.replace(trained, trained_on=said, extra=trained.extra | {PEOPLE_KEY: " ".join(sorted(known))})


def _of_fold(lesson: _Lesson, fold: Fold, *, of: int) -> _Lesson:
    """The same with the fold's own folders and its share of the minutes."""
    if not len(fold.test):
        return lesson
    job, name = lesson.job, f"fold{fold.number}"
    minutes = None if job.minutes is None else job.minutes / of
    return dataclasses.replace(
        lesson,
        job=dataclasses.replace(job, run=job.run / name, minutes=minutes),
        place=lesson.place and lesson.place / name,
    )


def copy_others(start: Path, folder: Path, *, network: str) -> None:
    """Put the other networks of ``start`` beside a new one, where there are none; a DVPM goes with its OVPM only."""
    present = {entry.name for entry in read_manifest(folder)}
    for entry in read_manifest(start):
        if entry.name not in present and {entry.network, network} != {"ovpm", "dvpm"}:
            shutil.copyfile(start / entry.file, folder / entry.file)
            update_manifest(folder, entry)
            write_card(folder, entry)


def chosen_folds(faces: FaceDataset, job: Job, *, whole: bool = False) -> tuple[Fold, ...]:
    """The folds to train; ``whole`` means one without a test unless the settings say otherwise.

    Raises:
        UsageError: a fold that does not exist.
        DatasetError: somebody is in training and in test.
    """
    data = job.settings.data
    count = data.folds or (1 if whole else RECIPES[job.network, "paper"].folds)
    if count == 1:
        return (without_test(faces),)
    folds = folds_of(faces, count=count, split=data.split, validation_fold=job.network == "hb_cascade")
    if data.fold > len(folds):
        raise UsageError(f"data.fold: there are {len(folds)} folds, not {data.fold}")
    if data.split == "subjects":
        for fold in folds:
            check_apart(faces, fold)
    return folds[data.fold - 1 : data.fold] if data.fold else folds


def check_labels(faces: FaceDataset, network: str) -> None:
    """Raise DatasetError unless the set has what the network learns from."""
    has = {
        "points": any(face.points is not None for face in faces.faces),
        "units": bool(faces.aus),
        "intensities": faces.has_intensities,
        "grades": any(face.grade is not None for face in faces.faces),
    }
    wanted = {
        "landmark_fcn": ("points",),
        "ovpm": ("intensities",),
        "dvpm": ("intensities",),
        "algrnet": ("units", "grades"),
        "hb_cascade": ("grades",),
    }[network]
    if not any(has[label] for label in wanted):
        raise DatasetError(f"{faces.root}: {faces.name} has no {' and no '.join(wanted)}, which {network} learns from")


def prepare_for(faces: FaceDataset, network: str, job: Job) -> PreparedFaces:
    """The crops that a network learns from, kept beside the run and shared by all folds."""
    ensemble = network in ("ovpm", "dvpm")
    preparation = Preparation(
        side=_LARGE_SIDE if ensemble and job.size == "paper" else CACHE_SIDE,
        keyframes=ensemble,
        frames_per_video=job.settings.data.frames_per_video,
    )
    models = ModelSet(find_models_dir()[0], device=job.device.type)
    cache = job.run.parent / preparation.folder(faces)
    with main_first():
        return prepare_faces(faces, cache, models=models, preparation=preparation, on_progress=job.on_progress)


def units_in_order(samples: FaceSamples, aus: tuple[int, ...]) -> FaceSamples:
    """The samples with the columns of ``aus``; NaN for units that the set does not know."""
    left, right = (
        columns_of(side, samples.aus, wanted=aus).astype(np.float32) for side in (samples.left, samples.right)
    )
    return dataclasses.replace(samples, left=left, right=right, aus=aus)


@dataclass(frozen=True)
class _Lesson:
    """One fold's training: the job, the data set, its samples, the folder of models, where it begins."""

    job: Job
    faces: FaceDataset
    samples: FaceSamples
    place: Path | None
    start: Path | None

    def begin(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """The network to train and the arguments that differ from its size's: those given, changed by the settings.

        One that was trained before comes as it is, with its normalisation fixed: a few faces would spoil that.
        """
        if self.start is None:
            name = self.job.network
            return self.job.build(name, **arguments), arguments | self.job.arguments(name)
        loaded = load_network(self.job.network, self.start)
        loaded.module.requires_grad_(True)
        for layer in loaded.module.modules():
            if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d):
                layer.requires_grad_(False)
        return loaded.module, loaded.config


def _train_landmarks(lesson: _Lesson) -> Trained:
    """As published; a network that was trained before is trained on as ours are."""
    recipe = lesson.job.recipe(name="landmark_finetune" if lesson.start else None)
    network, config = lesson.begin()
    task = LandmarkTask(network, lesson.samples, batch_size=recipe.loaded_batch, literal=lesson.start is None)
    return Trained(network, lesson.job.fit(task, recipe), config=config)


def _train_ovpm(lesson: _Lesson) -> Trained:
    recipe = lesson.job.recipe()
    network, config = lesson.begin(aus=len(_ensemble_units(lesson.samples)))
    samples = units_in_order(lesson.samples, ALL_AUS[: network.aus])
    task = OriginalValueTask(network, samples, batch_size=recipe.loaded_batch)
    return Trained(network, lesson.job.fit(task, recipe), config=config)


def _train_dvpm(lesson: _Lesson) -> Trained:
    if lesson.place is None:
        raise ModelError("dvpm: name the folder that holds the OVPM of every fold with --export DIR; train ovpm first")
    loaded = load_network("ovpm", lesson.place)
    ovpm, recipe = cast("OVPM", loaded.module), lesson.job.recipe()
    network, config = lesson.begin(aus=ovpm.aus, displacement=False)
    samples = units_in_order(lesson.samples, ALL_AUS[: ovpm.aus])
    task = DifferenceValueTask(ovpm, network, samples, batch_size=recipe.loaded_batch)
    metrics = lesson.job.fit(task, recipe)
    return Trained(network, metrics, config=config, extra={"ovpm_sha256": loaded.card.sha256})


def _ensemble_units(samples: FaceSamples) -> tuple[int, ...]:
    """The twelve units, and the two further channels where the set has labels of them."""
    return ALL_AUS if set(ALL_AUS) <= set(samples.aus) else CORE_AUS


def _train_algrnet(lesson: _Lesson) -> Trained:
    """On action units where the set has them, else on grades; ``network.mode`` decides where it has both."""
    mode = lesson.job.settings.network.get("mode", "au" if lesson.faces.aus else "palsy")
    return _train_units(lesson) if mode == "au" else _train_severity(lesson)


def _train_units(lesson: _Lesson) -> Trained:
    recipe = lesson.job.recipe(name="algrnet_au")
    known = lesson.faces.aus
    network, config = lesson.begin(mode="au", aus=tuple(au for au in known if au in KNOWN_AUS), sides_apart=False)
    task = PresenceTask(
        network,
        lesson.samples,
        columns=[known.index(au) for au in network.aus],
        present_from=lesson.faces.present_from,
        batch_size=recipe.loaded_batch,
        literal=True,
    )
    return Trained(network, lesson.job.fit(task, recipe), config=config)


def _train_severity(lesson: _Lesson) -> Trained:
    recipe = lesson.job.recipe()
    network, config = lesson.begin(mode="palsy")
    task = SeverityTask(network, lesson.samples, batch_size=recipe.loaded_batch, literal=True)
    return Trained(network, lesson.job.fit(task, recipe), config=config)


def _train_cascade(lesson: _Lesson) -> Trained:
    """Stage A: E1 segments faces of AFLW (if named), then those of this set. Stage B: E2 grades, E1 frozen.

    The ablation ``network.end_to_end=true`` has no stage A: both encoders learn from the grades alone.
    """
    job, samples = lesson.job, lesson.samples
    network, config = lesson.begin()
    segmented: dict[str, float] = {}
    if not network.end_to_end and lesson.start is None:
        network.encoder.requires_grad_(True)
        if job.settings.data.pretraining:
            _segment(job, network, _faces_at_large(lesson), "hb_pretraining")
        segmented = {"segmentation_miou": _segment(job, network, samples, "hb_segmentation")["miou"]}
        network.encoder.requires_grad_(False)
    recipe = job.recipe()
    task = GraderTask(network, samples, batch_size=recipe.loaded_batch, literal=True)
    return Trained(network, job.fit(task, recipe) | segmented, config=config)


def _segment(job: Job, network: HBCascade, samples: FaceSamples, name: str) -> dict[str, float]:
    recipe = job.recipe(name=name)
    task = SegmentationTask(network.encoder, samples, size=network.input_size, batch_size=recipe.loaded_batch)
    return job.fit(task, recipe, folder=name.removeprefix("hb_"))


def _faces_at_large(lesson: _Lesson) -> FaceSamples:
    """AFLW's faces, some of its people held out; the crops lie beside the run of all folds."""
    job = lesson.job
    faces = read_dataset("aflw", Path(job.settings.data.pretraining))
    return prepare_for(faces, "hb_cascade", dataclasses.replace(job, run=job.run.parent)).of_fold(without_test(faces))


_TRAINERS: dict[str, Callable[[_Lesson], Trained]] = {
    "landmark_fcn": _train_landmarks,
    "ovpm": _train_ovpm,
    "dvpm": _train_dvpm,
    "algrnet": _train_algrnet,
    "hb_cascade": _train_cascade,
}
