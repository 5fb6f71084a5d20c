"""What grading networks learn beside the grade."""

from __future__ import annotations

import numpy as np
import torch

from palsy_cli.training.samples import FaceSamples, graded_rows
from palsy_cli.training.tasks.lessons import LESSONS, lesson_losses, lessons_of


def test_a_mirrored_picture_teaches_the_mirrored_lesson(samples: FaceSamples) -> None:
    rows = graded_rows(samples)[0][:20]
    plain = lessons_of(samples, rows, mirrored=np.zeros(20, bool))
    mirrored = lessons_of(samples, rows, mirrored=np.ones(20, bool))
    assert plain.shape == (20, LESSONS) and bool(plain.isfinite().all())
    assert torch.equal(mirrored[:, 0], -plain[:, 0])
    assert torch.equal(mirrored[:, 1:15], plain[:, 15:]) and torch.equal(mirrored[:, 15:], plain[:, 1:15])


def test_signed_grade_and_shares(samples: FaceSamples) -> None:
    rows = np.concatenate(graded_rows(samples))
    lessons = lessons_of(samples, rows, mirrored=np.zeros(len(rows), bool)).numpy()
    assert np.allclose(lessons[:, 0], samples.weak_side[rows] * (samples.grade[rows] - 1) / 5)
    assert lessons[:, 0].min() == -1 and lessons[:, 0].max() == 1
    assert lessons[:, 1:].min() >= 0 and 0 < lessons[:, 1:].max() <= 1


def test_losses_are_nothing_for_what_is_right() -> None:
    lessons = torch.rand(4, LESSONS)
    assert all(float(part) == 0 for part in lesson_losses(lessons, lessons).values())
    wrong = lessons.clone()
    wrong[:, 0] += 1
    parts = lesson_losses(wrong, lessons)
    assert float(parts["side"]) > 0.99 and float(parts["muscles"]) == 0
