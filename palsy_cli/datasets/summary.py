"""What a scan found, counted and put into lines: the data of ``palsy datasets check``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from palsy_cli.datasets.faces import FaceDataset, Problem

#: Worst first.
KINDS = ("missing", "damaged", "note")


def count_labels(dataset: FaceDataset) -> dict[str, int]:
    """Subjects, sequences, faces, and how much of them is labelled.

    ``labelled_units`` counts the units of ``dataset.aus`` that any face codes, ``unit_labels`` every label of a unit on
    a side, ``points`` every marked point, ``graded`` every face with a House-Brackmann grade.
    """
    faces = dataset.faces
    sides = [side for face in faces for side in (face.left, face.right) if side is not None]
    coded = np.isfinite(np.stack(sides)) if sides else np.zeros((0, 0), bool)
    return {
        "subjects": len(dataset.subjects),
        "sequences": len({face.sequence for face in faces}),
        "faces": len(faces),
        "labelled_units": int(coded.any(axis=0).sum()),
        "unit_labels": int(coded.sum()),
        "points": sum(int(np.isfinite(face.points).all(axis=1).sum()) for face in faces if face.points is not None),
        "graded": sum(face.grade is not None for face in faces),
    }


def sort_problems(problems: Sequence[Problem]) -> list[Problem]:
    """Missing files first, then damaged ones, then notes; in the order of the scan within each."""
    return sorted(problems, key=lambda problem: KINDS.index(problem.kind))


def to_dict(dataset: FaceDataset, problems: Sequence[Problem]) -> dict[str, Any]:
    """Plain values for JSON."""
    told = [{"kind": each.kind, "where": str(each.where), "what": each.what} for each in sort_problems(problems)]
    whole = verdict(dataset, problems) is None
    return {
        "name": dataset.name,
        "root": str(dataset.root),
        "whole": whole,
        **count_labels(dataset),
        "aus": list(dataset.aus),
        "problems": told,
    }


def to_lines(dataset: FaceDataset, problems: Sequence[Problem], *, limit: int | None) -> list[str]:
    """Tab-separated lines: the counts, then the problems, at most ``limit`` of them (``None``: all)."""
    counts = [f"{name}\t{number}" for name, number in count_labels(dataset).items()]
    return counts + [f"{each.kind}\t{each.where}\t{each.what}" for each in sort_problems(problems)[:limit]]


def verdict(dataset: FaceDataset, problems: Sequence[Problem]) -> str | None:
    """Why the folder cannot be used, in a few words; ``None`` when it can."""
    found = Counter(problem.kind for problem in problems)
    faults = [f"{found[kind]} {kind}" for kind in ("missing", "damaged") if found[kind]]
    if not faults and not dataset.faces:
        faults = ["no labelled face"]
    return " and ".join(faults) or None
