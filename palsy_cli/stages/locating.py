"""The 68 points of a face in single pictures, by the two-stage cascaded FCN (AFLFP)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from palsy_cli.config import LandmarkSettings
from palsy_cli.networks.device import autocast
from palsy_cli.networks.landmark_fcn import CascadedFCN, decode_tiles
from palsy_cli.points import MIRROR_68
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.stages import alignment

#: Side of the network's grey input in pixels (AFLFP, preprocessing).
CROP = 96
#: The points that make the five which cut a crop: both eyes, nose tip, mouth corners.
_MAKE_FIVE = [*range(36, 48), 30, 48, 54]
#: A first pass that changes the size of the face more than this is not followed.
_MOST_CHANGE = 2.0


def standardise(x: Tensor) -> Tensor:
    """Mean 0, standard deviation 1 for each picture (N, 1, H, W); the deviation is at least 1e-3."""
    mean = x.mean((1, 2, 3), keepdim=True)
    return (x - mean) / x.std((1, 2, 3), keepdim=True).clamp_min(1e-3)


def locate(
    images: Sequence[ByteImage], five: FloatArray, network: CascadedFCN, settings: LandmarkSettings
) -> tuple[FloatArray, FloatArray]:
    """The 68 points of one face in each picture.

    Args:
        images: B pictures (H, W, 3).
        five: (B, 5, 2) eyes, nose tip and mouth corners that say where the face is.
        network: trained cascaded FCN.
        settings: with two passes the second crop is cut by the points of the first, so that a rough detection does
            not make rough points. The first stage's maps are good enough to cut by.

    Returns:
        Points (B, 68, 2) in pixels of the pictures, heat-map peaks (B, 68).
    """
    return locate_at(images, correct_five(images, five, network, settings), network, settings)


def locate_at(
    images: Sequence[ByteImage], five: FloatArray, network: CascadedFCN, settings: LandmarkSettings
) -> tuple[FloatArray, FloatArray]:
    """As ``locate``, in crops cut by these five points."""
    matrices, crops = _cut(images, five)
    found, sure = find_points(crops, network, settings)
    return _to_picture(found, matrices), sure


def correct_five(
    images: Sequence[ByteImage], five: FloatArray, network: CascadedFCN, settings: LandmarkSettings
) -> FloatArray:
    """The five points (B, 5, 2) that cut the crops of the last pass."""
    for _ in range(settings.passes - 1):
        matrices, crops = _cut(images, five)
        rough = _to_picture(find_five(crops, network, settings), matrices)
        five = np.stack([_follow(old, new) for old, new in zip(five, rough, strict=True)])
    return five


def _cut(images: Sequence[ByteImage], five: FloatArray) -> tuple[list[FloatArray], list[ByteImage]]:
    """Matrices into the crops, and the crops, grey."""
    matrices = [alignment.crop_similarity(own, size=CROP) for own in five]
    return matrices, [alignment.warp_grey(image, m, (CROP, CROP)) for image, m in zip(images, matrices, strict=True)]


def _to_picture(points: FloatArray, matrices: list[FloatArray]) -> FloatArray:
    """Points (B, P, 2) of crops in pixels of the pictures."""
    pairs = zip(points, matrices, strict=True)
    return np.stack([alignment.transform_points(own, alignment.invert(m)) for own, m in pairs])


def _follow(old: FloatArray, new: FloatArray) -> FloatArray:
    """The five points that cut the next crop: the new ones, unless the face would shrink or grow more than twofold."""
    ratio = alignment.face_unit(new) / alignment.face_unit(old)
    return new if 1 / _MOST_CHANGE <= ratio <= _MOST_CHANGE else old


def find_points(
    crops: Iterable[ByteImage], network: CascadedFCN, settings: LandmarkSettings
) -> tuple[FloatArray, FloatArray]:
    """Points (B, 68, 2) in crop pixels and their confidences (B, 68) for grey crops (96, 96)."""
    return _look(crops, network, settings, stages=2)


def find_five(crops: Iterable[ByteImage], network: CascadedFCN, settings: LandmarkSettings) -> FloatArray:
    """Eyes, nose tip and mouth corners (B, 5, 2) in crop pixels, by the first stage alone: a third of the work."""
    return alignment.five_points(_look(crops, network, settings, stages=1, points=_MAKE_FIVE)[0])


def _look(
    crops: Iterable[ByteImage],
    network: CascadedFCN,
    settings: LandmarkSettings,
    *,
    stages: int,
    points: list[int] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """As ``find_points``, with NaN for all but some ``points``, their own mirror image as a set."""
    grey = np.stack(list(crops))
    count, device = len(grey), next(network.parameters()).device
    if settings.flip_average:
        grey = np.concatenate([grey, grey[:, :, ::-1]])
    x = standardise(torch.from_numpy(grey).unsqueeze(1).to(device).float() / 255)
    with torch.inference_mode(), autocast(device):
        tiles = network.tiles(x, stages=stages, points=points)
        answer = decode_tiles(tiles, top_k=settings.top_k, weighted=settings.weighted)
    found, sure = np.full((len(grey), 68, 2), np.nan), np.full((len(grey), 68), np.nan)
    which = slice(None) if points is None else points
    found[:, which], sure[:, which] = (each.float().cpu().numpy() for each in answer)
    if settings.flip_average:
        # Left and right must be treated alike, and a network is never exactly symmetric by itself.
        found = (found[:count] + alignment.mirror_points(found[count:], CROP)) / 2
        sure = (sure[:count] + sure[count:, MIRROR_68]) / 2
    return found, sure
