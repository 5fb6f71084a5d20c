"""What surrounds the face: ears, neck, clothes, and the room behind."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.simulate.appearance import Person
from palsy_cli.simulate.hair import Layer
from palsy_cli.simulate.shading import (
    CANVAS_SIZE,
    Plane,
    blur,
    grid,
    light_relief,
    linear,
    noise,
    polygon,
    smooth_curve,
)


def neck_layer(person: Person, points: FloatArray, face: Plane, rng: np.random.Generator) -> Layer:
    """Neck and the start of the shoulders' skin, in the shadow of the chin."""
    x, y = grid()
    half = (0.66 + 0.14 * person.masculine) * float(np.abs(points[[0, 16], 0]).mean()) / 1.1
    side = np.array([(1.05, 0.7), (1.0, 1.4), (1.02, 2.0), (1.2, 2.32), (1.7, 2.6), (1.9, 3.1)]) * [half, 1.0]
    curve = smooth_curve(side, samples=8)
    mask = polygon(np.vstack([curve, [(half * 1.9, 4.0), (-half * 1.9, 4.0)], curve[::-1] * [-1.0, 1.0]]), soften=1.2)
    wide = half * (1.0 + 0.9 * np.clip((y - 2.0) / 0.6, 0.0, 1.0))
    z = 0.62 * np.sqrt(np.clip(1.0 - (np.abs(x) / (wide * 1.04)) ** 2.2, 0.0, 1.0))
    tendon = np.exp(-0.5 * ((np.abs(x) - 0.62 * half + 0.22 * (y - 1.6)) / 0.09) ** 2)
    z = z + 0.03 * tendon + 0.04 * np.exp(-0.5 * ((x / 0.1) ** 2 + ((y - 2.05) / 0.12) ** 2)) * person.masculine
    light, _ = light_relief(blur(z.astype(np.float32), 3.0), person)
    tone = linear(person.skin) * (1.0 + 0.03 * noise(rng, 10.0) + 0.02 * noise(rng, 1.3))[..., None]
    lamp = person.light
    shift = np.array([[1, 0, -28.0 * lamp[0]], [0, 1, 34.0]], np.float32)
    shadow = blur(np.asarray(cv2.warpAffine(face, shift, CANVAS_SIZE[::-1]), np.float32), 14.0)
    colour = tone * light * (1.0 - 0.62 * shadow)[..., None] * np.array([0.92, 0.9, 0.9], np.float32)
    return Layer(np.asarray(np.clip(colour, 0.0, 1.0), np.float32), mask)


def ear_layer(person: Person, points: FloatArray, rng: np.random.Generator) -> Layer:
    """Both ears: a rim, a hollow and a lobe each."""
    x, y = grid()
    half = float(np.abs(points[[0, 16], 0]).mean())
    ax = np.abs(x)
    tilt = ax - half - 0.055 + 0.10 * (y - 0.2)
    size = 0.95 + 0.1 * person.masculine
    r = np.sqrt((tilt / (0.145 * size)) ** 2 + ((y - 0.2) / (0.355 * size)) ** 2)
    mask = blur(np.clip((1.0 - r) * 14.0, 0.0, 1.0).astype(np.float32), 0.8)
    rim = np.exp(-0.5 * ((r - 0.82) / 0.13) ** 2)
    hollow = np.exp(-0.5 * ((tilt + 0.01) / 0.05) ** 2 - 0.5 * ((y - 0.27) / 0.11) ** 2)
    fold = np.exp(-0.5 * ((r - 0.45) / 0.12) ** 2) * (y < 0.25)
    z = (0.05 * rim + 0.028 * fold - 0.07 * hollow + 0.1 * np.clip(1.0 - r, 0.0, 1.0)).astype(np.float32)
    light, _ = light_relief(blur(z, 1.5), person)
    tone = linear(person.skin) * np.array([1.02, 0.86, 0.84], np.float32)
    shade = (0.82 - 0.55 * np.clip(hollow, 0, 1))[..., None]
    colour = tone * light * shade * (1.0 + 0.03 * noise(rng, 3.0))[..., None]
    return Layer(np.asarray(np.clip(colour, 0.0, 1.0), np.float32), mask)


def clothes_layer(person: Person, rng: np.random.Generator) -> Layer:
    """Shoulders in cloth, with a collar and folds."""
    x, y = grid()
    broad = 2.05 + 0.35 * person.masculine
    shoulder = np.array([(0.62, 2.22), (0.95, 2.36), (broad * 0.75, 2.66), (broad * 1.05, 3.0), (broad * 1.22, 4.1)])
    curve = smooth_curve(shoulder, samples=8)
    cut = {"crew": (0.72, 2.62, 2.2), "v_neck": (0.66, 3.1, 1.0), "shirt": (0.55, 2.95, 1.05)}[person.clothes]
    depth = np.clip(np.abs(x) / cut[0], 0.0, 1.0) ** cut[2]
    neckline = cut[1] - (cut[1] - 2.24) * depth
    solid = polygon(np.vstack([curve, curve[::-1] * [-1.0, 1.0]]), soften=1.0)
    mask = (solid * np.where(np.abs(x) < cut[0], np.clip((y - neckline) * 40.0, 0.0, 1.0), 1.0)).astype(np.float32)
    z = 0.55 * np.sqrt(np.clip(1.0 - (np.abs(x) / (broad * 1.25)) ** 2.5, 0.0, 1.0))
    z = z + 0.25 * np.clip((y - 2.3) / 1.2, 0.0, 1.0)
    folds = noise(rng, 18.0) * 0.010 + noise(rng, 9.0) * 0.004
    light, _ = light_relief(blur((z + folds).astype(np.float32), 2.0), person)
    tone = linear(person.clothes_colour) * (1.0 + 0.05 * noise(rng, 0.8))[..., None]
    band = np.clip(1.0 - np.abs(y - neckline - 0.045) / 0.045, 0.0, 1.0) * (np.abs(x) < cut[0])
    colour = tone * light * (0.9 - 0.18 * np.clip(3.0 * band, 0.0, 1.0))[..., None]
    if person.clothes == "shirt":
        placket = np.exp(-0.5 * (x / 0.012) ** 2) * (y > 2.9)
        colour = colour * (1.0 - 0.3 * placket)[..., None]
    return Layer(np.asarray(np.clip(colour, 0.0, 1.0), np.float32), mask)


def paint_room(person: Person, size: tuple[int, int]) -> ByteImage:
    """(H, W, 3) RGB uint8 background: a gradient between two colours with large, blurred shapes."""
    rng = np.random.default_rng([person.seed, 4])
    small = 64
    ramp = np.linspace(0.0, 1.0, small)
    angle = rng.uniform(0, 2 * np.pi)
    field = 0.5 + 0.7 * (np.cos(angle) * (ramp[None, :] - 0.5) + np.sin(angle) * (ramp[:, None] - 0.5))
    field = np.clip(field, 0.0, 1.0)[..., None]
    room = np.array(person.background[0]) * (1.0 - field) + np.array(person.background[1]) * field
    for _ in range(int(rng.integers(0, 6))):
        x, y = rng.integers(0, small, 2)
        width, height = rng.integers(6, 30, 2)
        room[max(0, y - height) : y + height, max(0, x - width) : x + width] *= rng.uniform(0.75, 1.2)
    room = cv2.GaussianBlur(room.astype(np.float32), (0, 0), float(rng.uniform(0.8, 4.0)))
    full: npt.NDArray[np.float32] = cv2.resize(room, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(full, 0, 255), np.uint8)
