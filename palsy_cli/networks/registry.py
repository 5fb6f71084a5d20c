"""Which networks there are and how to build each: pure data, so that listing them imports no PyTorch."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from palsy_cli.text import did_you_mean

if TYPE_CHECKING:
    from torch import nn

Size = Literal["paper", "compact", "tiny"]
#: ``paper`` is the published design, ``compact`` what ships, ``tiny`` the random twin for tests.
SIZES: tuple[Size, ...] = ("paper", "compact", "tiny")


@dataclass(frozen=True)
class NetworkSpec:
    """One network.

    Attributes:
        name: its name in commands and in the manifest of weights.
        title: what it does, one line.
        paper: where it is described.
        builder: ``module:Class``, imported only when the network is built.
        sizes: ``module:CONSTANT``, a dict from size to the class's keyword arguments.
    """

    name: str
    title: str
    paper: str
    builder: str
    sizes: str


_SPECS = (
    NetworkSpec(
        "retinaface",
        "face box and five points",
        "Deng et al., RetinaFace (CVPR 2020), MobileNet-0.25; the detector named by Niu et al.",
        "palsy_cli.networks.retinaface:RetinaFace",
        "palsy_cli.networks.retinaface:SIZES",
    ),
    NetworkSpec(
        "landmark_fcn",
        "68 facial landmarks by two cascaded fully convolutional networks",
        "Xia et al. (AFLFP)",
        "palsy_cli.networks.landmark_fcn:CascadedFCN",
        "palsy_cli.networks.landmark_fcn:SIZES",
    ),
    NetworkSpec(
        "ovpm",
        "action unit intensities of one half face (original-value model)",
        "Niu et al. (difference ensemble)",
        "palsy_cli.networks.dem:OVPM",
        "palsy_cli.networks.dem:OVPM_SIZES",
    ),
    NetworkSpec(
        "dvpm",
        "action unit differences between two frames of a half face (difference-value model)",
        "Niu et al. (difference ensemble)",
        "palsy_cli.networks.dem:DVPM",
        "palsy_cli.networks.dem:DVPM_SIZES",
    ),
    NetworkSpec(
        "algrnet",
        "palsy severity by adaptive local-global relations of facial regions",
        "Ge et al. (ALGRNet)",
        "palsy_cli.networks.algrnet:ALGRNet",
        "palsy_cli.networks.algrnet:SIZES",
    ),
    NetworkSpec(
        "hb_cascade",
        "House-Brackmann grade by a segmentation encoder and a grading network",
        "Wang et al. (cascaded encoder)",
        "palsy_cli.networks.hb_cascade:HBCascade",
        "palsy_cli.networks.hb_cascade:SIZES",
    ),
)

NETWORKS: dict[str, NetworkSpec] = {spec.name: spec for spec in _SPECS}


def network_spec(name: str) -> NetworkSpec:
    """The network of that name; raises ``ValueError`` with the nearest known name."""
    if name not in NETWORKS:
        raise ValueError(f"unknown network {name!r}{did_you_mean(name, NETWORKS)}; known: {', '.join(NETWORKS)}")
    return NETWORKS[name]


def network_config(name: str, size: str = "compact", **overrides: Any) -> dict[str, Any]:
    """All keyword arguments that a size stands for, ``overrides`` on top.

    Raises:
        ValueError: unknown network or size (with the nearest known name).
    """
    spec = network_spec(name)
    if size not in SIZES:
        raise ValueError(f"unknown size {size!r}{did_you_mean(size, SIZES)}; known: {', '.join(SIZES)}")
    return dict(_resolve(spec.sizes)[size]) | overrides


def build_network(name: str, size: str = "compact", **overrides: Any) -> nn.Module:
    """Build a network with random weights from PyTorch's generator (seed it yourself), in training mode.

    Args:
        name: a key of ``NETWORKS``.
        size: one of ``SIZES``.
        overrides: keyword arguments of the network's class that differ from the size's.

    Raises:
        ValueError: unknown network or size (with the nearest known name).
        TypeError: the network has no such keyword argument.
    """
    return cast("nn.Module", network_class(name)(**network_config(name, size, **overrides)))


def network_class(name: str) -> Any:
    """The class of a network; raises ``ValueError`` as ``network_spec`` does."""
    return _resolve(network_spec(name).builder)


def _resolve(path: str) -> Any:
    """Import ``module:attribute``."""
    module, attribute = path.split(":")
    return getattr(importlib.import_module(module), attribute)
