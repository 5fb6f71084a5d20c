"""Hair, brows and beard, drawn stroke by stroke on the canvas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray
from palsy_cli.simulate.appearance import Person
from palsy_cli.simulate.shading import (
    CANVAS_SIZE,
    ORIGIN,
    SCALE,
    Plane,
    beard_area,
    blur,
    linear,
    lip_masks,
    noise,
    polygon,
    smooth_curve,
    to_canvas,
)

Flow = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True)
class Layer:
    """Paint on the canvas: ``colour`` (H, W, 3) linear light, ``alpha`` (H, W) 0..1."""

    colour: npt.NDArray[np.float32]
    alpha: Plane

    def over(self, below: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(H, W, 3) this layer on top of another picture."""
        alpha = self.alpha[..., None]
        return np.asarray(below * (1.0 - alpha) + self.colour * alpha, np.float32)


def brow_layer(person: Person, points: FloatArray, rng: np.random.Generator) -> Layer:
    """Both eyebrows: a faint ground and some hundred hairs each, that fan from upright to lying along the brow."""
    ink, alpha = _blank(person, 0.62)
    thickness = 0.062 * person.brow_thickness
    for line, outward in ((points[[21, 20, 19, 18, 17]], -1.0), (points[22:27], 1.0)):
        spine = smooth_curve(line, samples=20) + [0.0, 0.012]
        count = int(190 * person.brow_density)
        at = rng.uniform(0.0, 1.0, count) ** 0.9
        start = spine[(at * (len(spine) - 1)).astype(int)]
        profile = thickness * np.clip(np.minimum(0.55 + 1.6 * at, 1.6 * (1.05 - at)), 0.12, 1.0)
        start = start + np.column_stack([rng.normal(0, 0.008, count), profile * rng.uniform(-0.5, 0.5, count)])
        lean = np.deg2rad(np.interp(at, [0.0, 0.25, 0.6, 1.0], [75.0, 40.0, 12.0, -22.0]) + rng.normal(0, 9, count))
        way = np.column_stack([outward * np.cos(lean), -np.sin(lean)])
        length = rng.uniform(0.055, 0.105, count)[:, None] * np.interp(at, [0, 0.2, 1], [0.8, 1.1, 0.75])[:, None]
        paths = np.stack([start, start + 0.5 * length * way, start + length * way * [1.0, 0.8]], axis=1)
        _draw(ink, alpha, paths, _shades(person, rng, count, span=(0.35, 0.8)), opacity=0.78)
        ground = _ribbon(spine, thickness)
        alpha[:] = np.maximum(alpha, (90 * person.brow_density * ground).astype(np.uint8))
    return _finish(ink, alpha, soften=0.5)


def beard_layer(person: Person, points: FloatArray, rng: np.random.Generator) -> Layer | None:
    """Stubble, moustache or full beard; ``None`` without."""
    if person.beard == "none":
        return None
    ink, alpha = _blank(person, 0.5)
    area = beard_area(points)
    upper, lower = lip_masks(points)
    area = area * (1.0 - np.clip(blur(upper + lower, 1.5) * 1.5, 0.0, 1.0))
    if person.beard == "moustache":
        low = float(points[62, 1]) + 0.04
        area *= polygon(np.array([(-0.5, 0.62), (0.5, 0.62), (0.55, low), (-0.55, low)]))
    sparse = person.beard == "stubble"
    count = {"stubble": 5200, "moustache": 1100, "full": 6500}[person.beard]
    start = _scatter(area, count, rng)
    length = rng.uniform(0.012, 0.03, len(start)) if sparse else rng.uniform(0.05, 0.12, len(start))
    lean = np.clip(start[:, 0] * 0.5, -0.8, 0.8) + rng.normal(0, 0.35, len(start))
    way = np.column_stack([np.sin(lean), np.cos(lean)])
    paths = np.stack([start, start + length[:, None] * way], axis=1)
    _draw(
        ink,
        alpha,
        paths,
        _shades(person, rng, len(start), span=(0.35, 1.0)),
        opacity=0.35 if sparse else 0.8,
    )
    if not sparse:
        alpha[:] = np.maximum(alpha, (170 * np.clip(1.4 * blur(area, 5.0) - 0.25, 0, 1)).astype(np.uint8))
    return _finish(ink, alpha, soften=0.5)


def hair_layers(person: Person, points: FloatArray, rng: np.random.Generator) -> tuple[Layer | None, Layer | None]:
    """Hair behind the neck and hair over the head; either may be ``None``."""
    if person.hair == "bald":
        return None, None
    half = float(np.abs(points[[0, 16], 0]).mean())
    if person.hair == "buzz":
        return None, _buzz(person, half, rng)
    if person.hair == "curly":
        return None, _curls(person, half, rng)
    volume = {"side_part": 0.15, "swept_back": 0.15, "curtains": 0.15, "fringe": 0.15, "bun": 0.09}[person.hair]
    back = _back_hair(person, half, rng) if person.hair in ("curtains", "fringe") else None
    line = _hairline(half, recede=0.10 * person.age * person.masculine)
    if person.hair == "fringe":
        line = np.array([(-0.97, 0.62), (-0.95, 0.0), (-0.86, -0.42), (-0.45, -0.52), (0.0, -0.55)]) * [
            half / 1.1,
            1.0,
        ]
        line = np.vstack([line, line[-2::-1] * [-1.0, 1.0]])
    if person.hair == "curtains":
        line = np.array([(-1.06, 1.9), (-0.98, 0.9), (-1.0, 0.0), (-0.86, -0.6), (-0.45, -1.0), (-0.02, -1.14)])
        line = np.vstack([line * [half / 1.1, 1.0], (line * [-half / 1.1, 1.0])[::-1]])
    cap = polygon(np.vstack([_outer(half, volume, low=float(line[0, 1])), smooth_curve(line)[::-1]]), soften=1.5)
    ink, alpha = _blank(person, 0.42)
    start = _scatter(cap, 2600 if person.hair in ("curtains", "fringe") else 1900, rng)
    flow = _flow_of(person, rng)
    steps, reach = 7, (0.5 if person.hair in ("curtains", "fringe") else 0.34)
    paths = _grow(start, flow, rng, steps=steps, reach=reach)
    alpha[:] = (255 * np.clip(1.8 * blur(cap, 3.0) - 0.75, 0, 1)).astype(np.uint8)
    _draw(ink, alpha, paths, _shades(person, rng, len(start), at=start, half=half), opacity=0.9)
    alpha[:] = (alpha * np.clip(2.5 * blur(cap, 5.0), 0.0, 1.0)).astype(np.uint8)
    if person.hair == "bun":
        _add_bun(person, ink, alpha, rng)
    return back, _finish(ink, alpha, soften=0.6)


def _hairline(half: float, *, recede: float) -> FloatArray:
    """(N, 2) from the right sideburn over the forehead to the left one."""
    right = np.array([(-1.09, 0.20), (-1.02, -0.2), (-0.96, -0.62), (-0.76, -0.95 - recede), (-0.4, -1.13 - recede)])
    middle = np.array([(0.0, -1.12 - 0.6 * recede)])
    return np.vstack([right, middle, right[::-1] * [-1.0, 1.0]]) * [half / 1.1, 1.0]


def _outer(half: float, volume: float, *, low: float) -> FloatArray:
    """(N, 2) outer edge of the hair from the right side over the crown to the left; falls straight below the ears."""
    angle = np.linspace(0.0, np.pi, 40)
    arc = np.column_stack(
        [-(half * 1.05 + volume) * np.cos(angle), -0.35 - (1.43 + 1.1 * volume) * np.sin(angle) ** 0.9]
    )
    if low <= 0.2:
        return np.vstack([[(-half * 1.05 - 0.3 * volume, 0.2)], arc, [(half * 1.05 + 0.3 * volume, 0.2)]])
    side = half * 1.08 + 1.6 * volume
    return np.vstack([[(-side, low), (-side, 0.3)], arc, [(side, 0.3), (side, low)]])


def _flow_of(person: Person, rng: np.random.Generator) -> Flow:
    """Direction (N, 2) in which hair runs at (N, 2) places."""
    part = float(rng.choice([-0.45, 0.45])) if person.hair == "side_part" else 0.0

    def fall(at: FloatArray) -> FloatArray:
        away = at[:, 0] - part
        steep = np.clip(np.abs(away) / 1.05 + 0.45 * (at[:, 1] + 0.6), 0.0, 1.0)
        return np.column_stack([np.sign(away) * (1.0 - steep**1.5), 0.12 + steep])

    def back(at: FloatArray) -> FloatArray:
        side = np.clip((np.abs(at[:, 0]) - 0.7) / 0.4, 0.0, 1.0)
        return np.column_stack([at[:, 0] * (0.35 - 0.2 * side), -1.0 + 0.3 * side])

    def down(at: FloatArray) -> FloatArray:
        return np.column_stack([0.55 * at[:, 0] * np.clip(-at[:, 1] - 0.2, 0.0, 1.0), np.full(len(at), 0.9)])

    return {"side_part": fall, "curtains": fall, "fringe": down}.get(person.hair, back)


def _grow(start: FloatArray, flow: Flow, rng: np.random.Generator, *, steps: int, reach: float) -> FloatArray:
    """(N, steps + 1, 2) paths that follow a flow, each with its own bend."""
    bend = rng.normal(0.0, 0.16, len(start))
    length = rng.uniform(0.5, 1.2, len(start)) * reach / steps
    paths = [start]
    for _ in range(steps):
        way = flow(paths[-1])
        way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
        way = way + bend[:, None] * np.column_stack([-way[:, 1], way[:, 0]])
        paths.append(paths[-1] + length[:, None] * way)
    return np.stack(paths, axis=1)


def _back_hair(person: Person, half: float, rng: np.random.Generator) -> Layer:
    low = 2.55 if person.hair == "curtains" else 1.25
    side = half * 1.32
    right = np.array([(-side, low), (-side * 1.02, 0.8), (-side * 0.95, -0.5)])
    shape = np.vstack([right, right[::-1] * [-1.0, 1.0]])
    mask = polygon(smooth_curve(shape, samples=8), soften=1.2)
    ink, alpha = _blank(person, 0.26)
    start = _scatter(mask, 900, rng)
    paths = _grow(start, lambda at: np.tile([0.0, 1.0], (len(at), 1)), rng, steps=5, reach=0.5)
    alpha[:] = (255 * mask).astype(np.uint8)
    _draw(ink, alpha, paths, _shades(person, rng, len(start), span=(0.2, 0.5)), opacity=0.9)
    return _finish(ink, alpha, soften=0.7)


def _buzz(person: Person, half: float, rng: np.random.Generator) -> Layer:
    line = _hairline(half, recede=0.12 * person.age)
    cap = polygon(np.vstack([_outer(half, 0.015, low=0.0), smooth_curve(line)[::-1]]), soften=7.0)
    ink, alpha = _blank(person, 0.55)
    start = _scatter(cap, 7000, rng)
    way = start - [0.0, -1.2]
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    paths = np.stack([start, start + 0.025 * way], axis=1)
    _draw(ink, alpha, paths, _shades(person, rng, len(start), at=start, half=half), opacity=0.6)
    ground = np.clip(cap, 0, 1) * (0.66 + 0.08 * noise(rng, 1.5))
    alpha[:] = np.maximum(alpha * (cap > 0.45), (255 * ground).clip(0, 225).astype(np.uint8))
    return _finish(ink, alpha, soften=0.6)


def _curls(person: Person, half: float, rng: np.random.Generator) -> Layer:
    volume = float(rng.uniform(0.12, 0.42))
    line = _hairline(half, recede=0.05 * person.age) + [0.0, 0.03]
    wobble = _outer(half, volume, low=0.0)
    wobble = wobble + 0.03 * rng.standard_normal(wobble.shape)
    cap = polygon(np.vstack([smooth_curve(wobble, samples=3), smooth_curve(line)[::-1]]), soften=2.0)
    ink, alpha = _blank(person, 0.36)
    start = _scatter(cap, 2600, rng)
    turn = rng.uniform(0, 2 * np.pi, len(start))[:, None] + np.linspace(0, 4.2, 9)[None, :]
    radius = rng.uniform(0.02, 0.05, len(start))[:, None]
    paths = start[:, None] + np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)
    alpha[:] = (255 * np.clip(1.6 * blur(cap, 3.0) - 0.4, 0, 1)).astype(np.uint8)
    _draw(ink, alpha, paths, _shades(person, rng, len(start), at=start, half=half + volume), opacity=0.9)
    return _finish(ink, alpha, soften=0.6)


def _add_bun(
    person: Person, ink: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8], rng: np.random.Generator
) -> None:
    angle = rng.uniform(0, 2 * np.pi, 500)
    radius = 0.36 * np.sqrt(rng.uniform(0, 1, 500))
    start = np.column_stack([radius * np.cos(angle), -1.98 + 0.8 * radius * np.sin(angle)])
    turn = angle[:, None] + np.linspace(0, 1.1, 6)[None, :]
    paths = np.stack([radius[:, None] * np.cos(turn), -1.98 + 0.8 * radius[:, None] * np.sin(turn)], axis=-1)
    round_ = np.linspace(0.0, 2.0 * np.pi, 40)
    disc = polygon(np.column_stack([0.37 * np.cos(round_), -1.98 + 0.3 * np.sin(round_)]))
    alpha[:] = np.maximum(alpha, (255 * disc).astype(np.uint8))
    shades = _shades(person, rng, 500, at=(start + [0.0, 0.9]) * [2.0, 1.0], half=1.0)
    _draw(ink, alpha, paths, shades, opacity=0.9)


def _blank(person: Person, darkness: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    colour = np.array(person.hair_colour) * darkness
    ink = np.empty((*CANVAS_SIZE, 3), np.uint8)
    ink[:] = np.clip(colour, 0, 255).astype(np.uint8)
    return ink, np.zeros(CANVAS_SIZE, np.uint8)


def _shades(
    person: Person,
    rng: np.random.Generator,
    count: int,
    *,
    span: tuple[float, float] = (0.45, 1.15),
    at: FloatArray | None = None,
    half: float = 1.1,
) -> FloatArray:
    """(count, 3) sRGB of single hairs: random, and lit as on a round head where their place is given."""
    factor = rng.uniform(*span, count)
    if at is not None:
        nx, ny = at[:, 0] / (1.25 * half), (at[:, 1] + 0.35) / 1.65
        nz = np.sqrt(np.clip(1.0 - nx**2 - ny**2, 0.02, 1.0))
        lamp = np.array(person.light) / np.linalg.norm(person.light)
        facing = nx * lamp[0] + ny * lamp[1] + nz * lamp[2]
        sheen = np.exp(-0.5 * ((at[:, 1] + 1.25 + 0.25 * nx**2) / 0.13) ** 2) * rng.uniform(0.0, 0.5, count)
        factor = factor * (0.45 + 0.65 * np.clip(facing, 0.0, 1.0)) + sheen
    return np.asarray(np.clip(np.array(person.hair_colour)[None] * factor[:, None] + 3.0, 0, 255))


def _scatter(area: Plane, count: int, rng: np.random.Generator) -> FloatArray:
    """(N, 2) random places (IPD units) where ``area`` is high, N at most ``count``."""
    rows, columns = np.nonzero(area > 0.25)
    if len(rows) == 0:
        return np.zeros((0, 2))
    pick = rng.integers(len(rows), size=count)
    keep = rng.random(count) < area[rows[pick], columns[pick]]
    chosen = pick[keep]
    return np.asarray(np.column_stack([columns[chosen], rows[chosen]]) / SCALE + ORIGIN)


def _draw(
    ink: npt.NDArray[np.uint8],
    alpha: npt.NDArray[np.uint8],
    paths: FloatArray,
    colours: FloatArray,
    *,
    opacity: float,
) -> None:
    """Draw (N, K, 2) paths (IPD units) in (N, 3) colours into ``ink`` and their cover into ``alpha``, in place."""
    lines = np.round(to_canvas(paths) * 16).astype(np.int32)
    cover = np.zeros_like(alpha)
    for line, colour in zip(lines, colours, strict=True):
        cv2.polylines(ink, [line], False, colour.tolist(), 1, cv2.LINE_AA, 4)
    cv2.polylines(cover, list(lines), False, 255, 1, cv2.LINE_AA, 4)
    np.maximum(alpha, (cover * opacity).astype(np.uint8), out=alpha)


def _ribbon(spine: FloatArray, thickness: float) -> Plane:
    """(H, W) soft band along a curve, thinner at its end."""
    taper = np.interp(np.linspace(0, 1, len(spine)), [0.0, 0.3, 1.0], [0.6, 1.0, 0.15])[:, None] * thickness * 0.42
    band = np.vstack([spine - taper * [0.0, 1.0], (spine + taper * [0.0, 1.0])[::-1]])
    return polygon(band, soften=2.5)


def _finish(ink: npt.NDArray[np.uint8], alpha: npt.NDArray[np.uint8], *, soften: float) -> Layer:
    smooth = cv2.GaussianBlur(ink, (0, 0), soften)
    table = linear(np.repeat(np.arange(256.0)[:, None], 3, axis=1))[:, 0]
    return Layer(
        colour=table[smooth].astype(np.float32),
        alpha=blur(alpha.astype(np.float32) / np.float32(255.0), soften),
    )
