"""What the simulated people do: lesion, muscles at work and pose of every frame, decided before a pixel is drawn.

Three kinds teach action units: *free* episodes, where each side of a few units has its own strength whatever nerve it
hangs on, *misfire* episodes, where one side does more than a task asks for, and *lesion* episodes, where a palsy
(``simulate.palsy``) weakens tasks that both sides are told alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from palsy_cli.datasets.people import Photo, is_held_out_drawing
from palsy_cli.records import ALL_AUS, SIDES, FloatArray, Side
from palsy_cli.simulate.muscles import Drives, is_opposed
from palsy_cli.simulate.palsy import (
    SYNKINESIS_PAIRS,
    Lesion,
    SideGains,
    SynkinesisLevel,
    au_labels,
    draw_side_gains,
    effective_drive,
    synkinetic_preset,
)
from palsy_cli.simulate.scores import draw_lesion, house_brackmann
from palsy_cli.simulate.script import BOTH_SIDED, TASKS, draw_effort

Kind = Literal["still", "free", "misfire", "lesion"]

#: Units that free episodes draw from, and those whose two sides always go together.
_FREE = (*ALL_AUS, 7, 10, 16, 24)
_TWO_SIDED = (26, 18)
#: A unit at full strength and somewhat beyond, and how often a free one is: what rarely shows the top of the scale is
#: never told to be there.
_FULL, _FULL_SHARE = (0.9, 1.1), 0.3
#: Share of the frames at work in which one side does more than a task asks for.
_MISFIRE_SHARE: dict[Kind, float] = {"still": 0.35, "free": 0.35, "misfire": 1.0}
#: Share of the misfires that are taken from the synkinetic pairs, where the task triggers one; the rest is any unit.
_KNOWN_SHARE = 0.5
#: How much of the task the misfiring side does.
_MISFIRING_DOES = (0.5, 1.0)
#: Share of the tasks that are done with the effort of a patient who is told to.
_TOLD_SHARE = 0.6
#: Late palsies among the lesions of grades II to IV: their share, and the gain of their misfirings by grade.
_LATE_SHARE = 0.4
_LATE: dict[int, SynkinesisLevel] = {2: "mild", 3: "moderate", 4: "severe"}
_LATE_PAIRS = 4
RESTS_PER_EPISODE = 2
#: Share of a photo's episodes moved by the table: two accounts of how skin follows a muscle, neither learned by heart.
_TABLE_SHARE = 0.5
#: Standard deviations of (yaw, pitch) in degrees: between the episodes of a person, and between frames of an episode.
_POSE_SD, _TURN_SD = (5.0, 3.0), (4.0, 3.0)
#: No head turns further than this from its photo, degrees: beyond, the cheek would have to hide what the photo shows.
_MOST_TURN = 12.0
#: Frames of an episode, resting ones included.
FRAMES: dict[Kind, int] = {"still": 4, "free": 8, "misfire": 8, "lesion": 6}


@dataclass(frozen=True)
class FramePlan:
    """One frame: muscle drives, labels 0..5 per side, the lesion (for its signs at rest), (yaw, pitch) in degrees."""

    drives: Drives
    left: FloatArray
    right: FloatArray
    lesion: Lesion
    pose: tuple[float, float]
    rest: bool

    @property
    def grade(self) -> int:
        """House-Brackmann grade 1..6 of the lesion, by rule."""
        return house_brackmann(self.lesion)


@dataclass(frozen=True)
class EpisodePlan:
    """One person with one lesion. ``grade`` is the House-Brackmann grade to draw, 0 where there is none to learn.

    A person without a photo is drawn, with ``person`` as seed. ``by_table``: the photo is moved by the table of
    muscles that comes along (as ``palsy simulate`` does), not by the training rig.
    """

    photo: Photo | None
    person: int
    episode: int
    seed: int
    kind: Kind
    frames: int
    grade: int = 0
    side: Side = "left"
    by_table: bool = False

    @property
    def calm(self) -> bool:
        """Whether the person rests where the photo does, so that intensities are known."""
        return self.photo is None or self.photo.calm

    @property
    def held_out(self) -> bool:
        """Whether the person is never trained on."""
        return is_held_out_drawing(self.person) if self.photo is None else self.photo.held_out

    @property
    def weak_side(self) -> int:
        """-1 right, 0 none, 1 left."""
        return 0 if self.grade <= 1 else (1 if self.side == "left" else -1)

    def draw_frames(self, rng: np.random.Generator) -> Iterator[FramePlan]:
        """The frames of this episode, resting ones first."""
        actor = _Actor.draw(self, rng)
        for number in range(self.frames):
            resting = number < RESTS_PER_EPISODE and self.kind != "still"
            drives = {} if resting else actor.drives(rng)
            left, right = (au_labels(drives, side) for side in ("left", "right"))
            yaw, pitch = np.clip(actor.pose + rng.normal(0, _TURN_SD), -_MOST_TURN, _MOST_TURN).tolist()
            yield FramePlan(drives, left, right, actor.lesion, (yaw, pitch), resting)


@dataclass(frozen=True)
class _Actor:
    """What stays the same within an episode."""

    kind: Kind
    lesion: Lesion = field(default_factory=Lesion)
    gains: SideGains = field(default_factory=SideGains)
    pose: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def draw(plan: EpisodePlan, rng: np.random.Generator) -> _Actor:
        yaw, pitch = rng.normal(0, _POSE_SD)
        pose = (float(yaw), float(pitch))
        if plan.kind != "lesion":
            return _Actor(plan.kind, pose=pose)
        lesion = draw_lesion(plan.grade, plan.side, rng)
        if plan.grade in _LATE and rng.random() < _LATE_SHARE:
            weakness = float(np.mean(list(lesion.weakness.values())))
            level = _LATE[plan.grade]
            lesion = synkinetic_preset(plan.side, weakness=weakness, level=level, pairs=_LATE_PAIRS, rng=rng)
        return _Actor(plan.kind, lesion, draw_side_gains(rng), pose)

    def drives(self, rng: np.random.Generator) -> Drives:
        """Muscles of one frame that is not at rest."""
        if self.kind != "lesion":
            return (_misfiring_drives if rng.random() < _MISFIRE_SHARE[self.kind] else _free_drives)(rng)
        commands = draw_commands(rng)
        return effective_drive(commands, self.lesion, self.gains)


def draw_commands(rng: np.random.Generator) -> dict[int, float]:
    """A movement task as told to a patient (``script.write_script``) or at less effort: drive 0..1 per action unit."""
    commands = TASKS[BOTH_SIDED[rng.integers(len(BOTH_SIDED))]].commands()
    if rng.random() < _TOLD_SHARE:
        effort = draw_effort(rng)
        return {au: min(1.0, drive * effort) for au, drive in commands.items()}
    effort = rng.uniform(0.4, 1.0)
    return {au: drive * effort * rng.uniform(0.85, 1.0) for au, drive in commands.items()}


def _misfiring_drives(rng: np.random.Generator) -> Drives:
    """A task that one side does alike or less, while one or two more units work there.

    Synkinetic pairs are shown even where the task partly undoes the response (the lids while the brows rise): patients
    have them. Other units are left out there.
    """
    commands, side = draw_commands(rng), SIDES[rng.integers(2)]
    known = [response for response, trigger in SYNKINESIS_PAIRS if trigger in commands and response not in commands]
    other = [au for au in _FREE if au not in (*_TWO_SIDED, *commands) and not is_opposed(au, commands)]
    candidates = rng.permutation(other).tolist()
    if rng.random() < _KNOWN_SHARE:
        candidates = [*rng.permutation(known).astype(int).tolist(), *candidates]
    extra: dict[int, float] = {}
    wanted = int(rng.integers(1, 3))
    for au in candidates:
        if len(extra) < wanted and not is_opposed(au, extra):
            extra[au] = float(rng.uniform(0.1, 0.7))
    does = float(rng.uniform(*_MISFIRING_DOES))
    drives = {(au, each): drive for au, drive in commands.items() for each in SIDES}
    drives |= {(au, side): does * drive for au, drive in commands.items() if au not in _TWO_SIDED}
    return drives | {(au, side): drive for au, drive in extra.items()}


def _free_drives(rng: np.random.Generator) -> Drives:
    """One to four units; each side as strong as the other, weaker, or still."""
    drives: dict[tuple[int, Side], float] = {}
    for au in rng.choice(_FREE, rng.integers(1, 5), replace=False):
        if is_opposed(int(au), (other for other, _ in drives)):
            continue
        strength = float(rng.uniform(*(_FULL if rng.random() < _FULL_SHARE else (0.08, 1.0))))
        pair = [strength, strength]
        if au not in _TWO_SIDED and rng.random() < 0.65:
            pair[int(rng.integers(2))] *= 0.0 if rng.random() < 0.4 else float(rng.uniform(0, 1))
        drives |= {(int(au), side): value for side, value in zip(SIDES, pair, strict=True)}
    return drives


def plan_episodes(photos: list[Photo], *, drawn: int, seed: int, share: float = 1.0) -> list[EpisodePlan]:
    """Decide all episodes.

    Three free episodes, two misfiring ones and a lesion of every grade for each resting face, a still for any other
    photo, one free episode and one lesion for each of ``drawn`` drawn people. Grades are dealt in turn, so that neither
    a person nor a side tells a grade: whoever had two grades only was learned by heart.
    """
    lesions: tuple[Kind, ...] = ("lesion",) * 6
    busy: tuple[Kind, ...] = (*("free",) * 3, *("misfire",) * 2, *lesions)
    people: list[tuple[Photo | None, int, tuple[Kind, ...]]] = [
        (photo, i, busy if photo.calm else ("still",)) for i, photo in enumerate(photos)
    ]
    people += [(None, len(photos) + i, ("free", "lesion")) for i in range(drawn)]
    rng = np.random.default_rng(seed)
    plans: list[EpisodePlan] = []
    dealt = 0
    for photo, person, kinds in people:
        if rng.random() >= share:
            continue
        for kind in kinds:
            grade, side = 0, SIDES[dealt // 6 % 2]
            if kind == "lesion":
                grade, dealt = dealt % 6 + 1, dealt + 1
            drawn_at = int(rng.integers(2**31))
            by_table = bool(rng.random() < _TABLE_SHARE)
            plans.append(EpisodePlan(photo, person, len(plans), drawn_at, kind, FRAMES[kind], grade, side, by_table))
    return plans
