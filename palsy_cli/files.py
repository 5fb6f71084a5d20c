"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from palsy_cli.errors import UsageError


def atomic_write(path: Path, content: str | bytes) -> Path:
    """Write ``content`` to ``path`` through a temporary file in the same folder, then rename it into place.

    Text is UTF-8 and its newlines stay as they are, so the bytes are the same on every system. The file is readable by
    its owner only (mode 0600): what this package writes concerns the health of a person.

    Args:
        path: the file; its folder is made when missing.
        content: text or bytes.

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
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path}: cannot be written ({reason}); choose another folder with -o") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return path
