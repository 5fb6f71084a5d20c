"""Pictures for the face detector: people pasted at every size onto backgrounds, with true boxes and five points."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from palsy_cli.datasets.people import read_picture
from palsy_cli.points import MIRROR_5
from palsy_cli.records import SIDES, ByteImage, FloatArray
from palsy_cli.simulate.person import Person, View, draw_person
from palsy_cli.stages.alignment import five_points, transform_points
from palsy_cli.training.augment import recompress
from palsy_cli.training.episodes import draw_commands

#: Pictures larger than this are reduced when they are loaded: no scene shows a face larger than its side.
_LOAD_SIDE = 320
#: Faces with less of their box in view than this are neither taught nor tested.
_MIN_VISIBLE = 0.5
#: Smallest face in pixels that is taught.
_MIN_FACE = 9.0
#: Smallest side in pixels of a part of a photo that serves as background; its distance from the face in face widths.
_LEAST_PART, _APART = 16, 0.12
#: Share of the scenes with words behind the people: thick letters the colour of skin pass for faces otherwise.
_LETTERED = 0.3
#: Colours of skin from dark to light, which half of the letters take.
_SKINS = np.array([(72, 48, 39), (164, 115, 86), (232, 150, 70), (246, 208, 182)])
#: A face alone in its scene may be this much larger than it.
_LARGEST = 1.3
#: A face's box reaches this share of the height of its 68 points above the brows: to the hair line, as in the photos.
_FOREHEAD = 0.2


@dataclass(frozen=True)
class Portrait:
    """A picture with one face: ``box`` (4,) around the face from the hair line to the chin, ``points`` (5, 2)."""

    image: ByteImage
    box: FloatArray
    points: FloatArray


@dataclass(frozen=True)
class Scene:
    """A square picture with its G faces: ``boxes`` (G, 4), ``points`` (G, 5, 2)."""

    image: ByteImage
    boxes: FloatArray
    points: FloatArray


def make_portrait(image: ByteImage, points: FloatArray, points68: FloatArray) -> Portrait:
    """A portrait from the points of its face: ``points`` (P, 2) span the box."""
    factor = min(1.0, _LOAD_SIDE / max(image.shape[:2]))
    if factor < 1:
        size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    box = np.concatenate([points.min(0), points.max(0)])
    # Pixel centres are at integers, so a picture's edge is at -0.5.
    return Portrait(image, (box + 0.5) * factor - 0.5, (five_points(points68) + 0.5) * factor - 0.5)


def read_backgrounds(folder: Path) -> list[ByteImage]:
    """All pictures of a folder, RGB; raises DatasetError when one is damaged."""
    return [read_picture(path) for path in sorted([*folder.glob("*.png"), *folder.glob("*.jpg")])]


def draw_scene(
    portraits: list[Portrait], backgrounds: list[ByteImage], *, rng: np.random.Generator, side: int = 320
) -> Scene:
    """Compose one random scene: none to four people, from a few pixels to more than the picture, cut off or whole."""
    canvas = _background(portraits, backgrounds, rng, side)
    if rng.random() < _LETTERED:
        _write_words(canvas, rng)
    boxes, points = np.zeros((0, 4)), np.zeros((0, 5, 2))
    count = int(rng.choice([0, 1, 2, 3, 4], p=[0.16, 0.52, 0.16, 0.09, 0.07]))
    for _ in range(count):
        portrait = portraits[rng.integers(len(portraits))]
        matrix = _placement(portrait, rng, side, alone=count == 1)
        hidden = _paste(canvas, portrait.image, matrix)
        if len(boxes):
            keep = np.array([_covered(hidden, box) < 0.4 for box in boxes])
            boxes, points = boxes[keep], points[keep]
        box, five = _moved(portrait, matrix)
        if _visible(box, side) >= _MIN_VISIBLE and min(box[2:] - box[:2]) >= _MIN_FACE:
            boxes, points = np.vstack([boxes, box[None]]), np.concatenate([points, five[None]])
    return _camera(Scene(canvas, boxes, points), rng)


def _background(
    portraits: list[Portrait], backgrounds: list[ByteImage], rng: np.random.Generator, side: int
) -> ByteImage:
    """A texture, its enlarged part, a plain tone, or a place put together from what photos show beside faces."""
    kind = rng.random()
    if kind < 0.35:
        image = _part_of(backgrounds[rng.integers(len(backgrounds))], rng)
    elif kind < 0.45:
        image = np.full((2, 2, 3), rng.integers(0, 256, 3), np.uint8)
        image[rng.integers(2)] = rng.integers(0, 256, 3)
    else:
        return _place(portraits, rng, side)
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _place(portraits: list[Portrait], rng: np.random.Generator, side: int) -> ByteImage:
    """One to seven parts of photos without their faces, over each other: edges, clothes, walls, plants, hands."""
    canvas = np.full((side, side, 3), rng.integers(0, 256, 3), np.uint8)
    for number in range(int(rng.integers(1, 8))):
        parts = _beside_face(portraits[rng.integers(len(portraits))])
        if not parts:
            continue
        image = _part_of(parts[rng.integers(len(parts))], rng)
        width, height = (side, side) if number == 0 else (int(rng.integers(side // 8, side)) for _ in "xy")
        x, y = (int(rng.integers(0, side - extent + 1)) for extent in (width, height))
        canvas[y : y + height, x : x + width] = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    return canvas


def _beside_face(portrait: Portrait) -> list[ByteImage]:
    """What a photo shows above, below and on both sides of its face, where that is large enough."""
    x1, y1, x2, y2 = portrait.box
    apart = _APART * (x2 - x1)
    left, top, right, bottom = (max(0, int(v)) for v in (x1 - apart, y1 - apart, x2 + apart + 1, y2 + apart + 1))
    image = portrait.image
    parts = [image[:top], image[bottom:], image[:, :left], image[:, right:]]
    return [part for part in parts if min(part.shape[:2]) >= _LEAST_PART]


def _write_words(canvas: ByteImage, rng: np.random.Generator) -> None:
    """One to three words of thick, often outlined letters, and a round blot or two, in place."""
    side = len(canvas)
    for _ in range(int(rng.integers(0, 3))):
        axes = (int(rng.integers(3, side // 4)), int(rng.integers(3, side // 4)))
        centre = (int(rng.integers(side)), int(rng.integers(side)))
        cv2.ellipse(canvas, centre, axes, float(rng.uniform(0, 180)), 0, 360, _ink(rng), -1, cv2.LINE_AA)
    for _ in range(int(rng.integers(1, 4))):
        word = "".join(rng.choice(list("abcdeghkmnopqrsuwyABCDEGHKMNOPQRSU03456890&@%"), int(rng.integers(1, 11))))
        place = (int(rng.integers(-side // 4, side)), int(rng.integers(side // 8, side)))
        size = float(np.exp(rng.uniform(np.log(0.4), np.log(5.0))))
        stroke = max(1, round(size * rng.uniform(1.0, 8.0)))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        if rng.random() < 0.6:
            edge = stroke + max(2, round(size * rng.uniform(1.0, 4.0)))
            cv2.putText(canvas, word, place, font, size, _ink(rng), edge, cv2.LINE_AA)
        cv2.putText(canvas, word, place, font, size, _ink(rng), stroke, cv2.LINE_AA)


def _ink(rng: np.random.Generator) -> tuple[float, ...]:
    """Any colour, or one of skin."""
    if rng.random() < 0.5:
        return tuple(rng.integers(0, 256, 3).tolist())
    at = int(rng.integers(len(_SKINS) - 1))
    return tuple(float(v) for v in _SKINS[at] + rng.random() * (_SKINS[at + 1] - _SKINS[at]) + rng.normal(0, 8, 3))


def _part_of(image: ByteImage, rng: np.random.Generator) -> ByteImage:
    """A random square part of a picture."""
    shortest = min(image.shape[:2])
    part = int(rng.integers(min(24, shortest), shortest + 1))
    y, x = (int(rng.integers(0, extent - part + 1)) for extent in image.shape[:2])
    return image[y : y + part, x : x + part]


def _placement(portrait: Portrait, rng: np.random.Generator, side: int, *, alone: bool) -> FloatArray:
    """A random similarity from the portrait to the scene; sizes are uniform in the logarithm."""
    face = float(max(portrait.box[2:] - portrait.box[:2]))
    largest = side * (_LARGEST if alone else 0.5)
    wanted = float(np.exp(rng.uniform(np.log(14), np.log(largest))))
    angle = rng.normal(0, 12)
    centre = (portrait.box[:2] + portrait.box[2:]) / 2
    matrix = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), angle, wanted / face)
    margin = 0.5 * wanted * (rng.uniform(0.5, 1.0) if rng.random() < 0.85 else 0.1)
    matrix[:, 2] += rng.uniform(min(margin, side / 2), max(side - margin, side / 2), 2) - centre
    if rng.random() < 0.5:  # mirror: the portrait's x axis is turned round
        matrix = np.column_stack([-matrix[:, 0], matrix[:, 1], matrix[:, 2] + matrix[:, 0] * 2 * centre[0]])
    return np.asarray(matrix, float)


def _paste(canvas: ByteImage, image: ByteImage, matrix: FloatArray) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Put the whole portrait onto the canvas in place; returns the mask (0/255) of what it covers."""
    scale = float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
    if scale < 0.5:
        factor = scale * 1.5
        size = (max(2, round(image.shape[1] * factor)), max(2, round(image.shape[0] * factor)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        ratio = np.array([image.shape[1] / size[0], image.shape[0] / size[1]])
        shift = matrix[:, 2] + matrix[:, :2] @ ((ratio - 1) / 2)
        image, matrix = np.asarray(small, np.uint8), np.column_stack([matrix[:, :2] * ratio, shift])
    extent = canvas.shape[1::-1]
    mask = cv2.warpAffine(np.full(image.shape[:2], 255, np.uint8), matrix, extent)
    moved = cv2.warpAffine(image, matrix, extent, flags=cv2.INTER_LINEAR)
    cv2.copyTo(moved, mask, canvas)
    return np.asarray(mask, np.uint8)


def _moved(portrait: Portrait, matrix: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The portrait's upright box and five points in the scene, the patient's right first."""
    x1, y1, x2, y2 = portrait.box
    centre = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    # The box of a turned ellipse, not of a turned rectangle: faces have no corners.
    radius = np.sqrt((matrix[:, :2] ** 2) @ (np.array([x2 - x1, y2 - y1]) / 2) ** 2)
    middle = transform_points(centre, matrix)
    points = transform_points(portrait.points, matrix)
    if np.linalg.det(matrix[:, :2]) < 0:
        points = points[MIRROR_5]
    return np.concatenate([middle - radius, middle + radius]), points


def _visible(box: FloatArray, side: int) -> float:
    """Share of the box inside the scene."""
    inside = np.clip(box, 0, side)
    return float(np.prod(inside[2:] - inside[:2]) / np.prod(box[2:] - box[:2]))


def _covered(mask: np.ndarray[tuple[int, int], np.dtype[np.uint8]], box: FloatArray) -> float:
    """Share of the box (its part in the scene) under the mask."""
    x1, y1, x2, y2 = np.clip(box, 0, len(mask)).astype(int)
    return float(mask[y1:y2, x1:x2].mean() / 255) if x2 > x1 and y2 > y1 else 1.0


def _camera(scene: Scene, rng: np.random.Generator) -> Scene:
    """Light, colour, blur and compression of a camera."""
    image = scene.image.astype(np.float32) * rng.uniform(0.5, 1.4) + rng.uniform(-25, 25)
    image *= 1 + rng.uniform(-0.15, 0.15, 3)
    if rng.random() < 0.12:
        image[:] = image.mean(-1, keepdims=True)
    if rng.random() < 0.2:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.8))
    if rng.random() < 0.3:
        image = image + rng.normal(0, rng.uniform(1, 9), image.shape)
    finished = np.clip(image, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        finished = recompress(finished, quality=int(rng.integers(30, 90)))
    return Scene(finished, scene.boxes, scene.points)


def drawn_portraits(seeds: range, *, rng: np.random.Generator) -> list[Portrait]:
    """One portrait of each drawn person, some muscles at work and the head slightly turned."""
    portraits = []
    for seed in seeds:
        task = draw_commands(rng)
        drives = {(au, side): drive * float(rng.uniform(0, 1)) for au, drive in task.items() for side in SIDES}
        view = View(yaw=float(rng.normal(0, 6)), pitch=float(rng.normal(0, 4)), roll=float(rng.normal(0, 3)))
        image, points = draw_person(Person.from_seed(seed), drives, size=(_LOAD_SIDE, _LOAD_SIDE), view=view)
        top = points.min(0) - [0, _FOREHEAD * float(np.ptp(points[:, 1]))]
        portraits.append(make_portrait(image, np.vstack([points, top]), points))
    return portraits
