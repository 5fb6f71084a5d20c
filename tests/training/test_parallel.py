"""Two real processes learn what one learns from batches twice as large, and go on where they were killed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tabular import RECIPE, Table
from torch import Tensor, nn

from palsy_cli.training import parallel
from palsy_cli.training.checkpoints import RunFolder
from palsy_cli.training.loop import fit

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2


@pytest.fixture(scope="module")
def launched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``tabular.py`` fills under ``torchrun``."""
    folder = tmp_path_factory.mktemp("torchrun")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(PROCESSES)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [*command, str(ROOT / "tests" / "tabular.py"), str(folder)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return folder


def found(folder: Path, name: str) -> list[dict[str, Tensor]]:
    return [dict(torch.load(folder / f"{name}-{rank}.pt", weights_only=True)) for rank in range(PROCESSES)]


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor], *, atol: float) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=0, atol=atol)


@pytest.mark.slow
def test_two_processes_learn_as_one_with_twice_the_batch(launched: Path, tmp_path: Path) -> None:
    first, second = found(launched, "whole")
    assert_close(first, second, atol=0)
    alone = Table(batch=8)
    result = fit(alone, RECIPE, RunFolder(tmp_path))
    assert_close(first, alone.state(), atol=1e-6)
    together = RunFolder(launched / "whole").read_metrics()
    assert together[-1]["step"] == result.steps == 15
    for ours, theirs in zip(RunFolder(tmp_path).read_metrics(), together, strict=True):
        assert ours["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-4)
        assert ours["mae"] == pytest.approx(theirs["mae"], rel=1e-4)


@pytest.mark.slow
def test_killed_processes_go_on_as_if_they_had_not_been(launched: Path) -> None:
    """With dropout and batch normalisation: each process has its generator back, and the same running statistics."""
    for rank, (whole, parts) in enumerate(
        zip(found(launched, "uninterrupted"), found(launched, "interrupted"), strict=True)
    ):
        assert_close(whole, parts, atol=0)
        assert_close(parts, found(launched, "interrupted")[1 - rank], atol=0)


@pytest.mark.slow
def test_only_the_main_process_writes(launched: Path) -> None:
    for name in ("whole", "uninterrupted", "interrupted"):
        assert len(list((launched / name).rglob("metrics.csv"))) == 1
        assert [row["epoch"] for row in RunFolder(launched / name).read_metrics()] == [1, 2, 3]
        log = (launched / name / "log.txt").read_text()
        assert log.count("epoch 3") == 1 and "(2 processes)" in log
        events = launched / name / "tensorboard"
        assert not events.exists() or len(list(events.iterdir())) == (2 if name == "interrupted" else 1)


@pytest.mark.slow
def test_gradients_are_averaged_whoever_has_one(launched: Path) -> None:
    own, mean = found(launched, "own"), found(launched, "mean")
    assert "1.weight" in own[0] and "1.weight" not in own[1]
    assert_close(mean[0], mean[1], atol=0)
    assert set(mean[0]) == {"0.weight", "0.bias", "1.weight", "1.bias"}, "what nobody used has no gradient"
    for name, value in mean[0].items():
        zero = torch.zeros_like(value)
        torch.testing.assert_close(value, (own[0].get(name, zero) + own[1].get(name, zero)) / 2)


@pytest.mark.slow
def test_the_main_process_decides(launched: Path) -> None:
    assert [each["rank"].item() for each in found(launched, "told")] == [5.0, 5.0]


def test_one_process_needs_nothing() -> None:
    module = nn.Linear(2, 1)
    module(torch.ones(1, 2)).sum().backward()
    before = module.weight.grad.clone()  # type: ignore[union-attr]
    parallel.average_gradients(module)
    parallel.broadcast_module(module)
    assert torch.equal(module.weight.grad, before)  # type: ignore[arg-type]
    assert parallel.start("cpu") == torch.device("cpu") and not torch.distributed.is_initialized()
    assert (parallel.world(), parallel.rank(), parallel.is_main()) == (1, 0, True)
    assert parallel.from_main(1.0, 2.0) == (1.0, 2.0) and parallel.mean_over_processes({"a": 3.0}) == {"a": 3.0}
    with parallel.main_first():
        parallel.wait()


def test_a_cluster_that_is_not_torchrun_is_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schedulers set some of these names for their own ends."""
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert parallel.world() == 1


def test_gradients_travel_in_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_BUCKET", 10)
    tensors = [torch.zeros(size) for size in (4, 6, 1, 20, 3)] + [torch.zeros(2, dtype=torch.float64)]
    assert [[t.numel() for t in bucket] for bucket in parallel._buckets(tensors)] == [[4, 6], [1], [20], [3], [2]]
