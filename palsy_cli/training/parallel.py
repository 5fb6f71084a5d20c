"""Several processes that train one network, as ``torchrun`` starts them; a process alone needs none of it.

Every process deals itself its own share of each batch (``training.batches``), gradients are averaged after each
backward pass, and what depends on the clock or on a validation is decided by the main process and told to the others.
"""

from __future__ import annotations

import atexit
import contextlib
import datetime
import os
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, distributed, nn

#: What ``torchrun`` tells each process.
_TOLD = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
#: Values that travel together.
_BUCKET = 1 << 23
#: The others wait while the main process validates or simulates.
_PATIENCE = datetime.timedelta(hours=12)


def world() -> int:
    """Number of processes that train together."""
    return _told("WORLD_SIZE", alone=1)


def rank() -> int:
    """Number of this process, from 0."""
    return _told("RANK", alone=0)


def is_main() -> bool:
    """Whether this is the process that validates and writes."""
    return rank() == 0


def _told(name: str, *, alone: int) -> int:
    return int(os.environ[name]) if all(each in os.environ for each in _TOLD) else alone


def start(device: torch.device | str) -> torch.device:
    """Join the other processes, once; returns this one's device (of several GPUs the one that ``torchrun`` names)."""
    chosen = torch.device(device)
    if world() == 1:
        return chosen
    if chosen.type == "cuda":
        chosen = torch.device("cuda", _told("LOCAL_RANK", alone=0))
        torch.cuda.set_device(chosen)
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=_PATIENCE)
        atexit.register(distributed.destroy_process_group)
    return chosen


def wait() -> None:
    """Go on when all processes are here."""
    if world() > 1:
        distributed.barrier()


@contextlib.contextmanager
def main_first() -> Iterator[None]:
    """The main process goes through the block first, the others after it: to fill a cache once and read it often."""
    if not is_main():
        wait()
    yield
    if is_main():
        wait()


def from_main(*values: float) -> tuple[float, ...]:
    """The main process' numbers, in every process."""
    if world() == 1:
        return values
    told = torch.tensor(values, dtype=torch.float64, device=_meeting_place())
    distributed.broadcast(told, 0)
    return tuple(told.tolist())


def mean_over_processes(values: Mapping[str, float]) -> dict[str, float]:
    """The mean of each number; all processes must name the same ones in the same order."""
    if world() == 1:
        return dict(values)
    total = torch.tensor(list(values.values()), dtype=torch.float64, device=_meeting_place())
    distributed.all_reduce(total)
    return dict(zip(values, (total / world()).tolist(), strict=True))


def gather(row: Tensor) -> Tensor:
    """(N,) of each process to (processes, N) in all of them, on the CPU."""
    if world() == 1:
        return row[None]
    own = row.to(_meeting_place())
    rows = [torch.empty_like(own) for _ in range(world())]
    distributed.all_gather(rows, own)
    return torch.stack(rows).cpu()


def broadcast_module(module: nn.Module) -> None:
    """Give every process the main one's parameters and buffers."""
    _broadcast([parameter.data for parameter in module.parameters()])
    broadcast_buffers(module)


def broadcast_buffers(module: nn.Module) -> None:
    """Give every process the main one's running statistics."""
    _broadcast(list(module.buffers()))


def _broadcast(tensors: Sequence[Tensor]) -> None:
    if world() == 1:
        return
    for tensor in tensors:
        whole = tensor.to(_meeting_place()).contiguous()
        distributed.broadcast(whole, 0)
        tensor.copy_(whole)


def average_gradients(module: nn.Module) -> None:
    """Replace each gradient by its mean over all processes; one that a process has not counts as 0 there.

    A parameter that no process used keeps no gradient, as with one process.
    """
    if world() == 1:
        return
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    used = torch.tensor([float(p.grad is not None) for p in learning], device=_meeting_place())
    distributed.all_reduce(used)
    gradients: list[Tensor] = []
    for parameter, count in zip(learning, used.tolist(), strict=True):
        if count and parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        if parameter.grad is not None:
            gradients.append(parameter.grad)
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.reshape(-1) for gradient in bucket])
        distributed.all_reduce(flat)
        parts = torch.split(flat / world(), [gradient.numel() for gradient in bucket])
        for gradient, part in zip(bucket, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))


def _buckets(tensors: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Consecutive tensors of one type, at most ``_BUCKET`` values unless one alone has more."""
    bucket: list[Tensor] = []
    for tensor in tensors:
        values = sum(each.numel() for each in bucket) + tensor.numel()
        if bucket and (values > _BUCKET or tensor.dtype != bucket[0].dtype):
            yield bucket
            bucket = []
        bucket.append(tensor)
    if bucket:
        yield bucket


def _meeting_place() -> torch.device:
    """Where tensors must be for the processes to exchange them."""
    return torch.device("cuda" if distributed.get_backend() == "nccl" else "cpu")
