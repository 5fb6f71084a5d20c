"""Where a VGG encoder begins when nobody else's weights may be had: at the landmark network's.

Maps that already know where lids, brows and lips are differ where those move. From random weights a VGG without
shortcuts gives the constant answer for hundreds of steps, whatever the loss.
"""

from __future__ import annotations

import torch
from torch import nn

from palsy_cli.networks.dem import OVPM
from palsy_cli.networks.hb_cascade import HouseBrackmannGrader
from palsy_cli.networks.landmark_fcn import CascadedFCN


def start_from_landmarks(network: OVPM | HouseBrackmannGrader, fcn: CascadedFCN) -> int:
    """Copy the landmark encoder (VGG-16) into a VGG wherever a layer has its shape; returns how many did.

    The grey filters of the first layer see the mean of R, G, B; channels beyond those keep their own filters.
    """
    ours = list(network.blocks) if isinstance(network, OVPM) else _blocks(network.features)
    copied = 0
    for source, target in zip(fcn.stage1.blocks, ours, strict=True):
        copied += sum(_copy(*pair) for pair in zip(_layers(source), _layers(target), strict=False))
    return copied


def _blocks(features: nn.Sequential) -> list[nn.Module]:
    """The layers of a VGG between its poolings."""
    blocks: list[list[nn.Module]] = [[]]
    for layer in features:
        blocks[-1].append(layer)
        if isinstance(layer, nn.MaxPool2d):
            blocks.append([])
    return [nn.Sequential(*block) for block in blocks if block]


def _layers(block: nn.Module) -> list[tuple[nn.Conv2d, nn.BatchNorm2d | None]]:
    """Convolutions with the normalisation that follows each."""
    found: list[tuple[nn.Conv2d, nn.BatchNorm2d | None]] = []
    for layer in block.modules():
        if isinstance(layer, nn.Conv2d):
            found.append((layer, None))
        elif isinstance(layer, nn.BatchNorm2d):
            found[-1] = (found[-1][0], layer)
    return found


@torch.no_grad()
def _copy(source: tuple[nn.Conv2d, nn.BatchNorm2d | None], target: tuple[nn.Conv2d, nn.BatchNorm2d | None]) -> bool:
    """One convolution with its normalisation, if the shapes agree."""
    (theirs, norm), (ours, own_norm) = source, target
    weight = theirs.weight
    if len(weight) != len(ours.weight) or (norm is None) != (own_norm is None):
        return False
    if weight.shape[1] == 1:  # grey: an equal share for each colour, none for what is not a colour
        weight = torch.cat([weight.expand(-1, 3, -1, -1) / 3, ours.weight[:, 3:]], 1)
    if weight.shape != ours.weight.shape:
        return False
    ours.weight.copy_(weight)
    if ours.bias is not None:
        ours.bias.copy_(torch.zeros_like(ours.bias) if theirs.bias is None else theirs.bias)
    if norm is not None and own_norm is not None:
        own_norm.load_state_dict(norm.state_dict())
    return True
