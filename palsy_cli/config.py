"""Settings: what changes an answer (``Settings``, hashed into the result) apart from how it runs (``Execution``).

Every setting carries its unit in its name, its source in its comment, and may be set by ``--config FILE.toml``
or ``--set group.name=value``.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from palsy_cli import documents
from palsy_cli.errors import ConfigError
from palsy_cli.norms import Norms
from palsy_cli.text import did_you_mean

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Profile = Literal["clinical", "paper"]


@dataclass(frozen=True)
class VideoSettings:
    """What decoding one input may cost. Beyond a limit it is refused, whatever its header claims."""

    #: Most pixels of a picture, once they are square: 8K films and photos of 50 megapixels fit.
    max_pixels: int = 64_000_000
    #: Most frames: four hours at 60 a second.
    max_frames: int = 900_000
    #: Seconds that may pass without a frame while one is waited for.
    max_wait_s: float = 30.0
    #: Memory of the decoder's process in MiB, beyond the program itself (Linux only).
    max_memory_mib: int = 4096


@dataclass(frozen=True)
class FaceSettings:
    """Detection, tracking and frame quality."""

    #: The RetinaFace that comes along, or the package of that name (extra `retina-face`).
    detector: Literal["own", "retina-face"] = "own"
    #: Longest side in pixels of the picture that the detector sees.
    detect_side_px: int = 320
    #: Seconds between two looks at a face that moves evenly; 0 looks at every frame.
    detect_every_s: float = 0.1
    #: Detections below this confidence are dropped (0..1).
    min_confidence: float = 0.9
    #: Overlap (IoU) above which two detections are one face.
    nms_iou: float = 0.4
    #: Smallest usable distance between the eyes in pixels of the video.
    min_eye_distance_px: float = 24.0
    #: Largest usable turn: |nose offset from the eyes' midline| / eye distance (0 = frontal).
    max_turn: float = 0.45
    #: Smallest usable sharpness: variance of the Laplacian of the face at 96 px (grey 0-255).
    min_sharpness: float = 12.0
    #: Part of the face box that may lie outside the picture (0..1).
    max_cut_off: float = 0.15
    #: Standard deviation in seconds of the Gaussian that smooths the five points.
    smooth_s: float = 0.06


@dataclass(frozen=True)
class LandmarkSettings:
    """The 68 points."""

    #: Responses averaged per heat map (AFLFP: 25).
    top_k: int = 25
    #: Weigh them by their response (ours); False is AFLFP's plain mean.
    weighted: bool = True
    #: Average with the mirrored picture, so that left and right are treated alike.
    flip_average: bool = True
    #: Cut the crop anew from the points found and find them again; 1 trusts the detector's five points.
    passes: int = 2
    #: Seconds between two first passes over a face that moves evenly; 0 makes one for every frame.
    first_pass_every_s: float = 0.1
    #: Seconds between two frames whose points are looked for while a face keeps still; 0 looks at every frame.
    look_every_s: float = 0.085
    #: A frame whose heat-map peaks (0..1, mean of the 68) are lower shows no face that can be measured. Faces of real
    #: recordings reach 0.79 and more, profiles and false detections 0.61 at most (docs/benchmarks).
    min_peak: float = 0.68


@dataclass(frozen=True)
class KeyframeSettings:
    """Frames that differ (DEM, preprocessing)."""

    #: Keep a frame when its mean grey difference (0-255, 48x48) to the last kept one exceeds this. Ours; profile
    #: ``paper`` takes 3.0, at which a calm recording keeps too few frames to count co-occurrences.
    threshold: float = 1.5
    #: Upper bound of kept frames; beyond it those go that others resemble. With 64 a movement that a recording
    #: shows once is seen in three to five frames, too few to tell what misfires with it (docs/benchmarks).
    max_keyframes: int = 128
    #: A frame is passed over when the nose tip lies further from its median place between the eyes (eye distances);
    #: 0.1 is a turn of about 12 degrees. Ours: a turned half face looks like a moved one.
    max_head_turn: float = 0.1


@dataclass(frozen=True)
class ActionUnitSettings:
    """Intensities by the difference ensemble (DEM)."""

    #: Helper frames for each frame (the paper's choice is 2; 0 is the single-frame network alone).
    helpers: int = 2
    #: ``expectation`` over the classes or ``argmax`` (DEM leaves it open).
    decode: Literal["expectation", "argmax"] = "expectation"
    #: Refer each half to the patient's own resting keyframes.
    rest_reference: bool = True
    #: Average f(dF) and -f(-dF) (ours).
    antisymmetric: bool = True


@dataclass(frozen=True)
class SymptomSettings:
    """Weakness and synkinesis (DEM)."""

    #: An AU is active above this intensity (0..5).
    active_threshold: float = 0.5
    #: No side is named when the relative regional asymmetry is at most this (E19). It is 0.18 of the movement itself,
    #: which the weights read as 0.11 to 0.14 (docs/benchmarks); a lab's own healthy cohort says better.
    dead_zone_relative: float = 0.13
    #: ... or the absolute one is below this (intensity steps, E19).
    dead_zone_absolute: float = 0.25
    #: |D| above this flags a pair.
    synkinesis_threshold: float = 0.3
    #: Trigger frames that a cell needs.
    min_support: int = 5
    #: Mean intensity by which the flagged side must exceed the other (condition b).
    min_excess: float = 0.5
    #: Do not flag a pair whose trigger is itself stronger on the flagged side by more than that: the other side
    #: is weak.
    weakness_guard: bool = True
    #: Flag a cell only when the 95 % intervals of its two probabilities do not overlap.
    clear_intervals: bool = True
    #: Put each response down to as few triggers as explain it; ``False`` reports every cell beyond the threshold.
    explain_away: bool = True
    #: Compare the sides' shares of the full movement; ``False`` compares intensities, as published.
    compare_movement: bool = True
    #: Pass over keyframes that do not tell strength: a unit that misfires, lids on their way.
    informative_only: bool = True
    #: Test pairs with the extra channels 43 and 18 as well (clinical pairs).
    extra_channels: bool = True
    #: Eye region: AU6 with closure; ``False`` is the paper's AU5 + AU6 (E20).
    clinical_eye_region: bool = True
    #: Name no side inside the dead zone; ``False`` is the paper's sign test (E19).
    dead_zone: bool = True
    #: Co-occurrence in a lab's own healthy people, instead of the built-in prior; only ``--config`` sets it, from a
    #: file that `palsy calibrate healthy` wrote.
    norms: Norms = field(default_factory=Norms)


@dataclass(frozen=True)
class ClinicSettings:
    """Millimetres, movements and excursions (ours)."""

    #: Distance of the pupils in mm, as measured on the patient; 0 takes the scale from the irises.
    ipd_mm: float = 0.0
    #: Millimetres in a pixel of the video, in the plane of the face; 0 takes the scale from the irises.
    mm_per_px: float = 0.0
    #: A frame is left out when the nose tip is further from its resting place on the face (eye distances); 0.1 is a
    #: turn of about 12 degrees.
    max_head_turn: float = 0.1
    #: Nothing is measured on a face with fewer pixels between the eyes: there a pixel is 2 mm.
    min_unit_px: float = 32.0
    #: Draws of the keyframes for the 95 % intervals; 0 gives none.
    rounds: int = 200


@dataclass(frozen=True)
class ScaleSettings:
    """Clinical scales by rule (ours): where one item's value ends and the next begins."""

    #: An eye is closed when its fissure is at most this part of the open one ...
    closed_share: float = 0.10
    #: ... or at most this many millimetres ...
    closed_mm: float = 1.0
    #: ... or when the network reads the closure (AU43, 0..5) at least as this and no more than a third of it is open.
    closed_intensity: float = 4.1
    #: Neither side moved when the larger excursion is below this (eye distances; 0.016 is 1 mm).
    least_excursion: float = 0.016
    #: House-Brackmann VI: no region moves by this part of the stronger side.
    trace: float = 0.03
    #: House-Brackmann I: the mean over the regions is at least this part of the stronger side ...
    normal_mean: float = 0.88
    #: ... and none is below this.
    normal_least: float = 0.78
    #: Fissures at rest that differ by so many millimetres count (Sunnybrook, eye).
    fissure_mm: float = 1.0
    #: Mouth corners at rest that differ in height by so many millimetres count (Sunnybrook, mouth; FNGS 2.0, oral).
    corner_mm: float = 3.0
    #: A House-Brackmann grade is withheld when its 95 % interval is wider than this.
    widest_grades: float = 2.0
    #: Synkinesis is mild from this difference of the largest flagged pair on (0..1) ...
    synkinesis_mild: float = 0.3
    #: ... obvious from this ...
    synkinesis_obvious: float = 0.5
    #: ... and severe from this.
    synkinesis_severe: float = 0.75


@dataclass(frozen=True)
class GradeSettings:
    """Severity and House-Brackmann."""

    #: Keyframes of strongest movement that are graded.
    peak_frames: int = 8
    #: Average with the mirrored picture.
    flip_average: bool = True
    #: Divide each network's logits by the temperature found when it was validated (ours; the papers give none).
    calibrated: bool = True
    #: Let both networks speak for both grades: severity is a coarser House-Brackmann (ours).
    together: bool = True
    #: Let the measured asymmetry of movement speak beside the pictures (ours; for palsies of one side).
    with_movement: bool = True
    #: Asymmetry of the whole face (0..1) at which a grade above I and one of I are equally likely.
    movement_cut_1: float = 0.057
    #: The same between II and III.
    movement_cut_2: float = 0.13
    #: The same between III and IV.
    movement_cut_3: float = 0.354
    #: The same between IV and V.
    movement_cut_4: float = 0.749
    #: The same between V and VI.
    movement_cut_5: float = 0.938
    #: How gradually one grade gives way to the next: asymmetry that changes the odds by a factor of e.
    movement_spread: float = 0.022
    #: Share of faces (0..1) whose movement is measured so wrongly that it says nothing of the grade.
    movement_outliers: float = 0.05
    #: How far a found synkinesis is believed to rule grades I and II out (0..1): some of what is flagged is none.
    synkinesis_trust: float = 0.75
    #: A grading network whose own validation F1 per patient (0..1) is below this many times chance is not believed.
    min_times_chance: float = 1.5


@dataclass(frozen=True)
class Settings:
    """All that changes an answer."""

    profile: Profile = "clinical"
    seed: int = 0
    video: VideoSettings = field(default_factory=VideoSettings)
    face: FaceSettings = field(default_factory=FaceSettings)
    landmarks: LandmarkSettings = field(default_factory=LandmarkSettings)
    keyframes: KeyframeSettings = field(default_factory=KeyframeSettings)
    action_units: ActionUnitSettings = field(default_factory=ActionUnitSettings)
    symptoms: SymptomSettings = field(default_factory=SymptomSettings)
    grades: GradeSettings = field(default_factory=GradeSettings)
    clinic: ClinicSettings = field(default_factory=ClinicSettings)
    scales: ScaleSettings = field(default_factory=ScaleSettings)

    def fingerprint(self) -> str:
        """SHA-256 of all values, in hex."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Execution:
    """How a run is carried out; never part of the fingerprint."""

    device: str = "auto"
    models_dir: Path | None = None
    batch_size: int = 16


#: What profile ``paper`` changes: the published text taken literally.
PAPER_OVERRIDES: dict[str, object] = {
    "face.detect_every_s": 0.0,
    "landmarks.weighted": False,
    "landmarks.look_every_s": 0.0,
    "landmarks.passes": 1,
    "landmarks.min_peak": 0.0,
    "keyframes.threshold": 3.0,
    "keyframes.max_head_turn": 1e9,
    "action_units.rest_reference": False,
    "action_units.decode": "argmax",
    "action_units.antisymmetric": False,
    "symptoms.extra_channels": False,
    "symptoms.clinical_eye_region": False,
    "symptoms.dead_zone": False,
    "symptoms.weakness_guard": False,
    "symptoms.clear_intervals": False,
    "symptoms.explain_away": False,
    "symptoms.compare_movement": False,
    "symptoms.informative_only": False,
    "grades.calibrated": False,
    "grades.together": False,
    "grades.with_movement": False,
}

#: Whole numbers are seeds, sides and counts; NumPy's seeds, the largest, end here.
_LARGEST = 2**32 - 1
#: Limits: whoever uses norms may set them otherwise than those who measured the norms.
_LIMITS = {"dead_zone", "dead_zone_relative", "dead_zone_absolute", "synkinesis_threshold", "norms"}


def load_settings(
    *,
    profile: Profile | None = None,
    config_file: Path | None = None,
    overrides: Iterable[str] = (),
) -> Settings:
    """Merge profile, file and ``group.name=value`` overrides, later ones winning.

    Raises:
        ConfigError: unknown key (with the nearest known one), wrong type, unreadable file, norms of other settings.
    """
    tree = read_toml(config_file) if config_file is not None else {}
    norms = tree.pop("norms", None)
    from_file = flatten(tree)
    from_flags = dict(parse_override(item) for item in overrides)
    chosen = profile or from_flags.get("profile") or from_file.get("profile") or "clinical"
    values: dict[str, object] = {}
    if chosen == "paper":
        values |= PAPER_OVERRIDES
    values |= from_file
    values |= from_flags
    values["profile"] = chosen
    settings = apply_values(Settings(), values)
    return settings if norms is None else _with_norms(settings, norms, str(config_file))


def measured_with(settings: Settings) -> dict[str, object]:
    """Every setting, by its full name, on which norms depend: all but grades, limits, seed and the profile's name."""
    groups = ("face", "landmarks", "keyframes", "action_units", "symptoms")
    return {
        f"{group}.{name}": value
        for group in groups
        for name, value in dataclasses.asdict(getattr(settings, group)).items()
        if name not in _LIMITS
    }


def _with_norms(settings: Settings, table: Any, file: str) -> Settings:
    """The settings with the norms of a ``[norms]`` table, which must have been measured with the same settings."""
    anew = "write it again with `palsy calibrate healthy`"
    try:
        norms = Norms.of(table)
        before = flatten(dict(table["settings"]))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{file}: [norms] cannot be used ({error}); {anew}") from error
    for name, value in measured_with(settings).items():
        if name not in before or before[name] != value:
            told = f"with {before[name]!r}" if name in before else "by another version of palsy"
            raise ConfigError(f"{file}: {name} is {value!r}, but the norms were measured {told}; {anew}")
    return apply_values(settings, {"symptoms.norms": norms})


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file; raises ConfigError when it cannot be read."""
    try:
        return documents.read_toml(path)
    except documents.Unreadable as error:
        raise ConfigError(f"{path}: cannot be read as TOML ({error}); check the file named by --config") from error


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """``{"face": {"seed": 1}}`` becomes ``{"face.seed": 1}``."""
    flat: dict[str, object] = {}
    for key, value in tree.items():
        flat |= flatten(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat


def parse_override(text: str) -> tuple[str, object]:
    """``"keyframes.threshold=2.5"`` becomes ``("keyframes.threshold", 2.5)``; bare words stay strings."""
    key, equals, raw = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text!r}: write KEY=VALUE, for example keyframes.threshold=2.5")
    try:
        return key.strip(), documents.parse_json(raw)
    except documents.Unreadable:
        return key.strip(), raw.strip()


def setting_types() -> dict[str, Any]:
    """Every setting's full name and its type."""
    known: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(Settings).items():
        if dataclasses.is_dataclass(kind):
            known |= {f"{name}.{inner}": hint for inner, hint in typing.get_type_hints(kind).items()}
        else:
            known[name] = kind
    return known


def apply_values(settings: Settings, values: Mapping[str, object]) -> Settings:
    """Return ``settings`` with the named values replaced; raises ConfigError as ``load_settings`` does."""
    known = setting_types()
    for key, value in values.items():
        if key not in known:
            raise ConfigError(f"unknown setting {key!r}{did_you_mean(key, known)}")
        checked = check_type(key, value, known[key])
        group, dot, name = key.partition(".")
        if dot:
            inner = dataclasses.replace(getattr(settings, group), **{name: checked})
            settings = dataclasses.replace(settings, **{group: inner})
        else:
            settings = dataclasses.replace(settings, **{group: checked})
    return settings


def check_type(key: str, value: object, kind: Any) -> Any:
    """Return ``value`` in the setting's type; raises ConfigError when it does not fit."""
    if kind is Norms:
        return _check_norms(key, value)
    if typing.get_origin(kind) is Literal:
        if value in typing.get_args(kind):
            return value
        raise ConfigError(f"{key}: {value!r} is not one of {', '.join(map(str, typing.get_args(kind)))}")
    if kind is float and isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{key}: expected {kind.__name__}, got {value!r}")
    if kind in (int, float) and not (0 <= value < float("inf")):  # type: ignore[operator]
        raise ConfigError(f"{key}: {value!r} must be a finite number, zero or more")
    if kind is int and value > _LARGEST:  # type: ignore[operator]
        raise ConfigError(f"{key}: {value!r} must be at most {_LARGEST}")
    return value


def _check_norms(key: str, value: object) -> Norms:
    """Norms, or the plain values that a result states of its settings."""
    if isinstance(value, Norms):
        return value
    if not isinstance(value, dict):
        raise ConfigError(f"{key}: give --config a file that `palsy calibrate healthy` wrote")
    try:
        return Norms.of(value)
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from error
