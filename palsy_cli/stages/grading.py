"""Hop 8: severity by ALGRNet and House-Brackmann by the cascaded encoder, on the frames of strongest movement."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor

from palsy_cli.config import GradeSettings
from palsy_cli.networks.algrnet import ALGRNet, fuse_softmax
from palsy_cli.networks.batches import Batches
from palsy_cli.networks.device import autocast
from palsy_cli.networks.hb_cascade import IMAGE_MEAN, IMAGE_STD, HBCascade, fuse_log_softmax
from palsy_cli.records import ActionUnits, ByteImage, FloatArray, Grades, Keyframes
from palsy_cli.stages import alignment

#: ALGRNet's aligned face and the part of it that the network sees (ALGRNet, input), pixels.
ALGR_FACE, ALGR_CROP = 200, 176
#: Half side of the square around eyes, nose and mouth, in units of that box's longer side.
_ALGR_HALF_SIDE = 0.5 * 2.9
#: A keyframe counts as movement when some AU of either side is active in it.
_MOVING = 0.5


def algr_alignment(points68: FloatArray, *, crop: int = ALGR_CROP) -> FloatArray:
    """Matrix (2, 3) to ALGRNet's aligned crop: eyes level, square box around eyes, nose tip and mouth corners.

    Args:
        points68: (68, 2) pixels.
        crop: side of the network's input; the margin to the aligned face shrinks with it.
    """
    five = alignment.five_points(points68)
    across = five[1] - five[0]
    across = across / max(float(np.hypot(*across)), 1e-6)
    turn = np.stack([across, [-across[1], across[0]]])
    box = five @ turn.T
    centre = (box.min(0) + box.max(0)) / 2
    half = _ALGR_HALF_SIDE * float((box.max(0) - box.min(0)).max())
    scale = ALGR_FACE / (2 * half) * crop / ALGR_CROP
    return np.column_stack([scale * turn, (crop - 1) / 2 - scale * centre])


def encoder_alignment(points68: FloatArray, *, size: int) -> FloatArray:
    """Matrix (2, 3) to the cascaded encoder's upright face crop of ``size`` pixels."""
    return alignment.crop_similarity(alignment.five_points(points68), size=size)


def algr_tensor(images: ByteImage) -> Tensor:
    """(B, H, W, 3) uint8 to ALGRNet's input (B, 3, H, W), values -1..1."""
    return (_tensor(images) - 0.5) / 0.5


def encoder_tensor(images: ByteImage) -> Tensor:
    """(B, H, W, 3) uint8 to the encoder's normalised input (B, 3, H, W)."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGE_MEAN, IMAGE_STD))
    return (_tensor(images) - mean) / std


def _tensor(images: ByteImage) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).float() / 255


def peak_frames(action_units: ActionUnits, *, at_most: int) -> list[int]:
    """Positions of the keyframes of strongest movement, ascending: one a movement where there are several.

    Strength is the larger side's sum over AUs. A frame is a peak when none of its two neighbours among the keyframes
    is stronger; remaining places go to the strongest other frames. Frames in which nothing is active never count.
    """
    strength = np.maximum(action_units.left.sum(1), action_units.right.sum(1))
    moving = np.maximum(action_units.left.max(1), action_units.right.max(1)) > _MOVING
    padded = np.concatenate([[-np.inf], strength, [-np.inf]])
    peak = (strength >= padded[:-2]) & (strength >= padded[2:])
    order = sorted(np.flatnonzero(moving), key=lambda i: (not peak[i], -strength[i], i))
    return sorted(int(i) for i in order[:at_most])


def grade(
    keyframes: Keyframes,
    action_units: ActionUnits,
    algrnet: ALGRNet,
    cascade: HBCascade,
    settings: GradeSettings,
    *,
    unfit: Mapping[str, str] | None = None,
    temperatures: Mapping[str, float] | None = None,
) -> Grades:
    """Grade the patient from the peak frames of all movements.

    ALGRNet: argmax of the mean softmax over frames. Cascaded encoder: softmax of the mean log-softmax (patient-level
    fusion is not published). With ``flip_average`` each frame counts together with its mirror image, so that the
    grade does not depend on the side. ``unfit`` names networks whose answers are withheld, with the reason;
    ``temperatures`` divide a network's logits (``evaluation.calibration``), 1 where none is given.

    Returns:
        Probabilities, or ``None`` with a reason when no keyframe shows movement.
    """
    peaks = peak_frames(action_units, at_most=settings.peak_frames)
    if not peaks:
        reason = "no facial movement in the video: grades need the patient to perform expressions"
        return Grades(None, None, reason, reason)
    without, warmth = unfit or {}, temperatures or {}
    severity = house_brackmann = None
    if "algrnet" not in without:
        crops = _crops(keyframes, peaks, lambda p: algr_alignment(p, crop=algrnet.crop), algrnet.crop)
        logits = _run(lambda x: algrnet(x).grade_logits, algr_tensor(crops), algrnet, flip=settings.flip_average)
        severity = tuple(fuse_softmax(logits / warmth.get("algrnet", 1.0)).tolist())
    if "hb_cascade" not in without:
        crops = _crops(keyframes, peaks, lambda p: encoder_alignment(p, size=cascade.input_size), cascade.input_size)
        logits = _run(cascade, encoder_tensor(crops), cascade, flip=settings.flip_average)
        house_brackmann = tuple(fuse_log_softmax(logits / warmth.get("hb_cascade", 1.0)).tolist())
    return Grades(
        severity=severity,
        house_brackmann=house_brackmann,
        severity_reason=without.get("algrnet"),
        house_brackmann_reason=without.get("hb_cascade"),
        frames=tuple(int(keyframes.frames[i]) for i in peaks),
    )


def _crops(keyframes: Keyframes, chosen: list[int], matrix: Callable[[FloatArray], FloatArray], size: int) -> ByteImage:
    return np.stack(
        [alignment.warp(keyframes.faces[i], matrix(keyframes.face_points[i]), (size, size)) for i in chosen]
    )


def _run(network: Callable[[Tensor], Tensor | None], x: Tensor, module: torch.nn.Module, *, flip: bool) -> Tensor:
    """Logits of pictures and, if ``flip``, of their mirror images below them, eight at a time."""
    x = torch.cat([x, x.flip(-1)]) if flip else x
    device = next(module.parameters()).device
    with torch.inference_mode(), autocast(device):
        rows = list(Batches(8).over(len(x), lambda part: network(x[part].to(device))))
    return torch.cat([row.float().cpu() for row in rows if row is not None])
