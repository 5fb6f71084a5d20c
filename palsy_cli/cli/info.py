"""``palsy info``: versions, devices and where the models are."""

from __future__ import annotations

import json
from typing import Any

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.errors import ModelError


def info(models: options.Models = None, as_json: options.AsJson = False) -> None:
    """Show versions, devices and the models' place."""
    facts = gather(options.resolve(profile=None, config=None, overrides=None, device="auto", models=models))
    if as_json:
        console.data(json.dumps(facts, indent=2))
        return
    lines = [f"{name:<32} {value if value is not None else '-'}" for name, value in flatten(facts)]
    console.data("\n".join(lines))


def gather(chosen: options.Chosen) -> dict[str, Any]:
    """All facts, grouped."""
    import torch

    from palsy_cli import manifest

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return {
        **manifest.environment(),
        "packages": manifest.package_versions(),
        "devices": devices,
        "models": models_folder(chosen),
    }


def models_folder(chosen: options.Chosen) -> str:
    """The folder of weights and what chose it, or why there is none."""
    from palsy_cli.networks import weights

    try:
        folder, why = weights.find_models_dir(chosen.execution.models_dir)
    except ModelError as error:
        return f"none ({error})"
    return f"{folder} ({why})"


def flatten(facts: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested facts as (name, value) pairs."""
    pairs: list[tuple[str, Any]] = []
    for name, value in facts.items():
        if isinstance(value, dict):
            pairs += flatten(value, f"{prefix}{name} ")
        else:
            pairs.append((prefix + name, ", ".join(value) if isinstance(value, list) else value))
    return pairs
