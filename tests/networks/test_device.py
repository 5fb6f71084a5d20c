"""Choosing a device, its precision and its memory."""

from __future__ import annotations

import platform
import resource
import sys
from pathlib import Path

import cv2
import pytest
import torch
from torch import nn

from palsy_cli.errors import UsageError
from palsy_cli.networks.device import (
    autocast,
    beside_decoder,
    choose_device,
    compute_type,
    give_back_freed_memory,
    keep_freed_memory,
    without_denormals,
)


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


def test_bf16_autocast_computes_in_bf16() -> None:
    layer = nn.Linear(4, 4)
    with autocast(torch.device("cpu"), "bf16"):
        assert layer(torch.ones(1, 4)).dtype == torch.bfloat16
    with autocast(torch.device("cpu"), "fp32"):
        assert layer(torch.ones(1, 4)).dtype == torch.float32


def test_half_precision_is_for_gpus() -> None:
    assert compute_type("cuda", "fp16") == torch.float16
    assert compute_type("cpu", "fp32") == torch.float32
    for kind in ("cpu", "mps"):
        with pytest.raises(UsageError, match=f"needs a CUDA device, not {kind}"):
            autocast(kind, "fp16")


def test_memory_is_kept_where_glibc_is() -> None:
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_no_memory_is_kept_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
    give_back_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc keeps freed memory")
def test_kept_memory_is_given_back_even_below_what_is_still_in_use() -> None:
    keep_freed_memory()
    size, count = 1 << 20, 64
    blocks = [b"x" * (size + i) for i in range(count)]
    del blocks[:-1]
    before = resident_bytes()
    give_back_freed_memory()
    assert before - resident_bytes() > size * count / 2
    assert len(blocks) == 1


def resident_bytes() -> int:
    """Memory of this process that is there."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_tiny_numbers_are_zero_within_the_block_only() -> None:
    tiny = torch.full((8,), 1e-30)
    with without_denormals():
        inside = (tiny * 1e-10).sum().item()
    assert (tiny * 1e-10).sum().item() > 0
    assert inside == 0 or not torch.set_flush_denormal(False)


def test_beside_the_decoder_half_of_the_threads_compute_and_all_are_there_again() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        for told, wanted in ((4, 2), (1, 1)):
            torch.set_num_threads(told)
            cv2.setNumThreads(told)
            with pytest.raises(KeyError), beside_decoder():
                assert (torch.get_num_threads(), cv2.getNumThreads()) == (wanted, wanted)
                raise KeyError
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (told, told)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
