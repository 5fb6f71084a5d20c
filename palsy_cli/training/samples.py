"""The simulated faces that four networks learn from: made once, kept in a run's cache as arrays.

An *episode* is one person with one lesion: two resting frames, then frames with muscles at work. All frames of an
episode share the person's droop and mouth; pose and muscles differ. Pixels are an upright square crop
(``stages.alignment.crop_similarity`` with ``CACHE_MARGIN``), from which every network cuts its own input.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from palsy_cli.datasets.people import Photo, read_photos, read_rig
from palsy_cli.documents import read_arrays
from palsy_cli.errors import DatasetError
from palsy_cli.files import below
from palsy_cli.records import ALL_AUS, ByteImage, FloatArray
from palsy_cli.simulate.appearance import View
from palsy_cli.simulate.clips import DrawnRenderer, Renderer
from palsy_cli.simulate.cover import Cover, hides_face, paint_hand
from palsy_cli.simulate.muscles import midline_pull, move_points
from palsy_cli.simulate.palsy import rest_displacement
from palsy_cli.simulate.person import Person, neutral_of
from palsy_cli.simulate.photo import Act, PhotoFace, Pose
from palsy_cli.simulate.photo_renderer import PhotoRenderer
from palsy_cli.simulate.rig import Rig
from palsy_cli.simulate.warp import MouthLook, interpolate_field, outline_points, sample_cells
from palsy_cli.simulate.wrinkles import SkinLook
from palsy_cli.stages import alignment
from palsy_cli.training.episodes import EpisodePlan, FramePlan, plan_episodes

CACHE_SIDE = 288
CACHE_MARGIN = 1.4
#: Drawn people: how many, the side in pixels of the picture that is cropped, and the pupil distance as a share of it.
DRAWN_PEOPLE = 80
_DRAWN_SIDE, _DRAWN_ZOOM = 336, 0.25

#: Picture, 68 points in its pixels, displacement field of one frame.
Shot = tuple[ByteImage, FloatArray, FloatArray]


@dataclass(frozen=True)
class FaceSamples:
    """N faces, simulated or of a data set.

    Attributes:
        images: (N, S, S, 3) RGB uint8, memory-mapped; S is 288 for simulated faces.
        points: (N, 68, 2) pixels of ``images``.
        left, right: (N, A) intensities 0..5 of ``aus``; NaN where they are unknown.
        person, episode: (N,) identifiers.
        rest: (N,) True for resting frames.
        grade: (N,) House-Brackmann 1..6 of the episode's lesion, halves in some sets, 0 when it has none to grade.
        weak_side: (N,) -1 right, 0 none, 1 left.
        held_out: (N,) True for the people whose faces choose the best epoch; they are not trained on.
        flow: (N, 36, 36, 2) pixels: displacement by expression of what is seen at each 8x8 cell; known of simulated
            faces only.
        training: (N,) True for the faces that are learned from; ``None``: all that are not held out.
        marked: (N, 68) True for points that somebody marked; the others are guesses.
        aus: the units of ``left`` and ``right``.
    """

    images: np.ndarray[Any, Any]
    points: FloatArray
    left: FloatArray
    right: FloatArray
    person: np.ndarray[Any, Any]
    episode: np.ndarray[Any, Any]
    rest: np.ndarray[Any, Any]
    grade: np.ndarray[Any, Any]
    weak_side: np.ndarray[Any, Any]
    held_out: np.ndarray[Any, Any]
    flow: FloatArray | None = None
    training: np.ndarray[Any, Any] | None = None
    marked: np.ndarray[Any, Any] | None = None
    aus: tuple[int, ...] = ALL_AUS

    @property
    def learned(self) -> np.ndarray[Any, Any]:
        """(N,) True for the faces that are learned from."""
        return ~self.held_out if self.training is None else self.training


def load_samples(cache: Path) -> FaceSamples:
    """Open a cache written by ``make_samples``; raises DatasetError when it is not whole."""
    try:
        images = np.load(cache / "images.npy", mmap_mode="r")
        labels: dict[str, Any] = read_arrays(cache / "labels.npz")
        return FaceSamples(images=images, **labels)
    except (EOFError, OSError, TypeError, ValueError) as error:
        raise DatasetError(f"{cache}: the sample cache is not whole ({error}); delete it and start again") from error


def make_samples(
    data: Path,
    cache: Path,
    *,
    seed: int = 0,
    drawn: int = DRAWN_PEOPLE,
    share: float = 1.0,
    workers: int = 2,
    device: str = "cpu",
) -> FaceSamples:
    """Simulate all episodes of all people into ``cache`` (labels last, so that a cut run is seen as incomplete).

    Args:
        data: the data folder.
        cache: folder to fill; an existing whole cache is reused.
        seed: of every random choice.
        drawn: number of drawn people.
        share: part of the people to use, for trials.
        workers: processes.
        device: ``cuda`` warps the photos there.
    """
    if (cache / "labels.npz").exists():
        return load_samples(cache)
    cache.mkdir(parents=True, exist_ok=True)
    plans = plan_episodes(read_photos(data), drawn=drawn, seed=seed, share=share)
    total = sum(plan.frames for plan in plans)
    images = np.lib.format.open_memmap(
        below(cache, "images.npy"), mode="w+", dtype=np.uint8, shape=(total, CACHE_SIDE, CACHE_SIDE, 3)
    )
    rows: list[dict[str, Any]] = []
    with multiprocessing.get_context("spawn").Pool(workers, _start_worker, (data, device)) as pool:
        for plan, result in zip(plans, pool.imap(_run_plan, plans, chunksize=4), strict=True):
            pictures, labels = result
            images[len(rows) : len(rows) + plan.frames] = pictures
            rows += labels
    images.flush()
    stacked: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    partial = below(cache, "labels.partial.npz")
    np.savez(partial, **stacked)
    partial.replace(cache / "labels.npz")
    return load_samples(cache)


_WORKER: dict[str, Any] = {}


def _start_worker(data: Path, device: str) -> None:
    import cv2

    cv2.setNumThreads(1)
    _WORKER.update(rig=read_rig(data), device=device)


def _run_plan(plan: EpisodePlan) -> tuple[ByteImage, list[dict[str, Any]]]:
    pictures, labels = zip(*simulate_episode(plan, **_WORKER), strict=True)
    return np.stack(pictures), list(labels)


class _PhotoStage:
    """A photo, cropped and upright as the cache wants it, ready to move."""

    def __init__(self, photo: Photo, rig: Rig, rng: np.random.Generator) -> None:
        five = alignment.five_points(photo.points[rig.index68])
        matrix = alignment.crop_similarity(five, size=CACHE_SIDE, margin=CACHE_MARGIN)
        points = alignment.transform_points(photo.points, matrix)
        image = alignment.warp(photo.read(), matrix, (CACHE_SIDE, CACHE_SIDE))
        unit = float(np.hypot(*(points[rig.index68[45]] - points[rig.index68[36]])))
        self.rig, self.face = rig, PhotoFace(image, points, rig, MouthLook.draw(rng, unit_px=unit), SkinLook.draw(rng))

    def show(self, frames: Sequence[FramePlan], *, device: str = "cpu") -> Iterator[Shot]:
        """All frames of an episode; ``device`` as for ``PhotoFace.render``."""
        acts = [
            Act(frame.drives, rest_displacement(frame.lesion) + midline_pull(frame.drives), Pose(*frame.pose))
            for frame in frames
        ]
        for warped in self.face.render(acts, device=device):
            yield warped.image, warped.points[self.rig.index68], warped.flow


class _RenderedStage:
    """A person shown by the simulator's own renderer, moved by the table of muscles that comes along."""

    def __init__(self, renderer: Renderer, neutral: FloatArray, *, zoom: float) -> None:
        self.renderer, self.neutral, self.zoom = renderer, neutral, zoom

    @staticmethod
    def of_drawing(seed: int) -> _RenderedStage:
        person = Person.from_seed(seed)
        renderer = DrawnRenderer(person, (_DRAWN_SIDE, _DRAWN_SIDE))
        return _RenderedStage(renderer, neutral_of(person), zoom=_DRAWN_ZOOM)

    @staticmethod
    def of_photo(photo: Photo, rig: Rig, rng: np.random.Generator) -> _RenderedStage:
        renderer = PhotoRenderer.of(photo.read(), photo.points[rig.index68], seed=int(rng.integers(2**31)))
        return _RenderedStage(renderer, renderer.mesh.neutral, zoom=View.zoom)

    def show(self, frames: Sequence[FramePlan], *, device: str = "cpu") -> Iterator[Shot]:
        """All frames of an episode, drawn by OpenCV whatever the device."""
        return map(self._show, frames)

    def _show(self, frame: FramePlan) -> Shot:
        view = View(yaw=frame.pose[0], pitch=frame.pose[1], zoom=self.zoom)
        image, points = self.renderer.render(frame.drives, lesion=frame.lesion, view=view)
        matrix = alignment.crop_similarity(alignment.five_points(points), size=CACHE_SIDE, margin=CACHE_MARGIN)
        crop = alignment.warp(image, matrix, (CACHE_SIDE, CACHE_SIDE))
        placed = alignment.transform_points(points, matrix)
        rest = rest_displacement(frame.lesion)
        motion = move_points(self.neutral, frame.drives, rest=rest).points - self.neutral - rest
        pupils = placed[36:48].reshape(2, 6, 2).mean(1)
        around = outline_points(placed)
        field = interpolate_field(
            np.vstack([placed, around]),
            np.vstack([motion * np.hypot(*(pupils[1] - pupils[0])), np.zeros_like(around)]),
            (CACHE_SIDE, CACHE_SIDE),
        )
        return crop, placed, sample_cells(field)


def _stage_of(plan: EpisodePlan, rig: Rig, rng: np.random.Generator) -> _PhotoStage | _RenderedStage:
    if plan.photo is None:
        return _RenderedStage.of_drawing(plan.person)
    return (_RenderedStage.of_photo if plan.by_table else _PhotoStage)(plan.photo, rig, rng)


def simulate_episode(plan: EpisodePlan, rig: Rig, *, device: str = "cpu") -> Iterator[tuple[ByteImage, dict[str, Any]]]:
    """Picture and labels of each frame of one episode."""
    rng = np.random.default_rng(plan.seed)
    stage = _stage_of(plan, rig, rng)
    unknown = np.full(len(ALL_AUS), np.nan)
    cover = Cover.draw(rng)
    frames = list(plan.draw_frames(rng))
    for frame, (image, points, flow) in zip(frames, stage.show(frames, device=device), strict=True):
        cover.paint(image, points)
        if not frame.rest and hides_face(rng):
            paint_hand(image, points, rng)
        yield (
            image,
            {
                "points": points.astype(np.float32),
                "left": (frame.left if plan.calm else unknown).astype(np.float32),
                "right": (frame.right if plan.calm else unknown).astype(np.float32),
                "flow": flow.astype(np.float16),
                "person": np.int32(plan.person),
                "episode": np.int32(plan.episode),
                "rest": np.bool_(frame.rest),
                "grade": np.int8(frame.grade if plan.grade and plan.calm else 0),
                "weak_side": np.int8(plan.weak_side),
                "held_out": np.bool_(plan.held_out),
            },
        )


def graded_rows(samples: FaceSamples) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Rows with a House-Brackmann grade and muscles at work: of training people, of held-out people."""
    graded = (samples.grade > 0) & ~samples.rest
    return np.flatnonzero(graded & samples.learned), np.flatnonzero(graded & samples.held_out)


def shown_more(rows: np.ndarray[Any, Any], which: np.ndarray[Any, Any], *, times: int) -> np.ndarray[Any, Any]:
    """Rows (N,) to learn from in an epoch, those marked in ``which`` (N,) so many times instead of once."""
    return np.concatenate([rows, np.tile(rows[which], times - 1)])
