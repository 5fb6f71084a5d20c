"""``palsy evaluate simulated``: what the shipped weights are worth on people they have never seen."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import palsy_cli
from palsy_cli.config import Execution, Settings
from palsy_cli.console import ProgressCallback
from palsy_cli.datasets.people import Photo, read_photos, read_rig
from palsy_cli.errors import DatasetError, NoFaceError, UsageError
from palsy_cli.evaluation.figures import (
    au_figures,
    dose_figures,
    ensemble_figures,
    grade_figures,
    landmark_figures,
    side_figures,
    synkinesis_figures,
)
from palsy_cli.evaluation.patients import DOSES, Case, Face, Patient, examine, plan_doses, plan_patients
from palsy_cli.evaluation.photos import measure_photo, photo_figures
from palsy_cli.evaluation.plots import draw_plots
from palsy_cli.evaluation.recordings import list_recordings, recording_figures, try_recording
from palsy_cli.evaluation.tables import Pages
from palsy_cli.evaluation.workers import Context, Workers
from palsy_cli.files import atomic_write
from palsy_cli.networks.manifest_file import read_manifest

#: Photos that the detector is measured on, at most.
_MOST_PHOTOS = 200
#: Numbers of helper frames that the difference ensemble is tried with, on so many of the patients.
HELPERS, _HELPED = tuple(range(7)), 12


@dataclass(frozen=True)
class Evaluation:
    """The table, the patients behind it, and those of the dose response."""

    pages: Pages
    cases: tuple[Case, ...] = ()
    dosed: tuple[Case, ...] = ()

    def markdown(self) -> str:
        """The table as a page."""
        return self.pages.markdown()

    def write(self, out: Path) -> None:
        """``simulated.md``, ``simulated.csv``, ``simulated.json``, and the plots as ``simulated-*.png``."""
        self.pages.write(out)
        for name, picture in draw_plots(self.cases, self.dosed):
            atomic_write(out / f"simulated-{name}.png", picture, private=False)


def evaluate_simulated(
    data: Path,
    *,
    patients: int = 24,
    dose_people: int = 2,
    videos: Path | None = None,
    settings: Settings | None = None,
    execution: Execution | None = None,
    seed: int = 0,
    workers: int = 0,
    on_progress: ProgressCallback | None = None,
) -> Evaluation:
    """Measure every network and the whole on held-out people.

    Args:
        data: the training data's folder (photos/ and rig/); only people held out of training are used.
        patients: simulated patients, each assessed from a video.
        dose_people: people shown at five weaknesses each.
        videos: recordings of healthy people, one half of which is held back; left out when ``None``.
        settings: as for ``assess``.
        execution: device and models.
        seed: of the patients.
        workers: processes; 0 chooses (``evaluation.workers``).
        on_progress: told stage, done, in all.

    Raises:
        DatasetError: the folder is incomplete or holds nobody who was held out.
        UsageError: fewer than one patient.
        ModelError: weights are missing.
    """
    if patients < 1:
        raise UsageError(f"{patients} patients: at least one is needed")
    settings, execution = settings or Settings(), execution or Execution()
    tell = on_progress or (lambda stage, done, total: None)
    started = time.perf_counter()
    everybody = read_faces(data)
    calm = calm_faces(everybody, data)
    faces = [face for face, _ in everybody[:_MOST_PHOTOS]]
    planned = plan_patients(len(calm), patients, seed=seed)
    visits = [_Visit(p, calm[p.person], HELPERS if number < _HELPED else ()) for number, p in enumerate(planned)]
    doses = [_Visit(p, calm[p.person]) for p in plan_doses(range(min(dose_people, len(calm))), seed=seed)]
    with Workers(settings, execution, count=workers) as pool:
        # All at once and the longest first, so that no core waits for the end of a part.
        trying = pool.start(try_recording, list_recordings(videos) if videos else [])
        examining, dosing = pool.start(_examine, visits), pool.start(_examine, doses)
        looking = pool.start(measure_photo, faces)
        trials = [trial for own in trying.results(partial(tell, "recordings")) for trial in own]
        cases = [case for case in examining.results(partial(tell, "patients")) if case is not None]
        dosed = [case for case in dosing.results(partial(tell, "doses")) if case is not None]
        figures = photo_figures(looking.results(partial(tell, "photos")))
    figures += landmark_figures(cases) + au_figures(cases)
    figures += ensemble_figures(cases, helpers=settings.action_units.helpers)
    figures += side_figures(cases) + grade_figures(cases) + synkinesis_figures(cases)
    figures += dose_figures(dosed)
    figures += recording_figures(trials) if videos else []
    about: dict[str, object] = {
        "version": palsy_cli.__version__,
        "photos": len(faces),
        "patients": f"{len(cases)} of {patients} could be assessed, {len({case.person for case in cases})} people",
        "dose response": f"{min(dose_people, len(calm))} people at {len(DOSES)} weaknesses",
        "settings": settings.fingerprint(),
        "weights": {entry.name: entry.sha256[:12] for entry in read_manifest(pool.context.models.directory)},
        "seconds": round(time.perf_counter() - started, 1),
    }
    title = "Simulated patients, people never trained on"
    return Evaluation(Pages("simulated", title, tuple(figures), about), tuple(cases), tuple(dosed))


def read_faces(data: Path) -> list[tuple[Face, Photo]]:
    """The people of a data folder that no network was trained on, with the 68 of their photos' points."""
    held_out = [photo for photo in read_photos(data) if photo.held_out]
    index68 = read_rig(data).index68
    return [(Face(photo.path.name, photo.read(), photo.points[index68], photo.frontal), photo) for photo in held_out]


def calm_faces(everybody: list[tuple[Face, Photo]], data: Path) -> list[Face]:
    """Those of them whose face is at rest and frontal, so that a patient can be filmed; raises DatasetError if none."""
    calm = [face for face, photo in everybody if photo.calm]
    if not calm:
        raise DatasetError(f"{data}: no resting frontal face among the people held out of training")
    return calm


@dataclass(frozen=True)
class _Visit:
    """One patient, the face to film, and the numbers of helper frames to try."""

    patient: Patient
    face: Face
    helpers: tuple[int, ...] = ()


def _examine(visit: _Visit, context: Context) -> Case | None:
    """The patient's case; ``None`` when the face is not found."""
    with tempfile.TemporaryDirectory() as place:
        try:
            return examine(
                visit.patient,
                visit.face,
                Path(place),
                settings=context.settings,
                models=context.models,
                helpers=visit.helpers,
            )
        except NoFaceError:
            return None
