"""How much each measure changes when the same film is tilted, or made smaller or larger.

    python docs/benchmarks/tilt_and_scale.py OUT [--people 3] [--first 0]

Simulated people whom no network was trained on (photos of $PALSY_DATA) perform the clinical protocol; each film is
assessed as it is, turned by 10 degrees both ways, and at half and at twice its size. Prints a Markdown table: of every
kind of measure the median and the largest change, in percent of the value, of values that are large enough to be told
(lengths of 3 mm and more), and in the measure's own unit of all. Films and assessments that OUT holds already are kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from palsy_cli.config import Execution, Settings
from palsy_cli.evaluation.measure_cases import IPD_MM
from palsy_cli.evaluation.patients import film, plan_patients
from palsy_cli.evaluation.run import calm_faces, read_faces
from palsy_cli.files import ASSESSMENT_JSON
from palsy_cli.networks.weights import ModelSet
from palsy_cli.pipeline import assess
from palsy_cli.records import ByteImage
from palsy_cli.report import write_report
from palsy_cli.simulate.script import PROTOCOL
from palsy_cli.stages.video import iter_frames, read_clip, write_video

#: Name -> degrees of tilt and scale.
VARIANTS: dict[str, tuple[float, float]] = {
    "plain": (0.0, 1.0),
    "tilted left": (10.0, 1.0),
    "tilted right": (-10.0, 1.0),
    "half": (0.0, 0.5),
    "twice": (0.0, 2.0),
}
#: Values below these are too small for a percentage.
LEAST = {"mm": 3.0, "mm²": 30.0, "mm/s": 10.0, "degrees": 10.0, "share": 0.3, "AU steps": 1.0}


def main() -> None:
    """Film and assess what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    changes: dict[tuple[str, str], list[tuple[float, float | None]]] = defaultdict(list)
    for person in range(chosen.first, chosen.first + chosen.people):
        make(chosen.out / str(person), person)
        plain = values(chosen.out / str(person) / "plain")
        for name in list(VARIANTS)[1:]:
            for key, value in values(chosen.out / str(person) / name).items():
                if key in plain:
                    group, unit = name.split()[0], key[-1]
                    large = abs(plain[key]) >= LEAST.get(unit, np.inf)
                    share = 100 * abs(value / plain[key] - 1) if large else None
                    changes[group, unit].append((abs(value - plain[key]), share))
    sys.stdout.write("| film | unit | values | change: median, largest | large ones, %: n, median, 90th, largest |\n")
    sys.stdout.write("|---|---|---|---|---|\n")
    for (group, unit), found in changes.items():
        own, shares = np.array([a for a, _ in found]), np.array([b for _, b in found if b is not None])
        ends = (np.median(shares), np.percentile(shares, 90), shares.max()) if len(shares) else ()
        told = ", ".join([str(len(shares)), *(f"{end:.1f}" for end in ends)])
        sys.stdout.write(f"| {group} | {unit} | {len(own)} | {np.median(own):.2f}, {own.max():.2f} | {told} |\n")


def make(folder: Path, person: int) -> None:
    """Film a person once and assess the film in every variant."""
    data = Path(os.environ["PALSY_DATA"])
    calm = calm_faces(read_faces(data), data)
    patient = plan_patients(len(calm), len(calm))[person]
    plain = Settings()
    settings = dataclasses.replace(plain, clinic=dataclasses.replace(plain.clinic, ipd_mm=IPD_MM))
    models = ModelSet.of(Execution(device="cpu"))
    for name, (degrees, scale) in VARIANTS.items():
        if (folder / name / ASSESSMENT_JSON).is_file():
            continue
        if not (folder / "patient.mp4").is_file():
            film(patient, calm[patient.person], folder, tasks=PROTOCOL, tempo=1.0)
        video = folder / "patient.mp4" if name == "plain" else changed(folder, name, degrees, scale)
        write_report(assess(video, settings=settings, models=models), folder / name)


def changed(folder: Path, name: str, degrees: float, scale: float) -> Path:
    """The film, each frame turned about its middle and scaled."""
    clip, out = read_clip(folder / "patient.mp4"), folder / f"{name.replace(' ', '_')}.mp4"
    size = tuple(int(2 * round(side * scale / 2)) for side in (clip.width, clip.height))

    def frames() -> Iterator[ByteImage]:
        turn = cv2.getRotationMatrix2D((clip.width / 2, clip.height / 2), degrees, scale)
        turn[:, 2] += (np.array(size) - (clip.width, clip.height)) / 2
        for frame in iter_frames(clip):
            smooth = cv2.GaussianBlur(frame.image, (0, 0), 0.5 / scale) if scale < 1 else frame.image
            yield np.asarray(cv2.warpAffine(smooth, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))

    write_video(frames(), out, fps=clip.fps or 1.0)
    return out


def values(folder: Path) -> dict[tuple[str, str, str, str], float]:
    """(measure, task, side, unit) -> value of an assessment."""
    data = json.loads((folder / ASSESSMENT_JSON).read_text(encoding="utf-8"))
    return {
        (one["name"], one["task"], side, one["unit"]): one[side]
        for one in data["clinic"]["measures"]
        for side in ("left", "right", "middle")
        if one[side] is not None
    }


if __name__ == "__main__":
    main()
