"""The people that networks learn from: photos with points (``$PALSY_DATA``), split once by content hash."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from palsy_cli.documents import is_file_below, read_arrays, read_records
from palsy_cli.errors import DatasetError
from palsy_cli.files import sha256_of
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.simulate.rig import Rig, load_rig

#: One person in ten is never trained on: those whose photo's SHA-256 starts below this byte.
HELD_OUT_BELOW = 26

#: Blendshape scores under which a photo counts as a resting face.
_CALM_LIMITS = {
    "jawOpen": 0.1,
    "eyeBlinkLeft": 0.45,
    "eyeBlinkRight": 0.45,
    "browDownLeft": 0.35,
    "browOuterUpLeft": 0.4,
    "browInnerUp": 0.4,
}


@dataclass(frozen=True)
class Photo:
    """One person's photo. ``points`` (468, 2) pixels; ``calm``: a resting frontal face, fit for AU labels."""

    path: Path
    points: FloatArray
    frontal: bool
    calm: bool
    held_out: bool

    def read(self) -> ByteImage:
        """(H, W, 3) RGB uint8; raises DatasetError when the file is damaged."""
        return read_picture(self.path)


def read_picture(path: Path) -> ByteImage:
    """(H, W, 3) RGB uint8 of a training picture; raises DatasetError when the file is damaged."""
    image = cv2.imread(str(path))
    if image is None:
        raise DatasetError(f"{path}: not a readable picture; restore the data folder")
    return np.ascontiguousarray(image[..., ::-1], np.uint8)


def require_data(root: Path | None) -> Path:
    """The data folder, checked for the parts that training needs; raises DatasetError with the missing one."""
    if root is None:
        raise DatasetError(
            "no data folder: name one with --data or PALSY_DATA; docs/how-to/retrain.md says what it holds"
        )
    for part in ("photos/index.csv", "photos/landmarks.npz", "rig/au_rig.npz", "backgrounds"):
        if not (root / part).exists():
            raise DatasetError(f"{root}: {part} is missing; docs/how-to/retrain.md says how to make it")
    return root


def read_rig(root: Path) -> Rig:
    """The training rig of a data folder."""
    return load_rig(root / "rig" / "au_rig.npz")


def read_photos(root: Path) -> list[Photo]:
    """All photos of a data folder, in the order of their points file; raises DatasetError."""
    folder = require_data(root) / "photos"
    try:
        _, rows = read_records(folder / "index.csv")
        frontal = {row["file"] for _, row in rows if row["frontal"] == "1"}
        covered = {row["file"] for _, row in rows if row.get("covered") == "1"}
        names, points, calm = _teacher(folder / "landmarks.npz")
    except (LookupError, TypeError, ValueError) as error:
        told = f"{folder}: no readable photos ({type(error).__name__}: {error})"
        raise DatasetError(f"{told}; see docs/how-to/retrain.md") from error
    known = covered_eyes()
    photos = []
    for i, name in enumerate(names):
        digest = _digest(folder, name)
        resting = bool(calm[i]) and name in frontal and name not in covered and digest not in known
        photos.append(Photo(folder / name, points[i], name in frontal, resting, is_held_out(digest)))
    return photos


def _teacher(path: Path) -> tuple[list[str], FloatArray, np.ndarray[Any, Any]]:
    """Names, points (N, 468, 2) and calmness (N,) of all photos; raises LookupError, TypeError or ValueError."""
    archive = read_arrays(path)
    names = [str(name) for name in archive["files"]]
    points = archive["landmarks478"][:, :468, :2].astype(float)
    scores = dict(zip((str(n) for n in archive["blendshape_names"]), archive["blendshapes"].T, strict=True))
    calm = scores["mouthSmileLeft"] + scores["mouthSmileRight"] < 0.3
    for name, limit in _CALM_LIMITS.items():
        calm = calm & (scores[name] < limit)
    if points.shape != (len(names), 468, 2) or calm.shape != (len(names),):
        raise ValueError(f"{len(names)} names, points {points.shape}, scores {calm.shape}")
    return names, points, calm


def _digest(folder: Path, name: str) -> str:
    """SHA-256 of a photo of the folder; raises DatasetError, for a name that leads out of it as well."""
    try:
        if not is_file_below(folder, folder / name):
            raise OSError("no file of the folder")
        return sha256_of(folder / name)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{folder / name}: cannot be read ({error}); restore the data folder") from error


def covered_eyes() -> frozenset[str]:
    """SHA-256 of those photos of our data whose eyes cannot be seen (sunglasses, goggles, hard shadow).

    Found by looking at all; in other data the column ``covered`` of the index marks them. How far such an eye closes
    cannot be read off the picture, so that it is not moved.
    """
    return frozenset(resources.files(__package__).joinpath("covered_eyes.txt").read_text().split())


def is_held_out(digest: str) -> bool:
    """Whether a photo (its file's SHA-256) shows one of the people that are never trained on."""
    return int(digest[:2], 16) < HELD_OUT_BELOW


def is_held_out_drawing(seed: int) -> bool:
    """Whether a drawn person is never trained on: every tenth."""
    return seed % 10 == 0
