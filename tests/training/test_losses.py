"""Losses, figures and the reading ahead that tasks share."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch.nn import functional

from palsy_cli.networks.landmark_fcn import gaussian_targets
from palsy_cli.training.losses import bell_centres, soft_cross_entropy
from palsy_cli.training.prefetch import prefetch


def logits() -> torch.Tensor:
    return torch.randn(4, 3, 11, generator=torch.Generator().manual_seed(0))


def test_whole_numbers_give_the_plain_cross_entropy() -> None:
    values = torch.tensor([[-5.0, 0.0, 5.0]]).expand(4, 3)
    plain = functional.cross_entropy(logits().flatten(0, 1), (values.flatten() + 5).long())
    assert torch.isclose(soft_cross_entropy(logits(), values, low=-5), plain)


@pytest.mark.parametrize("value", [-4.75, -0.5, 1.2, 4.9])
def test_between_two_classes_both_count(value: float) -> None:
    """The best answer is the one whose expectation is the value."""
    found = torch.zeros(1, 1, 11, requires_grad=True)
    optimiser = torch.optim.Adam([found], lr=0.3)
    for _ in range(150):
        optimiser.zero_grad()
        soft_cross_entropy(found, torch.full((1, 1), value), low=-5).backward()
        optimiser.step()
    expected = float((found.detach().softmax(-1) * torch.arange(-5, 6)).sum())
    assert abs(expected - value) < 0.05


def test_a_bell_is_centred_on_its_point() -> None:
    points = torch.tensor([[[40.0, 31.5], [20.25, 60.0]]])
    maps = gaussian_targets(points).requires_grad_()
    centres = bell_centres(maps)
    torch.testing.assert_close(centres, points, atol=1e-3, rtol=0)
    centres[0, 0, 0].backward()
    gradient = maps.grad[0, 0]  # type: ignore[index]
    assert gradient[31, 45] > 0 > gradient[31, 35], "more on the right of it moves it to the right"
    assert not bell_centres(torch.full((1, 2, 8, 8), -1.0)).any(), "a map without any bell points nowhere"


def test_values_outside_the_scale_are_its_ends() -> None:
    inside, outside = (soft_cross_entropy(logits(), torch.full((4, 3), v), low=-5) for v in (5.0, 9.0))
    assert torch.isclose(inside, outside) and bool(torch.isfinite(outside))


def test_batches_come_in_order_and_errors_with_them() -> None:
    assert list(prefetch(range(50))) == list(range(50))

    def broken() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    batches = prefetch(broken())
    assert next(batches) == 1
    with pytest.raises(RuntimeError, match="no more"):
        next(batches)


def test_leaving_early_ends_the_thread() -> None:
    before = set(threading.enumerate())
    batches = prefetch(iter(range(10**9)))
    assert next(batches) == 0
    started = set(threading.enumerate()) - before
    assert len(started) == 1
    batches.close()  # type: ignore[attr-defined]
    for thread in started:
        thread.join(timeout=10)
        assert not thread.is_alive()
