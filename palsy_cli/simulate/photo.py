"""A person given by one photo: the renderer that turns muscle drives into warped pictures of that person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from palsy_cli.points import eye_distance
from palsy_cli.records import ByteImage, FloatArray, Side
from palsy_cli.simulate.muscles import Drives
from palsy_cli.simulate.rig import Rig
from palsy_cli.simulate.warp import MouthLook, WarpedFace, outline_points, paint_mouth, warp_face
from palsy_cli.simulate.wrinkles import SkinLook, crease_skin

#: Ring of the inner lips: in the 468-point mesh and among the 68 points.
INNER_LIPS_468 = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
INNER_LIPS_68 = (60, 61, 62, 63, 64, 65, 66, 67)


@dataclass(frozen=True)
class Slit:
    """Two edges of the 468-point mesh that may meet: rows of points above and below, the edges last, column by column.

    ``upper_yields`` is the upper edge's share when they must be brought apart or together.
    """

    upper: tuple[tuple[int, ...], ...]
    lower: tuple[tuple[int, ...], ...]
    upper_yields: float


MOUTH = Slit(
    upper=(
        (185, 40, 39, 37, 0, 267, 269, 270, 409),
        (184, 74, 73, 72, 11, 302, 303, 304, 408),
        (183, 42, 41, 38, 12, 268, 271, 272, 407),
        (191, 80, 81, 82, 13, 312, 311, 310, 415),
    ),
    lower=(
        (146, 91, 181, 84, 17, 314, 405, 321, 375),
        (77, 90, 180, 85, 16, 315, 404, 320, 307),
        (96, 89, 179, 86, 15, 316, 403, 319, 325),
        (95, 88, 178, 87, 14, 317, 402, 318, 324),
    ),
    upper_yields=0.5,
)
LIDS: dict[Side, Slit] = {
    "right": Slit(
        upper=(
            (113, 225, 224, 223, 222, 221, 189),
            (247, 30, 29, 27, 28, 56, 190),
            (246, 161, 160, 159, 158, 157, 173),
        ),
        lower=((7, 163, 144, 145, 153, 154, 155),),
        upper_yields=1.0,
    ),
    "left": Slit(
        upper=(
            (342, 445, 444, 443, 442, 441, 413),
            (467, 260, 259, 257, 258, 286, 414),
            (466, 388, 387, 386, 385, 384, 398),
        ),
        lower=((249, 390, 373, 374, 380, 381, 382),),
        upper_yields=1.0,
    ),
}
#: A closed slit stays open by so much: points that coincide lose their neighbours in the triangulation.
_THINNEST_PX = 1.0
#: Depth, in outer-canthal distances, behind which no point lies when the head turns.
_DEEPEST = -0.4


@dataclass(frozen=True)
class Pose:
    """Turn of the head away from the photo's, degrees: yaw to image-right, pitch downwards."""

    yaw: float = 0.0
    pitch: float = 0.0


@dataclass(frozen=True, eq=False)
class Act:
    """What a pictured person does.

    Attributes:
        drives: (AU, side) -> share of the full movement, 0..1.1.
        offset68: (68, 2) further displacement in pupil distances, x to image-right, y down (droop, midline pull).
        pose: turn of the head.
    """

    drives: Drives
    offset68: FloatArray | None = None
    pose: Pose = Pose()


@dataclass(frozen=True)
class PhotoFace:
    """One photo, ready to move.

    Attributes:
        image: (H, W, 3) RGB uint8.
        points: (P, 2) pixels, the rig's points in this photo.
        rig: displacement basis with the same P points.
        look: this person's mouth interior.
        skin: how this person's skin creases.
    """

    image: ByteImage
    points: FloatArray
    rig: Rig
    look: MouthLook
    skin: SkinLook

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
        return float(eye_distance(self.points68))

    def render(self, acts: Sequence[Act], *, device: str = "cpu") -> list[WarpedFace]:
        """Draw the person once for each act.

        Args:
            acts: muscles and pose.
            device: ``cpu`` (OpenCV) or where torch shall warp all of them at once.

        Returns:
            The pictures, the P points and the fields of the expression alone (pose left out).
        """
        motions = [self._motion(act) for act in acts]
        targets = [self.points + motion + self._turn(act.pose) for act, motion in zip(acts, motions, strict=True)]
        outline = outline_points(self.points)
        if device == "cpu":
            warped = [
                warp_face(self.image, self.points, target, motion=motion, outline=outline)
                for target, motion in zip(targets, motions, strict=True)
            ]
        else:
            from palsy_cli.simulate.warp_batch import warp_faces

            warped = warp_faces(self.image, self.points, targets, motions, outline=outline, device=device)
        return [self._finish(face, act.drives) for face, act in zip(warped, acts, strict=True)]

    def _motion(self, act: Act) -> FloatArray:
        """(P, 2) displacement in pixels by the expression."""
        axes = self._axes()
        move = self.unit_px * self.rig.displacement(act.drives)[:, :2]
        if act.offset68 is not None:
            move = move + self.pupil_distance_px * self.rig.spread(act.offset68)
        return self._closed(np.asarray(move @ axes), act.drives, axes[1])

    def _finish(self, warped: WarpedFace, drives: Drives) -> WarpedFace:
        """The same with folds in the skin and the mouth's inside."""
        crease_skin(warped.image, warped.points[self.rig.index68], drives, self.skin)
        ring = list(INNER_LIPS_468 if len(self.points) >= 468 else INNER_LIPS_68)
        down = self._axes()[1]
        opened = float(np.ptp(warped.points[ring] @ down) - np.ptp(self.points[ring] @ down))
        image = paint_mouth(warped.image, warped.points[ring], opened_px=opened, look=self.look)
        return WarpedFace(image, warped.points, warped.flow)

    def _closed(self, motion: FloatArray, drives: Drives, down: FloatArray) -> FloatArray:
        """The same motion (P, 2) with lips that press instead of passing through each other, and lids that meet.

        The rig was measured on other eyes: closure (AU43) is made a share of this eye's own opening. Needs the
        468-point mesh.
        """
        if len(self.points) < 468:
            return motion
        motion = motion.copy()
        self._set_gap(motion, MOUTH, down, 1.0)
        for side, lids in LIDS.items():
            self._set_gap(motion, lids, down, 1.0 - min(1.0, drives.get((43, side), 0.0)))
        return motion

    def _set_gap(self, motion: FloatArray, slit: Slit, down: FloatArray, most: float) -> None:
        """Keep a slit from folding, in place; with ``most`` below 1, its opening is that share of the photo's."""
        upper, lower = np.array(slit.upper), np.array(slit.lower)
        own = self.points[lower[-1]] - self.points[upper[-1]]
        gap = own + motion[lower[-1]] - motion[upper[-1]]
        thinnest = np.clip(own @ down, 0.0, _THINNEST_PX)
        if most < 1.0:
            # Column by column onto the other edge, sideways too: slanting edges would cross between two columns.
            wanted = own * np.maximum(most, thinnest / np.maximum(own @ down, 1e-6))[:, None]
        else:
            wanted = gap + np.maximum(thinnest - gap @ down, 0.0)[:, None] * down
        for rows, share in ((upper, slit.upper_yields), (lower, slit.upper_yields - 1.0)):
            # The edge goes all the way, each row further out less.
            fading = np.arange(1, len(rows) + 1)[:, None, None] / len(rows)
            motion[rows] += share * fading * (gap - wanted)

    def _axes(self) -> FloatArray:
        """(2, 2): the face's own right-to-left and downward directions in the picture."""
        across = self.points68[45] - self.points68[36]
        across = across / np.hypot(*across)
        return np.stack([across, [-across[1], across[0]]])

    def _turn(self, pose: Pose) -> FloatArray:
        """(P, 2) displacement in pixels of a small rotation about the head's centre (orthographic, the rig's depth)."""
        yaw, pitch = np.deg2rad(pose.yaw), np.deg2rad(pose.pitch)
        x, y = (self.points - self.points.mean(0)).T
        # Beyond the cheek the face falls away so steeply that a turn would fold it: there it counts as flat.
        depth = np.maximum(self.rig.neutral[:, 2], _DEEPEST)
        z = self.unit_px * (depth - depth.mean())
        return np.column_stack([x * (np.cos(yaw) - 1) + z * np.sin(yaw), y * (np.cos(pitch) - 1) + z * np.sin(pitch)])
