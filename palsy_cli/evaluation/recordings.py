"""Recordings of healthy people, one half of the face held back: is the weak side named?

Nothing in these pictures is drawn, so they tell what simulated photos cannot: whether the networks carry over to
recorded faces. Each recording is also shown untouched by the lesion, through the same steps (the control).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from palsy_cli import pipeline
from palsy_cli.errors import NoFaceError
from palsy_cli.evaluation.figures import Figure, mean_over, measure
from palsy_cli.evaluation.workers import Context
from palsy_cli.records import SIDES, ByteImage, Clip, FloatArray, WeakSide
from palsy_cli.simulate.held import HeldFace, hold_frames
from palsy_cli.simulate.palsy import Lesion, uniform_lesion
from palsy_cli.simulate.run import find_points
from palsy_cli.stages.symptoms import find_symptoms
from palsy_cli.stages.video import read_clip, write_video

#: Share of its motion that the weak half loses, and how often its side is to be named.
WEAKNESSES: dict[float, str] = {1.0: ">= 0.99", 0.5: ">= 0.98", 0.25: ">= 0.90"}
VIDEO_SUFFIXES = (".mp4", ".mov", ".avi", ".mkv", ".webm")
#: Seconds of a recording that are used.
_SECONDS = 5.0


@dataclass(frozen=True)
class Trial:
    """One held recording: ``video`` counts the recordings; ``named`` is the side that was found."""

    video: int
    side: WeakSide
    weakness: float
    named: WeakSide | None


def list_recordings(folder: Path) -> list[tuple[int, Path]]:
    """The recordings of a folder, numbered by name."""
    return list(enumerate(path for path in sorted(folder.iterdir()) if path.suffix.lower() in VIDEO_SUFFIXES))


def try_recording(video: tuple[int, Path], context: Context) -> list[Trial]:
    """All trials of one recording, given with its number; none when no face is found.

    Raises:
        VideoError: the recording cannot be read.
        ModelError: weights are missing.
    """
    number, path = video
    clip = read_clip(path, limits=context.settings.video)
    try:
        points = find_points(clip, context.settings, context.execution)
    except NoFaceError:
        return []
    trials = []
    for side, weakness in plan_trials(number):
        with tempfile.TemporaryDirectory() as place:
            held = Path(place) / "held.mp4"
            write_held(clip, points, held, side=side, weakness=weakness)
            named = name_weak_side(held, context)
        trials.append(Trial(number, side, weakness, named))
    return trials


def plan_trials(number: int) -> list[tuple[WeakSide, float]]:
    """The control and every weakness of one recording, on sides that alternate over weaknesses and recordings."""
    held: list[tuple[WeakSide, float]] = [
        (SIDES[(number + step) % len(SIDES)], weakness) for step, weakness in enumerate(WEAKNESSES)
    ]
    return [("none", 0.0), *held]


def write_held(clip: Clip, points: FloatArray, out: Path, *, side: WeakSide, weakness: float) -> None:
    """Write the beginning of a recording with one half held back."""
    fps = clip.fps or 25.0
    face = HeldFace.of(points, Lesion() if side == "none" else uniform_lesion(weakness, side))

    def images() -> Iterator[ByteImage]:
        for image, _ in hold_frames(clip, points, face, frames=max(1, round(_SECONDS * fps))):
            yield image

    write_video(images(), out, fps=fps)


def name_weak_side(path: Path, context: Context) -> WeakSide | None:
    """The weak side that ``assess`` would name; ``None`` when it names nothing or sees no usable face."""
    try:
        _, _, action_units = pipeline.run_action_units(path, settings=context.settings, models=context.models)
    except NoFaceError:
        return None
    return find_symptoms(action_units, context.settings.symptoms).weak_side


def recording_figures(trials: Sequence[Trial]) -> list[Figure]:
    """Share of trials with the right side, for each weakness; of the controls, those told "none"."""
    figures = []
    for weakness, target in {**WEAKNESSES, 0.0: ">= 0.90"}.items():
        own = [trial for trial in trials if trial.weakness == weakness]
        right = np.array([trial.named == trial.side for trial in own], float)
        name = f"weak side right at weakness {weakness:g}" if weakness else "controls told none"
        videos = [trial.video for trial in own]
        figures.append(
            measure("held recordings", name, mean_over(right), videos,
                    target=target, note=f"{len(own)} clips of {len(set(videos))} recordings")
        )  # fmt: skip
    return figures
