"""Which points a face has, how they are renamed when its picture is mirrored, and their measure.

Point k of a mirrored face is point ``MIRROR[k]`` of the original: what was the right mouth corner is now seen where the
left one belongs. Each table is its own inverse.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from palsy_cli.records import FloatArray

_TWINS_68 = (
    *((k, 16 - k) for k in range(8)),
    *((17 + k, 26 - k) for k in range(5)),
    *((31, 35), (32, 34), (36, 45), (37, 44), (38, 43), (39, 42), (40, 47), (41, 46)),
    *((48, 54), (49, 53), (50, 52), (58, 56), (59, 55), (60, 64), (61, 63), (67, 65)),
)


def _exchange(count: int, twins: tuple[tuple[int, int], ...]) -> npt.NDArray[np.int64]:
    """The order 0..count - 1 with these pairs exchanged, read-only."""
    order = np.arange(count, dtype=np.int64)
    for right, left in twins:
        order[[right, left]] = left, right
    order.setflags(write=False)
    return order


#: The 49 points of JAA-Net and BP4D as numbers of the 68: without the jaw (0-16) and the inner lip corners (60, 64).
POINTS_49: tuple[int, ...] = (*range(17, 60), 61, 62, 63, 65, 66, 67)
#: The 68 points (iBUG order).
MIRROR_68: npt.NDArray[np.int64] = _exchange(68, _TWINS_68)
#: The detector's five: right eye, left eye, nose tip, right and left mouth corner.
MIRROR_5: npt.NDArray[np.int64] = _exchange(5, ((0, 1), (3, 4)))


def eye_distance(points: FloatArray) -> FloatArray:
    """(...) distance of the middles of both eyes of faces of 68 points (..., 68, 2), in their unit."""
    across = points[..., 42:48, :].mean(-2) - points[..., 36:42, :].mean(-2)
    return np.asarray(np.hypot(across[..., 0], across[..., 1]))
