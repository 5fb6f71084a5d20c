"""Start a program, wait for it, and write down what it took: ``python -I -S launch.py FIGURES PROGRAM ...``.

A process of its own: Linux counts the memory of whoever starts a program as that program's, and this one has next to
none. It imports nothing but the standard library.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(figures: str, program: list[str]) -> int:
    """Run ``program``, write its figures as JSON to the file ``figures`` and return its exit code."""
    started = time.perf_counter()
    child = os.posix_spawn(program[0], program, os.environ)
    _, status, used = os.wait4(child, 0)
    wall_s = time.perf_counter() - started
    with open(figures, "w", encoding="utf-8") as file:
        json.dump({"wall_s": wall_s, "cpu_s": used.ru_utime + used.ru_stime, "maxrss": used.ru_maxrss}, file)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
