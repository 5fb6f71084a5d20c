"""Pictures of an evaluation: confusion of grades, agreement of intensities, number of helpers, dose response."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from palsy_cli.evaluation.figures import found_and_true, helper_curve
from palsy_cli.evaluation.metrics import bland_altman, confusion
from palsy_cli.evaluation.patients import DOSES, Case
from palsy_cli.records import SEVERITY_LABELS, FloatArray
from palsy_cli.report.terms import ROMAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

_DPI = 110


def draw_plots(cases: Sequence[Case], dosed: Sequence[Case]) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of each plot for which there is something to show.

    Args:
        cases: the patients.
        dosed: people at every weakness of ``DOSES``.
    """
    if cases:
        yield "grades", to_png(_grades(cases))
        yield "agreement", to_png(_bland_altman(cases))
    if any(case.by_helpers for case in cases):
        yield "helpers", to_png(_helpers(cases))
    if dosed:
        yield "dose", to_png(_dose(dosed))


def new_picture(width: float, height: float, columns: int = 1) -> tuple[Picture, list[Axes]]:
    """An empty picture, sizes in inches, with some plots side by side; no display is touched."""
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(width, height), layout="constrained")
    return picture, list(np.ravel(picture.subplots(1, columns)))


def to_png(picture: Picture) -> bytes:
    """The picture as PNG, the same bytes each time."""
    stream = io.BytesIO()
    picture.savefig(stream, format="png", dpi=_DPI, metadata={"Software": ""})
    return stream.getvalue()


def _grades(cases: Sequence[Case]) -> Picture:
    """Confusion matrices of severity and House-Brackmann, true grades down."""
    picture, (first, second) = new_picture(9.5, 4.2, 2)
    severity = [(case.true_severity, case.severity) for case in cases if case.severity]
    house = [(case.grade - 1, case.house_brackmann) for case in cases if case.house_brackmann]
    draw_confusion(first, _counts(severity, 4), SEVERITY_LABELS, title="Severity, all opinions joined")
    draw_confusion(second, _counts(house, 6), ROMAN, title="House-Brackmann, all opinions joined")
    return picture


def _counts(answers: Sequence[tuple[int, Any]], classes: int) -> npt.NDArray[np.int64]:
    truth = np.array([true for true, _ in answers], int)
    found = np.array([int(np.argmax(odds)) for _, odds in answers], int)
    return confusion(truth, found, classes=classes)


def draw_confusion(axes: Axes, counts: npt.NDArray[np.int64], names: Sequence[str], *, title: str) -> None:
    """A confusion matrix (C, C), true classes down, each count written in its field."""
    axes.imshow(counts, cmap="Blues", vmin=0)
    for row, column in np.ndindex(*counts.shape):
        dark = counts[row, column] > counts.max() / 2
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="found", ylabel="true", title=title)


def _bland_altman(cases: Sequence[Case]) -> Picture:
    found, truth, _ = found_and_true(cases)
    return draw_agreement(found.ravel(), truth.ravel(), unit="half faces")


def draw_agreement(found: FloatArray, truth: FloatArray, *, unit: str) -> Picture:
    """Difference over mean of found and true intensities, with bias and limits of agreement (Bland and Altman 1986).

    Args:
        found: (N,) 0..5.
        truth: (N,); pairs without any intensity on either side are left out, or they would hide all others.
        unit: what is counted.
    """
    moving = np.isfinite(found + truth) & ((found > 0) | (truth > 0))
    one, other = found[moving], truth[moving]
    agreement = bland_altman(one, other)
    picture, (axes,) = new_picture(6.5, 4.2)
    density = axes.hist2d((one + other) / 2, one - other, bins=60, range=[[0, 5], [-5, 5]], cmap="Blues", norm="log")
    picture.colorbar(density[3], ax=axes, label=unit)
    for level, style in ((agreement.bias, "-"), (agreement.low, "--"), (agreement.high, "--")):
        axes.axhline(level, color="black", linestyle=style, linewidth=1)
    limits = f"{agreement.low:+.2f} to {agreement.high:+.2f}"
    axes.set(
        xlabel="mean of found and true intensity",
        ylabel="found minus true",
        title=f"Intensities: bias {agreement.bias:+.2f}, limits of agreement {limits}",
    )
    return picture


def _helpers(cases: Sequence[Case]) -> Picture:
    """MAE, ICC and PCC over the number of helper frames."""
    curve = helper_curve(cases)
    names = list(next(iter(curve.values())))
    picture, plots = new_picture(9.5, 3.2, len(names))
    for axes, name in zip(plots, names, strict=True):
        axes.plot(list(curve), [values[name] for values in curve.values()], marker="o")
        axes.set(xlabel="helper frames m (0: OVPM alone)", title=name)
    return picture


def _dose(dosed: Sequence[Case]) -> Picture:
    """Asymmetry found over the weakness put in, a line for each person."""
    picture, (axes,) = new_picture(5.5, 3.8)
    for person in sorted({case.person for case in dosed}):
        own = [case for case in dosed if case.person == person]
        doses = [max(case.lesion.weakness.values(), default=0.0) for case in own]
        axes.plot(doses, [case.asymmetry for case in own], marker="o")
    axes.set_xticks(DOSES)
    axes.set(xlabel="weakness put in", ylabel="sum of |left - right| (intensity steps)", title="Dose response")
    return picture
