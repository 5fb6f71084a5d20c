"""Choosing a device."""

from __future__ import annotations

import pytest
import torch

from palsy_cli.errors import UsageError
from palsy_cli.networks.device import choose_device


def test_auto_is_something_that_computes() -> None:
    assert float(torch.ones(2, device=choose_device("auto")).sum()) == 2
    assert choose_device("cpu") == "cpu"


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_absent_device(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(UsageError, match=f"{name}.*not available"):
        choose_device(name)


def test_unknown_device() -> None:
    with pytest.raises(UsageError, match="gpu"):
        choose_device("gpu")
