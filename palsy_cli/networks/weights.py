"""Weight files: find, check and load them; write them and their manifest.

A folder of weights holds ``manifest.toml`` and one ``.safetensors`` file per model. The manifest gives each
file's SHA-256; the file's own header says how to build the network and what it was trained on. Nothing stays
at random values: a model that is absent, damaged or does not fit is a ``ModelError``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

import palsy_cli
from palsy_cli.documents import Unreadable, parse_json
from palsy_cli.errors import ModelError
from palsy_cli.files import atomic_write, sha256_of
from palsy_cli.networks.device import choose_device
from palsy_cli.networks.layers import make_ready
from palsy_cli.networks.manifest_file import (
    MANIFEST,
    ModelEntry,
    find_models_dir,
    read_manifest,
    update_manifest,
)
from palsy_cli.networks.registry import NETWORKS, network_class, network_config
from palsy_cli.networks.tensors import read_metadata, read_tensors
from palsy_cli.records import ModelCard
from palsy_cli.text import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palsy_cli.config import Execution

__all__ = [
    "MANIFEST",
    "LoadedNetwork",
    "ModelEntry",
    "ModelSet",
    "ModelStatus",
    "describe",
    "find_models_dir",
    "list_models",
    "load_network",
    "read_manifest",
    "save_network",
    "update_manifest",
    "verify",
]

#: Header key of a DVPM: SHA-256 of the OVPM file whose maps it was trained on.
OVPM_KEY = "ovpm_sha256"
#: Of a network's arguments: the largest number, and the most of them in one list.
_LARGEST_ARGUMENT, _MOST_PARTS = 1 << 16, 256
_REQUIRED_HEADER = ("network", "size", "config", "trained_on", "version")


@dataclass(frozen=True)
class LoadedNetwork:
    """A network ready for use: ``module`` in evaluation mode, float32, on the CPU unless moved."""

    module: nn.Module
    card: ModelCard
    config: dict[str, Any]
    metadata: dict[str, str]


@dataclass(frozen=True)
class ModelStatus:
    """One line of ``palsy models list``; ``ok`` is ``None`` when the content was not checked."""

    name: str
    network: str
    size: str
    file: str
    bytes: int
    sha256: str
    trained_on: str
    present: bool
    ok: bool | None
    problem: str | None


def save_network(
    module: nn.Module,
    path: Path,
    *,
    name: str,
    size: str,
    config: Mapping[str, Any],
    trained_on: str,
    extra: Mapping[str, str] | None = None,
) -> str:
    """Write a network's weights with the header that rebuilds it; whole or not at all.

    Parameters are stored in half precision, buffers (running statistics) as they are.

    Args:
        module: the trained network.
        path: the ``.safetensors`` file to write.
        name: the network's name in the registry.
        size: the registry's size; its keyword arguments are written out in full.
        config: keyword arguments that differ from the size's; may be all of them.
        trained_on: what a result must say of these weights, for example ``synthetic``.
        extra: further header entries, for example ``ovpm_sha256``.

    Returns:
        SHA-256 of the file, in hex.

    Raises:
        ValueError: unknown network or size, or a weight that is not finite.
        UsageError: the folder cannot be written.
    """
    full = network_config(name, size, **config)
    header = {
        "network": name,
        "size": size,
        "config": json.dumps(full, sort_keys=True),
        "trained_on": trained_on,
        "version": palsy_cli.__version__,
        **(extra or {}),
    }
    parameters = {key for key, _ in module.named_parameters(remove_duplicate=False)}
    tensors = {key: _stored(key, value, key in parameters) for key, value in module.state_dict().items()}
    blob = _in_order(save(tensors, metadata=header))
    atomic_write(path, blob, private=False)
    return hashlib.sha256(blob).hexdigest()


def _in_order(blob: bytes) -> bytes:
    """The same safetensors file with its header's entries sorted: the library writes metadata in random order.

    The same weights must give the same digest. A file is 8 bytes of the header's length (little-endian), the header
    as JSON, padded by spaces, and the tensors at offsets that count from the header's end.
    """
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + length])
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + blob[8 + length :]


def _stored(key: str, value: Tensor, is_parameter: bool) -> Tensor:
    """The tensor as it goes into the file; a copy of its own, as safetensors refuses shared memory."""
    value = value.detach().to("cpu", copy=True).contiguous()
    if not value.is_floating_point():
        return value
    if not bool(value.isfinite().all()):
        raise ValueError(f"{key}: holds values that are not finite; such weights must not ship")
    half = value.to(torch.float16)
    return half if is_parameter and bool(half.isfinite().all()) else value


def describe(
    path: Path, *, name: str | None = None, recipe: str = "", metrics: Mapping[str, Any] | None = None
) -> ModelEntry:
    """The manifest entry of a file that ``save_network`` wrote; ``name`` defaults to its network's."""
    header = _read_header(path)
    return ModelEntry(
        name=name or header["network"],
        network=header["network"],
        size=header["size"],
        file=path.name,
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
        trained_on=header["trained_on"],
        version=header["version"],
        recipe=recipe,
        metrics=dict(metrics or {}),
    )


def load_network(name: str, directory: Path) -> LoadedNetwork:
    """Load one model of a folder: digest checked, every tensor accounted for.

    Raises:
        ModelError: the folder, manifest, entry or file is missing, the file is damaged, or it does not fit.
    """
    entry = _find_entry(name, directory)
    path = _check_file(entry, directory)
    header, tensors = _read_file(path)
    if header["network"] != entry.network:
        raise ModelError(f"{path}: holds {header['network']}, manifest says {entry.network}; write it anew")
    module = _rebuild(path, header, tensors)
    card = ModelCard(name=entry.name, sha256=entry.sha256, trained_on=header["trained_on"])
    return LoadedNetwork(module=module, card=card, config=_config(path, header), metadata=header)


def _rebuild(path: Path, header: Mapping[str, str], tensors: Mapping[str, Tensor]) -> nn.Module:
    """The header's network with exactly these tensors, float32, in evaluation mode."""
    try:
        build, config = network_class(header["network"]), _config(path, header)
        if config != network_config(header["network"], header["size"]):
            # arguments of others may ask for any memory: first see whether the file has it
            with torch.device("meta"), _WithoutDraws():
                _require_fit(build(**_moderate(config)), tensors)
        with _WithoutDraws():
            module: nn.Module = build(**config)
        _require_fit(module, tensors)
        module.load_state_dict({key: _restored(value) for key, value in tensors.items()}, strict=True)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[-1].strip()
        raise ModelError(
            f"{path}: does not fit this version's {header['network']} ({reason}); "
            f"it was made by palsy {header['version']}, get matching weights"
        ) from error
    return module.float().eval()


class _WithoutDraws(TorchFunctionMode):
    """Networks that are built within draw no random values: a file's take their place.

    On the ``meta`` device, which has no values, drawing some would load half of PyTorch first.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call ``func``, unless it fills a tensor at random."""
        kwargs = kwargs or {}
        if func in _DRAWS:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


#: What networks draw their first values with.
_DRAWS = frozenset({Tensor.normal_, Tensor.uniform_, nn.init.kaiming_uniform_, nn.init.normal_, nn.init.uniform_})


def _moderate(value: Any) -> Any:
    """Arguments as they are; raises ValueError where one is no such thing or asks for a network without end."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ()
    if len(parts) > _MOST_PARTS or (isinstance(value, int | float) and abs(value) > _LARGEST_ARGUMENT):
        raise ValueError("an argument is beyond all measure")
    for each in parts:
        _moderate(each)
    return value


def _require_fit(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Raise ValueError unless the tensors are those of the network: names, shapes, whole numbers or real ones."""
    wanted = module.state_dict()
    if odd := sorted(wanted.keys() ^ tensors.keys()):
        raise ValueError(f"{odd[0]} is {'missing' if odd[0] in wanted else 'left over'}")
    for key, tensor in wanted.items():
        found = tensors[key]
        if found.shape != tensor.shape or found.is_floating_point() != tensor.is_floating_point():
            there, own = (f"{str(each.dtype).removeprefix('torch.')} {list(each.shape)}" for each in (found, tensor))
            raise ValueError(f"size mismatch for {key}: {there}, the network has {own}")


def _restored(value: Tensor) -> Tensor:
    return value.float() if value.is_floating_point() else value


def _config(path: Path, header: Mapping[str, str]) -> dict[str, Any]:
    try:
        config = parse_json(header["config"])
    except Unreadable as error:
        raise ModelError(f"{path}: its header cannot be read ({error}); get the file again") from error
    if not isinstance(config, dict):
        raise ModelError(f"{path}: its header names no arguments of a network; get the file again")
    return {key: _as_tuple(value) for key, value in config.items()}


def _as_tuple(value: Any) -> Any:
    """JSON knows no tuples; the networks' arguments are tuples throughout."""
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def _find_entry(name: str, directory: Path) -> ModelEntry:
    entries = read_manifest(directory)
    for entry in entries:
        if entry.name == name:
            return entry
    hint = did_you_mean(name, (entry.name for entry in entries)) or "; `palsy models list` shows what is there"
    raise ModelError(f"{directory / MANIFEST}: no model named {name!r}{hint}")


def _check_file(entry: ModelEntry, directory: Path) -> Path:
    """The entry's file; raises ``ModelError`` unless it is there with the manifest's content."""
    path = directory / entry.file
    if not path.is_file():
        raise ModelError(f"{path}: the weights of {entry.name} are missing; get the file again")
    if (size := path.stat().st_size) != entry.bytes:
        raise ModelError(f"{path}: has {size} bytes, manifest says {entry.bytes}; get the file again")
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error.strerror or error}); get the file again") from error
    if digest != entry.sha256:
        raise ModelError(f"{path}: SHA-256 differs from the manifest's; the file is damaged, get it again")
    return path


def _read_header(path: Path) -> dict[str, str]:
    """What ``save_network`` wrote beside the weights; raises ``ModelError``."""
    try:
        return _complete(path, read_metadata(path))
    except Unreadable as error:
        raise ModelError(f"{path}: cannot be read as safetensors ({error}); get the file again") from error


def _read_file(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Header and tensors; raises ``ModelError``."""
    try:
        header, tensors = read_tensors(path)
    except Unreadable as error:
        raise ModelError(f"{path}: cannot be read as safetensors ({error}); get the file again") from error
    return _complete(path, header), tensors


def _complete(path: Path, header: dict[str, str]) -> dict[str, str]:
    """The header, if it has all that is needed; raises ``ModelError``."""
    missing = [key for key in _REQUIRED_HEADER if key not in header]
    if missing:
        raise ModelError(f"{path}: header lacks {missing[0]!r}; it was not written by palsy, get another")
    return header


def list_models(directory: Path, *, check: bool = False) -> list[ModelStatus]:
    """What a folder holds, and which networks of the registry it lacks.

    Args:
        directory: the folder of weights.
        check: read and check every file as ``load_network`` does, not only whether it is there.

    Raises:
        ModelError: no folder or no readable manifest.
    """
    entries = read_manifest(directory)
    found = [_status(entry, directory, check=check) for entry in entries]
    absent = [name for name in NETWORKS if name not in {entry.name for entry in entries}]
    return found + [
        ModelStatus(name, name, "", "", 0, "", "", present=False, ok=False, problem=f"not in {MANIFEST}")
        for name in absent
    ]


def verify(directory: Path) -> list[ModelStatus]:
    """``list_models`` with every file read: digest, header and fit checked, and the DVPM against its OVPM."""
    return list_models(directory, check=True)


def _status(entry: ModelEntry, directory: Path, *, check: bool) -> ModelStatus:
    present = (directory / entry.file).is_file()
    problem = None if present else "file is missing"
    if check and present:
        try:
            _check_pair(load_network(entry.name, directory), read_manifest(directory), directory)
        except ModelError as error:
            problem = str(error)
    return ModelStatus(
        name=entry.name,
        network=entry.network,
        size=entry.size,
        file=entry.file,
        bytes=entry.bytes,
        sha256=entry.sha256,
        trained_on=entry.trained_on,
        present=present,
        ok=False if problem else (True if check else None),
        problem=problem,
    )


def _check_pair(loaded: LoadedNetwork, entries: list[ModelEntry], directory: Path) -> None:
    """A DVPM reads one OVPM's maps and is meaningless on another's; raises ``ModelError``."""
    if loaded.metadata["network"] != "dvpm":
        return
    ovpm = {entry.name: entry.sha256 for entry in entries}.get("ovpm")
    if ovpm is None or loaded.metadata.get(OVPM_KEY) != ovpm:
        raise ModelError(
            f"{directory}: {loaded.card.name} was trained on another ovpm than the one beside it; use a matching pair"
        )


class ModelSet:
    """The models of one folder, each loaded when first asked for and kept.

    Args:
        directory: a folder of weights, see ``find_models_dir``.
        device: where the networks go, a PyTorch device name.
    """

    def __init__(self, directory: Path, *, device: str = "cpu") -> None:
        self.directory, self.device = Path(directory), device
        self._loaded: dict[str, LoadedNetwork] = {}

    @staticmethod
    def of(execution: Execution) -> ModelSet:
        """The models of a run, on its device; raises ``ModelError`` for no folder, ``UsageError`` for no device."""
        return ModelSet(find_models_dir(execution.models_dir)[0], device=choose_device(execution.device))

    def get(self, name: str) -> LoadedNetwork:
        """One model; raises ``ModelError`` as ``load_network`` does, or for a DVPM beside a foreign OVPM."""
        if name not in self._loaded:
            loaded = load_network(name, self.directory)
            _check_pair(loaded, read_manifest(self.directory), self.directory)
            make_ready(loaded.module, self.device)
            self._loaded[name] = loaded
        return self._loaded[name]

    def figure(self, name: str, metric: str) -> float | None:
        """A validation figure of one model as its manifest entry states it, ``None`` when it does not."""
        value = _find_entry(name, self.directory).metrics.get(metric)
        return float(value) if isinstance(value, (int, float)) else None

    def cards(self) -> dict[str, ModelCard]:
        """The cards of the models loaded so far, by name."""
        return {name: self._loaded[name].card for name in sorted(self._loaded)}
