"""Labelled faces of a data set, whatever its layout on disk: the one form that training and evaluation know.

An adapter is a module with ``SPEC`` (a ``DatasetSpec``) and ``scan(root)``, which never stops at the first fault: it
returns what it could read together with everything that is missing or damaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from palsy_cli.records import FloatArray
from palsy_cli.text import one_line


@dataclass(frozen=True)
class LabelledFace:
    """One picture of one person, and what is known of it.

    Attributes:
        subject: the person's id in the data set.
        sequence: clip or film that it belongs to, unique in the data set (``SN001/A1_AU1_TrailNo_1``).
        frame: its number in the sequence; in a video the frame's number, counted from 0.
        path: the picture, or the video.
        in_video: whether ``path`` is a video of which it is frame ``frame``.
        whole_video: the labels are those of the whole video, which is then a single face with ``frame`` 0.
        points: (68, 2) pixels, NaN where a point was not marked; ``None`` when none was.
        left, right: (A,) labels of the data set's units on each side, NaN where not coded; ``None`` when none was. Sets
            that label whole faces say the same of both sides.
        grade: House-Brackmann grade 1..6; published sets know halves.
        weak_sides: region (``eyebrows``, ``eyes``, ``mouth``) to its weaker side, ``left``, ``right`` or ``none``, as
            somebody judged it; ``None`` when nobody did.
        condition: the task asked for, or the part of the set, in the set's own words (``BR``, ``lfpw/testset``).
    """

    subject: str
    sequence: str
    frame: int
    path: Path
    in_video: bool = False
    whole_video: bool = False
    points: FloatArray | None = None
    left: FloatArray | None = None
    right: FloatArray | None = None
    grade: float | None = None
    weak_sides: Mapping[str, str] | None = None
    condition: str | None = None

    def __post_init__(self) -> None:
        """Refuse points of another shape and grades off the scale."""
        if self.points is not None and self.points.shape != (68, 2):
            raise ValueError(f"points: expected shape (68, 2), got {self.points.shape}")
        if self.grade is not None and not 1 <= self.grade <= 6:
            raise ValueError(f"grade: expected 1..6, got {self.grade}")

    @property
    def at_rest(self) -> bool:
        """Whether every coded unit is absent on both sides; False when nothing is coded."""
        if self.left is None or self.right is None:
            return False
        both = np.concatenate([self.left, self.right])
        return bool(np.isfinite(both).any() and np.nanmax(both) == 0)


@dataclass(frozen=True)
class FaceDataset:
    """What an adapter read.

    Attributes:
        name: the adapter's name.
        root: the folder.
        faces: in a fixed order (subject, sequence, frame).
        aus: the units of ``LabelledFace.left`` and ``right``; empty for sets without units.
        present_from: a unit counts as present from this label on: 2 of intensities 0..5 (as ALGRNet's authors do with
            DISFA), 1 of labels that are 0 or 1.
        groups: what is known of each subject, by subject and then by name (``sex``, ``age_band``, ``skin_tone``).
    """

    name: str
    root: Path
    faces: tuple[LabelledFace, ...]
    aus: tuple[int, ...] = ()
    present_from: float = 2.0
    groups: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def has_intensities(self) -> bool:
        """Whether units are labelled in steps 0..5, not only as absent or present."""
        return bool(self.aus) and self.present_from > 1

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects, sorted."""
        return tuple(sorted({face.subject for face in self.faces}))


@dataclass(frozen=True)
class Problem:
    """One fault of a folder: ``missing`` and ``damaged`` files make it unfit, a ``note`` does not.

    ``what`` is one line, whatever cells of the file it quotes.
    """

    kind: Literal["missing", "damaged", "note"]
    where: Path
    what: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "what", one_line(self.what))

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class DatasetSpec:
    """What a person must know of a data set before asking for it.

    Attributes:
        name: in commands.
        title: one line.
        labels: what is labelled, and how.
        layout: the tree on disk that the adapter reads, as text.
        licence: under which terms it is given out.
        request: where to ask for it (a web page or a person), as published.
        leakage: how people of the training may come into the test unseen.
        folds: how many folds the papers use.
    """

    name: str
    title: str
    labels: str
    layout: str
    licence: str
    request: str
    leakage: str
    folds: int
