"""From findings to grades: ``grading`` and ``grade_fusion``."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import torch

from palsy_cli.networks.algrnet_regions import PALSY_REGIONS, RegionGeometry, to_49
from palsy_cli.records import Grades, Keyframes
from palsy_cli.selftest.checks import Check
from palsy_cli.selftest.golden import Facts, golden_settings
from palsy_cli.selftest.muscle_cases import PATIENT
from palsy_cli.selftest.stand_ins import ColourGrader, plain_face, table_of
from palsy_cli.stages import alignment
from palsy_cli.stages.grade_fusion import join_opinions, movement_chances, severity_chances
from palsy_cli.stages.grading import (
    algr_alignment,
    algr_tensor,
    encoder_alignment,
    encoder_tensor,
    grade,
    peak_frames,
)
from palsy_cli.stages.symptoms import find_symptoms

#: Chin, nose tip, outer eye corners, mouth corners.
SOME = [8, 30, 36, 45, 48, 54]
COLOUR = (30, 90, 210)


def strongest_frames() -> Facts:
    """Peaks of movement come first; frames in which nothing is active never count."""
    strengths = (0.0, 1.0, 4.0, 3.9, 0.4, 2.0, 0.0)
    units = table_of([(1, {12: (strength, strength / 2)}) for strength in strengths])
    return {"two": peak_frames(units, at_most=2), "all": peak_frames(units, at_most=8)}


def network_inputs() -> Facts:
    """Framing and scaling of both grading networks' pictures, and where ALGRNet's muscle groups lie."""
    face = plain_face(centre=(160.0, 140.0), unit=50.0)
    picture = np.full((1, 4, 4, 3), COLOUR, np.uint8)
    aligned = alignment.transform_points(face, algr_alignment(face))
    geometry = RegionGeometry(PALSY_REGIONS, crop=176, side=44)
    centres = geometry.centres(torch.from_numpy(to_49(aligned))[None].float(), torch.zeros(1, len(PALSY_REGIONS), 2))
    return {
        "algrnet_places": aligned[SOME],
        "encoder_places": alignment.transform_points(face, encoder_alignment(face, size=128))[SOME],
        "algrnet_colour": algr_tensor(picture)[0, :, 0, 0].numpy(),
        "encoder_colour": encoder_tensor(picture)[0, :, 0, 0].numpy(),
        "muscle_groups": centres[0, :, 0].numpy(),
    }


def fused_frames() -> Facts:
    """Two frames of known logits: mean chances of one network, mean log chances, tempered, of the other."""
    face = plain_face(centre=(160.0, 140.0), unit=50.0)
    keyframes = Keyframes(
        frames=np.array([3, 7]),
        times_s=np.array([0.1, 0.3]),
        confidence=np.ones(2),
        aligned=np.zeros((2, 512, 512, 3), np.uint8),
        faces=np.stack([np.full((320, 320, 3), colour, np.uint8) for colour in (COLOUR, COLOUR[::-1])]),
        face_points=np.stack([face, face]),
    )
    units = table_of([(2, {12: (2.0, 4.0)})])
    algrnet, cascade = (cast("Any", ColourGrader(grades, side=32, wrapped=grades == 4)) for grades in (4, 6))
    settings = golden_settings().grades
    temperatures = {"hb_cascade": 0.5}
    found = grade(keyframes, units, algrnet, cascade, settings, temperatures=temperatures)
    return {"frames": found.frames, "severity": found.severity, "house_brackmann": found.house_brackmann}


def chances_of_movement() -> Facts:
    """The grade that an asymmetry speaks for, alone and beside synkinesis."""
    settings = golden_settings().grades
    asymmetries = (0.0, 0.057, 0.13, 0.354, 0.5, 0.749, 0.938, 1.0)
    misfiring = movement_chances(0.05, settings, synkinesis=True)
    return {
        "of_each_asymmetry": [movement_chances(value, settings) for value in asymmetries],
        "with_synkinesis": misfiring,
        "severities": severity_chances(misfiring),
    }


def joint_opinions() -> Facts:
    """Both networks and the movement multiplied; switched off, each network stands alone."""
    settings = golden_settings()
    symptoms = find_symptoms(PATIENT, settings.symptoms)
    of_pictures = Grades(severity=(0.1, 0.2, 0.3, 0.4), house_brackmann=(0.1, 0.1, 0.2, 0.2, 0.2, 0.2))
    joined = join_opinions(of_pictures, symptoms, settings.grades)
    apart = dataclasses.replace(settings.grades, together=False, with_movement=False)
    return {
        "severity": joined.severity,
        "house_brackmann": joined.house_brackmann,
        "grade": joined.house_brackmann_grade,
        "alone": join_opinions(of_pictures, symptoms, apart) == of_pictures,
    }


def checks() -> list[Check]:
    """All cases of this file."""
    cases = {
        "grading": (strongest_frames, network_inputs, fused_frames),
        "grade_fusion": (chances_of_movement, joint_opinions),
    }
    return [Check(stage, case.__name__, case) for stage, listed in cases.items() for case in listed]
