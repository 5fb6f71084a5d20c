"""What a data set's labels ask for, kind by kind, and how answers are laid beside them.

Kinds: ``points`` (68 of a picture), ``presence`` and ``intensity`` (of action units), ``severity`` (four grades),
``house_brackmann`` (six) and ``signs`` (the weaker side of each region). The first three ask for every labelled face,
the others for every video or sequence.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from palsy_cli.datasets.faces import FaceDataset, LabelledFace
from palsy_cli.evaluation.predictions import POINT_COLUMNS, FrameKey, class_columns, unit_columns
from palsy_cli.evaluation.study import GradeStudy, IntensityStudy, PointsStudy, PresenceStudy, SignStudy, Study, match
from palsy_cli.networks.algrnet_regions import KNOWN_AUS
from palsy_cli.records import SEVERITY_LABELS, FloatArray
from palsy_cli.report.terms import ROMAN
from palsy_cli.simulate.scores import severity_of_grade, whole_grade
from palsy_cli.stages.symptoms import CLINICAL_REGIONS
from palsy_cli.training.tasks.units import present_on_either

#: How answers write a region's weaker side.
SIGN_VALUES: dict[str, float] = {"right": -1.0, "none": 0.0, "left": 1.0}


@dataclass(frozen=True, eq=False)
class Answers:
    """Values (N, C) of N faces or videos; NaN where there is no answer.

    Attributes:
        keys: whose, subject, sequence and frame.
        values: (N, C); of intensities those of the patient's left.
        right: (N, C) intensities of the right.
        by_helpers: intensities (N, C) of left and right under each number of helper frames.
    """

    keys: tuple[FrameKey, ...]
    values: FloatArray
    right: FloatArray | None = None
    by_helpers: dict[int, tuple[FloatArray, FloatArray]] | None = None

    def of(self, keys: Sequence[FrameKey]) -> FloatArray:
        """(M, C) the values of some keys, in their order; raises DatasetError when one has none."""
        return np.stack(match(keys, dict(zip(self.keys, self.values, strict=True))))


@dataclass(frozen=True)
class Kind:
    """One kind of answer.

    Attributes:
        networks: which give it.
        figure: by which groups of people are compared.
        labelled: whether a face has such a label.
        columns: names of the values.
        study: answers beside the labels of the faces they are asked for.
        by_sequence: one answer is asked for every video or sequence, not for every face.
    """

    networks: tuple[str, ...]
    figure: str
    labelled: Callable[[FaceDataset, LabelledFace], bool]
    columns: Callable[[FaceDataset], tuple[str, ...]]
    study: Callable[[FaceDataset, Sequence[LabelledFace], Answers], Study]
    by_sequence: bool = False

    def asked(self, faces: FaceDataset, rows: Sequence[int]) -> list[LabelledFace]:
        """Those of the faces ``rows`` that have such a label; of a graded video or sequence the first."""
        chosen = [faces.faces[row] for row in rows if self.labelled(faces, faces.faces[row])]
        if not self.by_sequence:
            return chosen
        return list({face.sequence: face for face in reversed(chosen)}.values())[::-1]


def key_of(face: LabelledFace) -> FrameKey:
    """Subject, sequence and frame."""
    return face.subject, face.sequence, face.frame


def sequence_of(face: LabelledFace) -> FrameKey:
    """Subject and sequence; the frame is 0."""
    return face.subject, face.sequence, 0


def presence_units(faces: FaceDataset) -> tuple[int, ...]:
    """The set's units that ALGRNet can look for."""
    return tuple(au for au in faces.aus if au in KNOWN_AUS)


def _points(faces: FaceDataset, asked: Sequence[LabelledFace], answers: Answers) -> PointsStudy:
    rows = answers.of([key_of(face) for face in asked])
    return PointsStudy(
        found=np.stack([rows[:, :68], rows[:, 68:]], axis=2),
        true=np.stack([cast("FloatArray", face.points) for face in asked]),
        subjects=_subjects(asked),
        conditions=[face.condition or "" for face in asked] if any(face.condition for face in asked) else None,
        groups=faces.groups,
    )


def _presence(faces: FaceDataset, asked: Sequence[LabelledFace], answers: Answers) -> PresenceStudy:
    aus = presence_units(faces)
    columns = [faces.aus.index(au) for au in aus]
    true = present_on_either(*_sides(asked), present_from=faces.present_from)[:, columns]
    return PresenceStudy(answers.of([key_of(face) for face in asked]), true, aus, _subjects(asked), faces.groups)


def _intensity(faces: FaceDataset, asked: Sequence[LabelledFace], answers: Answers) -> IntensityStudy:
    """Both halves of every face, the left ones first; answers for whole faces count for both."""
    places = {key: place for place, key in enumerate(answers.keys)}
    rows = match([key_of(face) for face in asked], places)
    right = answers.values if answers.right is None else answers.right
    helped = answers.by_helpers or {}
    return IntensityStudy(
        found=np.concatenate([answers.values[rows], right[rows]]),
        true=np.concatenate(_sides(asked)),
        aus=faces.aus,
        subjects=_subjects(asked) * 2,
        by_helpers={m: np.concatenate([own[rows], other[rows]]) for m, (own, other) in helped.items()},
        groups=faces.groups,
    )


def _grades(faces: FaceDataset, asked: Sequence[LabelledFace], answers: Answers) -> GradeStudy:
    """Severity or House-Brackmann, told apart by the number of classes; half grades go to the worse neighbour."""
    values = answers.of([sequence_of(face) for face in asked])
    grades = [cast("float", face.grade) for face in asked]
    of_severity = values.shape[1] == len(SEVERITY_LABELS)
    true = np.array([severity_of_grade(grade) if of_severity else whole_grade(grade) - 1 for grade in grades])
    classes = SEVERITY_LABELS if of_severity else ROMAN
    return GradeStudy(values, true, classes, _subjects(asked), groups=faces.groups)


def _signs(faces: FaceDataset, asked: Sequence[LabelledFace], answers: Answers) -> SignStudy:
    values = answers.of([sequence_of(face) for face in asked])
    true = [[(face.weak_sides or {}).get(region, "") for region in CLINICAL_REGIONS] for face in asked]
    signs = {value: side for side, value in SIGN_VALUES.items()}
    found = [["" if math.isnan(sign) else signs[sign] for sign in row] for row in values.tolist()]
    return SignStudy(np.array(found, str), np.array(true, str), tuple(CLINICAL_REGIONS), _subjects(asked), faces.groups)


def _subjects(asked: Sequence[LabelledFace]) -> list[str]:
    return [face.subject for face in asked]


def _sides(asked: Sequence[LabelledFace]) -> tuple[FloatArray, FloatArray]:
    left, right = ([getattr(face, side) for face in asked] for side in ("left", "right"))
    return np.stack(left).astype(float), np.stack(right).astype(float)


def _has_units(face: LabelledFace) -> bool:
    """Units of a video as a whole say nothing of a single frame."""
    return face.left is not None and not face.whole_video


def _is_graded(_: FaceDataset, face: LabelledFace) -> bool:
    return face.grade is not None


KINDS: dict[str, Kind] = {
    "points": Kind(("landmark_fcn",), "mean per point", lambda _, face: face.points is not None,
                   lambda _: POINT_COLUMNS, _points),
    "presence": Kind(("algrnet",), "F1", lambda _, face: _has_units(face),
                     lambda faces: unit_columns(presence_units(faces)), _presence),
    "intensity": Kind(("ovpm", "dvpm"), "MAE",
                      lambda faces, face: _has_units(face) and faces.has_intensities,
                      lambda faces: unit_columns(faces.aus), _intensity),
    "severity": Kind(("algrnet",), "accuracy", _is_graded, lambda _: class_columns(SEVERITY_LABELS), _grades,
                     by_sequence=True),
    "signs": Kind(("ovpm", "dvpm"), "F1, mouth", lambda _, face: face.whole_video and face.weak_sides is not None,
                  lambda _: tuple(f"weak_{region}" for region in CLINICAL_REGIONS), _signs, by_sequence=True),
    "house_brackmann": Kind(("hb_cascade",), "accuracy", _is_graded, lambda _: class_columns(ROMAN), _grades,
                            by_sequence=True),
}  # fmt: skip
