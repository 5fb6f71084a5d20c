"""Model cards: complete, and true of the shipped files."""

from __future__ import annotations

from pathlib import Path

import pytest

from palsy_cli.networks.manifest_file import ModelEntry
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.training.cards import write_card


@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_says_what_it_is_for_and_where_it_ends(name: str, tmp_path: Path) -> None:
    entry = ModelEntry(
        name=name,
        network=name,
        size="tiny",
        file=f"{name}.safetensors",
        sha256="ab" * 32,
        bytes=12,
        trained_on="simulated palsy on nobody",
        version="9.9",
        recipe="by hand",
        metrics={"error_percent": 1.25},
    )
    text = write_card(tmp_path, entry).read_text(encoding="utf-8")
    assert (tmp_path / "cards" / f"{name}.md").is_file()
    for part in ("Not a medical device", "simulated palsy on nobody", "ab" * 32, "| error_percent | 1.25 |", "by hand"):
        assert part in text


def test_the_shipped_cards_speak_of_the_shipped_files() -> None:
    from palsy_cli.networks.manifest_file import read_manifest

    models = Path(__file__).parents[2] / "models"
    entries = read_manifest(models)
    assert {entry.name for entry in entries} == set(NETWORKS)
    for entry in entries:
        assert entry.sha256 in (models / "cards" / f"{entry.name}.md").read_text(encoding="utf-8")
