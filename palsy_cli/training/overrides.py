"""Values of a recipe and arguments of a network as a user may change them by name, checked before anything is built."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from palsy_cli.config import check_type
from palsy_cli.errors import ConfigError
from palsy_cli.networks.registry import network_class, network_config
from palsy_cli.text import did_you_mean
from palsy_cli.training.recipes import Recipe

#: What a recipe is, not how it trains.
_FIXED = frozenset({"network", "size", "source"})
#: Nothing can be trained with less.
_AT_LEAST_ONE = frozenset({"batch_size", "accumulate", "epochs"})


def apply_recipe_settings(recipe: Recipe, values: Mapping[str, object]) -> Recipe:
    """The recipe with some values replaced; its source says which differ from it now.

    Args:
        recipe: where to begin.
        values: by name, as ``{"batch_size": 8}``; a list stands for a tuple.

    Raises:
        ConfigError: unknown name (with the nearest known one), wrong type, or out of range.
    """
    kinds = {name: kind for name, kind in typing.get_type_hints(Recipe).items() if name not in _FIXED}
    changes = {}
    for name, value in values.items():
        _require_known(name, kinds, group="recipe")
        changes[name] = _checked(f"recipe.{name}", value, kinds[name])
        if name in _AT_LEAST_ONE and changes[name] < 1:
            raise ConfigError(f"recipe.{name}: {value!r} must be 1 or more")
    changed = [name for name, value in changes.items() if getattr(recipe, name) != value]
    source = f"{recipe.source}; changed: {', '.join(changed)}" if changed else recipe.source
    return dataclasses.replace(recipe, **changes, source=source)


def network_arguments(network: str, size: str, values: Mapping[str, object]) -> dict[str, Any]:
    """What ``build_network`` and ``save_network`` must be told beyond the size, checked by the constructor's types.

    Args:
        network: name in the registry.
        size: one of its sizes.
        values: by name, as ``{"backbone": "resnet50"}``; ``"encoder.reduced"`` is argument ``reduced`` of the part
            that argument ``encoder`` describes.

    Returns:
        Keyword arguments that differ from the size's; a part is given whole.

    Raises:
        ConfigError: unknown name (with the nearest known one) or wrong type.
        ValueError: unknown network or size.
    """
    known = network_config(network, size)
    kinds = _argument_types(network_class(network))
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        part, dot, inner = name.partition(".")
        _require_known(part, kinds, group="network")
        if not dot:
            arguments[name] = _checked(f"network.{name}", value, kinds[name])
            continue
        inner_kinds = _part_types(kinds[part])
        _require_known(inner, inner_kinds, group=f"network.{part}")
        whole = arguments.setdefault(part, dict(known.get(part) or {}))
        whole[inner] = _checked(f"network.{name}", value, inner_kinds[inner])
    return arguments


def _argument_types(cls: type) -> dict[str, Any]:
    """The constructor's arguments and their types."""
    late = {"Mapping": Mapping, "Sequence": Sequence}  # some modules import these for the type checker only
    kinds = typing.get_type_hints(cls.__init__, localns=late)  # type: ignore[misc]
    return {name: kinds[name] for name in inspect.signature(cls).parameters}


def _part_types(kind: Any) -> dict[str, Any]:
    """Arguments of the part that an argument of type ``Part | Mapping | None`` describes; none for another type."""
    parts = [each for each in typing.get_args(kind) if hasattr(each, "forward")]
    return {name: each for part in parts for name, each in _argument_types(part).items()}


def _require_known(name: str, known: Collection[str], *, group: str) -> None:
    if name not in known:
        raise ConfigError(f"unknown setting '{group}.{name}'{did_you_mean(name, known, prefix=f'{group}.')}")


def _checked(key: str, value: object, kind: Any) -> Any:
    """The value in its type, as ``config.check_type`` has it, and tuples of such."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin in (tuple, Sequence):
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{key}: expected a list, got {value!r}")
        if origin is tuple and inner[-1] is not Ellipsis and len(inner) != len(value):
            raise ConfigError(f"{key}: expected {len(inner)} values, got {value!r}")
        return tuple(check_type(key, each, inner[0]) for each in value)
    if origin is not typing.Literal and kind not in (int, float, bool, str):
        raise ConfigError(f"{key}: is described by its own arguments, {key}.<name>=...")
    return check_type(key, value, kind)
