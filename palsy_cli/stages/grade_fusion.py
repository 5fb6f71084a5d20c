"""The grade that the measured movement speaks for, and its union with what the grading networks see (ours).

Both networks grade single pictures, without the patient's resting face beside them. How much less one side moves is
measured against that rest, and House-Brackmann's own scale is such a percentage of movement. For a palsy of one side
only: where both sides are weak, nothing differs between them, and only the pictures can tell.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from palsy_cli.config import GradeSettings
from palsy_cli.records import SEVERITY_GRADES, FloatArray, Grades, Symptoms


def movement_chances(asymmetry: float, settings: GradeSettings, *, synkinesis: bool = False) -> FloatArray:
    """Chances (6,) of the House-Brackmann grades I..VI under an asymmetry of the whole face.

    An ordinal logistic model: the odds of a grade above I, II, .. V are even at ``settings.movement_cut_1`` .. ``_5``
    and change by a factor of e with each ``settings.movement_spread``. A share of ``settings.movement_outliers`` is
    dealt to all grades alike: half a face in shadow or behind hair is misread, and that must not outvote the pictures.

    Args:
        asymmetry: left minus right over the stronger side's movement, its size 0..1 (``Symptoms.relative``).
        settings: cuts, spread and outliers.
        synkinesis: whether some was found: a face that misfires visibly is of grade III at least.
    """
    cuts = np.array(
        [
            settings.movement_cut_1,
            settings.movement_cut_2,
            settings.movement_cut_3,
            settings.movement_cut_4,
            settings.movement_cut_5,
        ]
    )
    above = 1 / (1 + np.exp(-(abs(asymmetry) - cuts) / settings.movement_spread))
    chances = -np.diff(np.concatenate([[1.0], above, [0.0]]))
    chances = (1 - settings.movement_outliers) * chances + settings.movement_outliers / len(chances)
    if synkinesis:
        chances[2] += chances[:2].sum()
        chances[:2] = 0.0
    return chances


def severity_chances(chances: FloatArray) -> FloatArray:
    """Chances (4,) of the severities from those of the six grades (E11)."""
    return np.array([sum(chances[grade - 1] for grade in grades) for grades in SEVERITY_GRADES.values()])


def join_movement(grades: Grades, symptoms: Symptoms, settings: GradeSettings) -> Grades:
    """Let the measured movement speak beside the pictures: the product of both opinions' chances, normalised.

    Args:
        grades: the networks' answer; what they withheld stays withheld.
        symptoms: asymmetry of the whole face and synkinesis; without an asymmetry nothing moved, and nothing is said.
        settings: ``with_movement`` and the model of ``movement_chances``.
    """
    if symptoms.relative is None or not settings.with_movement:
        return grades
    six = movement_chances(symptoms.relative, settings, synkinesis=bool(symptoms.synkinesis_present))
    return dataclasses.replace(
        grades,
        severity=_agree(grades.severity, severity_chances(six)),
        house_brackmann=_agree(grades.house_brackmann, six),
        severity_of_pictures=grades.severity,
        house_brackmann_of_pictures=grades.house_brackmann,
        house_brackmann_of_movement=tuple(six.tolist()),
    )


def _agree(pictures: tuple[float, ...] | None, movement: FloatArray) -> tuple[float, ...] | None:
    """The normalised product; ``None`` where the pictures' opinion was withheld."""
    if pictures is None:
        return None
    product = np.asarray(pictures) * movement
    return tuple((product / product.sum()).tolist())
