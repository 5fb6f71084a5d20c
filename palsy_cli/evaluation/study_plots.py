"""Pictures of a study: who was taken for whom, agreement, number of helpers, units beside a paper's, calibration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from palsy_cli.evaluation.moments import over_channels, rounded_accuracy_of
from palsy_cli.evaluation.paper_tables import OURS, presence_tables
from palsy_cli.evaluation.plots import draw_agreement, draw_confusion, new_picture, to_png
from palsy_cli.evaluation.published import DEM_HELPERS, PublishedTable
from palsy_cli.evaluation.study import GradeStudy, IntensityStudy, PresenceStudy, Study
from palsy_cli.evaluation.study_figures import grade_sums, intensity_sums
from palsy_cli.records import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

_BINS = 10


def draw_study(study: Study, published: PublishedTable | None = None) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of each plot that this kind of study has.

    Args:
        study: the answers; without any answer nothing is drawn.
        published: the paper's rows that bars of units stand beside.
    """
    if isinstance(study, GradeStudy) and study.assessed.any():
        yield "confusion", to_png(_confusion(study))
        likely = study.probabilities[study.assessed].max(1)
        right = (study.found == study.true)[study.assessed].astype(float)
        yield "calibration", to_png(_calibration(likely, right, "probability of the grade named", "share right"))
    if isinstance(study, IntensityStudy) and np.isfinite(study.found + study.true).any():
        yield "agreement", to_png(draw_agreement(study.found.ravel(), study.true.ravel(), unit="frames and units"))
        if study.by_helpers:
            yield "helpers", to_png(_helpers(study))
    if isinstance(study, PresenceStudy):
        known = np.isfinite(study.probability) & np.isfinite(study.true)
        if published is not None:
            yield "units", to_png(_units(study, published))
        if known.any():
            chances, real = study.probability[known], study.true[known]
            yield "calibration", to_png(_calibration(chances, real, "probability of presence", "share present"))


def calibration_curve(probability: FloatArray, happened: FloatArray, *, bins: int = _BINS) -> FloatArray:
    """(B, 3) mean probability, share that happened and count of each bin of equal width that holds something.

    Args:
        probability: (N,) 0..1.
        happened: (N,) 0 or 1.
        bins: between 0 and 1.
    """
    own = np.minimum((probability * bins).astype(int), bins - 1)
    count = np.bincount(own, minlength=bins)
    held = count > 0
    means = [np.bincount(own, values, bins)[held] / count[held] for values in (probability, happened)]
    return np.stack([*means, count[held].astype(float)], axis=1)


def _confusion(study: GradeStudy) -> Picture:
    picture, (axes,) = new_picture(4.8, 4.2)
    counts = grade_sums(study).sums.sum(0).astype(np.int64)
    draw_confusion(axes, counts, study.classes, title=f"{counts.sum()} {study.unit}")
    return picture


def _calibration(probability: FloatArray, happened: FloatArray, across: str, up: str) -> Picture:
    picture, (axes,) = new_picture(4.4, 4.2)
    curve = calibration_curve(probability, happened)
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1)
    axes.plot(curve[:, 0], curve[:, 1], marker="o")
    for chance, share, count in curve.tolist():
        axes.annotate(f"{count:.0f}", (chance, share), textcoords="offset points", xytext=(4, -11), fontsize=7)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel=across, ylabel=up, title="Calibration, counts beside the points")
    return picture


def _helpers(study: IntensityStudy) -> Picture:
    """Accuracy over the number of helper frames, with what DEM's figure 6 says of m = 0 and m = 2."""
    tried = sorted(study.by_helpers)
    sums = [intensity_sums(study.by_helpers[m], study).sums.sum(0) for m in tried]
    picture, (axes,) = new_picture(5.5, 3.6)
    axes.plot(tried, [100 * float(rounded_accuracy_of(over_channels(one))) for one in sums], marker="o", label=OURS)
    of_paper = np.array(DEM_HELPERS.rows[0].values[:2], float)
    axes.plot((0, 2), of_paper, marker="x", linestyle=":", label="DEM, figure 6")
    axes.set_xticks(sorted({0, 2, *tried}))
    axes.set(xlabel="helper frames m (0: OVPM alone)", ylabel="accuracy (%)", title="Exact intensities")
    axes.legend()
    return picture


def _units(study: PresenceStudy, published: PublishedTable) -> Picture:
    """F1 of each unit beside the paper's rows that give it."""
    table = presence_tables(study, published)[0]
    rows = [row for row in table.rows if sum(cell.value is not None for cell in row.cells) > 1]
    picture, (axes,) = new_picture(1.5 + 0.7 * len(table.columns), 3.8)
    width = 0.8 / max(1, len(rows))
    for i, row in enumerate(rows):
        places = np.arange(len(row.cells)) + (i - (len(rows) - 1) / 2) * width
        heights = [np.nan if cell.value is None else cell.value for cell in row.cells]
        ends = [cell.interval or (np.nan, np.nan) for cell in row.cells]
        reach = np.abs(np.array(ends).T - np.array(heights))
        axes.bar(places, heights, width, label=row.label, yerr=reach if np.isfinite(reach).any() else None)
    axes.set_xticks(range(len(table.columns)), table.columns)
    axes.set(ylabel="F1 (%)", ylim=(0, 100), title=published.title)
    axes.legend(fontsize=8)
    return picture
