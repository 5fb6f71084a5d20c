"""The decoder's process: it may crash, hang or starve, be shared, left or orphaned, and costs one file at most."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from palsy_cli.config import VideoSettings
from palsy_cli.decoder import process, reading, ring
from palsy_cli.decoder.process import Decoder
from palsy_cli.decoder.task import Task
from palsy_cli.errors import PalsyError, VideoError
from palsy_cli.stages.video import iter_frames, read_clip, write_video

ROOT = Path(__file__).parents[2]


def pictures(count: int, shape: tuple[int, ...] = (48, 64, 3)) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, *shape), dtype=np.uint8)


def write_picture(path: Path, image: np.ndarray) -> None:
    cv2.imwrite(str(path), image[..., ::-1])


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Forty frames of noise, each kept as it is."""
    write_video(pictures(40), tmp_path / "clip.mkv", fps=25, lossless=True)
    return tmp_path / "clip.mkv"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Each test starts without a decoder, and leaves one at most."""
    process._end_all()
    yield
    assert len(process._idle) <= 1


def running() -> list[int]:
    """Process numbers of the decoders that live."""
    return [decoder._process.pid for decoder in process._living if decoder.alive]


def halt(number: int, within_s: float = 10.0) -> None:
    """Stop a process; on a busy machine its threads run on for a moment, and could answer."""
    os.kill(number, signal.SIGSTOP)
    deadline = time.monotonic() + within_s
    states = {"R"}
    while states - {"T"} and time.monotonic() < deadline:
        time.sleep(0.01)
        threads = Path(f"/proc/{number}/task").glob("*/stat")
        states = {thread.read_text().rpartition(")")[2].split()[0] for thread in threads}


def ended(number: int, within_s: float = 10.0) -> bool:
    """Whether a process is gone, or is only waiting to be buried, before long."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="this system has no /proc")


@pytest.mark.parametrize("wanted", [None, (), (0, 7, 39)])
@pytest.mark.parametrize("mirrored", [False, True])
def test_what_comes_is_what_was_decoded(film: Path, wanted: tuple[int, ...] | None, mirrored: bool) -> None:
    clip = read_clip(film, mirrored=mirrored)
    task = Task("frames", "video", str(film), str(film), fps=clip.fps, size=(64, 48), mirrored=mirrored, wanted=wanted)
    here = [each for each in reading.read_pictures(task, VideoSettings()) if each[2] is not None]
    there = list(iter_frames(clip, wanted=wanted))
    assert [(frame.index, frame.time_s) for frame in there] == [(index, time_s) for index, time_s, _ in here]
    for frame, (_, _, image) in zip(there, here, strict=True):
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal(frame.image, pictures(40)[frame.index][:, :: -1 if mirrored else 1])
        assert frame.image.flags["C_CONTIGUOUS"] and frame.image.flags["WRITEABLE"]


def test_pictures_of_growing_size_pass(tmp_path: Path) -> None:
    sizes = [(20, 30), (300, 400), (21, 31), (301, 401)] * 3
    shown = [pictures(1, (*size, 3))[0] for size in sizes]
    for number, image in enumerate(shown):
        write_picture(tmp_path / f"{number}.png", image)
    for frame, image in zip(iter_frames(read_clip(tmp_path)), shown, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_without_files_in_memory_a_temporary_one_serves(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    assert sum(int(frame.image.sum()) for frame in iter_frames(read_clip(film))) == int(pictures(40).sum())


def test_one_process_serves_all_passes(film: Path) -> None:
    clip = read_clip(film)
    first = running()
    for _ in range(3):
        assert len(list(iter_frames(clip))) == 40
    with closing(iter_frames(clip)) as frames:
        next(frames)
    assert len(list(iter_frames(clip, wanted={1}))) == 1
    assert running() == first and len(first) == 1


def test_other_limits_are_kept_by_another_process(film: Path) -> None:
    read_clip(film)
    first = running()
    read_clip(film, limits=VideoSettings(max_frames=50))
    assert len(running()) == 1 and running() != first


def test_two_iterators_at_once_do_not_mix(film: Path, tmp_path: Path) -> None:
    write_video(pictures(30), tmp_path / "other.mkv", fps=25, lossless=True)
    one, other = iter_frames(read_clip(film)), iter_frames(read_clip(tmp_path / "other.mkv"))
    for index, (left, right) in enumerate(zip(one, other, strict=False)):
        np.testing.assert_array_equal(left.image, pictures(40)[index])
        np.testing.assert_array_equal(right.image, pictures(30)[index])
    assert index == 29 and next(one).index == 31
    one.close()
    other.close()


def test_iterators_in_threads_do_not_mix(film: Path) -> None:
    clip = read_clip(film)
    sums: list[int] = []

    def work() -> None:
        for _ in range(3):
            sums.append(sum(int(frame.image.sum()) for frame in iter_frames(clip)))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sums == [int(pictures(40).sum())] * 9


def test_it_is_only_a_little_ahead(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[dict[str, Any]] = []
    hear = Decoder._hear
    monkeypatch.setattr(Decoder, "_hear", lambda self, wait_s: heard.append(hear(self, wait_s) or {}) or heard[-1])
    with closing(iter_frames(read_clip(film))) as frames:
        next(frames)
        time.sleep(0.5)
        heard.clear()
    assert ring.MOST_SLOTS - 1 <= sum("frame" in reply for reply in heard) <= ring.MOST_SLOTS


def test_few_large_pictures_wait_and_many_small_ones() -> None:
    counts = [ring.slots_of(3 * side**2) for side in (100, 1440, 2000, 4000, 8000)]
    assert counts == sorted(counts, reverse=True) and (counts[0], counts[-1]) == (ring.MOST_SLOTS, ring.LEAST_SLOTS)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_is_an_error_of_the_file_and_no_half_result(film: Path, how: signal.Signals) -> None:
    clip = read_clip(film)
    frames = iter_frames(clip)
    next(frames)
    os.kill(running()[0], how)
    with pytest.raises(VideoError, match=rf"clip\.mkv: the decoder crashed \(signal {how.value}; .*; copy") as caught:
        list(frames)
    assert caught.value.exit_code == 3 and "\n" not in str(caught.value)
    assert len(list(iter_frames(clip))) == 40


def test_one_that_died_while_idle_is_replaced(film: Path) -> None:
    clip = read_clip(film)
    os.kill(running()[0], signal.SIGKILL)
    ended(running()[0])
    assert len(list(iter_frames(clip))) == 40


def test_one_that_was_started_ahead_is_taken(film: Path) -> None:
    process.start_ahead(VideoSettings())
    ahead = running()
    assert len(ahead) == 1 and len(list(iter_frames(read_clip(film)))) == 40
    assert running() == ahead


@pytest.mark.parametrize("limits", [VideoSettings(), VideoSettings(max_frames=99)])
def test_one_that_was_started_ahead_in_vain_is_replaced(film: Path, limits: VideoSettings) -> None:
    """It died before it was ready, or was told other limits."""
    process.start_ahead(limits)
    ahead = running()[0]
    if limits == VideoSettings():
        os.kill(ahead, signal.SIGKILL)
    assert len(list(iter_frames(read_clip(film)))) == 40
    assert running() and ahead not in running() and ended(ahead)


def test_one_that_is_still_dying_is_replaced(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may list a killed process as running for a while: threads of it end one after another."""
    clip = read_clip(film)
    os.kill(running()[0], signal.SIGKILL)
    ended(running()[0])
    monkeypatch.setattr(subprocess.Popen, "poll", lambda self: None)
    assert len(list(iter_frames(clip))) == 40


def test_one_that_hangs_while_idle_is_replaced(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_STOP_S", 0.2)
    clip = read_clip(film)
    number = running()[0]
    halt(number)
    assert len(list(iter_frames(clip))) == 40
    assert ended(number)


def test_one_that_hangs_is_killed(film: Path) -> None:
    clip = read_clip(film, limits=VideoSettings(max_wait_s=2.5))
    frames = iter_frames(clip)
    next(frames)
    number = running()[0]
    halt(number)
    with pytest.raises(VideoError, match=r"gave no frame for 2\.5 s .* video\.max_wait_s = 2\.5"):
        list(frames)
    assert ended(number) and len(list(iter_frames(clip))) == 40


def test_a_slow_consumer_is_no_hang(film: Path) -> None:
    for frame in iter_frames(read_clip(film, limits=VideoSettings(max_wait_s=2.5))):
        if frame.index % 20 == 0:
            time.sleep(3.0)
    assert frame.index == 39


def test_frames_that_nobody_wants_are_no_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes in time counts, not only what is yielded."""
    write_video(pictures(40), tmp_path / "clip.mkv", fps=25, lossless=True)
    clip = read_clip(tmp_path / "clip.mkv")
    asked: list[float] = []
    hear = Decoder._hear
    monkeypatch.setattr(Decoder, "_hear", lambda self, wait_s: asked.append(wait_s) or hear(self, wait_s))
    assert list(iter_frames(clip, wanted=())) == []
    assert len(asked) == 1 + 40 + 1  # whether it is alive, the frames, the end


def test_one_that_will_not_stop_is_killed(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_STOP_S", 0.2)
    frames = iter_frames(read_clip(film))
    next(frames)
    number = running()[0]
    os.kill(number, signal.SIGSTOP)
    frames.close()
    assert ended(number) and running() == []


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted on Linux only")
@pytest.mark.parametrize("mib", [0, 20, 120])
def test_too_little_memory_is_said(tmp_path: Path, mib: int) -> None:
    write_picture(tmp_path / "large.png", np.zeros((4000, 5000, 3), np.uint8))
    with pytest.raises(
        VideoError, match=rf"large\.png: the decoder ran out of memory; .* video\.max_memory_mib = {mib}"
    ):
        read_clip(tmp_path / "large.png", limits=VideoSettings(max_memory_mib=mib))
    assert read_clip(tmp_path / "large.png").width == 5000


def test_a_bug_of_ours_is_no_fault_of_the_file(film: Path) -> None:
    with pytest.raises(RuntimeError, match="TypeError") as caught:
        list(process.read_frames(Task("frames", "folder", str(film), str(film), names=(3,)), VideoSettings()))  # type: ignore[arg-type]
    assert "Traceback" in str(caught.value.__cause__)
    assert read_clip(film).width == 64


def test_one_that_cannot_start_is_said(film: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    with pytest.raises(PalsyError, match="cannot be started .*; "):
        read_clip(film)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(PalsyError, match="does not start; "):
        read_clip(film)


def test_warnings_arrive(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "1.png").write_bytes(b"damaged")
    write_picture(tmp_path / "2.png", pictures(1)[0])
    assert len(list(iter_frames(read_clip(tmp_path)))) == 1
    assert caplog.messages == [f"{tmp_path / '1.png'}: cannot be read as an image; skipped"] * 2


def run(code: str, *arguments: Path, wait: bool = True) -> subprocess.Popen[str]:
    """Another Python with our package; what it prints is JSON."""
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    program = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    if wait:
        program.wait(60)
    return program


def told(program: subprocess.Popen[str]) -> Any:
    assert program.stdout is not None
    return json.loads(program.stdout.readline())


BEGIN = """
import json, sys, time
from palsy_cli.stages.video import iter_frames, read_clip
from palsy_cli.decoder import process
frames = iter_frames(read_clip(sys.argv[1]))
next(frames)
print(json.dumps([each._process.pid for each in process._living]), flush=True)
"""


@needs_proc
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_goes_with_its_parent(film: Path, how: signal.Signals) -> None:
    parent = run(BEGIN + "time.sleep(60)", film, wait=False)
    (number,) = told(parent)
    assert Path(f"/proc/{number}").exists()
    parent.send_signal(how)
    parent.communicate(timeout=30)
    assert ended(number)


@needs_proc
def test_it_goes_although_a_fork_of_the_parent_lives_on(film: Path) -> None:
    code = BEGIN + "import os\nif os.fork():\n    os._exit(0)\ntime.sleep(8)"
    parent = run(code, film, wait=False)
    (number,) = told(parent)
    assert ended(number, 6.0)
    parent.wait(30)


def test_its_time_and_memory_are_counted_as_ours(film: Path) -> None:
    """What measures a program (``palsy benchmark``) sees those children only that were waited for."""
    code = (
        "import atexit, json, resource, sys\n"
        "tell = lambda: print(json.dumps(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime))\n"
        "atexit.register(tell)\n"
        "from palsy_cli.stages.video import read_clip\n"
        "read_clip(sys.argv[1])\n"
    )
    assert told(run(code, film)) > 0.05


def test_an_interrupt_while_it_is_awaited_leaves_none(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = iter_frames(read_clip(film))
    next(frames)

    def interrupt(self: Decoder, wait_s: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Decoder, "_hear", interrupt)
        next(frames)
    assert running() == [] and len(list(iter_frames(read_clip(film)))) == 40


@needs_proc
def test_nothing_is_left_and_nothing_is_said_at_the_end(film: Path) -> None:
    parent = run(BEGIN, film)
    (number,) = told(parent)
    assert parent.communicate()[1] == "" and parent.returncode == 0 and ended(number, 1.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
def test_a_fork_gets_its_own(film: Path) -> None:
    code = BEGIN + (
        "import os\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    frames.close()\n"
        "    again = sum(1 for _ in iter_frames(read_clip(sys.argv[1])))\n"
        "    process._end_all()\n"
        "    os._exit(again)\n"
        "print(json.dumps([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), sum(1 for _ in frames)]))\n"
    )
    program = run(code, film)
    told(program)
    assert told(program) == [40, 39] and program.communicate()[1] == ""


def count(path: Path, answer: Any) -> None:
    answer.put(sum(1 for _ in iter_frames(read_clip(path))))


def test_it_works_in_a_daemonic_worker(film: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    worker = context.Process(target=count, args=(film, answer), daemon=True)
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0 and answer.get() == 40


def test_files_in_the_working_folder_are_not_run(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("json", "av", "signal", "palsy_cli"):
        (film.parent / f"{name}.py").write_text("raise SystemExit('run')")
    monkeypatch.chdir(film.parent)
    assert read_clip("clip.mkv").width == 64


def test_a_relative_path_is_one_of_the_present_folder(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_clip(film)
    monkeypatch.chdir(film.parent)
    assert len(list(iter_frames(read_clip("clip.mkv")))) == 40


def test_it_loads_only_what_it_needs() -> None:
    """It has to start in a moment."""
    heavy = ("torch", "timm", "cv2", "scipy", "rich", "typer", "palsy_cli.console", "palsy_cli.stages")
    code = f"import json, sys, palsy_cli.decoder.child\nprint(json.dumps([n for n in {heavy} if n in sys.modules]))"
    assert told(run(code)) == []
