"""Hop 6: AU intensities of both halves by the difference ensemble (DEM, eqs. 1-3)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from palsy_cli.config import ActionUnitSettings
from palsy_cli.networks.batches import Batches
from palsy_cli.networks.dem import (
    DVPM,
    OVPM,
    argmax_difference,
    argmax_intensity,
    choose_helpers,
    difference,
    ensemble,
    expected_difference,
    expected_intensity,
)
from palsy_cli.networks.device import autocast, beside
from palsy_cli.records import ALL_AUS, ActionUnits, ByteImage, FloatArray, HalfFaces

#: Keyframes that are tried as the patient's rest.
_REST_CANDIDATES = 6
#: A second keyframe is at rest, too, when no channel differs by more from the first.
_STILL = 0.5
#: A rest recurs in so many keyframes, itself included, and in half as many as the commonest candidate; a movement that
#: passes for one does not.
_RECURS = 4
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
    together), the helpers are they and the calmest others, and every value counts from that rest: Y_j of a helper is
    its difference from the rest, which is 0 for the rest itself. Without it (``paper``) helpers are random keyframes
    and Y_j is the single-frame network's value. (On simulated patients a random second helper makes the mean error 17 %
    larger than the rest alone, the calmest one makes it 2 % smaller: small differences are read best.)

    Args:
        halves: K pairs of half faces.
        ovpm: single-frame network.
        dvpm: difference network trained on this OVPM.
        settings: helpers, decoding, reference.
        seed: of the choice of random helpers; both sides get the same helpers.
        batch_size: half faces or pairs computed at once.

    Returns:
        Intensities 0..5 (K, channels) per side; resting positions.
    """
    return estimate_by_helpers(halves, ovpm, dvpm, settings, (settings.helpers,), seed=seed, batch_size=batch_size)[
        settings.helpers
    ]


def estimate_by_helpers(
    halves: HalfFaces,
    ovpm: OVPM,
    dvpm: DVPM,
    settings: ActionUnitSettings,
    helpers: Sequence[int],
    *,
    seed: int = 0,
    batch_size: int = 16,
) -> dict[int, ActionUnits]:
    """``estimate_action_units`` for several numbers of helper frames; 0 is the single-frame network alone."""
    sides = [_Side(images, ovpm, dvpm, settings, batch_size) for images in (halves.left, halves.right)]
    count = len(halves.left)
    rest = _find_rest(sides) if settings.rest_reference and count > 1 else ()
    anchors = [side.anchors(rest) for side in sides]
    calm = _calmest_first(rest, anchors) if rest else []
    found = {}
    for m in helpers:
        if rest:
            chosen = [tuple(sorted([j for j in calm if j != i][:m])) for i in range(count)]
        else:
            chosen = [choose_helpers(count, i, m, seed=seed) for i in range(count)]
        left, right = (side.estimate(chosen, own) for side, own in zip(sides, anchors, strict=True))
        found[m] = ActionUnits(aus=ALL_AUS[: left.shape[1]], left=left, right=right, rest=rest)
    return found


class _Side:
    """One side's half faces with their maps; each half face, and each pair of them, is computed once."""

    def __init__(
        self, images: ByteImage, ovpm: OVPM, dvpm: DVPM, settings: ActionUnitSettings, batch_size: int
    ) -> None:
        self.dvpm, self.settings, self.batches = dvpm, settings, Batches(batch_size)

        def look(rows: slice) -> tuple[Tensor, list[Tensor]]:
            x = beside(ovpm, normalise(half_tensor(images[rows], ovpm.input_size)))
            return ovpm.forward_with_taps(x.contiguous(memory_format=torch.channels_last))

        with torch.inference_mode():
            logits, taps = zip(*self.batches.over(len(images), look), strict=True)
        self.values = self._value(torch.cat(logits).float())
        self.taps = [torch.cat(level) for level in zip(*taps, strict=True)]
        self.known: dict[tuple[int, int], Tensor] = {}

    def _value(self, logits: Tensor) -> Tensor:
        return expected_intensity(logits) if self.settings.decode == "expectation" else argmax_intensity(logits)

    def deltas(self, pairs: Sequence[tuple[int, int]], *, antisymmetric: bool) -> Tensor:
        """(len(pairs), channels) differences of frame i from frame j.

        With ``antisymmetric`` each pair is asked both ways round, ``(f(dF) - f(-dF)) / 2`` (ours, not in the paper):
        the answer then changes its sign with the order, and is 0 for a frame and itself.
        """
        forwards = self._asked(pairs)
        return (forwards - self._asked([(j, i) for i, j in pairs])) / 2 if antisymmetric else forwards

    def _asked(self, pairs: Sequence[tuple[int, int]]) -> Tensor:
        """(len(pairs), channels) what the difference network says of F_i - F_j.

        The maps and their differences are fp32: what little two frames differ by would be rounded away. The network may
        then read them in bf16, which moves an intensity by 0.01 at most.
        """
        new = [pair for pair in dict.fromkeys(pairs) if pair not in self.known]
        decode = expected_difference if self.settings.decode == "expectation" else argmax_difference

        def ask(rows: slice) -> Tensor:
            first, second = (list(index) for index in zip(*new[rows], strict=True))
            maps = difference([t[first] for t in self.taps], [t[second] for t in self.taps])
            return decode(self.dvpm(maps).float())

        with torch.inference_mode(), autocast(self.values.device):
            answers = itertools.chain.from_iterable(self.batches.over(len(new), ask))
            self.known.update(zip(new, answers, strict=True))
        return torch.stack([self.known[pair] for pair in pairs]) if pairs else self.values[:0]

    def estimate(self, helpers: list[tuple[int, ...]], anchors: Tensor) -> FloatArray:
        """(K, channels) intensities 0..5 (DEM, eq. 3) from the helpers' own (K, channels)."""
        pairs = [(i, j) for i, chosen in enumerate(helpers) for j in chosen]
        deltas = self.deltas(pairs, antisymmetric=self.settings.antisymmetric)
        rows, at = [], 0
        for i, chosen in enumerate(helpers):
            if not chosen:
                rows.append(self.values[i])
                continue
            rows.append(ensemble(anchors[list(chosen)], deltas[at : at + len(chosen)]))
            at += len(chosen)
        return torch.stack(rows).cpu().numpy().astype(float)

    def anchors(self, rest: tuple[int, ...]) -> Tensor:
        """(K, channels) difference of each frame from the rest; 0 at the rest itself. Without one, the OVPM's values.

        It may be below 0: a helper that lies below the rest must be known as such, or what it helps comes out too
        high (the rest itself first of all). Only the ensemble's answer is clipped to 0..5.
        """
        if not rest:
            return self.values
        pairs = [(i, rest[0]) for i in range(len(self.values))]
        values = self.deltas(pairs, antisymmetric=self.settings.antisymmetric)
        values[list(rest)] = 0.0
        return values


def half_tensor(images: ByteImage, size: tuple[int, int]) -> Tensor:
    """Half faces (B, 512, 256, 3) uint8 as (B, 3, height, width) in 0..1, reduced by area averaging."""
    height, width = size
    plain = (np.ascontiguousarray(image) for image in images)  # a mirrored half is a view with steps backwards
    small = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in plain]
    stacked = np.ascontiguousarray(np.stack(small).transpose(0, 3, 1, 2))
    return torch.from_numpy(stacked).float() / 255


def _find_rest(sides: list[_Side]) -> tuple[int, ...]:
    """The resting keyframes, the surest first.

    The difference network is the judge, since one frame alone cannot know a person's rest. At rest no muscle works, so
    that no other frame can lie below it, and a face comes back to it: of the candidates that recur (``_RECURS``), or of
    all when none does, the one is taken below which the others lie least. To lie low is not enough: when somebody knits
    the brow strongly, all other brows lie above the knitted one. Candidates are the first and last frame, where
    patients mostly rest, and whatever seems calmer than the best so far.
    """
    tried: dict[int, Tensor] = {}
    count = len(sides[0].values)
    queue = [0, count - 1]
    while queue and len(tried) < min(_REST_CANDIDATES, count):
        candidate = queue.pop(0)
        if candidate not in tried:
            pairs = [(i, candidate) for i in range(count)]
            tried[candidate] = torch.stack([side.deltas(pairs, antisymmetric=False) for side in sides])
        if not queue:
            calm = tried[_best_rest(tried)].sum(2).sum(0).argsort(stable=True).tolist()
            queue = [i for i in calm if i not in tried][:1]
    best = _best_rest(tried)
    apart = tried[best].abs().sum(2).sum(0)
    apart[best] = -1.0
    still = tried[best].abs().amax((0, 2)) <= _STILL
    still[best] = True
    return tuple(i for i in apart.argsort(stable=True)[:_MAX_REST].tolist() if still[i])


def _calmest_first(rest: tuple[int, ...], anchors: list[Tensor]) -> list[int]:
    """All keyframes, the rest first, then by how little both sides differ from it."""
    apart = torch.stack([side.abs().sum(1) for side in anchors]).sum(0).argsort(stable=True).tolist()
    return [*rest, *(i for i in apart if i not in rest)]


def _best_rest(tried: dict[int, Tensor]) -> int:
    """The candidate that recurs and whose differences (sides, K, channels) of all frames from it are least negative.

    Each side is summed by itself: with the sides exchanged the answer must be the same to the last bit.
    """
    still = {candidate: int((apart.abs().amax((0, 2)) <= _STILL).sum()) for candidate, apart in tried.items()}
    below = {candidate: float(-apart.clamp(max=0).sum((1, 2)).sum()) for candidate, apart in tried.items()}
    most = max(still.values())
    often = max(_RECURS, most / 2) if most >= _RECURS else 0
    return min(tried, key=lambda candidate: (still[candidate] < often, below[candidate]))
