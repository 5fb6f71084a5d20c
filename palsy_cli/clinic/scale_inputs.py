"""What the items of clinical scales rest on: lengths, closures and synkinesis; no picture is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from palsy_cli.clinic.measures import ratio_of
from palsy_cli.config import ScaleSettings
from palsy_cli.records import SIDES, ClinicMeasures, Measure, ScaleItem, Side, Symptoms

#: What lids leave open at most where the network says that the eye is closed: points show lids wider than they are.
_NEARLY_CLOSED = 1 / 3


class Found:
    """The measures of a recording at hand."""

    def __init__(self, clinic: ClinicMeasures, symptoms: Symptoms, settings: ScaleSettings) -> None:
        self.clinic, self.symptoms, self.settings = clinic, symptoms, settings

    def measure(self, name: str, task: str = "") -> Measure | None:
        """The first measure of that name, in that task if one is named."""
        return next((m for m in self.clinic.measures if m.name == name and task in ("", m.task)), None)

    def ratio(self, name: str, task: str = "") -> ScaleItem:
        """Weaker over stronger side, 0..1."""
        found = self.measure(name, task)
        if found is None:
            return ScaleItem(None, "not measured")
        if found.left is None or found.right is None:
            return ScaleItem(None, found.reason or "not measured", found.frames)
        if name != "closure" and max(found.left, found.right) < self.settings.least_excursion:
            return ScaleItem(None, "neither side moved", found.frames)
        share = ratio_of(found)
        if share is None:
            return ScaleItem(None, "neither side moved", found.frames)
        return ScaleItem(
            share, f"{found.name.replace('_', ' ')} {100 * share:.0f} % of the stronger side", found.frames
        )

    def open_after(self, task: str) -> ScaleItem:
        """1 when an eye stays open after a closure, else 0."""
        gap, rest = self.measure("lagophthalmos", task), self.measure("fissure", "rest")
        if gap is None or rest is None or None in (gap.left, gap.right, rest.left, rest.right):
            return ScaleItem(None, gap.reason or "not measured" if gap is not None else "not measured")
        mm = self.clinic.scale.mm
        least = self.settings.closed_mm / mm if mm else 0.0
        read = self.measure("closure_intensity", task)
        still_open = []
        for side in SIDES:
            left_open, open_eye = getattr(gap, side), getattr(rest, side)
            closed = left_open <= max(least, self.settings.closed_share * open_eye)
            intensity = None if read is None else getattr(read, side)
            seen = intensity is not None and intensity >= self.settings.closed_intensity
            still_open.append(not closed and not (seen and left_open <= _NEARLY_CLOSED * open_eye))
        what = "an eye stays open" if any(still_open) else "both eyes close"
        return ScaleItem(float(any(still_open)), f"{task.replace('_', ' ')}: {what}")

    def apart_mm(self, name: str) -> ScaleItem:
        """Left minus right of a measure at rest, in mm."""
        found, mm = self.measure(name, "rest"), self.clinic.scale.mm
        if found is None or found.left is None or found.right is None:
            return ScaleItem(None, "not measured")
        if mm is None:
            return ScaleItem(None, "no millimetres", found.frames)
        apart = mm * (found.left - found.right)
        return ScaleItem(apart, f"{name.replace('_', ' ')} differs by {abs(apart):.1f} mm", found.frames)

    def synkinesis(self, triggers: Sequence[int] | None = None, responses: Sequence[int] | None = None) -> ScaleItem:
        """0 none .. 3 severe, by the largest difference of flagged pairs, of these units only if named."""
        if self.symptoms.synkinesis_present is None:
            return ScaleItem(None, self.symptoms.synkinesis_reason or "not assessed")
        pairs = [pair for pair in self.symptoms.pairs if triggers is None or pair.trigger_au in triggers]
        pairs = [pair for pair in pairs if responses is None or pair.response_au in responses]
        worst = max((pair.difference for pair in pairs), default=0.0)
        cuts = self.settings.synkinesis_mild, self.settings.synkinesis_obvious, self.settings.synkinesis_severe
        level = int(np.searchsorted(cuts, worst, side="right"))
        return ScaleItem(level, f"largest difference {worst:.2f}" if pairs else "none found")

    def affected(self, name: str, task: str = "") -> tuple[float, float, int] | ScaleItem:
        """The affected side's value, the other's and their frames; an item without a value where one is not known.

        Affected is the weak side; on a face without one, whichever is less.
        """
        found = self.measure(name, task)
        if found is None or found.left is None or found.right is None:
            return ScaleItem(None, (found.reason if found is not None else None) or "not measured")
        weak = self.symptoms.weak_side
        side: Side = weak if weak in SIDES else "left" if found.left <= found.right else "right"
        affected, other = (found.left, found.right) if side == "left" else (found.right, found.left)
        return affected, other, found.frames
