"""A person given by one photo and its 68 points, moved by the displacement table that comes along.

Limits: one photo holds no turned eye and no inside of a mouth. The gaze stays where it was; the folds that muscles
throw and the mouth's inside are painted, the photo's own folds do not vanish. The picture turns as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from palsy_cli.records import ByteImage, FloatArray, require_shape
from palsy_cli.simulate.appearance import View
from palsy_cli.simulate.muscles import INNER_LIP_PAIRS, Drives, enforce_order, move_points
from palsy_cli.simulate.palsy import Lesion, rest_displacement
from palsy_cli.simulate.skin import EYES, SkinMesh, face_frame, lid_gap
from palsy_cli.simulate.warp import MouthLook, fill_ring, paint_mouth, warp_mesh
from palsy_cli.simulate.wrinkles import SkinLook, crease_skin
from palsy_cli.stages.alignment import compose, invert, transform_points

#: Pupil distance in the working picture, pixels.
UNIT_PX = 90.0
#: Side of the picture in pupil distances (head and shoulders), and where the pupils' middle lies in it (x, y; 0..1).
SIDE, EYES_AT = 5.7, (0.5, 0.43)
#: The face lies this far before the axis about which the head turns, in pupil distances.
LEVER = 0.9
#: Closed by this share, a lid glides over the eye; eyes opened wider than in the photo are stretched.
GLIDE = 0.15
#: The upper teeth end this far below the closed lips' line, pupil distances.
TEETH = 0.03
#: A photo whose inner lips are further apart than this (pupil distances) shows its own teeth; nothing is painted.
OPEN_MOUTH = 0.05


@dataclass(frozen=True)
class PhotoRenderer:
    """Renderer (``clips.Renderer``) of the person in a photo.

    Attributes:
        image: (H, W, 3) RGB uint8, the photo at working size.
        frame: similarity (2, 3) from the face's own frame to ``image``.
        mesh: over the face in its own frame.
        look: colours of the mouth's inside.
        skin: how it creases.
    """

    image: ByteImage
    frame: FloatArray
    mesh: SkinMesh
    look: MouthLook
    skin: SkinLook

    @staticmethod
    def of(photo: ByteImage, points68: FloatArray, *, seed: int = 0) -> PhotoRenderer:
        """Cut head and shoulders out of a photo and bring them to working size.

        Args:
            photo: (H, W, 3) RGB uint8, upright.
            points68: (68, 2) its points, pixels.
            seed: draws the mouth's colours and how the skin creases.

        Raises:
            ValueError: points of another shape, not finite, or without a distance between the eyes.
        """
        require_shape("points68", points68, (68, 2))
        in_photo = face_frame(points68)
        unit = float(np.hypot(*in_photo[:, 0]))
        if not (np.isfinite(points68).all() and unit > 0):
            raise ValueError("PhotoRenderer: the 68 points must be finite and the eyes apart")
        crop, side = _crop_of((photo.shape[0], photo.shape[1]), in_photo[:, 2], unit)
        neutral = enforce_order(transform_points(points68, invert(in_photo)))
        return PhotoRenderer(
            image=_resample(photo, crop, side),
            frame=compose(crop, in_photo),
            mesh=SkinMesh.of(neutral),
            look=MouthLook.draw(np.random.default_rng([seed, 7]), unit_px=1.45 * UNIT_PX),
            skin=SkinLook.draw(np.random.default_rng([seed, 8])),
        )

    def render(self, drives: Drives, *, lesion: Lesion, view: View) -> tuple[ByteImage, FloatArray]:
        """See ``clips.Renderer.render``; of the view, the gaze is ignored and the pose should be small."""
        neutral = self.mesh.neutral
        motion = move_points(neutral, drives, rest=rest_displacement(lesion))
        pose = self._pose(view)
        size = self.image.shape[1::-1]
        base = cv2.warpAffine(self.image, pose, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        to_pixels = compose(pose, self.frame)
        source = transform_points(self.mesh.place(neutral), to_pixels)
        target = transform_points(self.mesh.place(motion.points, motion.cheeks), to_pixels)
        still = np.asarray(base, np.uint8)
        image = warp_mesh(still, source, target, self.mesh.triangles)
        for side, ring in EYES.items():
            # Lids glide over the eyeball: it must not be squeezed with them.
            closed = 1.0 - lid_gap(motion.points, side) / max(lid_gap(neutral, side), 1e-6)
            strength = float(np.clip(closed / GLIDE, 0.0, 1.0) * np.clip((1.0 - closed) / GLIDE, 0.0, 1.0))
            fill_ring(image, still, target[ring], within=source[ring], strength=strength)
        points = transform_points(motion.points, to_pixels)
        crease_skin(image, points, drives, self.skin)
        teeth = transform_points(neutral[62:67:4].mean(0) + [0.0, TEETH], to_pixels)[1]
        opened = self._opened(motion.points)
        return paint_mouth(image, points[60:68], opened_px=opened, look=self.look, teeth_to=teeth), points

    def _opened(self, points: FloatArray) -> float:
        """By how much the inner lips have parted, in pixels; 0 when the photo shows the mouth's inside itself."""
        upper, lower = (list(row) for row in zip(*INNER_LIP_PAIRS, strict=True))
        gap, own = (float((p[lower, 1] - p[upper, 1]).max()) for p in (points, self.mesh.neutral))
        return 0.0 if own > OPEN_MOUTH else UNIT_PX * (gap - own)

    def _pose(self, view: View) -> FloatArray:
        """Similarity (2, 3) of the picture: roll and zoom about the pupils' middle, turns and shifts as shifts."""
        height, width = self.image.shape[:2]
        yaw, pitch, roll = np.deg2rad([view.yaw, view.pitch, view.roll])
        zoom = view.zoom / View().zoom
        rotation = zoom * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
        shift = LEVER * UNIT_PX * np.sin([yaw, pitch]) + min(height, width) * np.array([view.shift_x, view.shift_y])
        centre = self.frame[:, 2]
        return np.column_stack([rotation, centre + shift - rotation @ centre])


def _crop_of(size: tuple[int, int], eyes: FloatArray, unit: float) -> tuple[FloatArray, int]:
    """Matrix (2, 3) and even side in pixels of the square that holds head and shoulders, as far as the photo goes.

    Args:
        size: (height, width) of the photo.
        eyes: (2,) pupils' middle in the photo.
        unit: pupil distance in the photo, pixels.
    """
    height, width = size
    extent = min(SIDE * unit, float(height), float(width))
    corner = np.clip(eyes - extent * np.array(EYES_AT), 0.0, np.array([width, height]) - extent)
    side = 2 * max(1, round(extent / unit * UNIT_PX / 2))
    scale = side / extent
    # Pixel centres lie at integers, so the picture's edge lies at -0.5.
    return np.column_stack([scale * np.eye(2), scale * (0.5 - corner) - 0.5]), side


def _resample(photo: ByteImage, matrix: FloatArray, side: int) -> ByteImage:
    """Square of ``side`` pixels, with area averaging first where the photo is much larger."""
    scale = float(matrix[0, 0])
    if scale < 0.5:
        height, width = (max(1, round(extent * 2 * scale)) for extent in photo.shape[:2])
        ratio = np.array([width / photo.shape[1], height / photo.shape[0]])
        photo = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        matrix = compose(matrix, invert(np.column_stack([np.diag(ratio), (ratio - 1) / 2])))
    flags = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    return np.asarray(
        cv2.warpAffine(photo, matrix, (side, side), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )
