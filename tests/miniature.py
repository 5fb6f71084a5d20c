"""A data folder in miniature: drawn photos with points, a rig of Gaussian bumps, two textures."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path

import cv2
import numpy as np
from factories import neutral_points

from palsy_cli.datasets.people import is_held_out
from palsy_cli.files import sha256_of
from palsy_cli.records import FloatArray
from palsy_cli.simulate.photo import INNER_LIPS_468, LIDS, MOUTH
from palsy_cli.simulate.rig import BLENDSHAPES

#: Name, smile score, frontal, held out. The first three are resting faces.
PHOTOS = (
    ("calm_a.png", 0.0, True, False),
    ("calm_b.png", 0.0, True, False),
    ("calm_c.png", 0.0, True, True),
    ("smiling.png", 0.8, True, False),
    ("turned.png", 0.0, False, True),
)
DRAWN = 2
_SIDE = 200


def mesh() -> tuple[FloatArray, FloatArray, np.ndarray]:
    """468 points in outer-canthal distances (x to image-right, y down), their depth, and the 68 among them."""
    face = neutral_points()
    face = (face - face[27]) / (face[45, 0] - face[36, 0])
    points = np.random.default_rng(5).uniform(-1, 1, (468, 2)) * [0.75, 0.9] + [0, 0.3]
    ring = np.array(INNER_LIPS_468)
    corners = face[[60, 64]]
    angle = np.linspace(np.pi, 3 * np.pi, len(ring), endpoint=False)
    points[ring] = corners.mean(0) + np.stack([np.cos(angle), np.sin(angle)], 1) * [np.ptp(corners[:, 0]) / 2, 0.012]
    place_slits(points, face)
    slits = {k for slit in (MOUTH, *LIDS.values()) for row in slit.upper + slit.lower for k in row}
    others = [k for k in range(468) if k not in slits.union(INNER_LIPS_468)]
    index68 = np.array([*others[: 4 * 60 : 4], *ring[[0, 3, 5, 7, 10, 13, 15, 17]]])
    points[index68[:60]] = face[:60]
    return points, 0.4 - (points**2).sum(1) * 0.3, index68


def place_slits(points: FloatArray, face: FloatArray) -> None:
    """Put lips and lids of the mesh around the mouth and the eyes of ``face`` (68, 2), in place."""
    for slit, first, last in ((MOUTH, 60, 64), (LIDS["right"], 36, 39), (LIDS["left"], 42, 45)):
        for rows, up in ((slit.upper, -1.0), (slit.lower, 1.0)):
            columns = np.linspace(0, 1, len(rows[0]) + 2)[1:-1, None]
            edge = face[first] + columns * (face[last] - face[first])
            for ring, row in enumerate(reversed(rows)):
                points[list(row)] = edge + [0.0, up * (0.012 + 0.03 * ring)]


def bumps(points: FloatArray) -> dict[str, FloatArray]:
    """A displacement (468, 3), y up, for every blendshape that the rig reads."""
    places = {"brow": (0.3, -0.25), "eye": (0.3, 0.0), "cheek": (0.4, 0.25), "nose": (0.1, 0.3), "jaw": (0.0, 0.75)}
    names = {name.format(side=side) for shapes in BLENDSHAPES.values() for name in shapes for side in "LR"}
    fields = {}
    for number, name in enumerate(sorted(names)):
        x, y = next((place for part, place in places.items() if name.startswith(part)), (0.25, 0.5))
        sign = -1.0 if name.endswith("_R") else 1.0
        near = np.exp(-((points - [sign * x, y]) ** 2).sum(1) / (2 * 0.12**2))
        fields[name] = near[:, None] * [0.04 * sign, 0.05 * (-1) ** number, 0.0]
    return fields


def draw_photo(path: Path, points: FloatArray, index68: np.ndarray, *, held_out: bool) -> None:
    """A crude face; one pixel is changed until the file's hash says what is wanted."""
    image = np.full((_SIDE, _SIDE, 3), 90, np.uint8)
    cv2.ellipse(image, (100, 110), (62, 78), 0, 0, 360, (150, 170, 210), -1)
    own = points[index68]
    for part in (own[36:42], own[42:48], own[48:60]):
        cv2.fillPoly(image, [np.round(part).astype(np.int32)], (60, 50, 90))
    for value in itertools.product(range(256), repeat=2):
        image[0, 0, :2] = value
        cv2.imwrite(str(path), image)
        if is_held_out(sha256_of(path)) == held_out:
            return


def write_data(root: Path) -> Path:
    """Fill a folder as ``require_data`` wants it."""
    for part in ("photos", "rig", "backgrounds"):
        (root / part).mkdir()
    points, depth, index68 = mesh()
    fields = bumps(points)
    up = np.column_stack([points * [1, -1], depth])
    np.savez(root / "rig/au_rig.npz", names=[*fields], d468=np.stack([*fields.values()]), c468=up, mp68=index68)
    rng = np.random.default_rng(0)
    placed = np.zeros((len(PHOTOS), 478, 3))
    for number, (name, _, _, held_out) in enumerate(PHOTOS):
        placed[number, :468, :2] = points * 75 + [100, 90] + rng.normal(0, 2, 2)
        draw_photo(root / "photos" / name, placed[number, :468, :2], index68, held_out=held_out)
    scores = {"mouthSmileLeft": [smile for _, smile, _, _ in PHOTOS]}
    calm = ("mouthSmileRight", "jawOpen", "eyeBlinkLeft", "eyeBlinkRight", "browDownLeft", "browOuterUpLeft")
    scores |= {name: [0.0] * len(PHOTOS) for name in (*calm, "browInnerUp")}
    np.savez(
        root / "photos/landmarks.npz",
        files=[name for name, *_ in PHOTOS],
        landmarks478=placed,
        blendshape_names=[*scores],
        blendshapes=np.array([*scores.values()]).T,
    )
    with (root / "photos/index.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "frontal"])
        writer.writerows((name, int(frontal)) for name, _, frontal, _ in PHOTOS)
    for number in range(2):
        cv2.imwrite(str(root / f"backgrounds/{number}.png"), rng.integers(0, 256, (64, 64, 3), np.uint8))
    return root
