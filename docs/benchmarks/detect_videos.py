"""Measure the detector on the frames of the videos of $PALSY_DATA, beside the upstream RetinaFace weights.

    python docs/benchmarks/detect_videos.py TEACHER [EVERY]

TEACHER is the folder that teacher_points.py wrote; its largest face is the one to find. EVERY: each so-manieth frame
(default 3). Prints a Markdown table: recall, five points in percent of the eye distance, detections in frames in which
the teacher sees nobody.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from palsy_cli.config import Execution, FaceSettings
from palsy_cli.evaluation.photos import own_face, percent_of
from palsy_cli.networks.retinaface import load_upstream
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.stages.alignment import five_points
from palsy_cli.stages.detection import Detector, OwnDetector, choose_detector
from palsy_cli.stages.video import iter_frames, read_clip


def main(teacher: Path, every: int, data: Path) -> None:
    """Print the table."""
    settings = FaceSettings()
    file = data / "detectors" / "retinaface_mobilenet0.25_upstream.pth"
    upstream = load_upstream(torch.load(file, map_location="cpu", weights_only=True))
    detectors: dict[str, Detector] = {
        "ours": choose_detector(ModelSet.of(Execution()), settings),
        "upstream": OwnDetector(upstream, settings),
    }
    say("| video | frames with a face | recall | five points % | upstream recall | five points % | without | false |")
    say("|---|---|---|---|---|---|---|---|")
    totals: dict[str, list[tuple[bool, float]]] = {name: [] for name in detectors}
    for path in sorted((data / "videos").glob("*.m*")):
        wanted = np.load(teacher / f"{path.stem}.npz")["points"]
        found: dict[str, list[tuple[bool, float]]] = {name: [] for name in detectors}
        empty = false = 0
        for image, points in chosen_frames(path, wanted, every):
            if not np.isfinite(points).all():
                empty += 1
                false += len(detectors["ours"].detect([image])[0]) > 0
                continue
            for name, detector in detectors.items():
                found[name].append(compare(detector, image, points))
        for name, rows in found.items():
            totals[name] += rows
        cells = " | ".join(in_words(rows) for rows in found.values())
        say(f"| {path.name} | {len(found['ours'])} | {cells} | {empty} | {false} |")
    say(f"| all | {len(totals['ours'])} | {' | '.join(in_words(rows) for rows in totals.values())} | | |")


def chosen_frames(path: Path, points: FloatArray, every: int) -> Iterator[tuple[ByteImage, FloatArray]]:
    """Every so-manieth frame with the teacher's 68 points."""
    for frame in iter_frames(read_clip(path)):
        if frame.index % every == 0 and frame.index < len(points):
            yield frame.image, points[frame.index]


def compare(detector: Detector, image: ByteImage, points: FloatArray) -> tuple[bool, float]:
    """Whether the face is found, and by how much its five points miss, percent of the eye distance."""
    true = five_points(points)
    own = own_face(detector.detect([image])[0], true)
    return own is not None, np.nan if own is None else percent_of(own, true, (0, 1))


def in_words(rows: list[tuple[bool, float]]) -> str:
    """Recall and mean error, as two cells."""
    if not rows:
        return " | "
    hits, errors = (np.array(column, float) for column in zip(*rows, strict=True))
    return f"{hits.mean():.3f} | {np.nanmean(errors) if hits.any() else np.nan:.1f}"


def say(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 3, Path(os.environ["PALSY_DATA"]))
