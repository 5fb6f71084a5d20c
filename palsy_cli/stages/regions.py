"""Facial part masks rasterised from the 68 points: the segmentation targets of the cascaded encoder (CEN).

The paper does not list its classes, and the data set that it names has no masks. Ten classes keep the patient's right
and left apart, because asymmetry is what the latent map should carry.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray, require_shape

REGION_NAMES: tuple[str, ...] = (
    "background",
    "skin",
    "right_brow",
    "left_brow",
    "right_eye",
    "left_eye",
    "nose",
    "upper_lip",
    "inner_mouth",
    "lower_lip",
)

#: The class that each class becomes when the face is mirrored.
MIRROR_REGIONS: tuple[int, ...] = (0, 1, 3, 2, 5, 4, 6, 7, 8, 9)

#: Half the thickness of a brow in units of the distance of the outer eye corners.
BROW_HALF_THICKNESS = 0.035
#: How far each brow point is raised to the hairline, in units of the face's middle third (17-21 and mirrored 26-22).
_FOREHEAD = np.array([0.55, 0.8, 0.92, 1.0, 1.0, 1.0, 1.0, 0.92, 0.8, 0.55])

#: Painted in this order: lips last, so that a closed mouth shows no inner mouth.
_PARTS: dict[str, tuple[int, ...]] = {
    "right_eye": tuple(range(36, 42)),
    "left_eye": tuple(range(42, 48)),
    "nose": (27, 31, 32, 33, 34, 35),
    "inner_mouth": tuple(range(60, 68)),
    "upper_lip": (*range(48, 55), 64, 63, 62, 61, 60),
    "lower_lip": (*range(54, 60), 48, 60, 67, 66, 65, 64),
}

Mask = npt.NDArray[np.uint8]


def region_masks(points68: FloatArray, size: tuple[int, int]) -> Mask:
    """Paint the ten classes of one face.

    Args:
        points68: (68, 2) pixels of an image of ``size``.
        size: height and width in pixels.

    Returns:
        (H, W) uint8, positions in ``REGION_NAMES``.

    Raises:
        ValueError: wrong shape, or a point is not finite.
    """
    mask: Mask = np.zeros(size, np.uint8)
    for name, outline in region_outlines(points68).items():
        mask[_fill(outline, size)] = REGION_NAMES.index(name)
    return mask


def region_outlines(points68: FloatArray) -> dict[str, FloatArray]:
    """Polygon (N, 2) in pixels of each class but the background, in the order of painting: later ones lie on top.

    Raises:
        ValueError: not (68, 2), or a point is not finite.
    """
    points = np.asarray(points68, float)
    require_shape("points68", points, (68, 2))
    if not np.isfinite(points).all():
        raise ValueError("points68: every point must be finite to paint the regions")
    up = _up(points)
    thickness = BROW_HALF_THICKNESS * np.linalg.norm(points[45] - points[36])
    outlines = {"skin": _skin(points, up)}
    for name, brow in (("right_brow", points[17:22]), ("left_brow", points[22:27])):
        outlines[name] = np.concatenate((brow + thickness * up, (brow - thickness * up)[::-1]))
    return outlines | {name: points[list(numbers)] for name, numbers in _PARTS.items()}


def mirror_mask(mask: Mask) -> Mask:
    """The map of the horizontally flipped face: flipped, right and left classes exchanged; (..., W) uint8."""
    return np.asarray(MIRROR_REGIONS, np.uint8)[mask[..., ::-1]]


def _up(points: FloatArray) -> FloatArray:
    """Unit vector towards the forehead: across the line of the outer eye corners."""
    across = points[45] - points[36]
    length = float(np.linalg.norm(across))
    if length == 0:
        raise ValueError("points68: the outer eye corners coincide")
    return np.array([across[1], -across[0]]) / length


def _skin(points: FloatArray, up: FloatArray) -> FloatArray:
    """Hull of the jaw and of the brows raised by the middle third of the face (the thirds are about equal)."""
    brows = points[17:27]
    third = float(np.linalg.norm(brows.mean(0) - points[33]))
    raised = brows + _FOREHEAD[:, None] * third * up
    hull = cv2.convexHull(np.concatenate((points[:17], raised)).astype(np.float32))
    return np.asarray(hull[:, 0], float)


def _fill(polygon: FloatArray, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Pixels of a polygon, its border included.

    OpenCV rounds the edges towards one side; the union with the mirrored drawing treats left and right alike.
    """
    flipped = polygon * [-1, 1] + [size[1] - 1, 0]
    return _fill_once(polygon, size) | _fill_once(flipped, size)[:, ::-1]


def _fill_once(polygon: FloatArray, size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    bits = 4
    canvas: Mask = np.zeros(size, np.uint8)
    vertices = np.rint(polygon * (1 << bits)).astype(np.int32)
    cv2.fillPoly(canvas, [vertices], 1, shift=bits)
    return canvas > 0
