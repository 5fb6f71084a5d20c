"""A measured process: its time, its memory, its end."""

from __future__ import annotations

import pytest

from palsy_cli.benchmark.processes import measure
from palsy_cli.errors import PalsyError


def test_time_and_output_are_those_of_the_process() -> None:
    slept = measure(["-c", "import time; time.sleep(0.5); print('done')"])
    assert slept.output == "done\n"
    assert slept.wall_s >= 0.5 and slept.cpu_s < slept.wall_s


def test_memory_is_the_peak_and_not_what_is_left() -> None:
    small, large = (measure(["-c", f"x = bytearray({mib} << 20); del x"]) for mib in (1, 200))
    assert 190 < large.peak_mib - small.peak_mib < 230


def test_a_failure_is_one_line() -> None:
    with pytest.raises(PalsyError, match=r"ended with exit code 7: the reason") as told:
        measure(["-c", "import sys; sys.stderr.write('more\\nthe reason\\n'); sys.exit(7)"])
    assert "\n" not in str(told.value)


def test_a_killed_process_is_a_failure() -> None:
    with pytest.raises(PalsyError, match="exit code 137: it said nothing"):
        measure(["-c", "import os; os.kill(os.getpid(), 9)"])


def test_the_memory_of_this_process_does_not_count() -> None:
    held = bytearray(300 << 20)
    assert measure(["-c", ""]).peak_mib < 100 < len(held) >> 20
