"""The ten backbones of DEM's table 4: published sizes, five maps each, and a difference network that fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from palsy_cli.networks.backbones import BACKBONES, VGG_CONVS, Trunk, tap_widths
from palsy_cli.networks.dem import DVPM, OVPM, copy_vgg19, difference
from palsy_cli.networks.registry import build_network
from palsy_cli.networks.weights import describe, load_network, save_network, update_manifest

#: Parameters with a thousand classes, as published with timm's results (VGG: torchvision's).
PUBLISHED = {
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "mobilenetv3_large_100": 5_483_032,
    "tf_efficientnet_b6": 43_040_704,
    "tf_efficientnet_b7": 66_347_960,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
}
#: Parameters of the OVPM and the DVPM: facts of this version.
OURS = {
    "resnet50": (23_655_560, 86_485_892),
    "densenet169": (12_604_360, 78_717_700),
    "mobilenetv3_large_100": (4_294_264, 12_724_468),
    "tf_efficientnet_b7": (63_971_352, 8_639_716),
    "vgg16": (134_555_528, 135_976_452),
    "vgg19": (139_865_224, 141_286_148),
}
#: One of each kind that is quick to compute with.
KINDS = ("mobilenetv3_large_100", "resnet50")


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def pair(backbone: str, *, seed: int = 0) -> tuple[OVPM, DVPM]:
    """Both networks on small half faces, with a small head where it is VGG's."""
    torch.manual_seed(seed)
    small = {"input_size": (64, 32), "backbone": backbone}
    vgg = {"widths": (4, 4, 8, 8, 8), "fc_dim": 16} if backbone in VGG_CONVS else {}
    return OVPM(**small, **vgg).eval(), DVPM(**small, **vgg).eval()


def faces(count: int = 2, *, seed: int = 0) -> Tensor:
    return torch.randn(count, 3, 64, 32, generator=torch.Generator().manual_seed(seed))


def test_all_ten_are_there() -> None:
    assert set(BACKBONES) == set(PUBLISHED) and len(BACKBONES) == 10 and BACKBONES[-1] == "vgg19"


@pytest.mark.parametrize("name", BACKBONES)
def test_with_a_thousand_outputs_each_has_its_published_parameters(name: str) -> None:
    with torch.device("meta"):
        assert parameters(build_network("ovpm", "paper", backbone=name, aus=1000, classes=1)) == PUBLISHED[name]


@pytest.mark.parametrize("name", OURS)
def test_parameters_of_both_networks(name: str) -> None:
    with torch.device("meta"):
        both = (build_network(network, "paper", backbone=name) for network in ("ovpm", "dvpm"))
        assert tuple(map(parameters, both)) == OURS[name]


@pytest.mark.parametrize("name", BACKBONES)
def test_five_maps_halve_the_half_face_and_feed_the_difference_network(name: str) -> None:
    with torch.device("meta"):
        ovpm, dvpm = OVPM(backbone=name), DVPM(backbone=name)
        logits, taps = ovpm.forward_with_taps(torch.empty(2, 3, 512, 256))
        delta = dvpm(difference(taps, taps))
    assert logits.shape == (2, 12, 6) and delta.shape == (2, 12, 11)
    assert [tuple(tap.shape) for tap in taps] == [
        (2, width, 512 >> k, 256 >> k) for k, width in enumerate(dvpm.widths, start=1)
    ]


@pytest.mark.parametrize("name", [*KINDS, "vgg16"])
def test_identical_frames_differ_nowhere_and_others_everywhere(name: str) -> None:
    ovpm, dvpm = pair(name)
    with torch.no_grad():
        logits, taps = ovpm.forward_with_taps(faces())
        assert torch.equal(logits, ovpm(faces()))
        assert all(torch.equal(a, b) for a, b in zip(taps, ovpm.taps(faces()), strict=True))
        same = difference(taps, ovpm.taps(faces()))
        other = difference(taps, ovpm.taps(faces(seed=1)))
        assert all(torch.count_nonzero(delta) == 0 for delta in same)
        assert all(delta.min() < 0 < delta.max() for delta in other)
        whole = dvpm(other)
        for k in range(5):
            without = [torch.zeros_like(m) if i == k else m for i, m in enumerate(other)]
            assert not torch.equal(dvpm(without), whole), f"map {k + 1} is not read"


@pytest.mark.parametrize("name", KINDS)
def test_gradient_reaches_every_parameter(name: str) -> None:
    ovpm, dvpm = pair(name)
    logits, taps = ovpm.forward_with_taps(faces(4))
    changes = dvpm(difference(taps, [tap.flip(0) for tap in taps]))
    targets = torch.arange(4 * 12)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets % 6)
    (loss + nn.functional.cross_entropy(changes.flatten(0, 1), targets % 11)).backward()
    silent = [n for network in (ovpm, dvpm) for n, p in network.named_parameters() if p.grad is None]
    assert silent == []


def test_what_is_saved_comes_back_with_its_backbone(tmp_path: Path) -> None:
    arguments = {"backbone": "mobilenetv3_large_100", "input_size": (64, 32)}
    torch.manual_seed(0)
    saved = build_network("ovpm", "paper", **arguments).eval()
    path = tmp_path / "ovpm.safetensors"
    save_network(saved, path, name="ovpm", size="paper", config=arguments, trained_on="random")
    update_manifest(tmp_path, describe(path))
    loaded = load_network("ovpm", tmp_path)
    assert loaded.config == arguments and loaded.module.backbone == "mobilenetv3_large_100"
    with torch.no_grad():
        torch.testing.assert_close(loaded.module(faces()), saved(faces()), atol=2e-3, rtol=0)


def test_names_of_vgg19_are_those_of_shipped_weights() -> None:
    names = set(pair("vgg19")[0].state_dict())
    assert {"blocks.0.0.weight", "blocks.4.6.bias", "head.2.weight", "head.8.bias"} <= names
    assert all(name.startswith(("blocks.", "head.")) for name in names)


def test_channels_are_known_without_building() -> None:
    assert tap_widths("resnet50") == (64, 256, 512, 1024, 2048)
    assert tap_widths("mobilenetv3_large_100") == (16, 24, 40, 112, 960)


@pytest.mark.parametrize("network", [OVPM, DVPM])
def test_what_does_not_fit_is_refused(network: type[OVPM] | type[DVPM]) -> None:
    with pytest.raises(ValueError, match=r"backbone: expected one of resnet50, .*vgg19, got 'alexnet'"):
        network(backbone="alexnet")
    with pytest.raises(ValueError, match="resnet50 has no widths, fc_dim and batch_norm to choose; take size paper"):
        network(backbone="resnet50", widths=(4, 4, 8, 8, 8))
    with pytest.raises(ValueError, match="input_size: resnet50 needs multiples of 32"):
        network(backbone="resnet50", input_size=(64, 40))
    with torch.device("meta"), pytest.raises(ValueError, match="expected a VGG-19, got resnet50"):
        copy_vgg19(network(backbone="resnet50"), {})


def test_a_trunk_is_no_vgg() -> None:
    with pytest.raises(ValueError, match="got 'vgg16'"):
        Trunk("vgg16")
