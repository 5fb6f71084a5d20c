"""Plans of simulated people."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from palsy_cli.datasets.people import Photo
from palsy_cli.records import ALL_AUS
from palsy_cli.simulate.muscles import is_opposed
from palsy_cli.simulate.palsy import SYNKINESIS_PAIRS, au_labels
from palsy_cli.simulate.script import BOTH_SIDED, TASKS
from palsy_cli.training.episodes import RESTS_PER_EPISODE, EpisodePlan, FramePlan, plan_episodes


def photos(count: int, *, calm: bool = True) -> list[Photo]:
    return [Photo(Path(f"{i}.png"), np.zeros((468, 2)), True, calm, i % 5 == 0) for i in range(count)]


def plans(count: int = 24, drawn: int = 12) -> list[EpisodePlan]:
    return plan_episodes(photos(count) + photos(3, calm=False), drawn=drawn, seed=0)


def test_who_gets_which_episodes() -> None:
    kinds = Counter((plan.person, plan.kind) for plan in plans())
    assert (kinds[0, "free"], kinds[0, "misfire"], kinds[0, "lesion"]) == (3, 2, 6)
    assert kinds[24, "still"] == 1 and kinds[24, "lesion"] == 0
    assert kinds[27, "free"] == kinds[27, "lesion"] == 1
    assert [plan.episode for plan in plans()] == list(range(len(plans())))


def test_grades_and_sides_are_even() -> None:
    graded = [(plan.grade, plan.side) for plan in plans(60, 0) if plan.kind == "lesion"]
    counts = Counter(graded)
    assert set(counts) == {(grade, side) for grade in range(1, 7) for side in ("left", "right")}
    assert set(counts.values()) == {30}
    assert all(plan.grade == 0 and plan.weak_side == 0 for plan in plans() if plan.kind != "lesion")


def test_no_person_tells_a_grade() -> None:
    for person in range(24):
        own = [plan.grade for plan in plans() if plan.person == person and plan.kind == "lesion"]
        assert sorted(own) == [1, 2, 3, 4, 5, 6]


def test_weak_side_is_the_lesions() -> None:
    for plan in plans():
        if plan.grade == 1:
            assert plan.weak_side == 0
        elif plan.grade > 1:
            assert plan.weak_side == {"left": 1, "right": -1}[plan.side]


def test_split_goes_by_person() -> None:
    sides: dict[int, set[bool]] = {}
    for plan in plans():
        sides.setdefault(plan.person, set()).add(plan.held_out)
    assert all(len(each) == 1 for each in sides.values()) and {True, False} <= {*map(min, sides.values())}


def test_same_seed_same_plan_and_a_share_is_a_part() -> None:
    assert [plan.seed for plan in plans()] == [plan.seed for plan in plans()]
    few = plan_episodes(photos(40), drawn=0, seed=0, share=0.3)
    assert 0 < len({plan.person for plan in few}) < 25


@pytest.mark.parametrize("kind", ["free", "misfire", "lesion", "still"])
def test_frames_rest_first_and_labels_fit_the_muscles(kind: str) -> None:
    for plan in (plan for plan in plans() if plan.kind == kind):
        frames = list(plan.draw_frames(np.random.default_rng(plan.seed)))
        assert len(frames) == plan.frames
        for number, frame in enumerate(frames):
            assert frame.rest == (kind != "still" and number < RESTS_PER_EPISODE)
            assert frame.left.shape == frame.right.shape == (len(ALL_AUS),)
            assert np.array_equal(frame.left, au_labels(frame.drives, "left"))
            if frame.rest:
                assert not frame.drives and not frame.left.any() and not frame.right.any()
            assert frame.left.min() >= 0 and max(frame.left.max(), frame.right.max()) <= 5
        assert all(frame.lesion is frames[0].lesion for frame in frames)


def test_weak_side_moves_less() -> None:
    """Over many frames; a free episode shows no side."""
    sums = {"left": np.zeros(2), "right": np.zeros(2)}
    for plan in plans(60, 0):
        if plan.kind == "lesion" and plan.grade >= 4:
            for frame in plan.draw_frames(np.random.default_rng(plan.seed)):
                sums[plan.side] += [frame.left.sum(), frame.right.sum()]
    assert sums["left"][0] < 0.5 * sums["left"][1] and sums["right"][1] < 0.5 * sums["right"][0]


def test_units_that_undo_each_other_never_work_together() -> None:
    for plan in plans(60, 0):
        if plan.kind == "free":
            for frame in plan.draw_frames(np.random.default_rng(plan.seed)):
                working = {au for au, _ in frame.drives}
                assert not any({first, second} <= working for first, second in [(12, 15), (5, 43), (18, 20), (25, 24)])


def test_the_label_is_the_lesions_grade_by_rule() -> None:
    graded = [
        (plan.grade, next(plan.draw_frames(np.random.default_rng(plan.seed))))
        for plan in plans(60, 0)
        if plan.kind == "lesion"
    ]
    assert all(frame.grade >= dealt - 1 for dealt, frame in graded)
    assert all(frame.grade == dealt for dealt, frame in graded if not frame.lesion.synkinesis)
    late = [frame.lesion for _, frame in graded if frame.lesion.synkinesis]
    assert late and all(lesion.chronic for lesion in late)


def test_heads_turn_so_far_and_no_further() -> None:
    poses = np.array([f.pose for plan in plans() for f in plan.draw_frames(np.random.default_rng(plan.seed))])
    assert 10 < np.abs(poses).max() <= 12


def frames_at_work(kind: str) -> list[FramePlan]:
    drawn = [
        frame for plan in plans() if plan.kind == kind for frame in plan.draw_frames(np.random.default_rng(plan.seed))
    ]
    return [frame for frame in drawn if not frame.rest]


def test_the_top_of_the_scale_is_shown() -> None:
    """A third of the units at work, not a lucky few, are as strong as they get."""
    for kind in ("free", "lesion"):
        frames = [
            f
            for plan in plans()
            if plan.kind == kind and plan.grade in (0, 1)
            for f in plan.draw_frames(np.random.default_rng(plan.seed))
        ]
        labels = np.concatenate([np.r_[frame.left, frame.right] for frame in frames])
        assert 0.15 < np.mean(labels[labels > 0.5] > 4.5) < 0.6


def test_one_side_may_do_more_than_the_task() -> None:
    """Some free frames show a task on both sides alike, and a unit on one side alone that no task asks for together."""
    asked = [frozenset(au for au, drive in task.commands().items() if drive) for task in TASKS.values()]
    extra = 0
    frames = frames_at_work("free")
    for frame in frames:
        left, right = ({au for au, s in frame.drives if s == side} for side in ("left", "right"))
        extra += (left & right) in asked and left != right and not any(left | right <= units for units in asked)
    assert extra > 0.2 * len(frames)


def test_no_free_frame_opposes_muscles() -> None:
    for frame in frames_at_work("free"):
        for side in ("left", "right"):
            units = {au for au, s in frame.drives if s == side}
            asked = any(units >= set(task.commands()) for name, task in TASKS.items() if name in BOTH_SIDED)
            assert asked or not any(is_opposed(au, units - {au}) for au in units)


def test_the_misfiring_side_does_the_task_less_and_something_more() -> None:
    """Every time; and often what synkinetic patients do."""
    known = 0
    frames = frames_at_work("misfire")
    for frame in frames:
        left, right = ({au: v for (au, s), v in frame.drives.items() if s == side} for side in ("left", "right"))
        task, misfiring = sorted((left, right), key=len)
        assert task.keys() < misfiring.keys() and len(misfiring) <= len(task) + 2
        assert all(misfiring[au] <= drive for au, drive in task.items())
        known += any((extra, au) in SYNKINESIS_PAIRS for extra in misfiring.keys() - task.keys() for au in task)
    assert known > 0.2 * len(frames)
