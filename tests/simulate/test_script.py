"""Scripts: timing, effort, sides."""

from __future__ import annotations

import numpy as np
import pytest

from palsy_cli.simulate.muscles import MUSCLES
from palsy_cli.simulate.palsy import uniform_lesion
from palsy_cli.simulate.script import PROTOCOL, TASKS, commands_at, level_at, protocol_commands, write_script


def test_tasks_use_known_units():
    for name, task in TASKS.items():
        assert set(task.intensities) <= set(MUSCLES), name
        assert all(0 <= value <= 1 for value in task.commands().values())
    assert set(PROTOCOL) <= set(TASKS)


def test_a_movement_rises_holds_and_falls():
    script = write_script(("close_smile",))
    (move,) = script.movements
    assert level_at(script, move, move.start_s) == 0.0
    assert level_at(script, move, move.start_s + 0.25) == pytest.approx(0.5)
    assert level_at(script, move, move.start_s + 0.5) == 1.0
    assert level_at(script, move, move.release_s) == 1.0
    assert level_at(script, move, move.release_s + 0.7) == pytest.approx(0.0)
    assert move.release_s - move.start_s == pytest.approx(1.5)


def test_the_weak_side_is_later_and_slower():
    script = write_script(("close_smile",))
    (move,) = script.movements
    t = move.start_s + 0.3
    healthy, weak = level_at(script, move, t), level_at(script, move, t, weakness=0.6)
    assert 0 < weak < healthy
    lesion = uniform_lesion(0.6, "left")
    assert commands_at(script, t, "left", lesion=lesion)[12] < commands_at(script, t, "right", lesion=lesion)[12]


def test_everything_starts_and_ends_at_rest():
    script = write_script()
    lesion = uniform_lesion(1.0, "right")
    for t in (0.0, script.duration_s):
        assert commands_at(script, t, "left") == {}
        assert all(value < 0.2 for value in commands_at(script, t, "right", lesion=lesion).values())


def test_one_sided_tasks():
    script = write_script(("left_wink",))
    t = script.movements[0].start_s + 0.6
    assert commands_at(script, t, "left")[43] == 1.0
    assert commands_at(script, t, "right") == {}


def test_effort_varies_but_closure_is_full():
    rng = np.random.default_rng(0)
    script = write_script(("gentle_eye_closure", "brow_raise"), rng=rng)
    assert len({move.effort for move in script.movements}) == 2
    assert commands_at(script, script.movements[0].start_s + 0.8, "left")[43] == 1.0


def test_tempo_shortens():
    assert write_script(tempo=2.0).duration_s == pytest.approx(write_script().duration_s / 2)


def test_protocol_commands_is_the_default_script():
    first = write_script().movements[0]
    assert set(protocol_commands(first.start_s + 0.7)) == set(TASKS[PROTOCOL[0]].intensities)


def test_wrong_scripts_are_refused():
    with pytest.raises(ValueError, match="dance"):
        write_script(("dance",))
    with pytest.raises(ValueError):
        write_script(tempo=0.0)
