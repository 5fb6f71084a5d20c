"""The registry lists networks without PyTorch and builds each by name."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from palsy_cli.networks.registry import NETWORKS, SIZES, build_network, network_config


def test_names() -> None:
    assert list(NETWORKS) == ["retinaface", "landmark_fcn", "ovpm", "dvpm", "algrnet", "hb_cascade"]
    assert SIZES == ("paper", "compact", "tiny")
    assert all(spec.name == name and spec.paper and spec.title for name, spec in NETWORKS.items())


def test_importing_the_registry_imports_no_torch() -> None:
    code = "import sys, palsy_cli.networks.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", NETWORKS)
def test_every_tiny_twin_builds_and_is_small(name: str) -> None:
    network = build_network(name, "tiny")
    assert 0 < sum(p.numel() for p in network.parameters()) < 2_000_000
    assert set(NETWORKS[name].__dataclass_fields__) == {"name", "title", "paper", "builder", "sizes"}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_knows_every_size(name: str) -> None:
    for size in SIZES:
        assert isinstance(network_config(name, size), dict)


def test_the_callers_seed_decides_the_weights() -> None:
    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.cat([p.flatten() for p in build_network("retinaface", "tiny").parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_overrides_win_and_leave_the_registry_alone() -> None:
    before = network_config("retinaface", "tiny")
    assert network_config("retinaface", "tiny", bgr=False) == before | {"bgr": False}
    assert network_config("retinaface", "tiny") == before
    assert build_network("retinaface", "tiny", bgr=False).bgr is False
    with pytest.raises(TypeError, match="colour"):
        build_network("retinaface", "tiny", colour=1)


def test_unknown_names_come_with_the_nearest_known() -> None:
    with pytest.raises(ValueError, match="did you mean retinaface"):
        build_network("retina_face", "tiny")
    with pytest.raises(ValueError, match="did you mean compact"):
        build_network("retinaface", "compat")
    with pytest.raises(ValueError, match="known: retinaface"):
        build_network("zzz", "tiny")
