"""300-W (Sagonas et al., 2016): faces from the web with the 68 points whose order everybody took over."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from palsy_cli.datasets import folds
from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.marks import read_pts
from palsy_cli.datasets.media import check_media, listing, only_file, problem_of, without_exchanged
from palsy_cli.errors import DatasetError, UsageError

#: Folders of each part; the first that is there counts. ``300w`` is the test set of the challenge itself.
PARTS: dict[str, tuple[str, ...]] = {
    "afw": ("afw",),
    "helen/trainset": ("helen/trainset",),
    "helen/testset": ("helen/testset",),
    "ibug": ("ibug",),
    "lfpw/trainset": ("lfpw/trainset",),
    "lfpw/testset": ("lfpw/testset",),
    "300w": ("300W", "."),
}
#: Faces of each part as published.
PUBLISHED: dict[str, int] = {
    **{"afw": 337, "helen/trainset": 2000, "helen/testset": 330, "ibug": 135},
    **{"lfpw/trainset": 811, "lfpw/testset": 224, "300w": 600},
}
#: The split of the literature: 3,148 faces to learn from; 554, 135 or 689 to test.
TRAINING = ("afw", "helen/trainset", "lfpw/trainset")
TEST: dict[str, tuple[str, ...]] = {
    "common": ("helen/testset", "lfpw/testset"),
    "challenging": ("ibug",),
    "full": ("helen/testset", "lfpw/testset", "ibug"),
}
_DOORS = ("01_Indoor", "02_Outdoor")
_SUFFIXES = (".jpg", ".png", ".jpeg")
#: ``134212_1`` and ``134212_2`` are two faces of one photo, which may stand in both parts of its source; ``image_0001``
#: is no second face of anything, and LFPW numbers each part anew.
_FACE_OF_PHOTO = re.compile(r"(.*\d)_\d+")

SPEC = DatasetSpec(
    name="300w",
    title="300-W: 68 points on faces from the web",
    labels=(
        "68 points a face in the order that all our points follow. To learn from: afw, helen/trainset and "
        "lfpw/trainset (3,148 faces). To test: helen/testset and lfpw/testset (common, 554), ibug (challenging, 135), "
        "all three (full, 689)."
    ),
    layout="""\
DIR/
  afw/             1051618982_1.jpg, 1051618982_1.pts, ...
  helen/trainset/  100032540_1.jpg, 100032540_1.pts, ...
  helen/testset/
  ibug/            image_003_1.jpg, image_003_1.pts, ...
  lfpw/trainset/   image_0001.png, image_0001.pts, ...
  lfpw/testset/
  300W/01_Indoor/  indoor_001.png, indoor_001.pts, ...   (the challenge's own test set; may be absent)
  300W/02_Outdoor/

Pictures are .jpg or .png, each with its .pts beside it (version 1, 68 points, pixels counted from 1). Parts may be
absent; the check says so.""",
    licence=(
        "points: for research only, no commercial products; pictures: those of AFW, HELEN, LFPW and the web, with "
        "their own terms; see the agreement"
    ),
    request=(
        "iBUG group, Imperial College London, https://ibug.doc.ic.ac.uk/resources/300-W/ (Sagonas, Antonakos, "
        "Tzimiropoulos, Zafeiriou and Pantic, 300 Faces In-The-Wild Challenge: database and results, Image and Vision "
        "Computing 47, 2016)"
    ),
    leakage=(
        "Nobody knows who is seen, and the same celebrity may stand in several parts and in other sets from the web; "
        "only the faces of one photo can be kept together."
    ),
    folds=1,
)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All parts that are there. Subject: the photo (``helen/100032540``); condition: the part."""
    problems: list[Problem] = []
    faces: list[LabelledFace] = []
    for part in PARTS:
        files = [path for folder in _folders(root, part) for path in listing(folder, problems)]
        found = [_face(path, part, problems) for path in files if path.suffix == ".pts"]
        problems += _unmarked(files)
        faces += [face for face in found if face is not None]
        if len(found) != PUBLISHED[part] and (found or part != "300w"):
            problems.append(Problem("note", root, f"{part}: {len(found)} of the {PUBLISHED[part]} published faces"))
    if not any(_folders(root, part) for part in PARTS):
        return FaceDataset(SPEC.name, root, ()), [Problem("missing", root, f"holds none of {', '.join(PARTS)}")]
    faces = sorted(without_exchanged(faces, problems), key=lambda face: (face.subject, face.sequence))
    problems += [*_across(faces, root), *check_media(faces)]
    return FaceDataset(SPEC.name, root, tuple(faces)), problems


def own_folds(dataset: FaceDataset) -> tuple[folds.Fold, ...]:
    """The one split of the literature: learn from ``TRAINING``, test on the full set."""
    return (fold_by_part(dataset, TEST["full"]),)


def fold_by_part(dataset: FaceDataset, test_parts: Iterable[str]) -> folds.Fold:
    """The split of the literature: learn from ``TRAINING``, test on these parts (``TEST`` names the usual ones).

    Validation is taken from the training parts as ``folds.py`` does. A photo with faces on both sides is left out of
    the training, so that no picture is tested that was learned from.

    Raises:
        UsageError: no such part.
        DatasetError: nothing to test, or nothing to learn from.
    """
    parts = tuple(test_parts)
    unknown = [part for part in parts if part not in PARTS]
    if unknown or not parts:
        raise UsageError(f"300-W has no part {', '.join(unknown) or '(none named)'}; known: {', '.join(PARTS)}")
    where = np.array([face.condition for face in dataset.faces])
    owner = np.array([face.subject for face in dataset.faces])
    tested = np.isin(where, parts)
    learned = np.isin(where, [part for part in TRAINING if part not in parts])
    others = set(owner[learned]) - set(owner[tested])
    for rows, named in ((tested.any(), parts), (len(others) > 1, TRAINING)):
        if not rows:
            raise DatasetError(f"{dataset.root}: holds too few faces of {', '.join(named)} for this split")
    fold = folds.fold_of(dataset, number=1, tested=set(owner[tested]), others=others)
    kept = (fold.training[learned[fold.training]], fold.validation[learned[fold.validation]])
    return folds.Fold(1, *kept, np.flatnonzero(tested))


def _folders(root: Path, part: str) -> list[Path]:
    """Where a part lies; empty when it is absent."""
    for name in PARTS[part]:
        folders = [root / name / door for door in _DOORS] if part == "300w" else [root / name]
        present = [folder for folder in folders if folder.is_dir()]
        if present:
            return present
    return []


def _face(pts: Path, part: str, problems: list[Problem]) -> LabelledFace | None:
    """The face of a ``.pts`` file; ``None`` with a problem when it is not whole."""
    picture = only_file(pts.with_suffix(""), _SUFFIXES, problems)
    try:
        points = read_pts(pts)
    except DatasetError as error:
        problems.append(problem_of(error, pts))
        return None
    if picture is None:
        return None
    photo = _FACE_OF_PHOTO.fullmatch(pts.stem)
    subject = f"{part.partition('/')[0]}/{photo[1]}" if photo else f"{part}/{pts.stem}"
    return LabelledFace(subject, f"{part}/{pts.stem}", 0, picture, points=points, condition=part)


def _unmarked(files: Iterable[Path]) -> Iterator[Problem]:
    """Pictures without points."""
    for path in files:
        if path.suffix.lower() in _SUFFIXES and not path.with_suffix(".pts").is_file():
            yield Problem("missing", path.with_suffix(".pts"), f"no points for {path.name}")


def _across(faces: Iterable[LabelledFace], root: Path) -> Iterator[Problem]:
    """Photos with faces in two parts."""
    parts: defaultdict[str, set[str]] = defaultdict(set)
    for face in faces:
        parts[face.subject].add(str(face.condition))
    for subject, found in parts.items():
        if len(found) > 1:
            yield Problem("note", root, f"photo {subject} has faces in {' and '.join(sorted(found))}")
