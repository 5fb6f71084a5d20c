"""What the stages find in a face, from the clip to the grades.

Sides are the patient's. Points are ``(x, y)`` pixels, x right, y down, pixel centres at integers. Images are RGB uint8.
The 68 points follow the iBUG order, counted from 0: 17-21 and 36-41 are the patient's right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from palsy_cli.config import VideoSettings

Side = Literal["left", "right"]
WeakSide = Literal["left", "right", "none"]
#: 95 %, from its lower to its upper end.
Interval = tuple[float, float]
FloatArray = npt.NDArray[np.floating[Any]]
ByteImage = npt.NDArray[np.uint8]

SIDES: tuple[Side, Side] = ("left", "right")

#: The twelve action units, in the order used everywhere, then the two extra channels.
CORE_AUS: tuple[int, ...] = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
EXTRA_AUS: tuple[int, ...] = (43, 18)
ALL_AUS: tuple[int, ...] = CORE_AUS + EXTRA_AUS

SEVERITY_LABELS: tuple[str, ...] = ("normal", "low", "medium", "high")
#: Severity -> House-Brackmann grades (ALGRNet's FPara; its printed bins leave grades out, E11).
SEVERITY_GRADES: dict[str, tuple[int, ...]] = dict(zip(SEVERITY_LABELS, ((1,), (2,), (3, 4), (5, 6)), strict=True))

#: Reason codes for a frame that is not used; the empty string means that it is.
FRAME_REASONS: tuple[str, ...] = ("no_face", "too_small", "turned_away", "blurred", "cut_off", "no_landmarks")


def require_shape(name: str, array: np.ndarray[Any, Any], expected: tuple[int | None, ...]) -> None:
    """Raise ``ValueError`` unless ``array`` has the expected shape (``None`` matches any length)."""
    fits = array.ndim == len(expected) and all(
        want is None or want == have for want, have in zip(expected, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {expected}, got {array.shape}")


@dataclass(frozen=True)
class Frame:
    """One decoded frame: ``image`` (H, W, 3) RGB uint8, upright and unmirrored."""

    index: int
    time_s: float
    image: ByteImage


@dataclass(frozen=True)
class Clip:
    """A readable source of frames; the pixels stay on disk (``stages.video.iter_frames`` streams them).

    ``width`` and ``height`` are those of the upright picture, rotation metadata applied. ``fps`` is the average rate,
    ``None`` for images. ``mirrored`` says that the recording was mirrored; frames are delivered unmirrored. ``limits``
    say what decoding its frames may cost.
    """

    path: Path
    sha256: str
    fps: float | None
    width: int
    height: int
    mirrored: bool = False
    kind: Literal["video", "image", "folder"] = "video"
    limits: VideoSettings = field(default_factory=VideoSettings)


@dataclass(frozen=True)
class FaceTrack:
    """The patient's face in each of the N decoded frames.

    Attributes:
        times_s: (N,) seconds.
        boxes: (N, 4) ``x1, y1, x2, y2``; NaN where no face was found.
        points: (N, 5, 2) patient's right eye, left eye, nose tip, right and left mouth corner, smoothed over time.
        confidence: (N,) 0..1, 0 where no face was found.
        reasons: N codes of ``FRAME_REASONS`` or "" for a usable frame.
        other_faces: largest number of further persistent faces beside the patient's.
    """

    times_s: FloatArray
    boxes: FloatArray
    points: FloatArray
    confidence: FloatArray
    reasons: tuple[str, ...]
    other_faces: int

    def __post_init__(self) -> None:
        n = len(self.times_s)
        require_shape("FaceTrack.boxes", self.boxes, (n, 4))
        require_shape("FaceTrack.points", self.points, (n, 5, 2))
        require_shape("FaceTrack.confidence", self.confidence, (n,))
        if len(self.reasons) != n:
            raise ValueError(f"FaceTrack.reasons: expected {n} codes, got {len(self.reasons)}")

    @property
    def usable(self) -> npt.NDArray[np.bool_]:
        """(N,) True where the frame may be measured."""
        return np.array([reason == "" for reason in self.reasons], bool)


@dataclass(frozen=True)
class Landmarks:
    """The 68 points of the N decoded frames: ``points`` (N, 68, 2), NaN where absent; ``confidence`` (N,) 0..1."""

    points: FloatArray
    confidence: FloatArray

    def __post_init__(self) -> None:
        require_shape("Landmarks.points", self.points, (None, 68, 2))
        require_shape("Landmarks.confidence", self.confidence, (len(self.points),))


@dataclass(frozen=True)
class Keyframes:
    """The K frames that differ from each other.

    Attributes:
        frames: (K,) decoded frame numbers.
        times_s: (K,) seconds.
        confidence: (K,) 0..1 of the face in that frame.
        aligned: (K, 512, 512, 3) RGB uint8, three-point affine alignment, grey bars.
        faces: (K, S, S, 3) RGB uint8, upright square crops by similarity transform (no shear).
        face_points: (K, 68, 2) landmarks in pixels of ``faces``.
    """

    frames: npt.NDArray[np.int64]
    times_s: FloatArray
    confidence: FloatArray
    aligned: ByteImage
    faces: ByteImage
    face_points: FloatArray

    def __post_init__(self) -> None:
        k = len(self.frames)
        require_shape("Keyframes.times_s", self.times_s, (k,))
        require_shape("Keyframes.confidence", self.confidence, (k,))
        require_shape("Keyframes.aligned", self.aligned, (k, 512, 512, 3))
        require_shape("Keyframes.faces", self.faces, (k, None, None, 3))
        require_shape("Keyframes.face_points", self.face_points, (k, 68, 2))


@dataclass(frozen=True)
class HalfFaces:
    """Both halves of K aligned faces, (K, 512, 256, 3) RGB uint8 each, the midline at column 0 in both."""

    left: ByteImage
    right: ByteImage

    def __post_init__(self) -> None:
        require_shape("HalfFaces.left", self.left, (None, 512, 256, 3))
        require_shape("HalfFaces.right", self.right, self.left.shape)


@dataclass(frozen=True)
class ActionUnits:
    """AU intensities 0..5 of both halves in K keyframes.

    Attributes:
        aus: the channels, ``CORE_AUS`` first.
        left, right: (K, len(aus)).
        rest: positions (within the K keyframes) of the patient's resting frames; empty in profile ``paper``.
    """

    aus: tuple[int, ...]
    left: FloatArray
    right: FloatArray
    rest: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        require_shape("ActionUnits.left", self.left, (None, len(self.aus)))
        require_shape("ActionUnits.right", self.right, self.left.shape)

    def channel(self, au: int) -> int:
        """Column of an action unit."""
        return self.aus.index(au)

    def stronger_side(self, au: int) -> FloatArray:
        """(K,) an action unit on the side that shows more of it; that of the other where one is not known."""
        column = self.channel(au)
        return np.asarray(np.fmax(self.left[:, column], self.right[:, column]))


@dataclass(frozen=True)
class AuAsymmetry:
    """Active means of one AU (DEM, eqs. 4-5); ``None`` where the AU was never active on either side.

    ``movement_left`` and ``movement_right`` are means of the share of the full movement, 0..1; 0 where never active.
    A unit that only ever misfires (synkinesis) is not ``counted`` in any region. ``delta_interval`` is that of
    ``delta_am`` when keyframes are drawn anew.
    """

    au: int
    am_left: float | None
    am_right: float | None
    delta_am: float | None
    active_keyframes: int
    movement_left: float = 0.0
    movement_right: float = 0.0
    counted: bool = True
    delta_interval: Interval | None = None


@dataclass(frozen=True)
class RegionAsymmetry:
    """Regional sum of delta AM (DEM, eq. 6).

    ``weak_side`` and ``delta_am`` are ``None`` with a reason when not assessed. ``relative`` is |sum of left - right|
    / sum of the stronger side's, 0..1, of the share of the full movement (profile ``paper``: of the intensity).
    ``delta_interval`` is that of ``delta_am`` when keyframes are drawn anew, ``agreement`` (0..1) the share of such
    draws that name the same weak side.
    """

    region: str
    delta_am: float | None
    relative: float | None
    weak_side: WeakSide | None
    aus: tuple[int, ...]
    reason: str | None = None
    delta_interval: Interval | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class SynkinesisPair:
    """One flagged cell: on ``side``, ``response_au`` moves when ``trigger_au`` does and should not.

    ``difference`` is P(response on ``side``) - P(response on the other side), given the trigger on ``trigger_side``;
    always positive. ``support`` counts the trigger's keyframes. ``interval_response`` and ``interval_reference`` are
    Wilson 95 % intervals of the two conditional probabilities. ``agreement`` (0..1) is the share of draws of keyframes
    in which the same pair is flagged.
    """

    side: Side
    response_au: int
    trigger_au: int
    difference: float
    support: int
    interval_response: Interval
    interval_reference: Interval
    trigger_side: Side
    agreement: float | None = None


@dataclass(frozen=True)
class Cooccurrence:
    """P(row active | column active) for the four side combinations, (A, A) each; NaN below the support minimum.

    ``left_given_right[i, j]`` = P(AU i active on the left | AU j active on the right).
    """

    aus: tuple[int, ...]
    left_given_left: FloatArray
    left_given_right: FloatArray
    right_given_left: FloatArray
    right_given_right: FloatArray
    difference_left: FloatArray
    difference_right: FloatArray
    support_left: npt.NDArray[np.int64]
    support_right: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Symptoms:
    """Weakness and synkinesis, with what they rest on. ``None`` beside a reason means not assessed.

    ``delta_am``, ``relative``, ``delta_interval`` and ``agreement`` are a region's (see ``RegionAsymmetry``), of the
    whole face.
    """

    active_threshold: float
    action_units: tuple[AuAsymmetry, ...]
    regions: tuple[RegionAsymmetry, ...]
    weak_side: WeakSide | None
    weak_side_reason: str | None
    delta_am: float | None
    relative: float | None
    synkinesis_threshold: float
    synkinesis_present: bool | None
    synkinesis_reason: str | None
    pairs: tuple[SynkinesisPair, ...]
    cooccurrence: Cooccurrence
    delta_interval: Interval | None = None
    agreement: float | None = None


@dataclass(frozen=True)
class Grades:
    """Severity (4 probabilities, ``SEVERITY_LABELS``) and House-Brackmann (6); ``None`` beside a reason.

    ``severity_of_pictures`` and ``house_brackmann_of_pictures`` are what the networks alone say,
    ``house_brackmann_of_movement`` what the measured movement alone says; ``None`` where that had no voice.
    """

    severity: tuple[float, ...] | None
    house_brackmann: tuple[float, ...] | None
    severity_reason: str | None = None
    house_brackmann_reason: str | None = None
    frames: tuple[int, ...] = ()
    severity_of_pictures: tuple[float, ...] | None = None
    house_brackmann_of_pictures: tuple[float, ...] | None = None
    house_brackmann_of_movement: tuple[float, ...] | None = None

    @property
    def severity_label(self) -> str | None:
        """The most probable severity."""
        return None if self.severity is None else SEVERITY_LABELS[int(np.argmax(self.severity))]

    @property
    def house_brackmann_grade(self) -> int | None:
        """The most probable House-Brackmann grade, 1..6."""
        return None if self.house_brackmann is None else int(np.argmax(self.house_brackmann)) + 1

    @property
    def house_brackmann_expected(self) -> float | None:
        """The expectation of the grade, 1..6: a continuous severity (ours; CEN names the likeliest)."""
        if self.house_brackmann is None:
            return None
        return float(np.dot(self.house_brackmann, np.arange(1, 7)))
