"""What is drawn: sides, bars, words, and that all of it has room at any size."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from factories import neutral_points
from filmed import NO_FACE, Recorded

from palsy_cli.overlay import lettering
from palsy_cli.overlay.course import Course, movement_at
from palsy_cli.overlay.face import draw_face
from palsy_cli.overlay.film import Painter
from palsy_cli.overlay.layout import (
    LEAST_UNIT_PX,
    LONGEST_PX,
    PANEL_UNITS,
    Layout,
    View,
    lay_out,
    view_of_picture,
    view_of_points,
)
from palsy_cli.overlay.panel import Panel
from palsy_cli.points import MIRROR_68
from palsy_cli.records import Assessment, ByteImage, Grades, Movement, Side
from palsy_cli.report.terms import LEFT_COLOUR, NOTICE, RIGHT_COLOUR
from palsy_cli.stages.symptoms import find_symptoms

SIZES = [
    (1920, 1080),
    (3840, 2160),
    (1080, 1920),
    (2160, 3840),
    (200, 200),
    (640, 480),
    (64, 400),
    (4000, 300),
    (47, 33),
]
#: What stands in a panel and where: words, x of the left end and of the right, base line.
Written = list[tuple[str, float, float, float]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    """Everything that is written from now on."""
    found: Written = []
    write = lettering.write

    def note(image: ByteImage, words: str, place: tuple[float, float], **style: Any) -> None:
        width = lettering.width_of(words, size=style["size"], bold=style.get("bold", False))
        left = place[0] - {"left": 0.0, "middle": 0.5, "right": 1.0}[style.get("anchor", "left")] * width
        found.append((words, left, left + width, place[1]))
        write(image, words, place, **style)

    monkeypatch.setattr(lettering, "write", note)
    return found


def text_of(written: Written) -> str:
    return " ".join(words for words, *_ in written)


@pytest.fixture
def assessment(tmp_path: Path, recorded: Recorded) -> Assessment:
    return recorded(tmp_path / "visit.mp4")


def silent(assessment: Assessment) -> Assessment:
    """Nothing was active, nothing graded, no movement found."""
    units = dataclasses.replace(assessment.action_units, left=np.zeros((3, 14)), right=np.zeros((3, 14)))
    long = "the weights of this network are hardly better than chance (F1 0.21 of 6 grades) and so say nothing"
    return dataclasses.replace(
        assessment,
        action_units=units,
        symptoms=find_symptoms(units),
        grades=Grades(None, None, severity_reason="no keyframe shows the whole face", house_brackmann_reason=long),
        clinic=dataclasses.replace(assessment.clinic, movements=(), reason="no resting frame is known"),
    )


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_film_is_even_no_larger_than_players_like_and_legible(width: int, height: int) -> None:
    layout = lay_out(width, height)
    assert layout.width % 2 == layout.height % 2 == 0
    assert max(layout.width, layout.height) <= LONGEST_PX
    assert layout.unit >= LEAST_UNIT_PX and layout.height >= 720
    wide, tall = layout.picture
    assert layout.width - wide >= PANEL_UNITS * layout.unit - 1
    assert abs(wide - tall * width / height) <= 0.51
    assert layout.top >= 0 and layout.top + tall <= layout.height


def test_points_keep_their_place_in_the_picture() -> None:
    """The middles of the corner pixels of the recording lie in the film where the enlarged pixels have theirs."""
    layout = lay_out(200, 200)
    placed = view_of_picture(layout, 200).place(np.array([[0.0, 0.0], [199.0, 199.0]]))
    np.testing.assert_allclose(placed, [[1.3, 1.3], [717.7, 717.7]])


def test_the_face_alone_fills_its_stage_wherever_it_was() -> None:
    layout = lay_out(1080, 1080)
    small = neutral_points() / 10
    for away in ((0.0, 0.0), (1500.0, 300.0)):
        points = np.stack([small, small * np.nan, small]) + away
        placed = view_of_points(layout, points).place(points[0])
        middle = (placed.min(axis=0) + placed.max(axis=0)) / 2
        np.testing.assert_allclose(middle, np.array(layout.picture) / 2, atol=1e-6)
        assert 0.5 < np.ptp(placed, axis=0).max() / min(layout.picture) < 0.75
    nobody = view_of_points(layout, np.full((2, 68, 2), np.nan))
    assert np.isfinite([nobody.scale, *nobody.shift]).all()


def coloured(image: ByteImage, side: Side, *, within: int = 60) -> ByteImage:
    """Where a picture has the colour of a side, nearly, as 0 or 1."""
    colour = np.array(lettering.rgb(LEFT_COLOUR if side == "left" else RIGHT_COLOUR))
    return (np.abs(image.astype(int) - colour).max(axis=2) < within).astype(np.uint8)


def strays(one: ByteImage, other: ByteImage, sides: tuple[Side, Side]) -> int:
    """Pixels of one picture in the one side's colour without a pixel of the other's near them, below the letters."""
    near = cv2.dilate(coloured(other, sides[1], within=110), np.ones((5, 5), np.uint8))
    return int((coloured(one, sides[0]) > near)[185:].sum())


def test_a_flipped_face_is_drawn_flipped_with_its_sides_exchanged() -> None:
    points = neutral_points() * 0.7 + (30, 0)
    points[48:60, 1] += np.linspace(0, 9, 12)
    width, view = 421, View(1.0, (0.0, 0.0))
    images = [np.full((360, width, 3), 128, np.uint8) for _ in range(2)]
    draw_face(images[0], points, view, eyes_px=160.0)
    draw_face(images[1], points[MIRROR_68] * (-1, 1) + (width - 1, 0), view, eyes_px=160.0)
    flipped = np.ascontiguousarray(images[1][:, ::-1])
    exchanged: tuple[tuple[Side, Side], ...] = (("left", "right"), ("right", "left"))
    for sides in exchanged:
        assert coloured(images[0], sides[0])[185:].sum() > 300
        assert strays(images[0], flipped, sides) == strays(flipped, images[0], sides) == 0
        assert strays(images[0], flipped, (sides[0], sides[0])) > 200


def test_letters_name_the_patients_own_sides(written: Written) -> None:
    """In an unmirrored picture the patient's left is on the right; also where the face leaves the picture."""
    for shift in (0.0, -150.0, 200.0):
        written.clear()
        image = np.zeros((360, 400, 3), np.uint8)
        draw_face(image, neutral_points() * 0.7 + (shift, 0), View(1.0, (0.0, 0.0)), eyes_px=70.0)
        (right, *right_x, _), (left, *left_x, _) = written
        assert (right, left) == ("R", "L")
        assert right_x[0] >= 0 and left_x[1] <= 400
        if shift == 0:
            assert right_x[1] < 200 < left_x[0]


def test_intensities_lie_on_lines_between_keyframes(assessment: Assessment) -> None:
    course = Course.of(assessment.action_units, find_symptoms(assessment.action_units), np.array([1.0, 2.0, 4.0]))
    assert course.aus == assessment.action_units.aus
    units = assessment.action_units
    for k, time_s in enumerate((1.0, 2.0, 4.0)):
        np.testing.assert_allclose(course.at(time_s, "right"), units.right[k])
        np.testing.assert_allclose(course.at(time_s, "left"), units.left[k])
    np.testing.assert_allclose(course.at(2.5, "right"), 0.75 * units.right[1] + 0.25 * units.right[2])
    for outside in (0.99, 4.01):
        assert np.isnan(course.at(outside, "left")).all()


def test_units_that_were_never_active_have_no_bars(assessment: Assessment) -> None:
    units = assessment.action_units
    left, right = np.zeros((3, 14)), np.zeros((3, 14))
    right[1, units.channel(12)] = 3.0
    units = dataclasses.replace(units, left=left, right=right)
    course = Course.of(units, find_symptoms(units), np.array([0.0, 1.0, 2.0]))
    assert course.aus == (12,)
    assert course.at(0.5, "right") == [1.5] and course.at(0.5, "left") == [0.0]
    empty = dataclasses.replace(units, left=left[:0], right=right[:0])
    assert np.isnan(Course.of(empty, find_symptoms(units), np.zeros(0)).at(1.0, "left")).all()


def bar_lengths(panel: Panel, image: ByteImage, side: Side, row: int) -> int:
    """Pixels of a side's colour in one row of the panel, along the bar's middle."""
    unit = panel.sheet.unit
    y = (panel.rows_y + (row + {"left": 0.3, "right": 0.7}[side]) * panel.pitch) * unit
    return int(coloured(image[round(y) : round(y) + 1], side)[:, round(9 * unit) :].sum())


def test_bars_are_as_long_as_the_intensities(assessment: Assessment) -> None:
    layout = lay_out(1920, 1080)
    panel = Panel(assessment, layout)
    image = panel.draw(2, float(assessment.track.times_s[2]), used=True)
    whole = (panel.bar_x(5.0) - panel.bar_x(0.0)) * layout.unit
    units = assessment.action_units
    for row, au in enumerate(panel.course.aus):
        for side in ("left", "right"):
            expected = getattr(units, side)[1, units.channel(au)] / 5 * whole
            assert bar_lengths(panel, image, side, row) == pytest.approx(expected, abs=1.5), (row, side)
    after = panel.draw(6, 1.25, used=True)
    assert not any(
        bar_lengths(panel, after, side, row) for side in ("left", "right") for row in range(len(panel.course.aus))
    )


@pytest.mark.parametrize("change", [lambda same: same, silent])
@pytest.mark.parametrize(("width", "height"), SIZES)
def test_everything_written_has_room(
    assessment: Assessment,
    written: Written,
    change: Callable[[Assessment], Assessment],
    width: int,
    height: int,
) -> None:
    layout: Layout = lay_out(width, height)
    panel = Panel(change(assessment), layout)
    panel.draw(1, 0.04, used=True)
    inside = layout.width - layout.picture[0] - 0.5 * layout.unit
    for words, left, right, base in written:
        assert 0.5 * layout.unit <= left and right <= inside and base < layout.height, words
    assert panel.rows_y + panel.pitch * len(panel.course.aus) < panel.strip_y - 0.6
    assert panel.pitch >= 0.8


def test_what_is_not_assessed_says_so_and_why(assessment: Assessment, written: Written) -> None:
    Panel(silent(assessment), lay_out(1920, 1080)).draw(0, 0.0, used=True)
    text = text_of(written)
    assert text.count("Not assessed") == 3
    for said in (
        "No region could be assessed",
        "No keyframe shows the whole face",
        "The weights of this network are hardly",
        "Movements not assessed: no resting frame is known",
        "No action unit was active on either side.",
    ):
        assert said in text
    assert "No movement" not in text and "%" not in text.replace(NOTICE, "")


def test_results_are_said_as_in_the_report(assessment: Assessment, written: Written) -> None:
    Panel(assessment, lay_out(1920, 1080)).draw(0, 0.0, used=True)
    text = text_of(written)
    for said in ("Left is weaker", "Medium, 64 %", "III, 55 %", "No movement", "0.0 s", NOTICE, "lip corner puller"):
        assert said in text
    assert "Not assessed" not in text


def test_movements_are_named_while_they_last(assessment: Assessment, written: Written) -> None:
    def moved(task: str | None, onset_s: float, offset_s: float) -> Movement:
        middle_s = (onset_s + offset_s) / 2
        return Movement(task, onset_s, middle_s, offset_s, np.arange(0), 0.9, neutral_points())

    movements = (moved("smile", 0.04, 0.5), moved(None, 0.6, 0.7))
    named = [movement_at(movements, time_s) for time_s in (0.0, 0.04, 0.5, 0.55, 0.65, 0.9)]
    assert named == [None, "Smile", "Smile", None, "Another movement", None]
    clinic = dataclasses.replace(assessment.clinic, movements=movements)
    panel = Panel(dataclasses.replace(assessment, clinic=clinic), lay_out(640, 480))
    written.clear()
    panel.draw(1, 0.09, used=True)
    assert "Smile" in text_of(written)


def test_a_frame_that_was_not_used_says_why(assessment: Assessment, written: Written) -> None:
    layout = lay_out(96, 64)
    painter = Painter(assessment, layout, view_of_picture(layout, 96))
    ground = np.zeros((layout.picture[1], layout.picture[0], 3), np.uint8)
    said = []
    for frame in range(len(assessment.track.times_s)):
        written.clear()
        painter.paint(frame, ground)
        said.append("not measured: no face found" in text_of(written))
        assert ("R" in [words for words, *_ in written]) == (frame != NO_FACE)
    assert said == [frame == NO_FACE for frame in range(len(said))]


@pytest.mark.parametrize("words", ["House–Brackmann", "ÄÖÜ ’x’ …", "$1 and $2", " ", "", "日本", "a\\b{}^_"])
def test_any_text_can_be_written(words: str) -> None:
    """At the edges it is cut off, and outside of the picture nothing happens."""
    for place in ((5.0, 20.0), (-30.0, 20.0), (95.0, 2.0), (300.0, -90.0)):
        image = np.zeros((30, 100, 3), np.uint8)
        lettering.write(image, words, place, size=14.0, colour="#ffffff")
        assert image.any() == (bool(words.strip()) and place[0] < 100 and place[0] >= -30), (words, place)


def test_letters_are_as_wide_as_they_say() -> None:
    image = np.zeros((60, 600, 3), np.uint8)
    lettering.write(image, "Tight eye closure", (300.0, 40.0), size=32.0, colour="#ffffff", anchor="middle")
    columns = np.flatnonzero(image.any(axis=(0, 2)))
    assert np.ptp(columns) == pytest.approx(lettering.width_of("Tight eye closure", size=32.0), abs=4)
    assert columns.mean() == pytest.approx(300, abs=4)
    rows = np.flatnonzero(image.any(axis=(1, 2)))
    assert 10 < rows.min() < 20 and 40 < rows.max() < 50, "letters stand on the line, tails hang below"


def test_long_text_is_wrapped() -> None:
    lines = lettering.wrap(NOTICE, size=12.0, width=200.0)
    assert " ".join(lines) == NOTICE and len(lines) > 5
    assert all(lettering.width_of(one, size=12.0) <= 200 for one in lines)
    for width in range(150, 260, 5):
        short = lettering.wrap(NOTICE, size=12.0, width=width, most=2)
        assert len(short) == 2 and short[1].endswith(" …")
        assert all(lettering.width_of(one, size=12.0) <= width for one in short)
