"""Figures: positions that follow from the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from palsy_cli.records import ALL_AUS, Assessment
from palsy_cli.report import plots, schematic
from palsy_cli.report.terms import LEFT_COLOUR, RIGHT_COLOUR


def numbers(text: str, pattern: str) -> list[float]:
    return [float(value) for value in re.findall(pattern, text)]


@pytest.mark.parametrize(("low", "high"), [(0, 10.01), (0, 0.3), (3, 3), (0, 613), (17, 95)])
def test_ticks_lie_inside_and_are_few(low: float, high: float) -> None:
    marks = plots.ticks(low, high)
    assert marks and all(low - 1e-9 <= mark <= high + 1e-9 for mark in marks) and len(marks) <= 8
    assert len({round(b - a, 9) for a, b in zip(marks, marks[1:], strict=False)}) <= 1


def test_bars_are_proportional() -> None:
    widths = numbers(plots.pair_bars(4.0, 1.0, title="t"), r'width="([\d.]+)" height="8"')
    assert widths[0] == pytest.approx(4 * widths[1])


@pytest.mark.parametrize(("value", "colour"), [(-0.5, LEFT_COLOUR), (0.5, RIGHT_COLOUR)])
def test_gauge_points_to_the_weaker_side(value: float, colour: str) -> None:
    text = plots.gauge(value, 0.18, title="t")
    (x,) = numbers(text, r'cx="([\d.]+)"')
    assert (x < 75) == (value < 0) and colour in text


def test_gauge_is_neutral_inside_the_dead_zone() -> None:
    text = plots.gauge(-0.1, 0.18, title="t")
    assert LEFT_COLOUR not in text and RIGHT_COLOUR not in text


def test_curves_leave_gaps_out_and_keep_the_scale() -> None:
    x = np.array([0.0, 1.0, 2.0])
    data = plots.Curves(x, np.array([0.0, np.nan, 5.0]), np.zeros(3), "AU12")
    text = plots.curves(data, span=(0, 2))
    assert "nan" not in text
    ys = numbers(text, r'cy="([\d.]+)"')
    assert len(ys) == 2 and ys[0] == 106 and ys[1] == 8


@pytest.mark.parametrize("trigger_side", ["left", "right"])
def test_heat_map_colours_name_the_side_of_the_extra_response(trigger_side: str) -> None:
    """Positive = the response is commoner on the side opposite the trigger."""
    difference = np.full((2, 2), np.nan)
    difference[0, 1], difference[1, 0] = 1.0, -1.0
    tested = np.array([[False, True], [True, False]])
    data = plots.HeatMap(difference, tested, tested, np.full((2, 2), 7), ("6", "20"), trigger_side)
    text = plots.heat_map(data, title="t")
    other = "left" if trigger_side == "right" else "right"
    assert f"AU6 given AU20: difference 1.00 towards the {other}, 7 keyframes" in text
    assert f"AU20 given AU6: difference 1.00 towards the {trigger_side}, 7 keyframes" in text
    assert LEFT_COLOUR.lower() in text and RIGHT_COLOUR.lower() in text
    assert text.count("url(#hatch-") == 2 and text.count('stroke-width="2"') == 2


def test_heat_map_of_a_real_case(assessment: Assessment) -> None:
    table = assessment.symptoms.cooccurrence
    tested = np.ones((14, 14), bool)
    data = plots.HeatMap(
        table.difference_left, tested, np.zeros((14, 14), bool), table.support_left, tuple(map(str, ALL_AUS)), "left"
    )
    text = plots.heat_map(data, title="t")
    assert text.count("too few keyframes") == int(np.isnan(table.difference_left).sum())


def test_strip_shows_every_gap() -> None:
    usable = np.array([True] * 4 + [False] * 2 + [True] * 4)
    text = plots.frame_strip(np.arange(10.0), usable, np.array([0.0, 9.0]), title="t")
    assert text.count('fill="#9fb3c4"') == 2 and text.count('height="12" fill="#fff"') == 1


def test_face_is_drawn_upright_and_on_its_sides(assessment: Assessment) -> None:
    """A turned and scaled face is drawn the same; the patient's left is on the right of the picture."""
    points = assessment.keyframes.face_points[0]
    angle = np.deg2rad(25)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = points @ turn * 3 + 40
    np.testing.assert_allclose(schematic.on_canvas(turned), schematic.on_canvas(points), atol=1e-6)
    placed = schematic.on_canvas(points)
    assert placed[42:48, 0].mean() > schematic.WIDTH / 2 > placed[36:42, 0].mean()
    assert placed[8, 1] > placed[27, 1]
    assert (placed >= 0).all() and (placed[:, 0] <= schematic.WIDTH).all() and (placed[:, 1] <= schematic.HEIGHT).all()


def test_face_with_a_missing_point_is_still_drawn(assessment: Assessment) -> None:
    points = assessment.keyframes.face_points[0].copy()
    points[20] = np.nan
    text = schematic.face(points, title="t")
    assert "nan" not in text and text.count("<path") == 12
