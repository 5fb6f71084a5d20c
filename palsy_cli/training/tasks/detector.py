"""Training of the face detector on composed scenes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from palsy_cli.networks.device import beside
from palsy_cli.networks.retinaface import RetinaFace, anchors, decode, multibox_loss, nms
from palsy_cli.records import ByteImage
from palsy_cli.stages.detection import box_iou
from palsy_cli.training.batches import own_stretch
from palsy_cli.training.prefetch import prefetch
from palsy_cli.training.scenes import Portrait, Scene, draw_scene

SCENE_SIDE = 224


class DetectorTask:
    """RetinaFace (RetinaFace paper, eq. 1) on scenes made from photos and drawn people."""

    score_name = "recall"

    def __init__(
        self,
        module: RetinaFace,
        *,
        training: list[Portrait],
        held_out: list[Portrait],
        backgrounds: list[ByteImage],
        batch_size: int,
        steps_per_epoch: int,
    ) -> None:
        self.module, self.training, self.backgrounds = module, training, backgrounds
        self.batch_size, self.steps_per_epoch = batch_size, steps_per_epoch
        self.anchors = anchors(SCENE_SIDE, SCENE_SIDE)
        rng = np.random.default_rng(1)
        self.check = [draw_scene(held_out, backgrounds, rng=rng, side=SCENE_SIDE) for _ in range(160)]

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """``(images (B, 224, 224, 3) uint8, list of boxes, list of points)``."""
        own = own_stretch(rng)
        return prefetch(self._batch(own) for _ in range(self.steps_per_epoch))

    def _batch(self, rng: np.random.Generator) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        return _stack(
            [draw_scene(self.training, self.backgrounds, rng=rng, side=SCENE_SIDE) for _ in range(self.batch_size)]
        )

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """Multi-box loss of one batch."""
        images, boxes, points = batch
        outputs = self.module(self.module.preprocess(images))
        return multibox_loss(outputs, self.anchors.to(images.device), boxes, points)

    def validate(self) -> dict[str, float]:
        """Recall at IoU 0.5, precision, and five-point error in percent of the eye distance, on held-out people."""
        found = faces = hits = 0
        errors: list[float] = []
        for start in range(0, len(self.check), 16):
            scenes = self.check[start : start + 16]
            images, _, _ = _stack(scenes)
            outputs = self.module(self.module.preprocess(beside(self.module, images)))
            raw_boxes, logits, raw_points = (x.float().cpu() for x in outputs)
            for i, scene in enumerate(scenes):
                scores = logits[i].softmax(-1)[:, 1]
                sure = scores > 0.6
                boxes, points = decode(raw_boxes[i][sure], raw_points[i][sure], self.anchors[sure])
                kept = nms(boxes, scores[sure], max_iou=0.4)
                found, faces = found + len(kept), faces + len(scene.boxes)
                for box, five in zip(scene.boxes, scene.points, strict=True):
                    overlap = box_iou(boxes[kept].numpy(), box[None])[:, 0]
                    if len(overlap) and overlap.max() >= 0.5:
                        hits += 1
                        guess = points[kept[int(overlap.argmax())]].numpy().reshape(5, 2)
                        eye = float(np.hypot(*(five[1] - five[0])))
                        errors.append(100 * float(np.hypot(*(guess - five).T).mean()) / max(eye, 1e-6))
        return {
            "recall": hits / max(faces, 1),
            "precision": hits / max(found, 1),
            "point_error_percent": float(np.median(errors)) if errors else float("nan"),
        }

    def better(self, new: float, old: float) -> bool:
        """A later epoch wins a tie: its points are finer."""
        return new >= old


def _stack(scenes: list[Scene]) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    return (
        torch.from_numpy(np.stack([scene.image for scene in scenes])),
        [torch.from_numpy(scene.boxes).float() for scene in scenes],
        [torch.from_numpy(scene.points).float() for scene in scenes],
    )
