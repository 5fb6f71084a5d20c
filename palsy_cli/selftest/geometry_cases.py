"""Where a face and its parts are: ``points``, ``alignment``, ``landmarks``, ``keyframes``, ``halves``, ``regions``."""

from __future__ import annotations

import dataclasses
from typing import Any, cast

import numpy as np
import torch

from palsy_cli.networks.landmark_fcn import decode_heatmaps
from palsy_cli.records import FloatArray, Frame, Keyframes, Landmarks
from palsy_cli.selftest.checks import Check
from palsy_cli.selftest.golden import Facts, golden_settings
from palsy_cli.selftest.stand_ins import FixedMaps, filmed, known_track, noise, plain_face
from palsy_cli.stages import alignment
from palsy_cli.stages.halves import split_halves
from palsy_cli.stages.keyframes import choose, facing_as_usual, find_candidates, select_keyframes, smooth
from palsy_cli.stages.landmarks import fit_landmarks
from palsy_cli.stages.locating import CROP, locate, standardise
from palsy_cli.stages.point_finder import PointFinder
from palsy_cli.stages.regions import REGION_NAMES, mirror_mask, region_masks

#: Some of the 68 points: chin, nose tip, outer eye corners, mouth corners.
SOME = [8, 30, 36, 45, 48, 54]
#: Distance of the pupils in the heat maps of ``_fixed_maps``.
_MAP_UNIT = 26.0


def mirrored_names() -> Facts:
    """A symmetric face in the mirror is the same face, every point under its own name."""
    face = plain_face(centre=(99.5, 80.0), unit=40.0)
    marked = alignment.mirror_points(np.stack([np.arange(68.0), np.zeros(68)], 1), 1)[:, 0]
    return {
        "moved_by": np.abs(alignment.mirror_points(face, 200) - face).max(),
        "eye_brow_and_mouth_of_the_other_side": -marked[[36, 17, 48]],
    }


def standard_places() -> Facts:
    """Affine of the half faces: both eyes and the nose tip come to their places; and from which points."""
    face = plain_face(centre=(100.0, 80.0), unit=40.0)
    stable = alignment.stable_points(face)
    matrix = alignment.three_point_affine(stable)
    return {
        "from": stable,
        "to": alignment.transform_points(stable, matrix),
        "chin": alignment.transform_points(face[8], matrix),
    }


def upright_crop() -> Facts:
    """Similarity of the other networks: a face turned by a quarter is upright again."""
    face = plain_face(centre=(100.0, 80.0), unit=40.0)
    turned = face @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    five = alignment.five_points(turned)
    matrix = alignment.crop_similarity(five, size=96, margin=1.25)
    return {"unit": alignment.face_unit(five), "five_points": alignment.transform_points(five, matrix)}


def resampling() -> Facts:
    """A ramp halved in size: values keep their places, the outside is grey; a mirrored picture gives the mirror."""
    ramp = np.repeat(np.tile(np.arange(0, 200, 2, dtype=np.uint8), (100, 1))[..., None], 3, axis=2)
    matrix = alignment.scaled(np.array([[1.0, 0.0, 10.0], [0.0, 1.0, 10.0]]), 0.5)
    small = alignment.warp(ramp, matrix, (64, 64))
    return {"row": small[32, [0, 15, 35, 50], 0], "grey": small[0, 0]}


def standardised_crop() -> Facts:
    """Crops are brought to mean 0 and deviation 1."""
    crop = torch.tensor([0.0, 0.0, 0.0, 0.8]).view(1, 1, 2, 2)
    return {"values": standardise(crop).flatten().numpy()}


def heat_map() -> Facts:
    """A point is the mean place of the strongest responses, weighted or not."""
    maps = torch.zeros(1, 1, 12, 12)
    maps[0, 0, 4, [6, 7, 8, 9]] = torch.tensor([0.9, 0.3, 0.3, -0.5])
    found = {}
    for name, weighted in (("weighted", True), ("plain", False)):
        points, peak = decode_heatmaps(maps, top_k=3, weighted=weighted)
        found[name] = [*points[0, 0].tolist(), peak[0, 0].item()]
    return found


def located_points() -> Facts:
    """Two passes with a network that sees a face in the same place of every crop."""
    settings = golden_settings().landmarks
    five = alignment.five_points(plain_face(centre=(100.0, 80.0), unit=40.0))
    points, peaks = locate(noise(200, 1), five[None], _fixed_maps(), settings)
    return {"points": points[0, SOME], "peak": peaks.mean()}


def faint_faces() -> Facts:
    """Heat maps just below and just above ``min_peak``: the frame has no points, or has them."""
    settings = golden_settings().landmarks
    face = plain_face(centre=(100.0, 80.0), unit=40.0)
    found = {}
    with filmed(noise(200, 1), fps=10) as clip:
        track = known_track(face[None], np.zeros(1))
        for name, height in (("below", 0.66), ("above", 0.70)):
            seen = fit_landmarks(clip, track, _fixed_maps(height=height), settings)
            found[name] = [bool(np.isfinite(seen.points).all()), seen.confidence[0]]
    return found


def looks() -> Facts:
    """How many frames are looked at of a face that keeps still, or moves once a little or a little more."""
    return {name: _looks(by) for name, by in (("still", 0.0), ("near", 0.098), ("far", 0.102))}


def differing_faces() -> Facts:
    """Faces that grow brighter step by step: which are kept, and how many at most."""
    brightness = np.array([100, 101, 102, 103, 103, 106, 100, 100])
    faces = list(np.broadcast_to(brightness[:, None, None], (8, 48, 48)).astype(np.uint8))
    return {"kept": choose(faces, threshold=1.5, at_most=128), "three_at_most": choose(faces, threshold=1.5, at_most=3)}


def turned_heads() -> Facts:
    """A head turned a little more than ``max_head_turn`` is passed over; points are smoothed over time."""
    anchors = np.tile([[80.0, 80.0], [120.0, 80.0], [100.0, 104.0]], (5, 1, 1))
    anchors[1, 2, 0] += 40 * 0.095
    anchors[3, 2, 0] += 40 * 0.105
    limit = golden_settings().keyframes.max_head_turn
    times_s = np.arange(5) / 20
    return {
        "used": facing_as_usual(anchors, limit=limit),
        "smoothed": smooth(anchors[:, 2, 0], times_s, deviation_s=golden_settings().face.smooth_s),
    }


def chosen_frames() -> Facts:
    """A whole film of a brightening face: the frames chosen, where the face lies in both crops, and their colours."""
    settings = golden_settings()
    face = plain_face(centre=(119.5, 50.0), unit=48.0)
    images = [np.full((240, 240, 3), grey, np.uint8) for grey in (100, 101, 102, 104, 104, 110)]
    with filmed(images, fps=10) as clip:
        points = np.tile(face, (len(images), 1, 1))
        track = known_track(points, np.arange(len(images)) / 10)
        landmarks = Landmarks(points, np.full(len(images), 0.9))
        candidates = find_candidates(clip, track, landmarks, settings.keyframes, settings.face)
        found = select_keyframes(clip, track, landmarks, candidates, settings.keyframes, settings.face)
    return {
        "frames": found.frames,
        "sizes": [list(found.aligned.shape[1:]), list(found.faces.shape[1:])],
        "points": found.face_points[0, SOME],
        "grey_inside": found.aligned[:, 200, 256, 0],
        "grey_outside": [found.aligned[0, 0, 256, 0], found.faces[0, 0, 160, 0]],
    }


def two_halves() -> Facts:
    """Columns of a known picture: the midline first on both sides; a mirrored face exchanges them."""
    aligned = np.broadcast_to((np.arange(512) // 2).astype(np.uint8)[:, None], (1, 512, 512, 3))
    halves, mirrored = (split_halves(_keyframes(picture)) for picture in (aligned, aligned[:, :, ::-1]))
    return {
        "left": halves.left[0, 0, [0, 100, 255], 0],
        "right": halves.right[0, 0, [0, 100, 255], 0],
        "exchanged": np.array_equal(mirrored.left, halves.right) and np.array_equal(mirrored.right, halves.left),
    }


def painted_parts() -> Facts:
    """Area of each part of a face with open mouth, in pixels; the mirror exchanges right and left."""
    face = plain_face(centre=(99.5, 80.0), unit=60.0)
    face[[*range(55, 60), 65, 66, 67], 1] += 8.0
    mask = region_masks(face, (200, 200))
    areas = {name: int((mask == code).sum()) for code, name in enumerate(REGION_NAMES)}
    return {**areas, "symmetric": np.array_equal(mirror_mask(mask), mask)}


def checks() -> list[Check]:
    """All cases of this file."""
    cases = {
        "points": (mirrored_names,),
        "alignment": (standard_places, upright_crop, resampling),
        "landmarks": (faint_faces,),
        "point_finder": (looks,),
        "locating": (standardised_crop, heat_map, located_points),
        "keyframes": (differing_faces, turned_heads, chosen_frames),
        "halves": (two_halves,),
        "regions": (painted_parts,),
    }
    return [Check(stage, case.__name__, case) for stage, listed in cases.items() for case in listed]


def _fixed_maps(*, height: float = 0.9) -> Any:
    """Heat maps of a face in the middle of the crop."""
    return cast("Any", FixedMaps(plain_face(centre=(47.5, 30.0), unit=_MAP_UNIT), height=height).eval())


def _looks(by: float) -> int:
    """Looks at 24 frames of a face that is, from the tenth on, elsewhere by so many eye distances."""
    settings = dataclasses.replace(golden_settings().landmarks, passes=1, flip_average=False)
    network, five = _fixed_maps(), alignment.five_points(plain_face(centre=(100.0, 80.0), unit=40.0))
    eye_distance = _MAP_UNIT / alignment.crop_similarity(five, size=CROP)[0, 0]
    faces = np.tile(five, (24, 1, 1))
    faces[9:, :, 0] += by * eye_distance
    finder = PointFinder(network, settings)
    list(finder.add([Frame(i, i / 30, image) for i, image in enumerate(noise(200, 24))], faces))
    list(finder.finish())
    return int(network.looks)


def _keyframes(aligned: Any) -> Keyframes:
    """One keyframe of which only the aligned picture matters."""
    nothing: FloatArray = np.zeros(1)
    return Keyframes(
        frames=np.zeros(1, np.int64),
        times_s=nothing,
        confidence=nothing,
        aligned=aligned,
        faces=np.zeros((1, 8, 8, 3), np.uint8),
        face_points=np.zeros((1, 68, 2)),
    )
