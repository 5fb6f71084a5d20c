"""Film simulated patients twice, assess both films, and tell by how much a change between them is mistaken.

    python docs/benchmarks/visit_errors.py OUT [--people 8] [--first 24]

The people are those of $PALSY_DATA whom no network was trained on. Each is filmed at two grades, with another effort,
sway and healthy asymmetry each time, the second time by another camera in another light. The true change is that of the
simulated points and intensities. What is found minus what is true is the error of a visit; the difference of a person's
two errors is the error of a change, and its root mean square over the square root of two the standard error of
measurement, free of whatever is mistaken alike at both visits. Films that OUT/PERSON/VISIT/ holds already are not made
again. Prints a Markdown table, lengths in millimetres at 63 mm between the eyes. Eighty seconds a film on two cores.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from palsy_cli.clinic.definitions import DEFINITIONS
from palsy_cli.clinic.face_frame import lay_on_face
from palsy_cli.clinic.measures import measure_face
from palsy_cli.clinic.scales import score_scales
from palsy_cli.clinic.tasks import find_movements
from palsy_cli.compare.precision import EYE_DISTANCE_MM
from palsy_cli.compare.visits import Visit, read_visit
from palsy_cli.config import Execution, Settings
from palsy_cli.evaluation.patients import Patient, film
from palsy_cli.evaluation.run import read_faces
from palsy_cli.files import ACTION_UNITS_CSV, ASSESSMENT_JSON
from palsy_cli.networks.weights import ModelSet
from palsy_cli.pipeline import assess
from palsy_cli.records import SEVERITY_LABELS, ActionUnits, ByteImage, ClinicMeasures, Measure, Scale
from palsy_cli.report import write_report
from palsy_cli.report.csv_report import load_action_units
from palsy_cli.simulate.scores import draw_lesion
from palsy_cli.simulate.script import OFFSET_S
from palsy_cli.stages.symptoms import find_symptoms
from palsy_cli.stages.video import iter_frames, read_clip, write_video

#: Grades of both visits, person by person.
GRADES = ((5, 3), (3, 3), (4, 2), (2, 1), (6, 4), (3, 2))
#: (what, task), which of it -> value.
Values = dict[tuple[str, str], dict[str, float]]


def main() -> None:
    """Film and assess what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=8)
    parser.add_argument("--first", type=int, default=24)
    chosen = parser.parse_args()
    people = range(chosen.first, chosen.first + chosen.people)
    make(chosen.out, people)
    errors: dict[tuple[str, str], dict[tuple[int, str, int], float]] = defaultdict(dict)
    for person in people:
        for visit in (1, 2):
            for key, which, error in errors_of(chosen.out / str(person) / str(visit)):
                errors[key][person, which, visit] = error
    sys.stdout.write("| what | task | a visit's error: n, median, RMS | a change's error / √2: n, median, RMS |\n")
    sys.stdout.write("|---|---|---|---|\n")
    for (what, task), found in errors.items():
        both = {key[:2] for key in found if (*key[:2], 1) in found and (*key[:2], 2) in found}
        changes = [(found[(*key, 2)] - found[(*key, 1)]) / np.sqrt(2) for key in sorted(both)]
        sys.stdout.write(f"| {what} | {task} | {told([*found.values()])} | {told(changes)} |\n")


def make(out: Path, people: range) -> None:
    """Film and assess every visit that is not there yet."""
    faces = [face for face, photo in read_faces(Path(os.environ["PALSY_DATA"])) if photo.calm]
    models = ModelSet.of(Execution(device="cpu"))
    for person in people:
        for visit, grade in enumerate(GRADES[person % len(GRADES)], start=1):
            folder = out / str(person) / str(visit)
            if (folder / ASSESSMENT_JSON).is_file():
                continue
            folder.mkdir(parents=True, exist_ok=True)
            lesion = draw_lesion(grade, ("left", "right")[person % 2], np.random.default_rng(person))
            video, _ = film(Patient(person, lesion, seed=1000 * person + visit - 1), faces[person], folder)
            if visit == 2:
                video = other_camera(video, seed=person)
            write_report(assess(video, models=models), folder)


def other_camera(video: Path, *, seed: int) -> Path:
    """The film of another camera: three quarters of the pixels, darker and warmer, lit from one side, with noise."""
    rng, out = np.random.default_rng(seed), video.with_name("other.mp4")
    clip = read_clip(video)
    sides = (1.1, 0.75) if seed % 2 else (0.75, 1.1)

    def frames() -> Iterator[ByteImage]:
        for frame in iter_frames(clip):
            small = cv2.resize(frame.image, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA) / 255
            lit = small**1.25 * np.linspace(*sides, small.shape[1])[None, :, None] * (1.0, 0.96, 0.88)
            yield np.clip(255 * lit + rng.normal(0, 3, lit.shape), 0, 255).astype(np.uint8)

    write_video(frames(), out, fps=clip.fps or 1.0)
    return out


def errors_of(folder: Path) -> Iterator[tuple[tuple[str, str], str, float]]:
    """(what, task), which of it, found minus true: of everything that both have."""
    visit = read_visit(folder, folder.name)
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    found, true = found_values(visit), true_values(folder, truth)
    for key, values in found.items():
        for which, value in values.items():
            if which in true.get(key, {}):
                yield key, which, value - true[key][which]


def found_values(visit: Visit) -> Values:
    """What the assessment says."""
    findings = visit.findings
    values: Values = defaultdict(dict)
    for mean in visit.action_units:
        if mean.am_left is not None and mean.am_right is not None:
            values["active_mean", ""] |= {f"{mean.au} left": mean.am_left, f"{mean.au} right": mean.am_right}
    for region in findings.regions:
        if region.delta_am is not None:
            values["region", ""][region.region] = region.delta_am
    if findings.house_brackmann:
        values["house_brackmann_of_networks", ""][""] = findings.house_brackmann.value
    if findings.severity:
        values["severity", ""][""] = SEVERITY_LABELS.index(findings.severity.value)
    for name, score in visit.scales.items():
        if score.low is not None and score.high is not None:
            values[name, ""][""] = (score.low + score.high) / 2
    return values | lengths(visit.measures)


def true_values(folder: Path, truth: dict[str, Any]) -> Values:
    """The same of the simulated points and intensities."""
    settings = Settings()
    units, frames, _ = load_action_units(folder / ACTION_UNITS_CSV)
    left, right = (np.array(truth["action_units"][side])[frames] for side in ("left", "right"))
    symptoms = find_symptoms(ActionUnits(units.aus, left, right), settings.symptoms)
    points = np.array(truth["landmarks"])
    times_s = np.arange(len(points)) / truth["fps"]
    first, last = truth["movements"][0], truth["movements"][-1]
    at_rest = (times_s < first["start_s"]) | (times_s > last["release_s"] + OFFSET_S)
    face = lay_on_face(points, times_s, at_rest, max_head_turn=settings.clinic.max_head_turn)
    if face is None:
        raise RuntimeError(f"{folder}: no rest in the truth")
    values: Values = defaultdict(dict)
    for mean in symptoms.action_units:
        values["active_mean", ""] |= {
            f"{mean.au} {side}": value
            for side, value in (("left", mean.am_left), ("right", mean.am_right))
            if value is not None
        }
    values["region", ""] |= {each.region: each.delta_am for each in symptoms.regions if each.delta_am is not None}
    for name in ("house_brackmann_of_networks", "house_brackmann"):
        values[name, ""][""] = truth["house_brackmann"]
    values["severity", ""][""] = SEVERITY_LABELS.index(truth["severity"])
    values["fngs", ""][""] = truth["fngs"]["total"]
    values["sunnybrook", ""][""] = truth["sunnybrook"]["composite"]
    movements = find_movements(face)
    measures = measure_face(face, at_rest & np.isfinite(face.points).all((1, 2)), movements)
    clinic = ClinicMeasures(Scale(EYE_DISTANCE_MM, None, "ipd"), movements, measures)
    like_eface = score_scales(clinic, symptoms, settings.scales)["eface_like"].low
    if like_eface is not None:
        values["eface_like", ""][""] = like_eface
    return values | lengths(measures)


def lengths(measures: tuple[Measure, ...]) -> Values:
    """The clinic's measures as a comparison tells them: both sides, at rest their difference too."""
    factors = {"length": EYE_DISTANCE_MM, "speed": EYE_DISTANCE_MM, "area": EYE_DISTANCE_MM**2, "share": 100.0}
    values: Values = defaultdict(dict)
    for one in measures:
        factor = factors.get(DEFINITIONS[one.name].kind, 1.0)
        sides = {"left": one.left, "right": one.right, "middle": one.middle}
        values[one.name, one.task] |= {side: factor * value for side, value in sides.items() if value is not None}
        if one.task == "rest" and one.left is not None and one.right is not None:
            values[f"{one.name}, left minus right", one.task][""] = factor * (one.left - one.right)
    return values


def told(errors: list[float]) -> str:
    """How many, the median of the sizes and the root mean square."""
    sizes = np.abs(errors)
    return f"{len(sizes)}, {np.median(sizes):.2f}, {np.sqrt((sizes**2).mean()):.2f}" if len(sizes) else "0"


if __name__ == "__main__":
    main()
