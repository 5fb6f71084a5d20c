"""Figures: positions that follow from the numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.points import MIRROR_68
from palsy_cli.records import ALL_AUS, SIDES, Assessment, Movement, Side
from palsy_cli.report import heat_map, plots, schematic, timelines
from palsy_cli.report.heat_map import HeatMap
from palsy_cli.report.json_report import assessment_dict
from palsy_cli.report.page.told import Told
from palsy_cli.report.timelines import Course, Curves, Span


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


def test_symmetry_bar_is_as_long_as_the_share() -> None:
    half = plots.symmetry_bar(0.5, "red", title="t", normal=0.8)
    assert numbers(half, r'width="([\d.]+)" height="10" rx="2" fill="red"') == [75]
    assert numbers(half, r'x1="([\d.]+)"') == [120]
    assert "<line" not in plots.symmetry_bar(0.5, "red", title="t")


def test_curves_leave_gaps_out_and_keep_the_scale() -> None:
    x = np.array([0.0, 1.0, 2.0])
    data = Curves(x, np.array([0.0, np.nan, 5.0]), np.zeros(3), "AU12")
    text = timelines.curves(data, span=(0, 2))
    assert "nan" not in text
    assert [y for _, y in marks(text, "left")] == [106, 8] and len(marks(text, "right")) == 3


def marks(text: str, side: str) -> list[tuple[float, float]]:
    """Where the marks of a side stand."""
    (d,) = re.findall(rf'<path d="([^"]+)"[^>]* class="dots {side}"', text)
    return [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)m", d)]


def test_an_hour_is_thinned_to_means_and_gaps_stay_gaps() -> None:
    times_s = np.arange(108_000) / 30
    values = np.where(times_s < 1800, 2.0, 4.0)
    values[60_000:70_000] = np.nan
    middles, means = timelines.thinned(times_s, values)
    assert len(middles) == len(means) <= timelines.MOST_POINTS
    assert set(means[np.isfinite(means)].round(6)) <= {2.0, 4.0} and np.isnan(means).sum() >= 50
    few = timelines.thinned(times_s[:50], values[:50])
    np.testing.assert_array_equal(few[0], times_s[:50])
    np.testing.assert_array_equal(few[1], values[:50])


def test_movements_are_shaded_where_they_are_and_named_where_there_is_room() -> None:
    times_s = np.linspace(0, 20, 400)
    both = np.stack([times_s, 20 - times_s], 1)
    spans = [Span("Smile", "smile", 5.0, 6.0, 10.0), *(Span("Snarl", "snarl", 12.0, 12.1, 12.2) for _ in range(5))]
    text = timelines.courses(times_s, [Course("Width, mm", both)], spans, title="t")
    first, last = 40.0, 752.0
    bands = numbers(text, r'<rect x="([\d.]+)" y="26"')
    assert len(bands) == 6 and bands[0] == pytest.approx(first + 0.25 * (last - first), abs=0.01)
    assert text.count(">smile</text>") == 1 and text.count(">snarl</text>") == 2  # two rows; the others have no room
    assert text.count("<title>Snarl</title>") == 5
    (smile, _), *snarls = marks(text, "left")
    assert smile == pytest.approx(first + 0.3 * (last - first), abs=1.0)  # its peak, on the nearest frame
    assert len(snarls) == 5


def heat_told(difference: np.ndarray, support: int) -> Told:
    """The JSON of a heat map, the same for both triggers."""
    counts = np.full(difference.shape, support).tolist()
    values = [[None if np.isnan(v) else float(v) for v in row] for row in difference]
    sides = ("trigger_left", "trigger_right")
    tables = {"differences": dict.fromkeys(sides, values), "support": dict.fromkeys(sides, counts)}
    return Told({"synkinesis": tables})


@pytest.mark.parametrize("trigger_side", SIDES)
def test_heat_map_colours_name_the_side_of_the_extra_response(trigger_side: Side) -> None:
    """Positive = the response is commoner on the side opposite the trigger."""
    difference = np.full((2, 2), np.nan)
    difference[0, 1], difference[1, 0] = 1.0, -1.0
    tested = np.array([[False, True], [True, False]])
    data = HeatMap(heat_told(difference, 7), difference, tested, tested, ("6", "20"), trigger_side)
    text = heat_map.draw(data, title="t")
    other = "left" if trigger_side == "right" else "right"
    assert f"AU6 when AU20 works: 1.00 (towards the {other}), 7 keyframes" in text
    assert f"AU20 when AU6 works: −1.00 (towards the {trigger_side}), 7 keyframes" in text
    assert "var(--left)" in text and "var(--right)" in text
    (hatch,) = re.findall(r'<path d="([^"]+)"[^>]* class="hatch"', text)
    assert hatch.count("M") == 6 and text.count('stroke-width="2"') == 4


def test_heat_map_of_a_real_case(assessment: Assessment) -> None:
    table = assessment.symptoms.cooccurrence
    tested, flagged = np.ones((14, 14), bool), np.zeros((14, 14), bool)
    told = Told(assessment_dict(assessment))
    text = heat_map.draw(
        HeatMap(told, table.difference_left, tested, flagged, tuple(map(str, ALL_AUS)), "left"), title="t"
    )
    assert text.count("too few keyframes") == int(np.isnan(table.difference_left).sum())


def test_strip_shows_every_gap() -> None:
    usable = np.array([True] * 4 + [False] * 2 + [True] * 4)
    text = timelines.frame_strip(np.arange(10.0), usable, np.array([0.0, 9.0]), title="t")
    assert text.count('fill="var(--used)"') == 2 and text.count('height="12" fill="var(--paper)"') == 1


def arrow_ends(text: str, side: Side) -> np.ndarray:
    """Beginnings of a side's arrows and the tips of those that are long enough for a head, (n, 2) each."""
    tips = re.findall(rf'd="M([\d.]+) ([\d.]+)L[^"]+Z" fill="var\(--{side}\)"', text)
    return np.array(tips, float)


def test_arrows_are_as_long_as_the_movement_and_on_their_sides() -> None:
    rest = schematic_rest()
    peak = rest.copy()
    peak[24] += (0.0, 0.10)
    peak[19] += (0.0, 0.05)
    done = Movement("brow_raise", 0.0, 1.0, 2.0, np.arange(3), 1.0, peak)
    numbers_ = {("brow", "left"): "4.2", ("brow", "right"): "2.1", ("nasal wing", "left"): "9.9"}
    text = schematic.with_arrows(rest, [done], numbers_, mm=60.0, title="t")
    for side, point, rise in (("left", 24, 0.10), ("right", 19, 0.05)):
        (tip,) = arrow_ends(text, side)  # type: ignore[arg-type]
        start = schematic.of_face(rest)[point]
        assert start[1] - tip[1] == pytest.approx(rise * schematic.EYE_DISTANCE * schematic.MAGNIFIED, abs=0.02)
        assert tip[0] == pytest.approx(start[0], abs=0.02)
        assert (start[0] > schematic.ARROWS_WIDTH / 2) == (side == "left")
    assert "9.9" not in text and ">4.2<" in text and ">5 mm<" in text  # a snarl was not made
    bar = 5 / 60 * schematic.EYE_DISTANCE * schematic.MAGNIFIED
    assert numbers(text, r"v9h([\d.]+)v") == pytest.approx([bar], abs=0.01)
    assert "0.1 eye distances" in schematic.with_arrows(rest, [], {}, mm=None, title="t")


def test_a_mirrored_face_has_mirrored_arrows() -> None:
    rest = schematic_rest()
    peak = rest + np.random.default_rng(3).normal(0, 0.05, rest.shape)
    names = [(pull.name, side) for pull in schematic.PULLS for side in SIDES]
    tasks = [pull.tasks[0] for pull in schematic.PULLS]

    def drawn(at_rest: np.ndarray, at_peak: np.ndarray) -> str:
        done = [Movement(task, 0.0, 1.0, 2.0, np.arange(3), 1.0, at_peak) for task in tasks]
        return schematic.with_arrows(at_rest, done, dict.fromkeys(names, "1"), mm=None, title="t")

    one = drawn(rest, peak)
    other = drawn(rest[MIRROR_68] * (-1, 1), peak[MIRROR_68] * (-1, 1))
    turned = arrow_ends(other, "right") * (-1, 1) + (schematic.ARROWS_WIDTH, 0)
    np.testing.assert_allclose(arrow_ends(one, "left"), turned, atol=0.02)
    assert len(turned) == len(schematic.PULLS)


def schematic_rest() -> np.ndarray:
    """A plain face in coordinates of the face."""
    points = neutral_points()
    middle = points[[36, 39, 42, 45]].mean(axis=0)
    unit = points[[42, 45]].mean(axis=0)[0] - points[[36, 39]].mean(axis=0)[0]
    return (points - middle) * (1, -1) / unit


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
