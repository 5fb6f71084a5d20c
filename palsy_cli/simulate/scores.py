"""Clinical scores that follow from a lesion: House-Brackmann, FNGS 2.0, Sunnybrook, and the four FPara severities.

These are the truth of a simulated patient, computed from weakness and synkinesis, never from pictures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from palsy_cli.records import SEVERITY_GRADES, SEVERITY_LABELS, SIDES, Side
from palsy_cli.simulate.palsy import (
    GENTLE_EFFORT,
    OPEN_FISSURE_MM,
    REGIONS,
    TIGHT_EFFORT,
    Lesion,
    Region,
    SideGains,
    flaccidity,
    fold_depth,
    house_brackmann_preset,
)

#: The action unit whose excursion stands for a region.
REGION_AU: dict[Region, int] = {"brow": 1, "eye": 43, "nose": 9, "mouth": 12}
#: Sunnybrook's five expressions and the action units that they command.
SUNNYBROOK_TASKS: dict[str, tuple[int, ...]] = {
    "forehead_wrinkle": (1, 2),
    "gentle_eye_closure": (43,),
    "open_mouth_smile": (12, 25),
    "snarl": (9, 10),
    "lip_pucker": (18,),
}
#: Residual fissure, in parts of the open one, up to which the eye counts as closed: 1 mm or a tenth.
CLOSED_BELOW = max(1.0 / OPEN_FISSURE_MM, 0.10)


@dataclass(frozen=True)
class Fngs:
    """Facial Nerve Grading System 2.0: four regions 1..6, secondary movement 0..3, their total and the grade 1..6."""

    brow: int
    nasolabial_fold: int
    oral: int
    eye: int
    secondary: int

    @property
    def total(self) -> int:
        """Sum of all items, 4..27."""
        return self.brow + self.nasolabial_fold + self.oral + self.eye + self.secondary

    @property
    def grade(self) -> int:
        """Grade 1..6 from the total: 4, 5-9, 10-14, 15-19, 20-23, 24 and more."""
        return 1 + sum(self.total >= limit for limit in (5, 10, 15, 20, 24))


@dataclass(frozen=True)
class Sunnybrook:
    """Sunnybrook facial grading: resting items, voluntary 1..5 and synkinesis 0..3 for each of five expressions."""

    resting_eye: int
    resting_cheek: int
    resting_mouth: int
    voluntary: dict[str, int]
    synkinesis: dict[str, int]

    @property
    def composite(self) -> int:
        """Voluntary (x4) - resting (x5) - synkinesis; 100 is normal."""
        resting = self.resting_eye + self.resting_cheek + self.resting_mouth
        return 4 * sum(self.voluntary.values()) - 5 * resting - sum(self.synkinesis.values())


def movement_gain(lesion: Lesion, au: int, side: Side, gains: SideGains | None = None) -> float:
    """Gain g of one action unit on one side: side gain x (1 - weakness)."""
    return (gains or SideGains()).of_au(au, side) * (1.0 - lesion.of_au(au, side))


def movement_ratio(lesion: Lesion, au: int, gains: SideGains | None = None) -> float:
    """Excursion of the weaker side over that of the stronger, 0..1."""
    left, right = (movement_gain(lesion, au, side, gains) for side in SIDES)
    return min(left, right) / max(left, right) if max(left, right) > 0 else 1.0


def residual_fissure(lesion: Lesion, side: Side, *, effort: float, gains: SideGains | None = None) -> float:
    """Part of the open fissure (0..1) that stays open: max(0, 1 - min(1, e g))."""
    return 1.0 - min(1.0, effort * movement_gain(lesion, 43, side, gains))


def closes(lesion: Lesion, *, effort: float, gains: SideGains | None = None) -> bool:
    """Whether both eyes close with this effort (1.25 gentle, 1.7 tight)."""
    return all(residual_fissure(lesion, side, effort=effort, gains=gains) <= CLOSED_BELOW for side in SIDES)


def synkinesis_level(lesion: Lesion, triggers: tuple[int, ...] | None = None) -> int:
    """0 none .. 3 severe, from the largest gain that can act; only of the given trigger units if named."""
    if lesion.side == "none":
        return 0
    side: Side = lesion.side
    acting = [
        lesion.gain_of(pair, side) * (1.0 - lesion.of_au(pair[0], side))
        for pair in lesion.synkinesis
        if triggers is None or pair[1] in triggers
    ]
    return sum(max(acting, default=0.0) >= limit for limit in (0.03, 0.13, 0.30))


def house_brackmann(lesion: Lesion, gains: SideGains | None = None) -> int:
    """House-Brackmann grade 1..6 by rule.

    The pivot is eye closure; grades I and II part at the mean over the regions, because single regions of healthy
    people already differ by 7-9 %.
    """
    ratio = {region: movement_ratio(lesion, REGION_AU[region], gains) for region in REGIONS}
    values = list(ratio.values())
    tight = closes(lesion, effort=TIGHT_EFFORT, gains=gains)
    gentle = closes(lesion, effort=GENTLE_EFFORT, gains=gains)
    level = synkinesis_level(lesion)
    if max(values) < 0.03:
        return 6
    if not tight and ratio["brow"] < 0.25 and ratio["mouth"] < 0.25:
        return 5
    if not tight or (ratio["brow"] < 0.10 and ratio["mouth"] < 0.50):
        return 4
    if not gentle or ratio["mouth"] < 0.75 or ratio["brow"] < 0.50 or level >= 2:
        return 3
    if sum(values) / len(values) < 0.88 or min(values) < 0.78 or level == 1:
        return 2
    return 1


def draw_lesion(grade: int, side: Side, rng: np.random.Generator) -> Lesion:
    """Draw a lesion of a House-Brackmann grade 1..6: its preset, spread between the branches, and still of that grade.

    The preset's spread alone carries half of the patients drawn for grades II and VI across the next border.

    Raises:
        ValueError: grade outside 1..6.
    """
    lesion = house_brackmann_preset(grade, side, rng=rng)
    while house_brackmann(lesion) != grade:
        lesion = house_brackmann_preset(grade, side, rng=rng)
    return lesion


def house_brackmann_from_weakness(weakness: dict[str, float], *, side: Side = "right") -> int:
    """House-Brackmann grade 1..6 of a weakness per branch (T, Z, B, M, C; 0..1), without synkinesis."""
    return house_brackmann(Lesion(side=side, weakness=weakness))


def fngs(lesion: Lesion, gains: SideGains | None = None) -> Fngs:
    """FNGS 2.0 items; marked asymmetry at rest and an open eye despite effort force a region to 4 or more."""
    region_branches: dict[Region, str] = {"brow": "T", "eye": "Z", "nose": "B", "mouth": "BM"}
    scores: dict[Region, int] = {}
    for region in REGIONS:
        ratio = movement_ratio(lesion, REGION_AU[region], gains)
        score = 1 + sum(ratio < limit for limit in (0.85, 0.75, 0.50, 0.25, 0.03))
        if flaccidity(lesion, region_branches[region]) >= 0.4:
            score = max(score, 4)
        scores[region] = score
    if not closes(lesion, effort=TIGHT_EFFORT, gains=gains):
        scores["eye"] = max(scores["eye"], 4)
    return Fngs(
        brow=scores["brow"],
        nasolabial_fold=scores["nose"],
        oral=scores["mouth"],
        eye=scores["eye"],
        secondary=synkinesis_level(lesion),
    )


def sunnybrook(lesion: Lesion, gains: SideGains | None = None) -> Sunnybrook:
    """Sunnybrook items: voluntary from the excursion ratio (0.10, 0.35, 0.65, 0.85), resting signs from the tone."""
    voluntary: dict[str, int] = {}
    for task, units in SUNNYBROOK_TASKS.items():
        ratio = movement_ratio(lesion, units[0], gains)
        if task == "gentle_eye_closure":
            closed = [1.0 - residual_fissure(lesion, side, effort=GENTLE_EFFORT, gains=gains) for side in SIDES]
            ratio = min(closed) / max(closed)
        voluntary[task] = 1 + sum(ratio >= limit for limit in (0.10, 0.35, 0.65, 0.85))
    depth = min((fold_depth(lesion, side) for side in SIDES), default=1.0)
    cheek = 2 if depth < 0.25 else int(depth < 0.7 or lesion.chronic)
    return Sunnybrook(
        resting_eye=int(lesion.chronic or 2.5 * flaccidity(lesion, "Z") >= 1.0),
        resting_cheek=cheek,
        resting_mouth=int(4.0 * flaccidity(lesion, "BM") >= 3.0),
        voluntary=voluntary,
        synkinesis={task: synkinesis_level(lesion, units) for task, units in SUNNYBROOK_TASKS.items()},
    )


def severity_of_grade(grade: float) -> int:
    """FPara severity 0..3 of a House-Brackmann grade: I normal, II low, III and IV medium, V and VI high.

    Half grades go as in ``whole_grade``, so that [1, 1.5) is normal, [1.5, 2.5) low and [2.5, 4.5) medium: the printed
    bounds leave IV, V and VI without a class (erratum E11).

    Raises:
        ValueError: grade outside 1..6.
    """
    if not 1 <= grade <= 6:
        raise ValueError(f"House-Brackmann grade {grade} is not in 1..6")
    whole = whole_grade(grade)
    return next(number for number, grades in enumerate(SEVERITY_GRADES.values()) if whole in grades)


def whole_grade(grade: float) -> int:
    """House-Brackmann grade without halves, which go to the worse neighbour."""
    return math.floor(grade + 0.5)


def severity_label(lesion: Lesion, gains: SideGains | None = None) -> str:
    """The FPara severity's name of a lesion."""
    return SEVERITY_LABELS[severity_of_grade(house_brackmann(lesion, gains))]
