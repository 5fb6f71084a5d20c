"""What ``--set`` and ``--config`` may change in a training: the recipe, the network, and how a data set is dealt."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from palsy_cli.config import check_type, flatten, parse_override, read_toml
from palsy_cli.datasets.folds import Split
from palsy_cli.errors import ConfigError
from palsy_cli.text import did_you_mean
from palsy_cli.training.overrides import apply_recipe_settings, network_arguments
from palsy_cli.training.recipes import get_recipe


@dataclass(frozen=True)
class DataSettings:
    """How a data set is dealt out."""

    #: Which fold is tested (from 1); 0 trains all folds, one after the other.
    fold: int = 0
    #: Number of folds; 0 takes the published number.
    folds: int = 0
    #: ``subjects`` keeps people apart; ``paper`` is DEM's literal split by frames (with a warning).
    split: Split = "subjects"
    #: Frames of a video that is labelled as a whole, evenly spaced; 0 takes all.
    frames_per_video: int = 32
    #: Folder of AFLW, on which stage A of the cascaded encoder begins; empty leaves that part out.
    pretraining: str = ""


@dataclass(frozen=True)
class TrainSettings:
    """Changes of one training.

    Attributes:
        recipe: values of ``Recipe`` by name (``training.overrides``).
        network: arguments of the network by name.
        data: how a data set is dealt.
    """

    recipe: Mapping[str, object] = field(default_factory=dict)
    network: Mapping[str, object] = field(default_factory=dict)
    data: DataSettings = field(default_factory=DataSettings)


def load_train_settings(
    network: str, size: str, *, config_file: Path | None = None, overrides: Iterable[str] = ()
) -> TrainSettings:
    """Merge a TOML file and ``group.name=value`` texts, later ones winning.

    Args:
        network: whose recipe and arguments are meant.
        size: of the network.
        config_file: with tables ``[recipe]``, ``[network]``, ``[data]``.
        overrides: such as ``recipe.batch_size=8``, ``network.skip_bilstm=false``, ``data.fold=1``.

    Raises:
        ConfigError: unknown key (with the nearest known one), wrong type, unreadable file.
    """
    values = flatten(read_toml(config_file)) if config_file is not None else {}
    values |= dict(parse_override(text) for text in overrides)
    groups: dict[str, dict[str, Any]] = {"recipe": {}, "network": {}, "data": {}}
    for key, value in values.items():
        group, _, name = key.partition(".")
        if group not in groups or not name:
            raise ConfigError(f"unknown setting {key!r} of a training; they begin with recipe., network. or data.")
        groups[group][name] = value
    apply_recipe_settings(get_recipe(network, size), groups["recipe"])
    return TrainSettings(groups["recipe"], network_arguments(network, size, groups["network"]), _data(groups["data"]))


def _data(values: Mapping[str, object]) -> DataSettings:
    kinds = typing.get_type_hints(DataSettings)
    for name in values:
        if name not in kinds:
            raise ConfigError(f"unknown setting 'data.{name}'{did_you_mean(name, kinds, prefix='data.')}")
    checked: dict[str, Any] = {name: check_type(f"data.{name}", value, kinds[name]) for name, value in values.items()}
    return DataSettings(**checked)
