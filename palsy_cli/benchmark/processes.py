"""A program as its user starts it: wall time, processor time and peak memory of the whole process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from palsy_cli.errors import PalsyError

_LAUNCH = Path(__file__).with_name("launch.py")
#: What ``ru_maxrss`` counts in.
_RSS_PER_MIB = 1 << 20 if sys.platform == "darwin" else 1 << 10


@dataclass(frozen=True)
class Measured:
    """A finished process.

    Attributes:
        wall_s: seconds from start to end, the interpreter's own included.
        cpu_s: seconds of all cores together, its own children included.
        peak_mib: largest resident memory of the process or of any of its children.
        output: what it wrote to stdout.
    """

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


def measure(arguments: list[str]) -> Measured:
    """Run Python with these arguments and wait for it; raises PalsyError with its last line when it fails."""
    with tempfile.TemporaryDirectory(prefix="palsy-measured-") as folder:
        figures = Path(folder) / "figures.json"
        launched = [sys.executable, "-I", "-S", str(_LAUNCH), str(figures), sys.executable, *arguments]
        done = subprocess.run(launched, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            told = done.stderr.decode(errors="replace").strip().splitlines() or ["it said nothing"]
            raise PalsyError(f"{' '.join(arguments)}: ended with exit code {done.returncode}: {told[-1]}")
        known = json.loads(figures.read_text(encoding="utf-8"))
    output = done.stdout.decode(errors="replace")
    return Measured(known["wall_s"], known["cpu_s"], known["maxrss"] / _RSS_PER_MIB, output)
