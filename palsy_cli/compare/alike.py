"""Whether visits may be compared: one patient, another recording each, measured alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from palsy_cli.compare.scale import CommonScale
from palsy_cli.compare.visits import Visit, first_difference
from palsy_cli.records import SIDES


def objections(visits: Sequence[Visit]) -> Iterator[str]:
    """Why a comparison would mislead, a sentence each; names of patients are not told."""
    first, *others = visits
    seen: dict[str, str] = {}
    for visit in visits:
        earlier = seen.setdefault(visit.video_sha256, visit.name)
        if earlier != visit.name:
            yield f"{visit.name} is the same recording as {earlier}"
    known = [visit for visit in visits if visit.patient is not None]
    for visit in known[1:]:
        if visit.patient != known[0].patient:
            yield f"{visit.name} is of another patient than {known[0].name}, says the summary of the batch"
    for visit in others:
        differing = ", ".join(_other_models(first, visit))
        if differing:
            yield f"{visit.name} was not measured with the weights of {first.name} ({differing})"
    setting = first_difference(visits)
    if setting is not None:
        yield f"the settings differ: {setting}"


def _other_models(first: Visit, other: Visit) -> Iterator[str]:
    """Networks whose digests differ, or that only one of the visits used."""
    mine, theirs = first.findings.models, other.findings.models
    for role in sorted({*mine, *theirs}):
        if role not in mine or role not in theirs or mine[role].sha256 != theirs[role].sha256:
            yield role


def cautions(visits: Sequence[Visit], scale: CommonScale) -> Iterator[str]:
    """What a reader must know although the visits may be compared."""
    if scale.reason is not None:
        yield f"lengths are told in eye distances: {scale.reason}"
    if scale.differs:
        own = ", ".join(f"{visit.name} {visit.scale.mm:.1f} mm" for visit in visits)
        yield (
            f"the visits' own scales differ by {100 * scale.apart:.0f} % (eye distance: {own}), which one person's "
            f"eyes do not; one scale is used for all: {scale.mm:.1f} mm"
        )
    if set(SIDES) <= {visit.findings.weak_side for visit in visits}:
        yield "the visits name different weak sides, so that no change of one side alone is called better or worse"
    versions = sorted({visit.findings.version for visit in visits})
    if len(versions) > 1:
        yield f"the visits were assessed by different versions of palsy: {', '.join(versions)}"
