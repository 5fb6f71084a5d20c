"""How each network is trained: every hyper-parameter in one frozen record, as published or as ours.

Size ``paper`` holds the published values (missing ones filled in and marked "ours"); ``compact`` and ``tiny`` are our
own: AdamW, one cycle of the learning rate, sized for two cores and an hour.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from palsy_cli.config import read_toml
from palsy_cli.errors import UsageError
from palsy_cli.training.parallel import world

Schedule = Literal["constant", "onecycle", "onecycle_time", "step", "exponential", "poly"]


@dataclass(frozen=True)
class Recipe:
    """All that a training run depends on apart from the data.

    Schedules: ``step`` multiplies by ``gamma`` at each of ``milestones`` (epochs); ``exponential`` by ``gamma`` every
    epoch; ``poly`` is ``(1 - progress) ** power``; ``onecycle`` rises linearly for ``warmup`` of the run and falls as
    a cosine; ``onecycle_time`` is the same with progress = the larger of the shares of steps and of ``max_minutes``
    spent, so that a run that is cut by its budget still ends annealed.
    """

    network: str
    size: str
    #: Where the values come from.
    source: str
    optimiser: Literal["adam", "adamw", "sgd"] = "adamw"
    learning_rate: float = 2e-3
    #: Examples an optimiser step, over all processes and accumulated batches: the published batch.
    batch_size: int = 64
    #: Batches whose mean loss makes one optimiser step, for a batch that does not fit into memory at once. Batch
    #: normalisation sees them one at a time, as it sees each process' share alone.
    accumulate: int = 1
    epochs: int = 10
    schedule: Schedule = "onecycle_time"
    weight_decay: float = 0.02
    momentum: float = 0.9
    #: Share of the run (one-cycle) or number of epochs (other schedules) in which the rate rises from a tenth.
    warmup: float = 0.1
    milestones: tuple[int, ...] = ()
    gamma: float = 1.0
    power: float = 0.9
    #: Largest norm of the gradient; 0 switches clipping off.
    clip_norm: float = 1.0
    #: ``auto``: bf16 where the processor computes it natively, else fp32. ``fp16`` scales the loss and needs CUDA.
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    #: Epochs without a better score after which a run stops; 0 never stops early.
    patience: int = 0
    #: Budget of the whole run, resumed parts included; 0 is none.
    max_minutes: float = 0.0
    #: ``last.safetensors`` is renewed after this many minutes as well as after each epoch.
    checkpoint_minutes: float = 5.0
    seed: int = 0
    #: Parts by person of the published protocol, each the test of one run; 0: one person in ten is held out.
    folds: int = 0

    @property
    def loaded_batch(self) -> int:
        """Examples that each process loads and learns from at once.

        Raises:
            UsageError: ``batch_size`` cannot be dealt out evenly.
        """
        parts = self.accumulate * world()
        if self.accumulate < 1 or self.batch_size % parts:
            raise UsageError(
                f"recipe: a batch of {self.batch_size} cannot be dealt to {world()} process(es) times "
                f"accumulate {self.accumulate}; choose another accumulate or number of processes"
            )
        return self.batch_size // parts


_AFLFP = "AFLFP, training section; epochs and patience ours"
_DEM = "DEM, training section; optimiser, epochs, patience and folds ours"
_ALGR = "ALGRNet, implementation details; batch ours"
_CEN = "CEN, experiments section; power, batch and the grader's epochs ours; of six folds one validates, one tests"
_DETECTOR = "RetinaFace (Deng et al.), implementation details"
_OURS = "ours, for two cores"


def _paper(network: str, source: str, **values: Any) -> Recipe:
    """A published recipe: no clipping and fp32 unless said otherwise."""
    common: dict[str, Any] = {"clip_norm": 0.0, "precision": "fp32", "warmup": 0.0, "weight_decay": 0.0}
    return Recipe(network=network, size="paper", source=source, **(common | values))


_PAPER: tuple[Recipe, ...] = (
    _paper("retinaface", _DETECTOR, optimiser="sgd", learning_rate=1e-2, batch_size=32, epochs=80, schedule="step",
           milestones=(55, 68), gamma=0.1, weight_decay=5e-4, warmup=5.0),
    _paper("landmark_fcn", _AFLFP, optimiser="adam", learning_rate=1e-4, batch_size=32, epochs=100, schedule="step",
           milestones=(30, 60, 90), gamma=0.1, patience=15, folds=10),
    _paper("ovpm", _DEM, optimiser="adam", learning_rate=1e-4, batch_size=64, epochs=60, schedule="exponential",
           gamma=0.98, patience=10, folds=3),
    _paper("dvpm", _DEM, optimiser="adam", learning_rate=1e-4, batch_size=16, epochs=60, schedule="exponential",
           gamma=0.98, patience=10, folds=3),
    *(_paper(name, _ALGR, optimiser="sgd", learning_rate=1e-2, batch_size=8, epochs=20, schedule="step",
             milestones=tuple(range(2, 20, 2)), gamma=0.5, weight_decay=5e-4, folds=3)
      for name in ("algrnet", "algrnet_au")),
    *(_paper(name, _CEN, optimiser="adam", learning_rate=2e-4, batch_size=16, epochs=epochs, schedule="poly",
             folds=folds)
      for name, epochs, folds in (("hb_pretraining", 30, 0), ("hb_segmentation", 20, 6), ("hb_cascade", 40, 6))),
)  # fmt: skip

_COMPACT: tuple[Recipe, ...] = (
    Recipe("retinaface", "compact", _OURS, learning_rate=3e-3, batch_size=32, epochs=30),
    Recipe("landmark_fcn", "compact", _OURS, learning_rate=1.5e-3, batch_size=32, epochs=30),
    Recipe("landmark_finetune", "compact", _OURS, learning_rate=3e-4, batch_size=8, epochs=150),
    Recipe("ovpm", "compact", _OURS, learning_rate=2e-3, batch_size=64, epochs=10),
    Recipe("dvpm", "compact", _OURS, learning_rate=2e-3, batch_size=64, epochs=10),
    Recipe("algrnet", "compact", _OURS, learning_rate=1e-3, batch_size=32, epochs=10),
    Recipe("algrnet_au", "compact", _OURS, learning_rate=1e-3, batch_size=32, epochs=10),
    Recipe("hb_pretraining", "compact", _OURS, learning_rate=1e-3, batch_size=32, epochs=15),
    Recipe("hb_segmentation", "compact", _OURS, learning_rate=1e-3, batch_size=32, epochs=15),
    Recipe("hb_cascade", "compact", _OURS, learning_rate=1e-3, batch_size=32, epochs=15),
)

#: Every recipe by network and size. ``algrnet`` grades a palsy, ``algrnet_au`` finds action units. ``hb_pretraining``
#: (on faces at large) and ``hb_segmentation`` (on patients) are stage A of ``hb_cascade``, its encoder E1.
RECIPES: dict[tuple[str, str], Recipe] = {
    (recipe.network, recipe.size): recipe
    for recipe in (
        *_PAPER,
        *_COMPACT,
        *(dataclasses.replace(r, size="tiny", batch_size=8, epochs=2, precision="fp32") for r in _COMPACT),
    )
}


def get_recipe(network: str, size: str = "compact", **changes: Any) -> Recipe:
    """The recipe of a network with some values replaced; raises UsageError when there is none."""
    if (network, size) not in RECIPES:
        names = ", ".join(sorted({name for name, _ in RECIPES}))
        raise UsageError(f"no recipe for {network!r} in size {size!r}; networks: {names}; sizes: paper, compact, tiny")
    return dataclasses.replace(RECIPES[network, size], **changes)


def rate_factor(recipe: Recipe, *, epoch: float, progress: float) -> float:
    """The share of the peak learning rate that applies now.

    Args:
        recipe: what names the schedule.
        epoch: epochs done, fractional.
        progress: share of the run done, 0..1.
    """
    if recipe.schedule in ("onecycle", "onecycle_time"):
        return _one_cycle(min(max(progress, 0.0), 1.0), recipe.warmup)
    rise = min(1.0, 0.1 + 0.9 * epoch / recipe.warmup) if recipe.warmup else 1.0
    if recipe.schedule == "step":
        return float(rise * recipe.gamma ** sum(epoch >= stone for stone in recipe.milestones))
    if recipe.schedule == "exponential":
        return float(rise * recipe.gamma ** math.floor(epoch))
    if recipe.schedule == "poly":
        return float(rise * max(0.0, 1.0 - progress) ** recipe.power)
    return rise


def _one_cycle(progress: float, warmup: float) -> float:
    """Linear rise from 4 % to 1, then a cosine down to a thousandth."""
    if progress < warmup:
        return 0.04 + 0.96 * progress / warmup
    fall = (progress - warmup) / max(1.0 - warmup, 1e-9)
    return 0.001 + 0.999 * (0.5 + 0.5 * math.cos(math.pi * min(fall, 1.0)))


def recipe_toml(recipe: Recipe) -> str:
    """The recipe as TOML, one value a line (strings and numbers of JSON are those of TOML)."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in dataclasses.asdict(recipe).items())


def read_recipe(path: Path) -> Recipe:
    """Read a ``recipe.toml``; raises UsageError (ConfigError when it is no TOML)."""
    values = read_toml(path)
    try:
        values["milestones"] = tuple(values.get("milestones", ()))
        for name in ("network", "size", "source"):
            if not isinstance(values.get(name), str):
                raise TypeError(f"{name} is no text")
        return Recipe(**values)
    except TypeError as error:
        raise UsageError(f"{path}: no valid recipe ({error})") from error
