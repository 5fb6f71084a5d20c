"""A facial palsy as numbers: weakness per nerve branch and synkinesis -> drive of each muscle -> clinical truth.

Weakness acts on the displacement, not on the FACS intensity (the map between both is not linear), so that the ratio of
the excursions of both sides is exactly ``1 - weakness``. House-Brackmann percentages give the presets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from palsy_cli.facs import intensity_of_fraction
from palsy_cli.records import ALL_AUS, SIDES, FloatArray, Side, WeakSide
from palsy_cli.simulate.muscles import MM_PER_IPD, MUSCLES, Drives, is_opposed, mirror_points

#: Branches of the facial nerve: temporal, zygomatic, buccal, marginal mandibular, cervical.
BRANCHES: tuple[str, ...] = ("T", "Z", "B", "M", "C")
#: Uniform weakness of House-Brackmann I..VI (100, 80, 60, 40, 20, 0 % of normal movement).
HB_WEAKNESS: tuple[float, ...] = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
#: Spread of the weakness between branches around a preset.
WEAKNESS_JITTER = 0.07
#: Synkinesis gain of a mildly, moderately and severely synkinetic face.
SYNKINESIS_GAINS: dict[str, float] = {"mild": 0.1, "moderate": 0.3, "severe": 0.6}
#: The (response, trigger) pairs of aberrant regeneration.
SYNKINESIS_PAIRS: tuple[tuple[int, int], ...] = (
    *((6, 12), (43, 12), (6, 18), (43, 20), (12, 43), (15, 43), (17, 43)),
    *((17, 12), (9, 12), (20, 12), (12, 1), (20, 1), (6, 1)),
)
#: A branch weaker than this cannot misfire.
SYNKINESIS_WEAKNESS_LIMIT = 0.8
#: Lid closing power in units of the fissure: gentle, and what AU7 at full effort adds (1.7 when tight).
GENTLE_EFFORT = 1.25
TIGHT_EFFORT = 1.7
#: Normal palpebral aperture, mm.
OPEN_FISSURE_MM = 9.7
#: Drives never exceed this share of the full contraction.
DRIVE_CAP = 1.1

Region = Literal["brow", "eye", "nose", "mouth"]
REGIONS: tuple[Region, ...] = ("brow", "eye", "nose", "mouth")
SynkinesisLevel = Literal["mild", "moderate", "severe"]


@dataclass(frozen=True)
class Lesion:
    """One patient's palsy.

    Attributes:
        side: the patient's weak side, ``none`` when healthy.
        weakness: branch letter -> 0 (normal) .. 1 (no movement); absent branches are normal.
        synkinesis: (response AU, trigger AU) -> gain 0..1 on the weak side.
        chronic: resting tone of a late, synkinetic face (narrow fissure, raised corner) instead of a flaccid one.

    Raises:
        ValueError: unknown side, branch or action unit, a value outside 0..1, or weakness without a side.
    """

    side: WeakSide = "none"
    weakness: Mapping[str, float] = field(default_factory=dict)
    synkinesis: Mapping[tuple[int, int], float] = field(default_factory=dict)
    chronic: bool = False

    def __post_init__(self) -> None:
        if self.side not in (*SIDES, "none"):
            raise ValueError(f"Lesion.side: {self.side!r} is not left, right or none")
        unknown = [branch for branch in self.weakness if branch not in BRANCHES]
        if unknown:
            raise ValueError(f"Lesion.weakness: unknown branch {unknown[0]!r}; known are {', '.join(BRANCHES)}")
        for pair in self.synkinesis:
            if not set(pair) <= set(MUSCLES):
                raise ValueError(f"Lesion.synkinesis: {pair} holds an action unit that is not simulated")
        values = [*self.weakness.values(), *self.synkinesis.values()]
        if any(not 0.0 <= value <= 1.0 for value in values):
            raise ValueError(f"Lesion: weakness and gains lie in 0..1, got {values}")
        if self.side == "none" and any(value > 0 for value in values):
            raise ValueError("Lesion: weakness or synkinesis needs a side")

    def branch(self, letter: str, side: Side) -> float:
        """Weakness 0..1 of one branch on one side."""
        return float(self.weakness.get(letter, 0.0)) if side == self.side else 0.0

    def of_branches(self, letters: str, side: Side) -> float:
        """Mean weakness 0..1 of some branches on one side; 0 of none."""
        return float(np.mean([self.branch(letter, side) for letter in letters])) if letters else 0.0

    def of_au(self, au: int, side: Side) -> float:
        """Weakness 0..1 of an action unit's muscle: mean of its branches; 0 for AU5 and AU26 (other nerves)."""
        return self.of_branches(MUSCLES[au].branches, side)

    def gain_of(self, pair: tuple[int, int], side: Side) -> float:
        """Synkinesis gain of a (response, trigger) pair; 0 on the healthy side and in a dead branch."""
        if side != self.side or self.of_au(pair[0], side) >= SYNKINESIS_WEAKNESS_LIMIT:
            return 0.0
        return float(self.synkinesis.get(pair, 0.0))


@dataclass(frozen=True)
class SideGains:
    """A person's own innocent asymmetry: (region, side) -> factor about 1; absent means 1."""

    values: Mapping[tuple[Region, Side], float] = field(default_factory=dict)

    def of_region(self, region: Region, side: Side) -> float:
        """Factor of one region on one side."""
        return float(self.values.get((region, side), 1.0))

    def of_au(self, au: int, side: Side) -> float:
        """Factor of the region that an action unit belongs to; the jaw (AU26) is one bone and has none."""
        return 1.0 if au == 26 else self.of_region(region_of(au), side)


def region_of(au: int) -> Region:
    """Region of an action unit."""
    if au in (1, 2, 4):
        return "brow"
    if au in (5, 6, 7, 43):
        return "eye"
    return "nose" if au in (9, 10) else "mouth"


def draw_side_gains(rng: np.random.Generator, *, spread: float = 0.07) -> SideGains:
    """Draw a healthy asymmetry: normal about 1, cut at 0.87 and 1.13; mean |left - right| about 7 %."""
    values: dict[tuple[Region, Side], float] = {}
    for region in REGIONS:
        for side in SIDES:
            gain = 1.0 + spread * rng.standard_normal()
            while not 0.87 <= gain <= 1.13:
                gain = 1.0 + spread * rng.standard_normal()
            values[region, side] = float(gain)
    return SideGains(values)


def house_brackmann_preset(grade: int, side: Side, *, rng: np.random.Generator | None = None) -> Lesion:
    """Lesion of a House-Brackmann grade 1..6, uniform over the branches, or spread by ``rng`` (SD 0.07).

    Raises:
        ValueError: grade outside 1..6.
    """
    if not 1 <= grade <= 6:
        raise ValueError(f"House-Brackmann grade {grade} is not in 1..6")
    if grade == 1:
        return Lesion()
    return uniform_lesion(HB_WEAKNESS[grade - 1], side, rng=rng)


def uniform_lesion(weakness: float, side: Side, *, rng: np.random.Generator | None = None) -> Lesion:
    """Lesion with one weakness 0..1 in all branches, spread by ``rng`` (SD 0.07, clipped to 0..1)."""
    noise = np.zeros(len(BRANCHES)) if rng is None else WEAKNESS_JITTER * rng.standard_normal(len(BRANCHES))
    values = np.clip(weakness + noise, 0.0, 1.0)
    return Lesion(side=side, weakness=dict(zip(BRANCHES, map(float, values), strict=True)))


def zonal_preset(branch: str, side: Side, *, weakness: float = 1.0) -> Lesion:
    """Lesion of one branch alone."""
    return Lesion(side=side, weakness={branch: weakness})


def central_preset(side: Side, *, weakness: float = 0.7) -> Lesion:
    """Central (stroke-like) palsy: the forehead is spared, the eye nearly so."""
    return Lesion(side=side, weakness={"T": 0.0, "Z": 0.2 * weakness, "B": weakness, "M": weakness, "C": weakness})


def synkinetic_preset(
    side: Side,
    *,
    weakness: float = 0.35,
    level: SynkinesisLevel = "moderate",
    pairs: int | None = None,
    rng: np.random.Generator | None = None,
) -> Lesion:
    """Late palsy with aberrant regeneration.

    Args:
        side: the patient's weak side.
        weakness: mean weakness, sensibly 0.2..0.5.
        level: size of the gains.
        pairs: how many to draw at most (``draw_misfires``; needs ``rng``); all by default.
        rng: spreads weakness and gains.
    """
    gain = SYNKINESIS_GAINS[level]
    chosen = list(SYNKINESIS_PAIRS) if rng is None or pairs is None else draw_misfires(pairs, rng)
    scale = np.ones(len(chosen)) if rng is None else rng.uniform(0.75, 1.25, len(chosen))
    gains = {pair: float(min(1.0, gain * factor)) for pair, factor in zip(chosen, scale, strict=True)}
    base = uniform_lesion(weakness, side, rng=rng)
    return Lesion(side=side, weakness=base.weakness, synkinesis=gains, chronic=True)


def draw_misfires(count: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """At most ``count`` of ``SYNKINESIS_PAIRS`` that can be told apart.

    No response comes twice, and none undoes another of the same trigger: a corner of the mouth pulled up and down at
    once stays where it is.
    """
    chosen: list[tuple[int, int]] = []
    for i in rng.permutation(len(SYNKINESIS_PAIRS)):
        response, trigger = SYNKINESIS_PAIRS[int(i)]
        together = [other for other, cause in chosen if cause == trigger]
        if all(response != other for other, _ in chosen) and not is_opposed(response, together):
            chosen.append((response, trigger))
    return sorted(chosen[:count])


def random_lesion(rng: np.random.Generator, *, healthy_share: float = 0.2) -> Lesion:
    """Draw a patient: healthy, an even spread of severities, single branches, central, or synkinetic."""
    side: Side = SIDES[int(rng.integers(2))]
    kind = rng.random()
    if kind < healthy_share:
        return Lesion()
    kind = (kind - healthy_share) / (1.0 - healthy_share)
    if kind < 0.60:
        return uniform_lesion(float(rng.uniform(0.1, 1.0)), side, rng=rng)
    if kind < 0.70:
        return zonal_preset(BRANCHES[int(rng.integers(4))], side, weakness=float(rng.uniform(0.4, 1.0)))
    if kind < 0.80:
        return central_preset(side, weakness=float(rng.uniform(0.4, 1.0)))
    levels: tuple[SynkinesisLevel, ...] = ("mild", "moderate", "severe")
    return synkinetic_preset(
        side,
        weakness=float(rng.uniform(0.2, 0.5)),
        level=levels[int(rng.integers(3))],
        pairs=int(rng.integers(3, 8)),
        rng=rng,
    )


def closure_effort(commands: Mapping[int, float]) -> float:
    """Closing power asked of the lids, in units of the fissure: 1.25 gentle .. 1.7 with AU7 at full effort."""
    return GENTLE_EFFORT + (TIGHT_EFFORT - GENTLE_EFFORT) * min(1.0, commands.get(7, 0.0))


def side_drive(
    commands: Mapping[int, float], side: Side, lesion: Lesion, gains: SideGains | None = None
) -> dict[int, float]:
    """Drives of one side's muscles.

    E_a = clip(g_a (D_a + sum_c K_ac D_c), 0, 1.1) with g_a = side gain x (1 - weakness). For lid closure (AU43) the
    commanded part is min(1, e g) D, e being the effort: a residual fissure of max(0, 1 - e g) stays open.

    Args:
        commands: commanded drive 0..1 per action unit (``facs.fraction_of_intensity`` of the intended intensity).
        side: the patient's side.
        lesion: the palsy.
        gains: the person's healthy asymmetry, all 1 by default.

    Returns:
        Drive 0..1.1 per action unit; units that neither are commanded nor respond are left out.
    """
    factors = gains or SideGains()
    responses = {response for response, _ in lesion.synkinesis} if side == lesion.side else set()
    drives: dict[int, float] = {}
    for au in sorted(set(commands) | responses):
        g = factors.of_au(au, side) * (1.0 - lesion.of_au(au, side))
        commanded = commands.get(au, 0.0)
        misfired = sum(
            lesion.gain_of(pair, side) * commands.get(pair[1], 0.0) for pair in lesion.synkinesis if pair[0] == au
        )
        own = min(1.0, closure_effort(commands) * g) * commanded if au == 43 else g * commanded
        drive = float(np.clip(own + g * misfired, 0.0, 1.0 if au == 43 else DRIVE_CAP))
        if drive > 0.0 or commanded > 0.0:
            drives[au] = drive
    return drives


def effective_drive(
    commands: Mapping[int, float], lesion: Lesion, gains: SideGains | None = None
) -> dict[tuple[int, Side], float]:
    """Drives of both sides for the same commands on both; see ``side_drive``."""
    return {(au, side): drive for side in SIDES for au, drive in side_drive(commands, side, lesion, gains).items()}


def au_labels(drives: Drives, side: Side, *, aus: tuple[int, ...] = ALL_AUS) -> FloatArray:
    """(len(aus),) AU intensities 0..5 of one half face: phi^-1(min(E, 1))."""
    return intensity_of_fraction(np.array([min(1.0, drives.get((au, side), 0.0)) for au in aus]))


def flaccidity(lesion: Lesion, branches: str) -> float:
    """0..1, loss of resting tone: linear above a weakness of 0.5; 0 in a chronic face."""
    if lesion.side == "none" or lesion.chronic:
        return 0.0
    return max(0.0, (lesion.of_branches(branches, lesion.side) - 0.5) / 0.5)


def rest_displacement(lesion: Lesion) -> FloatArray:
    """(68, 2) displacement of the resting face, IPD units, image convention.

    Complete palsy: brow 4 mm down, fissure 2.5 mm wider, mouth corner 4 mm down, mouth's middle 3 mm towards the
    healthy side. Chronic: fissure 1.5 mm narrower, corner 1 mm out and 2 mm up.
    """
    shift = np.zeros((68, 2))
    if lesion.side == "none":
        return shift
    brow, eye, mouth = (flaccidity(lesion, letters) for letters in ("T", "Z", "BM"))
    lateral_up: dict[int, tuple[float, float]] = {}
    lateral_up |= {point: (0.0, -4.0 * brow) for point in range(17, 22)}
    lateral_up |= dict.fromkeys((37, 38), (0.0, 1.0 * eye)) | dict.fromkeys((40, 41), (0.0, -1.5 * eye))
    corner = (1.0, 2.0) if lesion.chronic else (0.0, -4.0 * mouth)
    for point, share in (
        (48, 1.0),
        (60, 0.95),
        (49, 0.5),
        (59, 0.5),
        (50, 0.15),
        (58, 0.2),
        (67, 0.2),
        (61, 0.15),
    ):
        lateral_up[point] = (share * corner[0], share * corner[1])
    if lesion.chronic:
        lateral_up |= dict.fromkeys((37, 38), (0.0, -0.9)) | dict.fromkeys((40, 41), (0.0, 0.6))
    for point, (lateral, up) in lateral_up.items():
        shift[point] = (-lateral / MM_PER_IPD, -up / MM_PER_IPD)
    # Built for the right side: the healthy side then lies at positive x.
    pull = 3.0 * mouth / MM_PER_IPD
    for points, share in (((51, 57, 62, 66), 1.0), ((50, 52, 61, 63, 56, 58, 65, 67), 0.7), ((33,), 0.4)):
        shift[list(points), 0] += share * pull
    return shift if lesion.side == "right" else mirror_points(shift)


def fold_depth(lesion: Lesion, side: Side) -> float:
    """Depth of the nasolabial fold: 1 normal, 0 flattened by complete palsy, 1.4 in a chronic, contracted face."""
    if side != lesion.side:
        return 1.0
    return 1.4 if lesion.chronic else 1.0 - flaccidity(lesion, "ZB")
