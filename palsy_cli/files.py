"""Files that appear whole or not at all, and what is in a file, in one number."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from palsy_cli.errors import UsageError


def atomic_write(path: Path, content: str | bytes, *, private: bool) -> Path:
    """Write ``content`` to ``path`` through a temporary file in the same folder, then rename it into place.

    Text is UTF-8 and its newlines stay as they are, so the bytes are the same on every system.

    Args:
        path: the file; its folder is made when missing.
        content: text or bytes.
        private: readable by the owner only (mode 0600), as befits what concerns the health of a person; otherwise by
            everybody (0644): weights and manifests installed for others, training runs, the truth of made-up patients.

    Returns:
        ``path``.

    Raises:
        UsageError: the folder or the file cannot be written.
    """
    payload = content.encode("utf-8") if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(payload)
        temporary.chmod(0o600 if private else 0o644)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path}: cannot be written ({reason}); choose another folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex, read in pieces; raises OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
