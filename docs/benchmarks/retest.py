"""Test and retest: how much each measure changes when the same film is mirrored, tilted, or made smaller or larger.

    python docs/benchmarks/retest.py OUT [--people 3] [--first 0]

Simulated people whom no network was trained on (photos of $PALSY_DATA) perform the clinical protocol; each film is
assessed as it is, mirrored (sides exchanged in the results), turned by 10 degrees both ways, and at half and at twice
its size. Prints three Markdown tables. Of every kind of measure: the median and the largest change, in the measure's
own unit of all values, and in percent of those that are large enough (lengths of 3 mm and more). Of each measure: by
how much all its large values together change, with an interval over the people. Of weak side, grades and scales: how
often they stay, and their largest change. Films and assessments that OUT holds already are kept.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from palsy_cli.config import Execution, Settings
from palsy_cli.evaluation.measure_cases import IPD_MM
from palsy_cli.evaluation.patients import film, plan_patients
from palsy_cli.evaluation.run import calm_faces, read_faces
from palsy_cli.files import ASSESSMENT_JSON
from palsy_cli.networks.weights import ModelSet
from palsy_cli.pipeline import assess
from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.report import write_report
from palsy_cli.simulate.script import PROTOCOL
from palsy_cli.stages.video import iter_frames, read_clip, write_video

MIRRORED = "mirrored"
#: Name -> degrees of tilt and scale.
VARIANTS: dict[str, tuple[float, float]] = {
    "plain": (0.0, 1.0),
    MIRRORED: (0.0, 1.0),
    "tilted left": (10.0, 1.0),
    "tilted right": (-10.0, 1.0),
    "half": (0.0, 0.5),
    "twice": (0.0, 2.0),
}
GROUPS = tuple(dict.fromkeys(name.split()[0] for name in list(VARIANTS)[1:]))
OTHER = {"left": "right", "right": "left"}
#: Values below these are too small for a percentage.
LEAST = {"mm": 3.0, "mm²": 30.0, "mm/s": 10.0, "degrees": 10.0, "share": 0.3, "AU steps": 1.0}


def main() -> None:
    """Film and assess what is missing, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    chosen = parser.parse_args()
    folders = [chosen.out / str(person) for person in range(chosen.first, chosen.first + chosen.people)]
    make(folders, chosen.first)
    sys.stdout.write("\n".join([*measure_table(folders), "", *shift_table(folders), "", *result_table(folders), ""]))


class Twice(NamedTuple):
    """One value of a person's plain film, and the same in a film of some kind."""

    person: int
    group: str
    measure: str
    unit: str
    before: float
    after: float


def told_twice(folders: Sequence[Path]) -> Iterator[Twice]:
    """What the plain film of a person tells and another one tells, too."""
    for person, folder in enumerate(folders):
        plain = values(folder / "plain")
        for name in list(VARIANTS)[1:]:
            for key, value in values(folder / name, exchanged=name == MIRRORED).items():
                if key in plain:
                    yield Twice(person, name.split()[0], key[0], key[-1], plain[key], value)


def measure_table(folders: Sequence[Path]) -> Iterator[str]:
    """Rows on the measures, by kind of film and unit."""
    changes: dict[tuple[str, str], list[tuple[float, float | None]]] = defaultdict(list)
    for one in told_twice(folders):
        large = abs(one.before) >= LEAST.get(one.unit, np.inf)
        share = 100 * abs(one.after / one.before - 1) if large else None
        changes[one.group, one.unit].append((abs(one.after - one.before), share))
    yield "| film | unit | values | change: median, 90th, largest | large ones, %: n, median, 90th, largest |"
    yield "|---|---|---|---|---|"
    for (group, unit), found in changes.items():
        own, shares = np.array([a for a, _ in found]), np.array([b for _, b in found if b is not None])
        yield f"| {group} | {unit} | {len(own)} | {spread(own, 2)} | {len(shares)}: {spread(shares, 1)} |"


def shift_table(folders: Sequence[Path]) -> Iterator[str]:
    """Rows on each measure: what a kind of film does to the sum of its large values, apart from chance."""
    sums: dict[tuple[str, str], dict[str, FloatArray]] = defaultdict(
        lambda: {group: np.zeros((len(folders), 3)) for group in GROUPS}
    )
    for one in told_twice(folders):
        pair = abs(one.before), abs(one.after)
        # the mean of both, lest those be chosen whose plain value is large by chance
        if np.mean(pair) >= LEAST.get(one.unit, np.inf):
            sums[one.measure, one.unit][one.group][one.person] += (*pair, 1)
    yield f"| measure | unit | {' | '.join(f'{group}: n, change, %' for group in GROUPS)} |"
    yield "|---|---|" + "---|" * len(GROUPS)
    for (measure, unit), found in sorted(sums.items()):
        yield f"| {measure} | {unit} | {' | '.join(shift(found[group]) for group in GROUPS)} |"


def shift(sums: FloatArray) -> str:
    """Change of a sum in percent with its 95 % bootstrap interval; ``(people, 3)`` sums before, after, and counts."""
    sums = sums[sums[:, 2] > 0]
    if len(sums) < 2:
        return ""
    drawn = sums[np.random.default_rng(0).integers(0, len(sums), (2000, len(sums)))].sum(axis=1)
    low, high = np.percentile(100 * (drawn[:, 1] / drawn[:, 0] - 1), [2.5, 97.5])
    before, after, count = sums.sum(axis=0)
    return f"{count:.0f}, {100 * (after / before - 1):+.1f} ({low:+.1f} to {high:+.1f})"


def spread(changes: FloatArray, digits: int) -> str:
    """Median, nine tenths and all."""
    if not len(changes):
        return ""
    return ", ".join(f"{end:.{digits}f}" for end in np.percentile(changes, [50, 90, 100]))


def result_table(folders: Sequence[Path]) -> Iterator[str]:
    """Rows on weak side, grades and scales: films in which they stay, of all, and the largest change."""
    groups: dict[str, list[tuple[dict[str, str | float | None], dict[str, str | float | None]]]] = defaultdict(list)
    for folder in folders:
        for name in list(VARIANTS)[1:]:
            pair = results(folder / "plain"), results(folder / name, exchanged=name == MIRRORED)
            groups[name.split()[0]].append(pair)
    names = list(results(folders[0] / "plain"))
    yield f"| film | {' | '.join(names)} |"
    yield "|---|" + "---|" * len(names)
    for group, pairs in groups.items():
        cells = [told_change([(one[name], two[name]) for one, two in pairs]) for name in names]
        yield f"| {group} | {' | '.join(cells)} |"


def told_change(pairs: Sequence[tuple[str | float | None, str | float | None]]) -> str:
    """How many pairs are alike, and the largest difference of those that are numbers."""
    told = f"{sum(one == two for one, two in pairs)} of {len(pairs)}"
    apart = [abs(one - two) for one, two in pairs if isinstance(one, float) and isinstance(two, float)]
    return f"{told}, {max(apart):.1f}" if apart else told


def make(folders: Sequence[Path], first: int) -> None:
    """Film each person once and assess the films in every variant."""
    data = Path(os.environ["PALSY_DATA"])
    calm = calm_faces(read_faces(data), data)
    planned = plan_patients(len(calm), len(calm))[first : first + len(folders)]
    plain = Settings()
    settings = dataclasses.replace(plain, clinic=dataclasses.replace(plain.clinic, ipd_mm=IPD_MM))
    models = ModelSet.of(Execution(device="cpu"))
    for folder, patient in zip(folders, planned, strict=True):
        if not (folder / "patient.mp4").is_file():
            film(patient, calm[patient.person], folder, tasks=PROTOCOL, tempo=1.0)
        for name, (degrees, scale) in VARIANTS.items():
            if not (folder / name / ASSESSMENT_JSON).is_file():
                video = folder / "patient.mp4" if name == "plain" else changed(folder, name, degrees, scale)
                write_report(assess(video, settings=settings, models=models), folder / name)


def changed(folder: Path, name: str, degrees: float, scale: float) -> Path:
    """The film, each frame mirrored, or turned about its middle and scaled."""
    clip, out = read_clip(folder / "patient.mp4"), folder / f"{name.replace(' ', '_')}.mp4"
    size = tuple(int(2 * round(side * scale / 2)) for side in (clip.width, clip.height))

    def frames() -> Iterator[ByteImage]:
        turn = cv2.getRotationMatrix2D((clip.width / 2, clip.height / 2), degrees, scale)
        turn[:, 2] += (np.array(size) - (clip.width, clip.height)) / 2
        for frame in iter_frames(clip):
            if name == MIRRORED:
                yield np.ascontiguousarray(frame.image[:, ::-1])
                continue
            smooth = cv2.GaussianBlur(frame.image, (0, 0), 0.5 / scale) if scale < 1 else frame.image
            yield np.asarray(cv2.warpAffine(smooth, turn, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE))

    write_video(frames(), out, fps=clip.fps or 1.0)
    return out


def values(folder: Path, *, exchanged: bool = False) -> dict[tuple[str, str, str, str], float]:
    """(measure, task, side, unit) -> value of an assessment; ``exchanged`` gives those of the mirrored face."""
    found = {
        (one["name"], one["task"], side, one["unit"]): one[side]
        for one in read(folder)["clinic"]["measures"]
        for side in ("left", "right", "middle")
        if one[side] is not None
    }
    if not exchanged:
        return found
    # the one measure of the face's middle that has a direction
    return {
        (name, task, OTHER.get(side, side), unit): -value if name == "philtrum_deviation" else value
        for (name, task, side, unit), value in found.items()
    }


def results(folder: Path, *, exchanged: bool = False) -> dict[str, str | float | None]:
    """Weak side, grades and scales of an assessment; ``exchanged`` gives those of the mirrored face."""
    data = read(folder)
    side, severity, grade = data["weak_side"], data["grades"]["severity"], data["grades"]["house_brackmann"]
    return {
        "weak side": OTHER.get(side, side) if exchanged else side,
        "severity": severity and severity["label"],
        "House-Brackmann": grade and float(grade["grade"]),
        **{f"{name}, by rule": score["low"] for name, score in data["scales"].items()},
    }


def read(folder: Path) -> dict[str, Any]:
    """An assessment's file."""
    data: dict[str, Any] = json.loads((folder / ASSESSMENT_JSON).read_text(encoding="utf-8"))
    return data


if __name__ == "__main__":
    main()
