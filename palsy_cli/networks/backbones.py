"""The ten backbones that DEM compares (its table 4): VGG in two depths, and eight that timm builds.

The OVPM taps a backbone at the last map of each of its five resolution stages (strides 2, 4, 8, 16 and 32). VGG is
built in ``networks.dem``, layer by layer; what is here is the rest. All start from random weights.
"""

from __future__ import annotations

import functools
from typing import cast

import torch
from torch import Tensor, nn

#: Convolutions before each max-pool of VGG-16 and VGG-19.
VGG_CONVS: dict[str, tuple[int, ...]] = {"vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}
#: Channels of VGG's five blocks.
VGG_WIDTHS = (64, 128, 256, 512, 512)

#: timm's backbones and what each publication drops out before its last layer.
_DROPOUT = {
    "resnet50": 0.0,
    "resnet101": 0.0,
    "resnet152": 0.0,
    "densenet169": 0.0,
    "densenet201": 0.0,
    "mobilenetv3_large_100": 0.2,
    "tf_efficientnet_b6": 0.5,
    "tf_efficientnet_b7": 0.5,
}

#: All ten, in the order of DEM's table 4.
BACKBONES: tuple[str, ...] = (*_DROPOUT, *VGG_CONVS)

#: Convolutions of each DVPM block beside a backbone that is no VGG (DEM does not say; VGG's blocks have 2 to 4).
PLAIN_CONVS = (2, 2, 2, 2, 2)

_STRIDES = [2, 4, 8, 16, 32]
#: Channels of the last convolution of EfficientNet as a multiple of the tap before it, and of MobileNetV3-Large.
_EFFICIENT_TOP, _MOBILE_HIDDEN = 4, 1280


class Trunk(nn.Module):
    """The convolutions of one of timm's backbones: a picture to five maps, one for each resolution.

    Attributes:
        widths: channels of the maps.
    """

    def __init__(self, name: str) -> None:
        """Build a backbone of ``BACKBONES`` that is no VGG; raises ValueError for another name."""
        super().__init__()
        if name not in _DROPOUT:
            raise ValueError(f"backbone: expected one of {', '.join(BACKBONES)}, got {name!r}")
        import timm  # two seconds, which nobody else needs to wait

        self.network = timm.create_model(name, pretrained=False, features_only=True)
        info = self.network.feature_info
        if info.reduction() != _STRIDES:
            raise ValueError(f"backbone: this timm has {name} with strides {info.reduction()}; install another timm")
        self.widths = tuple(info.channels())

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) with sides that 32 divides to the maps (N, widths[k], H / 2^(k+1), W / 2^(k+1)), k = 0..4."""
        return cast("list[Tensor]", list(self.network(x)))


@functools.cache
def tap_widths(name: str) -> tuple[int, ...]:
    """Channels of the five maps of a backbone that is no VGG, without the memory of its weights."""
    with torch.device("meta"):
        return Trunk(name).widths


def pooled_head(name: str, channels: int, outputs: int) -> nn.Sequential:
    """What follows a backbone's last map in its publication, in one linear layer at the end.

    ResNet and DenseNet: the mean over all places. EfficientNet has a 1x1 convolution before it, MobileNetV3 a hidden
    layer after it.
    """
    before: list[nn.Module] = []
    after: list[nn.Module] = []
    inputs = channels
    if "efficientnet" in name:
        inputs = _EFFICIENT_TOP * channels
        before = [nn.Conv2d(channels, inputs, 1, bias=False), nn.BatchNorm2d(inputs, eps=1e-3), nn.SiLU(inplace=True)]
    elif "mobilenet" in name:
        inputs = _MOBILE_HIDDEN
        after = [nn.Linear(channels, inputs), nn.Hardswish(inplace=True)]
    last = nn.Linear(inputs, outputs)
    nn.init.normal_(last.weight, std=0.01)  # start near equal odds for all classes
    nn.init.zeros_(last.bias)
    return nn.Sequential(*before, nn.AdaptiveAvgPool2d(1), nn.Flatten(), *after, nn.Dropout(_DROPOUT[name]), last)
