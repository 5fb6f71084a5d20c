"""Folds on a pictured face: where the muscle works, as deep as it works, on skin alone."""

from __future__ import annotations

import numpy as np
import pytest
from factories import neutral_points

from palsy_cli.points import MIRROR_68
from palsy_cli.records import ByteImage, FloatArray, Side
from palsy_cli.simulate.wrinkles import SkinLook, crease_skin

SIZE, SKIN = 512, np.array([190, 150, 130], np.uint8)
LOOK = SkinLook(age=0.5, lamp=1.0)


def face() -> ByteImage:
    return np.broadcast_to(SKIN, (SIZE, SIZE, 3)).copy()


def depth(
    drives: dict[tuple[int, Side], float], *, look: SkinLook = LOOK, image: ByteImage | None = None
) -> FloatArray:
    """(H, W) by how much the picture changes."""
    before = face() if image is None else image
    after = before.copy()
    crease_skin(after, neutral_points(), drives, look)
    return np.asarray(np.abs(after.astype(float) - before).sum(2))


def test_a_still_face_keeps_its_own_folds() -> None:
    assert not depth({}).any()
    assert not depth({(1, "left"): 0.0, (12, "right"): 0.0}).any()


@pytest.mark.parametrize("au", [1, 4, 6, 9, 12, 15, 17])
def test_folds_lie_on_the_side_of_the_muscle_and_deepen_with_it(au: int) -> None:
    middle = float(neutral_points()[27:31, 0].mean())
    own = (np.arange(SIZE) > middle)[None]
    faint, strong = depth({(au, "left"): 0.4}), depth({(au, "left"): 1.0})
    assert strong.sum() > 1.3 * faint.sum() > 0
    assert (strong * own).sum() > 0.7 * strong.sum(), "the patient's left is image-right"


def test_mirrored_muscles_throw_mirrored_folds() -> None:
    left, right = depth({(12, "left"): 0.8}), depth({(12, "right"): 0.8}, look=SkinLook(age=0.5, lamp=-1.0))
    points = neutral_points()
    assert np.allclose(points[MIRROR_68] * [-1, 1] + [2 * points[27:31, 0].mean(), 0], points, atol=1.5)
    assert left.sum() == pytest.approx(right.sum(), rel=0.1)


def test_older_skin_creases_deeper() -> None:
    drives: dict[tuple[int, Side], float] = {(1, "left"): 1.0, (2, "left"): 1.0}
    assert depth(drives, look=SkinLook(age=0.9, lamp=1.0)).sum() > depth(drives, look=SkinLook(age=0.0, lamp=1.0)).sum()


def test_a_hat_has_no_folds() -> None:
    points = neutral_points()
    image = face()
    image[: int(points[17:27, 1].min())] = [30, 60, 160]
    drives: dict[tuple[int, Side], float] = {(1, "left"): 1.0, (2, "left"): 1.0}
    hat = slice(0, int(points[17:27, 1].min()) - 4)
    assert depth(drives)[hat].sum() > 0
    assert depth(drives, image=image)[hat].sum() < 0.02 * depth(drives)[hat].sum()
