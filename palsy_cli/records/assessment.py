"""Everything that is known of one video, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from palsy_cli.records.clinic import ClinicMeasures, ScaleScore
from palsy_cli.records.face import ActionUnits, Clip, FaceTrack, Grades, Keyframes, Landmarks, Symptoms


@dataclass(frozen=True)
class ModelCard:
    """What a result must say of a weight file."""

    name: str
    sha256: str
    trained_on: str


@dataclass(frozen=True)
class RunInfo:
    """How a result was made."""

    version: str
    device: str
    seed: int
    profile: str
    settings_sha256: str
    seconds: dict[str, float] = field(default_factory=dict)
    #: ``dataclasses.asdict`` of the settings, so that a report can state the thresholds that were used.
    settings: dict[str, Any] = field(default_factory=dict)
    #: Norms of healthy people that were used: ``people`` and ``sha256``; ``None`` for the built-in prior.
    norms: dict[str, Any] | None = None


@dataclass(frozen=True)
class Assessment:
    """Everything that is known of one video."""

    clip: Clip
    track: FaceTrack
    landmarks: Landmarks
    keyframes: Keyframes
    action_units: ActionUnits
    symptoms: Symptoms
    grades: Grades
    clinic: ClinicMeasures
    scales: dict[str, ScaleScore]
    models: dict[str, ModelCard]
    warnings: tuple[str, ...]
    run: RunInfo
