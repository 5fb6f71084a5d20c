"""``assessment.json``: everything that is known of one video, versioned. NaN never appears; absence is ``null``."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import numpy as np

from palsy_cli.clinic.measures import ratio_of, unit_of
from palsy_cli.config import SymptomSettings
from palsy_cli.records import (
    SEVERITY_LABELS,
    Assessment,
    ClinicMeasures,
    Clip,
    Cooccurrence,
    Grades,
    Interval,
    Keyframes,
    Measure,
    RegionAsymmetry,
    Scale,
    ScaleScore,
    Symptoms,
    SynkinesisPair,
)
from palsy_cli.report.words import pair_shares, symptom_settings
from palsy_cli.stages.cooccurrence import cells_under_test
from palsy_cli.text import storable

SCHEMA_VERSION = "1.0"
DECIMALS = 6


def assessment_json(assessment: Assessment) -> str:
    """The file's text. Only ``run.seconds`` varies between two runs of the same video and settings."""
    return to_json(assessment_dict(assessment))


def assessment_dict(assessment: Assessment) -> dict[str, Any]:
    """The file's content as plain Python values, in the order of the published schema."""
    run = assessment.run
    return {
        "schema_version": SCHEMA_VERSION,
        "video": video_dict(assessment.clip, frames=len(assessment.track.times_s)),
        "quality": quality_dict(assessment),
        "keyframes": keyframes_dict(assessment.keyframes),
        **symptoms_dict(assessment.symptoms, symptom_settings(assessment)),
        "grades": grades_dict(assessment.grades) | {"times_s": grade_times(assessment)},
        "clinic": clinic_dict(assessment.clinic),
        "scales": {name: scale_dict(score) for name, score in assessment.scales.items()},
        "models": {
            name: {"name": card.name, "sha256": card.sha256, "trained_on": card.trained_on}
            for name, card in sorted(assessment.models.items())
        },
        "run": {
            "version": run.version,
            "device": run.device,
            "seed": run.seed,
            "profile": run.profile,
            "settings_sha256": run.settings_sha256,
            "settings": run.settings,
            "norms": run.norms,
            "seconds": {stage: round(seconds, 3) for stage, seconds in run.seconds.items()},
        },
    }


def video_dict(clip: Clip, *, frames: int) -> dict[str, Any]:
    """What was read: ``fps`` and ``duration_s`` are ``None`` for images."""
    return {
        "path": storable(clip.path.as_posix()),
        "name": storable(clip.path.name),
        "sha256": clip.sha256,
        "kind": clip.kind,
        "fps": number(clip.fps),
        "frames": frames,
        "duration_s": number(frames / clip.fps) if clip.fps else None,
        "width": clip.width,
        "height": clip.height,
        "mirrored": clip.mirrored,
    }


def quality_dict(assessment: Assessment) -> dict[str, Any]:
    """How much of the recording could be used, and why the rest could not."""
    reasons = Counter(assessment.track.reasons)
    total = len(assessment.track.reasons)
    return {
        "frames_with_face": total - reasons["no_face"],
        "usable_frames": reasons[""],
        "unusable_frames": {reason: count for reason, count in sorted(reasons.items()) if reason},
        "keyframes": len(assessment.keyframes.frames),
        "other_faces": assessment.track.other_faces,
        "warnings": list(assessment.warnings),
    }


def keyframes_dict(keyframes: Keyframes) -> dict[str, Any]:
    """Which frames differ from each other, and when they were."""
    return {
        "frames": [int(frame) for frame in keyframes.frames],
        "times_s": [number(time_s) for time_s in keyframes.times_s.tolist()],
    }


def symptoms_dict(symptoms: Symptoms, settings: SymptomSettings) -> dict[str, Any]:
    """``weak_side``, ``asymmetry`` and ``synkinesis`` of the schema, with how many cells the settings let be tested."""
    regions: dict[str, Any] = {}
    for region in symptoms.regions:
        regions[region.region] = None if region.weak_side is None else region_dict(region)
        regions[f"{region.region}_reason"] = region.reason
    return {
        "weak_side": symptoms.weak_side,
        "weak_side_reason": symptoms.weak_side_reason,
        "weak_side_agreement": number(symptoms.agreement),
        "asymmetry": {
            "delta_am": number(symptoms.delta_am),
            "delta_am_interval": interval(symptoms.delta_interval),
            "threshold": number(symptoms.active_threshold),
            "action_units": [
                {
                    "au": mean.au,
                    "am_left": number(mean.am_left),
                    "am_right": number(mean.am_right),
                    "delta_am": number(mean.delta_am),
                    "delta_am_interval": interval(mean.delta_interval),
                    "active_keyframes": mean.active_keyframes,
                    "reason": "never active on either side" if mean.delta_am is None else None,
                }
                for mean in symptoms.action_units
            ],
            "regions": regions,
            "face": {
                "delta_am": number(symptoms.delta_am),
                "relative": number(symptoms.relative),
                "symmetry": symmetry(symptoms.relative),
            },
        },
        "synkinesis": synkinesis_dict(symptoms, settings),
    }


def symmetry(relative: float | None) -> float | None:
    """What the weaker side reaches of the stronger, 0..1, of their relative asymmetry."""
    return None if relative is None else number(1.0 - relative)


def region_dict(region: RegionAsymmetry) -> dict[str, Any]:
    """One assessed region."""
    return {
        "delta_am": number(region.delta_am),
        "delta_am_interval": interval(region.delta_interval),
        "weak_side": region.weak_side,
        "agreement": number(region.agreement),
        "relative": number(region.relative),
        "symmetry": symmetry(region.relative),
        "action_units": list(region.aus),
    }


def synkinesis_dict(symptoms: Symptoms, settings: SymptomSettings) -> dict[str, Any]:
    """Pairs and matrices; rows are responses, columns triggers, both in the order of ``aus``."""
    table = symptoms.cooccurrence
    tested = cells_under_test(table.aus, extra_channels=settings.extra_channels, norms=settings.norms)
    return {
        "present": symptoms.synkinesis_present,
        "present_reason": symptoms.synkinesis_reason,
        "threshold": number(symptoms.synkinesis_threshold),
        "tested_pairs": int(tested.sum()),
        "pairs": [pair_dict(pair, table) for pair in symptoms.pairs],
        "aus": list(table.aus),
        "matrices": {
            "left_given_left": matrix(table.left_given_left),
            "left_given_right": matrix(table.left_given_right),
            "right_given_left": matrix(table.right_given_left),
            "right_given_right": matrix(table.right_given_right),
        },
        "differences": {
            "trigger_left": matrix(table.difference_left),
            "trigger_right": matrix(table.difference_right),
        },
        "support": {
            "trigger_left": matrix(table.support_left),
            "trigger_right": matrix(table.support_right),
        },
    }


def pair_dict(pair: SynkinesisPair, table: Cooccurrence) -> dict[str, Any]:
    """One flagged pair."""
    share, reference = pair_shares(pair, table)
    return {
        "side": pair.side,
        "response_au": pair.response_au,
        "trigger_au": pair.trigger_au,
        "trigger_side": pair.trigger_side,
        "difference": number(pair.difference),
        "support": pair.support,
        "share": number(share),
        "share_reference": number(reference),
        "interval_response": interval(pair.interval_response),
        "interval_reference": interval(pair.interval_reference),
        "agreement": number(pair.agreement),
    }


def chances_list(chances: tuple[float, ...] | None) -> list[Any] | None:
    """Probabilities class by class; ``None`` where nobody was asked."""
    return None if chances is None else [number(chance) for chance in chances]


def grades_dict(grades: Grades) -> dict[str, Any]:
    """``grades`` of the schema."""
    severity = house_brackmann = None
    if grades.severity is not None:
        chances = dict(zip(SEVERITY_LABELS, map(number, grades.severity), strict=True))
        severity = {
            "label": grades.severity_label,
            "probabilities": chances,
            "of_pictures": chances_list(grades.severity_of_pictures),
        }
    if grades.house_brackmann is not None:
        house_brackmann = {
            "grade": grades.house_brackmann_grade,
            "probabilities": chances_list(grades.house_brackmann),
            "expected": number(grades.house_brackmann_expected),
            "of_pictures": chances_list(grades.house_brackmann_of_pictures),
            "of_movement": chances_list(grades.house_brackmann_of_movement),
        }
    return {
        "severity": severity,
        "severity_reason": grades.severity_reason,
        "house_brackmann": house_brackmann,
        "house_brackmann_reason": grades.house_brackmann_reason,
        "frames": [int(frame) for frame in grades.frames],
    }


def grade_times(assessment: Assessment) -> list[float | None]:
    """When the frames were on which the grades rest; none of pictures."""
    if assessment.clip.fps is None:
        return []
    times_s = assessment.track.times_s
    return [number(float(times_s[frame])) for frame in assessment.grades.frames if frame < len(times_s)]


def clinic_dict(clinic: ClinicMeasures) -> dict[str, Any]:
    """``clinic``: scale, movements and measures; lengths in the unit that each names."""
    scale = clinic.scale
    return {
        "reason": clinic.reason,
        "scale": {
            "mm_per_eye_distance": number(scale.mm),
            "error_mm": number(scale.error_mm),
            "error_share": number(scale.error_mm / scale.mm) if scale.error_mm and scale.mm else None,
            "source": scale.source,
            "irises": scale.irises,
            "iris_mm_per_eye_distance": number(scale.iris_mm),
            "reason": scale.reason,
        },
        "rest_frames": clinic.rest_frames,
        "turned_frames": clinic.turned_frames,
        "movements": [
            {
                "task": one.task,
                "onset_s": number(one.onset_s),
                "peak_s": number(one.peak_s),
                "offset_s": number(one.offset_s),
                "likeness": number(one.likeness),
                "source": one.source,
            }
            for one in clinic.movements
        ],
        "measures": [measure_dict(one, scale) for one in clinic.measures],
    }


def scale_dict(score: ScaleScore) -> dict[str, Any]:
    """A clinical scale by rule; ``low`` and ``high`` differ where an item could not be assessed."""
    return {
        "low": number(score.low),
        "high": number(score.high),
        "interval": interval(score.interval),
        "reason": score.reason,
        "items": {
            name: {"value": number(item.value), "basis": item.basis, "frames": item.frames, "by_hand": item.by_hand}
            for name, item in score.items.items()
        },
    }


def measure_dict(measure: Measure, scale: Scale) -> dict[str, Any]:
    """One measure in the unit that the scale allows."""
    unit, factor = unit_of(measure, scale)
    values = {"left": measure.left, "right": measure.right, "middle": measure.middle}
    intervals = {"left": measure.left_interval, "right": measure.right_interval, "middle": measure.middle_interval}
    return {
        "name": measure.name,
        "task": measure.task,
        "unit": unit,
        **{place: number(None if value is None else factor * value) for place, value in values.items()},
        **{f"{place}_interval": interval(ends, factor) for place, ends in intervals.items()},
        "ratio": number(ratio_of(measure)),
        "frames": measure.frames,
        "reason": measure.reason,
    }


def interval(ends: Interval | None, factor: float = 1.0) -> list[float | None] | None:
    """Both ends, in the unit that the factor leads to."""
    return None if ends is None else [number(factor * end) for end in ends]


def number(value: float | None) -> float | None:
    """A finite number of six decimals, never minus zero; anything else is ``None``."""
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), DECIMALS) + 0.0


def matrix(array: np.ndarray[Any, Any]) -> list[list[float | int | None]]:
    """Rows of numbers, ``None`` for NaN; integers stay integers."""
    if np.issubdtype(array.dtype, np.integer):
        return [[int(value) for value in row] for row in array]
    return [[number(float(value)) for value in row] for row in array]


def to_json(data: Any, *, indent: int = 2) -> str:
    """Readable JSON with lists of numbers on one line, ended by a newline.

    Raises:
        ValueError: NaN or infinity is in the data.
    """
    return _layout(data, " " * indent, 0) + "\n"


def _layout(data: Any, step: str, depth: int) -> str:
    """Lay out one value at a nesting depth."""
    inner, outer = "\n" + step * (depth + 1), "\n" + step * depth
    if isinstance(data, dict) and data:
        rows = [f"{_scalar(str(key))}: {_layout(value, step, depth + 1)}" for key, value in data.items()]
        return "{" + inner + ("," + inner).join(rows) + outer + "}"
    if isinstance(data, (list, tuple)) and any(isinstance(item, (dict, list, tuple, str)) for item in data):
        return "[" + inner + ("," + inner).join(_layout(item, step, depth + 1) for item in data) + outer + "]"
    return _scalar(data)


def _scalar(data: Any) -> str:
    """A number, a string, an empty container or a flat list, on one line."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False)
