"""Seconds and peak memory of summary and page for a generated cohort: ``python docs/benchmarks/cohort_size.py 100000``.

Rows are made up one at a time, as a batch gives them. With ``--tables`` the table of action units is measured too, from
as many tables as rows (a few hundred different ones, linked).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from palsy_cli.batch.au_table import AU_TABLE, write_au_table
from palsy_cli.batch.gather import PAGE
from palsy_cli.batch.page import render_cohort
from palsy_cli.batch.summary import COLUMNS, REGIONS, SUMMARY_CSV, SUMMARY_PARQUET, write_summary
from palsy_cli.batch.tally import Tally
from palsy_cli.files import atomic_write
from palsy_cli.records import ALL_AUS, SEVERITY_LABELS
from palsy_cli.report.csv_report import QUALITY_COLUMNS, au_columns, to_csv

VISITS, DIFFERENT = 5, 200
FAILURES = ("no face was found in any frame; film the face from the front", "no video stream; give a video",
            "too short: 3 usable frame(s), at least 5 are needed to see a movement")  # fmt: skip
PAIRS = ((6, 20), (43, 12), (12, 43), (17, 12), (6, 12), (12, 6))


def rows(count: int) -> Iterator[dict[str, Any]]:
    """``count`` videos, ``VISITS`` of each patient, two in a hundred failed, five not graded."""
    draw = random.Random(7)
    for video in range(count):
        patient, visit = divmod(video, VISITS)
        known = {"patient": f"patient {patient}", "session": f"visit {visit + 1}", "mirrored": False,
                 "video": f"patient {patient}/visit {visit + 1}/clip.mp4", "job_id": f"{video:032x}"}  # fmt: skip
        if draw.random() < 0.02:
            reason = f"{known['video']}: {draw.choice(FAILURES)}"
            yield known | {"status": "failed", "exit_code": 3, "reason": reason}
        else:
            yield known | facts(draw, patient, visit) | {"status": "done", "exit_code": 0}


def facts(draw: random.Random, patient: int, visit: int) -> dict[str, Any]:
    """Every column of an assessed video; patients recover from visit to visit, odd ones are weak on the left."""
    found: dict[str, Any] = {}
    for column in COLUMNS:
        if column.kind == "number":
            found[column.name] = round(draw.random() * 3, 6)
        elif column.kind == "whole":
            found[column.name] = draw.randrange(60)
        elif column.name.endswith("sha256"):
            found[column.name] = f"{draw.getrandbits(256) if column.name == 'video_sha256' else 7:064x}"
    side, strength = ("left", -1) if patient % 2 else ("right", 1)
    grade = max(1.0, min(6.0, 1 + (patient % 50) / 10 - 0.4 * visit + draw.gauss(0, 0.3)))
    for region in REGIONS:
        relative = min(1.0, abs(draw.gauss((grade - 1) / 6, 0.1)))
        found |= {f"{region}_relative": relative, f"{region}_delta_am": strength * 3 * relative}
        found[f"{region}_weak_side"] = side if relative > 0.1 else "none"
    pairs = draw.sample(PAIRS, draw.choice((0, 0, 0, 1, 2)))
    if draw.random() < 0.95:
        found |= {"house_brackmann": round(grade), "house_brackmann_expected": grade}
        found["severity"] = SEVERITY_LABELS[min(3, int(grade / 1.6))]
    else:
        found |= {"house_brackmann": None, "house_brackmann_expected": None, "severity": None}
    frames = draw.randrange(200, 900)
    return found | {
        "frames": frames, "usable_frames": round(frames * min(1.0, draw.betavariate(9, 1))), "weak_side": side,
        "delta_am": sum(found[f"{region}_delta_am"] for region in REGIONS), "synkinesis": bool(pairs),
        "synkinesis_pairs": "; ".join(f"{side}:AU{r:02d}<{side}:AU{t:02d}" for r, t in pairs),
        "warnings": f"only {draw.randrange(4)} keyframes: the face hardly moves" if draw.random() < 0.05 else None,
        "profile": "clinical", "palsy_version": "0.1.0", "device": "cpu",
    }  # fmt: skip


def write_tables(results: Path, count: int) -> None:
    """An ``action_units.csv`` of 40 key frames for each job; a few hundred are files, the others are links to them."""
    draw = random.Random(8)
    header = [*QUALITY_COLUMNS, *(name for au in ALL_AUS for name in au_columns(au))]
    for job in range(count):
        file = results / f"{job:032x}" / "action_units.csv"
        file.parent.mkdir(parents=True)
        if job >= DIFFERENT:
            file.hardlink_to(results / f"{job % DIFFERENT:032x}" / "action_units.csv")
            continue
        lines = [[str(7 * k), f"{k / 4:.6f}", "1", "0.9712", "", *(f"{5 * draw.random():.6f}" for _ in header[5:])]
                 for k in range(40)]  # fmt: skip
        file.write_text(to_csv(header, lines), encoding="utf-8")


def measure(name: str, count: int, files: list[Path], started: tuple[float, float]) -> None:
    """One line of JSON: seconds on the clock and on the processor, peak memory so far, sizes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sizes = {file.name: round(file.stat().st_size / 2**20, 1) for file in files}
    wall, processor = time.perf_counter() - started[0], time.process_time() - started[1]
    line = {"what": name, "rows": count, "seconds": round(wall, 1), "processor_seconds": round(processor, 1),
            "peak_mib": round(peak), "mib": sizes}  # fmt: skip
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Measure in a temporary folder, or in ``--keep`` to look at the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=100_000)
    parser.add_argument("--tables", action="store_true", help="measure the table of action units, too")
    parser.add_argument("--keep", type=Path, help="a folder for the files; else they are removed")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = given.keep or Path(temporary)
        started = time.perf_counter(), time.process_time()
        for _ in rows(given.rows):
            pass
        measure("making up the rows, which is part of the next", given.rows, [], started)
        started = time.perf_counter(), time.process_time()
        tally = Tally()
        write_summary(out, tally.watch(rows(given.rows)))
        atomic_write(out / PAGE, render_cohort(tally), private=True)
        measure("summary and page", given.rows, [out / SUMMARY_CSV, out / SUMMARY_PARQUET, out / PAGE], started)
        if given.tables:
            write_tables(out / "results", given.rows)
            started = time.perf_counter(), time.process_time()
            write_au_table(out, rows(given.rows))
            measure("table of action units", given.rows, [out / AU_TABLE], started)


if __name__ == "__main__":
    main()
