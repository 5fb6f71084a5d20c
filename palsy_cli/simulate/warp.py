"""A photo that moves: the face's points are displaced and the pixels follow.

The picture is resampled through a triangulation of the displaced points (backward map, linear inside a triangle);
where the lips part, a mouth interior is painted in, since nothing of it is in the photo.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.spatial import Delaunay

from palsy_cli.records import ByteImage, FloatArray

#: The warp is evaluated on every second pixel and enlarged: the map is smooth, and this is four times as fast.
STRIDE = 2


@dataclass(frozen=True)
class WarpedFace:
    """A warped picture, its points and the field that made it.

    Attributes:
        image: (H, W, 3) RGB uint8.
        points: (P, 2) displaced points in pixels.
        flow: (H/8, W/8, 2) displacement in pixels that moved what is now seen at the centre of each 8x8 cell.
    """

    image: ByteImage
    points: FloatArray
    flow: FloatArray


def warp_face(
    image: ByteImage,
    source: FloatArray,
    target: FloatArray,
    *,
    motion: FloatArray | None = None,
    outline: FloatArray,
) -> WarpedFace:
    """Move the points ``source`` (P, 2) of ``image`` to ``target`` (P, 2).

    Args:
        image: (H, W, 3) RGB uint8.
        source: points in the picture, pixels.
        target: where they go.
        motion: (P, 2) the part of the displacement that ``flow`` shall report (default: all of it; pose is left out
            by passing the expression alone).
        outline: (O, 2) fixed points around the face, pixels.
    """
    height, width = image.shape[:2]
    motion = target - source if motion is None else motion
    places, values = scattered(source, target, motion, outline, (height, width))
    field = interpolate_field(places, values, (height, width))
    # Enlarging by the corner-aligned map keeps the sampling positions exact.
    at_x, at_y = np.meshgrid(*(np.arange(extent, dtype=np.float32) / STRIDE for extent in (width, height)))
    edges = cv2.BORDER_REPLICATE
    dense = cv2.remap(np.ascontiguousarray(field[..., :2]), at_x, at_y, cv2.INTER_LINEAR, borderMode=edges)
    moved = cv2.remap(image, dense[..., 0], dense[..., 1], cv2.INTER_LINEAR, borderMode=edges)
    return WarpedFace(np.asarray(moved, np.uint8), target, sample_cells(field[..., 2:]))


def scattered(
    source: FloatArray, target: FloatArray, motion: FloatArray, outline: FloatArray, size: tuple[int, int]
) -> tuple[FloatArray, FloatArray]:
    """What a warp interpolates: places (V, 2) in the moved picture; (V, 4) where their pixels come from, and motion.

    The arguments are those of ``warp_face``; the outline and a frame around the picture keep still.
    """
    height, width = size
    frame = np.array([[-9, -9], [width / 2, -9], [width + 9, -9], [-9, height / 2], [width + 9, height / 2],
                      [-9, height + 9], [width / 2, height + 9], [width + 9, height + 9]], float)  # fmt: skip
    fixed = np.vstack([outline, frame])
    values = np.vstack([np.hstack([source, motion]), np.hstack([fixed, np.zeros_like(fixed)])])
    return np.vstack([target, fixed]), values


def triangulate(points: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Delaunay triangles (T, 3) of places (V, 2) that have an area, and their corners (T, 3, 3) as (x, y, 1)."""
    triangles = Delaunay(points).simplices
    corners = np.concatenate([points[triangles], np.ones((len(triangles), 3, 1))], axis=2)
    whole = np.abs(np.linalg.det(corners)) > 1e-3
    return triangles[whole].astype(np.int64), corners[whole]


def sample_cells(field: FloatArray) -> FloatArray:
    """What an ``interpolate_field`` says at the centre of each 8x8 pixel cell: (h, w, C) to (h / 4, w / 4, C)."""
    cell = 8 // STRIDE
    return field[cell // 2 :: cell, cell // 2 :: cell]


def interpolate_field(points: FloatArray, values: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Values (V, C) at scattered points (V, 2), linear in Delaunay triangles, 0 outside, every ``STRIDE``-th pixel.

    The triangles are painted with their numbers, then each pixel evaluates its own triangle: unlike a search for the
    enclosing triangle this takes the same time however folded or degenerate the mesh is.
    """
    triangles, corners = triangulate(points)
    planes = np.linalg.solve(corners, values[triangles]).astype(np.float32)
    height, width = (-(-extent // STRIDE) for extent in size)
    owner = np.full((height, width), len(planes), np.int32)
    planes = np.concatenate([planes, np.zeros_like(planes[:1])])
    outlines = np.round(points[triangles] * (16 / STRIDE)).astype(np.int32)
    for number, outline in enumerate(outlines):
        cv2.fillConvexPoly(owner, outline, number, cv2.LINE_8, 4)
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32) * STRIDE
    plane = planes[owner]
    return np.asarray(columns[..., None] * plane[..., 0, :] + rows[..., None] * plane[..., 1, :] + plane[..., 2, :])


def warp_mesh(image: ByteImage, source: FloatArray, target: FloatArray, triangles: npt.NDArray[np.int64]) -> ByteImage:
    """Move the vertices of a fixed mesh: the same triangles in every frame of a clip, so that nothing jumps.

    Unlike ``warp_face`` the mesh is the caller's, not triangulated anew from the target. Pixels outside the triangles
    that move keep their place; a vertex that does not move costs nothing and changes nothing.

    Args:
        image: (H, W, 3) RGB uint8.
        source: (V, 2) vertices in the picture, pixels.
        target: (V, 2) where they go.
        triangles: (T, 3) vertex indices; where triangles overlap, later ones cover earlier ones.

    Returns:
        (H, W, 3) RGB uint8; with ``target`` equal to ``source`` the picture itself, through the same resampling.
    """
    height, width = image.shape[:2]
    moved = np.abs(target - source).max(axis=1) > 1e-3
    used = triangles[moved[triangles].any(axis=1)]
    edges = np.stack([target[used[:, k]] - target[used[:, 0]] for k in (1, 2)], axis=2)
    whole = np.abs(np.linalg.det(edges)) > 0.5
    used, edges = used[whole], edges[whole]
    corners = target[used]
    size = np.array([width, height])
    low = np.clip(np.floor(corners.min((0, 1), initial=width + height)), 0, size - 1).astype(int)
    high = np.clip(np.ceil(corners.max((0, 1), initial=0)) + 1, low + 1, size).astype(int)
    owner = np.full((high[1] - low[1], high[0] - low[0]), -1, np.float32)
    for number, outline in enumerate(np.round((corners - low) * 16).astype(np.int32)):
        cv2.fillConvexPoly(owner, outline, number, cv2.LINE_8, 4)
    # Rounding leaves single pixels between two triangles to nobody; a neighbour takes them.
    owner = np.where(owner < 0, cv2.dilate(owner, np.ones((3, 3))), owner).astype(np.intp)
    slopes = np.stack([source[used[:, k]] - source[used[:, 0]] for k in (1, 2)], axis=2) @ np.linalg.inv(edges)
    offsets = source[used[:, 0]] - np.einsum("tij,tj->ti", slopes, target[used[:, 0]])
    # The last column, for pixels that belong to no triangle, is the identity.
    planes = np.vstack([np.column_stack([slopes.reshape(-1, 4), offsets]), [1, 0, 0, 1, 0, 0]]).astype(np.float32).T
    x = np.arange(low[0], high[0], dtype=np.float32)
    y = np.arange(low[1], high[1], dtype=np.float32)[:, None]
    # One coefficient at a time: rows of six would be fetched from all over the memory, and take three times as long.
    xx, xy, yx, yy, x0, y0 = (np.take(plane, owner, mode="wrap") for plane in planes)
    at_x, at_y = xx * x + xy * y + x0, yx * x + yy * y + y0
    moved_image = image.copy()
    part = np.s_[low[1] : high[1], low[0] : high[0]]
    moved_image[part] = cv2.remap(image, at_x, at_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return _soften_seams(moved_image, at_y, (low, high))


def _soften_seams(image: ByteImage, rows: FloatArray, box: tuple[FloatArray, FloatArray]) -> ByteImage:
    """Blur the lines at which skin meets skin from elsewhere (closed lids), which are jagged otherwise; in place.

    Args:
        image: (H, W, 3) RGB uint8.
        rows: (h, w) the row that each pixel within ``box`` was taken from.
        box: its first and last corner (x, y), pixels.
    """
    seam = np.zeros(rows.shape, np.float32)
    seam[1:] = np.abs(np.diff(rows, axis=0)) > 4.0
    if seam.any():
        patch = image[box[0][1] : box[1][1], box[0][0] : box[1][0]]
        share = cv2.GaussianBlur(cv2.dilate(seam, np.ones((3, 3))), (0, 0), 0.7)[..., None]
        patch[:] = patch * (1 - share) + cv2.GaussianBlur(patch, (0, 0), 0.9) * share
    return image


def fill_ring(
    image: ByteImage, other: ByteImage, ring: FloatArray, *, within: FloatArray | None = None, strength: float = 1.0
) -> None:
    """Take what lies inside a ring from another picture, in place, with a soft edge.

    Args:
        image: (H, W, 3) RGB uint8, changed.
        other: (H, W, 3) RGB uint8.
        ring: (R, 2) corners, pixels.
        within: (R, 2) a second ring; only what lies in both is taken.
        strength: 0 leaves ``image`` as it is, 1 takes ``other`` alone.
    """
    low = np.maximum(np.floor(ring.min(0)).astype(int) - 4, 0)
    high = np.minimum(np.ceil(ring.max(0)).astype(int) + 5, image.shape[1::-1])
    if (high <= low).any():
        return
    share = np.full((high[1] - low[1], high[0] - low[0]), strength, np.float32)
    for corners in [ring] if within is None else [ring, within]:
        mask = np.zeros(share.shape, np.float32)
        cv2.fillPoly(mask, [np.round((corners - low) * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
        share *= mask
    share = cv2.GaussianBlur(share, (0, 0), 0.8)[..., None]
    part = np.s_[low[1] : high[1], low[0] : high[0]]
    image[part] = (image[part] * (1 - share) + other[part] * share).round()


def outline_points(points: FloatArray, *, enlarge: float = 1.3) -> FloatArray:
    """Fixed points around the face: the convex hull of ``points`` (P, 2), enlarged about its centre."""
    hull = cv2.convexHull(points.astype(np.float32))[:, 0].astype(float)
    centre = hull.mean(0)
    return np.asarray(centre + (hull - centre) * enlarge)


def paint_mouth(
    image: ByteImage, ring: FloatArray, *, opened_px: float, look: MouthLook, teeth_to: float | None = None
) -> ByteImage:
    """Paint the inside of the mouth into the ring of the inner lips.

    Args:
        image: (H, W, 3) RGB uint8.
        ring: (R, 2) inner-lip points in order, pixels.
        opened_px: by how much the lips have parted, in pixels; below 1.5 nothing is painted.
        look: colours.
        teeth_to: row of the upper teeth's edge, which stays with the skull; by default it follows the upper lip.
    """
    if opened_px < 1.5:
        return image
    top, height = ring[:, 1].min(), float(np.ptp(ring[:, 1]))
    x0, y0 = np.maximum(ring.min(0).astype(int) - 4, 0)
    x1, y1 = np.minimum(ring.max(0).astype(int) + 5, image.shape[1::-1])
    if x1 - x0 < 3 or y1 - y0 < 3:
        return image
    inside = np.tile(np.array(look.cavity, np.float32), (y1 - y0, x1 - x0, 1))
    edge = top + look.teeth_share * min(height, look.teeth_px)
    if teeth_to is not None:
        edge = teeth_to if look.teeth_share > 0 else y0
    teeth = max(int(edge) - y0, 0)
    inside[:teeth] = look.teeth
    inside = cv2.GaussianBlur(inside, (0, 0), 0.8)
    mask = np.zeros((y1 - y0, x1 - x0), np.float32)
    cv2.fillPoly(mask, [np.round((ring - [x0, y0]) * 8).astype(np.int32)], 1.0, cv2.LINE_AA, 3)
    strength = float(np.clip((opened_px - 1.5) / 2.0, 0, 1))
    mask = cv2.GaussianBlur(mask, (0, 0), 0.8)[..., None] * strength
    painted = image.copy()
    patch = painted[y0:y1, x0:x1]
    painted[y0:y1, x0:x1] = (patch * (1 - mask) + inside * mask).astype(np.uint8)
    return painted


@dataclass(frozen=True)
class MouthLook:
    """Colours (RGB 0-255) of one person's mouth interior, and how much of the gap the upper teeth fill."""

    cavity: tuple[float, float, float]
    teeth: tuple[float, float, float]
    teeth_share: float
    teeth_px: float

    @staticmethod
    def draw(rng: np.random.Generator, *, unit_px: float) -> MouthLook:
        """A random look; ``unit_px`` is the outer-canthal distance in pixels."""
        dark, bright = rng.uniform(0.5, 1.5), rng.uniform(0.6, 1.0)
        return MouthLook(
            cavity=(45 * dark, 20 * dark, 25 * dark),
            teeth=(218 * bright, 208 * bright, 195 * bright),
            teeth_share=float(rng.uniform(0.3, 1.0) if rng.random() < 0.7 else 0.0),
            teeth_px=0.11 * unit_px,
        )
