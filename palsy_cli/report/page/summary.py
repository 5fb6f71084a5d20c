"""The first page: what was found, in five tiles, a face with arrows, symmetry by region, and quality."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from palsy_cli.clinic.scales import grades_apart
from palsy_cli.config import ScaleSettings, SymptomSettings
from palsy_cli.records import SIDES, Assessment, Side
from palsy_cli.report import plots, schematic, words
from palsy_cli.report.page.measures import UNIT_PLACES, scale_name, scale_total
from palsy_cli.report.page.told import Told
from palsy_cli.report.terms import REASON_WORDS, TASK_NAMES

#: Scales that have a place of their own among the tiles.
_IN_TILES = ("house_brackmann", "sunnybrook")
#: Rows of the symmetry chart: name, measure, its movements (the first that was made counts), and region of the muscles.
_SYMMETRY: tuple[tuple[str, str, tuple[str, ...], str | None], ...] = (
    ("Brow", "brow_excursion", ("brow_raise",), "eyebrows"),
    ("Eye", "closure", ("gentle_eye_closure", "tight_eye_closure"), "eyes"),
    ("Nose", "alar_lift", ("snarl",), None),
    ("Mouth, smile", "commissure_excursion", ("smile",), "mouth"),
    ("Mouth, pucker", "commissure_narrowing", ("lip_pucker",), None),
    ("Lower lip", "lower_lip_depression", ("lower_teeth_EEE",), None),
)


def tiles(assessment: Assessment, told: Told) -> dict[str, Any]:
    """What the headline tiles say beyond single values."""
    grades, rule = assessment.grades, assessment.scales.get("house_brackmann")
    return {
        "weak_side": words.weak_side_words(assessment.symptoms),
        "synkinesis": words.synkinesis_words(assessment.symptoms),
        "kinds": words.listed(sorted({words.pair_name(pair) for pair in assessment.symptoms.pairs})),
        "by_rule": None if rule is None or rule.low is None else scale_total(told, "house_brackmann"),
        "by_rule_reason": None if rule is None else rule.reason,
        "sunnybrook": scale_total(told, "sunnybrook") if "sunnybrook" in assessment.scales else None,
        "sunnybrook_reason": getattr(assessment.scales.get("sunnybrook"), "reason", "it was not scored"),
        "others": [
            (scale_name(name), scale_total(told, name))
            for name, score in assessment.scales.items()
            if name not in _IN_TILES and score.low is not None
        ],
        "apart": grades_apart(grades.house_brackmann_grade, assessment.scales),
        "severity_unsure": grades.severity is not None and max(grades.severity) < 0.5,
        "grade_unsure": grades.house_brackmann is not None and max(grades.house_brackmann) < 0.5,
    }


def portrait(assessment: Assessment, told: Told) -> dict[str, Any] | None:
    """The face at rest with an arrow for each side's movement; ``None`` where no rest was measured."""
    clinic = assessment.clinic
    if clinic.rest_points is None:
        return None
    drawn = [pull for pull in schematic.PULLS if schematic.peak_of(pull, clinic.movements) is not None]
    numbers = {(pull.name, side): _number(told, pull, side) for pull in drawn for side in SIDES}
    known = {key: text for key, text in numbers.items() if text is not None}
    picture = schematic.with_arrows(
        clinic.rest_points,
        clinic.movements,
        known,
        mm=clinic.scale.mm,
        title="The face at rest in grey, with an arrow on each side for each movement; the patient’s left is on the "
        "right of the picture",
    )
    made = {name for name, _ in known}
    return {
        "svg": Markup(picture),
        "not_made": words.listed([pull.name for pull in schematic.PULLS if pull.name not in made]),
        "unit": "millimetres" if clinic.scale.mm else "eye distances",
    }


def _number(told: Told, pull: schematic.Pull, side: Side) -> Markup | None:
    """What stands beside an arrow: the measure's value on that side with its unit."""
    index = find_measure(told, pull.measure, pull.tasks)
    if index is None or told.at(f"clinic.measures[{index}].{side}") is None:
        return None
    unit = told.at(f"clinic.measures[{index}].unit")
    path = f"clinic.measures[{index}].{side}"
    if unit == "share":
        return "closes " + told(path, None, "percent", tag="tspan")
    return told(path, UNIT_PLACES.get(unit, 2), tag="tspan") + (" mm" if unit == "mm" else "")


def find_measure(told: Told, name: str, tasks: tuple[str, ...]) -> int | None:
    """Position of the measure of that name in the first of some movements in which it has a value; ``None`` if none."""
    for task in tasks:
        for index, one in enumerate(told.at("clinic.measures")):
            if (one["name"], one["task"]) == (name, task) and None not in (one["left"], one["right"]):
                return index
    return None


def symmetry(
    assessment: Assessment, told: Told, settings: SymptomSettings, scales: ScaleSettings
) -> list[dict[str, Any]]:
    """Rows of the symmetry chart: the bars of each region, measured and of muscle activity."""
    normal = 1.0 - settings.dead_zone_relative if settings.dead_zone else None
    found = {region.region: region for region in assessment.symptoms.regions}
    rows: list[dict[str, Any]] = []
    for name, measure, tasks, region in _SYMMETRY:
        index = find_measure(told, measure, tasks)
        row: dict[str, Any] = {"name": name, "muscles": None, "spans": region is not None}
        least = 1.0 - scales.closed_share if measure == "closure" else scales.normal_least  # healthy eyes close
        row["measured"] = _measured(told, index, name, least)
        row["unseen"] = _why_not(told, measure, tasks[0])
        if region is not None and found.get(region) is not None:
            row["verdict"] = words.region_verdict(found[region], settings)
            if found[region].weak_side is not None:
                side = "left" if (found[region].delta_am or 0.0) < 0 else "right"
                named = side if found[region].weak_side != "none" else None
                path = f"asymmetry.regions.{region}.symmetry"
                row["muscles"] = _bar(told, path, named, f"{name}, muscle activity", normal)
        rows.append(row)
    return rows


def _measured(told: Told, index: int | None, name: str, normal: float) -> dict[str, Any] | None:
    """The bar of a measure, in the colour of the smaller side unless the sides differ as those of healthy faces do."""
    if index is None or told.at(f"clinic.measures[{index}].ratio") is None:
        return None
    one, path = told.at(f"clinic.measures[{index}]"), f"clinic.measures[{index}].ratio"
    less = "left" if one["left"] < one["right"] else "right"
    bar = _bar(told, path, less if one["ratio"] < normal else None, f"{name}, measured", normal)
    return bar | {"verdict": f"{less} less" if one["ratio"] < normal else "within healthy variation"}


def _why_not(told: Told, measure: str, task: str) -> Markup | str:
    """Why a measure has no value in a movement."""
    for index, one in enumerate(told.at("clinic.measures")):
        if (one["name"], one["task"]) == (measure, task) and one["reason"]:
            return Markup("{}: {}").format(TASK_NAMES[task].lower(), told(f"clinic.measures[{index}].reason"))
    return "not measured"


def _bar(told: Told, path: str, side: str | None, title: str, normal: float | None = None) -> dict[str, Any]:
    """A bar in the colour of the weaker side, with its number."""
    colour = f"var(--{side})" if side else plots.MUTED
    picture = plots.symmetry_bar(told.at(path), colour, title=title, normal=normal)
    return {"svg": Markup(picture), "number": told(path, None, "percent"), "side": side}


def recording(told: Told) -> Markup:
    """Size and length of the recording in one line."""
    parts = [
        Markup("{} × {} px").format(told("video.width"), told("video.height")),
        Markup("{} frames").format(told("video.frames")),
    ]
    if told.at("video.fps") is not None:
        length = Markup("{} s at {} frames per second")
        parts.insert(0, length.format(told("video.duration_s", 1), told("video.fps", 2)))
    return Markup(", ").join([*parts, *(["mirrored recording, turned back"] if told.at("video.mirrored") else [])])


def quality(told: Told) -> Markup:
    """How much of the recording was used."""
    lost = [
        Markup("{} {}").format(told(f"quality.unusable_frames.{reason}"), REASON_WORDS.get(reason, reason))
        for reason in told.at("quality.unusable_frames")
    ]
    keyframes = "keyframe" if told.at("quality.keyframes") == 1 else "keyframes"
    others = Markup("{} further in the picture").format(told("quality.other_faces"))
    return Markup("{} of {} frames usable{}; {} {} kept; {}.").format(
        told("quality.usable_frames"),
        told("video.frames"),
        Markup(" ({})").format(Markup(", ").join(lost)) if lost else "",
        told("quality.keyframes"),
        keyframes,
        others if told.at("quality.other_faces") else "no other face in the picture",
    )


def trained_on(told: Told) -> list[tuple[Markup, str]]:
    """What the weights saw, each once, with the networks that did."""
    groups: dict[str, list[str]] = {}
    for role, card in told.at("models").items():
        groups.setdefault(card["trained_on"], []).append(role)
    return [(told(f"models.{roles[0]}.trained_on"), ", ".join(roles)) for roles in groups.values()]
