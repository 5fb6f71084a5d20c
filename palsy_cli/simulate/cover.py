"""What may lie over a face: glasses, strands of hair, a hand. Painted onto finished pictures; the truth stays."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from palsy_cli.records import SIDES, ByteImage, FloatArray, Side
from palsy_cli.simulate.appearance import Rgb
from palsy_cli.simulate.features import Stage
from palsy_cli.simulate.skin import frame_between
from palsy_cli.simulate.wrinkles import cheek_colour
from palsy_cli.stages.alignment import transform_points

#: How many people wear glasses and let hair fall over the face, and how often a hand rests on a moving one.
_GLASSES, _STRANDS, _HAND = 0.1, 0.08, 0.04
#: Thickness of a frame of glasses, pupil distances, and the colours of frames.
_RIM = 0.028
_FRAMES: tuple[Rgb, ...] = ((28.0, 26.0, 26.0), (92.0, 62.0, 40.0), (120.0, 122.0, 128.0), (150.0, 110.0, 40.0))


@dataclass(frozen=True)
class Cover:
    """What one person wears.

    Attributes:
        glasses: ``none``, ``round`` or ``square``.
        frame: colour of their frame.
        strands: (S, 4, 2) knots of strands of hair, pupil distances from between the eyes.
    """

    glasses: str
    frame: Rgb
    strands: FloatArray

    @staticmethod
    def draw(rng: np.random.Generator) -> Cover:
        """A random person: most wear nothing."""
        count = int(rng.integers(3, 9)) if rng.random() < _STRANDS else 0
        root = rng.uniform(-0.9, 0.9)
        tip = root + rng.uniform(-0.5, 0.5)
        height = np.array([-1.4, -0.8, -0.3, rng.uniform(0.0, 0.5)])
        across = np.linspace(root, tip, 4) + rng.normal(0, 0.05, (count, 4))
        return Cover(
            glasses=("round", "square")[int(rng.integers(2))] if rng.random() < _GLASSES else "none",
            frame=_FRAMES[int(rng.integers(len(_FRAMES)))],
            strands=np.stack([across, np.broadcast_to(height, across.shape)], axis=2),
        )

    def paint(self, image: ByteImage, points: FloatArray) -> None:
        """Put it over a picture (H, W, 3) RGB uint8 with the points (68, 2), in place; it moves with the skull."""
        frame = skull_frame(points)
        unit = float(np.hypot(*frame[:, 0]))
        if self.glasses != "none":
            lines = [line for line, _ in glasses_lines(self.glasses, edge=_half_width(points) / unit)]
            brightness = float(np.clip(image.mean() / 110.0, 0.4, 1.3))
            colour = np.clip(np.array(self.frame) * brightness, 0, 255)
            _draw(image, [transform_points(line, frame) for line in lines], colour, width=_RIM * unit, shadow=unit)
        if len(self.strands):
            lines = [transform_points(strand, frame) for strand in self.strands]
            hair = np.median(_colours_at(image, points[17:27]), axis=0)  # that of the brows
            _draw(image, lines, hair, width=0.02 * unit, shadow=0.5 * unit)


def paint_glasses(image: ByteImage, stage: Stage, neutral: FloatArray) -> None:
    """Draw the glasses of a drawn person, which sit on the nose and turn with the head, in place."""
    if stage.person.glasses == "none":
        return
    placed = []
    for line, z in glasses_lines(stage.person.glasses, edge=float(np.abs(neutral[[0, 16], 0]).mean())):
        # The temples run from the hinge back to the ears.
        heights = np.full(len(line), z) if len(line) > 2 else np.array([1.0, 0.35])
        placed.append(stage.camera.project(line, heights))
    colour = np.array(stage.person.glasses_colour) * (0.5 + 0.5 * stage.brightness)
    _draw(image, placed, colour, width=_RIM * stage.unit, shadow=stage.unit)


def glasses_lines(shape: str, *, edge: float) -> list[tuple[FloatArray, float]]:
    """Outlines (N, 2) of a frame in IPD units about the middle of the eyes, with their heights above the ears.

    Args:
        shape: ``round`` or ``square``.
        edge: half the distance of the ears.
    """
    power = 2.0 if shape == "round" else 4.5
    angle = np.linspace(0.0, 2.0 * np.pi, 41)
    half_width, half_height = (0.34, 0.31) if power == 2.0 else (0.40, 0.27)
    lens = np.column_stack(
        [np.sign(np.cos(angle)) * np.abs(np.cos(angle)) ** (2 / power) * half_width]
        + [np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** (2 / power) * half_height]
    )
    lines: list[tuple[FloatArray, float]] = []
    for sign in (-1.0, 1.0):
        lines.append((lens * [sign, 1.0] + [0.5 * sign, 0.06], 1.02))
        lines.append((np.array([(sign * (0.5 + half_width), -0.03), (sign * edge * 0.97, -0.02)]), 0.75))
    bridge = [(-0.5 + half_width, -0.01), (-0.07, -0.05), (0.07, -0.05), (0.5 - half_width, -0.01)]
    return [*lines, (np.array(bridge), 1.1)]


def skull_frame(points: FloatArray) -> FloatArray:
    """Similarity (2, 3) from pupil distances about the middle of the eyes to pixels, by the corners of the eyes alone.

    The corners move least of all points of the eyes, so that what sits on the skull stays when the lids close.
    """
    right, left = (points[list(corners)].mean(0) for corners in ((36, 39), (42, 45)))
    return frame_between(right, left)


def paint_hand(image: ByteImage, points: FloatArray, rng: np.random.Generator) -> None:
    """Rest fingers on one cheek, mouth corner or chin, in place; their colour is the cheeks'."""
    side: Side = SIDES[int(rng.integers(2))]
    outward = 1.0 if side == "left" else -1.0
    frame = skull_frame(points)
    unit = float(np.hypot(*frame[:, 0]))
    tip = np.array([outward * rng.uniform(0.25, 0.75), rng.uniform(0.5, 1.5)])
    reach = np.array([outward * rng.uniform(0.3, 1.2), rng.uniform(1.0, 1.8)])
    across = np.array([-reach[1], reach[0]]) / np.hypot(*reach)
    cover = np.zeros(image.shape[:2], np.uint8)
    for number in range(int(rng.integers(2, 5))):
        start = tip + across * 0.25 * number + 0.08 * rng.normal(size=2)
        ends = transform_points(np.stack([start, start + reach]), frame).round().astype(int).tolist()
        cv2.line(cover, ends[0], ends[1], 255, max(2, round(0.25 * unit)), cv2.LINE_AA)
        cv2.line(cover, ends[0], ends[1], 200, max(1, round(0.05 * unit)), cv2.LINE_AA)
    share = cv2.GaussianBlur(cover, (0, 0), 0.8).astype(np.float32)[..., None] / np.float32(255.0)
    # Fingers are round: darker towards their edges.
    light = cv2.GaussianBlur(cover, (0, 0), 0.07 * unit).astype(np.float32)[..., None] / np.float32(255.0)
    skin = cheek_colour(image, points).astype(np.float32) * np.float32(rng.uniform(0.85, 1.1))
    _blend(image, skin * (0.45 + 0.6 * light), np.minimum(share * 1.3, 1.0))


def hides_face(rng: np.random.Generator) -> bool:
    """Whether a hand lies on this frame's face."""
    return bool(rng.random() < _HAND)


def _draw(image: ByteImage, lines: list[FloatArray], colour: FloatArray, *, width: float, shadow: float) -> None:
    """Lines in pixels, and a soft shadow below them (``shadow``: its size)."""
    cover = np.zeros(image.shape[:2], np.uint8)
    for line in lines:
        fixed = np.round(line * 16).astype(np.int32)
        cv2.polylines(cover, [fixed], False, 255, max(1, round(width)), cv2.LINE_AA, 4)
    lowered = cv2.GaussianBlur(np.roll(cover, max(1, round(0.04 * shadow)), axis=0), (0, 0), max(0.5, 0.03 * shadow))
    darker = 1.0 - 0.35 * lowered.astype(np.float32)[..., None] / np.float32(255.0)
    image[:] = (image * darker).astype(np.uint8)
    _blend(image, colour, cover.astype(np.float32)[..., None] / np.float32(255.0))


def _blend(image: ByteImage, colour: FloatArray, share: FloatArray) -> None:
    image[:] = np.clip(image * (1.0 - share) + colour * share, 0, 255).astype(np.uint8)


def _colours_at(image: ByteImage, points: FloatArray) -> FloatArray:
    """(N, 3) colours at points (N, 2), those outside moved to the edge."""
    x, y = np.clip(points.round().astype(int), 0, np.array(image.shape[1::-1]) - 1).T
    return np.asarray(image[y, x], float)


def _half_width(points: FloatArray) -> float:
    """Half the distance in pixels between the ears."""
    return float(np.hypot(*(points[16] - points[0])) / 2)
