"""DISFA+: units posed on demand, every frame coded (Mavadati, Sanger and Mahoor, CVPRW 2016).

DEM learns from it (its section on experiments): both halves of a face get the frame's label.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from palsy_cli.datasets.disfa import AUS, SUBJECT
from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.reading import (
    Unfit,
    and_more,
    first_of,
    is_number,
    locate,
    numbered_pictures,
    read_text,
    subfolders,
    unpacked,
)
from palsy_cli.records import FloatArray

#: ``A1_AU1_TrailNo_1``: what was asked for, and which attempt it is ("Trail" is the authors' spelling).
_ATTEMPT = re.compile(r"_Tr(ai|ia)lNo_\d+$", re.IGNORECASE)
#: What a line of labels starts with.
_PICTURE = re.compile(r"(\d{1,9})\.\w+")

SPEC = DatasetSpec(
    name="disfa-plus",
    title="DISFA+, Extended Denver Intensity of Spontaneous Facial Action",
    labels=(
        "9 people of DISFA, 42 posed actions, several attempts each; intensity 0 to 5 of AU 1, 2, 4, 5, 6, 9, 12, 15, "
        "17, 20, 25 and 26 in every frame, one label for the whole face (both sides get it; present from 2 on). The "
        "landmarks that come along belong to cropped pictures inside their files and are not read."
    ),
    layout="""\
DISFA+/
  Images/SN001/A1_AU1_TrailNo_1/000.jpg       also SN001/SN001/A1_AU1_TrailNo_1/
  Labels/SN001/A1_AU1_TrailNo_1/AU1.txt       header lines, then 000.jpg <space> intensity; one file for each unit
""",
    licence="for research under a signed agreement, not to be passed on; see the agreement for what it allows",
    request="Mohammad H. Mahoor, University of Denver: mohammadmahoor.com/disfa",
    leakage=(
        "All nine people are in DISFA, too: nothing trained on one set may be tested on the other unless they are left "
        "out. DEM deals out single frames, so that the same people stand in training and test (erratum E16)."
    ),
    folds=3,
)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All labelled pictures, and every fault found on the way; see ``catalogue.scan_dataset``."""
    faces: list[LabelledFace] = []
    problems: list[Problem] = []
    try:
        images, labels = locate(root, ["Images"]), locate(root, ["Labels"])
        if images is None or labels is None:
            lacking = [name for name, folder in (("Images", images), ("Labels", labels)) if folder is None]
            raise Unfit(root, f"is not DISFA+: no folder {' and none '.join(lacking)} in it", "missing")
        subjects = subfolders(labels, SUBJECT)
        if not subjects:
            raise Unfit(labels, "holds no folder of a person (SN001)", "missing")
        for folder in subjects:
            for sequence in subfolders(unpacked(folder)):
                pictures = unpacked(images / folder.name) / sequence.name
                found, faults = _sequence(folder.name.upper(), sequence, pictures)
                faces += found
                problems += faults
        problems += _unlabelled(images, labels)
    except Unfit as fault:
        problems.append(fault.problem)
    return FaceDataset(SPEC.name, root, tuple(faces), AUS, present_from=2.0), problems


def _unlabelled(images: Path, labels: Path) -> list[Problem]:
    """People of whom there are pictures only."""
    known = {folder.name.upper() for folder in subfolders(labels, SUBJECT)}
    others = [folder for folder in subfolders(images, SUBJECT) if folder.name.upper() not in known]
    return [Problem("missing", labels / folder.name, "no labels, but there are pictures") for folder in others]


def _sequence(subject: str, folder: Path, place: Path) -> tuple[list[LabelledFace], list[Problem]]:
    """Faces of one attempt: its labels and the folder of its pictures."""
    labels, problems = _labels(folder)
    try:
        pictures, faults = numbered_pictures(place)
    except Unfit as fault:
        return [], [*problems, fault.problem]
    problems += faults
    absent = sorted(labels.keys() - pictures.keys())
    if absent:
        what = f"is labelled, but not there{and_more(len(absent))}"
        problems.append(Problem("missing", place / f"{absent[0]:03d}.jpg", what))
    spare = sorted(pictures.keys() - labels.keys())
    if spare and labels:
        problems.append(Problem("note", place, f"no label of {first_of(pictures[number].name for number in spare)}"))
    faces = [
        LabelledFace(
            subject=subject,
            sequence=f"{subject}/{folder.name}",
            frame=frame,
            path=pictures[frame],
            left=values,
            right=values,
            condition=_ATTEMPT.sub("", folder.name),
        )
        for frame, values in sorted(labels.items())
        if frame in pictures and np.isfinite(values).any()
    ]
    return faces, problems


def _labels(folder: Path) -> tuple[dict[int, FloatArray], list[Problem]]:
    """Intensities (A,) of every picture of one attempt by its number, NaN for a unit whose file cannot be used."""
    tables: dict[int, dict[int, float]] = {}
    problems = []
    for column, au in enumerate(AUS):
        path = folder / f"AU{au}.txt"
        try:
            tables[column], headed = read_intensities(path)
        except Unfit as fault:
            problems.append(fault.problem)
            continue
        if not headed:
            problems.append(Problem("note", path, "has no header lines; another version of DISFA+?"))
    first = next(iter(tables), 0)
    labels = {frame: np.full(len(AUS), np.nan) for frame in tables.get(first, {})}
    for column, table in tables.items():
        if odd := sorted(table.keys() ^ labels.keys()):
            what = f"labels other pictures than AU{AUS[first]}.txt does: {odd[0]:03d}{and_more(len(odd))}"
            problems.append(Problem("damaged", folder / f"AU{AUS[column]}.txt", what))
            continue
        for frame, value in table.items():
            labels[frame][column] = value
    for values in labels.values():
        values.setflags(write=False)
    return labels, problems


def read_intensities(path: Path) -> tuple[dict[int, float], bool]:
    """Intensity in one unit's file by the picture's number, and whether lines of words come first, as they should.

    Raises:
        Unfit: it cannot be read, labels nothing, or a line is no picture's name and a label 0 to 5; line named.
    """
    values: dict[int, float] = {}
    headed = False
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        cells = line.split()
        picture = _PICTURE.fullmatch(cells[0]) if cells else None
        if picture is None:
            if values and cells:
                raise Unfit(path, f"line {number}: no picture's name (000.jpg) first: {line.strip()[:60]!r}")
            headed = headed or bool(cells)
            continue
        if len(cells) != 2:
            raise Unfit(path, f"line {number}: {len(cells)} columns where 2 belong: {line.strip()[:60]!r}")
        if not is_number(cells[1]) or float(cells[1]) not in range(6):
            raise Unfit(path, f"line {number}: {cells[1]} is no intensity 0 to 5")
        if int(picture[1]) in values:
            raise Unfit(path, f"line {number}: {cells[0]} is labelled twice")
        values[int(picture[1])] = float(cells[1])
    if not values:
        raise Unfit(path, "labels no picture (000.jpg and its intensity in each line); another version of DISFA+?")
    return values, headed
