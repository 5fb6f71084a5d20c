"""Layers that more than one network has."""

from __future__ import annotations

from torch import nn


def hidden_layer(inputs: int, outputs: int, *, batch_norm: bool, dropout: float) -> list[nn.Module]:
    """A fully connected layer of VGG's classifier: linear, normalised if asked for, ReLU, dropout (0..1).

    Without normalisation a small classifier on inputs that are all positive hardly learns from random weights.
    """
    norm: list[nn.Module] = [nn.BatchNorm1d(outputs)] if batch_norm else []
    return [nn.Linear(inputs, outputs), *norm, nn.ReLU(inplace=True), nn.Dropout(dropout)]
