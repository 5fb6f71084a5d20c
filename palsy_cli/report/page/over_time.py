"""Evidence over time: distances and muscle activity with the movements shaded, and the face at each movement's peak."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.records import Assessment, ByteImage, FloatArray
from palsy_cli.report import schematic, timelines
from palsy_cli.report.page.explained import measure_words
from palsy_cli.report.page.measures import task_name
from palsy_cli.report.page.told import Told
from palsy_cli.report.terms import AU_NAMES, TASK_SHORT

#: Distances that are drawn over time.
COURSES: tuple[str, ...] = ("brow_height", "fissure", "commissure_width", "commissure_height")
MAX_PHOTOS, MAX_PEAKS = 12, 12
PHOTO_SIDE_PX = 220


def spans(assessment: Assessment) -> list[timelines.Span]:
    """The movements as they are shaded."""
    return [
        timelines.Span(
            task_name(one.task), TASK_SHORT.get(one.task or "", "other"), one.onset_s, one.peak_s, one.offset_s
        )
        for one in assessment.clinic.movements
    ]


def courses(assessment: Assessment) -> Markup | None:
    """Distances on the face over time; ``None`` for pictures and where none was measured."""
    clinic, times_s = assessment.clinic, assessment.track.times_s
    drawn = [name for name in COURSES if name in clinic.curves]
    if assessment.clip.fps is None or len(times_s) < 2 or not drawn:
        return None
    factor, unit = (clinic.scale.mm, "mm") if clinic.scale.mm else (1.0, "eye distances")
    panels = [
        timelines.Course(f"{DEFINITIONS[name].title}, {unit}", factor * clinic.curves[name].astype(float))
        for name in drawn
    ]
    title = "Distances on each side of the face over time, movements shaded and their peaks marked"
    return Markup(timelines.courses(times_s, panels, spans(assessment), title=title))


def course_notes(assessment: Assessment) -> list[str]:
    """How each drawn distance is made."""
    return [measure_words(name) for name in COURSES if name in assessment.clinic.curves]


def muscle_curves(assessment: Assessment) -> list[dict[str, Any]]:
    """Small multiples of the units that were ever active."""
    units, keyframes = assessment.action_units, assessment.keyframes
    film = assessment.clip.fps is not None
    x: FloatArray = keyframes.times_s if film else keyframes.frames.astype(float)
    if not len(x):
        return []
    span = (0.0, float(assessment.track.times_s[-1])) if film else (float(x[0]), float(x[-1]))
    shaded = spans(assessment) if film else []
    drawn = []
    for mean in assessment.symptoms.action_units:
        if mean.delta_am is None:
            continue
        column, name = units.channel(mean.au), AU_NAMES[mean.au].name
        data = timelines.Curves(
            x=x,
            left=units.left[:, column],
            right=units.right[:, column],
            title=f"AU{mean.au} {name} over time on both sides",
            unit="s" if film else "",
            threshold=assessment.symptoms.active_threshold,
            spans=shaded,
        )
        drawn.append({"au": mean.au, "name": name, "svg": Markup(timelines.curves(data, span=span))})
    return drawn


def peaks(assessment: Assessment, told: Told) -> list[dict[str, Any]]:
    """Small drawings of the face at each movement's peak over the rest."""
    clinic = assessment.clinic
    if clinic.rest_points is None:
        return []
    drawn = []
    for index, one in enumerate(clinic.movements[:MAX_PEAKS]):
        name, film = task_name(one.task), assessment.clip.fps is not None
        title = f"{name} at its peak, the rest in grey"
        picture = Markup(schematic.small_face(one.points, clinic.rest_points, title=title))
        when = told(f"clinic.movements[{index}].peak_s", 1) + " s" if film else ""
        drawn.append({"name": name, "when": when, "svg": picture})
    return drawn


def rest_and_peak(assessment: Assessment) -> tuple[int, int] | None:
    """Positions of the resting keyframe and the one of strongest movement; ``None`` without keyframes."""
    units = assessment.action_units
    if not len(units.left):
        return None
    total = np.nansum(units.left, axis=1) + np.nansum(units.right, axis=1)
    rest = units.rest[0] if units.rest else int(np.argmin(total))
    return rest, int(np.argmax(total))


def strongest(assessment: Assessment, told: Told) -> dict[str, Any] | None:
    """The face at its strongest movement over the rest, for recordings without measures; ``None`` without keyframes."""
    chosen = rest_and_peak(assessment)
    if chosen is None:
        return None
    rest, peak = chosen
    points = assessment.keyframes.face_points
    title = "Strongest movement, the rest in grey; the patient’s left is on the right of the picture"
    picture = Markup(schematic.face(points[peak], title=title, behind=points[rest]))
    return {"svg": picture, "when": moment(assessment, told, peak)}


def moment(assessment: Assessment, told: Told, position: int) -> Markup:
    """When a keyframe was."""
    frame = told(f"keyframes.frames[{position}]")
    if assessment.clip.fps is None:
        return Markup("picture {}").format(frame)
    return Markup("{} s, frame {}").format(told(f"keyframes.times_s[{position}]", 2), frame)


def photos(assessment: Assessment, told: Told) -> list[dict[str, Any]]:
    """Up to a dozen keyframes as embedded JPEG pictures: rest and each movement's peak, or some evenly spread."""
    times_s, movements = assessment.keyframes.times_s, assessment.clinic.movements[: MAX_PHOTOS - 1]
    count, rest_and_strongest = len(times_s), rest_and_peak(assessment)
    named = [(int(np.argmin(np.abs(times_s - one.peak_s))), task_name(one.task)) for one in movements if count]
    if named and rest_and_strongest is not None:
        named.insert(0, (rest_and_strongest[0], "At rest"))
    spread = np.unique(np.linspace(0, count - 1, min(count, MAX_PHOTOS)).round().astype(int)).tolist()
    return [
        {
            "uri": data_uri(assessment.keyframes.faces[position]),
            "name": name,
            "when": moment(assessment, told, position),
        }
        for position, name in named or [(position, "Keyframe") for position in spread]
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
    title = "Usable frames and keyframes over time"
    return Markup(timelines.frame_strip(track.times_s, track.usable, assessment.keyframes.times_s, title=title))
