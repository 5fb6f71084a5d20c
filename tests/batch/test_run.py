"""Whole batches whose jobs take no networks: resume, copies, failures, dying workers, kills, full disks."""

from __future__ import annotations

import csv
import dataclasses
import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import crew
import pytest
from crew import PlayedOrder, played_order

from palsy_cli.batch import jobs
from palsy_cli.batch.index import INDEX, Index
from palsy_cli.batch.jobs import Job, Outcome, job_id, read_result, write_result
from palsy_cli.batch.lock import LOCK, only_batch
from palsy_cli.batch.plan import Plan
from palsy_cli.batch.run import Batch, Watcher, run_batch
from palsy_cli.errors import InputError, ModelError, UsageError

TESTS = Path(crew.__file__).parent


class Notes(Watcher):
    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.outcomes: list[tuple[str, Outcome]] = []
        self.stages: set[str] = set()

    def planned(self, found: Plan) -> None:
        self.plan = found

    def working(self, worker: str, job: Job, stage: str, done: int, total: int | None) -> None:
        self.stages.add(stage)

    def ended(self, outcome: Outcome, job: Job) -> None:
        self.outcomes.append((job.name, outcome))


def cohort(root: Path, **videos: str) -> Path:
    for number, (name, text) in enumerate(videos.items()):
        path = root / f"patient {number // 2}" / f"visit {number % 2}" / f"{name}.mp4"
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    return root


def go(source: Path, out: Path, *, workers: int = 2, **changes: Any) -> tuple[Notes, list[dict[str, object]]]:
    notes = Notes()
    failures = run_batch(Batch(source, played_order(out), workers=workers, **changes), notes)
    return notes, failures


def tree(out: Path) -> dict[str, bytes]:
    """All that a batch leaves behind, but for its own notes."""
    notes = (INDEX, f"{INDEX}-wal", f"{INDEX}-shm", LOCK)
    files = (path for path in out.rglob("*") if path.is_file() and path.name not in notes)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def table(out: Path) -> list[dict[str, str]]:
    with (out / "summary.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_every_video_is_assessed_once_and_failures_come_first(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="broken", c="also fine", d="bug")
    notes, failures = go(source, tmp_path / "out")
    assert len(notes.outcomes) == 4 and notes.stages == {"play"}
    assert [(row["video"], row["exit_code"]) for row in failures] == [
        ("patient 0/visit 1/b.mp4", 3),
        ("patient 1/visit 1/d.mp4", 1),
    ]
    rows = table(tmp_path / "out")
    assert [row["status"] for row in rows] == ["failed", "failed", "done", "done"]
    assert rows[0]["reason"] == "is no readable video" and rows[2]["severity"]
    assert (tmp_path / "out/results" / rows[2]["job_id"] / "report.html").exists()


def test_started_again_it_does_only_what_is_missing(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="broken", d="bug")
    go(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    (source / "new.mp4").write_text("new")
    notes, failures = go(source, tmp_path / "out")
    assert sorted(name for name, _ in notes.outcomes) == ["new.mp4", "patient 1/visit 0/d.mp4"], "a bug is tried again"
    assert len(failures) == 2, "what failed before is still told"
    after = tree(tmp_path / "out")
    results = [name for name in before if name.startswith("results/")]
    assert results and all(before[name] == after[name] for name in results)


def test_a_renamed_copy_is_not_done_twice_and_a_changed_setting_is(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="fine")
    notes, _ = go(source, tmp_path / "out")
    assert len(notes.outcomes) == 1 and len(table(tmp_path / "out")) == 2
    (source / "patient 0").rename(source / "another name")
    assert not go(source, tmp_path / "out")[0].outcomes
    assert [row["patient"] for row in table(tmp_path / "out")] == ["another name"] * 2
    order = played_order(tmp_path / "out")
    order = dataclasses.replace(order, settings=dataclasses.replace(order.settings, seed=1))
    run_batch(Batch(source, order), notes)
    assert len(notes.outcomes) == 2
    run_batch(Batch(source, played_order(tmp_path / "out"), mirrored=True), notes)
    assert len(notes.outcomes) == 3


def test_identity_is_video_settings_and_weights() -> None:
    known = {"settings": "s", "models": {"a": "1", "b": "2"}, "mirrored": False}
    first = job_id("v", **known)  # type: ignore[arg-type]
    assert first == job_id("v", **{**known, "models": {"b": "2", "a": "1"}})  # type: ignore[arg-type]
    others = [{"settings": "t"}, {"models": {"a": "1", "b": "3"}}, {"mirrored": True}]
    ids = {first, job_id("w", **known), *(job_id("v", **{**known, **other}) for other in others)}  # type: ignore[arg-type]
    assert len(ids) == 5


def test_retry_failed_forgets_failures_alone(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="broken")
    go(source, tmp_path / "out")
    notes, _ = go(source, tmp_path / "out", retry_failed=True)
    assert [name for name, _ in notes.outcomes] == ["patient 0/visit 1/b.mp4"]


def test_a_plan_to_retry_forgets_nothing(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="broken")
    go(source, tmp_path / "out")
    before, notes = tree(tmp_path / "out"), Notes()
    run_batch(Batch(source, played_order(tmp_path / "out"), retry_failed=True), notes, only_plan=True)
    assert notes.plan is not None and len(notes.plan.todo) == 1 and tree(tmp_path / "out") == before


def test_a_worker_that_dies_costs_its_job_an_attempt_and_nothing_else(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="kills 1", b="kills", c="fine", d="fine too")
    notes, failures = go(source, tmp_path / "out")
    assert [row["video"] for row in failures] == ["patient 0/visit 1/b.mp4"]
    assert "worker died 2 times (killed by signal 9" in str(failures[0]["reason"])
    assert sorted(outcome.exit_code for _, outcome in notes.outcomes) == [0, 0, 0, 1]


def test_what_concerns_all_jobs_stops_the_batch_and_loses_nothing(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="no weights", c="slow")
    with pytest.raises(ModelError, match="the weights are gone"):
        go(source, tmp_path / "out", workers=1)
    assert sorted(row["status"] for row in table(tmp_path / "out")) == ["done", "waiting", "waiting"]


@pytest.mark.slow
def test_killed_at_any_moment_and_started_again_it_ends_the_same(tmp_path: Path) -> None:
    videos = {f"v{number}": "broken" if number % 7 == 3 else f"slow {number}" for number in range(24)}
    source = cohort(tmp_path / "in", **videos)
    go(source, tmp_path / "calm")
    command = [sys.executable, str(TESTS / "crew.py"), str(source), str(tmp_path / "killed")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), str(TESTS.parent)])}
    started = time.monotonic()
    subprocess.run([*command[:-1], str(tmp_path / "timed")], env=environment, check=True)
    whole = time.monotonic() - started
    for share in (0.4, 0.6, 0.7, 0.8, 0.9):
        process = subprocess.Popen(command, env=environment)
        time.sleep(share * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
    while (tmp_path / "killed").exists() and _held(tmp_path / "killed"):
        time.sleep(0.05)
    go(source, tmp_path / "killed")
    assert tree(tmp_path / "killed") == tree(tmp_path / "calm")


def _held(out: Path) -> bool:
    try:
        with only_batch(out):
            return False
    except UsageError:
        return True


def test_a_second_batch_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine")
    with only_batch(tmp_path / "out"), pytest.raises(UsageError, match=f"process {os.getpid()}") as told:
        go(source, tmp_path / "out")
    assert "\n" not in str(told.value)
    go(source, tmp_path / "out")


def test_a_full_disk_leaves_no_half_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left on device.*make room"):
        write_result(tmp_path, "job", {"assessment.json": "{}"})
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_a_killed_process_left_half_written_is_swept_away(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine")
    go(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    (tmp_path / "out/.summary.csv.abc.part").write_text("half")
    (tmp_path / "out/results/.part-job-abc").mkdir()
    (tmp_path / "out/results/.part-job-abc/assessment.json").write_text("half")
    go(source, tmp_path / "out")
    assert tree(tmp_path / "out") == before


def test_a_result_that_is_there_already_stays(tmp_path: Path) -> None:
    write_result(tmp_path, "job", {"failure.json": '{"exit_code": 3, "reason": "first"}'})
    write_result(tmp_path, "job", {"failure.json": '{"exit_code": 3, "reason": "second"}'})
    found = read_result(tmp_path / "results/job")
    assert found is not None and found[0] == Outcome("job", 3, "first")


@pytest.mark.parametrize("harm", [lambda whole: whole[:100], lambda whole: b'{"video": 3}', lambda whole: b"[]"])
def test_a_damaged_result_is_done_again(tmp_path: Path, harm: Any) -> None:
    source = cohort(tmp_path / "in", a="fine")
    go(source, tmp_path / "out")
    (path,) = (tmp_path / "out/results").glob("*/assessment.json")
    whole = path.read_bytes()
    path.write_bytes(harm(whole))
    (tmp_path / "out" / INDEX).unlink()
    notes, _ = go(source, tmp_path / "out")
    assert len(notes.outcomes) == 1 and path.read_bytes() == whole


def test_results_are_read_again_when_the_summary_has_other_columns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = cohort(tmp_path / "in", a="fine")
    go(source, tmp_path / "out")
    learned: list[str] = []
    learn = Index.learn
    monkeypatch.setattr(Index, "learn", lambda self, job: learned.append(job) or learn(self, job))
    go(source, tmp_path / "out")
    assert not learned
    monkeypatch.setattr("palsy_cli.batch.index.COLUMNS", ())
    go(source, tmp_path / "out")
    assert len(learned) == 1


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_the_index_is_built_anew_from_the_results(tmp_path: Path, harm: str) -> None:
    source = cohort(tmp_path / "in", a="fine", b="broken")
    go(source, tmp_path / "out")
    before = tree(tmp_path / "out")
    if harm == "gone":
        (tmp_path / "out" / INDEX).unlink()
    else:
        (tmp_path / "out" / INDEX).write_bytes(b"no database" * 1000)
    notes, _ = go(source, tmp_path / "out")
    assert not notes.outcomes and tree(tmp_path / "out") == before


def test_a_result_that_was_removed_is_made_again(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="also fine")
    go(source, tmp_path / "out")
    jobs.forget(tmp_path / "out", [table(tmp_path / "out")[0]["job_id"]])
    assert len(go(source, tmp_path / "out")[0].outcomes) == 1


def test_all_that_names_patients_is_the_owners_alone(tmp_path: Path) -> None:
    go(cohort(tmp_path / "in", a="fine", b="broken"), tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) > 8 and {path.stat().st_mode & 0o077 for path in files} == {0}


def test_the_index_reads_no_video_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("one")
    with Index(tmp_path) as index:
        first = index.digest(path)
    with Index(tmp_path) as index, monkeypatch.context() as patch:
        patch.setattr("palsy_cli.batch.index.sha256_of", lambda _: pytest.fail("read again"))
        assert index.digest(path) == first
    path.write_text("two")
    with Index(tmp_path) as index:
        assert index.digest(path) != first


def test_only_a_plan_writes_no_table(tmp_path: Path) -> None:
    source = cohort(tmp_path / "in", a="fine", b="fine", c="other")
    notes = Notes()
    assert run_batch(Batch(source, played_order(tmp_path / "out")), notes, only_plan=True) == []
    assert notes.plan is not None and len(notes.plan.entries) == 3 and len(notes.plan.todo) == 2
    assert not (tmp_path / "out/summary.csv").exists()


def test_a_video_that_went_away_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text("path,patient\ngone.mp4,p\n")
    _, failures = go(path, tmp_path / "out")
    assert [row["reason"] for row in failures] == ["cannot be read (No such file or directory)"]


def test_no_cohort_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        go(tmp_path / "nowhere", tmp_path / "out")


def test_weights_are_asked_for_before_anything_is_done(tmp_path: Path) -> None:
    order = played_order(tmp_path / "out")
    execution = dataclasses.replace(order.execution, models_dir=tmp_path / "none")
    with pytest.raises(ModelError):
        run_batch(Batch(cohort(tmp_path / "in", a="fine"), PlayedOrder(order.out, order.settings, execution)), Notes())
