"""Safetensors files, read strictly: what is none, a pickle or an archive among them, is refused and nothing is run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from palsy_cli.documents import Unreadable, parse_json, require_file

if TYPE_CHECKING:
    from torch import Tensor

#: Bytes of a header. Ours have some hundred thousand, the format allows a hundred million.
MOST_HEADER = 16 << 20
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def read_metadata(path: Path) -> dict[str, str]:
    """The free texts of a file's header, by name.

    The header is checked here, not left to the library: a name that stands twice in it would be read as the last.

    Raises:
        Unreadable: it is no safetensors file.
    """
    try:
        require_file(path)
        with path.open("rb") as file:
            start = file.read(8)
            if start.startswith(_PICKLES):
                raise Unreadable(
                    "a pickle or archive, as torch.save writes it; such files may run code and are refused"
                )
            length = int.from_bytes(start, "little")
            if len(start) < 8 or not 2 <= length <= MOST_HEADER:
                raise Unreadable("no header")
            header = parse_json(file.read(length).decode("utf-8"))
    except Unreadable:
        raise
    except (OSError, ValueError) as error:
        raise Unreadable(error) from error
    texts = header.get("__metadata__", {}) if isinstance(header, dict) else None
    if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
        raise Unreadable("its header is none of safetensors")
    return texts


def read_tensors(path: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    """The free texts of a file's header and all its tensors, by name, on the CPU; raises Unreadable."""
    texts = read_metadata(path)
    try:
        with safe_open(path, framework="pt") as file:
            names = list(file.keys())
            return texts, {name: file.get_tensor(name) for name in names}
    except (ArithmeticError, AttributeError, LookupError, MemoryError, OSError, RuntimeError, SafetensorError,
            TypeError, ValueError) as error:  # fmt: skip
        raise Unreadable(error) from error
