"""Where a command's data goes: stdout, or whole files."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from palsy_cli import console
from palsy_cli.documents import MOST_BYTES
from palsy_cli.errors import InputError
from palsy_cli.files import atomic_write

if TYPE_CHECKING:
    from palsy_cli.records import ByteImage, Keyframes


def emit(text: str, out: Path | None, *, name: str) -> None:
    """Write ``text`` to stdout, or to ``out``: a file when it has a suffix, else a folder that gets ``name``."""
    if out is None:
        console.data(text)
        return
    path = out if out.suffix and not out.is_dir() else out / name
    atomic_write(path, text, private=True)
    console.say(f"wrote {path}")


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """``path`` itself, or for ``-`` a file that holds stdin while the block runs; raises InputError."""
    if str(path) != "-":
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "stdin.csv"
        content = sys.stdin.buffer.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise InputError(f"stdin: longer than {MOST_BYTES >> 20} MiB; give a table by its name")
        copy.write_bytes(content)
        yield copy


def keyframes_csv(keyframes: Keyframes) -> str:
    """One row per key frame: its number, its time in seconds, and how sure the face is (0..1)."""
    from palsy_cli.report.csv_report import decimal, to_csv

    rows = zip(keyframes.frames, keyframes.times_s, keyframes.confidence, strict=True)
    cells = [(str(int(frame)), f"{time:.6f}", decimal(sure, 4)) for frame, time, sure in rows]
    return to_csv(("frame", "time_s", "confidence"), cells)


def write_keyframe_images(folder: Path, keyframes: Keyframes) -> None:
    """``frame_000123_aligned.png`` (512x512), ``_left.png`` and ``_right.png`` (512x256, midline at column 0)."""
    from palsy_cli.stages.halves import split_halves

    halves = split_halves(keyframes)
    for i, frame in enumerate(keyframes.frames):
        for kind, picture in (("aligned", keyframes.aligned[i]), ("left", halves.left[i]), ("right", halves.right[i])):
            atomic_write(folder / f"frame_{int(frame):06d}_{kind}.png", png(picture), private=True)


def png(image: ByteImage) -> bytes:
    """An RGB picture (H, W, 3) as PNG."""
    import cv2

    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()
