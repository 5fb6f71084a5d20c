"""What the VGG encoders take over from the landmark network."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from palsy_cli.networks.registry import build_network
from palsy_cli.training.transfer import start_from_landmarks


def first(module: nn.Module) -> nn.Conv2d:
    return next(m for m in module.modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(("name", "layers"), [("ovpm", 5), ("hb_cascade", 13)])
def test_landmark_filters_see_the_same_grey(name: str, layers: int) -> None:
    """The first layer answers alike to a grey picture in three channels, whatever else it is given as nothing."""
    network: Any = build_network(name, "compact")
    network = network.grader if name == "hb_cascade" else network
    encoder = first(network.features if name == "hb_cascade" else network)
    fcn: Any = build_network("landmark_fcn", "compact")
    grey = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    seen = torch.cat([grey.expand(-1, 3, -1, -1), torch.zeros(1, encoder.in_channels - 3, 16, 16)], 1)
    theirs = first(fcn.stage1)
    assert not torch.allclose(theirs(grey), encoder(seen), atol=1e-5)
    assert start_from_landmarks(network, fcn) >= layers
    assert torch.allclose(theirs(grey), encoder(seen), atol=1e-5)


def test_other_shapes_are_left_alone() -> None:
    ovpm: Any = build_network("ovpm", "tiny")
    before = {name: value.clone() for name, value in ovpm.state_dict().items()}
    assert start_from_landmarks(ovpm, build_network("landmark_fcn", "compact")) == 0  # type: ignore[arg-type]
    assert all(torch.equal(before[name], value) for name, value in ovpm.state_dict().items())
