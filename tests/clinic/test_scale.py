"""Millimetres come from open eyes at rest, to a part of a pixel, or from whoever measured them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from palsy_cli.clinic.scale import IRIS_MM, choose_scale, contradicts_iris, iris_radii
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.simulate.features import IRIS_RADIUS
from palsy_cli.simulate.person import Person, View, draw_person

UNIT = 95.0


def eyes(radius_px: float, *, height: float = 0.2, unit: float = UNIT) -> tuple[ByteImage, FloatArray]:
    """A face (320, 320, 3) of skin with two white eyes and dark irises, and its points."""
    shift, side = 4, 320
    image = np.full((side, side, 3), (196, 150, 128), np.uint8)
    points = np.full((68, 2), side / 2)
    for first, x in ((36, -unit / 2), (42, unit / 2)):
        centre = np.array([side / 2 + x, 130.3])
        wide, high = 0.23 * unit, height * unit / 2
        around = [(-1, 0), (-0.45, -1), (0.45, -1), (1, 0), (0.45, 1), (-0.45, 1)]
        points[first : first + 6] = centre + np.array(around) * (wide, high)
        outline = cv2.ellipse2Poly((0, 0), (1000, 1000), 0, 0, 360, 5) / 1000 * (wide, 1.15 * high) + centre
        white = np.zeros((side, side), np.uint8)
        cv2.fillPoly(white, [np.round(outline * 2**shift).astype(np.int32)], 255, cv2.LINE_AA, shift)
        rows, columns = np.mgrid[:side, :side]
        iris = np.clip(radius_px + 0.5 - np.hypot(columns - centre[0], rows - centre[1]), 0.0, 1.0)[..., None]
        ball = iris * (70, 52, 40) + (1 - iris) * (232, 232, 232)
        share = white[..., None] / 255
        image = np.uint8(share * ball + (1 - share) * image)
    return image, points


@pytest.mark.parametrize("radius_px", [8.0, 8.3, 8.6, 8.9, 9.4])
def test_irises_are_measured_to_a_part_of_a_pixel(radius_px: float) -> None:
    """Emotrics keeps whole pixels, which are 7 % of a radius of 15."""
    found = iris_radii(*eyes(radius_px))
    assert len(found) == 2 and np.array(found) * UNIT == pytest.approx(radius_px, rel=0.02)


def test_the_scale_is_what_the_irises_say() -> None:
    faces, points = zip(*(eyes(8.7) for _ in range(3)), strict=True)
    scale = choose_scale(np.stack(faces), np.stack(points), 200.0)
    assert scale.source == "iris" and scale.irises == 6
    assert scale.mm == pytest.approx(IRIS_MM / 2 / 8.7 * UNIT, rel=0.02)
    assert scale.error_mm is not None and 0.03 < scale.error_mm / scale.mm < 0.06  # type: ignore[operator]


def test_closed_eyes_tell_no_scale() -> None:
    """Emotrics assumes an iris a quarter as wide as a closed eye."""
    face, points = eyes(8.7, height=0.02)
    scale = choose_scale(face[None], points[None], 200.0)
    assert scale.mm is None and scale.reason is not None and "--ipd-mm" in scale.reason
    assert iris_radii(face, points) == []


def test_eyes_without_an_iris_tell_none() -> None:
    assert iris_radii(*eyes(0.0)) == []
    grey = np.full((320, 320, 3), 128, np.uint8)
    assert iris_radii(grey, eyes(8.7)[1]) == []


def test_what_was_measured_on_the_patient_counts() -> None:
    face, points = eyes(8.7)
    given = choose_scale(face[None], points[None], 200.0, ipd_mm=61.0)
    assert (given.mm, given.source) == (61.0, "ipd") and not contradicts_iris(given)
    assert contradicts_iris(choose_scale(face[None], points[None], 200.0, ipd_mm=85.0))
    by_pixel = choose_scale(face[None], points[None], 200.0, mm_per_px=0.31)
    assert by_pixel.mm == pytest.approx(62.0) and by_pixel.source == "mm-per-px"
    blind = choose_scale(eyes(8.7, height=0.02)[0][None], eyes(8.7, height=0.02)[1][None], 200.0, ipd_mm=85.0)
    assert blind.mm == 85.0 and not contradicts_iris(blind), "nothing to contradict it"


@pytest.mark.parametrize("seed", [2101, 2105, 2108])
def test_drawn_people_have_irises_of_the_right_size(seed: int) -> None:
    image, points = draw_person(Person.from_seed(seed), {}, size=(540, 540), view=View(zoom=0.18))
    found = iris_radii(image, points)
    unit = np.linalg.norm(points[[42, 45]].mean(0) - points[[36, 39]].mean(0))
    true = 0.97 * IRIS_RADIUS * 0.18 * 540  # half of its soft edge lies within
    assert len(found) == 2 and np.array(found) * unit == pytest.approx(true, rel=0.03)
