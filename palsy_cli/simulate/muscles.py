"""What each facial muscle does to the 68 points.

Lengths are in IPD units (distance between the pupils, taken as 63 mm). Displacements are in image convention (x to
image-right, y down) of an unmirrored frontal face; sides are the patient's. Sizes at full contraction are our choices
inside published ranges: brow and lid excursions of healthy adults (Vicon studies: brow 10.6 mm, lid 9.1 mm, mouth
corner 9.3 mm), the direction of a spontaneous smile (about 47 degrees upwards) and the palpebral aperture (9.7 mm).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from palsy_cli.points import MIRROR_68
from palsy_cli.records import SIDES, FloatArray, Side, require_shape

#: Millimetres in one IPD unit.
MM_PER_IPD = 63.0
#: Largest excursion of a mouth corner and of a brow under AU1 + AU2 together, mm.
CORNER_CAP_MM = 15.0
BROW_CAP_MM = 10.5
#: Shift of the midline towards the stronger corner, per unit of difference between both corners' excursions.
MIDLINE_PULL = 0.35

#: Drives: share of the full contraction, 0..1.1, of each (action unit, patient's side).
Drives = Mapping[tuple[int, Side], float]

#: Points on the midline: they take the mean of both sides.
MIDLINE: tuple[int, ...] = (8, 27, 28, 29, 30, 33, 51, 57, 62, 66)
#: (upper, lower) pairs of eyelid points and of the inner lips.
LID_PAIRS: dict[Side, tuple[tuple[int, int], ...]] = {
    "right": ((37, 41), (38, 40)),
    "left": ((44, 46), (43, 47)),
}
INNER_LIP_PAIRS: tuple[tuple[int, int], ...] = ((61, 67), (62, 66), (63, 65))
CORNERS: dict[Side, tuple[int, int]] = {"right": (48, 60), "left": (54, 64)}

#: Units that undo each other: what both together do cannot be read off the skin.
OPPOSED: frozenset[frozenset[int]] = frozenset(
    frozenset(pair)
    for pair in [
        *((1, 4), (2, 4), (5, 43), (5, 6), (5, 7), (12, 15), (12, 18), (15, 18), (18, 20), (15, 20), (18, 25)),
        *((9, 15), (10, 15), (17, 16), (17, 25), (17, 26), (18, 26), (24, 25), (24, 26), (24, 16), (24, 10)),
    ]
)

#: Share of the midline pull that each point takes (1 on the philtrum, fading towards the corners).
PULL_SHARE: dict[int, float] = (
    dict.fromkeys((51, 57, 62, 66), 1.0)
    | dict.fromkeys((50, 52, 56, 58, 61, 63, 65, 67), 0.6)
    | dict.fromkeys((49, 53, 55, 59), 0.25)
    | {33: 0.3, 32: 0.2, 34: 0.2, 8: 0.15}
)


@dataclass(frozen=True)
class Muscle:
    """One action unit's muscle.

    Attributes:
        name: anatomical name.
        branches: letters of the facial-nerve branches that feed it (T temporal, Z zygomatic, B buccal, M marginal
            mandibular, C cervical); empty for muscles of another nerve, which a facial palsy spares.
        points: ``{point: (lateral, up)}`` in mm at full contraction, the patient's right side and the midline.
        cheek: ``(lateral, up)`` of the cheek's prominence, mm.
    """

    name: str
    branches: str
    points: dict[int, tuple[float, float]] = field(default_factory=dict)
    cheek: tuple[float, float] = (0.0, 0.0)


#: Action unit -> muscle, movement of the right side in mm (lateral, up) at full contraction.
MUSCLES: dict[int, Muscle] = {
    1: Muscle(
        "frontalis_medial",
        "T",
        {21: (-0.5, 7.0), 20: (-0.5, 6.5), 19: (0.0, 4.0), 18: (0.0, 1.0), 17: (0.0, 0.5), 38: (0.0, 0.4)},
    ),
    2: Muscle(
        "frontalis_lateral",
        "T",
        {17: (0.5, 7.0), 18: (0.5, 7.0), 19: (0.0, 6.0), 20: (0.0, 1.5), 21: (0.0, 0.5), 37: (0.0, 0.5)},
    ),
    4: Muscle(
        "corrugator_procerus",
        "T",
        {
            **{21: (-2.5, -5.5), 20: (-2.0, -5.5), 19: (-1.5, -5.0), 18: (-0.5, -3.5), 17: (-0.5, -2.5)},
            **{37: (0.0, -0.5), 38: (0.0, -0.5)},
        },
    ),
    5: Muscle("levator_palpebrae", "", {37: (0.0, 2.0), 38: (0.0, 2.0)}),
    6: Muscle(
        "orbicularis_oculi_orbital",
        "Z",
        {
            **{40: (0.0, 1.5), 41: (0.0, 1.5), 37: (0.0, -0.7), 38: (0.0, -0.7), 36: (0.0, -0.3)},
            **{17: (0.0, -0.8), 48: (0.3, 0.5)},
        },
        cheek=(0.0, 4.0),
    ),
    7: Muscle(
        "orbicularis_oculi_palpebral",
        "Z",
        {40: (0.0, 1.5), 41: (0.0, 1.5), 37: (0.0, -1.0), 38: (0.0, -1.0)},
    ),
    9: Muscle(
        "levator_labii_alaeque_nasi_nasalis",
        "B",
        {
            **{
                31: (0.5, 3.0),
                32: (0.3, 2.5),
                33: (0.0, 1.0),
                50: (0.0, 3.0),
                49: (0.0, 2.0),
                61: (0.0, 2.5),
            },
            **{21: (-1.0, -2.0), 20: (-0.5, -1.5)},
        },
    ),
    10: Muscle(
        "levator_labii_superioris",
        "B",
        {50: (0.3, 4.5), 49: (0.2, 3.5), 51: (0.0, 2.5), 61: (0.2, 4.0), 62: (0.0, 2.5), 31: (0.3, 1.5)},
    ),
    12: Muscle(
        "zygomaticus_major",
        "ZB",
        {
            **{
                48: (6.5, 7.0),
                60: (6.0, 6.5),
                49: (4.0, 4.5),
                59: (4.0, 3.5),
                50: (1.5, 3.0),
                58: (1.5, 1.5),
            },
            **{61: (1.5, 2.8), 67: (1.5, 1.5), 51: (0.0, 1.0), 57: (0.0, 1.0), 31: (0.8, 0.5)},
        },
        cheek=(0.5, 3.0),
    ),
    14: Muscle("buccinator", "B", {48: (3.0, 0.0), 60: (2.5, 0.0)}),
    15: Muscle(
        "depressor_anguli_oris",
        "M",
        {48: (1.0, -5.0), 60: (0.8, -4.5), 49: (0.5, -2.5), 59: (0.5, -2.5)},
    ),
    16: Muscle(
        "depressor_labii_inferioris",
        "M",
        {58: (0.5, -4.5), 59: (0.5, -2.5), 67: (0.5, -4.5), 57: (0.0, -3.0), 66: (0.0, -3.0)},
    ),
    17: Muscle(
        "mentalis",
        "M",
        {57: (0.0, 3.5), 58: (0.0, 3.0), 66: (0.0, 3.5), 67: (0.0, 3.0), 7: (0.0, 1.0), 8: (0.0, 1.5)},
    ),
    18: Muscle(
        "orbicularis_oris_pucker",
        "BM",
        {
            48: (-7.0, 0.0),
            60: (-5.0, 0.0),
            49: (-4.0, 0.3),
            59: (-4.0, -0.3),
            50: (-1.5, 0.5),
            58: (-1.5, -0.5),
        },
    ),
    20: Muscle(
        "risorius_platysma",
        "BC",
        {48: (6.0, -1.0), 60: (5.5, -1.0), 49: (3.5, -0.5), 59: (3.5, -1.0), 58: (1.5, -1.0)},
    ),
    24: Muscle(
        "orbicularis_oris_press",
        "BM",
        {49: (0.0, -1.0), 50: (0.0, -1.2), 51: (0.0, -1.2), 59: (0.0, 1.0), 58: (0.0, 1.2), 57: (0.0, 1.2)},
    ),
    25: Muscle(
        "depressor_labii_relaxed_mentalis",
        "M",
        {
            **{57: (0.0, -4.0), 58: (0.0, -3.5), 66: (0.0, -4.0), 67: (0.0, -3.5)},
            **{50: (0.0, 1.0), 51: (0.0, 1.0), 61: (0.0, 1.0), 62: (0.0, 1.0)},
        },
    ),
    26: Muscle(
        "jaw_depressors",
        "",
        {
            **{57: (0.0, -12.0), 58: (0.0, -11.5), 59: (0.0, -7.0), 66: (0.0, -12.0), 67: (0.0, -11.5)},
            **{48: (-0.5, -4.0), 60: (-0.5, -4.0), 8: (0.0, -12.0), 7: (0.0, -12.0), 6: (0.0, -11.0)},
            **{5: (0.0, -9.0), 4: (0.0, -6.0)},
        },
    ),
    34: Muscle("buccinator_puff", "B", {3: (3.0, 0.0), 4: (4.0, 0.0), 5: (3.0, 0.0)}, cheek=(3.0, 0.0)),
    43: Muscle(
        "orbicularis_oculi_closure",
        "Z",
        {37: (0.0, -9.0), 38: (0.0, -9.0), 40: (0.0, 0.7), 41: (0.0, 0.7)},
    ),
}

#: All simulated action units.
SIMULATED_AUS: tuple[int, ...] = tuple(MUSCLES)
#: Units whose effect on the lids is an aperture, not a sum of displacements.
LID_CLOSERS: tuple[int, ...] = (6, 7, 43)


@dataclass(frozen=True)
class Motion:
    """A moved face: ``points`` (68, 2) and ``cheeks`` (2, 2) (left, right prominence's displacement), IPD units."""

    points: FloatArray
    cheeks: FloatArray


def is_opposed(au: int, others: Iterable[int]) -> bool:
    """Whether an action unit undoes one of the others (``OPPOSED``)."""
    return any(frozenset((au, other)) in OPPOSED for other in others)


def displacement(au: int, side: Side) -> FloatArray:
    """Displacement field of one action unit on one side at full contraction.

    Args:
        au: a key of ``MUSCLES``.
        side: the patient's side.

    Returns:
        (68, 2) in IPD units, image convention. Midline points hold half of their movement, so that both sides
        together give the mean rule.

    Raises:
        ValueError: unknown action unit.
    """
    if au not in MUSCLES:
        raise ValueError(f"action unit {au} is not simulated; known are {', '.join(map(str, MUSCLES))}")
    return _displacement(au, side).copy()


@cache
def _displacement(au: int, side: Side) -> FloatArray:
    field_right = np.zeros((68, 2))
    for point, (lateral, up) in MUSCLES[au].points.items():
        share = 0.5 if point in MIDLINE else 1.0
        field_right[point] = (-share * lateral / MM_PER_IPD, -share * up / MM_PER_IPD)
    return field_right if side == "right" else mirror_points(field_right)


def mirror_points(points: FloatArray) -> FloatArray:
    """Mirror (68, 2) points or displacements about x = 0, exchanging the sides' indices."""
    return np.asarray(points[MIRROR_68] * np.array([-1.0, 1.0]))


def cheek_displacement(au: int, side: Side) -> FloatArray:
    """(2,) displacement of the cheek's prominence on one side at full contraction, IPD units, image convention."""
    lateral, up = MUSCLES[au].cheek
    outward = -1.0 if side == "right" else 1.0
    return np.array([outward * lateral, -up]) / MM_PER_IPD


def move_points(neutral: FloatArray, drives: Drives, *, rest: FloatArray | None = None) -> Motion:
    """Move a neutral face by its muscles' drives.

    Args:
        neutral: (68, 2) frontal points, pupil distance 1 (any origin), eyes level.
        drives: share of the full contraction per (action unit, side); absent means 0.
        rest: (68, 2) displacement of the resting face, added first (``palsy.rest_displacement``).

    Returns:
        The moved points and cheeks. The lids' aperture under AU43 is that of the resting face times (1 - drive);
        AU6 and AU7 narrow it, but never add to a stronger closure. The midline follows the mean of both sides and is
        drawn towards the side whose mouth corner moves more.
    """
    require_shape("neutral", neutral, (68, 2))
    start = neutral if rest is None else neutral + rest
    shift = _sum_displacements(drives)
    points = start + shift + _pull_of(shift)
    for side in SIDES:
        close_lids(points, drives, side)
    cheeks = np.zeros((2, 2))
    for (au, side), drive in drives.items():
        cheeks[SIDES.index(side)] += drive * cheek_displacement(au, side)
    return Motion(points=enforce_order(points), cheeks=cheeks)


def _sum_displacements(drives: Drives) -> FloatArray:
    """(68, 2) sum of all drives but the lid closers' part on the lids, capped at the brows and mouth corners."""
    lids = [point for pairs in LID_PAIRS.values() for pair in pairs for point in pair]
    total = np.zeros((68, 2))
    brow_lift = np.zeros((68, 2))
    for (au, side), drive in drives.items():
        if au not in MUSCLES:
            raise ValueError(f"action unit {au} is not simulated")
        part = drive * _displacement(au, side)
        if au in LID_CLOSERS:
            part[lids] = 0.0
        if au in (1, 2):
            brow_lift[17:27] += part[17:27]
            part[17:27] = 0.0
        total += part
    total += _capped(brow_lift, BROW_CAP_MM / MM_PER_IPD)
    for outer, inner in CORNERS.values():
        length = float(np.hypot(*total[outer]))
        if length > CORNER_CAP_MM / MM_PER_IPD:
            total[[outer, inner]] *= CORNER_CAP_MM / MM_PER_IPD / length
    return total


def _capped(vectors: FloatArray, longest: float) -> FloatArray:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors * np.minimum(1.0, longest / np.maximum(length, 1e-9)))


def midline_pull(drives: Drives) -> FloatArray:
    """Sideways shift (68, 2) of the mouth's middle towards the corner that moves more, IPD units.

    ``move_points`` holds it already; this is for renderers that have their own displacement table.
    """
    return _pull_of(_sum_displacements(drives))


def _pull_of(shift: FloatArray) -> FloatArray:
    excursion = {side: float(np.hypot(*shift[CORNERS[side][0]])) for side in SIDES}
    pull = np.zeros((68, 2))
    # The patient's left lies at positive x.
    pull[list(PULL_SHARE), 0] = MIDLINE_PULL * (excursion["left"] - excursion["right"])
    pull[list(PULL_SHARE), 0] *= np.array(list(PULL_SHARE.values()))
    return pull


def close_lids(points: FloatArray, drives: Drives, side: Side) -> None:
    """Narrow one eye in place: the larger of AU43's closure and the squint of AU6 + AU7."""
    closure = min(1.0, max(0.0, drives.get((43, side), 0.0)))
    squint_up = sum(drives.get((au, side), 0.0) * 1.5 for au in (6, 7)) / MM_PER_IPD
    squint_down = (drives.get((6, side), 0.0) * 0.7 + drives.get((7, side), 0.0) * 1.0) / MM_PER_IPD
    for upper, lower in LID_PAIRS[side]:
        gap = max(0.0, float(points[lower, 1] - points[upper, 1]))
        narrowing = max(closure * gap, min(squint_up + squint_down, 0.85 * gap))
        lower_up = min(max(squint_up, 0.07 * closure * gap), 0.5 * narrowing)
        points[lower, 1] -= lower_up
        points[upper, 1] += narrowing - lower_up


def enforce_order(points: FloatArray) -> FloatArray:
    """Return (68, 2) points in which no upper lid lies below its lower lid and no lips cross.

    Lids meet at the lower lid; crossed inner lips meet half-way; each outer lip stays outside its inner lip.
    """
    fixed = points.copy()
    for pairs in LID_PAIRS.values():
        for upper, lower in pairs:
            fixed[upper, 1] = min(fixed[upper, 1], fixed[lower, 1])
    for upper, lower in INNER_LIP_PAIRS:
        if fixed[upper, 1] > fixed[lower, 1]:
            fixed[[upper, lower], 1] = 0.5 * (fixed[upper, 1] + fixed[lower, 1])
    thinnest = 1.0 / MM_PER_IPD
    for outer, inner in ((50, 61), (51, 62), (52, 63)):
        fixed[outer, 1] = min(fixed[outer, 1], fixed[inner, 1] - thinnest)
    for outer, inner in ((58, 67), (57, 66), (56, 65)):
        fixed[outer, 1] = max(fixed[outer, 1], fixed[inner, 1] + thinnest)
    return fixed
