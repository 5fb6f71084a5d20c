"""Files that appear whole or not at all, and what is in a file, in one number."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from palsy_cli.documents import require_file
from palsy_cli.errors import UsageError

#: What a result consists of, and the table of a whole cohort; whoever writes or reads them takes the names from here.
ASSESSMENT_JSON, REPORT_HTML, REPORT_PDF = "assessment.json", "report.html", "report.pdf"
ACTION_UNITS_CSV, LANDMARKS_CSV = "action_units.csv", "landmarks.csv"
SUMMARY_CSV = "summary.csv"


@contextmanager
def atomic_file(path: Path, *, private: bool) -> Iterator[BinaryIO]:
    """A stream of bytes whose content appears at ``path`` when the block ends, whole and on the disk, or not at all.

    The content goes through a temporary file in the same folder and is renamed into place. What lay there before stays
    until then, and for good when the block raises; of a symbolic link the link is replaced, not what it leads to.

    Args:
        path: the file; its folder is made when missing.
        private: readable by the owner only (mode 0600), as befits what concerns the health of a person; otherwise by
            everybody (0644): weights and manifests installed for others, training runs, the truth of made-up patients.

    Raises:
        UsageError: the folder or the file cannot be written; an ``OSError`` that leaves the block counts as that.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o600 if private else 0o644)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{path}: cannot be written ({reason}); make room or choose another folder") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def atomic_write(path: Path, content: str | bytes, *, private: bool) -> Path:
    """Write ``content`` to ``path``, whole or not at all; see ``atomic_file``, which says what may go wrong.

    Text is UTF-8 and its newlines stay as they are, so the bytes are the same on every system. Returns ``path``.
    """
    with atomic_file(path, private=private) as file:
        file.write(content.encode("utf-8") if isinstance(content, str) else content)
    return path


def below(folder: Path, *names: str) -> Path:
    """``folder/name/...``: a place to write to or to clear that lies in ``folder`` and nowhere else.

    ``folder`` itself may be a link: whoever names it knows where it leads. A link below it was put there by somebody.

    Raises:
        UsageError: a name is none (empty, ``..``, with a separator), or one of the places is a symbolic link.
    """
    place = folder
    for name in names:
        if (
            name in ("", ".", "..")
            or len(name.encode("utf-8", "surrogatepass")) > 255
            or not set(name).isdisjoint("/\\\0")
        ):
            raise UsageError(f"{folder}: {name!r} is no name of a file in it; choose another")
        place = place / name
        if place.is_symlink():
            raise UsageError(f"{place}: is a link, which may lead anywhere; remove it, or choose another folder")
    return place


def open_below(folder: Path, name: str, flags: int) -> int:
    """A descriptor of ``folder/name``, made when missing, the owner's alone; never of what a link there leads to.

    Raises:
        UsageError: as ``below``.
        OSError: it cannot be opened.
    """
    return os.open(below(folder, name), flags | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hex, read in pieces; raises OSError, for what is no file as well."""
    require_file(path)
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
