"""What both grading networks learn beside the grade, and forget when they are exported.

A grade is the same whichever side is weak, and a network that has seen nothing yet finds no way to it: the
cross-entropy alone stays at the constant answer. How weak which side is, and what each side's muscles do, have such
a way (squared errors of signed numbers), and the grade follows from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from palsy_cli.records import ALL_AUS
from palsy_cli.training.samples import FaceSamples

#: Signed grade, then the intensities of left and right.
LESSONS = 1 + 2 * len(ALL_AUS)
#: Weight of the muscles' squared error (intensities 0..1) beside the grade's cross-entropy.
_MUSCLES = 10.0
_WORST_GRADE = 6


class Taught(nn.Module):
    """A grading network with a second answer, the lessons, from the layer before its grades; for training only.

    Args:
        network: what is trained.
        look: pictures to the network's answer and the (N, ``hidden``) values of that layer.
        hidden: width of that layer.
    """

    def __init__(self, network: nn.Module, look: Callable[[Tensor], tuple[Any, Tensor]], *, hidden: int) -> None:
        super().__init__()
        self.network, self.look = network, look
        self.lesson = nn.Linear(hidden, LESSONS)

    def forward(self, x: Tensor) -> tuple[Any, Tensor]:
        """(N, 3, S, S) -> the network's answer, lessons (N, LESSONS)."""
        answer, seen = self.look(x)
        return answer, self.lesson(seen).float()


def lessons_of(samples: FaceSamples, rows: Any, *, mirrored: Any) -> Tensor:
    """What some pictures teach.

    Args:
        samples: simulated faces.
        rows: (B,) which, all with a known lesion.
        mirrored: (B,) True where the picture is shown mirrored.

    Returns:
        (B, LESSONS): share 0..1 of the worst grade times the weak side (-1 right, 1 left), then the intensities 0..1
        of the left and of the right, sides as shown.
    """
    signed = samples.weak_side[rows] * (samples.grade[rows] - 1) / (_WORST_GRADE - 1)
    left, right = samples.left[rows] / 5, samples.right[rows] / 5
    swap = np.asarray(mirrored)[:, None]
    sides = [np.where(swap, right, left), np.where(swap, left, right)]
    return torch.from_numpy(np.column_stack([np.where(mirrored, -signed, signed), *sides])).float()


def lesson_losses(learned: Tensor, lessons: Tensor) -> dict[str, Tensor]:
    """Squared errors of (B, LESSONS), weighted."""
    squared = (learned.float() - lessons) ** 2
    return {"side": squared[:, 0].mean(), "muscles": _MUSCLES * squared[:, 1:].mean()}
