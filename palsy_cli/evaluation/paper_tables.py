"""The papers' tables with our rows in them: same columns, same unit, an interval for each figure of ours.

Every function takes a study or, in its place, ``NotRun`` with a reason; then the published rows stand with one of ours
that says why it is empty. Intervals are 95 %, subjects drawn anew.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palsy_cli.evaluation import counts, moments
from palsy_cli.evaluation.published import (
    AFLFP_EXPRESSIONS,
    AFLFP_TRAINING_FACES,
    AVERAGE,
    CEN_GRADES,
    CEN_SEGMENTATION,
    DEM_BACKBONES,
    DEM_HELPERS,
    DEM_INTENSITY,
    DEM_REGIONS,
    FPARA_F1,
    PublishedTable,
)
from palsy_cli.evaluation.results import EMPTY, Cell, ResultRow, ResultTable, not_run
from palsy_cli.evaluation.study import GradeStudy, IntensityStudy, NotRun, PointsStudy, PresenceStudy, SignStudy
from palsy_cli.evaluation.study_figures import (
    POINT_FIGURES,
    grade_sums,
    intensity_sums,
    macro,
    mean_of_errors,
    over_pairs,
    over_units,
    point_sums,
    presence_sums,
    present,
    sign_sums,
    spread_of_errors,
)
from palsy_cli.evaluation.study_tables import extent, grade_tables, points_tables, unit_table
from palsy_cli.evaluation.subject_sums import Figure, SubjectSums, share_cell
from palsy_cli.records import FloatArray

OURS = "this project"


def published_rows(table: PublishedTable, columns: Sequence[str] | None = None) -> list[ResultRow]:
    """A paper's rows under some columns, which need not be all of its own."""
    rows = []
    for row in table.rows:
        cells = {}
        for i, name in enumerate(table.columns):
            last = i == len(table.columns) - 1
            cells[name] = Cell(
                row.values[i], None, row.spread[i] if row.spread else None, row.recomputed if last else None
            )
        wanted = table.columns if columns is None else columns
        rows.append(ResultRow(row.method, tuple(cells.get(name, EMPTY) for name in wanted), "published", row.note))
    return rows


def beside(
    table: PublishedTable,
    ours: Sequence[ResultRow] | NotRun,
    *,
    columns: tuple[str, ...] | None = None,
    notes: Sequence[str] = (),
) -> ResultTable:
    """Our rows below a paper's, its cautions as notes; ``columns`` where ours are others than the paper's."""
    columns = columns or table.columns
    own = [not_run(OURS, columns, reason=ours.reason)] if isinstance(ours, NotRun) else ours
    return ResultTable(
        key=table.key,
        title=table.title,
        columns=columns,
        rows=(*published_rows(table, columns), *own),
        decimals=table.decimals,
        notes=(f"Published: {table.paper}, {table.where}.", *table.cautions, *notes),
    )


def aflfp_tables(study: PointsStudy | NotRun) -> list[ResultTable]:
    """AFLFP's table 2 (error per expression) and table 3, and our errors by region, by the usual definition too."""
    if isinstance(study, NotRun):
        tables = [beside(AFLFP_EXPRESSIONS, study), beside(AFLFP_TRAINING_FACES, study)]
    else:
        ours = _expression_rows(study)
        whole = ResultRow(ours[0].label, ours[0].cells[-1:])
        tables = [beside(AFLFP_EXPRESSIONS, ours), beside(AFLFP_TRAINING_FACES, [whole])]
    return tables + points_tables(study, key="aflfp", title="AFLFP")


def _expression_rows(study: PointsStudy) -> list[ResultRow]:
    """Errors by both definitions, of each expression and of all images (the paper has equal numbers of each)."""
    conditions = np.asarray(study.conditions if study.conditions is not None else [""] * len(study.subjects))
    rows = {name: np.flatnonzero(conditions == name) for name in AFLFP_EXPRESSIONS.columns}
    rows[AVERAGE] = np.arange(len(study.subjects))
    sums = [point_sums(study, own) for own in rows.values()]
    note = f"{extent(study, 'images')}; the average is over all images"
    return [
        ResultRow(f"{OURS}, {name}", tuple(_error_cell(one, POINT_FIGURES.index(name)) for one in sums), note=note)
        for name in ("norm over points", "mean per point")
    ]


def _error_cell(sums: SubjectSums, place: int) -> Cell:
    cell = sums.cell(lambda whole: mean_of_errors(whole[..., place, :]), scale=100)
    spread = 100 * float(sums.value(lambda whole: spread_of_errors(whole[..., place, :])))
    return Cell(cell.value, cell.interval, spread if np.isfinite(spread) else None)


def presence_tables(
    study: PresenceStudy | NotRun, published: PublishedTable | None = None, *, key: str = "presence", title: str = ""
) -> list[ResultTable]:
    """F1 per unit beside a paper's table, and what else there is to say of each unit.

    Args:
        study: the answers.
        published: ``BP4D_F1``, ``DISFA_F1`` or one of the ablations; ``None`` without a paper.
        key: of the tables of ours alone.
        title: the data set's name.
    """
    tables = []
    if published is not None:
        ours = study if isinstance(study, NotRun) else [_f1_row(study, published)]
        tables.append(beside(published, ours))
    if not isinstance(study, NotRun):
        tables.append(unit_table(study, key=key, title=title))
    return tables


def _f1_row(study: PresenceStudy, published: PublishedTable) -> ResultRow:
    """F1 of the paper's units and the mean over those that the study has."""
    wanted = [name for name in published.columns if name != AVERAGE]
    have = [name for name in wanted if name in _names(study.aus)]
    places = [_names(study.aus).index(name) for name in have]
    sums = presence_sums(study)
    f1 = present(counts.dice_of)
    own = sums.cells(lambda whole: f1(whole)[..., places], scale=100) if places else []
    mean = sums.cell(lambda whole: over_units(f1)(whole[..., places, :, :]), scale=100)
    cells = dict(zip(have, own, strict=True)) | {AVERAGE: mean}
    note = extent(study, "frames")
    if len(have) < len(wanted):
        note += f"; average over {len(have)} of {len(wanted)} units"
    return ResultRow(OURS, tuple(cells.get(name, EMPTY) for name in published.columns), note=note)


def intensity_tables(
    study: IntensityStudy | NotRun,
    published: PublishedTable | None = DEM_INTENSITY,
    *,
    key: str = "intensity",
    title: str = "",
) -> list[ResultTable]:
    """MAE, ICC and PCC beside DEM's table 5, accuracy beside its table 4 and figure 6, and each unit by itself.

    Args:
        study: the answers.
        published: ``DEM_INTENSITY``, which brings DEM's accuracies along, or ``None`` without a paper.
        key: of the tables of ours alone.
        title: the data set's name.
    """
    tables = []
    if published is not None:
        tables.append(beside(published, study if isinstance(study, NotRun) else [_intensity_row(study)]))
        alone = study if isinstance(study, NotRun) else _alone_row(study)
        tables.append(beside(DEM_BACKBONES, alone))
        tables.append(_helpers_table(study))
    if not isinstance(study, NotRun):
        tables.append(unit_table(study, key=key, title=title))
    return tables


def _intensity_row(study: IntensityStudy) -> ResultRow:
    figures: tuple[Figure, ...] = (moments.absolute_error_of, moments.consistency_of, moments.pearson_of)
    sums = intensity_sums(study.found, study)
    cells = sums.cells(lambda whole: np.stack([over_units(figure)(whole) for figure in figures], axis=-1))
    return ResultRow(OURS, tuple(cells), note=f"{extent(study, 'frames')}; ICC(3,1)")


def _alone_row(study: IntensityStudy) -> list[ResultRow] | NotRun:
    """Accuracy of the OVPM without helpers, which is what DEM's table 4 is about."""
    if 0 not in study.by_helpers:
        return NotRun("the OVPM was not tried without helpers")
    return [ResultRow(OURS, (_accuracy(study, 0),), note=extent(study, "frames"))]


def _helpers_table(study: IntensityStudy | NotRun) -> ResultTable:
    if isinstance(study, NotRun) or not study.by_helpers:
        reason = study.reason if isinstance(study, NotRun) else "no other number of helpers was tried"
        return beside(DEM_HELPERS, NotRun(reason))
    tried = sorted(study.by_helpers)
    cells = {f"m = {m}": _accuracy(study, m) for m in tried}
    most = DEM_HELPERS.columns[-1]
    columns = (*dict.fromkeys((*DEM_HELPERS.columns[:-1], *cells)), most)
    columns = tuple(sorted(columns[:-1], key=lambda name: int(name.removeprefix("m = ")))) + (most,)
    cells[most] = cells[f"m = {tried[-1]}"]
    row = ResultRow(OURS, tuple(cells.get(name, EMPTY) for name in columns), note=extent(study, "frames"))
    return beside(DEM_HELPERS, [row], columns=columns)


def _accuracy(study: IntensityStudy, m: int) -> Cell:
    sums = intensity_sums(study.by_helpers[m], study)
    return sums.cell(over_pairs(moments.rounded_accuracy_of), scale=100)


def severity_tables(study: GradeStudy | NotRun, published: PublishedTable = FPARA_F1) -> list[ResultTable]:
    """F1 of the four severities beside ALGRNet's table on FPara, agreement, and who was taken for whom."""
    if isinstance(study, NotRun):
        return [beside(published, study)]
    sums = grade_sums(study)
    cells = dict(zip(study.classes, sums.cells(counts.dice_of, scale=100), strict=True))
    cells[AVERAGE] = sums.cell(macro(counts.dice_of), scale=100)
    row = ResultRow(OURS, tuple(cells.get(name, EMPTY) for name in published.columns), note=extent(study, study.unit))
    return [beside(published, [row]), *grade_tables(study, key="severity", title="Severity")]


def house_brackmann_tables(study: GradeStudy | NotRun, published: PublishedTable = CEN_GRADES) -> list[ResultTable]:
    """Accuracy, recall, confidence and Dice beside CEN's table 3, agreement, each grade, and who was taken for whom."""
    if isinstance(study, NotRun):
        return [beside(published, study)]
    figures: tuple[Figure, ...] = (
        counts.accuracy_of, macro(counts.recall_of), macro(counts.precision_of), macro(counts.dice_of),
    )  # fmt: skip
    cells = grade_sums(study).cells(lambda whole: np.stack([figure(whole) for figure in figures], axis=-1), scale=100)
    row = ResultRow(OURS, tuple(cells), note=extent(study, study.unit))
    tables = grade_tables(study, key="house-brackmann", title="House-Brackmann grade")
    return [beside(published, [row]), *tables]


def segmentation_tables(sums: SubjectSums | NotRun, classes: tuple[str, ...] = ()) -> list[ResultTable]:
    """Intersection over union and pixel accuracy; CEN's table 2 stands apart, because it measures another task (E26).

    Args:
        sums: (G, C, C) pixels of each subject, true classes down.
        classes: names of the C classes.
    """
    reason = sums.reason if isinstance(sums, NotRun) else "another measure; see the table of overlaps"
    tables = [beside(CEN_SEGMENTATION, NotRun(reason))]
    if isinstance(sums, NotRun):
        return tables
    overlaps = sums.cells(counts.jaccard_of, scale=100)
    mean = sums.cell(macro(counts.jaccard_of), scale=100)
    right = sums.cell(counts.accuracy_of, scale=100)
    columns = (*classes, "mean", "pixel accuracy")
    note = f"{len(sums.subjects)} people"
    row = ResultRow(OURS, (*overlaps, mean, right), note=note)
    return [*tables, ResultTable("overlap", "Regions of the face: intersection over union (%)", columns, (row,))]


def sign_tables(study: SignStudy | NotRun, published: PublishedTable = DEM_REGIONS) -> list[ResultTable]:
    """F1 of each region's weaker side beside DEM's on patients, averaged both ways, and the share of right answers."""
    if isinstance(study, NotRun):
        return [beside(published, study)]
    sums = {region: sign_sums(study, place) for place, region in enumerate(study.regions)}
    names = {"macro F1": macro(counts.dice_of), "weighted F1": _weighted_f1}
    rows = []
    for name, figure in names.items():
        cells = {region: own.cell(figure, scale=100) for region, own in sums.items()}
        rows.append(_sign_row(f"{OURS}, {name}", cells, published))
    rows[0] = ResultRow(rows[0].label, rows[0].cells, note=extent(study, "patients"))
    single = len(set(study.subjects)) == len(study.subjects)
    shares = {region: _right_share(own, single=single) for region, own in sums.items()}
    rows.append(_sign_row(f"{OURS}, share right", shares, published))
    asked = study.named(study.true).sum(0).tolist()
    silent = {region: int(count - own.sums.sum()) for count, (region, own) in zip(asked, sums.items(), strict=True)}
    notes = [f"Not assessed, {region}: {count} of {len(study.subjects)}." for region, count in silent.items() if count]
    return [beside(published, rows, notes=notes)]


def _sign_row(label: str, cells: dict[str, Cell], published: PublishedTable) -> ResultRow:
    return ResultRow(label, tuple(cells.get(name, EMPTY) for name in published.columns))


def _weighted_f1(whole: FloatArray) -> FloatArray:
    """Mean F1 over the classes that occur, weighted by how often they do."""
    often = whole.sum(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((np.nan_to_num(counts.dice_of(whole)) * often).sum(-1) / often.sum(-1))


def _right_share(own: SubjectSums, *, single: bool) -> Cell:
    """Share of right answers, Wilson's interval where each patient counts once."""
    if not single:
        return own.cell(counts.accuracy_of, scale=100)
    total = own.sums.sum(0)
    return share_cell(int(np.trace(total)), int(total.sum()), scale=100)


def _names(aus: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"AU{au}" for au in aus)
