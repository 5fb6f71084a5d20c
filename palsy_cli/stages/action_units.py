"""Hop 6: AU intensities of both halves by the difference ensemble (DEM, eqs. 1-3)."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor

from palsy_cli.config import ActionUnitSettings
from palsy_cli.networks.dem import (
    DVPM,
    OVPM,
    antisymmetric_difference,
    argmax_difference,
    argmax_intensity,
    choose_helpers,
    difference,
    ensemble,
    expected_difference,
    expected_intensity,
)
from palsy_cli.records import ALL_AUS, ActionUnits, ByteImage, FloatArray, HalfFaces

#: How often the search for the calmest keyframe starts anew from the one found.
_REST_ROUNDS = 3
#: Resting keyframes that a patient is referred to at most.
_MAX_REST = 2


def normalise(halves: Tensor) -> Tensor:
    """Values 0..1 to about -2..2, as the networks were trained."""
    return (halves - 0.5) / 0.25


def estimate_action_units(
    halves: HalfFaces, ovpm: OVPM, dvpm: DVPM, settings: ActionUnitSettings, *, seed: int = 0, batch_size: int = 16
) -> ActionUnits:
    """Estimate all channels in K keyframes.

    With ``rest_reference`` (profile ``clinical``) the patient's own resting keyframes are found first (both sides
    together), one of them is always among the helpers, and every value counts from that rest: Y_j of a helper is
    its difference from the rest, which is 0 for the rest itself. Without it (``paper``) helpers are random keyframes
    and Y_j is the single-frame network's value.

    Args:
        halves: K pairs of half faces.
        ovpm: single-frame network.
        dvpm: difference network trained on this OVPM.
        settings: helpers, decoding, reference.
        seed: of the choice of helpers; both sides get the same helpers.
        batch_size: half faces or pairs computed at once.

    Returns:
        Intensities 0..5 (K, channels) per side; resting positions.
    """
    sides = [_Side(images, ovpm, dvpm, settings, batch_size) for images in (halves.left, halves.right)]
    count = len(halves.left)
    rest = _find_rest(sides) if settings.rest_reference and count > 1 else ()
    anchor = rest[0] if rest else None
    helpers = [choose_helpers(count, i, settings.helpers, seed=seed, always=anchor) for i in range(count)]
    left, right = (side.estimate(helpers, rest) for side in sides)
    return ActionUnits(aus=ALL_AUS[: left.shape[1]], left=left, right=right, rest=rest)


class _Side:
    """One side's half faces with their maps, computed once."""

    def __init__(
        self, images: ByteImage, ovpm: OVPM, dvpm: DVPM, settings: ActionUnitSettings, batch_size: int
    ) -> None:
        self.dvpm, self.settings, self.batch_size = dvpm, settings, batch_size
        device = next(ovpm.parameters()).device
        values, taps = [], []
        with torch.inference_mode():
            for start in range(0, len(images), batch_size):
                x = half_tensor(images[start : start + batch_size], ovpm.input_size).to(device)
                logits, maps = ovpm.forward_with_taps(normalise(x))
                values.append(self._value(logits.float()))
                taps.append(maps)
        self.values = torch.cat(values)
        self.taps = [torch.cat(level) for level in zip(*taps, strict=True)]

    def _value(self, logits: Tensor) -> Tensor:
        return expected_intensity(logits) if self.settings.decode == "expectation" else argmax_intensity(logits)

    def deltas(self, pairs: list[tuple[int, int]]) -> Tensor:
        """(len(pairs), channels) differences of frame i from frame j."""
        found = []
        decode = expected_difference if self.settings.decode == "expectation" else argmax_difference
        with torch.inference_mode():
            for start in range(0, len(pairs), self.batch_size):
                first, second = (list(index) for index in zip(*pairs[start : start + self.batch_size], strict=True))
                maps = difference([t[first] for t in self.taps], [t[second] for t in self.taps])
                if self.settings.antisymmetric:
                    found.append(antisymmetric_difference(self.dvpm, maps, decode))
                else:
                    found.append(decode(self.dvpm(maps)))
        return torch.cat(found) if found else self.values[:0]

    def estimate(self, helpers: list[tuple[int, ...]], rest: tuple[int, ...]) -> FloatArray:
        """(K, channels) intensities 0..5 (DEM, eq. 3)."""
        anchors = self._from_rest(rest) if rest else self.values
        pairs = [(i, j) for i, chosen in enumerate(helpers) for j in chosen]
        deltas = self.deltas(pairs)
        rows, at = [], 0
        for i, chosen in enumerate(helpers):
            if not chosen:
                rows.append(self.values[i])
                continue
            rows.append(ensemble(anchors[list(chosen)], deltas[at : at + len(chosen)]))
            at += len(chosen)
        return torch.stack(rows).cpu().numpy().astype(float)

    def _from_rest(self, rest: tuple[int, ...]) -> Tensor:
        """(K, channels) difference of each frame from the rest; 0 at the rest itself.

        It may be below 0: a helper that lies below the rest must be known as such, or what it helps comes out too
        high (the rest itself first of all). Only the ensemble's answer is clipped to 0..5.
        """
        pairs = [(i, rest[0]) for i in range(len(self.values))]
        values = self.deltas(pairs)
        values[list(rest)] = 0.0
        return values


def half_tensor(images: ByteImage, size: tuple[int, int]) -> Tensor:
    """Half faces (B, 512, 256, 3) uint8 as (B, 3, height, width) in 0..1, reduced by area averaging."""
    height, width = size
    small = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images]
    stacked = np.ascontiguousarray(np.stack(small).transpose(0, 3, 1, 2))
    return torch.from_numpy(stacked).float() / 255


def _find_rest(sides: list[_Side]) -> tuple[int, ...]:
    """The resting keyframes, calmest first: those of least total activity on both sides together.

    The difference network is the judge, since one frame alone cannot know a person's rest: all keyframes are
    compared with one of them, then again with the calmest found, until that one stays.
    """
    count = len(sides[0].values)
    calmest, activity = 0, torch.zeros(count)
    for _ in range(_REST_ROUNDS):
        pairs = [(i, calmest) for i in range(count)]
        activity = torch.stack([side.deltas(pairs).sum(1) for side in sides]).sum(0)
        found = int(activity.argmin())
        if found == calmest:
            break
        calmest = found
    return tuple(int(i) for i in activity.argsort(stable=True)[:_MAX_REST])
