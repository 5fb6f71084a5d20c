"""``palsy train``: put data, network, task and recipe of one name together, fit, and export the best weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch

from palsy_cli.console import ProgressCallback
from palsy_cli.datasets.people import is_held_out_drawing, read_photos, read_rig, require_data
from palsy_cli.errors import UsageError
from palsy_cli.networks.algrnet import ALGRNet
from palsy_cli.networks.dem import DVPM, OVPM
from palsy_cli.networks.device import choose_device, keep_freed_memory
from palsy_cli.networks.hb_cascade import HBCascade, HouseBrackmannGrader
from palsy_cli.networks.landmark_fcn import CascadedFCN
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.networks.retinaface import RetinaFace
from palsy_cli.networks.weights import find_models_dir, list_models, load_network
from palsy_cli.training.cards import TRAINED_ON_PORTRAITS
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.jobs import Job, Trained, export
from palsy_cli.training.on_dataset import train_on_dataset
from palsy_cli.training.parallel import start as start_processes
from palsy_cli.training.samples import DRAWN_PEOPLE
from palsy_cli.training.scenes import Portrait, drawn_portraits, make_portrait, read_backgrounds
from palsy_cli.training.settings import TrainSettings
from palsy_cli.training.tasks.cascade import GraderTask, SegmentationTask
from palsy_cli.training.tasks.detector import DetectorTask
from palsy_cli.training.tasks.difference import DifferenceTask, Pair
from palsy_cli.training.tasks.landmarks import LandmarkTask
from palsy_cli.training.tasks.severity import SeverityTask
from palsy_cli.training.transfer import start_from_landmarks

#: Share of the minutes of ``hb_cascade`` that its first stage gets.
_SEGMENTATION_SHARE = 0.5
_DETECTOR_STEPS = 120
#: All networks in the order in which they build on each other, and their shares of a common budget.
SHARES: dict[str, float] = {
    "landmark_fcn": 0.22,
    "retinaface": 0.18,
    "ovpm": 0.14,
    "dvpm": 0.16,
    "hb_cascade": 0.18,
    "algrnet": 0.12,
}


def train(
    network: str,
    *,
    data: Path,
    run: Path,
    size: str = "compact",
    minutes: float | None = None,
    resume: bool = False,
    device: str = "auto",
    export_to: Path | None = None,
    dataset: str | None = None,
    start: Path | None = None,
    settings: TrainSettings | None = None,
    on_progress: ProgressCallback | None = None,
) -> Path:
    """Train one network and, if asked, add it to a folder of models.

    Args:
        network: name in the registry. ``dvpm`` needs an exported ``ovpm`` in ``export_to`` (or the product's models).
        data: folder with photos/, rig/ and backgrounds/, or of the data set.
        run: folder of the run; simulated faces are kept beside it and shared between runs.
        size: ``compact``, ``paper`` or ``tiny``.
        minutes: budget; the learning rate reaches its end within it.
        resume: continue the run.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        export_to: folder of models.
        dataset: train on this data set instead (``training.on_dataset``).
        start: folder of models to begin with, on a data set.
        settings: changes of recipe and network, and how a data set is dealt.
        on_progress: told stage, steps done, steps in all.

    Returns:
        The run's folder.

    Raises:
        UsageError: unknown network or device, or the folder holds another run.
        DatasetError: the data folder is not complete.
        ModelError: ``dvpm`` without an OVPM.
    """
    if network not in NETWORKS:
        raise UsageError(f"unknown network {network!r}; known: {', '.join(NETWORKS)}")
    cv2.setNumThreads(1)  # the loader's thread must not fight the network's
    keep_freed_memory()
    torch.manual_seed(0)
    chosen = start_processes(choose_device(device))
    job = Job(network, data, Path(run), size, minutes, resume, chosen, on_progress, settings or TrainSettings())
    if dataset is not None:
        train_on_dataset(job, dataset=dataset, export_to=export_to, start=start)
        return job.run
    require_data(data)
    trained = _TRAINERS[network](job, export_to)
    if export_to is not None:
        changed = dataclasses.replace(trained, config=trained.config | job.arguments(network))
        export(changed, network, job.recipe(), export_to)
    return job.run


def train_all(
    *,
    data: Path,
    runs: Path,
    size: str = "compact",
    minutes: float | None = None,
    resume: bool = False,
    device: str = "auto",
    export_to: Path | None,
    on_progress: ProgressCallback | None = None,
) -> None:
    """Train every network in the order in which they build on each other; the rest is as for ``train``.

    Args:
        data: folder with photos/, rig/ and backgrounds/.
        runs: folder of the runs ``<network>-<size>`` and their common samples.
        size: ``compact``, ``paper`` or ``tiny``.
        minutes: budget of all together, dealt by ``SHARES``.
        resume: continue where a run of all was cut; finished networks are exported as they are.
        device: ``auto``, ``cpu``, ``cuda`` or ``mps``.
        export_to: folder of models; later networks start from earlier ones in it.
        on_progress: told stage, steps done, steps in all.

    Raises:
        UsageError: no folder of models; otherwise as ``train``.
    """
    if export_to is None:
        raise UsageError("train all: name a folder for the models with --export DIR; the networks build on each other")
    for network, share in SHARES.items():
        train(
            network,
            data=data,
            run=runs / f"{network}-{size}",
            size=size,
            minutes=None if minutes is None else minutes * share,
            resume=resume,
            device=device,
            export_to=export_to,
            on_progress=on_progress,
        )


def _train_detector(job: Job, _: Path | None) -> Trained:
    rig = read_rig(job.data)
    photos = read_photos(job.data)
    groups: dict[bool, list[Portrait]] = {True: [], False: []}
    for photo in photos:
        groups[photo.held_out].append(make_portrait(photo.read(), photo.points, photo.points[rig.index68]))
    drawn = range(len(photos), len(photos) + DRAWN_PEOPLE)
    for seed, portrait in zip(drawn, drawn_portraits(drawn, rng=np.random.default_rng(0)), strict=True):
        groups[is_held_out_drawing(seed)].append(portrait)
    recipe = job.recipe()
    task = DetectorTask(
        cast("RetinaFace", job.build("retinaface")),
        training=groups[False],
        held_out=groups[True],
        backgrounds=read_backgrounds(job.data / "backgrounds"),
        batch_size=recipe.loaded_batch,
        steps_per_epoch=_DETECTOR_STEPS,
    )
    metrics = job.fit(task, recipe)
    return Trained(task.module, metrics, TRAINED_ON_PORTRAITS)


def _train_landmarks(job: Job, _: Path | None) -> Trained:
    recipe = job.recipe()
    network = cast("CascadedFCN", job.build("landmark_fcn"))
    task = LandmarkTask(network, job.samples(), batch_size=recipe.loaded_batch, literal=job.size == "paper")
    return Trained(network, job.fit(task, recipe))


def _train_ovpm(job: Job, export_to: Path | None) -> Trained:
    """Stage one. A DVPM learns along as companion: it makes the OVPM's maps comparable between frames.

    Below the paper's size the encoder starts from the landmark network's, when that is among the models.
    """
    recipe = job.recipe()
    ovpm, companion = cast("OVPM", job.build("ovpm")), cast("DVPM", job.build("dvpm"))
    _start(ovpm, job, export_to)
    task = DifferenceTask(ovpm, companion, job.samples(), batch_size=recipe.loaded_batch, freeze_ovpm=False)
    return Trained(ovpm, job.fit(task, recipe))


def _start(network: OVPM | HouseBrackmannGrader, job: Job, export_to: Path | None) -> None:
    """Begin at the landmark network's encoder where the paper's size does not ask for another beginning."""
    models = export_to or find_models_dir()[0]
    if job.size != "paper" and any(m.name == "landmark_fcn" and m.present for m in list_models(models)):
        start_from_landmarks(network, cast("CascadedFCN", load_network("landmark_fcn", models).module))


def _train_dvpm(job: Job, export_to: Path | None) -> Trained:
    """Stage two: the exported OVPM is frozen; its digest goes into the DVPM's header."""
    loaded = load_network("ovpm", export_to or find_models_dir()[0])
    recipe, ovpm, dvpm = job.recipe(), cast("OVPM", loaded.module), cast("DVPM", job.build("dvpm"))
    companion = RunFolder(job.run.parent / f"ovpm-{job.size}")
    if companion.best.exists():
        companion.load_best(Pair(cast("OVPM", job.build("ovpm")), dvpm))
    task = DifferenceTask(ovpm, dvpm, job.samples(), batch_size=recipe.loaded_batch, freeze_ovpm=True)
    if not companion.best.exists():
        task.measure_taps()
    metrics = job.fit(task, recipe)
    return Trained(dvpm, metrics, extra={"ovpm_sha256": loaded.card.sha256})


def _train_severity(job: Job, _: Path | None) -> Trained:
    recipe = job.recipe()
    network = cast("ALGRNet", job.build("algrnet", mode="palsy"))
    task = SeverityTask(network, job.samples(), batch_size=recipe.loaded_batch)
    return Trained(network, job.fit(task, recipe), config={"mode": "palsy"})


def _train_cascade(job: Job, export_to: Path | None) -> Trained:
    """Stage A trains E1 on segmentation, stage B the grader on the frozen E1.

    Below the paper's size the grader starts from the landmark network's encoder, when that is among the models.
    """
    network = cast("HBCascade", job.build("hb_cascade"))
    _start(network.grader, job, export_to)
    samples = job.samples()
    recipe = job.recipe(name="hb_segmentation", share=_SEGMENTATION_SHARE)
    network.encoder.requires_grad_(True)
    first = SegmentationTask(network.encoder, samples, size=network.input_size, batch_size=recipe.loaded_batch)
    segmented = job.fit(first, recipe, folder="segmentation")
    network.encoder.requires_grad_(False)
    recipe = job.recipe(share=1 - _SEGMENTATION_SHARE)
    task = GraderTask(network, samples, batch_size=recipe.loaded_batch)
    return Trained(network, job.fit(task, recipe) | {"segmentation_miou": segmented["miou"]})


_TRAINERS: dict[str, Callable[[Job, Path | None], Trained]] = {
    "retinaface": _train_detector,
    "landmark_fcn": _train_landmarks,
    "ovpm": _train_ovpm,
    "dvpm": _train_dvpm,
    "algrnet": _train_severity,
    "hb_cascade": _train_cascade,
}
