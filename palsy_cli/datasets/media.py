"""Whether the pictures and videos of labelled faces are there, can be decoded, and are each one's own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from palsy_cli.datasets.faces import LabelledFace, Problem
from palsy_cli.datasets.reading import Unfit, confused, files_in, mirrored, subfolders
from palsy_cli.errors import VideoError
from palsy_cli.files import sha256_of
from palsy_cli.records import ByteImage, Clip
from palsy_cli.stages.video import count_frames, iter_frames

#: So many files of a set are decoded, evenly spread over it; to decode all would take minutes.
SAMPLE = 20
#: Share of a face's points that lie in its picture when the two belong together; faces in the wild are cut off by it.
_INSIDE = 0.5


def check_media(faces: Sequence[LabelledFace]) -> list[Problem]:
    """Look at every file that faces name.

    All must exist and not be empty, all videos must have a readable header; of ``SAMPLE`` the first picture is decoded,
    and the points must lie in it. A file that another one repeats byte for byte is a note.
    """
    first: dict[Path, LabelledFace] = {}
    for face in faces:
        first.setdefault(face.path, face)
    sizes = {path: _size(path) for path in first}
    problems = [Problem("missing", path, "no such file") for path, size in sizes.items() if size is None]
    problems += [Problem("damaged", path, "the file is empty") for path, size in sizes.items() if size == 0]
    whole = []
    for path in sorted(path for path, size in sizes.items() if size):
        try:
            if first[path].in_video:
                count_frames(path)
            whole.append(path)
        except VideoError as error:
            problems.append(problem_of(error, path))
    for number in np.unique(np.linspace(0, len(whole) - 1, SAMPLE).round().astype(int)) if whole else ():
        problems += _look_into(first[whole[number]])
    return problems + list(_repeated([first[path] for path in whole], sizes))


def without_exchanged(faces: Sequence[LabelledFace], problems: list[Problem]) -> list[LabelledFace]:
    """The faces whose points do not take right for left; the others become one problem (``reading.confused``)."""
    bad = {id(face) for face in faces if face.points is not None and mirrored(face.points)}
    if bad:
        example = next(face.path for face in faces if id(face) in bad)
        problems.append(confused(example, len(bad), len(faces)))
    return [face for face in faces if id(face) not in bad]


def problem_of(error: Exception, path: Path) -> Problem:
    """A file that a reader refused, as a problem; the error's line begins with the path."""
    return Problem("damaged", path, str(error).removeprefix(f"{path}: "))


def first_picture(path: Path, *, in_video: bool) -> ByteImage:
    """(H, W, 3) RGB uint8: the picture, or the first frame of a video; raises VideoError."""
    clip = Clip(path, sha256="", fps=None, width=0, height=0, kind="video" if in_video else "image")
    with closing(iter_frames(clip)) as frames:
        frame = next(frames, None)
    if frame is None:
        raise VideoError(f"{path}: no frame can be decoded (damaged or cut short?)")
    return frame.image


def listing(folder: Path, problems: list[Problem]) -> list[Path]:
    """Folders, then files directly inside, without hidden ones; nothing but a problem when it cannot be listed."""
    try:
        return [*subfolders(folder), *files_in(folder)]
    except Unfit as error:
        problems.append(error.problem)
        return []


def only_file(stem: Path, suffixes: Sequence[str], problems: list[Problem]) -> Path | None:
    """The file ``stem`` + one of the suffixes; ``None`` with a problem when there is none, or more than one."""
    paths = [stem.parent / f"{stem.name}{suffix}" for suffix in suffixes]
    found = [path for path in paths if path.is_file()]
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        problems.append(
            Problem("damaged", found[0], f"one of {len(found)} files of one name ({names}); keep the right one")
        )
    else:
        problems.append(Problem("missing", paths[0], f"no such file (nor {', '.join(suffixes[1:])})"))
    return None


def _size(path: Path) -> int | None:
    """Bytes; ``None`` when there is no such file."""
    try:
        return path.stat().st_size if path.is_file() else None
    except OSError:
        return None


def _look_into(face: LabelledFace) -> Iterator[Problem]:
    """Decode a face's picture, and see whether its points lie in it."""
    try:
        height, width = first_picture(face.path, in_video=face.in_video).shape[:2]
    except VideoError as error:
        yield problem_of(error, face.path)
        return
    marked = face.points[np.isfinite(face.points).all(axis=1)] if face.points is not None else np.zeros((0, 2))
    inside = ((marked >= -0.5) & (marked <= (width - 0.5, height - 0.5))).all(axis=1)
    if len(marked) and inside.mean() < _INSIDE:
        told = f"{(~inside).sum()} of {len(marked)} points lie outside the {width}x{height} picture"
        yield Problem("damaged", face.path, f"{told}; points and picture do not belong together")


def _repeated(faces: Sequence[LabelledFace], sizes: Mapping[Path, int | None]) -> Iterator[Problem]:
    """Files with the same bytes under two names; only those of equal size are read."""
    alike: defaultdict[int | None, list[LabelledFace]] = defaultdict(list)
    for face in faces:
        alike[sizes[face.path]].append(face)
    for group in alike.values():
        seen: dict[str, LabelledFace] = {}
        for face in group if len(group) > 1 else ():
            known = seen.setdefault(sha256_of(face.path), face)
            if known is not face:
                doubt = "" if known.subject == face.subject else f", but of subject {known.subject}: one person or two?"
                yield Problem("note", face.path, f"the same file as {known.path}{doubt}")
