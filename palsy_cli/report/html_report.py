"""``report.html``: one page that opens offline, runs no script, fetches nothing and shows no photo unless asked."""

from __future__ import annotations

import base64
import math
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.measures import Unit, ratio_of, unit_of
from palsy_cli.config import SymptomSettings
from palsy_cli.records import SEVERITY_LABELS, Assessment, AuAsymmetry, ByteImage, FloatArray, Symptoms
from palsy_cli.report import plots, schematic, templating, words
from palsy_cli.report.json_report import SCHEMA_VERSION
from palsy_cli.report.terms import AU_NAMES, LEFT_COLOUR, NOTICE, RIGHT_COLOUR, ROMAN, SCALE_NAMES, TASK_NAMES
from palsy_cli.stages.cooccurrence import cells_under_test
from palsy_cli.stages.synkinesis import cell_thresholds
from palsy_cli.text import storable

#: Decimals of a measure.
UNIT_PLACES: dict[Unit, int] = {
    "mm": 1,
    "eye distances": 3,
    "mm²": 0,
    "eye distances²": 4,
    "mm/s": 0,
    "eye distances/s": 2,
    "degrees": 0,
    "s": 2,
    "share": 0,
    "of 5": 1,
    "per minute": 0,
}
MAX_PHOTOS = 12
PHOTO_SIDE_PX = 220


def render_html(assessment: Assessment, *, include_images: bool = False) -> str:
    """The page as text; the same assessment gives the same text, ``run.seconds`` aside.

    Args:
        assessment: everything that is known of one video.
        include_images: embed small pictures of the patient's face.
    """
    filters = {
        "fixed": fixed,
        "signed": lambda value: "–" if value is None else words.signed(value),
        "sentence": lambda text: text[:1].upper() + text[1:] if text else "No reason was recorded",
    }
    settings = words.symptom_settings(assessment)
    return templating.render(
        "report.html.j2",
        filters,
        notice=NOTICE,
        schema_version=SCHEMA_VERSION,
        left_colour=LEFT_COLOUR,
        right_colour=RIGHT_COLOUR,
        a=assessment,
        name=storable(assessment.clip.path.name),
        profile=assessment.run.profile,
        settings=settings,
        trained_on=trained_on(assessment),
        recording=recording(assessment),
        quality=words.quality_sentence(assessment),
        weakness=weakness(assessment.symptoms, settings),
        synkinesis=synkinesis(assessment, settings),
        grades=grades(assessment),
        clinic=clinic(assessment),
        scales=scales(assessment),
        curves=curves(assessment),
        faces=faces(assessment),
        photos=photos(assessment) if include_images else [],
        strip=strip(assessment),
        not_assessed=words.not_assessed(assessment),
        au_names=[(au, AU_NAMES[au]) for au in assessment.action_units.aus],
    )


def fixed(value: float | None, places: int = 2) -> str:
    """A number with fixed decimals; an en dash when there is none."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{places}f}"


def trained_on(assessment: Assessment) -> list[tuple[str, list[str]]]:
    """What the weights saw, each once, with the networks that did."""
    groups: dict[str, list[str]] = {}
    for role, card in sorted(assessment.models.items()):
        groups.setdefault(card.trained_on, []).append(role)
    return list(groups.items())


def recording(assessment: Assessment) -> str:
    """Size and length of the recording in one line."""
    clip, frames = assessment.clip, len(assessment.track.times_s)
    parts = [f"{clip.width} × {clip.height} px", words.plural(frames, "frame")]
    if clip.fps:
        parts.insert(0, f"{frames / clip.fps:.1f} s at {clip.fps:.2f} frames per second")
    return ", ".join([*parts, *(["mirrored recording, turned back"] if clip.mirrored else [])])


def weakness(symptoms: Symptoms, settings: SymptomSettings) -> dict[str, Any]:
    """Headline, regions with their gauges, and the bars of every unit."""
    means = {mean.au: mean for mean in symptoms.action_units}
    dead_zone = settings.dead_zone_relative if settings.dead_zone else None
    regions = []
    for region in symptoms.regions:
        known = region.delta_am is not None and region.relative is not None
        value = math.copysign(region.relative or 0.0, region.delta_am or 0.0)
        verdict = words.region_verdict(region, settings)
        title = f"{region.region}: {verdict}"
        regions.append(
            {
                "name": region.region,
                "record": region,
                "verdict": verdict,
                "gauge": Markup(plots.gauge(value, dead_zone, title=title)) if known else None,
                "rows": [unit_row(means[au]) for au in region.aus],
            }
        )
    inside = {au for region in symptoms.regions for au in region.aus}
    return {
        "headline": words.weak_side_words(symptoms),
        "side": symptoms.weak_side,
        "reason": symptoms.weak_side_reason,
        "delta": symptoms.delta_am,
        "relative": symptoms.relative,
        "regions": regions,
        "others": [unit_row(mean) for mean in symptoms.action_units if mean.au not in inside],
    }


def clinic(assessment: Assessment) -> dict[str, Any]:
    """Scale in words, movements with their times, and the measures at rest and in each of them."""
    found = assessment.clinic
    groups: dict[str, list[dict[str, Any]]] = {}
    for measure in found.measures:
        unit, factor = unit_of(measure, found.scale)
        percent = 100.0 if unit == "share" else factor
        scaled = (None if v is None else percent * v for v in (measure.left, measure.right, measure.middle))
        left, right, middle = (fixed(value, UNIT_PLACES[unit]).replace("-", "−") for value in scaled)
        aside = "left" if (measure.middle or 0.0) > 0 else "right"
        groups.setdefault(measure.task, []).append(
            {
                "title": DEFINITIONS[measure.name].title,
                "left": left,
                "right": right,
                "middle": None if measure.middle is None else f"{middle.removeprefix('−')} to the {aside}",
                "unit": "%" if unit == "share" else unit,
                "ratio": ratio_of(measure),
                "reason": measure.reason,
            }
        )
    times = {
        task: ", ".join(f"{one.onset_s:.1f}–{one.offset_s:.1f} s" for one in found.movements if one.task == task)
        for task in groups
    }
    made = {"rest", *(one.task for one in found.movements)}
    return {
        "reason": found.reason,
        "scale": words.scale_words(found.scale),
        "turned": found.turned_frames,
        "groups": [(TASK_NAMES[task], times[task], rows) for task, rows in groups.items() if task in made],
        "not_made": [TASK_NAMES[task].lower() for task in groups if task not in made],
        "others": [
            f"{TASK_NAMES[one.task] if one.task else 'another movement'} {one.onset_s:.1f}–{one.offset_s:.1f} s"
            for one in found.movements
            if one.task not in groups
        ],
    }


def scales(assessment: Assessment) -> list[dict[str, Any]]:
    """Scales by rule: total in words, what it rests on, and the items."""
    found = []
    for name, score in assessment.scales.items():
        total = "Not assessed"
        if score.low is not None and score.high is not None:
            total = f"{score.low:.0f}" if score.low == score.high else f"{score.low:.0f} to {score.high:.0f}"
            if name == "house_brackmann":
                total = ROMAN[int(score.low) - 1]
        found.append(
            {
                "name": SCALE_NAMES[name],
                "total": total,
                "reason": score.reason,
                "items": [
                    (item_name.replace("_", " "), fixed(item.value, 0 if name != "house_brackmann" else 2), item.basis)
                    for item_name, item in (score.items.items() if score.reason is None else ())
                ],
            }
        )
    return found


def unit_row(mean: AuAsymmetry) -> dict[str, Any]:
    """One line of the table of active means."""
    bars = None
    if mean.am_left is not None and mean.am_right is not None:
        title = f"AU{mean.au}: left {mean.am_left:.2f}, right {mean.am_right:.2f} of 5"
        bars = Markup(plots.pair_bars(mean.am_left, mean.am_right, title=title))
    return {"record": mean, "name": AU_NAMES[mean.au].name, "bars": bars, "nerve": AU_NAMES[mean.au].nerve}


def synkinesis(assessment: Assessment, settings: SymptomSettings) -> dict[str, Any]:
    """Headline, pairs in words and both heat maps."""
    symptoms = assessment.symptoms
    table = symptoms.cooccurrence
    tested = cells_under_test(table.aus, extra_channels=settings.extra_channels, norms=settings.norms)
    limits = cell_thresholds(table.aus, settings)
    maps = []
    for side, difference, support in (
        ("left", table.difference_left, table.support_left),
        ("right", table.difference_right, table.support_right),
    ):
        flagged = np.zeros(difference.shape, bool)
        for pair in symptoms.pairs:
            cell = table.aus.index(pair.response_au), table.aus.index(pair.trigger_au)
            toward_pair = difference[cell] if pair.side != side else -difference[cell]
            flagged[cell] |= bool(toward_pair > limits[cell])
        names = tuple(str(au) for au in table.aus)
        data = plots.HeatMap(difference, tested, flagged, support, names, side)
        count = words.plural(int(flagged.sum()), "flagged cell")
        title = f"Difference of co-occurrence with the trigger on the {side}: {count}"
        maps.append(Markup(plots.heat_map(data, title=title)))
    pairs = [
        {
            "record": pair,
            "name": words.pair_name(pair),
            "sentence": words.pair_sentence(pair, table),
            "shares": words.pair_shares(pair, table),
        }
        for pair in symptoms.pairs
    ]
    return {
        "headline": words.synkinesis_words(symptoms),
        "reason": symptoms.synkinesis_reason,
        "pairs": pairs,
        "maps": maps,
        "tested": int(tested.sum()),
    }


def grades(assessment: Assessment) -> dict[str, Any]:
    """Both grades with their probability bars."""
    record = assessment.grades
    severity = house_brackmann = None
    if record.severity is not None:
        title = f"Probabilities of the severity classes; most probable: {record.severity_label}"
        severity = Markup(plots.probability_bars(SEVERITY_LABELS, record.severity, title=title))
    if record.house_brackmann is not None and record.house_brackmann_grade is not None:
        title = f"Probabilities of the grades; most probable: {ROMAN[record.house_brackmann_grade - 1]}"
        house_brackmann = Markup(plots.probability_bars(ROMAN, record.house_brackmann, title=title))
    grade = record.house_brackmann_grade
    return {
        "severity_bars": severity,
        "house_brackmann_bars": house_brackmann,
        "grade": None if grade is None else ROMAN[grade - 1],
        "frames": words.grade_frames_sentence(assessment),
        "disagreement": words.disagreement(assessment),
        "opinions": words.opinions(assessment),
        "severity_unsure": record.severity is not None and max(record.severity) < 0.5,
        "grade_unsure": record.house_brackmann is not None and max(record.house_brackmann) < 0.5,
    }


def curves(assessment: Assessment) -> list[dict[str, Any]]:
    """Small multiples of the units that were ever active."""
    units, keyframes = assessment.action_units, assessment.keyframes
    film = assessment.clip.fps is not None
    x: FloatArray = keyframes.times_s if film else keyframes.frames.astype(float)
    if not len(x):
        return []
    span = (0.0, float(assessment.track.times_s[-1])) if film else (float(x[0]), float(x[-1]))
    drawn = []
    for mean in assessment.symptoms.action_units:
        if mean.am_left is None or mean.am_right is None:
            continue
        column = units.channel(mean.au)
        title = (
            f"AU{mean.au} {AU_NAMES[mean.au].name} over time; "
            f"active mean left {mean.am_left:.2f}, right {mean.am_right:.2f}"
        )
        data = plots.Curves(
            x=x,
            left=units.left[:, column],
            right=units.right[:, column],
            title=title,
            unit="s" if film else "",
            threshold=assessment.symptoms.active_threshold,
        )
        picture = Markup(plots.curves(data, span=span))
        drawn.append({"au": mean.au, "name": AU_NAMES[mean.au].name, "svg": picture, "mean": mean})
    return drawn


def rest_and_peak(assessment: Assessment) -> tuple[int, int] | None:
    """Positions of the resting keyframe and the one of strongest movement; ``None`` without keyframes."""
    units = assessment.action_units
    if not len(units.left):
        return None
    total = np.nansum(units.left, axis=1) + np.nansum(units.right, axis=1)
    rest = units.rest[0] if units.rest else int(np.argmin(total))
    return rest, int(np.argmax(total))


def faces(assessment: Assessment) -> list[dict[str, Any]]:
    """Drawings of the face at rest and at its strongest movement."""
    chosen = rest_and_peak(assessment)
    if chosen is None:
        return []
    rest, peak = chosen
    points = assessment.keyframes.face_points
    drawings = []
    for position, words_, behind in ((rest, "At rest", None), (peak, "Strongest movement", points[rest])):
        title = f"{words_}, drawn from the 68 landmarks; the patient’s left is on the right of the picture"
        picture = Markup(schematic.face(points[position], title=title, behind=behind))
        drawings.append({"words": words_, "when": moment(assessment, position), "svg": picture})
    return drawings


def moment(assessment: Assessment, position: int) -> str:
    """When a keyframe was."""
    frame = int(assessment.keyframes.frames[position])
    if assessment.clip.fps is None:
        return f"picture {frame}"
    return f"{assessment.keyframes.times_s[position]:.2f} s, frame {frame}"


def photos(assessment: Assessment) -> list[dict[str, str]]:
    """Up to a dozen keyframes, evenly spread, as embedded JPEG pictures."""
    count = len(assessment.keyframes.frames)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MAX_PHOTOS)).round().astype(int))
    return [
        {"uri": data_uri(assessment.keyframes.faces[position]), "when": moment(assessment, position)}
        for position in chosen.tolist()
    ]


def data_uri(image: ByteImage) -> str:
    """A small JPEG of an RGB image, as text that a page can carry."""
    side = max(image.shape[:2])
    if side > PHOTO_SIDE_PX:
        factor = PHOTO_SIDE_PX / side
        image = np.asarray(cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8)
    done, encoded = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise RuntimeError("OpenCV could not encode a keyframe as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode("ascii")


def strip(assessment: Assessment) -> Markup | None:
    """The usable frames over time; ``None`` for pictures."""
    track = assessment.track
    if assessment.clip.fps is None or len(track.times_s) < 2:
        return None
    title = words.quality_sentence(assessment)
    return Markup(plots.frame_strip(track.times_s, track.usable, assessment.keyframes.times_s, title=title))
