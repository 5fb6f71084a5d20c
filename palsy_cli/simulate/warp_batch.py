"""``warp.warp_face`` for many frames of one photo at once, on a GPU: the same triangles, the same planes, grid_sample.

Pixels differ from OpenCV's by the rounding of its interpolation (``tests/simulate/test_warp_batch.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.simulate.warp import STRIDE, WarpedFace, sample_cells, scattered, triangulate

#: Triangles that are tested against all pixels at once; bounds the memory.
_CHUNK = 48
#: A pixel that no triangle holds goes to one that it misses by no more than this, in steps of the coarse grid.
_MISSED_BY = 0.75


def warp_faces(
    image: ByteImage,
    source: FloatArray,
    targets: Sequence[FloatArray],
    motions: Sequence[FloatArray],
    *,
    outline: FloatArray,
    device: str,
) -> list[WarpedFace]:
    """Move the points of one picture in N ways.

    Args:
        image: (H, W, 3) RGB uint8.
        source: (P, 2) points in the picture, pixels.
        targets: N times (P, 2) where they go.
        motions: N times (P, 2) the part that ``flow`` shall report.
        outline: (O, 2) fixed points around the face, pixels.
        device: where to compute, ``cuda`` sensibly.
    """
    height, width = image.shape[:2]
    problems = [
        scattered(source, target, motion, outline, (height, width))
        for target, motion in zip(targets, motions, strict=True)
    ]
    corners, planes = _planes(problems, device)
    coarse = -(-height // STRIDE), -(-width // STRIDE)
    owner = _owners(corners, coarse)
    fields = _evaluate(planes, owner, coarse)
    dense = _enlarge(fields[:, :2], (height, width))
    picture = torch.from_numpy(image).to(device).permute(2, 0, 1)[None].double().expand(len(problems), -1, -1, -1)
    size = torch.tensor([width - 1, height - 1], device=device, dtype=torch.float64)
    grid = dense.permute(0, 2, 3, 1) * (2 / size) - 1
    moved = functional.grid_sample(picture, grid, padding_mode="border", align_corners=True)
    images = moved.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    flows = fields[:, 2:].permute(0, 2, 3, 1).float().cpu().numpy()
    return [
        WarpedFace(np.ascontiguousarray(image), target, sample_cells(flow))
        for image, target, flow in zip(images, targets, flows, strict=True)
    ]


def _planes(problems: Sequence[tuple[FloatArray, FloatArray]], device: str) -> tuple[Tensor, Tensor]:
    """Corners (N, T, 3, 3) as (x, y, 1) and planes (N, T, 3, C); triangles that fill up lie outside of the picture."""
    meshes = [(*triangulate(places), values) for places, values in problems]
    most = max(len(triangles) for triangles, _, _ in meshes)
    far = np.array([[-99.0, -99.0, 1.0], [-98.0, -99.0, 1.0], [-99.0, -98.0, 1.0]])
    corners = np.tile(far, (len(meshes), most, 1, 1))
    values = np.zeros((len(meshes), most, 3, problems[0][1].shape[1]))
    for n, (triangles, own, known) in enumerate(meshes):
        corners[n, : len(own)], values[n, : len(own)] = own, known[triangles]
    placed = torch.from_numpy(corners).to(device)
    return placed, torch.linalg.solve(placed, torch.from_numpy(values).to(device))


def _owners(corners: Tensor, coarse: tuple[int, int]) -> Tensor:
    """(N, h * w) the last triangle that holds each point of the coarse grid, or nearly does."""
    x, y = _grid(coarse, corners)
    count = corners.shape[1]
    best = torch.zeros(len(corners), len(x), dtype=torch.int64, device=corners.device)
    first, second = corners[..., :2], corners[..., :2].roll(-1, dims=2)
    edge = second - first
    turn = torch.sign(torch.linalg.det(corners))[..., None]
    normal = torch.stack([-edge[..., 1], edge[..., 0]], dim=-1) * turn[..., None] / edge.norm(dim=-1, keepdim=True)
    offset = (normal * first).sum(-1)
    for start in range(0, count, _CHUNK):
        part = slice(start, start + _CHUNK)
        n, c = normal[:, part], offset[:, part]
        inside = (n[..., 0, None] * x + n[..., 1, None] * y - c[..., None]).amin(dim=2)
        number = torch.arange(start, min(start + _CHUNK, count), device=corners.device)[None, :, None] + 1
        # Who holds a point comes before whoever only nearly does.
        rank = torch.where(inside >= 0, number + count, torch.where(inside >= -_MISSED_BY * STRIDE, number, 0))
        best = torch.maximum(best, rank.amax(dim=1))
    return torch.where(best > count, best - count, best) - 1


def _evaluate(planes: Tensor, owner: Tensor, coarse: tuple[int, int]) -> Tensor:
    """(N, C, h, w) values of each point's own plane, 0 where it has none."""
    x, y = _grid(coarse, planes)
    own = planes.gather(1, owner.clamp_min(0)[..., None, None].expand(-1, -1, *planes.shape[2:]))
    values = own[..., 0, :] * x[:, None] + own[..., 1, :] * y[:, None] + own[..., 2, :]
    values = values * (owner >= 0)[..., None]
    return values.transpose(1, 2).reshape(len(planes), -1, *coarse)


def _grid(coarse: tuple[int, int], like: Tensor) -> tuple[Tensor, Tensor]:
    """The coarse grid's x and y (h * w,) in pixels of the picture."""
    rows, columns = (torch.arange(extent, device=like.device, dtype=like.dtype) * STRIDE for extent in coarse)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return x.flatten(), y.flatten()


def _enlarge(field: Tensor, size: tuple[int, int]) -> Tensor:
    """Every pixel of the picture from the coarse grid's points (corner-aligned), as ``warp.warp_face`` does."""
    height, width = field.shape[-2:]
    y, x = (torch.arange(extent, device=field.device, dtype=field.dtype) / STRIDE for extent in size)
    rows, columns = torch.meshgrid(2 * y / (height - 1) - 1, 2 * x / (width - 1) - 1, indexing="ij")
    grid = torch.stack([columns, rows], dim=-1).expand(len(field), -1, -1, -1)
    return functional.grid_sample(field, grid, padding_mode="border", align_corners=True)
