"""Sentences: what a number means, in plain English, with what it rests on."""

from __future__ import annotations

from collections import Counter

import numpy as np

from palsy_cli.config import SymptomSettings, apply_values, load_settings
from palsy_cli.records import (
    ALL_AUS,
    SEVERITY_GRADES,
    Assessment,
    Cooccurrence,
    RegionAsymmetry,
    Scale,
    Symptoms,
    SynkinesisPair,
)
from palsy_cli.report.plots import num, percent
from palsy_cli.report.terms import AU_AREAS, AU_NAMES, REASON_WORDS, ROMAN, SYNKINESIS_NAMES


def symptom_settings(assessment: Assessment) -> SymptomSettings:
    """The thresholds that were used; those of the profile when the run does not carry its settings."""
    settings = load_settings(profile="paper" if assessment.run.profile == "paper" else "clinical")
    used = assessment.run.settings.get("symptoms", {})
    return apply_values(settings, {f"symptoms.{name}": value for name, value in used.items()}).symptoms


def plural(count: int, noun: str, nouns: str | None = None) -> str:
    """``1 keyframe``, ``3 keyframes``; ``nouns`` where an s does not do."""
    return f"{count} {noun if count == 1 else nouns or noun + 's'}"


def listed(items: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def signed(value: float) -> str:
    """A number with its sign and a true minus, two decimals."""
    rounded = round(value, 2) + 0.0
    return f"{rounded:+.2f}".replace("-", "−") if rounded else "0.00"


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
        return f"not assessed: {region.reason}"
    if region.weak_side != "none":
        return f"{region.weak_side} weaker"
    if settings.dead_zone and region.relative > settings.dead_zone_relative:
        return f"no side named: the difference is below {num(settings.dead_zone_absolute)} AU steps"
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


def pair_sentence(pair: SynkinesisPair, table: Cooccurrence) -> str:
    """One flagged pair in words."""
    here, there = pair_shares(pair, table)
    extent = f"on the {pair.side} only" if there == 0 else f"more often on the {pair.side}"
    other = "right" if pair.side == "left" else "left"
    return (
        f"When {au_words(pair.trigger_au)} works on the {pair.trigger_side}, {au_words(pair.response_au)} works too, "
        f"{extent}: in {percent(here)} of these {plural(pair.support, 'keyframe')} against {percent(there)} on the "
        f"{other}, a difference of {pair.difference:.2f}."
    )


def au_words(au: int) -> str:
    """``AU20 (lip stretcher: risorius, with platysma)``."""
    return f"AU{au} ({AU_NAMES[au].name}: {AU_NAMES[au].muscle})"


def synkinesis_words(symptoms: Symptoms) -> str:
    """The headline of the synkinesis card."""
    if symptoms.synkinesis_present is None:
        return "Not assessed"
    sides = sorted({pair.side for pair in symptoms.pairs})
    return f"Found on the {' and the '.join(sides)}" if sides else "None found"


def scale_words(scale: Scale) -> str:
    """Where millimetres come from, and how sure they are."""
    if scale.mm is None:
        return f"No millimetres: {scale.reason}. Lengths are in eye distances at rest."
    sources = {
        "iris": f"{plural(scale.irises, 'iris', 'irises')} at rest, taken to be 11.7 mm across",
        "ipd": "the distance of the pupils that was given",
        "mm-per-px": "the millimetres in a pixel that were given",
    }
    error = f" ± {scale.error_mm:.1f}" if scale.error_mm else ""
    share = f" Every length may be {percent(scale.error_mm / scale.mm)} off as a whole." if scale.error_mm else ""
    return f"Scale: {scale.mm:.1f}{error} mm between the eyes, from {sources[scale.source or 'iris']}.{share}"


def quality_sentence(assessment: Assessment) -> str:
    """How much of the recording was used."""
    reasons = Counter(assessment.track.reasons)
    total, usable = len(assessment.track.reasons), reasons[""]
    lost = [f"{count} {REASON_WORDS.get(reason, reason)}" for reason, count in sorted(reasons.items()) if reason]
    others = assessment.track.other_faces
    return (
        f"{usable} of {plural(total, 'frame')} usable"
        + (f" ({', '.join(lost)})" if lost else "")
        + f"; {plural(len(assessment.keyframes.frames), 'keyframe')} kept; "
        + ("no other face in the picture." if not others else f"{plural(others, 'other face')} in the picture.")
    )


def grade_frames_sentence(assessment: Assessment) -> str:
    """Which frames the grades rest on."""
    frames = assessment.grades.frames
    if not frames:
        return "none."
    times = [float(assessment.track.times_s[frame]) for frame in frames if frame < len(assessment.track.times_s)]
    if assessment.clip.fps is None or not times:
        return f"{plural(len(frames), 'picture')} of strongest movement."
    return f"{plural(len(frames), 'keyframe')} of strongest movement, at {listed([f'{t:.1f}' for t in times])} s."


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


def not_assessed(assessment: Assessment) -> list[tuple[str, str]]:
    """Everything that has no value, with the reason."""
    symptoms, grades = assessment.symptoms, assessment.grades
    rows: list[tuple[str, str | None]] = []
    if symptoms.weak_side is None:
        rows.append(("Weaker side", symptoms.weak_side_reason))
    rows += [(f"Region: {r.region}", r.reason) for r in symptoms.regions if r.weak_side is None]
    if symptoms.synkinesis_present is None:
        rows.append(("Synkinesis", symptoms.synkinesis_reason))
    if grades.severity is None:
        rows.append(("Severity", grades.severity_reason))
    if grades.house_brackmann is None:
        rows.append(("House–Brackmann grade", grades.house_brackmann_reason))
    silent = [f"AU{mean.au}" for mean in symptoms.action_units if mean.delta_am is None]
    if silent:
        rows.append((listed(silent), f"never above {num(symptoms.active_threshold)} on either side"))
    absent = [f"AU{au}" for au in ALL_AUS if au not in assessment.action_units.aus]
    if absent:
        rows.append((listed(absent), "the model in use does not measure it"))
    return [(what, reason or "no reason was recorded") for what, reason in rows]
