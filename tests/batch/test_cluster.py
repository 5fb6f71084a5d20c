"""The same batches through a Dask cluster of two worker processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from crew import played_order

from palsy_cli.batch.cluster import run_on_cluster
from palsy_cli.batch.jobs import Job, Outcome, write_result
from palsy_cli.batch.run import Batch, Watcher, run_batch
from palsy_cli.errors import ModelError, UsageError

distributed = pytest.importorskip("distributed", reason="needs the extra dask")
dask = pytest.importorskip("dask", reason="needs the extra dask")


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    folder = str(Path(__file__).parents[1])
    # A local cluster takes a worker out of service whose process is not there so long after another of its deaths.
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"})
    with (
        patient,
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        client.run(sys.path.append, folder)  # where the jobs' code is
        yield cluster.scheduler_address


def jobs(root: Path, *videos: str) -> list[Job]:
    found = []
    for number, text in enumerate(videos):
        path = root / f"{number}.mp4"
        path.write_text(text)
        found.append(Job(f"{number:032d}", path, path.name))
    return found


def outcomes(scheduler: str, root: Path, *videos: str) -> dict[str, Outcome]:
    found = run_on_cluster(jobs(root, *videos), played_order(root / "out"), scheduler=scheduler, device="cpu")
    return {outcome.job.lstrip("0") or "0": outcome for outcome in found}


def test_results_and_failures_are_those_of_one_machine(scheduler: str, tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / "in" / f"p{number}").mkdir(parents=True)
        (tmp_path / "in" / f"p{number}/clip.mp4").write_text("broken" if number == 2 else f"slow {number}")
    for out, where in (("here", None), ("there", scheduler)):
        batch = Batch(tmp_path / "in", played_order(tmp_path / out), scheduler=where)
        failures = run_batch(batch, Watcher())
        assert [row["video"] for row in failures] == ["p2/clip.mp4"]
    here, there = (sorted((tmp_path / out).rglob("*/*/*")) for out in ("here", "there"))
    assert [path.read_bytes() for path in here] == [path.read_bytes() for path in there] and len(here) > 20


def test_the_jobs_of_a_killed_worker_are_done_by_another(scheduler: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = outcomes(scheduler, tmp_path, "kills 1", "slow", "slow", "fine")
    assert len(found) == 4 and not any(outcome.exit_code for outcome in found.values())
    assert {outcome.worker for outcome in found.values()} != {""}


def test_what_a_lost_worker_finished_is_not_done_again(scheduler: str, tmp_path: Path) -> None:
    """Its result lies in its folder, whether or not it could still tell."""
    (job,) = jobs(tmp_path, "slow")
    write_result(tmp_path / "out", job.id, {"failure.json": '{"exit_code": 3, "reason": "seen before"}'})
    (found,) = run_on_cluster([job], played_order(tmp_path / "out"), scheduler=scheduler, device="cpu")
    assert found == Outcome(job.id, 3, "seen before")


def test_a_job_that_kills_every_worker_is_given_up(scheduler: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    found = outcomes(scheduler, tmp_path, "kills", "fine")
    assert found["0"].exit_code == 1 and "died" in found["0"].reason and found["1"].exit_code == 0


def test_a_job_that_dask_gave_up_is_done_alone(scheduler: str, tmp_path: Path) -> None:
    """Dask gives up after four deaths, whichever of a worker's jobs it was that killed it."""
    (tmp_path / "out").mkdir()
    found = outcomes(scheduler, tmp_path, "kills 4", "fine")
    assert [outcome.exit_code for outcome in found.values()] == [0, 0]


def test_what_concerns_all_jobs_stops_them(scheduler: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the weights are gone"):
        outcomes(scheduler, tmp_path, "no weights", "fine")


def test_a_cluster_without_workers_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palsy_cli.batch.cluster._WITHOUT_WORKERS_S", 0.5)
    monkeypatch.setattr("palsy_cli.batch.cluster._LOOK_S", 0.2)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        pytest.raises(UsageError, match="no worker is left, start some; start the batch again"),
    ):
        outcomes(cluster.scheduler_address, tmp_path, "fine", "fine")


def test_no_scheduler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("palsy_cli.batch.cluster._PATIENCE_S", 1)
    with pytest.raises(UsageError, match="no Dask scheduler answers") as told:
        outcomes("tcp://127.0.0.1:1", tmp_path, "fine")
    assert "\n" not in str(told.value)


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError, match=r"palsy-cli\[dask\]"):
        outcomes("tcp://127.0.0.1:1", tmp_path, "fine")
