"""What the patient is asked to do, and how commands rise and fall over time.

Time course: smoothstep onset of 0.5 s, hold, offset of 0.7 s. The weak side starts 60 ms later and moves at
(1 - 0.4 f) of the speed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from palsy_cli.facs import fraction_of_intensity
from palsy_cli.records import SIDES, Side
from palsy_cli.simulate.palsy import Lesion

ONSET_S = 0.5
OFFSET_S = 0.7
WEAK_DELAY_S = 0.06
WEAK_SLOWING = 0.4
#: Spread of the effort between repetitions; common to both sides.
EFFORT_SPREAD = 0.1


@dataclass(frozen=True)
class Task:
    """A movement on request: commanded AU intensity 0..5 per action unit, on which of the patient's sides."""

    intensities: Mapping[int, float]
    sides: tuple[Side, ...] = SIDES

    def commands(self) -> dict[int, float]:
        """Commanded drive 0..1 per action unit at full effort."""
        return {au: float(fraction_of_intensity(value)) for au, value in self.intensities.items()}


#: The movement tasks of the clinical protocols.
TASKS: dict[str, Task] = {
    "rest": Task({}),
    "brow_raise": Task({1: 5.0, 2: 5.0, 5: 2.0}),
    "left_eyebrow": Task({1: 4.5, 2: 5.0}, ("left",)),
    "right_eyebrow": Task({1: 4.5, 2: 5.0}, ("right",)),
    "frown": Task({4: 5.0, 7: 1.5}),
    "gentle_eye_closure": Task({43: 5.0}),
    "tight_eye_closure": Task({43: 5.0, 6: 4.5, 7: 5.0, 4: 2.5, 9: 1.0}),
    "left_wink": Task({43: 5.0, 6: 3.5}, ("left",)),
    "right_wink": Task({43: 5.0, 6: 3.5}, ("right",)),
    "snarl": Task({9: 5.0, 10: 4.0, 4: 1.5, 7: 2.0, 25: 1.5}),
    "left_snarl": Task({9: 5.0, 10: 4.0, 7: 1.0}, ("left",)),
    "right_snarl": Task({9: 5.0, 10: 4.0, 7: 1.0}, ("right",)),
    "close_smile": Task({12: 4.2, 6: 2.5, 14: 1.0}),
    "open_smile": Task({12: 5.0, 25: 4.2, 6: 3.2, 10: 1.5}),
    "left_smile": Task({12: 4.5, 6: 2.0}, ("left",)),
    "right_smile": Task({12: 4.5, 6: 2.0}, ("right",)),
    "lip_pucker": Task({18: 5.0, 17: 1.5}),
    "cheek_puff": Task({34: 5.0, 24: 3.0, 18: 1.5}),
    "open_mouth": Task({26: 4.3, 25: 4.0}),
    "lower_teeth_EEE": Task({20: 5.0, 16: 5.0, 25: 4.0}),
    "eyes_wide": Task({5: 5.0, 1: 2.5, 2: 2.5}),
    "corners_down": Task({15: 5.0, 17: 2.5}),
    "chin_raise": Task({17: 5.0}),
}

#: The order of a clinical recording; every movement starts and ends at rest.
PROTOCOL: tuple[str, ...] = (
    *("brow_raise", "gentle_eye_closure", "tight_eye_closure", "snarl", "open_smile"),
    *("lip_pucker", "cheek_puff", "lower_teeth_EEE"),
)
#: The same and the movements of those units that a clinical recording hardly shows (4, 5, 15, 17, 26): for measuring
#: how well each unit is read.
ALL_UNITS: tuple[str, ...] = (*PROTOCOL, "frown", "eyes_wide", "corners_down", "chin_raise", "open_mouth")
#: What both sides are asked to do together.
BOTH_SIDED: tuple[str, ...] = tuple(
    name for name, task in TASKS.items() if task.intensities and set(task.sides) == set(SIDES)
)


@dataclass(frozen=True)
class Movement:
    """One task within a script: onset begins at ``start_s``, relaxation at ``release_s``; ``effort`` scales it."""

    task: str
    start_s: float
    release_s: float
    effort: float = 1.0


@dataclass(frozen=True)
class Script:
    """Movements in order; ``duration_s`` includes the rests. ``onset_s`` and ``offset_s`` hold for all of them."""

    movements: tuple[Movement, ...]
    duration_s: float
    onset_s: float = ONSET_S
    offset_s: float = OFFSET_S


def write_script(
    tasks: Iterable[str] = PROTOCOL,
    *,
    hold_s: float = 1.0,
    rest_s: float = 0.5,
    tempo: float = 1.0,
    rng: np.random.Generator | None = None,
) -> Script:
    """Put tasks in a row, a rest before each and after the last.

    Args:
        tasks: keys of ``TASKS``.
        hold_s: how long the full movement is held.
        rest_s: length of each rest.
        tempo: divides all durations; 2 makes a clip twice as short.
        rng: varies each movement's effort (SD 10 %), alike on both sides; closure (AU43) is always full.

    Raises:
        ValueError: unknown task or a duration that is not positive.
    """
    if min(hold_s, rest_s, tempo) <= 0:
        raise ValueError("write_script: durations and tempo must be positive")
    movements = []
    now = 0.0
    for task in tasks:
        if task not in TASKS:
            raise ValueError(f"unknown task {task!r}; known are {', '.join(TASKS)}")
        effort = 1.0 if rng is None else draw_effort(rng)
        start = now + rest_s / tempo
        release = start + (ONSET_S + hold_s) / tempo
        movements.append(Movement(task, start, release, effort))
        now = release + OFFSET_S / tempo
    return Script(tuple(movements), now + rest_s / tempo, ONSET_S / tempo, OFFSET_S / tempo)


def draw_effort(rng: np.random.Generator) -> float:
    """Effort of one repetition of a movement on request: normal about 1 (SD 10 %), cut at 0.75 and 1.1."""
    return float(np.clip(1.0 + EFFORT_SPREAD * rng.standard_normal(), 0.75, 1.1))


def smoothstep(x: float) -> float:
    """3 x^2 - 2 x^3 for x clipped to 0..1."""
    x = min(1.0, max(0.0, x))
    return x * x * (3.0 - 2.0 * x)


def level_at(script: Script, movement: Movement, t: float, *, weakness: float = 0.0) -> float:
    """How far (0..1) a movement has gone at ``t`` seconds, on a side whose muscle has this weakness."""
    delay = WEAK_DELAY_S if weakness > 0 else 0.0
    speed = 1.0 - WEAK_SLOWING * weakness
    rise = smoothstep((t - movement.start_s - delay) * speed / script.onset_s)
    fall = smoothstep((t - movement.release_s - delay) * speed / script.offset_s)
    return rise * (1.0 - fall)


def commands_at(script: Script, t: float, side: Side, *, lesion: Lesion | None = None) -> dict[int, float]:
    """Commanded drives (0..1 per action unit) of one side at ``t`` seconds.

    The lesion only delays and slows here; what it weakens is ``palsy.side_drive``'s part.
    """
    commands: dict[int, float] = {}
    for movement in script.movements:
        task = TASKS[movement.task]
        if side not in task.sides or not movement.start_s <= t <= movement.release_s + 3.0 * script.offset_s:
            continue
        for au, full in task.commands().items():
            weakness = lesion.of_au(au, side) if lesion is not None else 0.0
            effort = 1.0 if au == 43 else movement.effort
            drive = min(1.0, full * effort) * level_at(script, movement, t, weakness=weakness)
            if drive > 0.0:
                commands[au] = max(commands.get(au, 0.0), drive)
    return commands


def protocol_commands(t: float, side: Side = "left") -> dict[int, float]:
    """Commanded drives of a healthy side at ``t`` seconds of the standard protocol."""
    return commands_at(write_script(), t, side)
