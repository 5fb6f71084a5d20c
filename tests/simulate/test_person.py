"""Drawn people: pictures obey drives, points are true, the same seed gives the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.simulate.appearance import HAIR_STYLES
from palsy_cli.simulate.muscles import move_points
from palsy_cli.simulate.palsy import Lesion, effective_drive, house_brackmann_preset
from palsy_cli.simulate.person import Person, View, draw_person, neutral_of
from palsy_cli.simulate.script import TASKS

SIZE = (256, 256)
ZOOM = 0.3


@pytest.fixture(scope="module")
def person() -> Person:
    return Person(seed=3)


def draw(person, drives, **view):
    return draw_person(person, drives, size=SIZE, view=View(zoom=ZOOM, **view))


def part(image, points, chosen, margin=2):
    low = np.floor(points[chosen].min(axis=0)).astype(int) - margin
    high = np.ceil(points[chosen].max(axis=0)).astype(int) + margin + 1
    return image[low[1] : high[1], low[0] : high[0]].astype(float)


def test_seeds_give_different_and_repeatable_people():
    people = [Person.from_seed(seed) for seed in range(60)]
    assert people == [Person.from_seed(seed) for seed in range(60)]
    assert len(set(people)) == 60
    assert len({p.hair for p in people}) >= len(HAIR_STYLES) - 1
    assert min(p.melanin for p in people) < 0.1 and max(p.melanin for p in people) > 0.9


def test_picture_and_points(person):
    image, points = draw(person, {})
    assert image.shape == (*SIZE, 3) and image.dtype == np.uint8
    assert points.shape == (68, 2)
    pupils = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    assert np.hypot(*pupils) == pytest.approx(ZOOM * 256, rel=0.12)
    assert points[36, 0] < points[45, 0]  # the patient's right is image-left


def test_same_input_same_bytes(person):
    first, second = (draw(person, {(12, "left"): 0.7})[0] for _ in range(2))
    assert np.array_equal(first, second)


def test_points_follow_the_muscles(person):
    drives = effective_drive(TASKS["open_smile"].commands(), Lesion())
    _, rest = draw(person, {})
    _, smile = draw(person, drives)
    expected = move_points(neutral_of(person), drives).points - neutral_of(person)
    assert np.allclose(smile - rest, expected * ZOOM * 256, atol=0.12 * np.abs(expected).max() * ZOOM * 256)


def test_landmarks_can_be_given(person):
    by_drives = draw(person, {(1, "left"): 1.0})[1]
    by_points = draw(person, move_points(neutral_of(person), {(1, "left"): 1.0}).points)[1]
    assert np.allclose(by_drives, by_points)
    with pytest.raises(ValueError):
        draw(person, np.zeros((5, 2)))


def test_closed_eyes_show_no_white(person):
    eye = list(range(36, 42))
    image, points = draw(person, {})
    closed, points_closed = draw(person, {(43, "right"): 1.0, (43, "left"): 1.0})
    assert points_closed[37, 1] == pytest.approx(points_closed[41, 1], abs=0.1)

    def white(picture, at):
        patch = part(picture, at, eye, 0)
        return np.sum((patch.mean(axis=2) > 120) & (patch[..., 0] - patch[..., 2] < 30))

    assert white(image, points) > 20
    assert white(closed, points_closed) < 0.1 * white(image, points)


def test_open_mouth_is_dark_inside(person):
    closed, points = draw(person, {})
    drives = effective_drive(TASKS["open_mouth"].commands(), Lesion())
    opened, points_opened = draw(person, drives)
    middle = 0.5 * (points_opened[62] + points_opened[66])
    x, y = np.round(middle).astype(int)
    assert opened[y - 1 : y + 2, x - 1 : x + 2].mean() < 0.7 * closed[150:200, 80:176].mean()
    assert points_opened[66, 1] - points_opened[62, 1] > 8 * (points[66, 1] - points[62, 1])


def test_a_one_sided_movement_leaves_the_other_half_alone(person):
    rest, points = draw(person, {})
    moved, _ = draw(person, {(1, "left"): 1.0, (2, "left"): 1.0})
    change = np.abs(rest.astype(float) - moved).mean(axis=2)
    middle = int(points[27, 0])
    brows = slice(int(points[17:27, 1].min()) - 30, int(points[17:27, 1].max()) + 6)
    left, right = change[brows, middle + 8 :].mean(), change[brows, : middle - 8].mean()
    # Grain alone changes the quiet side.
    assert left > 1.5 * right


def test_wrinkles_follow_the_drive(person):
    old = Person(seed=3, age=1.0, hair="bald")
    lines = []
    for drive in (0.0, 1.0):
        image, points = draw(old, {(1, "left"): drive, (2, "left"): drive})
        x, y = np.round(points[24]).astype(int)
        column = image[y - 45 : y - 8, x - 12 : x + 12].astype(float).mean(axis=(1, 2))
        lines.append(np.abs(np.diff(column, 2)).mean())
    assert lines[1] > 1.3 * lines[0]


def test_palsy_shows_at_rest(person):
    _, points = draw_person(person, {}, size=SIZE, view=View(zoom=ZOOM), lesion=house_brackmann_preset(6, "left"))
    assert points[54, 1] > points[48, 1] + 2  # the left corner hangs
    assert points[24, 1] > points[19, 1] + 2  # and so does the left brow
    fissure = [points[b, 1] - points[a, 1] for a, b in ((44, 46), (37, 41))]
    assert fissure[0] > fissure[1] + 1


def test_head_turns(person):
    _, front = draw(person, {})
    _, turned = draw(person, {}, yaw=10.0)
    _, nodded = draw(person, {}, pitch=8.0)
    _, tilted = draw(person, {}, roll=10.0)
    assert turned[30, 0] - turned[27, 0] > front[30, 0] - front[27, 0]  # the nose points to image-right
    assert nodded[30, 1] - nodded[[36, 45], 1].mean() > front[30, 1] - front[[36, 45], 1].mean()
    assert tilted[45, 1] - tilted[36, 1] > 5  # clockwise
    _, moved = draw(person, {}, shift_x=0.1)
    assert np.allclose(moved - front, [25.6, 0.0])
