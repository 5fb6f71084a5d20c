"""Values from text: the right type or a clear refusal."""

from __future__ import annotations

import pytest
import torch

from palsy_cli.config import parse_override
from palsy_cli.errors import ConfigError
from palsy_cli.networks.registry import NETWORKS, build_network
from palsy_cli.training.overrides import apply_recipe_settings, network_arguments
from palsy_cli.training.recipes import get_recipe


def parsed(*texts: str) -> dict[str, object]:
    return dict(parse_override(text) for text in texts)


def test_values_take_the_place_of_the_published_and_are_named() -> None:
    paper = get_recipe("landmark_fcn", "paper")
    texts = ("batch_size=8", "learning_rate=1", "milestones=[3, 5]", "schedule=poly", "precision=fp16", "epochs=100")
    recipe = apply_recipe_settings(paper, parsed(*texts))
    assert (recipe.batch_size, recipe.learning_rate, recipe.milestones) == (8, 1.0, (3, 5))
    assert (recipe.schedule, recipe.precision, recipe.network) == ("poly", "fp16", "landmark_fcn")
    assert isinstance(recipe.learning_rate, float)
    assert recipe.source == paper.source + "; changed: batch_size, learning_rate, milestones, schedule, precision"
    assert apply_recipe_settings(paper, {}) == apply_recipe_settings(paper, {"epochs": 100}) == paper


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batchsize=8", "unknown setting 'recipe.batchsize'; did you mean recipe.batch_size?"),
        ("zzz=1", "unknown setting 'recipe.zzz'"),
        ("network=ovpm", "unknown setting 'recipe.network'"),
        ("batch_size=8.5", "recipe.batch_size: expected int, got 8.5"),
        ("batch_size=0", "recipe.batch_size: 0 must be 1 or more"),
        ("learning_rate=-1", "recipe.learning_rate: -1.0 must be a finite number, zero or more"),
        ("precision=half", "recipe.precision: 'half' is not one of auto, bf16, fp16, fp32"),
        ("milestones=3", "recipe.milestones: expected a list, got 3"),
        ('milestones=["a"]', "recipe.milestones: expected int, got 'a'"),
    ],
)
def test_wrong_recipe_values_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        apply_recipe_settings(get_recipe("ovpm"), parsed(text))
    assert str(caught.value).startswith(message)


def test_network_arguments_build_the_network() -> None:
    arguments = network_arguments("ovpm", "tiny", parsed("aus=3", "input_size=[32, 64]", "dropout=0"))
    network = build_network("ovpm", "tiny", **arguments)
    assert network(torch.zeros(1, 3, 32, 64)[[0, 0]]).shape == (2, 3, 6)


def test_parts_of_a_network_keep_their_other_values() -> None:
    arguments = network_arguments("hb_cascade", "tiny", parsed("encoder.reduced=12", "grader.fc=20", "end_to_end=true"))
    assert arguments["encoder"]["reduced"] == 12 and arguments["encoder"]["stem_width"] == 4
    network = build_network("hb_cascade", "tiny", **arguments)
    assert network.end_to_end and network.grader.head[-1].in_features == 20


@pytest.mark.parametrize("name", NETWORKS)
def test_the_arguments_of_every_network_are_known(name: str) -> None:
    with pytest.raises(ConfigError, match=r"unknown setting 'network\.zzzzz'"):
        network_arguments(name, "tiny", {"zzzzz": 1})


@pytest.mark.parametrize(
    ("network", "text", "message"),
    [
        ("ovpm", "fcdim=8", "unknown setting 'network.fcdim'; did you mean network.fc_dim?"),
        ("ovpm", "widths.first=8", "unknown setting 'network.widths.first'"),
        ("dvpm", "fusion=sum", "network.fusion: 'sum' is not one of concat, add"),
        ("ovpm", "input_size=[64]", "network.input_size: expected 2 values, got [64]"),
        ("hb_cascade", "encoder=8", "network.encoder: is described by its own arguments, network.encoder.<name>=..."),
        ("hb_cascade", "encoder.reducde=8", "unknown setting 'network.encoder.reducde'; did you mean"),
    ],
)
def test_wrong_network_arguments_are_refused(network: str, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        network_arguments(network, "tiny", parsed(text))
    assert str(caught.value).startswith(message)
