"""Hundreds of assessments in one process: does anything grow?

    python docs/benchmarks/soak.py [--count 500] [--every 50]

A drawn patient of two seconds is assessed and reported again and again, with networks that are loaded once and, every
tenth time, loaded anew. Every so often the resident memory, open handles, threads, child processes and what lies in the
folder for temporary files, one of its own, are told. Prints a table. Some three seconds an assessment on two cores.
Linux only.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from palsy_cli.config import Execution, Settings
from palsy_cli.networks.weights import ModelSet
from palsy_cli.pipeline import assess
from palsy_cli.report import write_report
from palsy_cli.simulate.clips import drawn_clip
from palsy_cli.simulate.palsy import house_brackmann_preset

#: A drawn person that was never trained on.
UNSEEN, TASKS, TEMPO, SIDE = 2150, ("open_smile",), 1.3, 256
#: Networks are loaded anew once in so many.
ANEW = 10


def counts() -> dict[str, int]:
    """What could grow."""
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    resident = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split()
    return {
        "resident MiB": int(resident.split()[1]) >> 10,
        "handles": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "child processes": len(children),
        "temporary files": len(os.listdir(tempfile.gettempdir())),
    }


def main() -> None:
    """Assess, count, and print a row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--every", type=int, default=50)
    chosen = parser.parse_args()
    execution, settings = Execution(device="cpu"), Settings()
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as temporary:
        os.environ["TMPDIR"] = tempfile.tempdir = temporary
        video = Path(name) / "patient.mp4"
        lesion = house_brackmann_preset(4, "left")
        drawn_clip(video, lesion=lesion, tasks=TASKS, size=(SIDE, SIDE), seed=UNSEEN, tempo=TEMPO)
        started = time.perf_counter()
        for number in range(1, chosen.count + 1):
            if number % ANEW == 1:
                models = ModelSet.of(execution)
            write_report(assess(video, settings=settings, execution=execution, models=models), Path(name) / "report")
            found = counts() if number == ANEW or number % chosen.every == 0 else {}
            if number == ANEW:
                tell("assessments", "seconds", *found)
                tell(*["---:"] * (2 + len(found)))
            if found:
                tell(number, round(time.perf_counter() - started), *found.values())


def tell(*cells: object) -> None:
    """Print a row of the table."""
    sys.stdout.write(f"| {' | '.join(map(str, cells))} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
