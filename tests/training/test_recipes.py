"""Recipes: the published values, the schedules' shape, TOML there and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from palsy_cli.errors import UsageError
from palsy_cli.training.recipes import RECIPES, Recipe, get_recipe, rate_factor, read_recipe, recipe_toml

STAGES = ("hb_pretraining", "hb_segmentation")
NETWORKS = {"retinaface", "landmark_fcn", "ovpm", "dvpm", "algrnet", "algrnet_au", "hb_cascade", *STAGES}


def test_every_network_has_every_size() -> None:
    ours = {("landmark_finetune", size) for size in ("compact", "tiny")}
    assert set(RECIPES) == {(name, size) for name in NETWORKS for size in ("paper", "compact", "tiny")} | ours
    assert all(key == (recipe.network, recipe.size) for key, recipe in RECIPES.items())


@pytest.mark.parametrize(
    ("network", "optimiser", "rate", "batch"),
    [
        ("landmark_fcn", "adam", 1e-4, 32),
        ("ovpm", "adam", 1e-4, 64),
        ("dvpm", "adam", 1e-4, 16),
        ("algrnet", "sgd", 1e-2, 8),
        ("algrnet_au", "sgd", 1e-2, 8),
        ("hb_pretraining", "adam", 2e-4, 16),
        ("hb_segmentation", "adam", 2e-4, 16),
        ("hb_cascade", "adam", 2e-4, 16),
    ],
)
def test_published_values(network: str, optimiser: str, rate: float, batch: int) -> None:
    recipe = get_recipe(network, "paper")
    assert (recipe.optimiser, recipe.learning_rate, recipe.batch_size) == (optimiser, rate, batch)
    assert (recipe.precision, recipe.clip_norm, recipe.accumulate) == ("fp32", 0.0, 1)
    assert recipe.weight_decay == (5e-4 if optimiser == "sgd" else 0.0)


def test_published_lengths_and_folds() -> None:
    """Stage A of CEN: 30 epochs on faces at large, 20 on patients; its split is 2/3, 1/6, 1/6 by person."""
    lengths = {
        "landmark_fcn": (100, 15, 10),
        "ovpm": (60, 10, 3),
        "dvpm": (60, 10, 3),
        "algrnet": (20, 0, 3),
        "algrnet_au": (20, 0, 3),
        "hb_pretraining": (30, 0, 0),
        "hb_segmentation": (20, 0, 6),
        "hb_cascade": (40, 0, 6),
        "retinaface": (80, 0, 0),
    }
    found = {r.network: (r.epochs, r.patience, r.folds) for r in RECIPES.values() if r.size == "paper"}
    assert found == lengths


def factor(network: str, epoch: float) -> float:
    recipe = get_recipe(network, "paper")
    return rate_factor(recipe, epoch=epoch, progress=epoch / recipe.epochs)


def test_published_schedules() -> None:
    assert [factor("landmark_fcn", epoch) for epoch in (0, 29.9, 30, 60)] == pytest.approx([1, 1, 0.1, 0.01])
    assert [factor("algrnet", epoch) for epoch in (0, 2, 4, 19.9)] == pytest.approx([1, 0.5, 0.25, 0.5**9])
    assert [factor("ovpm", epoch) for epoch in (0, 1, 10.5)] == pytest.approx([1, 0.98, 0.98**10])
    assert [factor("algrnet_au", epoch) for epoch in (0, 2, 4, 19.9)] == pytest.approx([1, 0.5, 0.25, 0.5**9])
    assert [factor("hb_cascade", epoch) for epoch in (0, 20, 40)] == pytest.approx([1, 0.5**0.9, 0])
    assert [factor("hb_pretraining", epoch) for epoch in (0, 15, 30)] == pytest.approx([1, 0.5**0.9, 0])
    assert [factor("hb_segmentation", epoch) for epoch in (0, 10, 20)] == pytest.approx([1, 0.5**0.9, 0])
    assert factor("retinaface", 0) == pytest.approx(0.1) and factor("retinaface", 5) == pytest.approx(1)


def test_one_cycle_rises_once_and_ends_near_zero() -> None:
    recipe = get_recipe("ovpm")
    values = np.array([rate_factor(recipe, epoch=0, progress=p) for p in np.linspace(0, 1, 201)])
    peak = int(values.argmax())
    assert values.max() == pytest.approx(1) and values[-1] < 0.01
    assert (np.diff(values[: peak + 1]) > 0).all() and (np.diff(values[peak:]) < 0).all()


def test_toml_there_and_back(tmp_path: Path) -> None:
    for recipe in RECIPES.values():
        path = tmp_path / "recipe.toml"
        path.write_text(recipe_toml(recipe))
        assert read_recipe(path) == recipe


def test_unknown_recipe_and_damaged_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="landmark_fcn"):
        get_recipe("landmarks")
    (tmp_path / "recipe.toml").write_text('network = "ovpm"\nsize = "tiny"\nsource = ""\nspeed = 3\n')
    with pytest.raises(UsageError, match="speed"):
        read_recipe(tmp_path / "recipe.toml")


def test_recipes_cannot_be_changed_in_place() -> None:
    with pytest.raises(AttributeError):
        get_recipe("ovpm").epochs = 3  # type: ignore[misc]
    assert isinstance(get_recipe("ovpm", epochs=3), Recipe) and get_recipe("ovpm").epochs != 3
