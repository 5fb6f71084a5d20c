"""Words for what was found, in plain English."""

from __future__ import annotations

import numpy as np

from palsy_cli.config import ScaleSettings, SymptomSettings, apply_values, load_settings
from palsy_cli.records import (
    SEVERITY_GRADES,
    Assessment,
    Cooccurrence,
    RegionAsymmetry,
    Symptoms,
    SynkinesisPair,
)
from palsy_cli.report.terms import AU_AREAS, AU_NAMES, ROMAN, SYNKINESIS_NAMES


def symptom_settings(assessment: Assessment) -> SymptomSettings:
    """The thresholds that were used; those of the profile when the run does not carry its settings."""
    settings = load_settings(profile="paper" if assessment.run.profile == "paper" else "clinical")
    used = assessment.run.settings.get("symptoms", {})
    return apply_values(settings, {f"symptoms.{name}": value for name, value in used.items()}).symptoms


def scale_settings(assessment: Assessment) -> ScaleSettings:
    """The limits of the scales by rule that were used; the built-in ones when the run does not carry its settings."""
    used = assessment.run.settings.get("scales", {})
    return apply_values(load_settings(), {f"scales.{name}": value for name, value in used.items()}).scales


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def weak_side_words(symptoms: Symptoms) -> str:
    """The headline of the weakness card."""
    if symptoms.weak_side is None:
        return "Not assessed"
    if symptoms.weak_side != "none":
        return f"{symptoms.weak_side.capitalize()} is weaker"
    local = any(region.weak_side in ("left", "right") for region in symptoms.regions)
    return "No weaker side overall" if local else "No weaker side"


def region_verdict(region: RegionAsymmetry, settings: SymptomSettings) -> str:
    """Verdict of one region and, where it is a close call, why."""
    if region.weak_side is None or region.delta_am is None or region.relative is None:
        return "not assessed"
    if region.weak_side != "none":
        return f"{region.weak_side} weaker"
    if settings.dead_zone and region.relative > settings.dead_zone_relative:
        return "no side named: too small a difference"
    return "within healthy variation" if settings.dead_zone else "equal"


def pair_name(pair: SynkinesisPair) -> str:
    """Clinical name of a synkinesis: ``oro-ocular`` and the like."""
    if pair.response_au == 17:
        return "mentalis"
    if pair.response_au == 9:
        return "midfacial"
    areas = AU_AREAS[pair.trigger_au], AU_AREAS[pair.response_au]
    return SYNKINESIS_NAMES.get(
        areas, f"{areas[0]} to {areas[1]}" if areas[0] != areas[1] else f"within the {areas[0]}"
    )


def pair_shares(pair: SynkinesisPair, table: Cooccurrence) -> tuple[float, float]:
    """P(response | trigger) on the flagged side and on the other."""
    cell = table.aus.index(pair.response_au), table.aus.index(pair.trigger_au)
    shares = {side: float(getattr(table, f"{side}_given_{pair.trigger_side}")[cell]) for side in ("left", "right")}
    other = "right" if pair.side == "left" else "left"
    return shares[pair.side], shares[other]


def au_words(au: int) -> str:
    """``AU20 (lip stretcher: risorius, with platysma)``."""
    return f"AU{au} ({AU_NAMES[au].name}: {AU_NAMES[au].muscle})"


def synkinesis_words(symptoms: Symptoms) -> str:
    """The headline of the synkinesis card."""
    if symptoms.synkinesis_present is None:
        return "Not assessed"
    sides = sorted({pair.side for pair in symptoms.pairs})
    return f"Found on the {' and the '.join(sides)}" if sides else "None found"


def disagreement(assessment: Assessment) -> str | None:
    """Say so when the two graders contradict each other."""
    label, grade = assessment.grades.severity_label, assessment.grades.house_brackmann_grade
    if label is None or grade is None or grade in SEVERITY_GRADES[label]:
        return None
    meant = " to ".join(ROMAN[g - 1] for g in SEVERITY_GRADES[label])
    return f"The two graders disagree: severity “{label}” stands for grade {meant}, the other says {ROMAN[grade - 1]}."


def opinions(assessment: Assessment) -> str | None:
    """What the pictures and the measured movement say of the House-Brackmann grade, each alone."""
    of_pictures = assessment.grades.house_brackmann_of_pictures
    of_movement = assessment.grades.house_brackmann_of_movement
    if of_pictures is None or of_movement is None:
        return None
    pictures, movement = int(np.argmax(of_pictures)), int(np.argmax(of_movement))
    apart = " They are far apart: trust neither without looking." if abs(pictures - movement) > 1 else ""
    return f"Pictures alone: grade {ROMAN[pictures]}. Measured movement alone: grade {ROMAN[movement]}.{apart}"
