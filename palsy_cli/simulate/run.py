"""``palsy simulate``: a patient of known truth from nobody (a drawn person), from a photo or from a recording."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from palsy_cli.config import Execution, Settings
from palsy_cli.errors import UsageError
from palsy_cli.files import atomic_write
from palsy_cli.records import SIDES, Clip, FloatArray, WeakSide
from palsy_cli.simulate.clips import DrawnRenderer, Renderer, simulate_clip
from palsy_cli.simulate.held import HeldFace, held_truth, hold_frames, steady_points
from palsy_cli.simulate.palsy import (
    BRANCHES,
    HB_WEAKNESS,
    SYNKINESIS_PAIRS,
    SYNKINESIS_WEAKNESS_LIMIT,
    Lesion,
    house_brackmann_preset,
    zonal_preset,
)
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.photo_renderer import PhotoRenderer
from palsy_cli.simulate.script import OFFSET_S, ONSET_S, PROTOCOL, Script, write_script
from palsy_cli.stages.video import iter_frames, read_clip, write_video

VIDEO, TRUTH = "patient.mp4", "truth.json"
#: Movements are shown at most this much faster than they are.
MAX_TEMPO = 2.0
#: What a short clip shows, the most telling first.
SHORT_ORDER: tuple[str, ...] = (
    *("brow_raise", "gentle_eye_closure", "open_smile", "snarl", "lip_pucker"),
    *("tight_eye_closure", "cheek_puff", "lower_teeth_EEE"),
)
_HOLD_S, _REST_S = 1.0, 0.5

logger = logging.getLogger(__name__)


def simulate_patient(
    out: Path,
    *,
    source: Path | None = None,
    side: WeakSide = "left",
    grade: int = 4,
    branch: str | None = None,
    synkinesis: float = 0.0,
    seed: int = 0,
    fps: float = 25.0,
    seconds: float | None = None,
    settings: Settings,
    execution: Execution,
) -> Path:
    """Write ``patient.mp4`` and, beside it, ``truth.json``; both appear whole or not at all.

    Args:
        out: folder, made when absent; a patient already in it is replaced.
        source: whose face. ``None``: a person drawn from the seed, doing the clinical protocol. A photo: its person
            doing the protocol. A video: its person doing what they do, one half following only a part of its motion;
            the muscles' activity then stays unknown.
        side: the patient's weak side; ``none`` is a healthy control.
        grade: House-Brackmann grade 1..6 of the weakness.
        branch: the only branch of the nerve that is weak (one of ``palsy.BRANCHES``); all of them by default.
        synkinesis: gain 0..1 of every pair of ``palsy.SYNKINESIS_PAIRS`` (0.1 mild, 0.3 moderate, 0.6 severe), in a
            video of ``held.MISFIRES``; the face is then a chronic one. Ignored with a warning at grades V and VI: a
            nerve that weak cannot misfire.
        seed: draws the person, the healthy asymmetry, the efforts and the sway of the head.
        fps: frames per second; a video keeps its own.
        seconds: length of the clip, see ``script_of_length``; of a video, its beginning. The whole by default.
        settings: for finding face and points in a photo or video.
        execution: device and models, likewise.

    Returns:
        The path of the video.

    Raises:
        UsageError: a value out of range, a combination that makes no sense, or ``out`` cannot be written.
        VideoError: the source cannot be read.
        NoFaceError: no usable face in the source.
        ModelError: the networks that find the face are missing.
    """
    _check(side=side, grade=grade, branch=branch, synkinesis=synkinesis, fps=fps, seconds=seconds)
    clip = None if source is None else read_clip(source, limits=settings.video)
    if clip is not None and clip.kind == "folder":
        raise UsageError(f"{source}: is a folder; name one photo or one video")
    lesion = lesion_of(side, grade=grade, branch=branch, synkinesis=synkinesis)
    if clip is not None and clip.kind == "video":
        points = find_points(clip, settings, execution)
        with _placed(Path(out), private=True) as folder:
            truth = hold_clip(clip, points, folder / VIDEO, lesion=lesion, seconds=seconds)
            _write_truth(truth, clip, folder)
        return Path(out) / VIDEO
    renderer: Renderer = DrawnRenderer(Person.from_seed(seed))
    if clip is not None:
        renderer = photo_renderer(clip, find_points(clip, settings, execution), seed=seed)
    script = script_of_length(seconds, rng=np.random.default_rng([seed, 3]))
    with _placed(Path(out), private=clip is not None) as folder:
        made = simulate_clip(folder / VIDEO, renderer=renderer, lesion=lesion, script=script, fps=fps, seed=seed)
        _write_truth(made.to_dict(), clip, folder)
    return Path(out) / VIDEO


def lesion_of(side: WeakSide, *, grade: int, branch: str | None = None, synkinesis: float = 0.0) -> Lesion:
    """The lesion of a House-Brackmann grade 1..6, with one synkinesis gain 0..1 for all pairs; healthy without side.

    With a ``branch``, that branch alone is as weak as at this grade.

    Synkinesis belongs to a late palsy, so the face is chronic then; at grades V and VI it is left out (see
    ``simulate_patient``).
    """
    if side == "none" or grade == 1:
        return Lesion()
    weakness = HB_WEAKNESS[grade - 1]
    lesion = zonal_preset(branch, side, weakness=weakness) if branch else house_brackmann_preset(grade, side)
    if synkinesis > 0 and HB_WEAKNESS[grade - 1] >= SYNKINESIS_WEAKNESS_LIMIT:
        logger.warning("synkinesis left out: a nerve as weak as at grade %d cannot misfire; use grade 2 to 4", grade)
    elif synkinesis > 0:
        gains = dict.fromkeys(SYNKINESIS_PAIRS, synkinesis)
        lesion = Lesion(side=side, weakness=lesion.weakness, synkinesis=gains, chronic=True)
    return lesion


def script_of_length(seconds: float | None, *, rng: np.random.Generator | None = None) -> Script:
    """The protocol in a clip of a given length.

    The whole protocol takes 22.1 s. A shorter clip shows it faster, up to ``MAX_TEMPO``; one shorter still shows as
    many movements as fit, in the order of ``SHORT_ORDER``, at least one. A longer clip repeats the protocol as often as
    it fits and stretches holds and rests.

    Args:
        seconds: length, at least 1; ``None`` for the protocol as it is.
        rng: varies the efforts, as in ``script.write_script``.
    """
    if seconds is None:
        return write_script(rng=rng)
    whole = _length(len(PROTOCOL))
    if MAX_TEMPO * seconds >= whole:
        tasks = PROTOCOL * max(1, int(seconds // whole))
    else:
        one = _length(2) - _length(1)
        tasks = SHORT_ORDER[: max(1, int((MAX_TEMPO * seconds - _REST_S) / one + 1e-9))]
    tempo = float(np.clip(_length(len(tasks)) / seconds, 1.0, MAX_TEMPO))
    moving = len(tasks) * (ONSET_S + OFFSET_S)
    stretch = (seconds * tempo - moving) / (_length(len(tasks)) - moving)
    return write_script(tasks, hold_s=stretch * _HOLD_S, rest_s=stretch * _REST_S, tempo=tempo, rng=rng)


def _length(tasks: int) -> float:
    """Seconds of a script of so many movements at its own pace."""
    return tasks * (_REST_S + ONSET_S + _HOLD_S + OFFSET_S) + _REST_S


def find_points(clip: Clip, settings: Settings, execution: Execution) -> FloatArray:
    """The 68 points (N, 68, 2) in each frame, by the product's own networks; NaN where the face is not usable.

    Raises:
        NoFaceError: no usable face.
        ModelError: a network is missing.
    """
    # A drawn person needs no network: PyTorch is loaded here only.
    from palsy_cli.networks.weights import ModelSet
    from palsy_cli.stages.detection import choose_detector
    from palsy_cli.stages.face import require_face, track_patient
    from palsy_cli.stages.landmarks import fit_landmarks, without_points

    models = ModelSet.of(execution)
    track = track_patient(clip, choose_detector(models, settings.face), settings.face, batch_size=execution.batch_size)
    require_face(track, clip.path)
    fcn: Any = models.get("landmark_fcn").module
    landmarks = fit_landmarks(clip, track, fcn, settings.landmarks, batch_size=execution.batch_size)
    require_face(without_points(track, landmarks), clip.path)
    found = landmarks.points
    return steady_points(found, track.times_s) if clip.kind == "video" else found


def photo_renderer(clip: Clip, points: FloatArray, *, seed: int = 0) -> PhotoRenderer:
    """Renderer of the person in a photo whose points (1, 68, 2) are known."""
    with closing(iter_frames(clip)) as frames:
        return PhotoRenderer.of(next(frames).image, points[0], seed=seed)


def hold_clip(
    clip: Clip, points: FloatArray, path: Path, *, lesion: Lesion, seconds: float | None = None
) -> dict[str, Any]:
    """Write a recording with one half held back.

    Args:
        clip: the recording; frames of uneven pace are written at its average rate.
        points: (N, 68, 2) pixels, NaN where the face is not seen.
        path: the mp4 to write.
        lesion: without a side, the recording goes through the same steps unchanged.
        seconds: how much of the beginning; all by default.

    Returns:
        Its truth.
    """
    fps = clip.fps or 25.0
    face = HeldFace.of(points, lesion)
    held: list[FloatArray] = []

    def images() -> Iterator[Any]:
        limit = None if seconds is None else max(1, round(seconds * fps))
        for image, moved in hold_frames(clip, points, face, frames=limit):
            held.append(moved)
            yield image

    write_video(images(), path, fps=fps)
    return held_truth(face, np.stack(held), fps=fps)


def _check(
    *, side: WeakSide, grade: int, branch: str | None, synkinesis: float, fps: float, seconds: float | None
) -> None:
    """Raise UsageError for a value out of range."""
    if side not in (*SIDES, "none"):
        raise UsageError(f"side {side!r}: use left, right or none")
    if not 1 <= grade <= 6:
        raise UsageError(f"grade {grade}: House-Brackmann grades run from 1 to 6")
    if branch is not None and branch not in BRANCHES:
        raise UsageError(f"branch {branch!r}: the facial nerve's are {', '.join(BRANCHES)}")
    if not 0.0 <= synkinesis <= 1.0:
        raise UsageError(f"synkinesis {synkinesis}: use a number from 0 (none) to 1; 0.6 is severe")
    if synkinesis > 0 and (side == "none" or grade == 1):
        raise UsageError("synkinesis needs a palsy: use a side and a grade of 2 to 4")
    if not 0 < fps <= 240:
        raise UsageError(f"{fps} frames per second: use a rate above 0, at most 240")
    if seconds is not None and not 1.0 <= seconds <= 3600.0:
        raise UsageError(f"{seconds} seconds: use a length from 1 to 3600 seconds")


def _write_truth(truth: dict[str, Any], clip: Clip | None, folder: Path) -> None:
    """Write ``truth.json`` with where the face came from (never its path: names of files may name people)."""
    kind = "drawn" if clip is None else {"image": "photo"}.get(clip.kind, clip.kind)
    whole = {**truth, "source": {"kind": kind, "sha256": None if clip is None else clip.sha256}}
    text = json.dumps(whole, separators=(",", ":"), allow_nan=False) + "\n"
    atomic_write(folder / TRUTH, text, private=clip is not None)


@contextmanager
def _placed(out: Path, *, private: bool) -> Iterator[Path]:
    """A new folder inside ``out`` whose two files move to ``out`` when all went well; nothing stays otherwise.

    Args:
        out: where the files belong; made when absent, and taken away again when nothing came of it.
        private: readable by the owner only, since a real person may be seen.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    folder: Path | None = None
    done = False
    try:
        out.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=out, prefix=".simulate."))
        yield folder
        (folder / VIDEO).chmod(0o600 if private else 0o644)
        for name in (TRUTH, VIDEO):
            os.replace(folder / name, out / name)
        done = True
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{out}: cannot be written ({reason}); choose another folder by -o") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        for empty in made if not done else []:
            if empty.is_dir() and not any(empty.iterdir()):
                empty.rmdir()
