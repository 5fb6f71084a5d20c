"""Pictures of an evaluation: confusion of grades, agreement of intensities, number of helpers, dose response."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from palsy_cli.evaluation.figures import found_and_true, helper_curve
from palsy_cli.evaluation.metrics import confusion
from palsy_cli.evaluation.patients import DOSES, Case
from palsy_cli.records import SEVERITY_LABELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

_ROMAN = ("I", "II", "III", "IV", "V", "VI")
_DPI = 110


def draw_plots(cases: Sequence[Case], dosed: Sequence[Case]) -> Iterator[tuple[str, bytes]]:
    """Name and PNG of each plot for which there is something to show.

    Args:
        cases: the patients.
        dosed: people at every weakness of ``DOSES``.
    """
    if cases:
        yield "grades", _png(_grades(cases))
        yield "agreement", _png(_bland_altman(cases))
    if any(case.by_helpers for case in cases):
        yield "helpers", _png(_helpers(cases))
    if dosed:
        yield "dose", _png(_dose(dosed))


def _picture(width: float, height: float, columns: int = 1) -> tuple[Picture, list[Axes]]:
    """An empty picture, sizes in inches, with some plots side by side; no display is touched."""
    from matplotlib.figure import Figure as Picture

    picture = Picture(figsize=(width, height), layout="constrained")
    return picture, list(np.ravel(picture.subplots(1, columns)))


def _png(picture: Picture) -> bytes:
    stream = io.BytesIO()
    picture.savefig(stream, format="png", dpi=_DPI, metadata={"Software": ""})
    return stream.getvalue()


def _grades(cases: Sequence[Case]) -> Picture:
    """Confusion matrices of severity and House-Brackmann, true grades down."""
    picture, (first, second) = _picture(9.5, 4.2, 2)
    severity = [(case.true_severity, case.severity) for case in cases if case.severity]
    house = [(case.grade - 1, case.house_brackmann) for case in cases if case.house_brackmann]
    _confusion(first, severity, SEVERITY_LABELS, "Severity (ALGRNet)")
    _confusion(second, house, _ROMAN, "House-Brackmann (cascaded encoder)")
    return picture


def _confusion(axes: Axes, answers: Sequence[tuple[int, Any]], names: Sequence[str], title: str) -> None:
    truth = np.array([true for true, _ in answers], int)
    found = np.array([int(np.argmax(odds)) for _, odds in answers], int)
    counts = confusion(truth, found, classes=len(names))
    axes.imshow(counts, cmap="Blues", vmin=0)
    for row, column in np.ndindex(*counts.shape):
        dark = counts[row, column] > counts.max() / 2
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", color="white" if dark else "black")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="found", ylabel="true", title=title)


def _bland_altman(cases: Sequence[Case]) -> Picture:
    """Difference over mean of found and true intensities of all halves and units (Bland and Altman)."""
    found, truth, _ = found_and_true(cases)
    one, other = found.ravel(), truth.ravel()
    moving = (one > 0) | (other > 0)
    mean, away = (one + other)[moving] / 2, (one - other)[moving]
    bias, spread = float(away.mean()), float(1.96 * away.std())
    picture, (axes,) = _picture(6.5, 4.2)
    density = axes.hist2d(mean, away, bins=60, range=[[0, 5], [-5, 5]], cmap="Blues", norm="log")
    picture.colorbar(density[3], ax=axes, label="half faces")
    for level, style in ((bias, "-"), (bias - spread, "--"), (bias + spread, "--")):
        axes.axhline(level, color="black", linestyle=style, linewidth=1)
    axes.set(
        xlabel="mean of found and true intensity",
        ylabel="found minus true",
        title=f"Intensities: bias {bias:+.2f}, limits of agreement {bias - spread:+.2f} to {bias + spread:+.2f}",
    )
    return picture


def _helpers(cases: Sequence[Case]) -> Picture:
    """MAE, ICC and PCC over the number of helper frames."""
    curve = helper_curve(cases)
    names = list(next(iter(curve.values())))
    picture, plots = _picture(9.5, 3.2, len(names))
    for axes, name in zip(plots, names, strict=True):
        axes.plot(list(curve), [values[name] for values in curve.values()], marker="o")
        axes.set(xlabel="helper frames m (0: OVPM alone)", title=name)
    return picture


def _dose(dosed: Sequence[Case]) -> Picture:
    """Asymmetry found over the weakness put in, a line for each person."""
    picture, (axes,) = _picture(5.5, 3.8)
    for person in sorted({case.person for case in dosed}):
        own = [case for case in dosed if case.person == person]
        doses = [max(case.lesion.weakness.values(), default=0.0) for case in own]
        axes.plot(doses, [case.asymmetry for case in own], marker="o")
    axes.set_xticks(DOSES)
    axes.set(xlabel="weakness put in", ylabel="sum of |left - right| (intensity steps)", title="Dose response")
    return picture
