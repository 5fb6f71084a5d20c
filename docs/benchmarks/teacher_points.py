"""Ask MediaPipe Face Landmarker for the 68 points of every frame of every video of $PALSY_DATA.

    python docs/benchmarks/teacher_points.py OUT

Run it in an environment of its own (`pip install mediapipe`): MediaPipe brings another build of OpenCV, and two builds
overwrite each other. OUT/<video>.npz holds `points` (N, 68, 2) in pixels of the upright frame, NaN without a face.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision


def main(out: Path, data: Path) -> None:
    """Write one archive per video."""
    out.mkdir(parents=True, exist_ok=True)
    chosen = np.load(data / "rig" / "au_rig.npz")["mp68"]
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(data / "teacher" / "face_landmarker.task")),
        num_faces=4,
        min_face_detection_confidence=0.4,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for path in sorted((data / "videos").glob("*.m*")):
            frames = [largest_face(landmarker, frame, chosen) for frame in read_frames(path)]
            np.savez(out / f"{path.stem}.npz", points=np.stack(frames))
            sys.stdout.write(f"{path.name}: {len(frames)} frames\n")


def read_frames(path: Path) -> Iterator[np.ndarray]:
    """RGB frames of a video."""
    capture = cv2.VideoCapture(str(path))
    while True:
        there, frame = capture.read()
        if not there:
            return
        yield np.ascontiguousarray(frame[..., ::-1])


def largest_face(landmarker: vision.FaceLandmarker, frame: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """The 68 points of the face that covers most of the picture."""
    found = landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame))
    size = np.array(frame.shape[1::-1])
    faces = [np.array([[p.x, p.y] for p in face])[chosen] * size for face in found.face_landmarks]
    if not faces:
        return np.full((68, 2), np.nan)
    return max(faces, key=lambda face: np.prod(np.ptp(face, axis=0)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(os.environ["PALSY_DATA"]))
