"""Folds and lines that come and go with the muscles: drawn per frame as shadow and light on the skin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import zip_longest

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline

from palsy_cli.points import MIRROR_68
from palsy_cli.records import SIDES, ByteImage, FloatArray, Side
from palsy_cli.simulate.features import Stage
from palsy_cli.simulate.mesh import FaceMesh
from palsy_cli.simulate.muscles import Drives
from palsy_cli.simulate.skin import face_frame
from palsy_cli.stages.alignment import invert, transform_points

#: The frown line of the right side lies no nearer to the midline than this, IPD units.
_GLABELLA = -0.05
#: Lines fainter than this are not drawn.
_FAINTEST = 0.02
#: Pixels of the shadow map per picture pixel at which lines are drawn (lines thinner than a pixel keep their weight).
_SHIFT = 4


@dataclass(frozen=True)
class SkinLook:
    """How a real person's skin creases: ``age`` 0 smooth .. 1 wrinkled; ``lamp`` -1 light from image-left, 1 -right."""

    age: float
    lamp: float

    @staticmethod
    def draw(rng: np.random.Generator) -> SkinLook:
        """A random look: one photo tells neither for sure."""
        return SkinLook(age=float(rng.uniform(0.0, 0.9)), lamp=float(rng.choice([-1.0, 1.0])))


@dataclass
class Folds:
    """Lines gathered for one frame: (curve in face space, darkness 0..1, width in IPD units)."""

    lines: list[tuple[FloatArray, float, float]] = field(default_factory=list)

    def add(self, points: FloatArray, darkness: float, width: float) -> None:
        """Add a smooth line through some points."""
        self.lines.append((_even_spline(len(points)) @ points, darkness, width))


@cache
def _even_spline(count: int) -> FloatArray:
    """(N, count) matrix of a cubic spline through ``count`` evenly spaced knots."""
    spline = CubicSpline(np.arange(count), np.eye(count), bc_type="natural")
    return np.asarray(spline(np.linspace(0, count - 1, 6 * count)))


def gather_folds(
    points: FloatArray, drives: Drives, *, age: float, depth: Mapping[Side, float], resting: bool = True
) -> Folds:
    """All folds of a face in motion that are dark enough to be seen.

    Args:
        points: (68, 2) moved landmarks, IPD units.
        drives: share of the full contraction per (action unit, side).
        age: 0 smooth .. 1 wrinkled.
        depth: depth of the resting nasolabial fold per side (1 normal).
        resting: with the lines of the resting face; a photo has its own.
    """
    folds = Folds()
    for side in SIDES:
        force = {au: drives.get((au, side), 0.0) for au in (1, 2, 4, 6, 7, 9, 10, 12, 14, 15, 17, 18, 20, 43)}
        # Lines are written for the patient's right (negative x) and mirrored for the left.
        p = points if side == "right" else points[MIRROR_68] * [-1.0, 1.0]
        flip = np.array([1.0, 1.0]) if side == "right" else np.array([-1.0, 1.0])
        lines = _half_folds(p, force, age=age, depth=depth[side]).lines
        still = [] if resting else _half_folds(p, dict.fromkeys(force, 0.0), age=age, depth=depth[side]).lines
        for (line, darkness, width), (_, own, _) in zip_longest(lines, still, fillvalue=(None, 0.0, 0.0)):
            if darkness - own > _FAINTEST:
                folds.lines.append((line * flip, min(1.0, darkness - own), width))
    return folds


def _half_folds(p: FloatArray, e: dict[int, float], *, age: float, depth: float) -> Folds:
    folds = Folds()
    keen = 0.55 + 0.6 * age
    lift = 0.5 * (e[1] + e[2])
    for k in range(4):
        height = 0.15 + 0.13 * k - 0.03 * lift
        inner = np.array([0.0, p[20, 1] - height + 0.01])
        middle = np.array([p[19, 0], p[19, 1] - height + 0.05 * k * 0.3])
        outer = np.array([p[17, 0] * 0.93, p[18, 1] - height + 0.05])
        folds.add(np.stack([inner, middle, outer]), keen * (0.85 * lift + 0.08 * age) * (1.0 - 0.12 * k), 0.024)
    frown = keen * (0.9 * e[4] + 0.10 * age)
    glabella = p[21] + [[0.115, -0.09], [0.135, 0.03], [0.11, 0.13]]
    glabella[:, 0] = np.minimum(glabella[:, 0], _GLABELLA)  # brows that nearly meet leave each side its own line
    folds.add(glabella, frown, 0.026)
    across = np.array([p[27] + [0.0, 0.02], p[27] + [-0.05, 0.03], p[27] + [-0.1, 0.0]])
    folds.add(across, 0.35 * e[4] + 0.45 * e[9], 0.022)
    squeeze = min(1.0, e[6] + 0.5 * e[7] * e[43])
    for rise, far in ((-0.12, 0.22), (-0.02, 0.26), (0.08, 0.25), (0.17, 0.2)):
        start = p[36] + [-0.06, 0.35 * rise]
        ray = np.array([start, start + [-0.5 * far, 0.5 * rise], start + [-far, rise * 1.2]])
        folds.add(ray, keen * (0.5 * squeeze + 0.05 * age), 0.018)
    under = 0.30 + 0.35 * age + 0.6 * max(e[6], e[7])
    low = p[[36, 41, 40, 39]] + [[0.05, 0.13], [0.0, 0.115], [0.01, 0.115], [-0.02, 0.06]]
    folds.add(low, 0.42 * under, 0.026)
    for k in range(2):
        start = p[27] + [-0.07, 0.10 + 0.09 * k]
        folds.add(np.array([start, start + [-0.06, 0.03], start + [-0.10, 0.08]]), 0.75 * e[9] * keen, 0.022)
    _mouth_folds(folds, p, e, age=age, depth=depth)
    return folds


def _mouth_folds(folds: Folds, p: FloatArray, e: dict[int, float], *, age: float, depth: float) -> None:
    pull = max(e[12], 0.85 * e[9], 0.7 * e[10])
    wing = p[31] + [-0.075, -0.09]
    beside = 0.55 * p[31] + 0.45 * p[48] + [-0.12 - 0.05 * pull, -0.05]
    corner = p[48] + [-0.105 - 0.03 * pull, -0.03]
    below = p[48] + [-0.115, 0.10]
    resting = depth * (0.12 + 0.38 * age)
    curve = np.array([wing, beside, corner, below])
    folds.add(curve, 0.8 * resting + 0.50 * pull * min(1.2, 0.3 + depth), 0.055)
    folds.add(curve[:3], 0.5 * resting + 0.40 * pull * depth, 0.016)
    marionette = p[48] + [[-0.05, 0.03], [-0.08, 0.13], [-0.05, 0.24]]
    folds.add(marionette, 0.2 * age * depth + 0.6 * e[15], 0.03)
    dimple = p[48] + [[-0.06, -0.06], [-0.09, 0.0], [-0.06, 0.07]]
    folds.add(dimple, 0.7 * max(e[14], 0.4 * e[12], 0.5 * e[20]), 0.03)
    crease = np.array([[0.0, 0.075], [0.0, 0.06], [-0.02, 0.03]]) + p[[57, 58, 59]]
    folds.add(crease, 0.22 + 0.5 * e[17], 0.05)
    for k in range(5):
        x = -0.04 - 0.05 * (k % 3)
        start = np.array([x, 0.5 * (p[57, 1] + p[8, 1]) + 0.06 * (k // 3)])
        folds.add(np.array([start, start + [0.02, 0.02], start + [0.035, 0.0]]), 0.7 * e[17], 0.022)
    for k in range(3):
        top = p[50] + [-0.06 * k, -0.02 - 0.01 * k]
        folds.add(np.array([top, top + [-0.01, -0.05], top + [-0.02, -0.10]]), e[18] * (0.12 + 0.3 * age), 0.014)


def paint_folds(image: ByteImage, folds: Folds, stage: Stage, mesh: FaceMesh) -> None:
    """Shade the folds of a drawn person into the picture in place."""
    if folds.lines:
        joined = np.vstack([line for line, _, _ in folds.lines])
        placed = stage.camera.project(joined, mesh.height_at(joined))
        _shade(image, folds, placed, unit=stage.unit, lamp=float(np.sign(stage.person.light[0])))


def crease_skin(image: ByteImage, points: FloatArray, drives: Drives, look: SkinLook) -> None:
    """Shade the folds that muscles throw into the picture of a real face, in place; hair, cloth and eyes have none.

    Args:
        image: (H, W, 3) RGB uint8.
        points: (68, 2) its points, pixels.
        drives: share of the full contraction per (action unit, side).
        look: the person's skin.
    """
    frame = face_frame(points)
    level = transform_points(points, invert(frame))
    folds = gather_folds(level, drives, age=look.age, depth=dict.fromkeys(SIDES, 1.0), resting=False)
    if folds.lines:
        joined = np.vstack([line for line, _, _ in folds.lines])
        unit = float(np.hypot(*frame[:, 0]))
        _shade(
            image, folds, transform_points(joined, frame), unit=unit, lamp=look.lamp, skin=cheek_colour(image, points)
        )


def _shade(
    image: ByteImage, folds: Folds, placed: FloatArray, *, unit: float, lamp: float, skin: FloatArray | None = None
) -> None:
    """A soft shadow along each line, and light on the bulge that faces the lamp; where the colour is the skin's."""
    shape = (image.shape[0], image.shape[1])
    dark = np.zeros(shape, np.uint8)
    parts = np.split(placed, np.cumsum([len(line) for line, _, _ in folds.lines])[:-1])
    for curve, (_, darkness, width) in zip(parts, folds.lines, strict=True):
        pixels = width * unit
        weight = darkness * min(1.0, pixels / 1.5)
        _tapered(dark, curve, int(round(200 * weight)), max(1, int(round(pixels))))
    low = np.maximum(np.floor(placed.min(axis=0)).astype(int) - 8, 0)
    high = np.minimum(np.ceil(placed.max(axis=0)).astype(int) + 9, shape[::-1])
    if np.any(high <= low):
        return
    box = np.s_[low[1] : high[1], low[0] : high[0]]
    shadow = cv2.GaussianBlur(dark[box], (0, 0), max(0.6, 0.013 * unit)).astype(np.float32) / np.float32(255.0)
    bulge = cv2.GaussianBlur(dark[box], (0, 0), max(0.8, 0.022 * unit)).astype(np.float32) / np.float32(255.0)
    offset = 0.030 * unit
    shift = np.array([[1, 0, -offset * lamp], [0, 1, offset]], np.float32)
    bulge = cv2.warpAffine(bulge, shift, bulge.shape[::-1])
    factor = 0.22 * bulge[..., None] - shadow[..., None] * np.array([0.52, 0.62, 0.64], np.float32)
    if skin is not None:
        factor *= _likeness(image[box], skin)[..., None]
    image[box] = np.clip(image[box] * (1.0 + factor), 0, 255).astype(np.uint8)


def cheek_colour(image: ByteImage, points: FloatArray) -> FloatArray:
    """(3,) median colour of both cheeks, between eye, nose and mouth."""
    reach = max(2, int(0.08 * np.hypot(*(points[45] - points[36]))))
    patches = []
    for eye, corner, wing in ((41, 48, 31), (46, 54, 35)):
        x, y = (0.4 * points[eye] + 0.3 * points[corner] + 0.3 * points[wing]).round().astype(int)
        patches.append(image[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1].reshape(-1, 3))
    found = np.concatenate(patches)
    return np.median(found, axis=0) if len(found) else np.full(3, 128.0)


def _likeness(image: ByteImage, colour: FloatArray) -> FloatArray:
    """(H, W) 0..1: how much each place looks like skin of this colour in any light."""
    soft = cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.float32) + 8.0
    wanted = np.asarray(colour, np.float32) + 8.0
    light = soft.mean(axis=2) / wanted.mean()
    hue = np.abs(soft / soft.sum(axis=2, keepdims=True) - wanted / wanted.sum()).max(axis=2)
    return np.asarray(np.clip((light - 0.3) / 0.25, 0.0, 1.0) * np.clip((0.09 - hue) / 0.04, 0.0, 1.0))


def _tapered(canvas: npt.NDArray[np.uint8], curve: FloatArray, value: int, thickness: int) -> None:
    """Draw a line that fades and thins towards its ends; lines are few, so overlaps keep the last value."""
    fixed = np.round(curve * 2**_SHIFT).astype(np.int32)
    for cut, share in ((0.0, 0.35), (0.10, 0.62), (0.20, 0.85), (0.32, 1.0)):
        ends = int(cut * len(fixed))
        part = fixed[ends : len(fixed) - ends]
        width = max(1, int(round(thickness * (0.45 + 0.55 * share))))
        cv2.polylines(canvas, [part], False, max(1, int(value * share)), width, cv2.LINE_AA, _SHIFT)


def paint_bulges(image: ByteImage, points: FloatArray, drives: Drives, stage: Stage, mesh: FaceMesh) -> None:
    """Light on lifted cheeks (AU6, AU12) and on puffed ones (AU34), in place."""
    height, width = image.shape[:2]
    for side in SIDES:
        lifted = 0.6 * drives.get((12, side), 0.0) + 0.5 * drives.get((6, side), 0.0)
        puffed = drives.get((34, side), 0.0)
        sign = 1.0 if side == "left" else -1.0
        for strength, place, size in (
            (min(1.0, lifted), np.array([[0.56 * sign, 0.50 - 0.05 * lifted]]), 0.20),
            (puffed, np.array([[0.70 * sign, 0.98]]), 0.27),
        ):
            if strength < 0.03:
                continue
            ((cx, cy),) = stage.camera.project(place, mesh.height_at(place))
            reach = int(2.6 * size * stage.unit)
            x0, x1 = max(0, int(cx) - reach), min(width, int(cx) + reach)
            y0, y1 = max(0, int(cy) - reach), min(height, int(cy) + reach)
            if x1 - x0 < 2 or y1 - y0 < 2:
                continue
            x = (np.arange(x0, x1, dtype=np.float32) - cx) / (size * stage.unit)
            y = (np.arange(y0, y1, dtype=np.float32)[:, None] - cy) / (size * stage.unit)
            hill = np.exp(-0.5 * (x * x + y * y))
            lamp = np.array(stage.person.light) / np.linalg.norm(stage.person.light)
            slope = hill * (0.10 + 0.55 * (x * lamp[0] + y * lamp[1]))
            factor = 1.0 + 0.20 * strength * slope
            image[y0:y1, x0:x1] = np.clip(image[y0:y1, x0:x1] * factor[..., None], 0, 255).astype(np.uint8)
