"""What an export may say of a recording.

The path and the digest of the recording are left out: both lead back to a person (a digest does for everybody who has
the video), and no export can pass on what it never sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from palsy_cli.records import SIDES, ModelCard, Side, WeakSide
from palsy_cli.stages.symptoms import CLINICAL_REGIONS

REGIONS: tuple[str, ...] = tuple(CLINICAL_REGIONS)
WEAK_SIDES: tuple[WeakSide, ...] = ("none", *SIDES)
GRADES: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
NO_REASON = "no reason was recorded"

Label = TypeVar("Label", int, str)


@dataclass(frozen=True)
class Graded(Generic[Label]):
    """The likeliest class, and the probability 0..1 of each class in the order of the scale."""

    value: Label
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class RegionFinding:
    """One region: sum of left minus right active means in AU steps; ``None`` beside a reason when not assessed."""

    region: str
    weak_side: WeakSide | None
    delta_am: float | None
    reason: str | None


@dataclass(frozen=True)
class Pair:
    """A synkinesis: on ``side``, ``response_au`` moves when ``trigger_au`` does on ``trigger_side``.

    ``difference`` (0..1) is the conditional probability on that side minus that on the other, from ``support``
    keyframes.
    """

    side: Side
    response_au: int
    trigger_side: Side
    trigger_au: int
    difference: float
    support: int


@dataclass(frozen=True)
class Recording:
    """What was filmed, without its name: ``width`` and ``height`` in pixels, upright; ``None`` for still pictures."""

    width: int
    height: int
    frames: int
    fps: float | None
    duration_s: float | None
    mirrored: bool
    usable_frames: int
    keyframes: int


@dataclass(frozen=True)
class Findings:
    """The results of one recording. ``None`` beside a reason means not assessed."""

    version: str
    settings_sha256: str
    models: dict[str, ModelCard]
    recording: Recording
    weak_side: WeakSide | None
    weak_side_reason: str | None
    regions: tuple[RegionFinding, ...]
    synkinesis_present: bool | None
    synkinesis_reason: str | None
    pairs: tuple[Pair, ...]
    severity: Graded[str] | None
    severity_reason: str | None
    house_brackmann: Graded[int] | None
    house_brackmann_reason: str | None

    def not_assessed(self) -> list[tuple[str, str]]:
        """What has no value, each with its reason."""
        results: list[tuple[str, object, str | None]] = [
            ("weak side", self.weak_side, self.weak_side_reason),
            *((region.region, region.weak_side, region.reason) for region in self.regions),
            ("synkinesis", self.synkinesis_present, self.synkinesis_reason),
            ("severity", self.severity, self.severity_reason),
            ("House-Brackmann", self.house_brackmann, self.house_brackmann_reason),
        ]
        return [(name, reason or NO_REASON) for name, value, reason in results if value is None]
