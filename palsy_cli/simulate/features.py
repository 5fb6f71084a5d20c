"""Eyes and the inside of the mouth, drawn per frame into the warped face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.records import SIDES, ByteImage, FloatArray, Side
from palsy_cli.simulate.appearance import Person, View
from palsy_cli.simulate.mesh import Camera
from palsy_cli.simulate.shading import smooth_curve

#: Radius of the iris, IPD units (11.7 mm across).
IRIS_RADIUS = 0.093
#: Supersampling of the patches.
_FINE = 3
_EYE_POINTS: dict[Side, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "right": ((36, 37, 38, 39), (36, 41, 40, 39)),
    "left": ((42, 43, 44, 45), (42, 47, 46, 45)),
}

Patch = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Window:
    """A finely sampled rectangle of the picture: its corner in pixels and the sample places in pixels (h, w)."""

    x0: int
    y0: int
    width: int
    height: int

    @staticmethod
    def around(points: FloatArray, margin: float, size: tuple[int, int]) -> Window | None:
        """The window that holds the points, clipped to the picture; ``None`` outside of it."""
        low = np.maximum(np.floor(points.min(axis=0) - margin).astype(int), 0)
        high = np.minimum(np.ceil(points.max(axis=0) + margin).astype(int) + 1, np.array(size[::-1]))
        if np.any(high - low < 2):
            return None
        return Window(int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))

    def places(self) -> tuple[Patch, Patch]:
        """(h, w) x and y in picture pixels of every fine sample."""
        x = self.x0 + (np.arange(self.width * _FINE, dtype=np.float32) + 0.5) / _FINE - 0.5
        y = self.y0 + (np.arange(self.height * _FINE, dtype=np.float32) + 0.5) / _FINE - 0.5
        shape = (len(y), len(x))
        return np.broadcast_to(x, shape), np.broadcast_to(y[:, None], shape)

    def mask(self, ring: FloatArray, *, soften: float = 0.0) -> Patch:
        """(h, w) 0..1 inside of a polygon in picture pixels."""
        canvas = np.zeros((self.height * _FINE, self.width * _FINE), np.uint8)
        fine = (ring - [self.x0, self.y0] + 0.5) * _FINE - 0.5
        cv2.fillPoly(canvas, [np.round(fine * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        if soften > 0:
            canvas = cv2.GaussianBlur(canvas, (0, 0), soften * _FINE)
        return np.asarray(canvas, np.float32) / np.float32(255.0)

    def line(self, points: FloatArray, width: float, *, soften: float = 0.0) -> Patch:
        """(h, w) 0..1 of an open line of a width in picture pixels."""
        canvas = np.zeros((self.height * _FINE, self.width * _FINE), np.uint8)
        fine = (points - [self.x0, self.y0] + 0.5) * _FINE - 0.5
        thick = max(1, int(round(width * _FINE)))
        cv2.polylines(canvas, [np.round(fine * 16).astype(np.int32)], False, 255, thick, cv2.LINE_AA, 4)
        if soften > 0:
            canvas = cv2.GaussianBlur(canvas, (0, 0), soften * _FINE)
        return np.asarray(canvas, np.float32) / np.float32(255.0)

    def lay(self, image: ByteImage, colour: Patch, alpha: Patch) -> None:
        """Blend a fine (h, w, 3) colour (sRGB 0-255) with its (h, w) cover into the picture, in place."""
        size = (self.width, self.height)
        premultiplied = cv2.resize(colour * alpha[..., None], size, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)[..., None]
        part = image[self.y0 : self.y0 + self.height, self.x0 : self.x0 + self.width]
        part[:] = np.clip(part * (1.0 - cover) + premultiplied, 0, 255).astype(np.uint8)


@dataclass(frozen=True)
class Stage:
    """What every per-frame painter needs: the person, the camera, the view and the picture's brightness at the face."""

    person: Person
    camera: Camera
    view: View
    brightness: float

    @property
    def unit(self) -> float:
        """Pixels per IPD."""
        return self.camera.scale


def lid_curves(points: FloatArray, side: Side) -> tuple[FloatArray, FloatArray]:
    """(N, 2) upper and lower lid margins through the landmarks, from image-left to image-right."""
    upper, lower = (points[list(chosen)] for chosen in _EYE_POINTS[side])
    # Lids are rounder than a spline with free ends: a cubic through the four points.
    curves = []
    for line in (upper, lower):
        lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T) + 1e-6)])
        lengths /= lengths[-1]
        cubic = np.vander(lengths, 4)
        curves.append(np.vander(np.linspace(0.0, 1.0, 25), 4) @ np.linalg.solve(cubic, line))
    curves[1][:, 1] = np.maximum(curves[0][:, 1], curves[1][:, 1])
    return curves[0], curves[1]


def paint_eyes(image: ByteImage, points: FloatArray, stage: Stage, irises: FloatArray) -> None:
    """Draw both eyes in place.

    Args:
        image: (H, W, 3) RGB uint8.
        points: (68, 2) landmarks in its pixels.
        stage: person and camera.
        irises: (2, 2) iris centres in pixels, left then right.
    """
    for side, iris in zip(SIDES, irises, strict=True):
        upper, lower = lid_curves(points, side)
        window = Window.around(np.vstack([upper, lower]), 0.12 * stage.unit, (image.shape[0], image.shape[1]))
        if window is None:
            continue
        ring = np.vstack([upper, lower[::-1]])
        open_share = float(np.clip(np.max(lower[:, 1] - upper[:, 1]) / (0.03 * stage.unit), 0.0, 1.0))
        if open_share > 0.02:
            cover = window.mask(ring, soften=0.25) * np.float32(min(1.0, open_share * 1.5))
            window.lay(image, _eyeball(window, upper, iris, stage), cover)
        _paint_lids(image, window, upper, lower, stage, open_share=open_share)


def _eyeball(window: Window, upper: FloatArray, iris: FloatArray, stage: Stage) -> Patch:
    """(h, w, 3) sRGB of the eye's ball: white with shading, iris with rings and fibres, pupil, two highlights."""
    x, y = window.places()
    person, unit = stage.person, stage.unit
    middle = upper.mean(axis=0)
    radius = IRIS_RADIUS * unit
    dx, dy = x - iris[0], y - iris[1]
    r = np.sqrt(dx * dx + dy * dy) / radius
    roundness = np.clip(1.0 - ((x - middle[0]) / (0.30 * unit)) ** 2, 0.25, 1.0)
    lid = np.interp(x[0], upper[:, 0], upper[:, 1]).astype(np.float32)[None]
    shadow = 1.0 - 0.5 * np.exp(-np.clip(y - lid, 0.0, None) / (0.03 * unit))
    white = np.array([240.0, 232.0, 227.0]) - person.melanin * np.array([14.0, 22.0, 28.0])
    veins = np.clip(np.abs(x - iris[0]) / (0.2 * unit), 0.0, 1.0)[..., None] * np.array([2.0, 16.0, 16.0])
    ball = (white - veins) * (0.55 + 0.45 * roundness)[..., None]
    angle = np.arctan2(dy, dx)
    fibres = 1.0 + 0.14 * np.sin(23.0 * angle + 3.0 * np.sin(5.0 * angle)) * np.clip(r, 0.0, 1.0)
    depth = 0.62 + 0.5 * np.clip(dy / radius, -1.0, 1.0) * 0.5 + 0.25 * (r < 0.62)
    ring = 1.0 - 0.68 * np.exp(-0.5 * ((r - 1.0) / 0.13) ** 2)
    coloured = np.array(person.eye_colour) * (fibres * depth * ring)[..., None]
    edge = np.clip((1.04 - r) * radius * 0.8, 0.0, 1.0)[..., None]
    ball = ball * (1.0 - edge) + coloured * edge
    pupil = np.clip((0.40 - r) * radius * 0.9 + 0.5, 0.0, 1.0)[..., None]
    ball = ball * (1.0 - pupil) + np.array([10.0, 9.0, 9.0]) * pupil
    ball = ball * shadow[..., None] * stage.brightness
    lamp = np.array(person.light[:2]) * 0.42 * radius
    glint = np.exp(-0.5 * (((dx - lamp[0]) ** 2 + (dy - lamp[1]) ** 2) / (0.15 * radius) ** 2))
    glint = glint + 0.25 * np.exp(-0.5 * (((dx + lamp[0]) ** 2 + (dy + lamp[1]) ** 2) / (0.25 * radius) ** 2))
    return np.asarray(np.clip(ball + 235.0 * glint[..., None] * max(0.6, stage.brightness), 0, 255), np.float32)


def _paint_lids(
    image: ByteImage, window: Window, upper: FloatArray, lower: FloatArray, stage: Stage, *, open_share: float
) -> None:
    """Lid margins: a wet rim below, a dark lash line and lashes above."""
    person, unit = stage.person, stage.unit
    shape = (window.height * _FINE, window.width * _FINE, 3)
    skin = np.array(person.skin) * stage.brightness
    rim = np.empty(shape, np.float32)
    rim[:] = skin * [0.98, 0.74, 0.70]
    wet = window.line(lower + [0.0, 0.006 * unit], 0.016 * unit, soften=0.004 * unit)
    window.lay(image, rim, np.float32(0.55 * open_share) * wet)
    dark = np.empty(shape, np.float32)
    dark[:] = np.array(person.hair_colour) * 0.22 + skin * 0.10
    female = 1.0 - person.masculine
    under = window.line(lower[5:] + [0.0, 0.012 * unit], 0.008 * unit, soften=0.008 * unit)
    window.lay(image, dark, (0.25 + 0.2 * female) * under)
    thick = (0.014 + 0.012 * female + 0.004 * (1.0 - open_share)) * unit
    cover = window.line(upper - [0.0, 0.002 * unit], thick, soften=0.006 * unit) * (0.78 + 0.15 * female)
    outward = 1.0 if upper[:, 0].mean() > stage.camera.centre[0] else -1.0
    share = np.linspace(0.0, 1.0, 15)
    roots = upper[np.linspace(2, 22, 15).astype(int)]
    lean = (share if outward > 0 else share - 1.0) * 0.9
    drop = -0.75 if open_share > 0.15 else 0.6
    length = (0.035 + 0.04 * female) * unit
    lashes = np.zeros_like(cover)
    for root, tilt in zip(roots, lean + 0.1 * outward, strict=True):
        tip = root + length * np.array([tilt, drop * (1.0 - 0.3 * abs(tilt))])
        lashes = np.maximum(lashes, window.line(np.stack([root, tip]), 0.45))
    window.lay(image, dark, np.clip(np.maximum(cover, 0.5 * lashes), 0.0, 1.0))


def paint_mouth(image: ByteImage, points: FloatArray, stage: Stage, *, jaw_drop: float, skull: FloatArray) -> None:
    """Draw the opened mouth's inside, or the line between closed lips, in place.

    Args:
        image: (H, W, 3) RGB uint8.
        points: (68, 2) landmarks in its pixels.
        stage: person and camera.
        jaw_drop: how far the lower jaw has moved down, IPD units.
        skull: (3, 2) pixels of the neutral stomion and of the places one IPD to its image-right and below it.
    """
    upper = smooth_curve(points[[60, 61, 62, 63, 64]], samples=8)
    lower = smooth_curve(points[[60, 67, 66, 65, 64]], samples=8)
    lower[:, 1] = np.maximum(lower[:, 1], upper[:, 1])
    window = Window.around(np.vstack([upper, lower]), 0.08 * stage.unit, (image.shape[0], image.shape[1]))
    if window is None:
        return
    gap = float(np.max(lower[:, 1] - upper[:, 1])) / stage.unit
    opened = float(np.clip((gap - 0.022) / 0.03, 0.0, 1.0))
    dark = np.empty((window.height * _FINE, window.width * _FINE, 3), np.float32)
    dark[:] = np.array([64.0, 30.0, 28.0]) * stage.brightness * (1.0 - 0.45 * stage.person.melanin)
    if opened > 0:
        mask = window.mask(np.vstack([upper, lower[::-1]]), soften=0.3)
        window.lay(image, _cavity(window, upper, stage, jaw_drop=jaw_drop, skull=skull), mask * opened)
    seam = window.line(0.5 * (upper + lower), 0.018 * stage.unit, soften=0.007 * stage.unit)
    window.lay(image, dark, 0.7 * (1.0 - opened) * seam)
    rims = window.line(upper, 0.014 * stage.unit, soften=0.008 * stage.unit)
    window.lay(image, dark, 0.5 * opened * rims)


def _cavity(window: Window, upper: FloatArray, stage: Stage, *, jaw_drop: float, skull: FloatArray) -> Patch:
    """(h, w, 3) sRGB of cavity, tongue, lower and upper teeth."""
    x, y = window.places()
    basis = np.linalg.inv(np.column_stack([skull[1] - skull[0], skull[2] - skull[0]]))
    u = basis[0, 0] * (x - skull[0, 0]) + basis[0, 1] * (y - skull[0, 1])
    v = basis[1, 0] * (x - skull[0, 0]) + basis[1, 1] * (y - skull[0, 1])
    inside = np.empty((*x.shape, 3), np.float32)
    inside[:] = np.array([62.0, 22.0, 24.0])
    tongue = np.clip(1.3 - (u / 0.26) ** 2 - ((v - 0.17 - jaw_drop) / 0.13) ** 2, 0.0, 1.0)[..., None]
    inside = inside * (1.0 - tongue) + np.array([168.0, 84.0, 84.0]) * (0.55 + 0.45 * tongue) * tongue
    for row, level in ((_LOWER_TEETH, jaw_drop + 0.052), (_UPPER_TEETH, 0.055)):
        inside = _lay_teeth(inside, u, v, row=row, level=level)
    lid = np.interp(x[0], upper[:, 0], upper[:, 1]).astype(np.float32)[None]
    shadow = 1.0 - 0.5 * np.exp(-np.clip(y - lid, 0.0, None) / (0.03 * stage.unit))
    return np.asarray(inside * shadow[..., None] * stage.brightness, np.float32)


@dataclass(frozen=True)
class TeethRow:
    """A row of teeth: where each ends sideways (IPD units from the middle), its height, 1 for the upper row, whiteness.

    The arch hides the side teeth: widths shrink with the distance from the middle.
    """

    edges: tuple[float, ...]
    height: float
    sign: float
    whiteness: float


_UPPER_TEETH = TeethRow((0.132, 0.232, 0.315, 0.375, 0.42, 0.45), 0.16, 1.0, 1.0)
_LOWER_TEETH = TeethRow((0.085, 0.16, 0.235, 0.29, 0.335, 0.37), 0.11, -1.0, 0.82)


def _lay_teeth(inside: Patch, u: Patch, v: Patch, *, row: TeethRow, level: float) -> Patch:
    """Lay a row of teeth whose cutting edge is at height ``level``; ``u`` and ``v`` are places in IPD units."""
    au = np.abs(u)
    bounds = np.array((0.0, *row.edges))
    index = np.clip(np.searchsorted(bounds, au.ravel(), side="right") - 1, 0, len(row.edges) - 1)
    left, right = bounds[index].reshape(au.shape), bounds[index + 1].reshape(au.shape)
    within = (au - left) / (right - left)
    rounded = level + row.sign * (0.006 - 0.014 * np.abs(2.0 * within - 1.0) ** 4 - 0.10 * au**2)
    body = np.clip(row.sign * (rounded - v) / 0.010, 0.0, 1.0)
    body = body * np.clip((row.height + row.sign * (v - level)) / 0.02, 0.0, 1.0) * (au < bounds[-1])
    gap = 1.0 - 0.28 * np.exp(-0.5 * (np.minimum(within, 1.0 - within) * (right - left) / 0.005) ** 2)
    shade = np.clip((1.0 - 1.9 * au**2) * gap * row.whiteness, 0.25, 1.0)
    tooth = np.array([236.0, 227.0, 210.0]) * shade[..., None]
    return np.asarray(inside * (1.0 - body[..., None]) + tooth * body[..., None], np.float32)
