"""BP4D-Spontaneous: eight tasks, their most expressive part coded frame by frame (Zhang et al., IVC 2014)."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.reading import (
    Unfit,
    and_more,
    confused,
    files_in,
    is_hdf5,
    is_number,
    locate,
    mirrored,
    numbered_pictures,
    read_mat,
    read_text,
    spread,
    subfolders,
    unpacked,
)
from palsy_cli.points import POINTS_49
from palsy_cli.records import FloatArray

#: The units that ALGRNet and JAA-Net take from BP4D.
AUS: tuple[int, ...] = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
SUBJECT = r"[FM]\d{3}"
_TASK = r"T\d+"
#: Written where a unit was not coded.
_UNCODED = 9
_SEX = {"F": "female", "M": "male"}
#: Fields of a tracked frame that hold its points, in the versions seen.
_FIELDS = ("pred", "pts_2d")

SPEC = DatasetSpec(
    name="bp4d",
    title="BP4D-Spontaneous",
    labels=(
        "41 people (F001 to F023, M001 to M018), 8 tasks each, about 140,000 coded frames; AU 1, 2, 4, 6, 7, 10, 12, "
        "14, 15, 17, 23 and 24 absent or present (9: not coded), one label for the whole face (both sides get it); 49 "
        "tracked points. The sex of each person is known from the id."
    ),
    layout="""\
BP4D/
  Sequences(2D+3D)/F001/T1/2440.jpg   also 2D+3D/, Sequences/, or F001/ beside AUCoding/
  AUCoding/AU_OCC/F001_T1.csv         first row: the units; first column: the frame; also AUCoding/F001_T1.csv
  2DFeatures/F001_T1.mat              optional; fit: one tracked face for each picture; MATLAB 7.3 needs h5py
""",
    licence="for research under a signed agreement, not to be passed on; see the agreement for what it allows",
    request="Lijun Yin, Binghamton University: www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html",
    leakage=(
        "The same person stands in all eight tasks, and neighbouring frames look alike: only folds of whole people say "
        "anything. Networks that others trained on BP4D have seen these people."
    ),
    folds=3,
)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All coded frames, and every fault found on the way; see ``catalogue.scan_dataset``."""
    faces: list[LabelledFace] = []
    problems: list[Problem] = []
    try:
        codes = _codes(root)
        people = _people(root)
        pictures = next(iter(people.values())).parent
        features = locate(root, ["2DFeatures"])
    except Unfit as fault:
        return FaceDataset(SPEC.name, root, (), AUS, present_from=1.0), [fault.problem]
    if features is None:
        problems.append(Problem("note", root, "no folder 2DFeatures: the faces have no points"))
    elif not _hdf5_readable() and any(is_hdf5(path) for path in files_in(features, r".*\.mat")[:1]):
        what = "MATLAB 7.3 files need h5py (pip install h5py); the faces have no points"
        problems.append(Problem("note", features, what))
        features = None
    for path in codes:
        subject, task = path.stem.upper().split("_")
        place = people.get(subject, pictures / subject) / task
        found, faults = _sequence(path, subject, task, place=place, features=features)
        faces += found
        problems += faults
    groups = {face.subject: {"sex": _SEX[face.subject[0]]} for face in faces}
    return FaceDataset(SPEC.name, root, tuple(faces), AUS, present_from=1.0, groups=groups), problems


def _codes(root: Path) -> list[Path]:
    """Files of occurrence codes; raises Unfit when there are none."""
    pattern = rf"{SUBJECT}_{_TASK}\.csv"
    folder = locate(root, ["AU_OCC", "AUCoding"])
    if folder is None:
        raise Unfit(root, "is not BP4D: no folder AUCoding/AU_OCC in it", "missing")
    inner = locate(folder, ["AU_OCC"])
    files = files_in(inner or folder, pattern)
    if not files:
        raise Unfit(inner or folder, "holds no occurrence codes (F001_T1.csv)", "missing")
    return files


def _people(root: Path) -> dict[str, Path]:
    """Folder of each person's pictures; raises Unfit when there are none."""
    folder = locate(root, ["Sequences(2D+3D)", "2D+3D", "Sequences", "BP4D"]) or root
    people = {each.name.upper(): unpacked(each) for each in subfolders(folder, SUBJECT)}
    if not people:
        raise Unfit(folder, "holds no pictures (Sequences(2D+3D)/F001/T1/2440.jpg)", "missing")
    return people


def _sequence(
    path: Path, subject: str, task: str, *, place: Path, features: Path | None
) -> tuple[list[LabelledFace], list[Problem]]:
    """Faces of one task of one person: its codes, the folder of its pictures, and the folder of all points."""
    try:
        codes = read_codes(path)
        pictures, problems = numbered_pictures(place)
    except Unfit as fault:
        return [], [fault.problem]
    absent = sorted(codes.keys() - pictures.keys())
    if absent:
        what = f"is coded, but not there{and_more(len(absent))}"
        problems.append(Problem("missing", place / f"{absent[0]:04d}.jpg", what))
    marked: Mapping[int, FloatArray] = {}
    if features is not None:
        marked, faults = _points(features / f"{subject}_{task}.mat", pictures, wanted=codes)
        problems += faults
    faces = [
        LabelledFace(
            subject=subject,
            sequence=f"{subject}/{task}",
            frame=frame,
            path=pictures[frame],
            points=marked.get(frame),
            left=values,
            right=values,
            condition=task,
        )
        for frame, values in sorted(codes.items())
        if frame in pictures and np.isfinite(values).any()
    ]
    return faces, problems


def read_codes(path: Path) -> dict[int, FloatArray]:
    """Codes (A,) of every frame: 0 absent, 1 present, NaN not coded; read-only.

    Raises:
        Unfit: it cannot be read, its first row does not name the units, or a row holds another code; line named.
    """
    lines = [(number, line.split(",")) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    if not lines:
        raise Unfit(path, "is empty")
    columns = _columns(path, lines[0][1])
    codes: dict[int, FloatArray] = {}
    for number, cells in lines[1:]:
        if len(cells) != len(lines[0][1]):
            raise Unfit(path, f"line {number}: {len(cells)} columns where the first row has {len(lines[0][1])}")
        if not all(is_number(cells[column]) for column in (0, *columns)):
            word = next(cells[column] for column in (0, *columns) if not is_number(cells[column]))
            raise Unfit(path, f"line {number}: {word.strip()!r} is no number")
        values = np.array([float(cells[column]) for column in columns])
        odd = values[~np.isin(values, (0, 1, _UNCODED))]
        if len(odd):
            hint = "; is it a file of intensities?" if odd[0] in range(6) else ""
            raise Unfit(path, f"line {number}: {odd[0]:g} is no occurrence (0, 1, or 9 for not coded){hint}")
        frame = int(float(cells[0]))
        if frame in codes:
            raise Unfit(path, f"line {number}: frame {frame} is coded twice")
        values[values == _UNCODED] = np.nan
        values.setflags(write=False)
        codes[frame] = values
    if not codes:
        raise Unfit(path, "codes no frame")
    return codes


def _columns(path: Path, names: list[str]) -> list[int]:
    """Columns of our units by the first row; raises Unfit when one is not there."""
    known: dict[int, int] = {}
    for column, name in enumerate(names[1:], start=1):
        found = re.fullmatch(r"(?:AU)?0*(\d{1,3})", name.strip().strip('"'), re.IGNORECASE)
        if found:
            known.setdefault(int(found[1]), column)
    lacking = [au for au in AUS if au not in known]
    if len(names) == 2:
        raise Unfit(path, "holds one column of codes; it is a file of intensities, AU_OCC has a column for each unit")
    if lacking:
        raise Unfit(path, f"line 1: the first row does not name AU{lacking[0]}; another version of the codes?")
    return [known[au] for au in AUS]


def _points(
    path: Path, pictures: Mapping[int, Path], *, wanted: Mapping[int, Any]
) -> tuple[dict[int, FloatArray], list[Problem]]:
    """Points (68, 2) of the ``wanted`` frames: the k-th tracked face is that of the k-th picture."""
    numbers = sorted(pictures)
    chosen = [place for place, number in enumerate(numbers) if number in wanted]
    try:
        total, faces = read_tracked(path, chosen)
    except Unfit as fault:
        return {}, [fault.problem]
    if total != len(numbers):
        what = f"has {total} tracked faces for {len(numbers)} pictures; which belong together is unknown, left out"
        return {}, [Problem("note", path, what)]
    found = {numbers[place]: points for place, points in faces.items()}
    turned = {frame for frame, points in found.items() if mirrored(points)}
    problems = [confused(path, len(turned), len(found))] if turned else []
    return {frame: points for frame, points in found.items() if frame not in turned}, problems


def read_tracked(path: Path, chosen: list[int]) -> tuple[int, dict[int, FloatArray]]:
    """Tracked points of a task.

    Args:
        path: MATLAB file with ``fit``.
        chosen: which frames, counted from 0; those beyond the end are passed over.

    Returns:
        How many frames the file has, and points (68, 2) of those chosen that were tracked, NaN outside the 49.

    Raises:
        Unfit: it is missing or damaged, or holds something else.
    """
    total, cells = _cells_hdf5(path, chosen) if is_hdf5(path) else _cells_mat(path, chosen)
    found = {}
    for place, cell in cells.items():
        points = cell.T if cell.shape == (2, 49) else cell
        if points.shape == (49, 2):
            if np.isfinite(points).all() and points.any():
                found[place] = spread(points.astype(float), POINTS_49)
        elif points.size > 4:  # a lost frame is an empty field, of one to four cells in version 7.3
            shape = " x ".join(map(str, points.shape))
            raise Unfit(path, f"fit: expected 49 x 2 points in frame {place + 1}, got {shape}")
    return total, found


def _cells_mat(path: Path, chosen: list[int]) -> tuple[int, dict[int, Any]]:
    """Fields of points as they are, from a file up to version 7."""
    fit = np.asarray(read_mat(path, "fit"))
    field = next((name for name in _FIELDS if name in (fit.dtype.names or ())), None)
    if field is None:
        raise Unfit(path, f"fit has no field {' or '.join(_FIELDS)}; is it another file?")
    column = fit[field].ravel()
    return len(column), {place: np.asarray(column[place]) for place in chosen if place < len(column)}


def _cells_hdf5(path: Path, chosen: list[int]) -> tuple[int, dict[int, Any]]:
    """Fields of points as they are, from a file of version 7.3."""
    if not _hdf5_readable():
        raise Unfit(path, "is a MATLAB 7.3 file, which needs h5py (pip install h5py)")
    h5py = importlib.import_module("h5py")
    try:
        with h5py.File(path, "r") as file:
            field = next(name for name in _FIELDS if f"fit/{name}" in file)
            references = file[f"fit/{field}"][()].ravel()
            cells = {place: np.asarray(file[references[place]]) for place in chosen if place < len(references)}
    except StopIteration:
        raise Unfit(path, f"fit has no field {' or '.join(_FIELDS)}; is it another file?") from None
    except Exception as error:  # h5py raises many kinds for a damaged file; all of them mean the same to the user
        raise Unfit(path, f"cannot be read as a MATLAB file ({type(error).__name__}); copy it again") from error
    return len(references), cells


def _hdf5_readable() -> bool:
    return importlib.util.find_spec("h5py") is not None
