"""One scale for all visits: the eye distance of a person is the same number of millimetres at every visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from palsy_cli.compare.visits import Visit
from palsy_cli.records import Scale

#: Scales of one person that differ by more than this are told; millimetres of a report would differ as much.
_APART = 0.05


@dataclass(frozen=True)
class CommonScale:
    """Millimetres of an eye distance for all visits.

    Attributes:
        mm: ``None`` beside a reason, then lengths stay in eye distances.
        error_mm: its standard error.
        apart: largest of the visits' own scales over the smallest, minus 1.
        reason: why there are no millimetres.
    """

    mm: float | None
    error_mm: float
    apart: float = 0.0
    reason: str | None = None

    @property
    def relative(self) -> float:
        """Standard error as a share of the scale; every length, and every change of one, may be off by it."""
        return self.error_mm / self.mm if self.mm else 0.0

    @property
    def differs(self) -> bool:
        """Whether the visits' own scales differ by more than one person's should."""
        return self.apart > _APART


def common_scale(visits: Sequence[Visit]) -> CommonScale:
    """The mean of the visits' scales, weighted by 1 / error²; given ones (``--ipd-mm``, ``--mm-per-px``) beat irises.

    A scale from the iris is mostly off by how much the person's iris differs from 11.7 mm, which is the same at every
    visit, so the error of the mean is the smallest single one, not the smaller one of independent measurements.
    """
    for visit in visits:
        if visit.scale.mm is None:
            return CommonScale(None, 0.0, reason=f"{visit.name} has no scale: {visit.scale.reason}")
    scales = [visit.scale for visit in visits]
    given = [scale for scale in scales if scale.source != "iris"] or scales
    values = [_mm(scale) for scale in given]
    errors = [scale.error_mm or 0.0 for scale in given]
    least = min(errors)
    # Millimetres of a pixel are taken as told, without error: they alone count then.
    weights = [error**-2 if least > 0 else float(error == 0) for error in errors]
    mean = sum(w * value for w, value in zip(weights, values, strict=True)) / sum(weights)
    of_all = [_mm(scale) for scale in scales]
    return CommonScale(mean, least, max(of_all) / min(of_all) - 1.0)


def _mm(scale: Scale) -> float:
    return scale.mm or 0.0
