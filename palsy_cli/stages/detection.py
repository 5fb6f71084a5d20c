"""Faces in single pictures: box, score and five points.

Every picture is looked at twice, as it is and in the mirror, and the two answers are averaged. A network
treats left and right slightly differently; the difference would show as an asymmetry that the patient
does not have. Averaged, the mirrored picture gives exactly the mirrored faces: a flipped video must give the same
assessment with left and right exchanged.
"""

from __future__ import annotations

import importlib
import itertools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np
import torch
from torch.nn import functional

from palsy_cli.errors import ModelError
from palsy_cli.networks import retinaface
from palsy_cli.networks.batches import Batches
from palsy_cli.networks.device import autocast
from palsy_cli.networks.retinaface import RetinaFace, anchors, decode, nms
from palsy_cli.points import MIRROR_5
from palsy_cli.records import ByteImage, FloatArray, require_shape
from palsy_cli.stages import alignment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from torch import Tensor

    from palsy_cli.config import FaceSettings
    from palsy_cli.networks.weights import ModelSet

#: Two detections, one of the picture and one of its mirror image, are the same face above this IoU.
SAME_FACE_IOU = 0.5
#: A face that only one of the two shows keeps this share of its score.
ONE_VIEW_SHARE = 0.5
#: Best-scored boxes of a view that enter non-maximum suppression.
MAX_CANDIDATES = 200
#: The network's coarsest stride; pictures are padded to multiples of it.
PAD_MULTIPLE = 32


@dataclass(frozen=True)
class Detections:
    """The D faces of one picture, best score first, in its pixels (pixel centres at integers).

    Attributes:
        boxes: (D, 4) ``x1, y1, x2, y2``; may reach beyond the picture.
        points: (D, 5, 2) patient's right eye, left eye, nose tip, right and left mouth corner.
        scores: (D,) 0..1.
    """

    boxes: FloatArray
    points: FloatArray
    scores: FloatArray

    def __post_init__(self) -> None:
        """Check the shapes; raises ``ValueError``."""
        d = len(self.scores)
        require_shape("Detections.boxes", self.boxes, (d, 4))
        require_shape("Detections.points", self.points, (d, 5, 2))
        require_shape("Detections.scores", self.scores, (d,))

    def __len__(self) -> int:
        """The number of faces."""
        return len(self.scores)

    def take(self, rows: Any) -> Detections:
        """Some of the faces, by index or mask."""
        return Detections(self.boxes[rows], self.points[rows], self.scores[rows])

    def rescaled(self, size: tuple[int, int], *, seen: tuple[int, int]) -> Detections:
        """In pixels of a picture of ``size`` (height, width), found in a version scaled to ``seen``."""
        scale = np.array([size[1] / seen[1], size[0] / seen[0]])
        points = (self.points + 0.5) * scale - 0.5
        return Detections((self.boxes + 0.5) * np.tile(scale, 2) - 0.5, points, self.scores)

    def mirrored(self, width: int) -> Detections:
        """The same faces in the mirror image of a picture of that width in pixels."""
        boxes, points = self.boxes.copy(), self.points[:, MIRROR_5]
        boxes[:, [0, 2]] = width - 1 - self.boxes[:, [2, 0]]
        points[..., 0] = width - 1 - points[..., 0]
        return Detections(boxes, points, self.scores)


class Detector(Protocol):
    """Anything that finds faces."""

    def detect(self, images: Sequence[ByteImage]) -> list[Detections]:
        """Find the faces of each (H, W, 3) RGB picture."""
        ...


def choose_detector(models: ModelSet, settings: FaceSettings) -> Detector:
    """The detector that ``settings.detector`` names; raises ModelError when its weights are missing."""
    if settings.detector == "retina-face":
        return RetinaFacePackage(settings)
    network: Any = models.get("retinaface").module
    return OwnDetector(network, settings, device=models.device)


class OwnDetector:
    """The RetinaFace of this package.

    Args:
        network: in evaluation mode, on ``device``.
        settings: ``detect_side_px``, ``min_confidence`` and ``nms_iou`` apply.
        device: a PyTorch device name.
    """

    def __init__(self, network: RetinaFace, settings: FaceSettings, *, device: str = "cpu") -> None:
        self.network, self.settings, self.device = network, settings, device
        self._batches = Batches()

    def detect(self, images: Sequence[ByteImage]) -> list[Detections]:
        """Find the faces of each (H, W, 3) RGB uint8 picture, left and right treated alike.

        ``min_confidence`` applies to the better of the two views. A face that only one of them shows is kept
        with half its score.
        """
        views = [view for image in images for view in _two_views(image, self.settings.detect_side_px)]
        found = self._detect_views(views)
        return [
            _join(image, found[2 * i], found[2 * i + 1], seen=views[2 * i].shape[:2], settings=self.settings)
            for i, image in enumerate(images)
        ]

    def _detect_views(self, views: Sequence[ByteImage]) -> list[Detections]:
        """Faces of each scaled picture, in its own pixels; views of one size go through together."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for i, view in enumerate(views):
            by_shape.setdefault(view.shape, []).append(i)
        found: dict[int, Detections] = {}
        for rows in by_shape.values():
            found |= zip(rows, self._in_batches([views[i] for i in rows]), strict=True)
        return [found[i] for i in range(len(views))]

    def _in_batches(self, views: Sequence[ByteImage]) -> Iterator[Detections]:
        """Faces of pictures of one size."""
        looks = self._batches.over(len(views), lambda part: self._forward(np.stack(views[part])))
        return itertools.chain.from_iterable(looks)

    @torch.inference_mode()
    def _forward(self, batch: ByteImage) -> list[Detections]:
        """Faces of N pictures (N, H, W, 3) of one size."""
        x = self.network.preprocess(torch.from_numpy(batch).to(self.device))
        # After the mean is taken off, zeros are neutral grey.
        x = functional.pad(x, (0, -x.shape[3] % PAD_MULTIPLE, 0, -x.shape[2] % PAD_MULTIPLE))
        with autocast(self.device):
            boxes_raw, logits, points_raw = self.network(x)
        places = anchors(*x.shape[2:], device=self.device)
        if len(places) != boxes_raw.shape[1]:  # only the best are decoded: others would not be missed
            raise ValueError(f"the network answers for {boxes_raw.shape[1]} anchors, there are {len(places)}")
        scores = logits.float().softmax(dim=-1)[..., 1]
        return [self._select(*one, places) for one in zip(boxes_raw, points_raw, scores, strict=True)]

    def _select(self, boxes_raw: Tensor, points_raw: Tensor, scores: Tensor, places: Tensor) -> Detections:
        """Best of A anchors' faces. Half the wanted score is enough here: the other view may be surer."""
        best = scores.topk(min(MAX_CANDIDATES, len(scores))).indices
        best = best[scores[best] >= self.settings.min_confidence / 2]
        boxes, points = decode(boxes_raw[best].float(), points_raw[best].float(), places[best])
        keep = nms(boxes, scores[best], max_iou=self.settings.nms_iou)
        arrays = (x[keep].double().cpu().numpy() for x in (boxes, points, scores[best]))
        return Detections(*arrays)


class RetinaFacePackage:
    """The PyPI package ``retina-face`` (ResNet-50), used only on request.

    The package would fetch its weights by itself. Here nothing goes to the network, so they must be in place.

    Args:
        settings: as for ``OwnDetector``.

    Raises:
        ModelError: the package or its weights are not there.
    """

    def __init__(self, settings: FaceSettings) -> None:
        self.settings = settings
        self._package = _import_package()
        self._model = self._package.build_model()

    def detect(self, images: Sequence[ByteImage]) -> list[Detections]:
        """Find the faces of each (H, W, 3) RGB uint8 picture, as ``OwnDetector.detect`` does."""
        return [self._detect_one(image) for image in images]

    def _detect_one(self, image: ByteImage) -> Detections:
        plain, mirror = _two_views(image, self.settings.detect_side_px)
        found = [self._detect_view(view) for view in (plain, mirror)]
        return _join(image, *found, seen=plain.shape[:2], settings=self.settings)

    def _detect_view(self, view: ByteImage) -> Detections:
        answer = self._package.detect_faces(
            np.ascontiguousarray(view[..., ::-1]),  # the package wants BGR
            threshold=self.settings.min_confidence / 2,
            model=self._model,
            allow_upscaling=False,
        )
        faces = list(answer.values()) if isinstance(answer, dict) else []
        return Detections(
            boxes=np.array([face["facial_area"] for face in faces], float).reshape(-1, 4),
            points=np.array([_patient_side(face["landmarks"]) for face in faces], float).reshape(-1, 5, 2),
            scores=np.array([face["score"] for face in faces], float).reshape(-1),
        )


def _import_package() -> ModuleType:
    """The ``retinaface`` package with its weights in place; raises ``ModelError``."""
    home = Path(os.environ.get("DEEPFACE_HOME", str(Path.home())))
    weights = home / ".deepface" / "weights" / "retinaface.h5"
    try:
        package = importlib.import_module("retinaface.RetinaFace")
    except (ImportError, ValueError) as error:  # it raises ValueError where tf-keras is missing
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ModelError(
            f"detector retina-face: the package cannot be imported ({reason}); run "
            "pip install 'palsy-cli[retina-face]' or use --set face.detector=own"
        ) from error
    if not weights.is_file():
        raise ModelError(
            f"detector retina-face: {weights} is missing; put the package's retinaface.h5 there (the package "
            "downloads it only when you run it yourself) or use --set face.detector=own"
        )
    return package


def _patient_side(landmarks: dict[str, Any]) -> FloatArray:
    """The package's points in our order, (5, 2).

    Whose right ``right_eye`` is, the package does not promise. The picture is unmirrored, so the side further
    image-left is the patient's right; eye and mouth corner are judged together: one says little in profile.
    """
    names = ("right_eye", "left_eye", "nose", "mouth_right", "mouth_left")
    points = np.array([landmarks[name] for name in names], float)
    swapped = points[[0, 3], 0].sum() > points[[1, 4], 0].sum()
    return points[MIRROR_5] if swapped else points


def _two_views(image: ByteImage, side_px: int) -> tuple[ByteImage, ByteImage]:
    """A picture and its mirror image, scaled so that the longest side is ``side_px``.

    The mirror image is scaled by itself: scaling first would round differently and break the exact symmetry. Only
    halves of even sides are the same either way, and much faster.
    """
    require_shape("image", image, (None, None, 3))
    while max(image.shape) >= 2 * side_px and not (image.shape[0] % 2 or image.shape[1] % 2):
        image = alignment.halve(image)
    height, width = image.shape[:2]
    scale = side_px / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    plain, mirror = (
        np.asarray(cv2.resize(view, size, interpolation=method), np.uint8)
        for view in (np.ascontiguousarray(image), cv2.flip(image, 1))
    )
    return plain, mirror


def _join(
    image: ByteImage, plain: Detections, mirror: Detections, *, seen: tuple[int, ...], settings: FaceSettings
) -> Detections:
    """One answer, in pixels of ``image``, from those of its two views of size ``seen`` (height, width)."""
    height, width = image.shape[:2]
    first, second = (found.rescaled((height, width), seen=(seen[0], seen[1])) for found in (plain, mirror))
    joined = merge_views(first, second.mirrored(width), min_confidence=settings.min_confidence)
    keep = nms(torch.from_numpy(joined.boxes), torch.from_numpy(joined.scores), max_iou=settings.nms_iou)
    return joined.take(keep.numpy())


def merge_views(first: Detections, second: Detections, *, min_confidence: float) -> Detections:
    """Average the faces that two views share; symmetric in both.

    Pairs are made by falling overlap, each face once, down to ``SAME_FACE_IOU``. A face without a partner
    keeps ``ONE_VIEW_SHARE`` of its score. A face whose score comes out below ``min_confidence`` is dropped: what one
    view is sure of and its mirror image is not (letters, folds of cloth) is hardly a face.
    """
    overlap = box_iou(first.boxes, second.boxes)
    alone, alone_too = set(range(len(first))), set(range(len(second)))
    pairs: list[tuple[int, int]] = []
    for flat in np.argsort(-overlap, axis=None, kind="stable"):
        i, j = (int(k) for k in np.unravel_index(flat, overlap.shape))
        if overlap[i, j] > SAME_FACE_IOU and i in alone and j in alone_too:
            pairs.append((i, j))
            alone.remove(i)
            alone_too.remove(j)
    one, two = first.take([i for i, _ in pairs]), second.take([j for _, j in pairs])
    rest = [first.take(sorted(alone)), second.take(sorted(alone_too))]
    merged = Detections(
        np.concatenate([(one.boxes + two.boxes) / 2, *(view.boxes for view in rest)]),
        np.concatenate([(one.points + two.points) / 2, *(view.points for view in rest)]),
        np.concatenate([(one.scores + two.scores) / 2, *(view.scores * ONE_VIEW_SHARE for view in rest)]),
    )
    merged = merged.take(merged.scores >= min_confidence)
    # Equal scores are ordered by height in the picture, which a mirror does not change.
    return merged.take(np.lexsort((merged.boxes[:, 3], merged.boxes[:, 1], -merged.scores)))


def box_iou(first: FloatArray, second: FloatArray) -> FloatArray:
    """Intersection over union (D, M) of boxes (D, 4) and (M, 4)."""
    return np.asarray(retinaface.box_iou(torch.from_numpy(first), torch.from_numpy(second)).numpy())
