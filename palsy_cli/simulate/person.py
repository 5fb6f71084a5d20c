"""A drawn person: shaded skin, hair, eyes and mouth on the 68-point face, moved by muscle drives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from palsy_cli.records import SIDES, ByteImage, FloatArray, require_shape
from palsy_cli.simulate.appearance import Person, View
from palsy_cli.simulate.body import clothes_layer, ear_layer, neck_layer, paint_room
from palsy_cli.simulate.cover import paint_glasses
from palsy_cli.simulate.features import Stage, paint_eyes, paint_mouth
from palsy_cli.simulate.hair import Layer, beard_layer, brow_layer, hair_layers
from palsy_cli.simulate.mesh import Camera, FaceMesh, build_mesh, lookup_maps
from palsy_cli.simulate.muscles import Drives, Motion, move_points
from palsy_cli.simulate.palsy import Lesion, fold_depth, rest_displacement
from palsy_cli.simulate.shading import CANVAS_SIZE, Plane, Relief, blur, face_relief, paint_face, polygon
from palsy_cli.simulate.template import neutral_points
from palsy_cli.simulate.wrinkles import gather_folds, paint_bulges, paint_folds

__all__ = ["Person", "View", "draw_person", "neutral_of"]

#: The eye turns up by this much (IPD units) under a lid that was asked to close.
_BELL = 5.0 / 63.0
_GRAIN = 2.2


@dataclass(frozen=True)
class Portrait:
    """One person's painting: ``canvas`` (H, W, 4) RGBA uint8 in the neutral pose, its mesh, the face's brightness."""

    canvas: npt.NDArray[np.uint8]
    mesh: FaceMesh
    brightness: float


def neutral_of(person: Person) -> FloatArray:
    """(68, 2) neutral landmarks of a person, IPD units."""
    return neutral_points(person.shape)


@lru_cache(maxsize=24)
def paint_portrait(person: Person) -> Portrait:
    """Paint a person once; the last 24 are kept."""
    points = neutral_of(person)
    rng = np.random.default_rng([person.seed, 5])
    relief = face_relief(person, points)
    face = Layer(paint_face(person, points, relief, rng), relief.mask)
    back, front = hair_layers(person, points, rng)
    layers = [back, neck_layer(person, points, relief.mask, rng), clothes_layer(person, rng)]
    layers += [ear_layer(person, points, rng), face]
    if front is not None:
        layers.append(_hair_shadow(front, relief.mask))
    layers += [brow_layer(person, points, rng), beard_layer(person, points, rng), front]
    picture = np.full((*CANVAS_SIZE, 3), 0.15, np.float32)
    cover = np.zeros(CANVAS_SIZE, np.float32)
    for layer in layers:
        if layer is not None:
            picture = layer.over(picture)
            cover += (1.0 - cover) * layer.alpha
    colours = (np.clip(picture, 0.0, 1.0) ** np.float32(1.0 / 2.2) * 255.0).astype(np.uint8)
    canvas = np.dstack([colours, (cover * 255.0).astype(np.uint8)])
    cheeks = polygon(np.array([(-0.7, 0.35), (0.7, 0.35), (0.4, 0.9), (-0.4, 0.9)])) > 0.5
    brightness = float(np.clip(colours[cheeks].mean() / np.mean(person.skin), 0.45, 1.2))
    return Portrait(canvas=canvas, mesh=build_mesh(points, _pose_heights(relief)), brightness=brightness)


def _pose_heights(relief: Relief) -> Plane:
    """(H, W) heights for the turning head: smooth, and carried on beyond the outline, so that it turns as a whole."""
    near = blur(relief.z * relief.mask, 7.5) / np.maximum(blur(relief.mask, 7.5), 0.02)
    far = blur(relief.z * relief.mask, 30.0) / np.maximum(blur(relief.mask, 30.0), 0.02)
    inside = np.clip(2.0 * blur(relief.mask, 6.0) - 1.0, 0.0, 1.0)
    reach = np.clip(8.0 * blur(relief.mask, 40.0), 0.0, 1.0)
    rim = np.minimum(far, 0.45) * reach
    return np.asarray(inside * near + (1.0 - inside) * rim, np.float32)


def _hair_shadow(hair: Layer, face: npt.NDArray[np.float32]) -> Layer:
    """Soft shadow that hair throws on the skin."""
    shift = np.array([[1, 0, 0], [0, 1, 7]], np.float32)
    alpha = blur(np.asarray(cv2.warpAffine(hair.alpha, shift, CANVAS_SIZE[::-1]), np.float32), 7.0)
    return Layer(np.zeros((*CANVAS_SIZE, 3), np.float32), np.asarray(0.38 * alpha * face, np.float32))


@lru_cache(maxsize=24)
def _room(person: Person, size: tuple[int, int]) -> tuple[ByteImage, npt.NDArray[np.int16]]:
    """Background and grain of the camera, (H, W, 3) and (H + 32, W + 32, 1)."""
    rng = np.random.default_rng([person.seed, 6])
    grain = (_GRAIN * rng.standard_normal((size[0] + 32, size[1] + 32, 1))).round().astype(np.int16)
    return paint_room(person, size), grain


def draw_person(
    person: Person,
    drives: Drives | FloatArray,
    *,
    size: tuple[int, int] = (512, 512),
    view: View | None = None,
    lesion: Lesion | None = None,
) -> tuple[ByteImage, FloatArray]:
    """Draw one frame.

    Args:
        person: appearance.
        drives: share of the full contraction per (action unit, side), or (68, 2) landmarks in IPD units.
        size: (height, width) in pixels.
        view: head pose, camera and gaze; frontal by default.
        lesion: signs at rest: hanging brow and corner, wide fissure, flat fold.

    Returns:
        (H, W, 3) RGB uint8 and the true (68, 2) points in its pixels.
    """
    view, lesion = view or View(), lesion or Lesion()
    portrait = paint_portrait(person)
    mesh = portrait.mesh
    if isinstance(drives, np.ndarray):
        require_shape("draw_person points", drives, (68, 2))
        motion, forces = Motion(points=drives, cheeks=np.zeros((2, 2))), {}
    else:
        motion, forces = move_points(mesh.neutral, drives, rest=rest_displacement(lesion)), dict(drives)
    camera = Camera.of(view, size)
    placed = camera.project(mesh.move(motion.points, motion.cheeks), mesh.z)
    points = placed[:68].copy()
    room, grain = _room(person, size)
    image = _composite(portrait, placed, room)
    stage = Stage(person=person, camera=camera, view=view, brightness=portrait.brightness)
    folds = gather_folds(
        motion.points, forces, age=person.age, depth={side: fold_depth(lesion, side) for side in SIDES}
    )
    paint_bulges(image, points, forces, stage, mesh)
    paint_folds(image, folds, stage, mesh)
    paint_eyes(image, points, stage, _irises(person, camera, view, forces))
    stomion = mesh.neutral[62]
    skull = camera.project(np.array([stomion, stomion + [0.5, 0.0], stomion + [0.0, 0.5]]), np.full(3, 1.05))
    skull[1:] = skull[0] + 2.0 * (skull[1:] - skull[0])
    drop = 12.0 / 63.0 * 0.5 * sum(forces.get((26, side), 0.0) for side in SIDES)
    paint_mouth(image, points, stage, jaw_drop=drop, skull=skull)
    paint_glasses(image, stage, mesh.neutral)
    return _add_grain(image, grain, points), points


def _composite(portrait: Portrait, placed: FloatArray, room: ByteImage) -> ByteImage:
    """The warped canvas over the room."""
    at_x, at_y = lookup_maps(portrait.mesh, placed, (room.shape[0], room.shape[1]))
    layer = cv2.remap(portrait.canvas, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    alpha = layer[..., 3].astype(np.float32) / np.float32(255.0)
    return np.asarray(cv2.blendLinear(np.ascontiguousarray(layer[..., :3]), room, alpha, 1.0 - alpha), np.uint8)


def _irises(person: Person, camera: Camera, view: View, forces: Drives) -> FloatArray:
    """(2, 2) iris centres in pixels, left then right; both eyes turn together."""
    centres = np.array([(0.5, -0.005), (-0.5, -0.005)])
    asked = max((forces.get((43, side), 0.0) for side in SIDES), default=0.0)
    up = _BELL * asked if person.bell else 0.0
    # Eyes stay on the camera while the head turns a little.
    gaze = np.array([0.10 * view.gaze_x - 0.0045 * view.yaw, 0.06 * view.gaze_y - 0.003 * view.pitch - up])
    return camera.project(centres + gaze, np.full(2, 0.95))


def _add_grain(image: ByteImage, grain: npt.NDArray[np.int16], points: FloatArray) -> ByteImage:
    """Camera noise; its place in the grain follows from the picture, so that the same picture has the same noise."""
    dy, dx = (int(value) % 32 for value in (1000.0 * float(points.sum()), 1700.0 * float(points[:, 0].sum())))
    height, width = image.shape[:2]
    return np.asarray(np.clip(image + grain[dy : dy + height, dx : dx + width], 0, 255), np.uint8)
