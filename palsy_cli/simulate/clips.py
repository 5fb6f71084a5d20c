"""A protocol of expressions as frames, as a video, and with its truth, through any renderer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from palsy_cli.files import atomic_write
from palsy_cli.records import ALL_AUS, SEVERITY_LABELS, SIDES, ByteImage, FloatArray, Side, WeakSide
from palsy_cli.simulate.muscles import Drives
from palsy_cli.simulate.palsy import BRANCHES, Lesion, SideGains, au_labels, draw_side_gains, side_drive
from palsy_cli.simulate.person import Person, View, draw_person
from palsy_cli.simulate.scores import fngs, house_brackmann, severity_of_grade, sunnybrook
from palsy_cli.simulate.script import PROTOCOL, Script, commands_at, write_script
from palsy_cli.stages.regions import region_outlines
from palsy_cli.stages.video import write_video

TRUTH_SCHEMA = "1.1"
#: Slow sway of a head that tries to keep still, degrees.
SWAY_DEG = (1.2, 1.0, 0.8)


class Renderer(Protocol):
    """Anything that can show a face under given drives."""

    def render(self, drives: Drives, *, lesion: Lesion, view: View) -> tuple[ByteImage, FloatArray]:
        """Draw one frame.

        Args:
            drives: share of the full contraction per (action unit, patient's side), 0..1.1.
            lesion: for the signs at rest (``palsy.rest_displacement``, ``palsy.fold_depth``).
            view: head pose, camera and gaze.

        Returns:
            (H, W, 3) RGB uint8 and the true (68, 2) points in its pixels.
        """
        ...


@dataclass(frozen=True)
class DrawnRenderer:
    """Renderer of a drawn person; ``size`` is (height, width) in pixels."""

    person: Person
    size: tuple[int, int] = (512, 512)

    def render(self, drives: Drives, *, lesion: Lesion, view: View) -> tuple[ByteImage, FloatArray]:
        """See ``Renderer.render``."""
        return draw_person(self.person, drives, size=self.size, view=view, lesion=lesion)


class SimulatedFrame(NamedTuple):
    """One frame: image, (68, 2) true points in pixels, AU intensities 0..5 per half in ``ALL_AUS`` order."""

    image: ByteImage
    points: FloatArray
    labels_left: FloatArray
    labels_right: FloatArray


@dataclass(frozen=True)
class Truth:
    """Everything that is known of a simulated clip of N frames.

    Attributes:
        seed: what the person's asymmetry, effort and sway were drawn from.
        lesion: weakness and synkinesis.
        gains: the person's healthy asymmetry.
        script: movements with their times.
        fps: frames per second.
        points: (N, 68, 2) pixels.
        left, right: (N, 14) AU intensities 0..5 in ``ALL_AUS`` order.
    """

    seed: int
    lesion: Lesion
    gains: SideGains
    script: Script
    fps: float
    points: FloatArray
    left: FloatArray
    right: FloatArray

    @property
    def weak_side(self) -> WeakSide:
        """The patient's weak side."""
        return self.lesion.side

    @property
    def house_brackmann(self) -> int:
        """Grade 1..6 of the lesion (healthy asymmetry left out)."""
        return house_brackmann(self.lesion)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for ``truth.json``."""
        sunny, regions = sunnybrook(self.lesion), fngs(self.lesion)
        return {
            "schema_version": TRUTH_SCHEMA,
            "seed": self.seed,
            "weak_side": self.weak_side,
            "weakness": {branch: float(self.lesion.weakness.get(branch, 0.0)) for branch in BRANCHES},
            "chronic": self.lesion.chronic,
            "synkinesis": misfires_of(self.lesion),
            "side_gains": {f"{region}_{side}": gain for (region, side), gain in self.gains.values.items()},
            "house_brackmann": self.house_brackmann,
            "severity": SEVERITY_LABELS[severity_of_grade(self.house_brackmann)],
            "fngs": {
                "brow": regions.brow,
                "nasolabial_fold": regions.nasolabial_fold,
                "oral": regions.oral,
                "eye": regions.eye,
                "secondary": regions.secondary,
                "total": regions.total,
            },
            "sunnybrook": {
                "resting": {
                    "eye": sunny.resting_eye,
                    "cheek": sunny.resting_cheek,
                    "mouth": sunny.resting_mouth,
                },
                "voluntary": sunny.voluntary,
                "synkinesis": sunny.synkinesis,
                "composite": sunny.composite,
            },
            "fps": self.fps,
            "frames": len(self.points),
            "movements": [
                {"task": move.task, "start_s": round(move.start_s, 4), "release_s": round(move.release_s, 4)}
                for move in self.script.movements
            ],
            "aus": list(ALL_AUS),
            "action_units": {"left": _rounded(self.left, 3), "right": _rounded(self.right, 3)},
            "landmarks": _rounded(self.points, 2),
            "region_outlines": [outlines_of(points) for points in self.points],
        }


def misfires_of(lesion: Lesion) -> list[dict[str, Any]]:
    """The lesion's synkinesis for ``truth.json``."""
    return [
        {"response_au": response, "trigger_au": trigger, "gain": gain}
        for (response, trigger), gain in lesion.synkinesis.items()
    ]


def outlines_of(points: FloatArray) -> dict[str, Any]:
    """Polygons of the parts of one face (``regions.region_outlines``) for ``truth.json``, pixels."""
    return {name: _rounded(outline, 1) for name, outline in region_outlines(points).items()}


def gains_of(seed: int) -> SideGains:
    """The healthy asymmetry that belongs to a seed."""
    return draw_side_gains(np.random.default_rng([seed, 1]))


def drives_at(
    script: Script, t: float, lesion: Lesion, gains: SideGains | None = None
) -> dict[tuple[int, Side], float]:
    """Drives of all muscles at ``t`` seconds: script -> commands -> lesion, side by side."""
    return {
        (au, side): drive
        for side in SIDES
        for au, drive in side_drive(commands_at(script, t, side, lesion=lesion), side, lesion, gains).items()
    }


def simulate_frames(
    renderer: Renderer,
    lesion: Lesion,
    script: Script,
    *,
    fps: float = 25.0,
    seed: int = 0,
    natural: bool = True,
) -> Iterator[SimulatedFrame]:
    """Show a script frame by frame.

    Args:
        renderer: how it looks.
        lesion: the palsy.
        script: the movements.
        fps: frames per second.
        seed: asymmetry (``gains_of``) and sway.
        natural: healthy asymmetry and a swaying head; ``False`` gives a still and perfectly even person.
    """
    gains = gains_of(seed) if natural else None
    phases = np.random.default_rng([seed, 2]).uniform(0.0, 2.0 * np.pi, (3, 2))
    for k in range(frame_count(script, fps)):
        drives = drives_at(script, k / fps, lesion, gains)
        view = _sway(k / fps, phases) if natural else View()
        image, points = renderer.render(drives, lesion=lesion, view=view)
        yield SimulatedFrame(image, points, au_labels(drives, "left"), au_labels(drives, "right"))


def frame_count(script: Script, fps: float) -> int:
    """Number of frames of a script, at least 1."""
    return max(1, int(round(script.duration_s * fps)))


def simulate_clip(
    out_path: Path | str,
    *,
    renderer: Renderer,
    lesion: Lesion,
    script: Script | None = None,
    fps: float = 25.0,
    seed: int = 0,
) -> Truth:
    """Write a clip and, beside it, its ``truth.json``.

    Args:
        out_path: the mp4 to write; its folder holds one clip.
        renderer: how it looks.
        lesion: the palsy.
        script: the movements; by default the whole protocol, its effort varied by the seed.
        fps: frames per second.
        seed: asymmetry, effort and sway.

    Returns:
        The truth. Both files appear whole or not at all.
    """
    out_path = Path(out_path)
    chosen = script or write_script(rng=np.random.default_rng([seed, 3]))
    shown: list[SimulatedFrame] = []

    def images() -> Iterator[ByteImage]:
        for frame in simulate_frames(renderer, lesion, chosen, fps=fps, seed=seed):
            shown.append(frame._replace(image=np.zeros((0, 0, 3), np.uint8)))
            yield frame.image

    out_path.parent.mkdir(parents=True, exist_ok=True)
    write_video(images(), out_path, fps=fps)
    truth = Truth(
        seed=seed,
        lesion=lesion,
        gains=gains_of(seed),
        script=chosen,
        fps=fps,
        points=np.stack([frame.points for frame in shown]),
        left=np.stack([frame.labels_left for frame in shown]),
        right=np.stack([frame.labels_right for frame in shown]),
    )
    write_truth(truth, out_path.parent / "truth.json")
    return truth


def drawn_clip(
    out_path: Path | str,
    *,
    lesion: Lesion,
    tasks: tuple[str, ...] = PROTOCOL,
    size: tuple[int, int] = (512, 512),
    seed: int = 0,
    tempo: float = 1.0,
) -> Truth:
    """``simulate_clip`` of a drawn person made from the seed; ``tempo`` 2 halves the length."""
    script = write_script(tasks, tempo=tempo, rng=np.random.default_rng([seed, 3]))
    return simulate_clip(
        out_path,
        renderer=DrawnRenderer(Person.from_seed(seed), size),
        lesion=lesion,
        script=script,
        seed=seed,
    )


def write_truth(truth: Truth, path: Path | str) -> None:
    """Write ``truth.json`` whole or not at all; everybody may read it, for nobody real is in it."""
    text = json.dumps(truth.to_dict(), indent=None, separators=(",", ":"), allow_nan=False) + "\n"
    atomic_write(Path(path), text, private=False)


def _sway(t: float, phases: FloatArray) -> View:
    """A head that tries to keep still: two slow oscillations per axis."""
    yaw, pitch, roll = (
        amplitude * (0.7 * np.sin(2 * np.pi * 0.13 * t + p[0]) + 0.3 * np.sin(2 * np.pi * 0.41 * t + p[1]))
        for amplitude, p in zip(SWAY_DEG, phases, strict=True)
    )
    return View(yaw=float(yaw), pitch=float(pitch), roll=float(roll))


def _rounded(values: FloatArray, digits: int) -> list[Any]:
    return list(np.round(np.asarray(values, float), digits).tolist())
