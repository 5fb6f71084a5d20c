"""Where a film may be written: told before an assessment begins, which takes minutes."""

from __future__ import annotations

import os
from pathlib import Path

from palsy_cli.errors import UsageError


def require_place(path: Path, recording: Path) -> None:
    """Raise UsageError unless the film of ``recording`` can be written to ``path``.

    A folder of pictures has no time, so there is no film of it.
    """
    if path.suffix.lower() != ".mp4":
        raise UsageError(f"{path}: the film is an mp4; end the name in .mp4")
    try:
        _require_free(path, recording)
    except (OSError, ValueError) as error:
        raise UsageError(f"{str(path)!r}: cannot be written ({error}); choose another name") from error


def _require_free(path: Path, recording: Path) -> None:
    if recording.is_dir():
        raise UsageError(f"{recording}: is a folder of pictures, which has no time; --overlay needs a video")
    if path.is_dir():
        raise UsageError(f"{path}: is a folder; name a file in it, as {path / 'film.mp4'}")
    if path.exists() and recording.exists() and path.samefile(recording):
        raise UsageError(f"{path}: is the recording itself; choose another name for the film")
    folder = next(each for each in path.absolute().parents if each.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: cannot be written ({folder} is no folder that you may write to); choose another")
