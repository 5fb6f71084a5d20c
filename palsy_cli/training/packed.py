"""Checkpoints as safetensors: nested tables of tensors and plain values, in a format that holds no code."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from palsy_cli.documents import Unreadable, parse_json
from palsy_cli.networks.tensors import read_tensors

_VALUES = "values"


def pack(values: dict[str, Any]) -> bytes:
    """A file of tables, lists, tensors, texts and numbers, for ``unpack``.

    Raises:
        TypeError: a value is of another kind.
    """
    tensors: dict[str, Tensor] = {}
    outline = _outline(values, tensors)
    return bytes(save(tensors, metadata={_VALUES: json.dumps(outline, allow_nan=False)}))


def unpack(path: Path, device: torch.device) -> dict[str, Any]:
    """What ``pack`` was given, tensors on ``device``; raises Unreadable when the file is none of its."""
    texts, tensors = read_tensors(path)
    try:
        values = _filled(parse_json(texts[_VALUES]), tensors, device)
    except (LookupError, TypeError, ValueError) as error:
        raise Unreadable(f"no checkpoint: {type(error).__name__} {error}") from error
    if not isinstance(values, dict):
        raise Unreadable("no checkpoint: no table")
    return values


def _outline(value: Any, tensors: dict[str, Tensor]) -> Any:
    """The value in JSON's kinds: each table and list, and what JSON has not, as one entry that names its kind."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().to("cpu", copy=True).contiguous()
        last = value.ndim == 4 and value.is_contiguous(memory_format=torch.channels_last)
        return {"channels_last" if last else "tensor": name}
    if isinstance(value, dict):
        return {"table": [[_outline(key, tensors), _outline(each, tensors)] for key, each in value.items()]}
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [_outline(each, tensors) for each in value]}
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(value)}
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"{type(value).__name__} cannot go into a checkpoint")


def _filled(outline: Any, tensors: dict[str, Tensor], device: torch.device) -> Any:
    """The inverse of ``_outline``; raises LookupError, TypeError or ValueError for what is none of its."""
    if not isinstance(outline, dict):
        return outline
    ((kind, inner),) = outline.items()
    if kind in ("tensor", "channels_last"):
        layout = torch.channels_last if kind == "channels_last" else torch.preserve_format
        return tensors[inner].to(device, memory_format=layout)
    if kind == "table":
        return {_filled(key, tensors, device): _filled(each, tensors, device) for key, each in inner}
    if kind in ("list", "tuple"):
        return (tuple if kind == "tuple" else list)(_filled(each, tensors, device) for each in inner)
    if kind == "float":
        return float(inner)
    raise ValueError(f"unknown kind {kind!r}")
