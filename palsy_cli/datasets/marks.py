"""The 68 points as files (``.pts``, lists of coordinates), and those of them that nobody marked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import RBFInterpolator

from palsy_cli.datasets.reading import Unfit, read_text
from palsy_cli.errors import DatasetError
from palsy_cli.files import atomic_write
from palsy_cli.records import FloatArray, require_shape
from palsy_cli.simulate.template import mean_points

POINTS = 68
#: Outer and inner corners of both eyes; they alone give a face its place, size and roll.
EYE_CORNERS = (36, 39, 42, 45)
#: A ``.pts`` file counts pixels from 1, as MATLAB does: the page of the 300-W challenge says that the top left pixel is
#: x=1, y=1. Ours count from 0.
FIRST_PIXEL = 1.0

#: Points whose spread in the narrower direction is less (pupil distances) tell no size or roll by themselves.
_WELL_SPREAD = 0.2
#: Where the warp of ``complete_points`` comes to rest: a circle about the face, in pupil distances.
_RING_RADIUS, _RING_POINTS = 3.0, 12


def read_pts(path: Path) -> FloatArray:
    """(68, 2) pixels, counted from 0, of a ``.pts`` file of version 1; NaN for a point written as ``nan nan``.

    Raises:
        DatasetError: the file, and the line where there is one, that is not as the format wants it.
    """
    lines = _lines(path)
    fields, rest = lines[:2], lines[2:]
    for name, wanted, (number, text) in zip(("version", "n_points"), (1, POINTS), fields, strict=False):
        found = re.fullmatch(rf"{name}\s*:\s*(\S+)", text)
        if found is None:
            raise DatasetError(f"{path}: line {number}: found {text!r}, expected '{name}: {wanted}'")
        if found[1] != str(wanted):
            raise DatasetError(f"{path}: line {number}: {name} {found[1]}, expected {wanted}")
    if len(rest) < 2 or rest[0][1] != "{" or rest[-1][1] != "}":
        raise DatasetError(f"{path}: the points do not stand between {{ and }}; the file is cut short or no .pts")
    return _coordinates(path, rest[1:-1]) - FIRST_PIXEL


def write_pts(path: Path, points: FloatArray, *, private: bool = True) -> Path:
    """Write (68, 2) pixels, counted from 0, as a ``.pts`` file, whole or not at all; NaN becomes ``nan nan``.

    Args:
        path: the file.
        points: (68, 2).
        private: readable by the owner only: the points of a patient's face concern their health.
    """
    points = np.asarray(points, float)
    require_shape("points", points, (POINTS, 2))
    rows = [f"{x:.4f} {y:.4f}" for x, y in points + FIRST_PIXEL]
    text = "\n".join(("version: 1", f"n_points: {POINTS}", "{", *rows, "}", ""))
    return atomic_write(path, text, private=private)


def read_xy(path: Path) -> FloatArray:
    """(68, 2) pixels, counted from 0, of a text file of 68 lines ``x,y`` (or with a blank, tab or semicolon between).

    A first line ``x,y`` may name the columns.

    Raises:
        DatasetError: as ``read_pts`` does.
    """
    lines = _lines(path)
    if lines and re.fullmatch(r"x[\s,;]+y", lines[0][1].lower()):
        lines = lines[1:]
    return _coordinates(path, lines)


def _lines(path: Path) -> list[tuple[int, str]]:
    """Number and text of all lines that are not blank."""
    try:
        text = read_text(path)
    except Unfit as error:
        raise DatasetError(str(error)) from error
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    found = [(number, line) for number, line in lines if line]
    if not found:
        raise DatasetError(f"{path}: the file is empty; copy it again")
    return found


def _coordinates(path: Path, lines: list[tuple[int, str]]) -> FloatArray:
    """(68, 2) of lines with two numbers each."""
    points = []
    for number, line in lines:
        cells = [cell for cell in re.split(r"[\s,;]+", line) if cell]
        try:
            x, y = map(float, cells)
        except ValueError:
            raise DatasetError(f"{path}: line {number}: found {line!r}, expected two numbers") from None
        if np.isinf((x, y)).any():
            raise DatasetError(f"{path}: line {number}: found {line!r}, expected two finite numbers")
        points.append((x, y) if np.isfinite((x, y)).all() else (np.nan, np.nan))
    if len(points) != POINTS:
        raise DatasetError(f"{path}: holds {len(points)} points, expected {POINTS}")
    return np.array(points)


def complete_points(points: FloatArray) -> FloatArray | None:
    """Fill in the points that were not marked.

    The mean face (``simulate.template``) is laid on the marked points by turn, size and shift, and then warped smoothly
    (thin plates, at rest on a circle of three pupil distances about the face) until it goes through them. What
    was marked stays as it is; a turned, scaled or shifted face gives turned, scaled or shifted points.

    Args:
        points: (68, 2) pixels, NaN where not marked; the face may be rolled but not mirrored.

    Returns:
        (68, 2) pixels, all finite, or ``None`` when too little is marked: neither the four eye corners, nor four points
        that spread in both directions. On drawn faces the others follow from the 17 points that AFLW has of the 68
        to 0.02 of the distance between the outer eye corners at rest, to 0.035 in movement (mean error, a bound that
        ``tests/datasets/test_marks.py`` holds); real faces differ more from the mean one.
    """
    points = np.asarray(points, float)
    require_shape("points", points, (POINTS, 2))
    known = _known(points)
    if not (known[list(EYE_CORNERS)].all() or _spread(known)):
        return None
    face = mean_points()
    template, marked = _complex(face), _complex(points[known])
    centre, middle = template[known].mean(), marked.mean()
    arms = template[known] - centre
    turn = (arms.conj() * (marked - middle)).sum() / (abs(arms) ** 2).sum()
    if not abs(turn) > 0:
        return None
    missed = (marked - middle) / turn + centre - template[known]
    angles = np.arange(_RING_POINTS) * 2.0 * np.pi / _RING_POINTS
    ring = face.mean(axis=0) + _RING_RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    places = np.concatenate([face[known], ring])
    shifts = np.concatenate([_pairs(missed), np.zeros_like(ring)])
    warped = face + RBFInterpolator(places, shifts, kernel="thin_plate_spline")(face)
    whole = _pairs(turn * (_complex(warped) - centre) + middle)
    return np.where(known[:, None], points, whole)


def _known(points: FloatArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """(68,) which points are marked."""
    return np.asarray(np.isfinite(points).all(axis=1))


def _spread(known: np.ndarray[Any, np.dtype[np.bool_]]) -> bool:
    """Whether these of the 68 are at least four and lie neither close together nor on a line."""
    if known.sum() < 4:
        return False
    face = mean_points()[known]
    widths = np.linalg.svd(face - face.mean(axis=0), compute_uv=False) / np.sqrt(len(face))
    return bool(widths[1] >= _WELL_SPREAD)


def _complex(points: FloatArray) -> np.ndarray[Any, np.dtype[np.complex128]]:
    """Points as numbers x + iy, so that one factor turns and scales them."""
    return np.asarray(points[:, 0] + 1j * points[:, 1], np.complex128)


def _pairs(numbers: np.ndarray[Any, np.dtype[np.complex128]]) -> FloatArray:
    return np.stack([numbers.real, numbers.imag], axis=1)
