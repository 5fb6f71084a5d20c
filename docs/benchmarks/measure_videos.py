"""Measure the 68 points on the videos of $PALSY_DATA against the teacher's, and draw ten frames of each.

    python docs/benchmarks/measure_videos.py TEACHER SHEETS

TEACHER is the folder that teacher_points.py wrote; SHEETS gets a picture per video (people's faces: keep it out of the
repository). Prints a Markdown table: median distance to the teacher in percent of the outer-canthal distance.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from palsy_cli.errors import PalsyError
from palsy_cli.pipeline import run_landmarks
from palsy_cli.records import Clip, FloatArray
from palsy_cli.stages.video import iter_frames

PARTS = {
    "jaw": slice(0, 17),
    "brows": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}
TILE = 320


def main(teacher: Path, sheets: Path, data: Path) -> None:
    """Print the table, write the sheets."""
    sheets.mkdir(parents=True, exist_ok=True)
    say("| video | exit | frames | used | all | " + " | ".join(PARTS) + " | seconds |")
    say("|---|---|---|---|---|" + "---|" * (len(PARTS) + 1))
    for path in sorted((data / "videos").glob("*.m*")):
        started = time.perf_counter()
        try:
            clip, track, landmarks = run_landmarks(path)
        except PalsyError as error:
            say(f"| {path.name} | {error.exit_code} | | | | {' | ' * len(PARTS)} |")
            continue
        seconds = time.perf_counter() - started
        errors = compare(landmarks.points, np.load(teacher / f"{path.stem}.npz")["points"])
        parts = " | ".join(median(errors[:, part]) for part in PARTS.values())
        used = int(track.usable.sum())
        say(f"| {path.name} | 0 | {len(track.times_s)} | {used} | {median(errors)} | {parts} | {seconds:.0f} |")
        cv2.imwrite(str(sheets / f"{path.stem}.png"), draw_sheet(clip, landmarks.points))


def median(errors: FloatArray) -> str:
    """The median as text; nothing where the teacher saw no face."""
    return f"{np.median(errors):.1f}" if errors.size else ""


def compare(found: FloatArray, wanted: FloatArray) -> FloatArray:
    """(M, 68) distances in percent of the outer-canthal distance, over the frames where both have a face."""
    count = min(len(found), len(wanted))
    found, wanted = found[:count], wanted[:count]
    unit = np.hypot(*(wanted[:, 45] - wanted[:, 36]).T)
    away = 100 * np.hypot(*np.moveaxis(found - wanted, -1, 0)) / unit[:, None]
    return away[np.isfinite(away).all(1)]


def draw_sheet(clip: Clip, points: FloatArray) -> np.ndarray:
    """Ten frames, evenly spread over those with points, in two rows; the patient's right brow is red."""
    there = np.flatnonzero(np.isfinite(points[:, 0, 0]))
    wanted = there[np.linspace(0, len(there) - 1, 10).astype(int)]
    tiles = {}
    for frame in iter_frames(clip):
        if frame.index in wanted:
            tiles[frame.index] = draw_tile(np.ascontiguousarray(frame.image[..., ::-1]), points[frame.index])
    row = [tiles[index] for index in wanted]
    return np.vstack([np.hstack(row[:5]), np.hstack(row[5:])])


def draw_tile(image: np.ndarray, points: FloatArray) -> np.ndarray:
    """One face with its points."""
    scale = TILE / (1.4 * np.ptp(points, axis=0).max())
    matrix = np.column_stack([scale * np.eye(2), TILE / 2 - scale * points.mean(0)])
    tile = cv2.warpAffine(image, matrix, (TILE, TILE), flags=cv2.INTER_AREA)
    for k, (x, y) in enumerate(np.round(points @ matrix[:, :2].T + matrix[:, 2]).astype(int)):
        cv2.circle(tile, (int(x), int(y)), 1, (0, 0, 255) if 17 <= k < 22 else (0, 255, 0), -1)
    return tile


def say(line: str) -> None:
    """One line on stdout."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(os.environ["PALSY_DATA"]))
