"""Temperatures: they undo a known exaggeration, and grades follow them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from palsy_cli.evaluation.calibration import fit_temperature
from palsy_cli.networks.algrnet import fuse_softmax
from palsy_cli.networks.hb_cascade import fuse_log_softmax


def honest(patients: int, *, frames: int, seed: int) -> tuple[torch.Tensor, np.ndarray, list[np.ndarray]]:
    """Logits whose softmax is the true chance of each class; every patient's frames are alike."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (patients, 4))
    odds = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    truth = np.array([rng.choice(4, p=row) for row in odds])
    rows = [np.arange(i * frames, (i + 1) * frames) for i in range(patients)]
    return torch.from_numpy(np.repeat(logits, frames, 0)).float(), truth, rows


@pytest.mark.slow
def test_an_exaggeration_is_found_and_undone() -> None:
    logits, truth, rows = honest(600, frames=2, seed=1)
    for fuse in (fuse_softmax, fuse_log_softmax):
        own = fit_temperature(logits, truth, rows, fuse)
        assert 0.8 < own < 1.25
        assert np.isclose(fit_temperature(3 * logits, truth, rows, fuse) / own, 3, rtol=0.1)
        assert np.isclose(fit_temperature(logits / 2, truth, rows, fuse) / own, 0.5, rtol=0.1)


def test_a_network_that_is_always_right_becomes_as_sure_as_allowed() -> None:
    truth = np.arange(4)
    logits = torch.eye(4)
    assert fit_temperature(logits, truth, [np.array([i]) for i in range(4)], fuse_softmax) == 0.2
