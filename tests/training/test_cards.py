"""Model cards: complete, true of the shipped files, and silent where nobody knows."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from palsy_cli.errors import InputError
from palsy_cli.networks.manifest_file import ModelEntry, read_manifest
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.training.cards import TRAINED_ON_PALSY, card_text, write_card
from palsy_cli.training.evaluated import read_evaluation
from palsy_cli.training.tripod import ITEMS, TO_FILL_IN, checklist

ROOT = Path(__file__).parents[2]
SIMULATED = ROOT / "docs" / "benchmarks" / "simulated" / "simulated.json"
#: A figure of each group that an evaluation may hold.
GROUPS = ("detection", "landmarks", "action units", "difference ensemble", "weak side", "severity", "House-Brackmann")


def entry_of(name: str, **changes: Any) -> ModelEntry:
    entry = ModelEntry(
        name=name,
        network=name,
        size="tiny",
        file=f"{name}.safetensors",
        sha256="ab" * 32,
        bytes=12,
        trained_on=TRAINED_ON_PALSY,
        version="9.9",
        recipe="by hand",
        metrics={"error_percent": 1.25},
    )
    return dataclasses.replace(entry, **changes)


def evaluation_file(folder: Path, *, sha256: str = "ab" * 6, **changes: Any) -> Path:
    figures = [
        {"group": group, "name": f"of {group}", "value": 0.5, "interval": [0.25, 0.75], "note": "a|b"}
        for group in GROUPS
    ]
    figures.append({"group": "landmarks", "name": "gone", "value": None, "interval": None, "note": ""})
    data = {"weights": dict.fromkeys(NETWORKS, sha256), "figures": figures, "version": "9.9", "patients": "3 of 4"}
    path = folder / "simulated.json"
    path.write_text(json.dumps(data | changes), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", NETWORKS)
def test_a_card_says_what_it_is_for_and_where_it_ends(name: str, tmp_path: Path) -> None:
    text = write_card(tmp_path, entry_of(name)).read_text(encoding="utf-8")
    assert (tmp_path / "cards" / f"{name}.md").is_file()
    for part in (
        "not a medical device",
        TRAINED_ON_PALSY,
        "ab" * 32,
        "| error_percent | 1.25 |",
        "by hand",
        "- **Hardware and minutes of training:** not recorded.",
        "Figures with 95 % intervals: not available: no evaluation was given",
        "Not available: sex, age, skin tone",
    ):
        assert part in text
    for title in ("Intended use", "Training data", "Figures", "Subgroups", "Limits and known errata", "TRIPOD+AI"):
        assert f"\n## {title}\n" in text


def test_what_the_manifest_knows_of_the_machine_is_told() -> None:
    text = card_text(entry_of("ovpm", metrics={"pcc": 0.9, "minutes": 172, "hardware": "two cores"}))
    assert "- **Hardware and minutes of training:** two cores, 172 minutes." in text
    assert "| pcc | 0.9 |" in text and "| minutes |" not in text


def test_figures_of_an_evaluation_stand_with_their_intervals(tmp_path: Path) -> None:
    evaluation = read_evaluation(evaluation_file(tmp_path))
    text = card_text(entry_of("landmark_fcn"), evaluation=evaluation)
    assert "| landmarks: of landmarks | 0.5 | 0.25 to 0.75 | a\\|b |" in text
    assert "| landmarks: gone | not measured |  |  |" in text
    assert "of severity" not in text and "patients: 3 of 4" in text
    assert "of severity" in card_text(entry_of("hb_cascade"), evaluation=evaluation)


def test_figures_of_other_weights_are_not_shown(tmp_path: Path) -> None:
    evaluation = read_evaluation(evaluation_file(tmp_path, sha256="cd" * 6))
    text = card_text(entry_of("landmark_fcn"), evaluation=evaluation)
    assert "not available: the evaluation that was given is of other weights." in text and "0.25 to 0.75" not in text


def test_people_who_exist_are_never_denied() -> None:
    text = card_text(entry_of("ovpm", trained_on="DISFA+ and simulated palsy"))
    assert "DISFA+ and simulated palsy" in text and "weights may inherit the limits" in text
    for claim in ("No patient", "CC0", "nobody took part", "generated people"):
        assert claim not in text


@pytest.mark.parametrize("name", NETWORKS)
def test_errata_on_a_card_are_those_of_its_paper(name: str) -> None:
    paper = {"landmark_fcn": "AFLFP", "ovpm": "DEM", "dvpm": "DEM", "algrnet": "ALGRNet", "hb_cascade": "CEN"}
    page = (ROOT / "docs" / "errata.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (E\d+) \| (\w+) \|", page, re.MULTILINE))
    named = re.findall(r"\bE\d+\b", card_text(entry_of(name)).partition("**Known errata:**")[2].partition("\n")[0])
    assert bool(named) is (name in paper)
    assert all(listed[each] == paper[name] for each in named)


def test_the_shipped_cards_are_current() -> None:
    models = ROOT / "models"
    entries = read_manifest(models)
    assert {entry.name for entry in entries} == set(NETWORKS)
    for entry in entries:
        made = card_text(entry, evaluation=read_evaluation(SIMULATED))
        card = models / "cards" / f"{entry.name}.md"
        assert card.read_text(encoding="utf-8") == made, f"{card.name}: run `make docs`"


def test_the_checklist_has_the_items_of_the_statement() -> None:
    numbers = [item.number for item in ITEMS]
    assert len(numbers) == len(set(numbers)) == 52
    assert list(dict.fromkeys(int(re.sub(r"\D", "", number)) for number in numbers)) == list(range(1, 28))
    assert {item.applies for item in ITEMS} == {"D", "E", "D;E"}
    table = checklist({"15": "here"})
    assert table.count(TO_FILL_IN) == 51 and table.count("| here |") == 1
    with pytest.raises(KeyError, match="no item 28"):
        checklist({"28": "there"})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"weights": {}, "figures": [{}]}', '{"weights": [], "figures": []}'])
def test_a_file_that_is_no_evaluation_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "figures.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=r"figures.json: not what `palsy evaluate simulated -o DIR` writes"):
        read_evaluation(path)
