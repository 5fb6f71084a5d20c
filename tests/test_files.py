"""Files that appear whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from palsy_cli.errors import UsageError
from palsy_cli.files import atomic_file, atomic_write, sha256_of


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.skipif(os.name == "nt", reason="no POSIX modes")
@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_who_may_read(tmp_path: Path, mask: int) -> None:
    """Whatever the user's mask: results of patients only the owner, all else everybody."""
    before = os.umask(mask)
    try:
        assert mode(atomic_write(tmp_path / "result.json", "x", private=True)) == 0o600
        assert mode(atomic_write(tmp_path / "weights", b"x", private=False)) == 0o644
        assert mode(atomic_write(tmp_path / "weights", b"y", private=True)) == 0o600, "a rewrite counts anew"
    finally:
        os.umask(before)


def test_folders_are_made_and_nothing_else_stays(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "a" / "b" / "c.txt", "ä\r\n", private=True)
    assert path.read_bytes() == "ä\r\n".encode()
    assert [each.name for each in path.parent.iterdir()] == ["c.txt"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError, match="cannot be written") as caught:
        atomic_write(tmp_path / "file" / "x", "y", private=True)
    assert "\n" not in str(caught.value)


def test_digest(tmp_path: Path) -> None:
    content = os.urandom((1 << 20) + 5)
    assert sha256_of(atomic_write(tmp_path / "x", content, private=False)) == hashlib.sha256(content).hexdigest()


def test_a_stream_appears_when_its_block_ends(tmp_path: Path) -> None:
    path = atomic_write(tmp_path / "table", b"old", private=True)
    with atomic_file(path, private=True) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new" and [each.name for each in tmp_path.iterdir()] == ["table"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("x"), OSError(28, "No space left on device")])
def test_a_stream_that_breaks_off_changes_nothing(tmp_path: Path, failure: BaseException) -> None:
    path = atomic_write(tmp_path / "table", b"old", private=True)
    expected = UsageError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(expected), atomic_file(path, private=True) as file:
        file.write(b"new")
        raise failure
    assert path.read_bytes() == b"old" and [each.name for each in tmp_path.iterdir()] == ["table"]
