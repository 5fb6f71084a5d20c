"""Do the published recipes run at their published sizes? Three real optimiser steps of each, timed.

    python docs/benchmarks/paper_steps.py [--device cpu|cuda] [--steps 3] [--batch N] [--only NAME ...] [--out FILE]

Each recipe of size `paper` and each of the ten backbones of DEM's table 4 trains on random pictures with random labels
in a process of its own, by the product's loop, optimiser, precision and losses, with the published batch (or, as a
trial, another one). On a CPU that batch is accumulated from small ones (the column says which); on a GPU it is taken
whole. The run is left after the last step, before it validates. Writes a Markdown table, renewed after each row:
seconds a step (median of all but the first), peak memory of the process (CPU) or of the device (GPU), the loss of the
first and the last step, and whether every parameter that may learn got a finite gradient. Takes about two
hours on two idle cores and minutes on a GPU. On a busy machine set OMP_NUM_THREADS=1: threads that wait for each other
made these steps ten times as slow.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from palsy_cli.networks.algrnet import ALGRNet, au_total_loss, palsy_loss
from palsy_cli.networks.algrnet_regions import BP4D_12_AUS
from palsy_cli.networks.backbones import BACKBONES
from palsy_cli.networks.dem import DVPM, MAX_INTENSITY, OVPM, difference
from palsy_cli.networks.device import keep_freed_memory
from palsy_cli.networks.hb_cascade import GRADES, REGION_CLASSES, HBCascade, SegmentationEncoder
from palsy_cli.networks.landmark_fcn import CascadedFCN, cascade_loss, gaussian_targets
from palsy_cli.networks.registry import build_network
from palsy_cli.networks.retinaface import RetinaFace, anchors, multibox_loss
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.loop import fit
from palsy_cli.training.recipes import Recipe, get_recipe
from palsy_cli.training.tasks.detector import SCENE_SIDE

#: Examples at once where the published batch does not fit into memory.
SMALL, SMALL_LANDMARKS = 4, 8
COLUMNS = (
    "what",
    "recipe",
    "parameters",
    "learning",
    "batch",
    "precision",
    "s / step",
    "peak GiB",
    "loss, first and last",
    "gradients",
)


class Enough(Exception):
    """The last step is done."""


@dataclass
class Steps:
    """A task for `fit`: the same random batch again and again."""

    module: nn.Module
    batch: Any
    losses: Callable[[Any], Tensor]
    steps_per_epoch: int
    score_name: str = "none"

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """The batch, as often as the steps need it."""
        for _ in range(self.steps_per_epoch):
            yield self.batch

    def loss(self, batch: Any) -> dict[str, Tensor]:
        """The paper's loss."""
        return {"loss": self.losses(batch)}

    def validate(self) -> dict[str, float]:
        """No figure: the run is left before."""
        return {self.score_name: math.nan}

    def better(self, new: float, old: float) -> bool:
        """Never asked for."""
        return new > old


Made = tuple[nn.Module, Any, Callable[[Any], Tensor]]


def landmark_fcn(count: int) -> Made:
    """Grey crops and 68 points; both stages against Gaussians (AFLFP, eq. 2)."""
    network = cast("CascadedFCN", build_network("landmark_fcn", "paper"))
    batch = (torch.randn(count, 1, 96, 96), 96 * torch.rand(count, 68, 2))
    return network, batch, lambda b: cascade_loss(*network(b[0]), gaussian_targets(b[1]))


def ovpm(count: int, backbone: str = "vgg19") -> Made:
    """Half faces and intensities 0..5; cross-entropy summed over units."""
    network = cast("OVPM", build_network("ovpm", "paper", backbone=backbone))
    batch = (torch.randn(count, 3, *network.input_size), torch.randint(0, MAX_INTENSITY + 1, (count, network.aus)))
    return network, batch, lambda b: summed_cross_entropy(network(b[0]), b[1])


def dvpm(count: int) -> Made:
    """Two half faces through the frozen OVPM, differences -5..5."""
    both = nn.ModuleDict({"ovpm": build_network("ovpm", "paper"), "dvpm": build_network("dvpm", "paper")})
    first, second = cast("OVPM", both["ovpm"].requires_grad_(False)), cast("DVPM", both["dvpm"])
    faces = torch.randn(2, count, 3, *first.input_size)
    batch = (faces[0], faces[1], torch.randint(0, second.classes, (count, second.aus)))

    def loss(b: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        with torch.no_grad():
            changes = difference(first.taps(b[0]), first.taps(b[1]))
        return summed_cross_entropy(second(changes), b[2])

    return both, batch, loss


def algrnet(count: int) -> Made:
    """Faces, 49 points, four grades."""
    network = cast("ALGRNet", build_network("algrnet", "paper", mode="palsy"))
    batch = (*faces_and_points(count, network.crop), torch.randint(0, 4, (count,)))
    return network, batch, lambda b: palsy_loss(network(b[0]), b[2], b[1], torch.ones(4, device=b[1].device))


def algrnet_au(count: int) -> Made:
    """Faces, 49 points, the twelve action units of BP4D."""
    network = cast("ALGRNet", build_network("algrnet", "paper", mode="au", aus=BP4D_12_AUS))
    units = len(BP4D_12_AUS)
    batch = (*faces_and_points(count, network.crop), torch.randint(0, 2, (count, units)))
    return network, batch, lambda b: au_total_loss(network(b[0]), b[2], b[1], torch.ones(units, device=b[1].device))


def segmentation(count: int) -> Made:
    """Stage A of CEN: faces and a class for each pixel."""
    cascade = cast("HBCascade", build_network("hb_cascade", "paper"))
    network, side = cascade.encoder.requires_grad_(True), cascade.input_size
    batch = (torch.randn(count, 3, side, side), torch.randint(0, REGION_CLASSES, (count, side, side)))
    return network, batch, lambda b: functional.cross_entropy(network(b[0])[0], b[1])


def hb_cascade(count: int, *, end_to_end: bool = False) -> Made:
    """Stage B of CEN: faces and six grades, E1 frozen unless end to end."""
    network = cast("HBCascade", build_network("hb_cascade", "paper", end_to_end=end_to_end))
    batch = (torch.randn(count, 3, network.input_size, network.input_size), torch.randint(0, GRADES, (count,)))
    settle(network.encoder, batch[0])
    return network, batch, lambda b: functional.cross_entropy(network(b[0]), b[1])


def retinaface(count: int) -> Made:
    """Scenes with one face each."""
    network = cast("RetinaFace", build_network("retinaface", "paper"))
    grid = anchors(SCENE_SIDE, SCENE_SIDE)
    boxes = [torch.tensor([[60.0, 60.0, 160.0, 160.0]]) for _ in range(count)]
    points = [60 + 100 * torch.rand(1, 5, 2) for _ in range(count)]
    images = torch.randint(0, 256, (count, SCENE_SIDE, SCENE_SIDE, 3), dtype=torch.uint8)
    return (
        network,
        (images, boxes, points),
        lambda b: multibox_loss(network(network.preprocess(b[0])), grid.to(b[0].device), b[1], b[2])["loss"],
    )


@torch.no_grad()
def settle(encoder: SegmentationEncoder, pictures: Tensor) -> None:
    """Give a random E1 the running statistics of these pictures, as stage A would; without any its maps explode."""
    norms = [layer for layer in encoder.backbone.modules() if isinstance(layer, nn.BatchNorm2d)]
    encoder.backbone.train()
    for norm in norms:
        norm.momentum = 1.0
    encoder.encode(pictures)
    for norm in norms:
        norm.momentum = 0.1
    encoder.backbone.eval()


def summed_cross_entropy(logits: Tensor, classes: Tensor) -> Tensor:
    """(N, units, classes) and (N, units): summed over units, mean over the batch (DEM, training section)."""
    return functional.cross_entropy(logits.float().flatten(0, 1), classes.flatten(), reduction="sum") / len(logits)


def faces_and_points(count: int, crop: int) -> tuple[Tensor, Tensor]:
    """Faces -1..1 and 49 points around a likely face."""
    return 2 * torch.rand(count, 3, crop, crop) - 1, crop * (0.2 + 0.6 * torch.rand(count, 49, 2))


#: What is tried: recipe and maker, by name. Stage A's two recipes make the same steps on other faces.
CASES: dict[str, tuple[str, Callable[[int], Made]]] = {
    "landmark_fcn": ("landmark_fcn", landmark_fcn),
    "ovpm": ("ovpm", ovpm),
    "dvpm": ("dvpm", dvpm),
    "algrnet": ("algrnet", algrnet),
    "algrnet, BP4D units": ("algrnet_au", algrnet_au),
    "stage A (both recipes)": ("hb_segmentation", segmentation),
    "stage B": ("hb_cascade", hb_cascade),
    "stage B, end to end": ("hb_cascade", lambda count: hb_cascade(count, end_to_end=True)),
    "retinaface": ("retinaface", retinaface),
    **{f"ovpm, {name}": ("ovpm", lambda count, name=name: ovpm(count, name)) for name in BACKBONES if name != "vgg19"},
}


def measure(name: str, *, device: str, steps: int, batch_size: int | None) -> dict[str, Any]:
    """One row, in this process."""
    keep_freed_memory()
    torch.manual_seed(0)
    recipe = recipe_of(name, device=device, batch_size=batch_size)
    module, batch, losses = CASES[name][1](recipe.loaded_batch)
    task = Steps(module, batch, losses, steps * recipe.accumulate)
    ended, seen = [time.monotonic()], []

    def note(stage: str, done: int, total: int | None) -> None:
        ended.append(time.monotonic())
        if done == steps:
            raise Enough

    task.losses = lambda b: remember(losses(b), seen)
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Enough):
        fit(task, recipe, RunFolder(Path(folder)), device=device, on_progress=note)
    learning = [(key, value) for key, value in module.named_parameters() if value.requires_grad]
    return {
        "parameters": sum(value.numel() for value in module.parameters()),
        "learning": sum(value.numel() for _, value in learning),
        "batch": recipe.batch_size,
        "at_once": recipe.loaded_batch,
        "precision": recipe.precision,
        "seconds": statistics.median(np.diff(ended)[min(1, steps - 1) :].tolist()),
        "gib": peak_gib(device),
        "losses": [statistics.mean(seen[: recipe.accumulate]), statistics.mean(seen[-recipe.accumulate :])],
        "without": sorted({".".join(key.split(".")[:2]) for key, value in learning if value.grad is None}),
        "infinite": sorted(
            {key for key, value in learning if value.grad is not None and not bool(value.grad.isfinite().all())}
        ),
    }


def recipe_of(name: str, *, device: str, batch_size: int | None) -> Recipe:
    """The published recipe; on a CPU with small batches, which add up to the published one."""
    recipe = replace(get_recipe(CASES[name][0], "paper"), checkpoint_minutes=1e9)
    recipe = recipe if batch_size is None else replace(recipe, batch_size=batch_size)
    if device == "cuda":
        return recipe
    small = SMALL_LANDMARKS if name == "landmark_fcn" else SMALL
    return replace(recipe, accumulate=max(1, recipe.batch_size // small))


def remember(loss: Tensor, seen: list[float]) -> Tensor:
    """Note a loss on its way."""
    seen.append(float(loss.detach()))
    return loss


def peak_gib(device: str) -> float:
    """Most memory that the device, or this process, ever held."""
    if device == "cuda":
        return float(torch.cuda.max_memory_allocated()) / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def cells(name: str, row: dict[str, Any]) -> list[str]:
    """One line of the table."""
    first, last = row["losses"]
    missing = ", ".join(row["infinite"] and [f"not finite: {row['infinite']}"] or row["without"])
    at_once = "" if row["at_once"] == row["batch"] else f" ({row['batch'] // row['at_once']} x {row['at_once']})"
    return [
        name,
        CASES[name][0],
        f"{row['parameters']:,}",
        f"{row['learning']:,}",
        f"{row['batch']}{at_once}",
        row["precision"],
        f"{row['seconds']:.2f}",
        f"{row['gib']:.2f}",
        f"{first:.4g}, {last:.4g}",
        f"none in {missing}" if row["without"] and not row["infinite"] else missing or "all finite",
    ]


def machine(device: str) -> str:
    """What computed."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    return f"{torch.get_num_threads()} threads of {platform.processor() or platform.machine()}"


def render(rows: list[list[str]], *, device: str, steps: int) -> str:
    """The page."""
    lines = [
        "# The published recipes at their published sizes",
        "",
        f"{date.today()}, {machine(device)}, torch {torch.__version__}: `paper_steps.py --device {device}`, {steps} "
        "optimiser steps each, random pictures and labels.",
        "",
        *("| " + " | ".join(row) + " |" for row in (COLUMNS, ("---",) * len(COLUMNS), *rows)),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure each in a fresh process; a row that fails says why."""
    parser = argparse.ArgumentParser(description="Three steps of every published recipe.")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--batch", type=int, help="another batch than the published, as a trial")
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--here", action="store_true", help="measure the first in this process, print JSON")
    args = parser.parse_args()
    if args.here:
        found = measure(args.only[0], device=args.device, steps=args.steps, batch_size=args.batch)
        sys.stdout.write(json.dumps(found) + "\n")
        return
    rows = []
    for name in args.only:
        row = ask(name, args)
        rows.append(row)
        sys.stdout.write(" | ".join(row) + "\n")
        sys.stdout.flush()
        if args.out:
            args.out.write_text(render(rows, device=args.device, steps=args.steps), encoding="utf-8")


def ask(name: str, args: argparse.Namespace) -> list[str]:
    """A row from a process of its own; one that fails says why."""
    own = [__file__, "--here", "--only", name, "--device", args.device, "--steps", str(args.steps)]
    own += [] if args.batch is None else ["--batch", str(args.batch)]
    ended = subprocess.run([sys.executable, *own], capture_output=True, text=True, check=False)
    if ended.returncode == 0:
        return cells(name, json.loads(ended.stdout))
    said = ended.stderr.strip().splitlines() or [f"exit {ended.returncode}"]
    return [name, CASES[name][0], said[-1], *[""] * (len(COLUMNS) - 3)]


if __name__ == "__main__":
    main()
