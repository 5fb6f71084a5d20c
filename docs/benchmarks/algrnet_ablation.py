"""ALGRNet without its parts, on simulated faces: which of them pays (ALGRNet, ablation).

    python docs/benchmarks/algrnet_ablation.py SAMPLES MODELS OUT [--steps 450] [--rounds 2] [--only NAME]

SAMPLES is the folder of simulated faces that ``palsy train`` keeps beside its runs; MODELS holds a trained ALGRNet,
whose stem and alignment branch all variants begin with. Every variant does the same steps on the same batches, one
cycle of the learning rate a round, and is measured after every round on people that none was trained on. OUT gets
``runs/`` and ``ablation.csv``; a run that is there is not repeated.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import cv2
import matplotlib.pyplot as plt
import numpy as np
import torch

from palsy_cli.evaluation.metrics import bootstrap_interval, presence_f1
from palsy_cli.evaluation.published import BP4D_ABLATION, DISFA_ABLATION
from palsy_cli.networks.algrnet import MISSING_LABEL, ALGRNet
from palsy_cli.networks.device import keep_freed_memory
from palsy_cli.networks.registry import build_network
from palsy_cli.networks.weights import load_network
from palsy_cli.records import CORE_AUS
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.loop import fit
from palsy_cli.training.recipes import get_recipe
from palsy_cli.training.samples import FaceSamples, load_samples
from palsy_cli.training.tasks.units import PresenceTask, presence_of

VARIANTS: dict[str, dict[str, Any]] = {
    "ALGRNet": {},
    "without all three": {"skip_bilstm": False, "fusion_refining": False, "adaptive": False},
    "without skip-BiLSTM": {"skip_bilstm": False},
    "without fusion and refining": {"fusion_refining": False},
    "plain BiLSTM": {"plain_bilstm": True},
    "without adaptive regions": {"adaptive": False},
}
#: Parts that the severity network's weights fit, too.
COMMON = ("stem.", "align_features.", "align_hidden.", "align_points.")
PRESENT_FROM = 2.0


class Part(PresenceTask):
    """An epoch ends after so many batches."""

    def train_batches(self, epoch: int, rng: np.random.Generator) -> Iterator[Any]:
        """The first ``steps_per_epoch``."""
        return itertools.islice(super().train_batches(epoch, rng), self.steps_per_epoch)


def train(network: ALGRNet, samples: FaceSamples, run: RunFolder, *, steps: int, seed: int) -> PresenceTask:
    """One round of one variant, done or read back."""
    columns = range(len(CORE_AUS))
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    task = Part(network, samples, columns=columns, present_from=PRESENT_FROM, batch_size=32, literal=False)
    network.load_state_dict(weights)  # the task begins at the mean face, these weights know better
    task.steps_per_epoch = steps
    recipe = get_recipe("algrnet_au", "compact", epochs=1, schedule="onecycle", seed=seed)
    fit(task, recipe, run, resume=run.last.exists())
    run.load_best(network)
    return task


def main() -> None:
    """Train and measure all variants."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("models", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=450)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", choices=list(VARIANTS), help="one variant alone")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)
    keep_freed_memory()
    samples = load_samples(chosen.samples)
    start = load_network("algrnet", chosen.models).module.state_dict()
    rows: list[dict[str, Any]] = []
    for name in [chosen.only] if chosen.only else VARIANTS:
        changes = VARIANTS[name]
        torch.manual_seed(0)
        network = cast("ALGRNet", build_network("algrnet", "compact", mode="au", sides_apart=False, **changes))
        network.load_state_dict({key: value for key, value in start.items() if key.startswith(COMMON)}, strict=False)
        for number in range(1, chosen.rounds + 1):
            run = RunFolder(chosen.out / "runs" / f"{name.replace(' ', '-')}-{number}")
            task = train(network, samples, run, steps=chosen.steps, seed=number - 1)
            rows.append({"variant": name, "steps": number * chosen.steps, **measure(task, samples)})
            with (chosen.out / f"ablation{'-' + run.path.name[:-2] if chosen.only else ''}.csv").open(
                "w", newline=""
            ) as stream:
                writer = csv.DictWriter(stream, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    if not chosen.only:
        draw(rows, chosen.out / "ablation.png")


def measure(task: PresenceTask, samples: FaceSamples) -> dict[str, float]:
    """Mean F1 in percent with its interval over people, F1 of each unit, error of the points."""
    found, errors = presence_of(task.module.eval(), samples, task.check)
    own = task.labels[task.check]
    truth = np.where(own == MISSING_LABEL, np.nan, own)
    each = 100 * presence_f1(found, truth)

    def mean(rows: Any) -> float:
        return float(100 * np.nanmean(presence_f1(found[rows], truth[rows])))

    low, high = bootstrap_interval(mean, samples.person[task.check], rounds=200)
    units = {f"AU{au}": float(value) for au, value in zip(task.module.aus, each, strict=True)}
    size = sum(parameter.numel() for parameter in task.module.parameters())
    whole = {"f1": float(each.mean()), "low": low, "high": high, "parameters": size, "points": float(errors.mean())}
    return whole | units


def draw(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    """Mean F1 of every variant after its last round with its interval, and the paper's means on its two sets."""
    last = {row["variant"]: row for row in rows}
    picture, axes = plt.subplots(figsize=(7.5, 3.6), layout="constrained")
    places, names = np.arange(len(last)), list(last)
    ours = np.array([float(last[name]["f1"]) for name in names])
    ends = np.array([[float(last[name][end]) for name in names] for end in ("low", "high")])
    axes.bar(places, ours, color="tab:blue", label="simulated faces, size compact")
    axes.errorbar(places, ours, np.abs(ends - ours), fmt="none", ecolor="black", capsize=3)
    for table, mark in ((BP4D_ABLATION, "o"), (DISFA_ABLATION, "x")):
        means = {row.method: row.values[-1] for row in table.rows}
        label = f"{table.title.split(':')[0]}, published"
        axes.plot(places, np.array([means[name] for name in names], float), mark, color="black", label=label)
    axes.set_xticks(places, [name.replace(" ", "\n", 1) for name in names], fontsize=8)
    axes.set(ylabel="mean F1 (%)", ylim=(0, 90), title="ALGRNet without its parts")
    axes.legend(loc="upper center", ncols=3, fontsize=8)
    picture.savefig(file, dpi=120)


if __name__ == "__main__":
    main()
