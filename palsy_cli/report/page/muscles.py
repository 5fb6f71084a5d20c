"""Evidence from muscle activity: strength of each side, synkinesis, grades, and what was not assessed."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from palsy_cli.config import SymptomSettings
from palsy_cli.records import ALL_AUS, SEVERITY_LABELS, SIDES, Assessment
from palsy_cli.report import heat_map, plots, words
from palsy_cli.report.page.told import Told
from palsy_cli.report.terms import AU_NAMES, ROMAN
from palsy_cli.stages.cooccurrence import cells_under_test
from palsy_cli.stages.synkinesis import cell_thresholds


def strength(assessment: Assessment, told: Told, settings: SymptomSettings) -> dict[str, Any]:
    """Regions with the bars of every unit, and the units outside of them."""
    symptoms = assessment.symptoms
    rows = {one["au"]: _unit(told, one, i) for i, one in enumerate(told.at("asymmetry.action_units"))}
    regions = []
    for region in symptoms.regions:
        place = f"asymmetry.regions.{region.region}"
        known = region.weak_side is not None
        regions.append(
            {
                "name": region.region,
                "side": region.weak_side if region.weak_side in SIDES else None,
                "verdict": words.region_verdict(region, settings),
                "delta": told(f"{place}.delta_am", 2, "signed") if known else None,
                "relative": told(f"{place}.relative", None, "percent") if known else None,
                "reason": None if known else told(f"asymmetry.regions.{region.region}_reason"),
                "aus": ", ".join(f"AU{au}" for au in region.aus),
                "rows": [rows[au] for au in region.aus],
            }
        )
    inside = {au for region in symptoms.regions for au in region.aus}
    return {"regions": regions, "others": [row for au, row in rows.items() if au not in inside]}


def _unit(told: Told, one: dict[str, Any], index: int) -> dict[str, Any]:
    """One line of the table of active means."""
    au, place = one["au"], f"asymmetry.action_units[{index}]"
    known = one["delta_am"] is not None
    title = f"AU{au} {AU_NAMES[au].name}: the left above the right"
    return {
        "au": au,
        "name": AU_NAMES[au].name,
        "nerve": AU_NAMES[au].nerve,
        "bars": Markup(plots.pair_bars(one["am_left"], one["am_right"], title=title)) if known else None,
        "left": told(f"{place}.am_left", 2),
        "right": told(f"{place}.am_right", 2),
        "delta": told(f"{place}.delta_am", 2, "signed"),
        "keyframes": told(f"{place}.active_keyframes"),
    }


def synkinesis(assessment: Assessment, told: Told, settings: SymptomSettings) -> dict[str, Any]:
    """Flagged pairs in words, and both heat maps."""
    symptoms = assessment.symptoms
    pairs = [
        {
            "side": pair.side,
            "name": words.pair_name(pair),
            "cells": f"AU{pair.response_au} with AU{pair.trigger_au}",
            "sentence": _pair_sentence(told, index),
            "intervals": _intervals(told, index),
        }
        for index, pair in enumerate(symptoms.pairs)
    ]
    return {"pairs": pairs, "maps": _maps(assessment, told, settings)}


def _maps(assessment: Assessment, told: Told, settings: SymptomSettings) -> list[Markup]:
    """Differences of co-occurrence with the trigger on either side."""
    symptoms = assessment.symptoms
    table = symptoms.cooccurrence
    tested = cells_under_test(table.aus, extra_channels=settings.extra_channels, norms=settings.norms)
    limits = cell_thresholds(table.aus, settings)
    maps = []
    for side, difference in zip(SIDES, (table.difference_left, table.difference_right), strict=True):
        flagged = np.zeros(difference.shape, bool)
        for pair in symptoms.pairs:
            cell = table.aus.index(pair.response_au), table.aus.index(pair.trigger_au)
            toward_pair = difference[cell] if pair.side != side else -difference[cell]
            flagged[cell] |= bool(toward_pair > limits[cell])
        names = tuple(str(au) for au in table.aus)
        data = heat_map.HeatMap(told, difference, tested, flagged, names, side)
        maps.append(Markup(heat_map.draw(data, title=f"Differences of co-occurrence with the trigger on the {side}")))
    return maps


def _pair_sentence(told: Told, index: int) -> Markup:
    """One flagged pair in words."""
    place = f"synkinesis.pairs[{index}]"
    pair = told.at(place)
    extent = f"on the {pair['side']} only" if pair["share_reference"] == 0 else f"more often on the {pair['side']}"
    other = "right" if pair["side"] == "left" else "left"
    sentence = Markup(
        "When {} works on the {}, {} works too, {}: in {} of these {} keyframes against {} on the {}, a difference of "
        "{}."
    )
    return sentence.format(
        words.au_words(pair["trigger_au"]),
        pair["trigger_side"],
        words.au_words(pair["response_au"]),
        extent,
        told(f"{place}.share", None, "percent"),
        told(f"{place}.support"),
        told(f"{place}.share_reference", None, "percent"),
        other,
        told(f"{place}.difference", 2),
    )


def _intervals(told: Told, index: int) -> Markup:
    """Both 95 % intervals of a pair."""
    place = f"synkinesis.pairs[{index}].interval"
    side = told.at(f"synkinesis.pairs[{index}].side")
    ends = [told(f"{place}_{of}[{end}]", None, "percent") for of in ("response", "reference") for end in (0, 1)]
    return Markup("95 % intervals: {} to {} on the {}, {} to {} on the other side").format(*ends[:2], side, *ends[2:])


def grades(assessment: Assessment, told: Told) -> dict[str, Any]:
    """Both grades with their probability bars, and what they rest on."""
    record = assessment.grades
    found: dict[str, Any] = {"severity": None, "house_brackmann": None}
    if record.severity is not None:
        paths = [f"grades.severity.probabilities.{name}" for name in SEVERITY_LABELS]
        found["severity"] = _bars(
            told, SEVERITY_LABELS, record.severity, paths, "Probabilities of the severity classes"
        )
    if record.house_brackmann is not None:
        paths = [f"grades.house_brackmann.probabilities[{i}]" for i in range(len(ROMAN))]
        found["house_brackmann"] = _bars(told, ROMAN, record.house_brackmann, paths, "Probabilities of the grades")
    return found | {
        "frames": _grade_frames(told),
        "disagreement": words.disagreement(assessment),
        "opinions": words.opinions(assessment),
    }


def _bars(told: Told, names: tuple[str, ...], chances: tuple[float, ...], paths: list[str], title: str) -> Markup:
    texts = [told(path, None, "percent", tag="tspan") for path in paths]
    return Markup(plots.probability_bars(names, chances, texts, title=title))


def _grade_frames(told: Told) -> Markup:
    """Which frames the grades rest on."""
    count = len(told.at("grades.frames"))
    if not count:
        return Markup("none.")
    noun = "keyframe" if count == 1 else "keyframes"
    times = Markup(", ").join(told(f"grades.times_s[{i}]", 1) for i in range(len(told.at("grades.times_s"))))
    when = Markup(", at {} s").format(times) if times else ""
    return Markup("{} {} of strongest movement{}.").format(told("grades.frames", None, "count"), noun, when)


def not_assessed(assessment: Assessment, told: Told) -> list[tuple[str, Markup | str]]:
    """Everything that has no value, with the reason."""
    symptoms, grades_, clinic = assessment.symptoms, assessment.grades, assessment.clinic
    rows: list[tuple[str, bool, str]] = [
        ("Weaker side", symptoms.weak_side is None, "weak_side_reason"),
        *(
            (f"Region: {each.region}", each.weak_side is None, f"asymmetry.regions.{each.region}_reason")
            for each in symptoms.regions
        ),
        ("Synkinesis", symptoms.synkinesis_present is None, "synkinesis.present_reason"),
        ("Severity", grades_.severity is None, "grades.severity_reason"),
        ("House–Brackmann grade, by networks", grades_.house_brackmann is None, "grades.house_brackmann_reason"),
        ("Measures", clinic.reason is not None, "clinic.reason"),
        ("Millimetres", clinic.scale.mm is None, "clinic.scale.reason"),
    ]
    found: list[tuple[str, Markup | str]] = [
        (what, told(path) if told.at(path) else "no reason was recorded") for what, missing, path in rows if missing
    ]
    silent = [f"AU{mean.au}" for mean in symptoms.action_units if mean.delta_am is None]
    if silent:
        threshold = told("asymmetry.threshold", 1)
        found.append((words.listed(silent), Markup("never above {} on either side").format(threshold)))
    absent = [f"AU{au}" for au in ALL_AUS if au not in assessment.action_units.aus]
    if absent:
        found.append((words.listed(absent), "the model in use does not measure it"))
    return found
