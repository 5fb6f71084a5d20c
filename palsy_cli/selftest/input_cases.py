"""Reading a recording and finding the face in it: ``video``, ``detection`` and ``face``."""

from __future__ import annotations

import dataclasses
import struct
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import numpy as np

from palsy_cli.decoder.reading import apply_display_matrix
from palsy_cli.errors import VideoError
from palsy_cli.networks.retinaface import RetinaFace
from palsy_cli.records import ByteImage, Clip, FaceTrack
from palsy_cli.selftest.checks import Check
from palsy_cli.selftest.golden import Facts, golden_settings
from palsy_cli.selftest.stand_ins import OneFace, ScriptedDetector, filmed, noise, sighting, together
from palsy_cli.stages.cooccurrence import BoolArray
from palsy_cli.stages.detection import Detections, OwnDetector, merge_views
from palsy_cli.stages.face import track_patient
from palsy_cli.stages.sightings import measure_sharpness
from palsy_cli.stages.video import iter_frames, read_clip, write_video

#: One flat colour a frame, and the column that is black in all of them.
COLOURS = ((10, 20, 30), (200, 100, 50), (0, 255, 0), (250, 250, 5), (128, 128, 128))
COLUMN = 5
FPS = 12.5


def frames_as_filmed() -> Facts:
    """Colours, times, size and rate of a lossless recording; a mirrored one is turned back."""
    with filmed(_flat_pictures(), fps=FPS) as clip:
        frames = list(iter_frames(clip))
        mirrored = _first(read_clip(clip.path, mirrored=True))
    return {
        "fps": clip.fps,
        "size": [clip.width, clip.height],
        "times_s": [frame.time_s for frame in frames],
        "colours": [frame.image[20, 30] for frame in frames],
        "black_column": int(frames[0].image[20].sum(1).argmin()),
        "black_column_mirrored": int(mirrored[20].sum(1).argmin()),
    }


def camera_recordings() -> Facts:
    """An H.264 file as cameras write it: odd sides are lengthened, colours stay, a display matrix turns it upright."""
    with tempfile.TemporaryDirectory(prefix="palsy-selftest-") as folder:
        path = Path(folder) / "camera.mp4"
        write_video([image[:31, :47] for image in _flat_pictures()], path, fps=FPS)
        clip = read_clip(path)
        off = [np.abs(f.image[20, 30].astype(int) - c).max() for f, c in zip(iter_frames(clip), COLOURS, strict=True)]
        _write_display_matrix(path)
        turned = read_clip(path)
        column = _first(turned)[:, 20].sum(1)
    return {
        "size": [clip.width, clip.height],
        "colour_off_by": max(off),
        "size_turned": [turned.width, turned.height],
        "black_row_turned": int(column.argmin()),
    }


def display_matrices() -> Facts:
    """A picture of six pixels under the display matrices of telephones."""
    image = np.repeat(np.arange(1, 7, dtype=np.uint8).reshape(2, 3, 1), 3, axis=2)
    matrices = {"quarter_left": (0, -1, 1, 0), "half": (-1, 0, 0, -1), "mirrored": (-1, 0, 0, 1)}
    return {
        name: apply_display_matrix(image, [a, b, 0, c, d, 0, 0, 0, 1])[..., 0]
        for name, (a, b, c, d) in matrices.items()
    }


def refused_inputs() -> Facts:
    """What must not be read: a picture of seven pixels, a list of other files; eight pixels are enough."""
    with tempfile.TemporaryDirectory(prefix="palsy-selftest-") as folder:
        found = {}
        for side in (7, 8):
            path = Path(folder) / f"{side}.mkv"
            write_video([np.zeros((side, 16, 3), np.uint8)], path, fps=FPS, lossless=True)
            found[f"{side}_pixels"] = _reading(path)
        playlist = Path(folder) / "list.mp4"
        playlist.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{Path(folder) / '8.mkv'}\n#EXT-X-ENDLIST\n")
        found["playlist"] = _reading(playlist)
    return found


def joined_views() -> Facts:
    """A picture and its mirror image: what both show is averaged, what one shows loses half its score."""
    first = together(sighting(50, 50, 100, score=0.9), sighting(300, 50, 100, score=0.8), sighting(600, 50, 100))
    second = together(sighting(82, 50, 100, score=0.7), sighting(335, 50, 100, score=0.6))
    joined = merge_views(first, second, min_confidence=0.3)
    return {"boxes_from": joined.boxes[:, 0], "scores": joined.scores}


def one_anchor() -> Facts:
    """A single sure anchor becomes a face in pixels of the picture; what the network is shown."""
    network = OneFace({1778: 0.95})
    settings = golden_settings().face
    picture = np.full((90, 200, 3), 255, np.uint8)
    found = OwnDetector(cast("Any", network), settings).detect([picture])[0]
    prepared = RetinaFace(width=0.0625, out_channels=16).preprocess(network.seen[0].permute(0, 2, 3, 1))
    return {
        "network_sees": list(network.seen[0].shape),
        "white_becomes": prepared[0, :, 0, 0].numpy(),
        "box": found.boxes,
        "score": found.scores,
    }


def many_anchors() -> Facts:
    """Of anchors that all are sure, only the best enter, and overlapping ones are one face."""
    network = OneFace({anchor: 0.99 - anchor * 1e-5 for anchor in range(0, 1600)})
    found = OwnDetector(cast("Any", network), golden_settings().face).detect([np.zeros((160, 320, 3), np.uint8)])[0]
    return {"faces": len(found)}


def usable_frames() -> Facts:
    """Why a frame is not used, each limit just kept and just crossed."""
    seen = [
        together(sighting(80, 80, 80)),
        together(),
        together(sighting(80, 80, 80, eyes=24.5 / 80)),
        together(sighting(80, 80, 80, eyes=23.5 / 80)),
        together(sighting(28.5, 80, 80)),
        together(sighting(26, 80, 80)),
        together(sighting(80, 80, 80, turn=0.44)),
        together(sighting(80, 80, 80, turn=0.46)),
        together(sighting(80, 80, 80)),
    ]
    images = noise(160, len(seen) - 1) + [np.full((160, 160, 3), 90, np.uint8)]
    track = _follow(seen, images=images, fps=2.0)
    return {"reasons": list(track.reasons), "confidence": track.confidence[:2]}


def whose_face() -> Facts:
    """A face is followed over gaps and jumps of limited size; lasting faces beside it are counted."""
    here, still = sighting(60, 80, 40), [together(sighting(60, 80, 40))] * 8
    gone = [together()] * 14
    others = {"brief": 1, "lasting": 6}
    jumps = {"near": (115, 40), "far": (125, 40), "larger": (60, 66), "too_large": (60, 72)}
    return {
        "other_faces": {
            name: _follow([together(here, sighting(120, 80, 30))] * n + still * 2, fps=20).other_faces
            for name, n in others.items()
        },
        "frames_after_a_gap": {
            name: int(_seen(_follow(still + gone + [together(sighting(x, 80, size))] * 4, fps=10))[len(still) :].sum())
            for name, (x, size) in jumps.items()
        },
        "two_in_one_place": _follow([together(here, sighting(62, 80, 30, score=0.5))] * 8, fps=10).other_faces,
    }


def smoothed_points() -> Facts:
    """The five points over time: neighbours count by a Gaussian, a jerk of more than half a face does not."""
    places = [60.0, 60.0, 66.0, 60.0, 60.0, 100.0, 100.0]
    track = _follow([together(sighting(x, 80, 60)) for x in places], fps=20)
    return {"nose_x": track.points[:, 2, 0]}


def looks() -> Facts:
    """Every third frame of a face that moves or grows a little is looked at, and all between when it does so more."""
    places = {"near": (65.9, 80, 40), "far": (66.1, 80, 40), "larger": (60, 80, 43.9), "too_large": (60, 80, 44.1)}
    return {
        "frames": {name: _looks(*place)[1] for name, place in places.items()},
        "box_left": _looks(*places["near"])[0].boxes[:4, 0],
    }


def sharpness() -> Facts:
    """The measure of sharpness on a chessboard and on a grey wall."""
    board = np.kron(np.indices((24, 24)).sum(0) % 2, np.ones((4, 4))) * 100
    image = np.repeat(board.astype(np.uint8)[..., None], 3, axis=2)
    whole = np.array([0.0, 0.0, 95.0, 95.0])
    return {"chessboard": measure_sharpness(image, whole), "wall": measure_sharpness(image * 0, whole)}


def checks() -> list[Check]:
    """All cases of this file."""
    cases = {
        "video": (frames_as_filmed, camera_recordings, display_matrices, refused_inputs),
        "detection": (joined_views, one_anchor, many_anchors),
        "sightings": (looks, sharpness),
        "face": (usable_frames, whose_face, smoothed_points),
    }
    return [Check(stage, case.__name__, case) for stage, listed in cases.items() for case in listed]


def _flat_pictures() -> list[ByteImage]:
    """(32, 48, 3) each."""
    images = np.broadcast_to(np.array(COLOURS, np.uint8)[:, None, None], (len(COLOURS), 32, 48, 3)).copy()
    images[:, :, COLUMN] = 0
    return list(images)


def _first(clip: Clip) -> ByteImage:
    with closing(iter_frames(clip)) as frames:
        return next(frames).image


def _write_display_matrix(path: Path) -> None:
    """Turn an mp4 by a quarter, as a telephone held upright does: nine numbers in its track header."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    one = 1 << 16
    data[start : start + 36] = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)


def _reading(path: Path) -> str:
    """Say "read", or the kind of the refusal."""
    try:
        read_clip(path)
    except VideoError as error:
        return type(error).__name__
    return "read"


def _seen(track: FaceTrack) -> BoolArray:
    """(N,) whether the patient's face was found, usable or not."""
    return np.asarray(np.isfinite(track.boxes).all(1))


def _follow(seen: Sequence[Detections], *, fps: float, images: Sequence[ByteImage] | None = None) -> FaceTrack:
    """The patient's track when these faces are seen, frame by frame, in pictures of 160 x 160 pixels."""
    settings = dataclasses.replace(golden_settings().face, detect_every_s=0.0)
    with filmed(images or noise(160, len(seen)), fps=fps) as clip:
        return track_patient(clip, ScriptedDetector(seen), settings)


def _looks(*place: float) -> tuple[FaceTrack, int]:
    """The track of a face that goes to a place and size within three frames of nine, and how many were looked at."""
    detector = ScriptedDetector([together(sighting(60, 80, 40)), *[together(sighting(*place))] * 8])
    with filmed(noise(160, 9), fps=30) as clip:
        return track_patient(clip, detector, golden_settings().face), detector.asked
