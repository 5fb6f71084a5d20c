"""The face as a lit surface: a height field built from the landmarks, its shading, and the skin's colour.

Everything is painted once per person on a canvas of ``SCALE`` pixels per IPD in the neutral pose; frames are warped
from it. Light is computed in linear intensity.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from scipy.interpolate import CubicSpline, PchipInterpolator

from palsy_cli.records import FloatArray
from palsy_cli.simulate.appearance import Person, Rgb

Plane = npt.NDArray[np.float32]

#: Canvas: pixels per IPD, its top left corner and its size in IPD units.
SCALE = 110.0
ORIGIN = np.array([-3.6, -2.7])
EXTENT = (7.2, 6.6)
CANVAS_SIZE = (int(EXTENT[1] * SCALE), int(EXTENT[0] * SCALE))

#: Half width of the skull above the eyes in parts of the face's half width, by height (IPD units).
_CRANIUM = ((-0.40, 1.035), (-0.80, 1.0), (-1.15, 0.88), (-1.45, 0.65), (-1.68, 0.34))
_TOP = -1.77
#: Depth of the face's profile by height, the ears' plane being 0.
_PROFILE = (
    *((-1.77, 0.10), (-1.65, 0.52), (-1.40, 0.80), (-1.05, 0.97), (-0.60, 1.05), (-0.20, 1.03), (0.30, 1.03)),
    *((0.80, 1.05), (1.20, 1.03), (1.50, 1.0)),
)


@dataclass(frozen=True)
class Relief:
    """Height field of a head on the canvas: ``z`` (H, W) IPD units towards the camera, ``mask`` (H, W) 0..1."""

    z: Plane
    mask: Plane


def grid() -> tuple[Plane, Plane]:
    """(H, W) x and y of every canvas pixel, IPD units."""
    height, width = CANVAS_SIZE
    x = (np.arange(width, dtype=np.float32) / np.float32(SCALE)) + np.float32(ORIGIN[0])
    y = (np.arange(height, dtype=np.float32) / np.float32(SCALE)) + np.float32(ORIGIN[1])
    return np.broadcast_to(x, CANVAS_SIZE).copy(), np.broadcast_to(y[:, None], CANVAS_SIZE).copy()


def to_canvas(points: FloatArray) -> FloatArray:
    """(..., 2) IPD units -> canvas pixels."""
    return np.asarray((points - ORIGIN) * SCALE)


def linear(colour: Rgb | FloatArray) -> npt.NDArray[np.float32]:
    """Colour in sRGB 0-255 -> linear light 0-1 (gamma 2.2)."""
    return np.asarray((np.asarray(colour, np.float32) / 255.0) ** 2.2, np.float32)


def blur(plane: Plane, sigma: float) -> Plane:
    """Gaussian blur, ``sigma`` in canvas pixels; wide ones are computed at a quarter of the size."""
    if sigma < 8.0:
        return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma), np.float32)
    small = cv2.resize(plane, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / 4.0)
    return np.asarray(cv2.resize(small, plane.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def polygon(points: FloatArray, *, soften: float = 0.7) -> Plane:
    """(H, W) 0..1 mask of a closed polygon given in IPD units, its edge blurred by ``soften`` pixels."""
    mask = np.zeros(CANVAS_SIZE, np.uint8)
    cv2.fillPoly(mask, [np.round(to_canvas(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    plane = mask.astype(np.float32) / np.float32(255.0)
    return blur(plane, soften) if soften > 0 else plane


def smooth_curve(points: FloatArray, *, samples: int = 12, closed: bool = False) -> FloatArray:
    """(N, 2) smooth curve through the points (a cubic spline over chord length), ``samples`` per segment."""
    ring = np.vstack([points, points[:1]]) if closed else points
    lengths = np.concatenate([[0.0], np.cumsum(np.maximum(np.hypot(*np.diff(ring, axis=0).T), 1e-6))])
    at = np.linspace(0.0, lengths[-1], samples * (len(ring) - 1) + 1)
    return np.asarray(CubicSpline(lengths, ring, bc_type="periodic" if closed else "natural")(at))


def noise(rng: np.random.Generator, sigma: float) -> Plane:
    """(H, W) smooth noise of unit variance; ``sigma`` in canvas pixels."""
    step = max(1, int(sigma / 2.0))
    shape = (CANVAS_SIZE[0] // step + 2, CANVAS_SIZE[1] // step + 2)
    plane = rng.standard_normal(shape, dtype=np.float32)
    plane = cv2.GaussianBlur(plane, (0, 0), max(0.6, sigma / step))
    plane = cv2.resize(plane, CANVAS_SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(plane / (plane.std() + 1e-6), np.float32)


def head_outline(points: FloatArray) -> FloatArray:
    """(N, 2) closed outline of jaw and skull in IPD units, from the patient's right temple over the chin."""
    half = float(np.abs(points[[0, 16], 0]).mean())
    right = np.array([(-half * share, y) for y, share in _CRANIUM[::-1]])
    left = right[::-1] * [-1.0, 1.0]
    jaw = smooth_curve(points[:17], samples=1)[::2]
    return smooth_curve(np.vstack([right, jaw, left, [[0.0, _TOP]]]), samples=10, closed=True)


def _bump(x: Plane, y: Plane, at: FloatArray | tuple[float, float], sx: float, sy: float) -> Plane:
    """Gaussian hill of height 1 at ``at``."""
    return np.asarray(np.exp(-0.5 * (((x - at[0]) / sx) ** 2 + ((y - at[1]) / sy) ** 2)), np.float32)


def face_relief(person: Person, points: FloatArray) -> Relief:
    """Height field of the head from its neutral landmarks (68, 2)."""
    x, y = grid()
    outline = head_outline(points)
    mask = polygon(outline)
    right = outline[outline[:, 0] <= 0]
    rows = right[np.argsort(right[:, 1])]
    chin = float(points[8, 1])
    levels, first = np.unique(rows[:, 1], return_index=True)
    half_width = np.interp(y[:, 0], levels, -rows[first, 0], left=1e-3, right=1e-3).astype(np.float32)
    knots = np.array([*_PROFILE, (chin - 0.12, 0.97), (chin - 0.03, 0.82), (chin, 0.6)])
    depth = PchipInterpolator(knots[:, 0], knots[:, 1], extrapolate=False)(y[:, 0])
    depth = np.nan_to_num(depth).astype(np.float32)
    t = np.clip(np.abs(x) / np.maximum(half_width, 0.02)[:, None], 0.0, 1.0)
    z = depth[:, None] * (1.0 - t**2.5) ** np.float32(0.5)
    z = blur(z.astype(np.float32), 3.5)
    z += _features(person, points, x, np.asarray(y))
    return Relief(z=np.asarray(blur(z, 1.0), np.float32), mask=mask)


def _features(person: Person, p: FloatArray, x: Plane, y: Plane) -> Plane:
    """Hills and hollows of brow, eyes, nose, lips, cheeks and chin."""
    ax = np.abs(x)
    brow_y, tip, base = float(p[17:27, 1].mean()), float(p[30, 1]), float(p[33, 1])
    male = person.masculine
    total = (0.03 + 0.045 * male) * _bump(ax, y, (0.36, brow_y + 0.02), 0.26, 0.085)
    total += 0.02 * _bump(ax, y, (0.0, brow_y + 0.04), 0.12, 0.08)
    total -= 0.125 * _bump(ax, y, (0.47, -0.06), 0.27, 0.14)
    total -= 0.09 * _bump(ax, y, (0.235, 0.0), 0.075, 0.13)
    total += 0.105 * _bump(ax, y, (0.5, 0.0), 0.19, 0.11)
    total -= (0.012 + 0.02 * person.age) * _bump(ax, y, (0.44, 0.185), 0.19, 0.035)
    total += 0.06 * _bump(ax, y, (0.76, 0.42), 0.25, 0.19)
    total -= (0.035 + 0.03 * person.age) * _bump(ax, y, (0.8, 1.0), 0.2, 0.3)
    total -= 0.05 * _bump(ax, y, (1.0, -0.4), 0.16, 0.3)
    total += _nose(p, x, y, tip, base)
    mouth = float(p[62, 1])
    total += 0.07 * _bump(ax, y, (0.0, mouth), 0.42, 0.3)
    total += 0.085 * _bump(ax, y, (0.0, float(p[8, 1]) - 0.17), 0.2, 0.15)
    total -= 0.05 * _bump(ax, y, (0.0, float(p[57, 1]) + 0.075), 0.26, 0.055)
    total -= 0.022 * _bump(ax, y, (0.0, 0.5 * (base + float(p[51, 1]))), 0.035, 0.12)
    total += 0.010 * _bump(ax, y, (0.075, 0.5 * (base + float(p[51, 1]))), 0.03, 0.11)
    total -= 0.03 * _bump(ax, y, (float(np.abs(p[[48, 54], 0]).mean()) + 0.05, mouth + 0.02), 0.05, 0.06)
    return np.asarray(total + _lips(p, x, y), np.float32)


def _nose(p: FloatArray, x: Plane, y: Plane, tip: float, base: float) -> Plane:
    root = float(p[27, 1])
    wing = float(np.abs(p[[31, 35], 0]).mean())
    rows = y[:, 0]
    knots = np.array(
        [
            (root - 0.16, 0.0),
            (root, 0.035),
            (root + 0.2, 0.10),
            (tip - 0.18, 0.20),
            (tip, 0.30),
            (base - 0.06, 0.25),
        ]
        + [(base, 0.10), (base + 0.05, 0.0)]
    )
    ridge = np.nan_to_num(PchipInterpolator(knots[:, 0], knots[:, 1], extrapolate=False)(rows))
    width = np.interp(rows, [root, tip - 0.2, tip, base], [0.085, 0.095, 0.50 * wing, 0.5 * wing])
    z = ridge[:, None] * np.exp(-0.5 * (x / width[:, None]) ** 2)
    z = z + 0.07 * _bump(x, y, (0.0, tip + 0.01), 0.085, 0.085)
    z = z + 0.17 * _bump(np.abs(x), y, (wing - 0.03, base - 0.085), 0.052, 0.068)
    z = z - 0.05 * _bump(np.abs(x), y, (wing + 0.06, base - 0.10), 0.035, 0.09)
    z = z - 0.04 * _bump(np.abs(x), y, (0.5 * wing + 0.01, base - 0.12), 0.022, 0.06)
    return np.asarray(z, np.float32)


def lip_masks(p: FloatArray) -> tuple[Plane, Plane]:
    """(H, W) 0..1 masks of the closed upper and lower lip."""
    upper = np.vstack([smooth_curve(p[48:55], samples=8), smooth_curve(p[[54, 64, 63, 62, 61, 60, 48]], samples=6)])
    lower = np.vstack(
        [
            smooth_curve(p[[48, 60, 67, 66, 65, 64, 54]], samples=6),
            smooth_curve(p[[54, 55, 56, 57, 58, 59, 48]], samples=8),
        ]
    )
    return polygon(upper, soften=1.3), polygon(lower, soften=1.6)


def _lips(p: FloatArray, x: Plane, y: Plane) -> Plane:
    upper, lower = lip_masks(p)
    seam = np.interp(x[0], p[[60, 61, 62, 63, 64], 0], p[[60, 61, 62, 63, 64], 1]).astype(np.float32)
    crease = np.exp(-0.5 * ((y - seam[None, :] - 0.004) / 0.018) ** 2) * (np.abs(x) < abs(p[48, 0]) + 0.02)
    z = 0.045 * blur(upper, 4.0) + 0.075 * blur(lower, 5.5) - 0.05 * blur(crease.astype(np.float32), 1.2)
    return np.asarray(z, np.float32)


def light_relief(z: Plane, person: Person, *, pores: Plane | None = None) -> tuple[npt.NDArray[np.float32], Plane]:
    """Shade a height field.

    Args:
        z: (H, W) heights, IPD units.
        person: its lamp.
        pores: (H, W) fine relief added for the normals alone, IPD units.

    Returns:
        (H, W, 3) light per channel, about 0..1.3 (red bleeds further through the skin than blue), and the
        (H, W) gloss.
    """
    surface = z if pores is None else z + pores
    zx = cv2.Sobel(surface, cv2.CV_32F, 1, 0, ksize=3, scale=SCALE / 8.0)
    zy = cv2.Sobel(surface, cv2.CV_32F, 0, 1, ksize=3, scale=SCALE / 8.0)
    inverse = 1.0 / np.sqrt(1.0 + zx * zx + zy * zy)
    lamp = np.array(person.light) / np.linalg.norm(person.light)
    facing = (-zx * lamp[0] - zy * lamp[1] + lamp[2]) * inverse
    key = np.clip((facing + 0.22) / 1.22, 0.0, None)
    sky = 0.62 + 0.38 * (0.35 * zy * inverse + inverse)
    hollow = z - blur(z, 9.0)
    wide_hollow = z - blur(z, 26.0)
    occlusion = np.clip(1.0 + 5.0 * np.minimum(hollow, 0.01) + 1.2 * np.minimum(wide_hollow, 0.02), 0.35, 1.05)
    strength = person.light_strength
    shade = (0.80 - 0.62 * strength) * sky * occlusion + (0.22 + 0.85 * strength) * key * (0.5 + 0.5 * occlusion)
    shade = shade.astype(np.float32)
    channels = [0.55 * shade + 0.45 * blur(shade, sigma) for sigma in (6.0, 2.8, 1.4)]
    half = lamp + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    # Gloss comes from the smoothed surface: single pores do not shine.
    gx, gy = blur(zx, 2.2), blur(zy, 2.2)
    gloss = np.clip((-gx * half[0] - gy * half[1] + half[2]) / np.sqrt(1.0 + gx * gx + gy * gy), 0.0, 1.0) ** 26
    tint = 1.0 + 0.07 * person.warmth * np.array([1.0, 0.1, -1.0])
    light = np.stack([c * t for c, t in zip(channels, tint, strict=True)], axis=-1)
    return light.astype(np.float32), np.asarray(gloss, np.float32)


def skin_colour(person: Person, points: FloatArray, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(H, W, 3) linear colour of the skin: blood in cheeks and nose, shadow round the eyes, freckles, mottling."""
    x, y = grid()
    ax = np.abs(x)
    p = points
    base = linear(person.skin)
    blood = 0.5 * _bump(ax, y, (0.72, 0.55), 0.28, 0.24) + 0.55 * _bump(x, y, (0.0, float(p[30, 1])), 0.17, 0.14)
    blood += 0.22 * _bump(ax, y, (0.5, 0.03), 0.28, 0.13) + 0.25 * _bump(x, y, (0.0, float(p[8, 1]) - 0.15), 0.2, 0.14)
    blood += 0.10 * noise(rng, 14.0) + 0.07 * noise(rng, 5.0) + 0.05 * noise(rng, 2.0)
    pale = 1.0 - 0.65 * person.melanin
    factor = np.stack([1.0 + 0.02 * blood, 1.0 - 0.20 * pale * blood, 1.0 - 0.17 * pale * blood], axis=-1)
    brightness = 1.0 + 0.025 * noise(rng, 30.0) + 0.022 * noise(rng, 1.2) + 0.02 * noise(rng, 4.0)
    dark = (0.10 + 0.12 * person.age) * _bump(ax, y, (0.46, 0.14), 0.22, 0.075)
    dark += 0.14 * _bump(ax, y, (0.3, 0.02), 0.1, 0.1) + 0.13 * _bump(ax, y, (0.5, -0.10), 0.24, 0.07)
    colour = base * factor * (brightness * (1.0 - dark))[..., None]
    if person.freckles > 0:
        spots = np.clip(noise(rng, 1.6) - 1.75, 0.0, 1.0) * (_bump(ax, y, (0.5, 0.4), 0.5, 0.3))
        colour *= 1.0 - (1.2 * person.freckles * spots)[..., None] * np.array([0.35, 0.55, 0.65], np.float32)
    if person.beard != "none" or person.masculine > 0.6:
        shadow = beard_area(points) * (0.14 if person.beard == "none" else 0.22) * (1.0 - 0.5 * person.melanin)
        colour *= 1.0 - shadow[..., None] * np.array([1.0, 0.85, 0.7], np.float32)
    return np.asarray(np.clip(colour, 0.002, 1.0), np.float32)


def beard_area(points: FloatArray) -> Plane:
    """(H, W) 0..1 where a beard grows: jaw, chin and upper lip."""
    p = points
    jaw = smooth_curve(p[1:16] * [0.98, 1.0], samples=6)
    upper = np.array(
        [p[15] * [0.9, 1.0], (0.86, 0.72), (0.55, 0.98), (0.36, 0.86), (0.13, float(p[33, 1]) + 0.07)]
        + [(-0.13, float(p[33, 1]) + 0.07), (-0.36, 0.86), (-0.55, 0.98), (-0.86, 0.72), p[1] * [0.9, 1.0]]
    )
    return polygon(np.vstack([jaw, smooth_curve(upper, samples=6)]), soften=7.0)


def lip_colour(person: Person) -> npt.NDArray[np.float32]:
    """(3,) linear colour of the lips."""
    skin = np.asarray(person.skin)
    fresh = np.array([186.0, 92.0, 92.0]) * (1.0 - person.melanin) + np.array([104.0, 54.0, 54.0]) * person.melanin
    share = 0.35 + 0.5 * person.lip_strength
    return linear(skin * (1.0 - share) * 0.92 + fresh * share)


def paint_face(person: Person, points: FloatArray, relief: Relief, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(H, W, 3) linear picture of the bare, neutral head: skin, lips, nostrils, lid creases; no eyes, no hair."""
    colour = skin_colour(person, points, rng)
    upper, lower = lip_masks(points)
    x, y = grid()
    lines = 1.0 + 0.05 * noise(rng, 1.0) + 0.10 * blur(np.sin(x * 190.0 + 3.0 * noise(rng, 8.0)), 0.8)
    lips = lip_colour(person) * lines[..., None]
    both = np.clip(upper * 0.95 + lower * 0.9, 0.0, 0.95)[..., None]
    colour = colour * (1.0 - both) + lips * (np.where(upper > lower, 0.80, 1.0)[..., None]) * both
    pores = (0.0009 * noise(rng, 1.1) + 0.0008 * noise(rng, 2.2) * (0.3 + person.age)).astype(np.float32)
    light, gloss = light_relief(relief.z, person, pores=pores)
    oil = 0.04 + 0.06 * _bump(x, y, (0.0, -0.6), 0.6, 0.3) + 0.08 * _bump(x, y, (0.0, 0.5), 0.14, 0.3)
    oil += 0.16 * both[..., 0]
    picture = colour * light + (gloss * oil * (0.5 + person.light_strength) * (0.55 - 0.2 * person.melanin))[..., None]
    dark = _nostrils(points, x, y)
    dark = np.maximum(dark, 0.85 * _seam(points))
    dark = np.maximum(dark, _creases(points, person))
    deep = picture * np.array([0.22, 0.13, 0.12], np.float32)
    picture = picture * (1.0 - dark[..., None]) + deep * dark[..., None]
    return np.asarray(picture, np.float32)


def _nostrils(p: FloatArray, x: Plane, y: Plane) -> Plane:
    wing, base = float(np.abs(p[[31, 35], 0]).mean()), float(p[33, 1])
    ax = np.abs(x)
    hole = _bump(ax + 0.5 * (y - base), y, (0.52 * wing, base - 0.035), 0.042, 0.019)
    under = 0.30 * _bump(x, y, (0.0, base + 0.03), 0.6 * wing, 0.022)
    fold = 0.42 * _bump(ax - 0.25 * (y - base + 0.08) ** 2, y, (wing + 0.022, base - 0.085), 0.015, 0.062)
    soft = np.clip(under + fold, 0.0, 0.5) * (1.0 - np.clip(hole, 0.0, 1.0))
    return np.asarray(np.clip(1.25 * hole, 0.0, 0.92) + soft, np.float32)


def _stroke(points: FloatArray, *, width: float, soften: float) -> Plane:
    mask = np.zeros(CANVAS_SIZE, np.uint8)
    line = np.round(to_canvas(points) * 16).astype(np.int32)
    cv2.polylines(mask, [line], False, 255, max(1, int(round(width))), cv2.LINE_AA, 4)
    return blur(mask.astype(np.float32) / np.float32(255.0), soften)


def _seam(p: FloatArray) -> Plane:
    return _stroke(smooth_curve(p[[48, 60, 61, 62, 63, 64, 54]]), width=2.0, soften=1.1)


def _creases(p: FloatArray, person: Person) -> Plane:
    """Upper-lid creases: a soft line above each lid, following it."""
    total = np.zeros(CANVAS_SIZE, np.float32)
    for line in (p[36:40], p[42:46]):
        arch = smooth_curve(line, samples=10).copy()
        bow = np.sin(np.linspace(0.12, np.pi - 0.25, len(arch)))[:, None]
        outward = np.sign(arch[:, :1].mean())
        shifted = arch + np.hstack([0.012 * outward * bow, -(0.035 + 0.03 * bow)])
        total += 0.6 * _stroke(shifted, width=1.6, soften=1.5)
    return np.asarray(np.clip(total * (0.55 + 0.35 * person.age), 0.0, 0.6), np.float32)
