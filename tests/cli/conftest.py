"""What the tests of commands share: a runner, made-up results, and a pipeline that only records how it was called."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import palsy_cli
from palsy_cli.cli import app
from palsy_cli.config import Settings
from palsy_cli.manifest import run_info
from palsy_cli.records import (
    ALL_AUS,
    ActionUnits,
    Assessment,
    ClinicMeasures,
    Clip,
    FaceTrack,
    Grades,
    Keyframes,
    Landmarks,
    ModelCard,
    Scale,
)
from palsy_cli.stages.symptoms import find_symptoms

FRAMES, KEYS = 4, 3
Run = Callable[..., Result]


@pytest.fixture
def palsy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run ``palsy`` in an empty folder, its environment free of our variables."""
    monkeypatch.chdir(tmp_path)
    for name in ("PALSY_MODELS", "PALSY_DATA"):
        monkeypatch.delenv(name, raising=False)
    return lambda *args, **extra: CliRunner().invoke(app, [str(arg) for arg in args], **extra)


@pytest.fixture
def result() -> Assessment:
    """An assessment of nobody: the left mouth is weak, nothing was graded for House-Brackmann."""
    return made_up_assessment()


def made_up_assessment() -> Assessment:
    """See ``result``."""
    rng = np.random.default_rng(0)
    points = rng.uniform(10, 90, (FRAMES, 68, 2))
    points[1] = np.nan
    times = np.arange(FRAMES) / 25
    track = FaceTrack(
        times_s=times,
        boxes=np.tile([5.0, 5.0, 95.0, 95.0], (FRAMES, 1)),
        points=rng.uniform(10, 90, (FRAMES, 5, 2)),
        confidence=np.array([0.9, 0.0, 0.9, 0.9]),
        reasons=("", "no_face", "", ""),
        other_faces=0,
    )
    keyframes = Keyframes(
        frames=np.array([0, 2, 3]),
        times_s=times[[0, 2, 3]],
        confidence=np.array([0.9, 0.8, 0.7]),
        aligned=rng.integers(0, 255, (KEYS, 512, 512, 3), np.uint8),
        faces=rng.integers(0, 255, (KEYS, 64, 64, 3), np.uint8),
        face_points=rng.uniform(0, 63, (KEYS, 68, 2)),
    )
    units = ActionUnits(aus=ALL_AUS, left=np.zeros((KEYS, 14)), right=np.zeros((KEYS, 14)))
    units.left[1:, units.channel(12)], units.right[1:, units.channel(12)] = 1.0, 3.0
    return Assessment(
        clip=Clip(path=Path("visit.mp4"), sha256="0" * 64, fps=25.0, width=100, height=100),
        track=track,
        landmarks=Landmarks(points=points, confidence=track.confidence),
        keyframes=keyframes,
        action_units=units,
        symptoms=find_symptoms(units),
        grades=Grades(severity=(0.1, 0.6, 0.2, 0.1), house_brackmann=None, house_brackmann_reason="too few frames"),
        clinic=ClinicMeasures(Scale(None, None, None, "no rest is known"), reason="no resting frame is known"),
        scales={},
        models={"ovpm": ModelCard(name="ovpm", sha256="1" * 64, trained_on="synthetic")},
        warnings=("one frame shows no face",),
        run=run_info(Settings(), device="cpu", seconds={"video": 0.1}),
    )


@dataclass
class FakePipeline:
    """Stands in for ``palsy_cli.pipeline``: remembers each call, returns parts of one assessment or raises."""

    result: Assessment
    calls: list[tuple[str, Path, dict[str, Any]]] = field(default_factory=list)
    error: BaseException | None = None

    def _called(self, name: str, path: Path, options: dict[str, Any]) -> None:
        options.pop("on_progress")("video", 1, 2)
        self.calls.append((name, path, options))
        if self.error is not None:
            raise self.error

    def assess(self, path: Path, **options: Any) -> Assessment:
        self._called("assess", path, options)
        return self.result

    def run_keyframes(self, path: Path, **options: Any) -> tuple[Clip, FaceTrack, Landmarks, Keyframes]:
        self._called("run_keyframes", path, options)
        return self.result.clip, self.result.track, self.result.landmarks, self.result.keyframes

    def run_landmarks(self, path: Path, **options: Any) -> tuple[Clip, FaceTrack, Landmarks]:
        self._called("run_landmarks", path, options)
        return self.result.clip, self.result.track, self.result.landmarks

    def run_action_units(self, path: Path, **options: Any) -> tuple[Clip, Keyframes, ActionUnits]:
        self._called("run_action_units", path, options)
        return self.result.clip, self.result.keyframes, self.result.action_units

    def run_grades(self, path: Path, **options: Any) -> tuple[Clip, Grades]:
        self._called("run_grades", path, options)
        return self.result.clip, self.result.grades


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, result: Assessment) -> FakePipeline:
    """A ``FakePipeline`` in the place of the real one."""
    fake = FakePipeline(result)
    module = ModuleType("palsy_cli.pipeline")
    for name in ("assess", "run_keyframes", "run_landmarks", "run_action_units", "run_grades"):
        setattr(module, name, getattr(fake, name))
    monkeypatch.setitem(sys.modules, "palsy_cli.pipeline", module)
    monkeypatch.setattr(palsy_cli, "pipeline", module, raising=False)
    return fake
