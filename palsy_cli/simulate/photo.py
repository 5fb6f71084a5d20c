"""A person given by one photo: the renderer that turns muscle drives into warped pictures of that person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from palsy_cli.records import ByteImage, FloatArray
from palsy_cli.simulate.muscles import Drives
from palsy_cli.simulate.rig import Rig
from palsy_cli.simulate.warp import MouthLook, WarpedFace, outline_points, paint_mouth, warp_face

#: Ring of the inner lips: in the 468-point mesh and among the 68 points.
INNER_LIPS_468 = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
INNER_LIPS_68 = (60, 61, 62, 63, 64, 65, 66, 67)


@dataclass(frozen=True)
class Pose:
    """Turn of the head away from the photo's, degrees: yaw to image-right, pitch downwards."""

    yaw: float = 0.0
    pitch: float = 0.0


@dataclass(frozen=True)
class PhotoFace:
    """One photo, ready to move.

    Attributes:
        image: (H, W, 3) RGB uint8.
        points: (P, 2) pixels, the rig's points in this photo.
        rig: displacement basis with the same P points.
        look: this person's mouth interior.
    """

    image: ByteImage
    points: FloatArray
    rig: Rig
    look: MouthLook

    @property
    def points68(self) -> FloatArray:
        """(68, 2) of the unmoved photo."""
        return np.asarray(self.points[self.rig.index68])

    @property
    def unit_px(self) -> float:
        """Outer-canthal distance in pixels."""
        p = self.points68
        return float(np.hypot(*(p[45] - p[36])))

    @property
    def pupil_distance_px(self) -> float:
        """Distance of the eye centres in pixels."""
        p = self.points68
        return float(np.hypot(*(p[42:48].mean(0) - p[36:42].mean(0))))

    def render(self, drives: Drives, *, offset68: FloatArray | None = None, pose: Pose | None = None) -> WarpedFace:
        """Draw the person with these muscles at work.

        Args:
            drives: (AU, side) -> share of the full movement, 0..1.1.
            offset68: (68, 2) further displacement in pupil distances, x to image-right, y down (droop, midline pull).
            pose: turn of the head.

        Returns:
            The picture, the P points and the field of the expression alone (pose left out).
        """
        axes = self._axes()
        move = self.unit_px * self.rig.displacement(drives)[:, :2]
        if offset68 is not None:
            move = move + self.pupil_distance_px * self.rig.spread(offset68)
        motion = move @ axes
        target = self.points + motion + self._turn(pose or Pose())
        warped = warp_face(self.image, self.points, target, motion=motion, outline=outline_points(self.points))
        ring = list(INNER_LIPS_468 if len(self.points) >= 468 else INNER_LIPS_68)
        opened = float(np.ptp(target[ring] @ axes[1]) - np.ptp(self.points[ring] @ axes[1]))
        image = paint_mouth(warped.image, target[ring], opened_px=opened, look=self.look)
        return WarpedFace(image, warped.points, warped.flow)

    def _axes(self) -> FloatArray:
        """(2, 2): the face's own right-to-left and downward directions in the picture."""
        across = self.points68[45] - self.points68[36]
        across = across / np.hypot(*across)
        return np.stack([across, [-across[1], across[0]]])

    def _turn(self, pose: Pose) -> FloatArray:
        """(P, 2) displacement in pixels of a small rotation about the head's centre (orthographic, the rig's depth)."""
        yaw, pitch = np.deg2rad(pose.yaw), np.deg2rad(pose.pitch)
        x, y = (self.points - self.points.mean(0)).T
        depth = self.rig.neutral[:, 2]
        z = self.unit_px * (depth - depth.mean())
        return np.column_stack([x * (np.cos(yaw) - 1) + z * np.sin(yaw), y * (np.cos(pitch) - 1) + z * np.sin(pitch)])
