"""The training rig, measured on ICT-FaceKit: how MediaPipe's points move with each expression of its mesh.

Nobody has published which vertex belongs to which of MediaPipe's 468 points, so it is found out here, from the front:

1. the typical face of many frontal photos says where the 468 points lie between the 68;
2. a thin-plate spline through the 68 points and the rims of eyelids and lips bends that face onto the mesh;
3. each point takes the place and the movement of the surface that is seen there.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import RBFInterpolator
from scipy.sparse import coo_array
from scipy.sparse.csgraph import dijkstra

from palsy_cli.documents import Unreadable, parse_json, read_arrays, read_records, read_text
from palsy_cli.errors import DatasetError
from palsy_cli.files import atomic_write
from palsy_cli.records import FloatArray
from palsy_cli.simulate.rig import BLENDSHAPES

IntArray = npt.NDArray[np.int64]

RIG = "au_rig.npz"
NEUTRAL, INDICES = "generic_neutral_mesh.obj", "vertex_indices.json"
#: The first vertices are the skin of face and ears; neck, mouth socket, teeth, eyeballs and lashes follow.
FACE_VERTICES = 9409

#: MediaPipe's number of each of the 68 points.
MP68: tuple[int, ...] = (
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301),
    *(168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
)
#: MediaPipe's points along the free edges of lids and lips, from corner to corner.
RIMS: tuple[tuple[int, ...], ...] = (
    (33, 246, 161, 160, 159, 158, 157, 173, 133),
    (33, 7, 163, 144, 145, 153, 154, 155, 133),
    (263, 466, 388, 387, 386, 385, 384, 398, 362),
    (263, 249, 390, 373, 374, 380, 381, 382, 362),
    (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308),
    (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308),
)
_POINTS = 468
_OUTER_CORNERS = [36, 45]
_NASION = 27
#: A mesh is not understood when its 68 points lie further from those of people (median, outer-canthal distances).
_MISFIT = 0.1


@dataclass(frozen=True)
class FaceKit:
    """The skin of ICT-FaceKit, V vertices, in outer-canthal distances from the nasion; axes as in the rig.

    ``_L`` and ``_R`` in the names are the patient's sides, and x grows to the patient's left, as everywhere here.

    Attributes:
        names: N expressions.
        neutral: (V, 3) vertices at rest.
        moves: (N, V, 3) displacement of each at full strength.
        index68: (68,) vertices of the 68 points.
        triangles: (T, 3) vertices of each triangle.
    """

    names: tuple[str, ...]
    neutral: FloatArray
    moves: FloatArray
    index68: IntArray
    triangles: IntArray


@dataclass(frozen=True)
class SurfacePoints:
    """P points on the surface: each the weighted mean of the corners (P, 3) of a triangle; weights (P, 3) sum to 1."""

    corners: IntArray
    weights: FloatArray

    def of(self, field: FloatArray) -> FloatArray:
        """What a field of the vertices (..., V, 3) is at the points, (..., P, 3)."""
        return np.asarray(np.einsum("pk,...pkc->...pc", self.weights, field[..., self.corners, :]))


def write_rig(facekit: Path, photos: Path, out: Path) -> Path:
    """Measure the training rig and write it as ``out/au_rig.npz``.

    Args:
        facekit: checkout of ICT-FaceKit, or its folder FaceXModel.
        photos: data folder with ``photos/index.csv`` and ``photos/landmarks.npz``.
        out: folder, made when absent.

    Returns:
        The path of the rig; docs/how-to/retrain.md lists its arrays.

    Raises:
        DatasetError: either folder lacks something, or a file in it is damaged.
        UsageError: ``out`` cannot be written.
    """
    mesh = read_facekit(facekit)
    points = place_points(mesh, typical_face(photos))
    arrays = {
        "names": np.array(mesh.names),
        "d468": points.of(mesh.moves).astype(np.float32),
        "d68": mesh.moves[:, mesh.index68].astype(np.float32),
        "c468": points.of(mesh.neutral).astype(np.float32),
        "n68": mesh.neutral[mesh.index68].astype(np.float32),
        "mp68": np.array(MP68),
    }
    packed = io.BytesIO()
    np.savez(packed, **arrays)  # type: ignore[arg-type]
    return atomic_write(out / RIG, packed.getvalue(), private=False)


def read_facekit(folder: Path) -> FaceKit:
    """Read neutral mesh, expressions and landmarks of ICT-FaceKit.

    The expressions are those that ``vertex_indices.json`` lists, and those that the rig needs besides.

    Args:
        folder: the checkout or its folder FaceXModel.

    Raises:
        DatasetError: names what is missing or damaged.
    """
    folder = folder / "FaceXModel" if (folder / "FaceXModel").is_dir() else folder
    text = _read_text(folder / NEUTRAL)
    vertices = _vertices(text, folder / NEUTRAL)
    listed, index68 = _read_indices(folder / INDICES, limit=min(len(vertices), FACE_VERTICES))
    needed = (name.format(side=side) for shapes in BLENDSHAPES.values() for name in shapes for side in "LR")
    names = tuple(dict.fromkeys((*listed, *needed)))
    moves = []
    for name in names:
        path = folder / f"{name}.obj"
        shape = _vertices(_read_text(path), path)
        if len(shape) != len(vertices):
            raise DatasetError(
                f"{path}: has {len(shape)} vertices, but {NEUTRAL} has {len(vertices)}; restore the file"
            )
        moves.append((shape - vertices)[:FACE_VERTICES])
    unit = float(np.linalg.norm(np.subtract(*vertices[index68[_OUTER_CORNERS]])))
    if unit == 0:
        raise DatasetError(f"{folder / INDICES}: the corners of the two eyes are one point; restore the file")
    return FaceKit(
        names=names,
        neutral=(vertices[:FACE_VERTICES] - vertices[index68[_NASION]]) / unit,
        moves=np.stack(moves) / unit,
        index68=index68,
        triangles=_triangles(text, folder / NEUTRAL, len(vertices)),
    )


def typical_face(root: Path) -> FloatArray:
    """Where the 468 points lie in a face seen from the front: their median over the frontal photos of a data folder.

    Returns:
        (468, 2) in outer-canthal distances from the middle between the outer corners of the eyes, x to image-right
        (the patient's left), y up.

    Raises:
        DatasetError: there are no photos, no points, or no photo is frontal.
    """
    folder = root / "photos"
    try:
        _, rows = read_records(folder / "index.csv")
        frontal = {row["file"] for _, row in rows if row["frontal"] == "1"}
        archive = read_arrays(folder / "landmarks.npz")
        kept = [str(name) in frontal for name in archive["files"]]
        points = archive["landmarks478"][kept, :_POINTS, :2].astype(float)
    except (LookupError, TypeError, ValueError) as error:
        raise DatasetError(f"{folder}: no readable photo points ({error}); see docs/how-to/retrain.md") from error
    if points.shape[1:] != (_POINTS, 2) or not len(points):
        raise DatasetError(f"{folder}: no frontal photos with 468 points; see docs/how-to/retrain.md")
    # Complex numbers: dividing by the line from corner to corner turns and scales at once.
    upright = points[..., 0] - 1j * points[..., 1]
    right, left = (upright[:, MP68[k], None] for k in _OUTER_CORNERS)
    upright = (upright - (right + left) / 2) / (left - right)
    return np.stack([np.median(upright.real, 0), np.median(upright.imag, 0)], axis=-1)


def place_points(mesh: FaceKit, face: FloatArray) -> SurfacePoints:
    """Find MediaPipe's 468 points on the mesh.

    Args:
        mesh: the skin.
        face: (468, 2) the points in a typical face, as ``typical_face`` returns them.

    Raises:
        DatasetError: the mesh's 68 points do not look like a face, or its skin is torn.
    """
    anchors = mesh.neutral[mesh.index68]
    face = face + anchors[_OUTER_CORNERS, :2].mean(0)
    misfit = float(np.median(np.linalg.norm(face[list(MP68)] - anchors[:, :2], axis=1)))
    if not misfit <= _MISFIT:
        raise DatasetError(
            f"{INDICES}: its 68 landmarks are not where a face has them (off by {misfit:.2f} outer-canthal distances); "
            "check that it belongs to these meshes"
        )
    known = {
        number: (np.full(3, vertex), np.array([1.0, 0, 0])) for number, vertex in zip(MP68, mesh.index68, strict=True)
    }
    known |= _rim_points(mesh, face)
    numbers = list(known)
    pinned = SurfacePoints(np.stack([c for c, _ in known.values()]), np.stack([w for _, w in known.values()]))
    bend = RBFInterpolator(face[numbers], pinned.of(mesh.neutral), kernel="thin_plate_spline")
    found = _seen_from_front(mesh, bend(face))
    # What is known stays so: seen from the front, a lip may cover the corner of the mouth.
    found.corners[numbers], found.weights[numbers] = pinned.corners, pinned.weights
    return found


def _seen_from_front(mesh: FaceKit, targets: FloatArray) -> SurfacePoints:
    """The foremost surface at x and y of each target (P, 3); where there is none, the vertex nearest to it."""
    a, b, c = (mesh.neutral[mesh.triangles[:, k]] for k in range(3))
    ab, ac = (b - a)[:, :2], (c - a)[:, :2]
    area = ab[:, 0] * ac[:, 1] - ac[:, 0] * ab[:, 1]
    area[np.abs(area) < 1e-12] = np.nan  # seen edge-on
    corners = np.empty((len(targets), 3), np.int64)
    weights = np.zeros((len(targets), 3))
    for k, target in enumerate(targets):
        away = target[:2] - a[:, :2]
        v = (away[:, 0] * ac[:, 1] - ac[:, 0] * away[:, 1]) / area
        w = (ab[:, 0] * away[:, 1] - away[:, 0] * ab[:, 1]) / area
        inside = np.flatnonzero(np.minimum(np.minimum(v, w), 1 - v - w) > -1e-9)
        if len(inside):
            share = np.stack([1 - v - w, v, w], axis=-1)[inside]
            depth = (share * np.stack([a[inside, 2], b[inside, 2], c[inside, 2]], axis=-1)).sum(1)
            corners[k], weights[k] = mesh.triangles[inside[depth.argmax()]], share[depth.argmax()]
        else:
            corners[k], weights[k, 0] = np.linalg.norm(mesh.neutral - target, axis=1).argmin(), 1.0
    return SurfacePoints(corners, weights)


def _rim_points(mesh: FaceKit, face: FloatArray) -> dict[int, tuple[IntArray, FloatArray]]:
    """Corners and weights of the points of ``RIMS`` between two of the 68.

    They lie along the shortest way over the skin, which is the edge of the opening, at their share of its length: seen
    from the front, closed lips are one line, and a point of the lower could not be told from one of the upper.
    """
    edges = np.concatenate([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]])
    edges = np.unique(np.sort(edges, axis=1), axis=0)
    length = np.linalg.norm(np.subtract(*mesh.neutral[edges.T]), axis=1)
    graph = coo_array((length, edges.T), shape=(len(mesh.neutral),) * 2).tocsr()
    vertex_of = dict(zip(MP68, mesh.index68.tolist(), strict=True))
    found: dict[int, tuple[IntArray, FloatArray]] = {}
    for rim in RIMS:
        stops = [k for k, number in enumerate(rim) if number in vertex_of]
        for first, last in pairwise(stops):
            if last - first == 1:
                continue
            run = face[list(rim[first : last + 1])]
            share = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(run, axis=0), axis=1))])
            way = _shortest_way(graph, vertex_of[rim[first]], vertex_of[rim[last]])
            places = _along(way, mesh.neutral, share[1:-1] / share[-1])
            found.update(zip(rim[first + 1 : last], places, strict=True))
    return found


def _shortest_way(graph: Any, start: int, end: int) -> list[int]:
    """Vertices from start to end over the edges of a graph of lengths; raises DatasetError when no way leads there."""
    _, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    way = [end]
    while way[-1] != start:
        if before[way[-1]] < 0:
            raise DatasetError(f"{NEUTRAL}: no way over its faces from vertex {start} to {end}; restore the file")
        way.append(int(before[way[-1]]))
    return way[::-1]


def _along(way: list[int], vertices: FloatArray, shares: FloatArray) -> list[tuple[IntArray, FloatArray]]:
    """Corners and weights of the points at these shares (0 to 1) of the length of a way."""
    reached = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(vertices[way], axis=0), axis=1))])
    places = []
    for share in shares:
        step = int(np.clip(np.searchsorted(reached, share * reached[-1], side="right") - 1, 0, len(way) - 2))
        part = (share * reached[-1] - reached[step]) / max(reached[step + 1] - reached[step], 1e-12)
        places.append((np.array([way[step], way[step + 1], way[step]]), np.array([1 - part, part, 0.0])))
    return places


def _read_text(path: Path) -> str:
    """The text of a file of the checkout; raises DatasetError."""
    try:
        return read_text(path)
    except Unreadable as error:
        if isinstance(error.__cause__, FileNotFoundError):
            raise DatasetError(f"{path}: is missing; name a whole checkout of ICT-FaceKit by --ict-facekit") from error
        raise DatasetError(f"{path}: cannot be read ({error}); restore the file") from error


def _vertices(text: str, path: Path) -> FloatArray:
    """(V, 3) of the ``v`` lines of an OBJ file; raises DatasetError, naming ``path``."""
    lines = [line for line in text.splitlines() if line.startswith("v ")]
    try:
        vertices = np.loadtxt(lines, usecols=(1, 2, 3), ndmin=2) if lines else np.empty((0, 3))
    except ValueError as error:
        raise DatasetError(f"{path}: a line of a vertex is malformed ({error}); restore the file") from error
    if not len(vertices) or not np.isfinite(vertices).all():
        raise DatasetError(f"{path}: has no vertices, or some that are not finite; restore the file")
    return vertices


def _triangles(text: str, path: Path, count: int) -> IntArray:
    """(T, 3) vertices of the ``f`` lines of an OBJ file, polygons cut into triangles, those of the skin only.

    Args:
        text: the file.
        path: what errors name.
        count: vertices of the file; a polygon of others raises DatasetError, as does a malformed one.
    """
    found = []
    for line in text.splitlines():
        if not line.startswith("f "):
            continue
        try:
            polygon = [int(corner.split("/")[0]) - 1 for corner in line.split()[1:]]
        except ValueError:
            polygon = []
        if len(polygon) < 3 or not 0 <= min(polygon) <= max(polygon) < count:
            raise DatasetError(f"{path}: {line[:60]!r} is no face of {count} vertices; restore the file")
        if max(polygon) < FACE_VERTICES:
            found += [(polygon[0], second, third) for second, third in pairwise(polygon[1:])]
    if not found:
        raise DatasetError(f"{path}: has no faces; restore the file")
    return np.array(found)


def _read_indices(path: Path, *, limit: int) -> tuple[list[str], IntArray]:
    """Names of the expressions and the vertices of the 68 points, all below ``limit``; raises DatasetError."""
    try:
        told = parse_json(_read_text(path))
        names, index68 = [str(name) for name in told["expressions"]], np.array(told["idx_to_landmark_verts"])
    except (ArithmeticError, LookupError, ValueError, TypeError) as error:
        raise DatasetError(f"{path}: no readable lists of expressions and landmarks ({error}); restore it") from error
    if index68.shape != (len(MP68),) or index68.dtype.kind != "i" or not 0 <= index68.min() <= index68.max() < limit:
        raise DatasetError(f"{path}: idx_to_landmark_verts must be 68 vertices of the face; restore the file")
    return names, index68.astype(np.int64)
