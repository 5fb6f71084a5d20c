"""`palsy batch` put to the test: 60 short videos in 20 patient folders, 6 of them broken, each in its own way.

    python docs/benchmarks/batch_trial.py FOLDER

Makes the cohort below FOLDER, assesses it undisturbed, once more, with ten kills at random moments, on a Dask cluster
of two workers one of which is killed half-way, and with one worker and two. Prints seconds and whether all results are
the same bytes. Needs the extra `dask`. Takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from palsy_cli.batch.index import INDEX
from palsy_cli.batch.lock import LOCK
from palsy_cli.records import ByteImage
from palsy_cli.simulate.clips import DrawnRenderer, simulate_frames
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.script import write_script
from palsy_cli.stages.video import write_video

PATIENTS, VISITS, KILLS, FPS, SIDE = 20, 3, 10, 8.0, 240
#: Drawn people that were never trained on start here.
UNSEEN = 2150
NOTES = (LOCK, INDEX, f"{INDEX}-wal", f"{INDEX}-shm")


def make_cohort(root: Path) -> None:
    """20 patients with 3 visits each; six videos are then broken."""
    script = write_script(("brow_raise", "open_smile"), tempo=1.6, hold_s=0.5)
    videos = []
    for number in range(PATIENTS * VISITS):
        video = root / f"patient {number // VISITS:02d}" / f"visit {number % VISITS + 1}" / "clip.mp4"
        video.parent.mkdir(parents=True)
        person, lesion = Person.from_seed(UNSEEN + number), house_brackmann_preset(number % 6 + 1, "left")
        frames = simulate_frames(
            DrawnRenderer(person, (SIDE, SIDE)), lesion, script, fps=FPS, seed=number, natural=False
        )
        write_video([frame.image for frame in frames], video, fps=FPS)
        videos.append(video)
    break_some(videos[::10])


def break_some(videos: list[Path]) -> None:
    """Empty, text, cut short, no face, one frame, a link to nothing."""
    empty, text, cut, faceless, short, link = videos
    empty.write_bytes(b"")
    text.write_text("this is no video\n" * 100)
    cut.write_bytes(cut.read_bytes()[:3000])
    noise = np.random.default_rng(0).integers(0, 256, (16, SIDE, SIDE, 3), np.uint8)
    write_video(list(noise), faceless, fps=FPS)
    write_video(one_frame(), short, fps=FPS)
    link.unlink()
    link.symlink_to("nowhere.mp4")


def one_frame() -> list[ByteImage]:
    """Too short to see a movement."""
    renderer, script = DrawnRenderer(Person.from_seed(UNSEEN), (SIDE, SIDE)), write_script(("brow_raise",))
    frames = simulate_frames(renderer, house_brackmann_preset(1, "left"), script, fps=FPS, seed=0, natural=False)
    return [next(iter(frames)).image]


def palsy_batch(source: Path, out: Path, *more: str) -> list[str]:
    """The command."""
    return [sys.executable, "-m", "palsy_cli", "batch", str(source), "-o", str(out), *more]


def timed(source: Path, out: Path, *more: str) -> tuple[float, int]:
    """Seconds and exit code."""
    started = time.perf_counter()
    done = subprocess.run(palsy_batch(source, out, *more), capture_output=True, text=True, check=False)
    return time.perf_counter() - started, done.returncode


def tree(out: Path) -> dict[str, bytes]:
    """All that a batch leaves behind, but for its own notes."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name not in NOTES)
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def kill_often(source: Path, out: Path, *, whole_s: float, rng: random.Random) -> list[float]:
    """Start and kill; returns the moments in seconds after each start."""
    moments = []
    for _ in range(KILLS):
        process = subprocess.Popen(palsy_batch(source, out, "--workers", "2"), stderr=subprocess.DEVNULL)
        moments.append(rng.uniform(0.5, 0.3 * whole_s))
        time.sleep(moments[-1])
        process.send_signal(signal.SIGKILL)
        process.wait()
        time.sleep(1.0)
    return [round(moment, 1) for moment in moments]


@contextmanager
def cluster() -> Iterator[tuple[str, list[int]]]:
    """Address and process numbers of two Dask workers."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as workers,
        Client(workers, set_as_default=False) as client,
    ):
        yield workers.scheduler_address, list(client.run(os.getpid).values())


def on_cluster(source: Path, out: Path, *, half_s: float) -> tuple[float, int]:
    """Seconds and exit code with one of two workers killed half-way."""
    with cluster() as (address, workers):
        started = time.perf_counter()
        process = subprocess.Popen(palsy_batch(source, out, "--scheduler", address), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)  # fmt: skip
        time.sleep(half_s)
        subprocess.run(["kill", "-9", str(workers[0])], check=True)
        code = process.wait()
        return time.perf_counter() - started, code


def main(root: Path) -> None:
    """See above."""
    source = root / "patients"
    make_cohort(source)
    seconds, code = timed(source, root / "calm", "--workers", "2")
    calm = tree(root / "calm")
    say("two workers, undisturbed", seconds, code, same=True)
    again, code = timed(source, root / "calm", "--workers", "2")
    say("once more", again, code, same=tree(root / "calm") == calm)
    moments = kill_often(source, root / "killed", whole_s=seconds, rng=random.Random(0))
    last, code = timed(source, root / "killed", "--workers", "2")
    say(f"after kills at {moments} s", last, code, same=tree(root / "killed") == calm)
    there, code = on_cluster(source, root / "cluster", half_s=seconds / 2)
    say("Dask, one of two workers killed", there, code, same=tree(root / "cluster") == calm)
    one, code = timed(source, root / "one", "--workers", "1", "--threads", "1")
    say("one worker of one thread", one, code, same=tree(root / "one") == calm)
    two, code = timed(source, root / "two", "--workers", "2", "--threads", "1")
    say("two workers of one thread each", two, code, same=tree(root / "two") == calm)
    alone, code = timed(source, root / "alone", "--workers", "1")
    say("one worker of all cores", alone, code, same=None)
    ratios = {"two workers of one thread over one": one / two, "two workers over one of all cores": alone / two}
    sys.stdout.write(json.dumps({name: round(ratio, 2) for name, ratio in ratios.items()}) + "\n")


def say(what: str, seconds: float, code: int, *, same: bool | None) -> None:
    """One line of the trial."""
    sys.stdout.write(json.dumps({"run": what, "seconds": round(seconds, 1), "exit": code, "same bytes": same}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
