"""Where a face sits in a picture: the three-point affine of the half faces, the similarity crops of the other networks.

Pure geometry, shared by inference and training so that both see the same framing. Matrices are 2x3 and map picture
pixels to crop pixels (pixel centres at integers).
"""

from __future__ import annotations

import cv2
import numpy as np

from palsy_cli.points import MIRROR_68
from palsy_cli.records import ByteImage, FloatArray

#: Side of the aligned face in pixels and its canonical points: patient's right eye, left eye, nose tip. DEM names
#: the points, not the places.
ALIGNED_SIZE = 512
#: Half a pixel left of (180, 332, 256): the midline runs between columns 255 and 256, where the halves are cut.
CANONICAL_POINTS = np.array([[179.5, 200.0], [331.5, 200.0], [255.5, 290.0]])
GREY = (128, 128, 128)
#: Pixels around what a crop shows, of the crop or of the picture, whichever are larger.
_ROOM = 3.0
#: Pictures are halved as long as a pixel of the crop is more than four of theirs along a side (this is its inverse).
_HALVED = 0.25

#: The upright crop: its side and the depth of its centre below the eye line, in units of the larger of the eyes'
#: distance and that from eyes to mouth. Measured so that the hull of the 68 points, enlarged 1.3 times, fits (AFLFP
#: leaves the enlargement open).
CROP_SIDE = 2.7
CROP_DEPTH = 0.64


def mirror_points(points: FloatArray, width: int) -> FloatArray:
    """68 points (..., 68, 2) of a picture ``width`` pixels wide as seen in its mirror image."""
    flipped = points[..., MIRROR_68, :]
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped


def five_points(points68: FloatArray) -> FloatArray:
    """Eye centres, nose tip and mouth corners (..., 5, 2) of 68 points (..., 68, 2), the patient's right first."""
    return np.stack(
        [
            points68[..., 36:42, :].mean(-2),
            points68[..., 42:48, :].mean(-2),
            points68[..., 30, :],
            points68[..., 48, :],
            points68[..., 54, :],
        ],
        axis=-2,
    )


def stable_points(points68: FloatArray) -> FloatArray:
    """The three alignment points (..., 3, 2) least moved by expression: both canthi's middles and the nose tip.

    The canthi stay put when lids and brows move, which the centres of the eye openings do not.
    """
    right = points68[..., [36, 39], :].mean(-2)
    left = points68[..., [42, 45], :].mean(-2)
    return np.stack([right, left, points68[..., 30, :]], axis=-2)


def three_point_affine(points: FloatArray) -> FloatArray:
    """Affine (2, 3) that puts right eye, left eye, nose tip (3, 2) at their canonical places (DEM, preprocessing)."""
    return np.asarray(cv2.getAffineTransform(np.float32(points), np.float32(CANONICAL_POINTS)), np.float64)


def face_unit(points5: FloatArray) -> float:
    """Size of a face in pixels: the larger of eye distance and eyes to mouth, of (5, 2) points; at least 1."""
    eyes, mouth = points5[:2].mean(0), points5[3:].mean(0)
    return max(float(np.hypot(*(points5[1] - points5[0]))), float(np.hypot(*(mouth - eyes))), 1.0)


def crop_similarity(points5: FloatArray, *, size: int, margin: float = 1.0) -> FloatArray:
    """Similarity (2, 3) to an upright square crop of ``size`` pixels that holds the whole face.

    Args:
        points5: (5, 2) eyes, nose tip, mouth corners, the patient's right first.
        size: side of the crop in pixels.
        margin: further enlargement (1 = ``CROP_SIDE``).
    """
    eyes, across = points5[:2].mean(0), points5[1] - points5[0]
    unit = face_unit(points5)
    across = across / max(float(np.hypot(*across)), 1e-6)
    down = np.array([-across[1], across[0]])
    centre = eyes + CROP_DEPTH * unit * down
    scale = size / (CROP_SIDE * margin * unit)
    rotation = scale * np.stack([across, down])
    return np.column_stack([rotation, (size - 1) / 2 - rotation @ centre])


def transform_points(points: FloatArray, matrix: FloatArray) -> FloatArray:
    """Apply a 2x3 matrix to points (..., 2)."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def invert(matrix: FloatArray) -> FloatArray:
    """The inverse 2x3 matrix."""
    return np.asarray(cv2.invertAffineTransform(matrix), np.float64)


def compose(second: FloatArray, first: FloatArray) -> FloatArray:
    """The 2x3 matrix that applies ``first``, then ``second``."""
    return np.column_stack([second[:, :2] @ first[:, :2], second[:, :2] @ first[:, 2] + second[:, 2]])


def scaled(matrix: FloatArray, factor: float) -> FloatArray:
    """The 2x3 matrix to a crop that is ``factor`` times as large, pixel areas kept in register."""
    return np.column_stack([matrix[:, :2] * factor, (matrix[:, 2] + 0.5) * factor - 0.5])


def warp(image: ByteImage, matrix: FloatArray, size: tuple[int, int]) -> ByteImage:
    """Resample ``image`` (H, W, 3) by ``matrix`` into (height, width) = ``size``, grey outside.

    The mean of the picture's and its mirror image's resampling: interpolation rounds positions in one direction, and
    what is measured of a mirrored recording must be the mirrored measurement.
    """
    part, matrix = _needed(image, matrix, size)
    return _resample(part, matrix, size) if part.size else np.full((*size, 3), GREY, np.uint8)


def warp_grey(image: ByteImage, matrix: FloatArray, size: tuple[int, int]) -> ByteImage:
    """As ``warp``, in shades of grey (height, width): a third of the work."""
    part, matrix = _needed(image, matrix, size)
    if not part.size:
        return np.full(size, GREY[0], np.uint8)
    return _resample(np.asarray(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), np.uint8), matrix, size)


def _resample(part: ByteImage, matrix: FloatArray, size: tuple[int, int]) -> ByteImage:
    """The crop of a picture (H, W, 3) or (H, W), its own and its mirror image's."""
    while _scale_of(matrix) < _HALVED and not any(side % 2 for side in part.shape[:2]):
        part, matrix = halve(part), _from_half(matrix)  # halves of even sides are the same in the mirror
    plain = _warp_once(part, matrix, size)
    mirrored = compose(_mirror_matrix(size[1]), compose(matrix, _mirror_matrix(part.shape[1])))
    other = _warp_once(np.asarray(cv2.flip(part, 1), np.uint8), mirrored, size)[:, ::-1]
    return np.asarray((plain.astype(np.uint16) + other + 1) // 2, np.uint8)


def _needed(image: ByteImage, matrix: FloatArray, size: tuple[int, int]) -> tuple[ByteImage, FloatArray]:
    """The part of a picture that a crop shows, with room for interpolation, and the matrix from there.

    A face is a tenth of the picture of a camera, and what lies around it takes as long to reduce.
    """
    height, width = size
    corners = np.array([[-1.0, -1.0], [width, -1.0], [-1.0, height], [width, height]])
    back = invert(matrix)
    shown = transform_points(corners, back)
    room = _ROOM * max(1.0, float(np.abs(back[:, :2]).max()))
    # floor from both sides, so that the mirrored crop needs the mirrored part, and what is left can be halved so often
    step = 1
    while _scale_of(matrix) * step < _HALVED:
        step *= 2
    sides = np.array(image.shape[1::-1])
    left, top = (_floor(place, step) for place in shown.min(0) - room)
    right, bottom = sides - [_floor(place, step) for place in sides - 1 - shown.max(0) - room]
    part = image[top : max(top, bottom), left : max(left, right)]
    return part, np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ (left, top)])


def _floor(place: float, step: int) -> int:
    """The last multiple of ``step`` before a place in pixels, not below 0."""
    return max(0, int(np.floor(place / step))) * step


def _mirror_matrix(width: int) -> FloatArray:
    """The 2x3 matrix that mirrors a picture ``width`` pixels wide."""
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]])


def _warp_once(image: ByteImage, matrix: FloatArray, size: tuple[int, int]) -> ByteImage:
    """Resample ``image`` by ``matrix`` into (height, width) = ``size``, grey outside.

    Strong reduction is done in steps, so that large pictures do not alias: halves first, as means of 2 x 2 pixels, then
    a crop of twice the size, halved at last. Area averaging at any other ratio takes ten times as long.
    """
    while (scale := _scale_of(matrix)) < _HALVED:
        odd = image.shape[0] % 2, image.shape[1] % 2
        image = halve(cv2.copyMakeBorder(image, 0, odd[0], 0, odd[1], cv2.BORDER_REPLICATE) if any(odd) else image)
        matrix = _from_half(matrix)
    if scale < 0.5:
        return halve(_warp_once(image, scaled(matrix, 2.0), (2 * size[0], 2 * size[1])))
    return np.asarray(cv2.warpAffine(image, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderValue=GREY), np.uint8)


def _scale_of(matrix: FloatArray) -> float:
    """Pixels of the crop for one of the picture, along a side."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))


def _from_half(matrix: FloatArray) -> FloatArray:
    """The matrix from a picture at half its size, where ``matrix`` starts from the whole one."""
    return compose(matrix, invert(scaled(np.eye(2, 3), 0.5)))


def halve(image: ByteImage) -> ByteImage:
    """A picture (H, W, 3) or (H, W) of even sides at half its size: means of 2 x 2 pixels."""
    return np.asarray(cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA))


def warp_field(field: FloatArray, matrix: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resample a float field (h, w, C) by ``matrix`` into (height, width) = ``size``, 0 outside; values unchanged."""
    return np.asarray(cv2.warpAffine(field, matrix, size[::-1], flags=cv2.INTER_LINEAR))
