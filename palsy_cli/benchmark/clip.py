"""The video on which speed is measured, when the user names none: a drawn patient, filmed like a camera would."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from palsy_cli.records import ByteImage
from palsy_cli.simulate.clips import DrawnRenderer, simulate_frames
from palsy_cli.simulate.palsy import house_brackmann_preset
from palsy_cli.simulate.person import Person
from palsy_cli.simulate.script import PROTOCOL, write_script
from palsy_cli.stages.video import write_video

#: Picture and rate of the made-up recording.
WIDTH, HEIGHT, FPS = 1920, 1080, 30.0
#: The patient is drawn at this fraction of the size and enlarged; longer films repeat so many seconds.
_REDUCED, _DRAWN_S = 4, 30.0
#: Standard deviation of the camera's noise in grey values, and how many different noises there are. It makes a film of
#: 18 Mbit/s, as telephones do; without noise it would be decoded faster than any real one.
_NOISE, _NOISES = 1.0, 8
_SEED, _GRADE = 2150, 4


def make_clip(path: Path, *, seconds: float) -> Path:
    """Write a recording (1920 x 1080, 30 frames a second) of a drawn patient with a palsy of grade IV on the left.

    Args:
        path: the mp4 to write.
        seconds: its length; beyond 30 s the film repeats itself.
    """
    times = math.ceil(seconds / _DRAWN_S)
    if times > 1:
        return _repeat(make_clip(path.with_name("drawn.mp4"), seconds=seconds / times), path, times)
    write_video(itertools.islice(_filmed(), round(seconds * FPS)), path, fps=FPS)
    return path


def _repeat(short: Path, path: Path, times: int) -> Path:
    """Write a film so many times in a row, as it was encoded."""
    length = 0
    with av.open(path, "w") as longer:
        stream: Any = None
        for _ in range(times):
            with av.open(short) as film:
                source = film.streams.video[0]
                stream = stream or longer.add_stream_from_template(source)
                for packet in film.demux(source):
                    if packet.dts is None or packet.pts is None:  # the end
                        continue
                    packet.pts, packet.dts, packet.stream = packet.pts + length, packet.dts + length, stream
                    longer.mux(packet)
                length += round(source.frames / FPS / source.time_base)
    return path


def _filmed() -> Iterator[ByteImage]:
    """The drawn patient, again and again, at full size and with noise."""
    rng = np.random.default_rng(_SEED)
    noises = [rng.normal(0.0, _NOISE, (HEIGHT, WIDTH, 1)).astype(np.int16) for _ in range(_NOISES)]
    renderer = DrawnRenderer(Person.from_seed(_SEED), (HEIGHT // _REDUCED, WIDTH // _REDUCED))
    lesion = house_brackmann_preset(_GRADE, "left")
    script = write_script(PROTOCOL, rng=rng)
    drawn = itertools.chain.from_iterable(
        simulate_frames(renderer, lesion, script, fps=FPS, seed=_SEED + again) for again in itertools.count()
    )
    for frame, noise in zip(drawn, itertools.cycle(noises), strict=False):
        large = cv2.resize(frame.image, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
        yield np.clip(large + noise, 0, 255).astype(np.uint8)
