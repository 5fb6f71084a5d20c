"""What networks say of a data set's faces, as the studies that tables are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch

from palsy_cli import pipeline
from palsy_cli.config import Settings
from palsy_cli.datasets.faces import FaceDataset, LabelledFace
from palsy_cli.errors import ModelError, NoFaceError
from palsy_cli.evaluation.labels import SIGN_VALUES, Answers, key_of, presence_units, sequence_of
from palsy_cli.evaluation.metrics import confusion, rows_by_group
from palsy_cli.evaluation.predictions import FrameKey
from palsy_cli.evaluation.workers import Context
from palsy_cli.facs import columns_of
from palsy_cli.networks.algrnet import ALGRNet, fuse_softmax
from palsy_cli.networks.dem import DVPM, OVPM
from palsy_cli.networks.device import beside
from palsy_cli.networks.hb_cascade import HBCascade, fuse_log_softmax
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import FloatArray, HalfFaces
from palsy_cli.stages import alignment
from palsy_cli.stages.action_units import estimate_by_helpers
from palsy_cli.stages.grading import algr_alignment, algr_tensor, encoder_alignment, encoder_tensor
from palsy_cli.stages.halves import split_aligned
from palsy_cli.stages.regions import REGION_NAMES, region_masks
from palsy_cli.stages.symptoms import CLINICAL_REGIONS
from palsy_cli.training.prepare import FaceFinder, PreparedFaces, open_pictures
from palsy_cli.training.tasks.units import presence_of

#: Numbers of helper frames that the difference ensemble is tried with (DEM, figure 6).
HELPERS: tuple[int, ...] = tuple(range(7))
_BATCH = 16
#: Kinds that ``palsy assess`` answers together, and how many values each has.
ASSESSED: dict[str, int] = {"severity": 4, "house_brackmann": 6, "signs": len(CLINICAL_REGIONS)}


def find_points(faces: Sequence[LabelledFace], models: ModelSet, *, detecting: ModelSet) -> Answers:
    """(N, 136) points x_0.. then y_0.. in pixels of the picture, found from the picture alone.

    Where a picture shows several faces, the one nearest to the marked points is meant.

    Args:
        faces: whose pictures.
        models: the landmark network.
        detecting: the detector, which no data set trains.
    """
    finder = FaceFinder(detecting, landmarks=models)
    rows = np.full((len(faces), 136), np.nan)
    for index, _, image in open_pictures(list(enumerate(faces))):
        middle = np.nanmean(cast("FloatArray", faces[index].points), axis=0)
        found = finder.find(image, near=middle)
        if found is not None:
            rows[index] = found.T.ravel()
    return Answers(tuple(key_of(face) for face in faces), rows)


def find_presence(faces: FaceDataset, prepared: PreparedFaces, rows: Any, models: ModelSet) -> Answers:
    """(N, A) probability of each unit of the set; raises ModelError when the network does not know them."""
    network = cast("ALGRNet", models.get("algrnet").module)
    wanted = presence_units(faces)
    if network.mode != "au" or network.aus != wanted:
        asked = ", ".join(map(str, wanted))
        raise ModelError(
            f"{models.directory}: its algrnet does not tell the action units {asked}; train one with "
            f"palsy train algrnet --dataset {faces.name}"
        )
    found, _ = presence_of(network, prepared.samples, rows)
    return Answers(_keys(faces, prepared, rows), found)


def find_intensities(
    faces: FaceDataset, prepared: PreparedFaces, rows: Any, models: ModelSet, settings: Settings
) -> Answers:
    """(N, A) intensities of both sides, and with every number of helpers of ``HELPERS``.

    Helpers of a frame are the other key frames of its recording.
    """
    ovpm, dvpm = (cast("Any", models.get(name).module) for name in ("ovpm", "dvpm"))
    recordings = [rows[own] for own in rows_by_group(prepared.samples.episode[rows])]
    parts = [_intensities(prepared, own, faces.aus, ovpm, dvpm, settings) for own in recordings]
    found = {m: np.concatenate([part[m] for part in parts], axis=1) for m in parts[0]}
    left, right = found[settings.action_units.helpers]
    helped = {m: (found[m][0], found[m][1]) for m in HELPERS}
    return Answers(_keys(faces, prepared, np.concatenate(recordings)), left, right, helped)


def _intensities(
    prepared: PreparedFaces, rows: Any, aus: Sequence[int], ovpm: OVPM, dvpm: DVPM, settings: Settings
) -> dict[int, FloatArray]:
    """Number of helpers -> (2, K, A) left and right of one recording's key frames; NaN for units we do not know."""
    halves = _half_faces(prepared, rows)
    wanted = sorted({*HELPERS, settings.action_units.helpers})
    found = estimate_by_helpers(halves, ovpm, dvpm, settings.action_units, wanted, seed=settings.seed)
    return {
        m: np.stack([columns_of(side, units.aus, wanted=aus) for side in (units.left, units.right)])
        for m, units in found.items()
    }


def _half_faces(prepared: PreparedFaces, rows: Any) -> HalfFaces:
    size, samples = (alignment.ALIGNED_SIZE, alignment.ALIGNED_SIZE), prepared.samples
    matrices = [alignment.three_point_affine(alignment.stable_points(samples.points[row])) for row in rows]
    pairs = zip(rows, matrices, strict=True)
    return split_aligned(np.stack([alignment.warp(samples.images[row], matrix, size) for row, matrix in pairs]))


def grade_frames(faces: FaceDataset, prepared: PreparedFaces, rows: Any, models: ModelSet, network: str) -> Answers:
    """(V, C) probabilities of each of V videos or sequences from all its frames, fused as the network's paper does."""
    look, fuse = _GRADERS[network]
    keys, values = [], []
    for own in rows_by_group(prepared.samples.episode[rows]):
        parts = [rows[own][start : start + _BATCH] for start in range(0, len(own), _BATCH)]
        with torch.inference_mode():
            logits = torch.cat([look(models.get(network).module, prepared, part) for part in parts])
        values.append(fuse(logits).numpy())
        first = faces.faces[int(prepared.face[rows[own][0]])]
        keys.append(sequence_of(first))
    return Answers(tuple(keys), np.stack(values))


def _severity_logits(module: Any, prepared: PreparedFaces, rows: Any) -> torch.Tensor:
    network = cast("ALGRNet", module)
    if network.mode != "palsy":
        raise ModelError("this algrnet tells action units, not severity; train one on grades")
    crops = _crops(prepared, rows, lambda points: algr_alignment(points, crop=network.crop), network.crop)
    return cast("torch.Tensor", network(beside(network, algr_tensor(crops))).grade_logits).float().cpu()


def _house_brackmann_logits(module: Any, prepared: PreparedFaces, rows: Any) -> torch.Tensor:
    network = cast("HBCascade", module)
    side = network.input_size
    crops = _crops(prepared, rows, lambda points: encoder_alignment(points, size=side), side)
    return cast("torch.Tensor", network(beside(network, encoder_tensor(crops)))).float().cpu()


def _crops(prepared: PreparedFaces, rows: Any, matrix: Callable[[FloatArray], FloatArray], side: int) -> Any:
    samples = prepared.samples
    return np.stack([alignment.warp(samples.images[r], matrix(samples.points[r]), (side, side)) for r in rows])


_GRADERS: dict[
    str, tuple[Callable[[Any, PreparedFaces, Any], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]
] = {
    "algrnet": (_severity_logits, fuse_softmax),
    "hb_cascade": (_house_brackmann_logits, fuse_log_softmax),
}


def assess_video(face: LabelledFace, context: Context) -> dict[str, FloatArray]:
    """What ``palsy assess`` says of one video, by kind (``ASSESSED``); NaN where it says nothing."""
    try:
        found = pipeline.assess(face.path, settings=context.settings, models=context.models)
    except NoFaceError:
        return {kind: np.full(count, np.nan) for kind, count in ASSESSED.items()}
    sides = {region.region: region.weak_side for region in found.symptoms.regions}
    signs = [SIGN_VALUES.get(sides.get(region) or "", np.nan) for region in CLINICAL_REGIONS]
    chances = (found.grades.severity, found.grades.house_brackmann, tuple(signs))
    return {kind: _or_nan(own, count) for (kind, count), own in zip(ASSESSED.items(), chances, strict=True)}


def _or_nan(values: tuple[float, ...] | None, count: int) -> FloatArray:
    return np.full(count, np.nan) if values is None else np.array(values)


def segment(prepared: PreparedFaces, rows: Any, models: ModelSet) -> FloatArray:
    """(N, C, C) pixels of each region (``REGION_NAMES``), true ones down: E1 against the outlines of the 68 points."""
    cascade = cast("HBCascade", models.get("hb_cascade").module)
    side, classes = cascade.input_size, len(REGION_NAMES)
    counts = []
    for row in rows:
        points = prepared.samples.points[row]
        crop = _crops(prepared, [row], lambda own: encoder_alignment(own, size=side), side)
        with torch.inference_mode():
            said = cascade.encoder(beside(cascade, encoder_tensor(crop)))[0].argmax(1)[0].cpu().numpy()
        true = region_masks(alignment.transform_points(points, encoder_alignment(points, size=side)), (side, side))
        counts.append(confusion(true.ravel(), said.ravel(), classes=classes))
    return np.stack(counts).astype(float)


def _keys(faces: FaceDataset, prepared: PreparedFaces, rows: Any) -> tuple[FrameKey, ...]:
    return tuple(key_of(faces.faces[int(prepared.face[row])]) for row in rows)
