"""Thousands of damaged videos and pictures: is every one assessed or refused, and nothing else?

    python docs/benchmarks/fuzz_videos.py FOLDER [--count 10000] [--seed 0] [--workers 2]

A drawn patient is written in a dozen formats; each file to try is one of them with bytes exchanged, cut out, doubled,
zeroed or blown up, or the beginning of one and the end of another. Whatever ends otherwise than with a whole result
(exit 0) or a ``VideoError`` or ``NoFaceError`` and no result at all (exit 3), or takes longer than ``LONGEST_S``, is
kept in FOLDER. Prints a table. About half a second a file on one core.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import multiprocessing
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import torch

from palsy_cli import pipeline
from palsy_cli.config import Execution, Settings
from palsy_cli.errors import InputError
from palsy_cli.files import ACTION_UNITS_CSV, ASSESSMENT_JSON, LANDMARKS_CSV, REPORT_HTML
from palsy_cli.networks.weights import ModelSet
from palsy_cli.records import ByteImage
from palsy_cli.report import write_report
from palsy_cli.simulate.clips import DrawnRenderer, simulate_frames
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.script import write_script

#: A drawn person that was never trained on.
UNSEEN, SIDE, FRAMES, FPS = 2150, 192, 6, 12
LONGEST_S = 120
RESULT = (ACTION_UNITS_CSV, ASSESSMENT_JSON, LANDMARKS_CSV, REPORT_HTML)
#: Name of the file, codec, pixel format.
FILMS = (
    ("h264.mp4", "libx264", "yuv420p"), ("ten_bit.mp4", "libx264", "yuv420p10le"), ("hevc.mov", "libx265", "yuv420p"),
    ("mpeg4.avi", "mpeg4", "yuv420p"), ("mjpeg.mov", "mjpeg", "yuvj420p"), ("ffv1.mkv", "ffv1", "bgr0"),
    ("vp9.webm", "libvpx-vp9", "yuv420p"), ("animation.mov", "qtrle", "argb"),
)  # fmt: skip
PICTURES = ("face.png", "face.jpg", "face.bmp", "face.tiff", "face.webp")
#: What blows a number up.
_LARGE = (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00", b"\x00\x00\x00\x00", b"\x00\x00\x75\x30")


@dataclass(frozen=True)
class Outcome:
    """How one file ended: exit code (1 for whatever must not happen), seconds, and the error's last line."""

    number: int
    source: str
    code: int
    seconds: float
    told: str = ""


def make_sources() -> dict[str, bytes]:
    """The valid files by name."""
    with tempfile.TemporaryDirectory() as name:
        folder, images = Path(name), draw()
        for film, codec, pixels in FILMS:
            encode(images, folder / film, codec, pixels)
        for picture in PICTURES:
            cv2.imwrite(str(folder / picture), images[0][..., ::-1])
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def draw() -> list[ByteImage]:
    """Some frames of a smile of grade V."""
    script = write_script(("open_smile",), tempo=2.0, hold_s=0.2)
    renderer, lesion = DrawnRenderer(Person.from_seed(UNSEEN), (SIDE, SIDE)), house_brackmann_preset(5, "left")
    frames = [frame.image for frame in simulate_frames(renderer, lesion, script, fps=FPS, seed=1, natural=False)]
    return [frames[i] for i in np.linspace(0, len(frames) - 1, FRAMES).astype(int)]


def encode(images: list[ByteImage], path: Path, codec: str, pixels: str) -> None:
    """Write a film; ``add_stream`` raises where this FFmpeg lacks the codec."""
    with av.open(path, "w") as container:
        stream = container.add_stream(codec, rate=Fraction(FPS))
        stream.width = stream.height = SIDE
        stream.pix_fmt = pixels
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pixels)))
        container.mux(stream.encode(None))


def damage(sources: dict[str, bytes], number: int, seed: int) -> tuple[str, bytes]:
    """Name of the valid file, and its damaged bytes; the same for the same numbers."""
    rng = random.Random(f"{seed} {number}")
    name = rng.choice(sorted(sources))
    content = bytearray(sources[name])
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        rng.choice((_flip, _flip, _blow_up, _zero, _cut_out, _double, _cut_off, _insert))(content, rng)
        content = content or bytearray(b"\0")
    if rng.random() < 0.05:
        other = sources[rng.choice(sorted(sources))]
        content = content[: rng.randrange(len(content)) + 1] + other[rng.randrange(len(other)) :]
    return name, bytes(content)


def _place(content: bytearray, rng: random.Random) -> int:
    """Anywhere; every other time in the header or in the index at the end, where the claims are."""
    near = min(len(content), 600)
    anywhere = rng.randrange(len(content))
    return rng.choice((anywhere, anywhere, rng.randrange(near), len(content) - 1 - rng.randrange(near)))


def _flip(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 8, 64))):
        content[_place(content, rng)] ^= 1 << rng.randrange(8)


def _blow_up(content: bytearray, rng: random.Random) -> None:
    at = _place(content, rng)
    content[at : at + 4] = rng.choice(_LARGE)


def _zero(content: bytearray, rng: random.Random) -> None:
    at, length = _place(content, rng), rng.choice((4, 64, 1024))
    content[at : at + length] = bytes(len(content[at : at + length]))


def _cut_out(content: bytearray, rng: random.Random) -> None:
    at = _place(content, rng)
    del content[at : at + rng.choice((1, 16, 512))]


def _double(content: bytearray, rng: random.Random) -> None:
    at = _place(content, rng)
    content[at:at] = content[at : at + rng.choice((4, 64, 2048))]


def _cut_off(content: bytearray, rng: random.Random) -> None:
    del content[_place(content, rng) :]


def _insert(content: bytearray, rng: random.Random) -> None:
    at = _place(content, rng)
    content[at:at] = rng.randbytes(rng.choice((1, 16, 512)))


_MODELS: list[ModelSet] = []
_SOURCES: dict[str, bytes] = {}


def start(sources: dict[str, bytes]) -> None:
    """One thread a worker, the networks and the valid files once."""
    torch.set_num_threads(1)
    _MODELS.append(ModelSet.of(Execution(device="cpu")))
    _SOURCES.update(sources)


def attempt(number: int, seed: int, keep: Path) -> Outcome:
    """Assess one file as the command does."""
    name, content = damage(_SOURCES, number, seed)
    with tempfile.TemporaryDirectory() as place:
        video, out = Path(place) / name, Path(place) / "out"
        video.write_bytes(content)
        started = time.perf_counter()
        signal.alarm(LONGEST_S)
        try:
            code, told = assess(video, out)
        except BaseException as error:  # whatever it is, it is what we look for
            code, told = 1, "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
        finally:
            signal.alarm(0)
        if code == 1:
            shutil.copy(video, keep / f"{number}-{name}")
        return Outcome(number, name, code, time.perf_counter() - started, told)


def assess(video: Path, out: Path) -> tuple[int, str]:
    """Exit code and message; raises what must not happen, a half result among it."""
    try:
        result = pipeline.assess(video, settings=Settings(), models=_MODELS[0])
        write_report(result, out)
    except InputError as error:
        if out.exists():
            raise RuntimeError("refused, and yet something was written") from error
        return error.exit_code, str(error)
    if sorted(path.name for path in out.iterdir()) != sorted(RESULT):
        raise RuntimeError("assessed, and yet the result is not whole")
    return 0, ""


def run(folder: Path, *, count: int, seed: int, workers: int) -> list[Outcome]:
    """All outcomes; a worker that dies ends the run with ``BrokenProcessPool``."""
    outcomes: list[Outcome] = []
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(
        workers, mp_context=context, initializer=start, initargs=(make_sources(),)
    ) as pool:
        for outcome in pool.map(attempt, range(count), [seed] * count, [folder] * count):
            outcomes.append(outcome)
            if len(outcomes) % 100 == 0:
                sys.stderr.write(f"{len(outcomes)}\n")
    return outcomes


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    for name, value in (("count", 10_000), ("seed", 0), ("workers", 2)):
        parser.add_argument(f"--{name}", type=int, default=value)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    outcomes = run(chosen.folder, count=chosen.count, seed=chosen.seed, workers=chosen.workers)
    sys.stdout.write(to_table(outcomes) + f"\n{time.perf_counter() - started:.0f} s\n")
    sys.stdout.writelines(f"{each.number}-{each.source}: {each.told}\n" for each in outcomes if each.code not in (0, 3))


def to_table(outcomes: list[Outcome]) -> str:
    """Counts and the slowest by source, as Markdown."""
    lines = ["| file | tried | assessed | refused | otherwise | slowest, s |", "|---|---|---|---|---|---|"]
    for name in (*sorted({each.source for each in outcomes}), "all"):
        own = [each for each in outcomes if name in (each.source, "all")]
        codes = collections.Counter(each.code for each in own)
        counts = f"{len(own)} | {codes[0]} | {codes[3]} | {len(own) - codes[0] - codes[3]}"
        lines.append(f"| {name} | {counts} | {max(each.seconds for each in own):.1f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
