"""Mark the photos of a folder with MediaPipe Face Landmarker: writes its `index.csv` and `landmarks.npz`.

    python docs/how-to/mark_photos.py PHOTOS face_landmarker.task

Run it in an environment of its own (`pip install mediapipe`): MediaPipe brings another build of OpenCV, and two builds
overwrite each other. A photo without a face, or with several, stays in the folder but is left out of both files.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import mediapipe
import numpy as np
import numpy.typing as npt
from mediapipe.tasks.python import BaseOptions, vision

PHOTOS = {".jpg", ".jpeg", ".png"}

#: Degrees; a face turned or tilted further does not look into the camera. At this yaw the tip of the nose is off the
#: middle between the eyes by 9 % of the outer-canthal distance; the pitch leaves out faces that look far up or down.
YAW_LIMIT, PITCH_LIMIT = 9.0, 30.0

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Marked:
    """What MediaPipe says of the one face of a photo. ``landmarks`` (478, 3) pixels; yaw and pitch in degrees."""

    file: str
    width: int
    height: int
    landmarks: Array
    blendshapes: dict[str, float]
    yaw: float
    pitch: float

    @property
    def frontal(self) -> bool:
        """Whether the face looks into the camera."""
        return abs(self.yaw) < YAW_LIMIT and abs(self.pitch) < PITCH_LIMIT


class LeftOutError(Exception):
    """A photo that cannot be marked; its text says why."""


def main() -> None:
    """Read the command line, mark the photos, write both files, and list what was left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of .jpg and .png files, one face each")
    parser.add_argument("bundle", type=Path, help="face_landmarker.task")
    asked = parser.parse_args()
    if not asked.bundle.is_file():
        parser.error(f"{asked.bundle}: no such file; it is on Google's Face Landmarker model page")
    # By name, so that the same folder gives the same files on every machine.
    paths = sorted(path for path in asked.photos.glob("*") if path.suffix.lower() in PHOTOS)
    marked, left_out = mark_photos(paths, asked.bundle, say=sys.stderr.write)
    if not marked:
        parser.error(f"{asked.photos}: none of {len(paths)} photos shows one face; nothing was written")
    write_points(asked.photos / "landmarks.npz", marked)
    write_index(asked.photos / "index.csv", marked)
    sys.stdout.writelines(f"left out: {line}\n" for line in left_out)
    frontal = sum(photo.frontal for photo in marked)
    sys.stdout.write(f"{len(marked)} photos marked, {frontal} of them frontal; {len(left_out)} left out\n")


def mark_photos(paths: list[Path], bundle: Path, *, say: Callable[[str], object]) -> tuple[list[Marked], list[str]]:
    """Mark each photo.

    Returns:
        The marked photos in the order of ``paths``, and a line for each that was left out.
    """
    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(bundle)),
        num_faces=2,  # a second face is enough to leave the photo out
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    marked, left_out = [], []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for number, path in enumerate(paths, start=1):
            try:
                marked.append(mark_photo(landmarker, path))
            except LeftOutError as reason:
                left_out.append(f"{path.name}: {reason}")
            if number % 100 == 0:
                say(f"{number} of {len(paths)}\n")
    return marked, left_out


def mark_photo(landmarker: vision.FaceLandmarker, path: Path) -> Marked:
    """Mark one photo as it is, whatever its size; raises LeftOutError unless it shows exactly one face."""
    # OpenCV turns a photo upright by its EXIF note, here as in training; the points must fit what training reads.
    image = cv2.imread(str(path))
    if image is None:
        raise LeftOutError("not a readable picture")
    pixels = np.ascontiguousarray(image[..., ::-1])
    found = landmarker.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=pixels))
    if len(found.face_landmarks) != 1:
        raise LeftOutError("several faces" if found.face_landmarks else "no face")
    height, width = image.shape[:2]
    points = np.array([[p.x, p.y, p.z] for p in found.face_landmarks[0]])
    yaw, pitch = head_pose(np.asarray(found.facial_transformation_matrixes[0]))
    return Marked(
        file=path.name,
        width=width,
        height=height,
        # z is in units of the width too.
        landmarks=points * (width, height, width),
        blendshapes={each.category_name: each.score for each in found.face_blendshapes[0]},
        yaw=yaw,
        pitch=pitch,
    )


def head_pose(matrix: Array) -> tuple[float, float]:
    """Yaw and pitch in degrees of a facial transformation matrix (4, 4), both 0 for a face seen from the front.

    They are the angles of the face's own z axis, which its roll leaves alone.
    """
    x, y, z = matrix[:3, 2]
    return math.degrees(math.atan2(x, z)), math.degrees(math.atan2(-y, math.hypot(x, z)))


def write_points(path: Path, marked: list[Marked]) -> None:
    """Write ``landmarks.npz``."""
    names = list(marked[0].blendshapes)
    np.savez_compressed(
        path,
        files=np.array([photo.file for photo in marked]),
        landmarks478=np.stack([photo.landmarks for photo in marked]).astype(np.float32),
        blendshapes=np.array([[photo.blendshapes[name] for name in names] for photo in marked], np.float32),
        blendshape_names=np.array(names),
    )


def write_index(path: Path, marked: list[Marked]) -> None:
    """Write ``index.csv``, one row per photo."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["file", "width", "height", "frontal"])
        writer.writerows([photo.file, photo.width, photo.height, int(photo.frontal)] for photo in marked)


if __name__ == "__main__":
    main()
