"""Tables of a study by itself: parts and regions, each unit, each grade, groups of people.

Intervals are 95 %, subjects drawn anew; a single subject has none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from palsy_cli.evaluation import counts, moments
from palsy_cli.evaluation.point_errors import FAILURE, REGIONS_68
from palsy_cli.evaluation.results import EMPTY, Cell, ResultRow, ResultTable, not_run
from palsy_cli.evaluation.study import GradeStudy, IntensityStudy, NotRun, PointsStudy, PresenceStudy, Study
from palsy_cli.evaluation.study_figures import (
    POINT_FIGURES,
    Measured,
    Rows,
    figure_of,
    grade_sums,
    intensity_sums,
    mean_of_errors,
    over_pairs,
    over_units,
    point_sums,
    presence_sums,
    present,
    study_figures,
    unanswered,
)
from palsy_cli.evaluation.subject_sums import Figure, share_cell
from palsy_cli.records import FloatArray

#: A group whose value is not known of a subject.
UNKNOWN = "not known"
_ALL = "all"


def extent(study: Study, unit: str) -> str:
    """How much was measured: ``140 frames of 3 people, 2 without an answer``."""
    silent = unanswered(study)
    text = f"{len(study.subjects)} {unit} of {len(set(study.subjects))} people"
    return text + (f", {silent} without an answer" if silent else "")


def points_tables(study: PointsStudy | NotRun, *, key: str, title: str) -> list[ResultTable]:
    """Errors by every definition and by region, of all images and of each condition; for sets without a paper's table.

    Args:
        study: the points.
        key: of the tables.
        title: the data set's name.
    """
    names = (*POINT_FIGURES, *REGIONS_68)
    columns = (*(f"{name}, %" for name in names), "images", "people")
    notes: tuple[str, ...] = (
        "Errors of regions are means per point. They and the first two columns are shares of sqrt(w h) of the box "
        "around the marked points, the third of the distance between the outer eye corners.",
        f"A failure is an interocular error above {100 * FAILURE:g} %, or no answer.",
    )
    rows = []
    if isinstance(study, NotRun):
        rows.append(not_run(_ALL, columns, reason=study.reason))
    else:
        rows.append(_points_row(study, _ALL, np.arange(len(study.subjects)), len(names)))
        conditions = np.asarray(study.conditions if study.conditions is not None else [])
        for name in sorted(set(conditions.tolist())):
            rows.append(_points_row(study, name, np.flatnonzero(conditions == name), len(names)))
        notes = (*notes, f"{extent(study, 'images')}.")
    heading = f"{title}: normalised errors of 68 points"
    return [ResultTable(f"{key}-errors", heading, columns, tuple(rows), 2, notes, corner="part")]


def _points_row(study: PointsStudy, label: str, rows: Rows, count: int) -> ResultRow:
    sums = point_sums(study, rows)
    cells = sums.cells(lambda whole: 100 * mean_of_errors(whole[..., :count, :]))
    return ResultRow(label, (*cells, Cell(len(rows)), Cell(len(sums.subjects))))


def unit_table(study: PresenceStudy | IntensityStudy, *, key: str, title: str) -> ResultTable:
    """Each unit by itself, and their mean; limits of agreement and DEM's accuracy over all pairs instead."""
    if isinstance(study, PresenceStudy):
        sums, figures, decimals = presence_sums(study), _PRESENCE, 1
        notes = ["A unit that never occurs and is never found has no F1 and stays out of the mean."]
    else:
        sums, figures, decimals = intensity_sums(study.found, study), _INTENSITY, 2
        notes = [
            "A unit that never varies has no correlation and stays out of the mean.",
            "Lower and upper: the limits between which 95 % of the differences lie.",
        ]
    each = [sums.cells(figure, scale=scale) for figure, _, scale in figures.values()]
    mean = [sums.cell(joined(figure), scale=scale) for figure, joined, scale in figures.values()]
    coded = np.isfinite(study.true).sum(0)
    rows = [
        ResultRow(f"AU{au}", (*(cells[i] for cells in each), Cell(int(coded[i])))) for i, au in enumerate(study.aus)
    ]
    rows.append(ResultRow("mean", (*mean, EMPTY)))
    return ResultTable(
        key=f"{key}-units",
        title=f"{title}: each action unit" if title else "Each action unit",
        columns=(*figures, "coded"),
        rows=tuple(rows),
        decimals=decimals,
        notes=(f"{extent(study, 'frames')}.", *notes),
        corner="unit",
    )


def _occurrence(whole: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(whole[..., 1, :].sum(-1) / whole.sum((-2, -1)))


def _limit(sign: int) -> Figure:
    """A limit of agreement (Bland and Altman 1986)."""
    return lambda whole: moments.bias_of(whole) + sign * 1.96 * moments.scatter_of(whole)


#: A figure of units, how it is made one of all units, and the factor of its unit.
_Units = dict[str, tuple[Figure, Callable[[Figure], Figure], float]]
_PRESENCE: _Units = {
    "F1, %": (present(counts.dice_of), over_units, 100),
    "precision, %": (present(counts.precision_of), over_units, 100),
    "recall, %": (present(counts.recall_of), over_units, 100),
    "accuracy, %": (counts.accuracy_of, over_units, 100),
    "occurs, %": (_occurrence, over_units, 100),
}
_INTENSITY: _Units = {
    "MAE": (moments.absolute_error_of, over_units, 1),
    "RMSE": (moments.root_mean_square_of, over_units, 1),
    "ICC(3,1)": (moments.consistency_of, over_units, 1),
    "ICC(2,1)": (moments.agreement_of, over_units, 1),
    "CCC": (moments.concordance_of, over_units, 1),
    "PCC": (moments.pearson_of, over_units, 1),
    "accuracy, %": (moments.rounded_accuracy_of, over_pairs, 100),
    "bias": (moments.bias_of, over_pairs, 1),
    "lower": (_limit(-1), over_pairs, 1),
    "upper": (_limit(1), over_pairs, 1),
}


def grade_tables(study: GradeStudy, *, key: str, title: str) -> list[ResultTable]:
    """Agreement in one row, each grade by itself, and the confusion matrix."""
    sums = grade_sums(study)
    agreement = _agreement(study)
    figures = {"recall, %": counts.recall_of, "confidence, %": counts.precision_of, "Dice, %": counts.dice_of}
    each = {name: sums.cells(figure, scale=100) for name, figure in figures.items()}
    whole = sums.sums.sum(0).astype(int)
    rows = [
        ResultRow(name, (*(cells[i] for cells in each.values()), Cell(int(whole[i].sum()))))
        for i, name in enumerate(study.classes)
    ]
    matrix = [
        ResultRow(name, tuple(Cell(count) for count in whole[i].tolist())) for i, name in enumerate(study.classes)
    ]
    note = f"{extent(study, study.unit)}."
    return [
        ResultTable(f"{key}-agreement", f"{title}: agreement", tuple(agreement),
            (ResultRow(study.unit, tuple(agreement.values())),), 2, (note,), corner=""),
        ResultTable(f"{key}-each", f"{title}: each grade", (*figures, study.unit), tuple(rows), 1,
            ("A grade that neither occurs nor is found has no figure and stays out of means.",), corner="grade"),
        ResultTable(f"{key}-confusion", f"{title}: true grades down, found ones across", study.classes, tuple(matrix),
            notes=(note,), corner="true"),
    ]  # fmt: skip


def _agreement(study: GradeStudy) -> dict[str, Cell]:
    """Every figure of a grade study; shares of patients who count once with Wilson's interval."""
    cells = {}
    once = len(set(study.subjects)) == len(study.subjects)
    apart = np.abs(study.true - study.found)[study.assessed]
    shares = {"accuracy": apart == 0, "within one grade": apart <= 1}
    for name, measured in study_figures(study).items():
        if once and name in shares:
            cell = share_cell(int(shares[name].sum()), len(apart), scale=100)
        else:
            cell = measured.cell()
        cells[f"{name}, %" if measured.unit else name] = cell
    return cells


def subgroup_tables(study: Study, figure: str) -> list[ResultTable]:
    """One figure of each group of people, a table for each thing that is known of them.

    Args:
        study: with ``groups``.
        figure: its name in ``study_figures``, such as ``F1``, ``MAE``, ``mean per point`` or ``accuracy``.

    Raises:
        UsageError: the study has no such figure.
    """
    measured = figure_of(study, figure)
    subjects = sorted(set(study.subjects))
    kinds = sorted({kind for known in study.groups.values() for kind in known})
    tables = []
    for kind in kinds:
        value_of = {subject: study.groups.get(subject, {}).get(kind, UNKNOWN) for subject in subjects}
        values = sorted(set(value_of.values()), key=lambda value: (value == UNKNOWN, value))
        members = {_ALL: subjects} | {v: [s for s in subjects if value_of[s] == v] for v in values}
        rows = [_group_row(study, measured, value, own) for value, own in members.items()]
        name = f"{figure}, %" if measured.unit else figure
        tables.append(
            ResultTable(f"by-{kind.replace('_', '-')}", f"{figure} by {kind}", (name, "people", "rows"), tuple(rows), 2,
                        (f"{extent(study, 'rows')}.",), corner=kind)
        )  # fmt: skip
    return tables


def _group_row(study: Study, measured: Measured, label: str, subjects: Sequence[str]) -> ResultRow:
    chosen = frozenset(subjects)
    cell = Measured(measured.sums.only(chosen), measured.figure, measured.unit).cell()
    note = "one person: no interval" if len(chosen) == 1 else ""
    count = sum(subject in chosen for subject in study.subjects)
    return ResultRow(label, (cell, Cell(len(chosen)), Cell(count)), note=note)
