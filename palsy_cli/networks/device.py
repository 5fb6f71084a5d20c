"""Which device computes, in which precision, with which memory."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import cv2
import torch
from torch import nn

from palsy_cli.errors import UsageError

#: glibc's ``mallopt`` parameters (malloc.h) and our values.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_MALLOC = {_MMAP_MAX: 0, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 << 20, _ARENA_MAX: 1}


def choose_device(name: str) -> str:
    """The PyTorch device of ``auto``, ``cpu``, ``cuda[:n]`` or ``mps``; raises UsageError when it is not there."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(device for device in ("cuda", "mps", "cpu") if available[device])
    if not available.get(name.partition(":")[0], False):
        raise UsageError(f"device {name!r} is not available here; use --device auto or cpu")
    return name


def choose_devices(name: str) -> tuple[str, ...]:
    """All devices that a name stands for: every GPU of the machine for ``cuda``, else one; raises as above."""
    chosen = choose_device(name)
    if chosen != "cuda":
        return (chosen,)
    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def beside(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A tensor on the device of a module's parameters."""
    return x.to(next(module.parameters()).device)


def autocast(device: torch.device | str, precision: str = "auto") -> torch.autocast:
    """Mixed precision on a device as ``compute_type`` resolves it; raises UsageError as that does."""
    chosen = compute_type(device, precision)
    mixed = chosen != torch.float32
    return torch.autocast(torch.device(device).type, dtype=chosen if mixed else torch.bfloat16, enabled=mixed)


def compute_type(device: torch.device | str, precision: str = "auto") -> torch.dtype:
    """What a precision (``auto``, ``bf16``, ``fp16``, ``fp32``) means on a device; ``auto`` is bf16 where it is native.

    Raises:
        UsageError: fp16 elsewhere than on CUDA.
    """
    kind = torch.device(device).type
    if precision == "auto":
        native = torch.cuda.is_bf16_supported() if kind == "cuda" else cpu_has_bf16()
        precision = "bf16" if native and kind in ("cuda", "cpu") else "fp32"
    if precision == "fp16" and kind != "cuda":
        raise UsageError(f"precision fp16 needs a CUDA device, not {kind}; take bf16, fp32 or auto")
    return {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}[precision]


def cpu_has_bf16() -> bool:
    """Whether the processor has bf16 instructions; without them bf16 is emulated and slower than fp32."""
    asks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, lambda: False)() for name in asks)


@contextmanager
def without_denormals() -> Iterator[None]:
    """Take numbers below 1e-38 for 0 where the processor can, within the block.

    Some processors compute with them a hundred times as slowly, and gradients that die away are full of them: three
    steps of ALGRNet took minutes instead of seconds (``docs/benchmarks/2026-11-21-published-recipes.md``).
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


@contextmanager
def beside_decoder() -> Iterator[None]:
    """Leave half of the cores to the decoder and to other threads of this process within the block.

    The threads of a layer wait for each other. Where another process takes the core of one, all others stand still
    until the system gives it back, layer after layer: two threads beside a busy decoder took half as long again
    on two cores as one (``docs/benchmarks/2026-11-22-speed.md``).
    """
    layers, pictures = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(max(1, layers // 2))
    cv2.setNumThreads(max(1, pictures // 2))
    try:
        yield
    finally:
        torch.set_num_threads(layers)
        cv2.setNumThreads(pictures)


def keep_freed_memory() -> bool:
    """Let this process keep the memory that it frees for its next use; returns whether that could be arranged.

    glibc hands every large block back to the system and gets it anew, page by page, for the next layer's output. On
    two cores that is a third of the time of a convolutional network (``docs/benchmarks/training-log.md``). All threads
    share one arena: in arenas of their own, what one frees is of no use to the others, and memory grows with the length
    of a video (``docs/benchmarks/2026-11-23-benchmark.md``). Elsewhere than with glibc nothing changes.
    """
    mallopt = _of_glibc("mallopt")
    return mallopt is not None and all(mallopt(parameter, value) == 1 for parameter, value in _MALLOC.items())


def give_back_freed_memory() -> None:
    """Give back to the system what was freed and kept, wherever that can be arranged.

    Between two kinds of work: what batches of pictures left behind lies in pieces too small for what comes next, which
    would come on top of it (``docs/benchmarks/2026-11-23-benchmark.md``).
    """
    trim = _of_glibc("malloc_trim")
    if trim is not None:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc; ``None`` where there is none such."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        function: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
    return function
