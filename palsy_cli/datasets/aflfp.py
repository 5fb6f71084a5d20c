"""AFLFP (Xia et al., 2022): patients' faces at four moments of 16 expressions, with 68 points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from palsy_cli.datasets.faces import DatasetSpec, FaceDataset, LabelledFace, Problem
from palsy_cli.datasets.marks import read_pts, read_xy
from palsy_cli.datasets.media import check_media, listing, only_file, problem_of, without_exchanged
from palsy_cli.errors import DatasetError

#: The expressions by the paper's codes; left and right as the paper says them.
EXPRESSIONS: dict[str, str] = {
    **{"BR": "brow raise", "CS": "close smile", "FR": "frown", "FN": "funny", "GEC": "gentle eye closure"},
    **{"LE": "left eyebrow", "LSM": "left smile", "LSN": "left snarl", "LW": "left wink", "OS": "open smile"},
    **{"RE": "right eyebrow", "RSM": "right smile", "RSN": "right snarl", "RW": "right wink", "SN": "snarl"},
    "TEC": "tight eye closure",
}
#: Moments of each clip that were labelled; ``LabelledFace.frame`` is the place in this list.
STATES = ("neutral", "onset", "mid", "peak")
SUBJECTS = 88
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp")
_READERS = {".pts": read_pts, ".csv": read_xy, ".txt": read_xy}

SPEC = DatasetSpec(
    name="aflfp",
    title="AFLFP: 68 points on faces with palsy, at rest and moving",
    labels=(
        "68 points on 5,632 pictures: 88 people, 16 expressions (BR, CS, FR, FN, GEC, LE, LSM, LSN, LW, OS, RE, RSM, "
        "RSN, RW, SN, TEC), four moments of each (neutral, onset, mid, peak). No grades, no action units. Whether all "
        "88 are patients the paper says in two ways (erratum E6)."
    ),
    layout="""\
DIR/
  S01/               any name: the subject
    BR/              the expression's code
      neutral.jpg    neutral.pts
      onset.jpg      onset.pts
      mid.jpg        mid.pts
      peak.jpg       peak.pts
    CS/
    ...

This layout is ours: none is published. Pictures are .jpg, .png or .bmp. Points are a .pts file (version 1, pixels
counted from 1) or a .csv or .txt of 68 lines x,y (pixels counted from 0). Either rename the files of your copy like
this, or describe it in a table and read it as the data set csv.""",
    licence="see the agreement with the authors; pictures of patients",
    request=(
        "the authors of Xia, Nduka, Kannan, Pescarini, Berner and Yu, AFLFP: a database with annotated facial "
        "landmarks for facial palsy, IEEE Transactions on Computational Social Systems, 2022 (University of "
        "Portsmouth); we know of no public download"
    ),
    leakage=(
        "Every person has 64 pictures that look much alike, so that whole people must be held out, as the paper does; "
        "it prints 80 and 8 of 88 for ten folds, which would be eleven (erratum E4)."
    ),
    folds=10,
)


def scan(root: Path) -> tuple[FaceDataset, list[Problem]]:
    """All faces. Subject: the folder; sequence: ``S01/BR``; frame: place in ``STATES``; condition: the code."""
    problems: list[Problem] = []
    people = [folder for folder in listing(root, problems) if folder.is_dir()]
    found = {person: _expressions(person, problems) for person in people}
    if not any(found.values()):
        told = (
            f"no SUBJECT/EXPRESSION/ in it ({', '.join(EXPRESSIONS)}); palsy datasets show {SPEC.name} draws the tree"
        )
        return FaceDataset(SPEC.name, root, ()), [Problem("missing", root, told)]
    faces = [face for folders in found.values() for folder in folders for face in _faces(folder, problems)]
    used = {folder.name for folders in found.values() for folder in folders}
    for person, folders in found.items():
        lacking = sorted(used - {folder.name for folder in folders})
        problems += [Problem("missing", person / code, f"no {EXPRESSIONS[code]}") for code in lacking]
    if set(EXPRESSIONS) - used:
        lacking = [code for code in EXPRESSIONS if code not in used]
        problems.append(Problem("note", root, f"nobody shows {', '.join(lacking)}; the paper has 16 expressions"))
    if len(people) != SUBJECTS:
        problems.append(Problem("note", root, f"{len(people)} of the {SUBJECTS} published subjects"))
    faces = sorted(without_exchanged(faces, problems), key=lambda face: (face.subject, face.sequence, face.frame))
    return FaceDataset(SPEC.name, root, tuple(faces)), problems + check_media(faces)


def _expressions(person: Path, problems: list[Problem]) -> list[Path]:
    """A subject's folders of known expressions."""
    folders = [folder for folder in listing(person, problems) if folder.is_dir()]
    known = ", ".join(EXPRESSIONS)
    problems += [
        Problem("damaged", folder, f"no expression of AFLFP; known: {known}")
        for folder in folders
        if folder.name not in EXPRESSIONS
    ]
    return [folder for folder in folders if folder.name in EXPRESSIONS]


def _faces(folder: Path, problems: list[Problem]) -> Iterator[LabelledFace]:
    """The four moments of one expression."""
    for path in listing(folder, problems):
        if path.stem not in STATES:
            problems.append(Problem("note", path, f"no key state; known: {', '.join(STATES)}"))
    subject, code = folder.parent.name, folder.name
    for frame, state in enumerate(STATES):
        picture = only_file(folder / state, _PICTURES, problems)
        marks = only_file(folder / state, tuple(_READERS), problems)
        if marks is None:
            continue
        try:
            points = _READERS[marks.suffix](marks)
        except DatasetError as error:
            problems.append(problem_of(error, marks))
            continue
        if picture is not None:
            yield LabelledFace(subject, f"{subject}/{code}", frame, picture, points=points, condition=code)
