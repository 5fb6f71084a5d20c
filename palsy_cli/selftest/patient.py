"""The trained networks on a drawn patient whose truth is known.

Each stage is given the truth of the stage before it, so that a failure blames that stage alone; then a shorter film
goes the whole way of ``palsy assess``, twice and once more in the mirror.
"""

from __future__ import annotations

import dataclasses
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from palsy_cli import pipeline
from palsy_cli.config import Execution, Settings
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import (
    ALL_AUS,
    SEVERITY_LABELS,
    ActionUnits,
    Assessment,
    Clip,
    FloatArray,
    Keyframes,
    Landmarks,
    Side,
)
from palsy_cli.report import write_report
from palsy_cli.report.json_report import assessment_json
from palsy_cli.report.terms import NOTICE
from palsy_cli.selftest.checks import Check, SkipCheck
from palsy_cli.selftest.golden import Facts
from palsy_cli.selftest.stand_ins import known_track
from palsy_cli.simulate.clips import DrawnRenderer, Truth, simulate_clip
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.script import write_script
from palsy_cli.stages.action_units import estimate_action_units
from palsy_cli.stages.alignment import five_points
from palsy_cli.stages.detection import choose_detector
from palsy_cli.stages.face import track_patient
from palsy_cli.stages.grade_fusion import join_opinions
from palsy_cli.stages.grading import grade
from palsy_cli.stages.halves import split_halves
from palsy_cli.stages.keyframes import find_candidates, select_keyframes
from palsy_cli.stages.landmarks import fit_landmarks
from palsy_cli.stages.symptoms import find_symptoms
from palsy_cli.stages.video import read_clip

#: A drawn person whom no network was trained on, and the palsy: grade IV of VI on the left.
SEED, GRADE = 2150, 4
SIDE: Side = "left"
#: Side of the picture in pixels, frames per second, and how much faster than people the person moves.
SIZE, FPS, TEMPO = 320, 12.0, 1.5
MOVEMENTS = ("brow_raise", "gentle_eye_closure", "open_smile", "lip_pucker")
#: Keyframes of the long film: a drawing has no camera's noise, so that its frames differ less than those of recordings.
THRESHOLD, MAX_KEYFRAMES = 0.75, 32
#: What the short film shows: enough to tell the weak side.
SHORT_MOVEMENTS = ("open_smile",)


class DrawnPatient:
    """The patient's films, and what each stage makes of them; made when first asked for.

    Args:
        folder: where the films go.
        models: the networks.
        execution: device and batch size.
    """

    def __init__(self, folder: Path, models: ModelSet, execution: Execution) -> None:
        self.folder, self.models, self.execution, self.settings = folder, models, execution, Settings()

    @cached_property
    def truth(self) -> Truth:
        """What is known of the film ``long/patient.mp4``, which is written by this."""
        return film(self.folder / "long", MOVEMENTS)

    @cached_property
    def clip(self) -> Clip:
        """The film."""
        truth = self.truth
        clip = read_clip(self.folder / "long" / "patient.mp4")
        if clip.fps is None or abs(clip.fps - truth.fps) > 1e-6:
            raise ValueError(f"the film was written at {truth.fps} frames per second and is read at {clip.fps}")
        return clip

    @cached_property
    def short_film(self) -> Path:
        """A film of one movement."""
        film(self.folder / "short", SHORT_MOVEMENTS)
        return self.folder / "short" / "patient.mp4"

    @cached_property
    def keyframes(self) -> Keyframes:
        """The keyframes by the true points."""
        settings = dataclasses.replace(self.settings.keyframes, threshold=THRESHOLD, max_keyframes=MAX_KEYFRAMES)
        times_s = np.arange(len(self.truth.points)) / self.truth.fps
        track = known_track(self.truth.points, times_s)
        landmarks = Landmarks(self.truth.points, np.ones(len(times_s)))
        candidates = find_candidates(self.clip, track, landmarks, settings, self.settings.face)
        return select_keyframes(self.clip, track, landmarks, candidates, settings, self.settings.face)

    @cached_property
    def true_units(self) -> ActionUnits:
        """True intensities of the keyframes."""
        rows = self.keyframes.frames
        return ActionUnits(ALL_AUS, self.truth.left[rows], self.truth.right[rows])

    @cached_property
    def found_units(self) -> ActionUnits:
        """Intensities of the keyframes as the networks find them."""
        return self.units_by(self.models)

    def units_by(self, models: ModelSet) -> ActionUnits:
        """The same by the networks of a set, on its device."""
        return estimate_action_units(
            split_halves(self.keyframes),
            self.network("ovpm", models),
            self.network("dvpm", models),
            self.settings.action_units,
            seed=self.settings.seed,
            batch_size=self.execution.batch_size,
        )

    def network(self, name: str, models: ModelSet | None = None) -> Any:
        """A network of these models, or of others."""
        return (models or self.models).get(name).module

    @cached_property
    def assessed(self) -> Assessment:
        """The short film, the whole way."""
        return self.assess()

    def assess(self, *, mirrored: bool = False) -> Assessment:
        """Assess the short film anew, as it is or in the mirror."""
        return pipeline.assess(self.short_film, execution=self.execution, models=self.models, mirrored=mirrored)


def film(folder: Path, movements: tuple[str, ...]) -> Truth:
    """Write ``patient.mp4`` into a folder: the drawn patient at these movements."""
    return simulate_clip(
        folder / "patient.mp4",
        renderer=DrawnRenderer(Person.from_seed(SEED), (SIZE, SIZE)),
        lesion=house_brackmann_preset(GRADE, SIDE),
        script=write_script(movements, tempo=TEMPO, rng=np.random.default_rng([SEED, 3])),
        fps=FPS,
        seed=SEED,
    )


def drawn_truth(patient: DrawnPatient) -> Facts:
    """What the simulator says of the patient whom it drew, and the size and length of the film."""
    truth, smile = patient.truth, ALL_AUS.index(12)
    return {
        "weak_side": truth.weak_side,
        "house_brackmann": truth.house_brackmann,
        "frames": len(truth.points),
        "size": [patient.clip.width, patient.clip.height],
        "smile_left_and_right": [truth.left[:, smile].max(), truth.right[:, smile].max()],
        "outer_eye_distance_px": _eye_distance(truth.points).mean(),
    }


def found_face(patient: DrawnPatient) -> Facts:
    """The detector on every frame: share of usable ones, error of the five points."""
    detector = choose_detector(patient.models, patient.settings.face)
    track = track_patient(patient.clip, detector, patient.settings.face, batch_size=patient.execution.batch_size)
    usable = track.usable
    return {
        "usable_share": usable.mean(),
        "other_faces": track.other_faces,
        "point_error_percent": _error(track.points[usable], five_points(patient.truth.points)[usable], patient, usable),
    }


def found_points(patient: DrawnPatient) -> Facts:
    """The 68 points, cut by the true five: share of frames with points, mean error."""
    truth = patient.truth
    track = known_track(truth.points, np.arange(len(truth.points)) / truth.fps)
    network = patient.network("landmark_fcn")
    found = fit_landmarks(
        patient.clip, track, network, patient.settings.landmarks, batch_size=patient.execution.batch_size
    )
    seen = np.isfinite(found.points).all((1, 2))
    return {
        "share_of_frames": seen.mean(),
        "error_percent": _error(found.points[seen], truth.points[seen], patient, seen),
    }


def found_keyframes(patient: DrawnPatient) -> Facts:
    """How many frames differ, by the true points; no network has a part in it."""
    frames = patient.keyframes.frames
    return {"keyframes": len(frames), "first": int(frames[0]), "last": int(frames[-1])}


def found_intensities(patient: DrawnPatient) -> Facts:
    """Intensities of both halves beside the true ones: correlation, mean error in steps."""
    found, true = (np.stack([units.left, units.right]) for units in (patient.found_units, patient.true_units))
    return {
        "correlation": np.corrcoef(found.ravel(), true.ravel())[0, 1],
        "mean_error": np.abs(found - true).mean(),
    }


def found_weakness(patient: DrawnPatient) -> Facts:
    """Weak side and dose: the asymmetry of the found intensities beside that of the true ones."""
    found, true = (find_symptoms(each, patient.settings.symptoms) for each in (patient.found_units, patient.true_units))
    return {
        "weak_side": found.weak_side,
        "true_asymmetry": true.relative,
        "asymmetry_off_by": abs((found.relative or 0.0) - (true.relative or 0.0)),
    }


def found_grades(patient: DrawnPatient) -> Facts:
    """Both grading networks and the movement, by true keyframes and intensities.

    The chance that the pictures alone give to the true grade and its neighbours; how far off the joint answer is.
    """
    units, settings = patient.true_units, patient.settings.grades
    algrnet, cascade = (patient.network(name) for name in ("algrnet", "hb_cascade"))
    temperatures = {name: patient.models.figure(name, "temperature") or 1.0 for name in ("algrnet", "hb_cascade")}
    of_pictures = grade(patient.keyframes, units, algrnet, cascade, settings, temperatures=temperatures)
    joined = join_opinions(of_pictures, find_symptoms(units, patient.settings.symptoms), settings)
    severity = SEVERITY_LABELS.index(joined.severity_label or "")
    return {
        "frames": len(joined.frames),
        "chance_of_pictures": sum((of_pictures.house_brackmann or ())[GRADE - 2 : GRADE + 1]),
        "house_brackmann_off_by": abs((joined.house_brackmann_expected or 0.0) - GRADE),
        "severity_off_by": abs(severity - SEVERITY_LABELS.index("medium")),
    }


def whole_way(patient: DrawnPatient) -> Facts:
    """The short film through ``pipeline.assess``: nothing is left unassessed, the weak side is found."""
    found = patient.assessed
    return {
        "usable_share": found.track.usable.mean(),
        "weak_side": found.symptoms.weak_side,
        "graded": [found.grades.severity is not None, found.grades.house_brackmann is not None],
        "networks": sorted(found.models),
    }


def same_again(patient: DrawnPatient) -> Facts:
    """The same film once more: the same bytes, timings aside."""
    first, second = (_without_times(each) for each in (patient.assessed, patient.assess()))
    return {"same_bytes": first == second}


def mirrored(patient: DrawnPatient) -> Facts:
    """The mirrored film: the same with left and right exchanged."""
    one, two = patient.assessed, patient.assess(mirrored=True)
    apart = [
        np.abs(a - b).max()
        for a, b in (
            (one.action_units.left, two.action_units.right),
            (one.action_units.right, two.action_units.left),
        )
    ]
    chances = [np.array(each.grades.house_brackmann or (), float) for each in (one, two)]
    return {
        "weak_side": two.symptoms.weak_side,
        "same_keyframes": np.array_equal(one.keyframes.frames, two.keyframes.frames),
        "intensities_apart": max(apart),
        "chances_apart": np.abs(np.subtract(*chances)).max(),
    }


def written_report(patient: DrawnPatient) -> Facts:
    """The four files of ``palsy assess``: rows of the tables, the notice in the page."""
    files = write_report(patient.assessed, patient.folder / "report")
    page = files["report.html"].read_text(encoding="utf-8")
    rows = {name: len(files[name].read_text(encoding="utf-8").splitlines()) - 1 for name in files if ".csv" in name}
    return {
        "files": sorted(files),
        "row_for_each_frame": rows["landmarks.csv"] == len(patient.assessed.track.times_s),
        "row_for_each_keyframe": rows["action_units.csv"] == len(patient.assessed.keyframes.frames),
        "notice": NOTICE in page,
        "pictures": page.count("data:image/jpeg") + page.count("data:image/png"),
    }


def gpu_as_cpu(patient: DrawnPatient) -> Facts:
    """The same half faces on the processor and on the graphics card.

    Raises:
        SkipCheck: there is no CUDA device, or the run was asked to keep off it.
    """
    if not torch.cuda.is_available():
        raise SkipCheck("skipped: no GPU")
    if patient.execution.device == "cpu":
        raise SkipCheck("skipped: --device cpu")
    known = {patient.models.device: patient.models}
    sets = (known.get(device) or ModelSet(patient.models.directory, device=device) for device in ("cpu", "cuda"))
    cpu, gpu = (np.stack([units.left, units.right]) for units in map(patient.units_by, sets))
    return {"intensities_apart": np.abs(cpu - gpu).max()}


def checks(patient: DrawnPatient) -> list[Check]:
    """All checks of this file."""
    every = ("retinaface", "landmark_fcn", "ovpm", "dvpm", "algrnet", "hb_cascade")
    plan: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
        ("simulate", drawn_truth, ()),
        ("detection", found_face, ("retinaface",)),
        ("landmarks", found_points, ("landmark_fcn",)),
        ("keyframes", found_keyframes, ()),
        ("action_units", found_intensities, ("ovpm", "dvpm")),
        ("symptoms", found_weakness, ("ovpm", "dvpm")),
        ("grading", found_grades, ("algrnet", "hb_cascade")),
        ("pipeline", whole_way, every),
        ("pipeline", same_again, every),
        ("pipeline", mirrored, every),
        ("report", written_report, every),
        ("device", gpu_as_cpu, ("ovpm", "dvpm")),
    )
    return [Check(stage, measure.__name__, partial(measure, patient), networks) for stage, measure, networks in plan]


def _eye_distance(points68: FloatArray) -> FloatArray:
    """(N,) distance of the outer eye corners in pixels."""
    return np.asarray(np.linalg.norm(points68[:, 45] - points68[:, 36], axis=-1))


def _error(found: FloatArray, true: FloatArray, patient: DrawnPatient, rows: Any) -> float:
    """Mean distance of points (F, P, 2) in percent of the outer-canthal distance; 100 when there is none to measure."""
    if not len(found):
        return 100.0
    unit = _eye_distance(patient.truth.points[rows])[:, None]
    return float(100 * (np.linalg.norm(found - true, axis=-1) / unit).mean())


def _without_times(assessment: Assessment) -> str:
    """``assessment.json`` of an assessment whose stages took no time."""
    return assessment_json(dataclasses.replace(assessment, run=dataclasses.replace(assessment.run, seconds={})))
