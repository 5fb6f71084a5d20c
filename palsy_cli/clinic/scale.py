"""How many millimetres an eye distance has, where that is known from, and how sure it is.

The visible iris is 11.7 mm across in nearly everybody (SD 0.42 mm between people; Rüfer et al., Cornea 2005). It is
measured to a part of a pixel in open eyes at rest, once, and then holds for the whole recording: an eye that closes
changes no scale.
"""

from __future__ import annotations

import cv2
import numpy as np

from palsy_cli.records import ByteImage, FloatArray, Scale

IRIS_MM, IRIS_SD_MM = 11.7, 0.42
#: A scale that differs from the iris's by more than this is told.
CONTRADICTION = 0.2
#: Radii that are tried, in eye distances: half of 11.7 mm at distances of 52 to 76 mm, and half a span to both sides.
_RADII = np.linspace(0.062, 0.128, 133)
#: Where the border of the iris is looked for: arcs on both sides, rather below the middle, where no lid covers it.
_ARC = np.deg2rad(np.concatenate([np.arange(-25, 41, 3), np.arange(140, 206, 3)]))
#: The rise of the grey is taken over so many of their steps, which is as wide as the border of an iris looks.
_SPAN = 60
#: A best radius so few steps from either end is none: something else rises there.
_MARGIN = 6
#: How far from the middle of the canthi its centre may lie, along and across, in eye distances.
_AWAY_X, _AWAY_Y, _STEP = 0.08, 0.05, 0.01
#: An open eye is at least so many iris diameters high; in others too little of the border shows.
_OPEN = 0.55
#: An iris is at least so much darker than what lies around it (grey values 0..255).
_CLEAR = 8.0
#: Fewer irises than this are no measurement.
_FEWEST = 2


def choose_scale(
    faces: ByteImage,
    face_points: FloatArray,
    rest_unit_px: float,
    *,
    ipd_mm: float | None = None,
    mm_per_px: float | None = None,
) -> Scale:
    """The scale as the user gives it, or as the irises tell it.

    Args:
        faces: (K, S, S, 3) RGB upright faces at rest.
        face_points: (K, 68, 2) their points.
        rest_unit_px: pixels of the video in an eye distance at rest.
        ipd_mm: measured distance of the pupils.
        mm_per_px: millimetres in a pixel of the video, in the plane of the face.
    """
    radii = np.array([r for face, points in zip(faces, face_points, strict=True) for r in iris_radii(face, points)])
    told = IRIS_MM / 2 / radii
    iris_mm = float(np.median(told)) if len(radii) >= _FEWEST else None
    if ipd_mm is not None:
        return Scale(ipd_mm, 0.5, "ipd", irises=len(radii), iris_mm=iris_mm)
    if mm_per_px is not None:
        return Scale(mm_per_px * rest_unit_px, 0.0, "mm-per-px", irises=len(radii), iris_mm=iris_mm)
    if iris_mm is None:
        return Scale(None, None, None, "no open eye at rest in which the iris could be measured; give --ipd-mm")
    spread = 1.4826 * float(np.median(np.abs(told - iris_mm))) / np.sqrt(len(told))
    error = float(np.hypot(spread, iris_mm * IRIS_SD_MM / IRIS_MM))
    return Scale(iris_mm, error, "iris", irises=len(radii), iris_mm=iris_mm)


def contradicts_iris(scale: Scale) -> bool:
    """Whether a scale differs from what the irises say by more than a fifth."""
    return bool(scale.mm and scale.iris_mm and abs(scale.mm / scale.iris_mm - 1.0) > CONTRADICTION)


def iris_radii(face: ByteImage, points: FloatArray) -> list[float]:
    """Radii, in eye distances, of the irises that can be measured in a face (S, S, 3) with points (68, 2)."""
    centres = points[[[36, 39], [42, 45]]].mean(1)
    unit = float(np.linalg.norm(centres[1] - centres[0]))
    grey = cv2.GaussianBlur(cv2.cvtColor(face, cv2.COLOR_RGB2GRAY), (0, 0), 0.8).astype(np.float32)
    found = []
    for lids, centre in zip((((37, 38), (41, 40)), ((43, 44), (47, 46))), centres, strict=True):
        upper, lower = points[list(lids[0])].mean(0), points[list(lids[1])].mean(0)
        if float(np.linalg.norm(upper - lower)) < _OPEN * IRIS_MM / 63.0 * unit:
            continue
        radius = _radius(grey, centre, (upper + lower) / 2, unit)
        if radius is not None:
            found.append(radius)
    return found


def _radius(grey: FloatArray, canthi: FloatArray, lids: FloatArray, unit: float) -> float | None:
    """The circle, in eye distances, across whose sides the grey rises most steeply; ``None`` where none stands out."""
    best: tuple[float, FloatArray] = (0.0, np.zeros(0))
    for across in np.arange(-_AWAY_X, _AWAY_X + 1e-9, _STEP):
        for down in np.arange(-_AWAY_Y, _AWAY_Y + 1e-9, _STEP):
            rise = _rise(grey, (canthi[0] + across * unit, lids[1] + down * unit), unit)
            if rise.max() > best[0]:
                best = (float(rise.max()), rise)
    top = int(np.argmax(best[1])) if len(best[1]) else 0
    if best[0] < _CLEAR or not _MARGIN <= top < len(best[1]) - _MARGIN:
        return None
    below, peak, above = best[1][top - 1 : top + 2]
    shift = 0.5 * (below - above) / (below - 2 * peak + above) if below - 2 * peak + above < 0 else 0.0
    step = _RADII[1] - _RADII[0]
    return float(_RADII[top] + _SPAN / 2 * step + shift * step)


def _rise(grey: FloatArray, centre: tuple[float, float], unit: float) -> FloatArray:
    """How much lighter the arcs become over ``_SPAN`` steps of the radius, the darker side of the two counting."""
    x = centre[0] + unit * _RADII[:, None] * np.cos(_ARC)
    y = centre[1] + unit * _RADII[:, None] * np.sin(_ARC)
    values = cv2.remap(grey, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR)
    half = len(_ARC) // 2
    sides = np.stack([values[:, :half].mean(1), values[:, half:].mean(1)])
    return np.asarray((sides[:, _SPAN:] - sides[:, :-_SPAN]).min(0))
