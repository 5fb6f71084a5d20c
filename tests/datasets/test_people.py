"""Who is learned from, and who never is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from palsy_cli.datasets import people
from palsy_cli.datasets.people import (
    HELD_OUT_BELOW,
    covered_eyes,
    is_held_out,
    is_held_out_drawing,
    read_photos,
    read_picture,
    require_data,
)
from palsy_cli.errors import DatasetError
from palsy_cli.files import sha256_of


def test_photos_and_what_they_are_fit_for(data: Path) -> None:
    photos = {photo.path.name: photo for photo in read_photos(data)}
    assert [name for name, photo in photos.items() if photo.calm] == ["calm_a.png", "calm_b.png", "calm_c.png"]
    assert not photos["turned.png"].frontal and photos["smiling.png"].frontal
    assert {name for name, photo in photos.items() if photo.held_out} == {"calm_c.png", "turned.png"}
    assert photos["calm_a.png"].points.shape == (468, 2)
    assert photos["calm_a.png"].read().shape == (200, 200, 3)


def test_faces_with_covered_eyes_are_not_moved(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    covered = sha256_of(data / "photos" / "calm_b.png")
    monkeypatch.setattr(people, "covered_eyes", lambda: frozenset([covered]))
    assert [photo.path.name for photo in read_photos(data) if photo.calm] == ["calm_a.png", "calm_c.png"]


def test_the_index_may_mark_covered_eyes(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    index = tmp_path / "data" / "photos" / "index.csv"
    header, *rows = index.read_text().splitlines()
    marked = [f"{header},covered", *(f"{row},{int(row.startswith('calm_a.png'))}" for row in rows)]
    index.write_text("\n".join(marked) + "\n")
    assert [photo.path.name for photo in read_photos(tmp_path / "data") if photo.calm] == ["calm_b.png", "calm_c.png"]


def test_covered_eyes_are_named_by_digest() -> None:
    assert covered_eyes() and all(len(digest) == 64 and int(digest, 16) >= 0 for digest in covered_eyes())


def test_split_follows_the_content(tmp_path: Path) -> None:
    """The same picture is on the same side of the split whatever it is called, and about one in ten is held out."""
    held_out = []
    for number in range(150):
        path = tmp_path / "photo"
        path.write_bytes(str(number).encode())
        held_out.append(is_held_out(sha256_of(path)))
        other = tmp_path / "renamed"
        shutil.copy(path, other)
        assert is_held_out(sha256_of(other)) == held_out[-1]
    assert abs(np.mean(held_out) - HELD_OUT_BELOW / 256) < 0.06
    assert np.mean([is_held_out_drawing(seed) for seed in range(400)]) == 0.1


def test_pictures_are_rgb(data: Path) -> None:
    red, _, blue = read_picture(data / "photos/calm_a.png")[110, 100].astype(int)
    assert red > blue


@pytest.mark.parametrize("part", ["photos/index.csv", "photos/landmarks.npz", "rig/au_rig.npz", "backgrounds"])
def test_incomplete_folder_is_named(data: Path, tmp_path: Path, part: str) -> None:
    copy = Path(shutil.copytree(data, tmp_path / "data"))
    target = copy / part
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    with pytest.raises(DatasetError, match=part):
        require_data(copy)


def test_no_folder_and_no_picture(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="PALSY_DATA"):
        require_data(None)
    (tmp_path / "x.png").write_text("no picture")
    with pytest.raises(DatasetError, match="not a readable picture"):
        read_picture(tmp_path / "x.png")
