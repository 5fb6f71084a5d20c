"""Data sets in miniature with the true layout: drawn people in pictures, videos, label files and points that agree."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import scipy.io

from palsy_cli.facs import fraction_of_intensity
from palsy_cli.records import SIDES, ByteImage, FloatArray
from palsy_cli.simulate.appearance import View
from palsy_cli.simulate.muscles import MUSCLES
from palsy_cli.simulate.person import Person, draw_person
from palsy_cli.stages.video import write_video

#: Shorter and longer side of all pictures, pixels.
SIDE = 160
DISFA_AUS = (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
BP4D_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
#: Two people of each published part.
DISFA_PEOPLE = ("SN001", "SN002", "SN003", "SN005", "SN006", "SN011")
#: Two people of each of our parts.
DISFA_PLUS_PEOPLE = ("SN001", "SN003", "SN004", "SN007", "SN010", "SN013")
BP4D_PEOPLE = ("F001", "F002", "F003", "F006", "M002", "M003")
CSV_PEOPLE = ("p01", "p02", "p03", "p04", "p05", "p06")
#: Movements that follow a face at rest: units and intensities.
MOVEMENTS: tuple[dict[int, int], ...] = (
    {12: 4, 6: 3, 25: 2},
    {1: 4, 2: 3, 5: 2},
    {4: 4, 9: 3, 17: 2},
    {15: 3, 17: 4, 20: 2},
    {25: 4, 26: 4},
    {10: 4, 7: 3, 6: 2, 9: 2},
)
#: First lines of a label file of DISFA+.
DISFA_PLUS_HEADER = ("# image intensity", "# ---------------")

#: Painting a person takes a second: two are painted, and everybody is one of them in another light and pose.
_PAINTED = 2


@cache
def face(subject: int, frame: int, weak_left: bool = False) -> tuple[ByteImage, FloatArray]:
    """Picture (SIDE, SIDE, 3) RGB and its (68, 2) points: frame 0 is at rest, the others move.

    Args:
        subject: whom.
        frame: which movement (``units_of``).
        weak_left: the left moves a third as much.
    """
    rng = np.random.default_rng([subject, 17])
    yaw, roll, shift = rng.uniform(-5, 5), rng.uniform(-4, 4), rng.uniform(-0.02, 0.02)
    view = View(yaw=yaw, roll=roll, shift_x=shift, shift_y=-0.04, zoom=0.27)
    drives = {
        (au, side): float(fraction_of_intensity(height)) * (0.3 if weak_left and side == "left" else 1.0)
        for au, height in units_of(frame).items()
        for side in SIDES
        if au in MUSCLES
    }
    image, points = draw_person(Person.from_seed(subject % _PAINTED), drives, size=(SIDE, SIDE), view=view)
    light = rng.uniform(0.75, 1.1) * rng.uniform(0.94, 1.06, 3)
    return np.clip(image * light, 0, 255).astype(np.uint8), points


def units_of(frame: int) -> dict[int, int]:
    """Intensities of the units of a frame; none in frame 0."""
    return MOVEMENTS[(frame - 1) % len(MOVEMENTS)] if frame else {}


def labels_of(frame: int, aus: Iterable[int]) -> list[int]:
    """Intensities 0 to 5 in the order of ``aus``."""
    return [units_of(frame).get(au, 0) for au in aus]


def save(path: Path, image: ByteImage) -> Path:
    """Write a picture, its folder included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image[..., ::-1])
    return path


def disfa_tree(root: Path, subjects: Sequence[str] = DISFA_PEOPLE, frames: int = 7) -> Path:
    """DISFA: a video, twelve label files and the points of every frame for each person."""
    for number, subject in enumerate(subjects):
        shown = [face(number, frame) for frame in range(frames)]
        film = root / "Videos_LeftCamera" / f"LeftVideo{subject}_comp.avi"
        film.parent.mkdir(parents=True, exist_ok=True)
        write_video((image for image, _ in shown), film, fps=20)
        labels = root / "ActionUnit_Labels" / subject
        labels.mkdir(parents=True)
        for au in DISFA_AUS:
            rows = (f"{frame + 1},{units_of(frame).get(au, 0)}" for frame in range(frames))
            (labels / f"{subject}_au{au}.txt").write_text("\n".join(rows) + "\n")
        marks = root / "Landmark_Points" / subject / "tmp_frame_lm"
        marks.mkdir(parents=True)
        for frame, (_, points) in enumerate(shown):
            scipy.io.savemat(marks / f"{subject}_{frame:04d}_lm.mat", {"pts": np.delete(points, [60, 64], axis=0)})
    return root


def disfa_plus_tree(root: Path, subjects: Sequence[str] = DISFA_PLUS_PEOPLE, frames: int = 3) -> Path:
    """DISFA+: two attempts of each person, pictures and twelve label files each."""
    for number, subject in enumerate(subjects):
        for attempt, name in enumerate(("A1_AU1_TrailNo_1", "Z_SupriseText_TrailNo_2")):
            shown = [0, *(attempt * (frames - 1) + frame for frame in range(1, frames))]
            for place, frame in enumerate(shown):
                save(root / "Images" / subject / name / f"{place:03d}.jpg", face(number, frame)[0])
            (root / "Images" / subject / name / "TimeStamp.txt").write_text("000.jpg 0.00\n")
            labels = root / "Labels" / subject / name
            labels.mkdir(parents=True)
            for au in DISFA_AUS:
                rows = [f"{place:03d}.jpg     {units_of(frame).get(au, 0)}" for place, frame in enumerate(shown)]
                (labels / f"AU{au}.txt").write_text("\n".join([*DISFA_PLUS_HEADER, *rows]) + "\n")
    return root


def bp4d_tree(root: Path, subjects: Sequence[str] = BP4D_PEOPLE, frames: int = 3) -> Path:
    """BP4D: two tasks of each person, one picture more than is coded, codes, and tracked points of all pictures."""
    codes, features = root / "AUCoding" / "AU_OCC", root / "2DFeatures"
    codes.mkdir(parents=True)
    features.mkdir()
    names = sorted({*BP4D_AUS, 5, 9, 20, 25, 26, 27})
    for number, subject in enumerate(subjects):
        for task in (1, 2):
            shown = [0, 0, *((task - 1) * (frames - 1) + frame for frame in range(1, frames))]
            start = 720 * task
            tracked = np.empty((1, len(shown)), dtype=[("pred", "O")])
            rows: list[list[int]] = [[0, *names]]
            for place, frame in enumerate(shown):
                image, points = face(number, frame)
                save(root / "Sequences(2D+3D)" / subject / f"T{task}" / f"{start + place:04d}.jpg", image)
                tracked["pred"][0, place] = np.delete(points[17:], [43, 47], axis=0)
                present = [int(units_of(frame).get(au, 0) >= 2) if au in BP4D_AUS else 9 for au in names]
                rows.append([start + place, *present])
            with (codes / f"{subject}_T{task}.csv").open("w", newline="") as stream:
                csv.writer(stream).writerows([rows[0], *rows[2:]])
            scipy.io.savemat(features / f"{subject}_T{task}.mat", {"fit": tracked})
    return root


def csv_tree(root: Path, subjects: Sequence[str] = CSV_PEOPLE, frames: int = 3) -> Path:
    """Own recordings: pictures of two visits with units of each side, points, grades and groups, and one video."""
    aus = (1, 2, 4, 6, 12, 25)
    names = ["file", "subject", "sequence", "frame", "house_brackmann", "condition"]
    names += [f"AU{au}_{side}" for au in aus for side in "LR"] + [f"{axis}_{k}" for axis in "xy" for k in range(68)]
    rows: list[list[object]] = [[*names, "group_sex"]]
    for number, subject in enumerate(subjects):
        weak = number % 2 == 1
        for visit in (1, 2):
            shown = [0, *((visit - 1) * (frames - 1) + frame for frame in range(1, frames))]
            for place, frame in enumerate(shown):
                image, points = face(number, frame, weak)
                path = save(root / "pictures" / subject / f"visit{visit}_{place}.png", image)
                labels = [height * share for height in labels_of(frame, aus) for share in (0.5 if weak else 1, 1)]
                file = path.relative_to(root).as_posix()
                rows.append(
                    [file, subject, f"visit {visit}", place, ("I", "3.5")[weak], ("smile", "brow")[visit - 1]]
                    + [*labels, *np.round(points.T.ravel(), 2).tolist(), ("female", "male")[number % 2]]
                )
    film = root / "videos" / f"{subjects[0]}.mp4"
    film.parent.mkdir(parents=True)
    write_video((face(0, frame)[0] for frame in range(frames)), film, fps=10)
    rows.append([f"videos/{film.name}", subjects[0], "film", "", "I", "protocol", *[""] * (len(names) - 6), ""])
    with (root / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(rows)
    return root
