"""Which device computes."""

from __future__ import annotations

import torch
from torch import nn

from palsy_cli.errors import UsageError


def choose_device(name: str) -> str:
    """The PyTorch device of ``auto``, ``cpu``, ``cuda`` or ``mps``; raises UsageError when it is not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name, False):
        raise UsageError(f"device {name!r} is not available here; use --device auto or cpu")
    return name


def beside(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A tensor on the device of a module's parameters."""
    return x.to(next(module.parameters()).device)
