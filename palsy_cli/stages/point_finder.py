"""The 68 points of one face in frame after frame, looked for no more often than it moves."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from palsy_cli.config import LandmarkSettings
from palsy_cli.networks.batches import Batches
from palsy_cli.networks.landmark_fcn import CascadedFCN
from palsy_cli.points import eye_distance
from palsy_cli.records import FloatArray, Frame
from palsy_cli.stages import alignment
from palsy_cli.stages.locating import CROP, correct_five, locate_at
from palsy_cli.stages.sightings import MOST_WAITING, move_evenly

#: Frames, their points (B, 68, 2), NaN where the heat maps stay too low for a face, and their mean peaks (B,).
FoundBatch = tuple[Sequence[Frame], FloatArray, FloatArray]
#: A face keeps still while, from one look to the next, no point moves further than the first of these beside the rest,
#: and all together no further than the second, in eye distances. The network's own points tremble by half of the first.
_STILL, _STILL_TOGETHER = 0.02, 0.1
#: Frames from one look to the next at most, whatever their rate: their pictures wait.
_LONGEST = 4


class PointFinder:
    """The 68 points of one face in frame after frame.

    They are looked for every ``look_every_s``, and in each frame where they move: between looks before, at and after
    which the face keeps still, what lies between is taken. What turns round between two looks, a blink, moves before or
    after. Which frames are looked at depends on their times and faces, not on how they come.

    Args:
        network: trained cascaded FCN.
        settings: decoding, passes, looks.
        batch_size: crops computed at once.
    """

    def __init__(self, network: CascadedFCN, settings: LandmarkSettings, *, batch_size: int = 16) -> None:
        self._network, self._settings, self._batches = network, settings, Batches(batch_size)
        self._framing = _Framing(network, settings, self._batches)
        self._stretches: list[_Stretch] = []
        self._was_still = False

    def add(self, frames: Sequence[Frame], five: FloatArray) -> Iterator[FoundBatch]:
        """Take the next frames, whose faces the five points (B, 5, 2) tell, and yield those whose points are found."""
        self._begin(self._framing.add(frames, five))
        settled = len(self._stretches) - 1
        if settled > 0 and len(self._stretches[settled - 1].rows) > 1:
            settled -= 1  # whether the face keeps still afterwards is not known yet
        yield from self._tell(settled)

    def finish(self) -> Iterator[FoundBatch]:
        """Yield the frames that still wait."""
        self._begin(self._framing.finish())
        yield from self._tell(len(self._stretches))

    def _begin(self, rows: Sequence[_Row]) -> None:
        """Begin a stretch with each frame that is due, and find its points."""
        begun = len(self._stretches)
        for row in rows:
            if not self._stretches or self._stretches[-1].ends_before(row, self._settings.look_every_s):
                self._stretches.append(_Stretch([row]))
            else:
                self._stretches[-1].rows.append(row)
        new = self._stretches[begun:]
        for stretch, found in zip(new, self._look([stretch.rows[0] for stretch in new]), strict=True):
            stretch.found = found

    def _tell(self, count: int) -> Iterator[FoundBatch]:
        """The frames of the first stretches, with their points."""
        if count < 1:
            return
        done, still = self._stretches[:count], self._stillness()
        moves = [not all(still[i : i + 3]) for i in range(count)]
        looked = iter(self._look([row for i, one in enumerate(done) if moves[i] for row in one.rows[1:]]))
        found: list[_Found] = []
        for i, one in enumerate(done):
            found.append(one.found)
            found += itertools.islice(looked, len(one.rows) - 1) if moves[i] else one.between(self._stretches[i + 1])
        self._stretches, self._was_still = self._stretches[count:], still[count]
        points = np.stack([one.points for one in found]).astype(np.float32)  # as they are kept, whoever asks
        frames = [row.frame for one in done for row in one.rows]
        yield frames, points.astype(np.float64), np.array([one.peak for one in found])

    def _stillness(self) -> list[bool]:
        """Whether the face keeps still before the first stretch and within each; nobody knows that of the last."""
        after = itertools.pairwise(self._stretches)
        return [self._was_still, *(_keeps_still(one.found, other.found) for one, other in after), False, False]

    def _look(self, rows: Sequence[_Row]) -> list[_Found]:
        """The points of some frames."""

        def look(some: slice) -> list[_Found]:
            images, five = [row.frame.image for row in rows[some]], np.stack([row.five for row in rows[some]])
            points, sure = locate_at(images, five, self._network, self._settings)
            peaks = sure.mean(1)
            points[peaks < self._settings.min_peak] = np.nan
            return [_Found(own, float(peak)) for own, peak in zip(points, peaks, strict=True)]

        return list(itertools.chain.from_iterable(self._batches.over(len(rows), look)))


class _Row(NamedTuple):
    """A frame, and five points (5, 2) in it."""

    frame: Frame
    five: FloatArray


class _Found(NamedTuple):
    """What was found in a frame: 68 points (68, 2), NaN where there is no face, and their mean peak."""

    points: FloatArray
    peak: float


@dataclass
class _Stretch:
    """A frame that is looked at, and those after it up to the next such; ``found`` is that of the first."""

    rows: list[_Row]
    found: _Found = _Found(np.full((68, 2), np.nan), 0.0)

    def ends_before(self, row: _Row, every_s: float) -> bool:
        """Whether a frame begins the next stretch, for the one after it would come too late."""
        next_s = 2 * row.frame.time_s - self.rows[-1].frame.time_s
        return next_s - self.rows[0].frame.time_s > every_s + 1e-6 or len(self.rows) >= _LONGEST

    def between(self, other: _Stretch) -> Iterator[_Found]:
        """What its other frames show if the face moves evenly until the next stretch."""
        start_s, end_s = self.rows[0].frame.time_s, other.rows[0].frame.time_s
        for row in self.rows[1:]:
            share = (row.frame.time_s - start_s) / (end_s - start_s)
            points = self.found.points + share * (other.found.points - self.found.points)
            yield _Found(points, self.found.peak + share * (other.found.peak - self.found.peak))


def _keeps_still(one: _Found, other: _Found) -> bool:
    """Whether a face does not move, from one look to the next, by more than it may; ``False`` where there is none."""
    moved = other.points - one.points
    together = moved.mean(0)
    eyes = float(eye_distance(one.points))
    apart = float(np.linalg.norm(moved - together, axis=1).max())
    return apart <= _STILL * eyes and float(np.hypot(*together)) <= _STILL_TOGETHER * eyes


class _FirstPass(NamedTuple):
    """A frame whose first pass was made: how far (5, 2) it shifted the five points, in pixels of the crop they cut."""

    time_s: float
    five: FloatArray
    shift: FloatArray

    def still_holds(self, five: FloatArray) -> bool:
        """Whether a face with these five points is probably the same, and near."""
        sizes = alignment.face_unit(self.five), alignment.face_unit(five)
        return move_evenly((self.five.mean(0), five.mean(0)), sizes)


class _Framing:
    """Tells where crops are to be cut, frame after frame: the first passes.

    How far the detector is out hardly changes within a tenth of a second. So the first pass, whose points cut the crop
    of the second, is made as often as ``first_pass_every_s`` says and where the face is elsewhere. Frames between wait
    for it and take what lies between the corrections before and after, which makes steadier points than a first pass
    for each.

    Args:
        network: trained cascaded FCN.
        settings: decoding, passes.
        batches: crops computed at once.
    """

    def __init__(self, network: CascadedFCN, settings: LandmarkSettings, batches: Batches) -> None:
        self._network, self._settings, self._batches = network, settings, batches
        self._every_s = settings.first_pass_every_s if settings.passes > 1 else 0.0
        self._waiting: list[_Row] = []
        self._last: _FirstPass | None = None

    def add(self, frames: Sequence[Frame], five: FloatArray) -> list[_Row]:
        """Take the next frames and the five points (B, 5, 2) of their faces; those that need wait no longer, framed."""
        self._waiting += itertools.starmap(_Row, zip(frames, five, strict=True))
        return self._settle(self._due())

    def finish(self) -> list[_Row]:
        """The frames that still wait."""
        return self._settle(sorted({*self._due(), len(self._waiting) - 1}) if self._waiting else [])

    def _due(self) -> list[int]:
        """Positions of the waiting frames whose first pass is to be made."""
        due: list[int] = []
        last, passed = self._last, 0
        for position, (frame, five) in enumerate(self._waiting):
            passed += 1
            soon = last is not None and frame.time_s - last.time_s < self._every_s - 1e-6
            if last is None or not soon or passed > MOST_WAITING or not last.still_holds(five):
                due.append(position)
                last, passed = _FirstPass(frame.time_s, five, np.zeros((5, 2))), 0
        return due

    def _settle(self, due: Sequence[int]) -> list[_Row]:
        """The waiting frames up to the last one that is due."""
        if not due:
            return []
        done, self._waiting = self._waiting[: due[-1] + 1], self._waiting[due[-1] + 1 :]
        if self._settings.passes <= 1:
            return done
        frames = [row.frame for row in done]
        five = self._correct(frames, np.stack([row.five for row in done]), due)
        return list(itertools.starmap(_Row, zip(frames, five, strict=True)))

    def _correct(self, frames: Sequence[Frame], five: FloatArray, due: Sequence[int]) -> FloatArray:
        """The five points (B, 5, 2) as the first pass sees them in the frames due, and would see them between."""
        to_crop = [alignment.crop_similarity(own, size=CROP) for own in five]
        in_crop = [alignment.transform_points(own, matrix) for own, matrix in zip(five, to_crop, strict=True)]

        def correct(rows: slice) -> FloatArray:
            images = [frames[i].image for i in due[rows]]
            return correct_five(images, five[due[rows]], self._network, self._settings)

        seen = itertools.chain.from_iterable(self._batches.over(len(due), correct))
        corrected, start = five.copy(), 0
        for stop, own in zip(due, seen, strict=True):
            look = _FirstPass(
                frames[stop].time_s, five[stop], alignment.transform_points(own, to_crop[stop]) - in_crop[stop]
            )
            for i in range(start, stop):
                shift = _shift_between(self._last or look, look, frames[i].time_s)
                corrected[i] = alignment.transform_points(in_crop[i] + shift, alignment.invert(to_crop[i]))
            corrected[stop] = own
            self._last, start = look, stop + 1
        return corrected


def _shift_between(before: _FirstPass, after: _FirstPass, time_s: float) -> FloatArray:
    """How far the first pass would shift the five points at a moment between two others, in the earlier one's face."""
    if not before.still_holds(after.five):
        return before.shift
    share = (time_s - before.time_s) / (after.time_s - before.time_s)
    return np.asarray(before.shift + share * (after.shift - before.shift))
