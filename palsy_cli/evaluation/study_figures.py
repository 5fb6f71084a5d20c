"""From a study to sums of each subject, and from those to its figures by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from palsy_cli.errors import UsageError
from palsy_cli.evaluation import counts, moments
from palsy_cli.evaluation.counts import class_counts, presence_counts
from palsy_cli.evaluation.moments import mean_of_known, moment_sums
from palsy_cli.evaluation.point_errors import (
    FAILURE,
    answered,
    interocular,
    nme_frobenius,
    nme_interocular,
    nme_mean,
    nme_of_regions,
)
from palsy_cli.evaluation.results import Cell
from palsy_cli.evaluation.study import (
    SIGNS,
    GradeStudy,
    IntensityStudy,
    PointsStudy,
    PresenceStudy,
    SignStudy,
    Study,
)
from palsy_cli.evaluation.subject_sums import Figure, SubjectSums, number_subjects
from palsy_cli.records import FloatArray

Rows = Sequence[int] | npt.NDArray[np.integer]
#: What ``point_sums`` adds up, in this order; the regions follow.
POINT_FIGURES: tuple[str, ...] = ("mean per point", "norm over points", "interocular", "failures")


@dataclass(frozen=True, eq=False)
class Measured:
    """One figure of a study: sums of each subject, and what is made of them; ``unit`` is ``%`` or nothing."""

    sums: SubjectSums
    figure: Figure
    unit: str = ""

    def cell(self) -> Cell:
        """The figure with its interval."""
        return self.sums.cell(self.figure, scale=100 if self.unit == "%" else 1)


def study_figures(study: Study) -> dict[str, Measured]:
    """The figures of a study that are one number, by name; the first is the one to show when only one is shown."""
    if isinstance(study, PointsStudy):
        sums = point_sums(study)
        return {name: Measured(sums, _column(i), "%") for i, name in enumerate(POINT_FIGURES)}
    if isinstance(study, PresenceStudy):
        sums = presence_sums(study)
        return {name: Measured(sums, figure, "%") for name, figure in _PRESENCE.items()}
    if isinstance(study, IntensityStudy):
        sums = intensity_sums(study.found, study)
        plain = {name: Measured(sums, over_units(figure)) for name, figure in _INTENSITY.items()}
        return plain | {"accuracy": Measured(sums, over_pairs(moments.rounded_accuracy_of), "%")}
    if isinstance(study, GradeStudy):
        sums = grade_sums(study)
        as_share = {name: Measured(sums, figure, "%") for name, figure in _GRADE_SHARES.items()}
        return as_share | {name: Measured(sums, figure) for name, figure in _KAPPAS.items()}
    return {
        f"F1, {region}": Measured(sign_sums(study, place), macro(counts.dice_of), "%")
        for place, region in enumerate(study.regions)
    }


def figure_of(study: Study, name: str) -> Measured:
    """One figure by its name; UsageError when the study has none of that name."""
    known = study_figures(study)
    if name not in known:
        raise UsageError(f"no figure {name!r} of this study; choose one of {', '.join(known)}")
    return known[name]


def point_sums(study: PointsStudy, rows: Rows | None = None) -> SubjectSums:
    """(G, 4 + regions, 3) images, sum and sum of squares of ``POINT_FIGURES`` and of the regions' errors.

    Images without an answer count as failures and in no mean.

    Args:
        study: the images.
        rows: some of them; ``None`` is all.
    """
    chosen = np.arange(len(study.subjects)) if rows is None else np.asarray(rows, np.int64)
    found, true = study.found[chosen], study.true[chosen]
    by_eyes = nme_interocular(found, true)
    failed = np.where(np.isfinite(interocular(true)), ~(by_eyes <= FAILURE), np.nan)
    errors = [nme_mean(found, true), nme_frobenius(found, true), by_eyes, failed]
    errors += list(nme_of_regions(found, true).values())
    whole = np.stack(errors, axis=1)
    known = np.isfinite(whole)
    plain = np.where(known, whole, 0.0)
    return SubjectSums.of(np.stack([known, plain, plain**2], axis=-1), [study.subjects[i] for i in chosen])


def unanswered(study: Study) -> int:
    """Rows that have a label and no answer at all or, of points, no answer for one of them."""
    if isinstance(study, PointsStudy):
        marked = np.any(np.isfinite(study.true).all(-1), axis=1)
        return int((marked & ~answered(study.found, study.true)).sum())
    if isinstance(study, GradeStudy):
        return int((~study.assessed).sum())
    if isinstance(study, SignStudy):
        return int((study.named(study.true).any(1) & ~study.named(study.found).any(1)).sum())
    found = study.probability if isinstance(study, PresenceStudy) else study.found
    return int((np.isfinite(study.true).any(1) & ~np.isfinite(found).any(1)).sum())


def presence_sums(study: PresenceStudy) -> SubjectSums:
    """(G, A, 2, 2) confusion matrix of each subject and unit."""
    names, own = number_subjects(study.subjects)
    return SubjectSums(names, presence_counts(study.probability, study.true, own, groups=len(names)))


def intensity_sums(found: FloatArray, study: IntensityStudy) -> SubjectSums:
    """(G, A, 10) moments of each subject and unit, of ``study.found`` or one of ``study.by_helpers``."""
    names, own = number_subjects(study.subjects)
    return SubjectSums(names, moment_sums(found, study.true, own, groups=len(names)))


def grade_sums(study: GradeStudy) -> SubjectSums:
    """(G, C, C) confusion matrix of each subject that was assessed."""
    names, own = number_subjects([name for name, said in zip(study.subjects, study.assessed, strict=True) if said])
    real, said = study.true[study.assessed], study.found[study.assessed]
    return SubjectSums(names, class_counts(real, said, own, classes=len(study.classes), groups=len(names)))


def sign_sums(study: SignStudy, place: int) -> SubjectSums:
    """(G, 3, 3) confusion matrix of one region's signs, of each subject whose region was assessed."""
    both = (study.named(study.true) & study.named(study.found))[:, place]
    names, own = number_subjects([name for name, known in zip(study.subjects, both, strict=True) if known])
    real, said = (
        np.array([SIGNS.index(sign) for sign in signs[both, place]], np.int64) for signs in (study.true, study.found)
    )
    return SubjectSums(names, class_counts(real, said, own, classes=len(SIGNS), groups=len(names)))


def mean_of_errors(sums: FloatArray) -> FloatArray:
    """(...) mean of (..., 3) count, sum and sum of squares; NaN where nothing was counted."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 1] / sums[..., 0])


def spread_of_errors(sums: FloatArray) -> FloatArray:
    """(...) standard deviation (n - 1) of (..., 3) count, sum and sum of squares; NaN for fewer than two."""
    n = sums[..., 0]
    left = sums[..., 2] - sums[..., 1] ** 2 / np.maximum(n, 1)
    return np.asarray(np.where(n > 1, np.sqrt(np.maximum(left, 0) / np.maximum(n - 1, 1)), np.nan))


def over_units(figure: Figure) -> Figure:
    """The mean over units of a figure (..., A)."""
    return lambda sums: mean_of_known(figure(sums))


def over_pairs(figure: Figure) -> Figure:
    """A figure of differences, all units taken as one."""
    return lambda sums: figure(moments.over_channels(sums))


def macro(figure: Figure) -> Figure:
    """The mean over classes of a figure (..., C); a class without a trace stays out."""
    return lambda sums: mean_of_known(figure(sums))


def present(figure: Callable[[FloatArray], FloatArray]) -> Figure:
    """(..., A) a figure of classes, of the class "present"."""
    return lambda sums: figure(sums)[..., 1]


def _column(place: int) -> Figure:
    return lambda sums: mean_of_errors(sums[..., place, :])


_PRESENCE: dict[str, Figure] = {
    "F1": over_units(present(counts.dice_of)),
    "accuracy": over_units(counts.accuracy_of),
}
_INTENSITY: dict[str, Figure] = {
    "MAE": moments.absolute_error_of,
    "ICC(3,1)": moments.consistency_of,
    "PCC": moments.pearson_of,
    "RMSE": moments.root_mean_square_of,
    "CCC": moments.concordance_of,
    "ICC(2,1)": moments.agreement_of,
    "bias": moments.bias_of,
}
_GRADE_SHARES: dict[str, Figure] = {
    "accuracy": counts.accuracy_of,
    "F1": macro(counts.dice_of),
    "recall": macro(counts.recall_of),
    "confidence": macro(counts.precision_of),
    "within one grade": counts.within_one_of,
    "accuracy, one against rest": lambda sums: counts.one_against_rest_of(sums).mean(-1),
}
_KAPPAS: dict[str, Figure] = {
    "kappa, quadratic": lambda sums: counts.kappa_of(sums, weights="quadratic"),
    "kappa, linear": lambda sums: counts.kappa_of(sums, weights="linear"),
    "kappa": lambda sums: counts.kappa_of(sums, weights="none"),
}
