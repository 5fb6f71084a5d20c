"""The spine: one video, hop by hop, to an assessment. ``assess`` reads from top to bottom.

Every command that computes enters here; each function adds hops to the one before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palsy_cli.clinic.examine import Examined, examine
from palsy_cli.clinic.intervals import score_with_intervals
from palsy_cli.clinic.scale import contradicts_iris
from palsy_cli.clinic.scales import grades_apart
from palsy_cli.clinic.stills import Stills, StillTaker
from palsy_cli.clinic.told import require_within, task_of_name
from palsy_cli.config import Execution, Settings
from palsy_cli.console import ProgressCallback
from palsy_cli.errors import ModelError, NoFaceError
from palsy_cli.manifest import run_info
from palsy_cli.networks.device import beside_decoder, give_back_freed_memory, keep_freed_memory
from palsy_cli.networks.weights import ModelSet, read_manifest
from palsy_cli.norms import require_weights
from palsy_cli.records import (
    ActionUnits,
    Assessment,
    ClinicMeasures,
    Clip,
    FaceTrack,
    FloatArray,
    Frame,
    Grades,
    Keyframes,
    Landmarks,
    ScaleScore,
    Symptoms,
    ToldTask,
)
from palsy_cli.stages.action_units import estimate_action_units
from palsy_cli.stages.detection import choose_detector
from palsy_cli.stages.face import ForemostCallback, require_face, track_patient
from palsy_cli.stages.grade_fusion import join_opinions
from palsy_cli.stages.grading import grade
from palsy_cli.stages.halves import split_halves
from palsy_cli.stages.keyframes import Candidates, iter_found, select_keyframes
from palsy_cli.stages.landmarks import ForeseenPoints, FoundCallback, fit_landmarks, without_points
from palsy_cli.stages.symptoms import find_symptoms
from palsy_cli.stages.video import read_clip

#: Fewer usable frames than this cannot show a movement.
_MIN_FRAMES = 2
#: Shares below which a warning is given.
_FEW_FACES, _FEW_KEYFRAMES = 0.7, 5


def assess(
    path: Path | str,
    *,
    settings: Settings | None = None,
    execution: Execution | None = None,
    models: ModelSet | None = None,
    mirrored: bool = False,
    tasks: Sequence[ToldTask] | None = None,
    by_hand: Mapping[tuple[str, str], float] | None = None,
    on_progress: ProgressCallback | None = None,
) -> Assessment:
    """Assess one video: per-side muscle activity, asymmetry, synkinesis, severity and House-Brackmann grade.

    Args:
        path: a video.
        settings: what changes the answer (default: profile ``clinical``).
        execution: device, models, batch size.
        models: networks loaded before, instead of those that ``execution`` names.
        mirrored: the recording is a mirror image (selfie camera).
        tasks: what was done, and when; ``None`` takes the task of the file's name, if there is one, or finds them.
        by_hand: items of scales that a clinician set, (scale, item) -> value.
        on_progress: told stage, frames done, frames in all (``None`` while unknown).

    Raises:
        VideoError: the file cannot be read or holds no video.
        NoFaceError: no face, or too few frames with a usable one.
        InputError: a task lies outside the video.
        ModelError: a weight file is missing or damaged, or the norms of the settings belong to other weights.
    """
    run = _Run.start(settings, execution, on_progress, models=models)
    named, unknown_name = task_of_name(Path(path))
    told = tasks if tasks is not None else [named] if named else []
    stills = StillTaker()
    clip, track, landmarks, keyframes = run.keyframes(path, mirrored=mirrored, stills=stills)
    _require_length(track, clip)
    require_within(told, float(track.times_s[-1]), where="--tasks")
    action_units = run.action_units(keyframes)
    symptoms = run.symptoms(action_units)
    grades = run.grades(keyframes, action_units, symptoms)
    examined = run.examine(track, landmarks, keyframes, stills.finish(), action_units, told)
    symptoms, clinic, scales = run.intervals(action_units, symptoms, examined, by_hand)
    return Assessment(
        clip=clip,
        track=track,
        landmarks=landmarks,
        keyframes=keyframes,
        action_units=action_units,
        symptoms=symptoms,
        grades=grades,
        clinic=clinic,
        scales=scales,
        models=run.models.cards(),
        warnings=(
            *([unknown_name] if unknown_name and tasks is None else []),
            *find_warnings(track, keyframes, clinic),
            *_disagreements(grades, scales),
        ),
        run=run_info(run.settings, device=run.models.device, seconds=run.seconds),
    )


def run_landmarks(
    path: Path | str,
    *,
    settings: Settings | None = None,
    execution: Execution | None = None,
    mirrored: bool = False,
    on_progress: ProgressCallback | None = None,
) -> tuple[Clip, FaceTrack, Landmarks]:
    """The 68 points of every frame of a video, picture or folder of pictures; raises as ``assess`` does."""
    clip, track, landmarks, _ = _Run.start(settings, execution, on_progress).landmarks(path, mirrored=mirrored)
    return clip, track, landmarks


def run_keyframes(
    path: Path | str,
    *,
    settings: Settings | None = None,
    execution: Execution | None = None,
    mirrored: bool = False,
    on_progress: ProgressCallback | None = None,
) -> tuple[Clip, FaceTrack, Landmarks, Keyframes]:
    """The aligned keyframes of a video; raises as ``assess`` does."""
    return _Run.start(settings, execution, on_progress).keyframes(path, mirrored=mirrored)


def run_action_units(
    path: Path | str,
    *,
    settings: Settings | None = None,
    execution: Execution | None = None,
    models: ModelSet | None = None,
    mirrored: bool = False,
    on_progress: ProgressCallback | None = None,
) -> tuple[Clip, Keyframes, ActionUnits]:
    """AU intensities of both halves in the keyframes of a video; raises as ``assess`` does."""
    run = _Run.start(settings, execution, on_progress, models=models)
    clip, track, _, keyframes = run.keyframes(path, mirrored=mirrored)
    _require_length(track, clip)
    return clip, keyframes, run.action_units(keyframes)


def run_grades(
    path: Path | str,
    *,
    settings: Settings | None = None,
    execution: Execution | None = None,
    mirrored: bool = False,
    on_progress: ProgressCallback | None = None,
) -> tuple[Clip, Grades]:
    """Severity and House-Brackmann grade of a video; raises as ``assess`` does."""
    run = _Run.start(settings, execution, on_progress)
    clip, track, _, keyframes = run.keyframes(path, mirrored=mirrored)
    _require_length(track, clip)
    action_units = run.action_units(keyframes)
    return clip, run.grades(keyframes, action_units, run.symptoms(action_units))


def find_warnings(track: FaceTrack, keyframes: Keyframes, clinic: ClinicMeasures) -> Iterator[str]:
    """What a reader of the results should know about the video."""
    if track.other_faces:
        yield f"{track.other_faces} other face(s) in the video; the large, central, persistent one was taken"
    usable = track.usable
    if usable.mean() < _FEW_FACES:
        left_out = [reason for reason in track.reasons if reason]
        commonest = max(sorted(set(left_out)), key=left_out.count)
        yield f"only {usable.sum()} of {len(usable)} frames could be used (most often: {commonest})"
    if len(keyframes.frames) < _FEW_KEYFRAMES:
        yield f"only {len(keyframes.frames)} keyframes: the face hardly moves"
    if contradicts_iris(clinic.scale):
        yield (
            f"the scale given ({clinic.scale.mm:.1f} mm between the eyes) contradicts the irises, which say "
            f"{clinic.scale.iris_mm:.1f} mm"
        )


def _disagreements(grades: Grades, scales: dict[str, ScaleScore]) -> Iterator[str]:
    """Where what the networks say and what the lengths say lie far apart."""
    if grades_apart(grades.house_brackmann_grade, scales):
        by_rule, by_network = scales["house_brackmann"].low, grades.house_brackmann_grade
        yield (
            f"House-Brackmann {by_network} by the networks, {by_rule:.0f} by rule from measured lengths: more than one "
            "grade apart; look at the movements"
        )


def _require_length(track: FaceTrack, clip: Clip) -> None:
    if int(track.usable.sum()) < _MIN_FRAMES:
        raise NoFaceError(
            f"{clip.path}: too short: {int(track.usable.sum())} usable frame(s), at least {_MIN_FRAMES} are needed to "
            "see a movement; use `palsy landmarks` for a single picture"
        )


class _Beside:
    """Work that goes on in another thread while its caller goes on, one call at a time and in order.

    Args:
        work: what each call does.
    """

    def __init__(self, work: Callable[..., None]) -> None:
        self._work, self._pool = work, ThreadPoolExecutor(1)
        self._under_way: Future[None] | None = None

    def __enter__(self) -> _Beside:
        return self

    def __exit__(self, *_: object) -> None:
        """Let what is under way end."""
        self._pool.shutdown()

    def start(self, *arguments: Any) -> None:
        """Begin a call once the one before has ended; raises what that one raised."""
        self.wait()
        self._under_way = self._pool.submit(self._work, *arguments)

    def wait(self) -> None:
        """Wait for the end of the call under way, if any; raises what it raised."""
        if self._under_way is not None:
            self._under_way.result()


@dataclass
class _Run:
    """One run: its settings, its models, and the seconds that each stage took."""

    settings: Settings
    execution: Execution
    models: ModelSet
    report: ProgressCallback
    seconds: dict[str, float] = field(default_factory=dict)

    @staticmethod
    def start(
        settings: Settings | None,
        execution: Execution | None,
        on_progress: ProgressCallback | None,
        *,
        models: ModelSet | None = None,
    ) -> _Run:
        keep_freed_memory()
        execution = execution or Execution()
        report = on_progress or (lambda stage, done, total: None)
        settings, models = settings or Settings(), models or ModelSet.of(execution)
        if settings.symptoms.norms.people:
            digests = {entry.name: entry.sha256 for entry in read_manifest(models.directory)}
            require_weights(settings.symptoms.norms, digests, where=models.directory)
        return _Run(settings, execution, models, report)

    def network(self, name: str) -> Any:
        """A network, loaded on first use."""
        return self.models.get(name).module

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Announce and time a stage; what the one before has freed is given back first."""
        give_back_freed_memory()
        self.report(name, 0, None)
        with self.timed(name):
            yield

    @contextmanager
    def timed(self, name: str, *, within: str | None = None) -> Iterator[None]:
        """Time something that belongs to one stage and is done ``within`` another, whose time it is not."""
        started = time.perf_counter()
        yield
        spent = time.perf_counter() - started
        for stage, seconds in ((within, -spent), (name, spent)):
            if stage is not None:
                self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def counter(self, name: str, total: int | None) -> Callable[[int], None]:
        """A callback that reports frames done."""
        return lambda done: self.report(name, done, total)

    def track(
        self, path: Path | str, *, mirrored: bool, on_foremost: ForemostCallback | None = None
    ) -> tuple[Clip, FaceTrack]:
        """Hops 1 and 2: open the video, follow the patient's face."""
        with self.stage("video"):
            clip = read_clip(Path(path), mirrored=mirrored, limits=self.settings.video)
        with self.stage("face"):
            track = track_patient(
                clip,
                choose_detector(self.models, self.settings.face),
                self.settings.face,
                batch_size=self.execution.batch_size,
                on_frame=self.counter("face", None),
                on_foremost=on_foremost,
            )
        require_face(track, path)
        return clip, track

    @beside_decoder()
    def landmarks(
        self, path: Path | str, *, mirrored: bool, on_found: FoundCallback | None = None
    ) -> tuple[Clip, FaceTrack, Landmarks, bool]:
        """Hop 3: the 68 points, and whether ``on_found`` was shown them all; the patient is looked for meanwhile."""
        network, settings = self.network("landmark_fcn"), self.settings.landmarks
        foreseen = ForeseenPoints(network, settings, batch_size=self.execution.batch_size, on_found=on_found)

        with _Beside(foreseen.add) as beside:

            def foresee(frames: Sequence[Frame], five: FloatArray) -> None:
                with self.timed("landmarks", within="face"):
                    beside.start(frames, five)

            clip, track = self.track(path, mirrored=mirrored, on_foremost=foresee)
            with self.timed("landmarks"):
                beside.wait()
        with self.stage("landmarks"):
            foreseen.finish()
            landmarks = fit_landmarks(
                clip,
                track,
                network,
                settings,
                batch_size=self.execution.batch_size,
                on_frame=self.counter("landmarks", len(track.times_s)),
                foreseen=foreseen,
            )
        track = without_points(track, landmarks)
        require_face(track, path)
        return clip, track, landmarks, foreseen.came_true(track)

    def keyframes(
        self, path: Path | str, *, mirrored: bool, stills: StillTaker | None = None
    ) -> tuple[Clip, FaceTrack, Landmarks, Keyframes]:
        """Hop 4: the frames that differ, aligned; cut out, as are ``stills``, while hop 3 has the pictures at hand."""
        candidates = Candidates(self.settings.keyframes, self.settings.face)

        def show(frames: Sequence[Frame], points: FloatArray) -> None:
            candidates.add(frames, points)
            if stills is not None:
                stills.add(frames, points)

        clip, track, landmarks, shown = self.landmarks(path, mirrored=mirrored, on_found=show)
        with self.stage("keyframes"):
            if not shown:
                candidates = Candidates(self.settings.keyframes, self.settings.face)
                if stills is not None:
                    stills.clear()
                for frames, points in iter_found(clip, track, landmarks):
                    show(frames, points)
            keyframes = select_keyframes(
                clip, track, landmarks, candidates, self.settings.keyframes, self.settings.face
            )
        return clip, track, landmarks, keyframes

    def action_units(self, keyframes: Keyframes) -> ActionUnits:
        """Hops 5 and 6: halves, AU intensities."""
        with self.stage("action units"):
            return estimate_action_units(
                split_halves(keyframes),
                self.network("ovpm"),
                self.network("dvpm"),
                self.settings.action_units,
                seed=self.settings.seed,
                batch_size=self.execution.batch_size,
            )

    def symptoms(self, action_units: ActionUnits) -> Symptoms:
        """Hop 7: weakness and synkinesis."""
        with self.stage("symptoms"):
            return find_symptoms(action_units, self.settings.symptoms)

    def grades(self, keyframes: Keyframes, action_units: ActionUnits, symptoms: Symptoms) -> Grades:
        """Hop 8: severity and House-Brackmann."""
        with self.stage("grades"):
            algrnet = self.network("algrnet")
            if algrnet.mode != "palsy":
                raise ModelError("algrnet: these weights tell action units, not severity; name others with --models")
            of_pictures = grade(
                keyframes,
                action_units,
                algrnet,
                self.network("hb_cascade"),
                self.settings.grades,
                unfit=dict(self._unfit()),
                temperatures=dict(self._temperatures()) if self.settings.grades.calibrated else None,
            )
            return join_opinions(of_pictures, symptoms, self.settings.grades)

    def examine(
        self,
        track: FaceTrack,
        landmarks: Landmarks,
        keyframes: Keyframes,
        stills: Stills,
        action_units: ActionUnits,
        told: Sequence[ToldTask],
    ) -> Examined:
        """Beside the hops: millimetres, movements and excursions."""
        with self.stage("measures"):
            return examine(track, landmarks, keyframes, stills, action_units, self.settings.clinic, told=told)

    def intervals(
        self,
        action_units: ActionUnits,
        symptoms: Symptoms,
        examined: Examined,
        by_hand: Mapping[tuple[str, str], float] | None,
    ) -> tuple[Symptoms, ClinicMeasures, dict[str, ScaleScore]]:
        """Scales by rule, and how sure they and what they rest on are."""
        with self.stage("intervals"):
            return score_with_intervals(action_units, symptoms, examined, self.settings, by_hand=by_hand)

    def _unfit(self) -> Iterator[tuple[str, str]]:
        """Grading networks that did not beat chance when they were validated, and the reason to print."""
        for name, classes in (("algrnet", 4), ("hb_cascade", 6)):
            f1 = self.models.figure(name, "patient_f1")
            if f1 is not None and f1 * classes < self.settings.grades.min_times_chance:
                yield name, f"the weights of {name} are hardly better than chance (F1 {f1:.2f} of {classes} grades)"

    def _temperatures(self) -> Iterator[tuple[str, float]]:
        """Temperatures of the grading networks that have one."""
        for name in ("algrnet", "hb_cascade"):
            temperature = self.models.figure(name, "temperature")
            if temperature is not None and temperature > 0:
                yield name, temperature
