"""One training as asked for: what it learns, from where to where, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from palsy_cli.console import ProgressCallback
from palsy_cli.networks.manifest_file import update_manifest
from palsy_cli.networks.registry import build_network
from palsy_cli.networks.weights import describe, save_network
from palsy_cli.training.cards import TRAINED_ON_PALSY, write_card
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.loop import Task, fit
from palsy_cli.training.overrides import apply_recipe_settings
from palsy_cli.training.parallel import is_main, main_first, wait
from palsy_cli.training.recipes import Recipe, get_recipe
from palsy_cli.training.samples import FaceSamples, make_samples
from palsy_cli.training.settings import TrainSettings


@dataclass(frozen=True)
class Job:
    """One training as asked for."""

    network: str
    data: Path
    run: Path
    size: str
    minutes: float | None
    resume: bool
    device: torch.device
    on_progress: ProgressCallback | None = None
    settings: TrainSettings = field(default_factory=TrainSettings)

    def recipe(self, *, name: str | None = None, share: float = 1.0) -> Recipe:
        """The recipe with this job's budget and settings."""
        changes = {} if self.minutes is None else {"max_minutes": self.minutes * share, "epochs": 1000}
        recipe = get_recipe(name or self.network, self.size, **changes)
        return apply_recipe_settings(recipe, self.settings.recipe)

    def build(self, name: str, **overrides: Any) -> Any:
        """A network of this job's size with random weights; the settings change the one that the job is about."""
        return build_network(name, self.size, **(overrides | self.arguments(name)))

    def arguments(self, name: str) -> dict[str, Any]:
        """What the settings change of a network."""
        return dict(self.settings.network) if name == self.network else {}

    def samples(self) -> FaceSamples:
        """The simulated faces, made once beside the runs."""
        device = "cuda" if self.device.type == "cuda" else "cpu"  # others lack double precision
        with main_first():
            return make_samples(self.data, self.run.parent / "samples", device=device)

    def fit(self, task: Task, recipe: Recipe, *, folder: str = "") -> dict[str, float]:
        """Fit, put the best weights into the task's module, return their metrics."""
        run = RunFolder(self.run / folder if folder else self.run)
        resume = self.resume and (run.path / "recipe.toml").exists()
        fit(task, recipe, run, device=self.device, resume=resume, on_progress=self.on_progress)
        return run.load_best(task.module.to("cpu"))


@dataclass(frozen=True)
class Trained:
    """What a training leaves: the module to export, its figures, and what else its header must say."""

    module: nn.Module
    metrics: dict[str, float]
    trained_on: str = TRAINED_ON_PALSY
    config: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, str] = field(default_factory=dict)


def export(trained: Trained, network: str, recipe: Recipe, folder: Path) -> None:
    """Write weights, manifest entry and model card into a folder of models; of several processes the main one does."""
    if is_main():
        _write(trained, network, recipe, folder)
    wait()


def _write(trained: Trained, network: str, recipe: Recipe, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{network}.safetensors"
    save_network(
        trained.module,
        path,
        name=network,
        size=recipe.size,
        config=trained.config,
        trained_on=trained.trained_on,
        extra=trained.extra,
    )
    figures = {name: round(value, 4) for name, value in trained.metrics.items()}
    entry = describe(path, recipe=f"{network}-{recipe.size}: {recipe.source}", metrics=figures)
    update_manifest(folder, entry)
    write_card(folder, entry)
