"""The page of a benchmark, and two of them beside each other."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from palsy_cli.benchmark.page import file_name, ratios, read_benchmark, to_markdown
from palsy_cli.errors import UsageError

FOUND: dict[str, Any] = {
    "schema_version": "1.0",
    "made_utc": "2026-01-02T03:04:05+00:00",
    "commit": "abcdef0+",
    "machine": {
        "processor": "Made-up 9000",
        "cores": 2,
        "device": "cpu",
        "gpu": None,
        "python": "3.11.7",
        "packages": {"torch": "2.15.0"},
    },
    "repeats": 3,
    "start": {"help_s": 0.25, "first_frame_s": 2.5},
    "videos": [
        {
            "frames": 300,
            "duration_s": 10.0,
            "fps": 30.0,
            "width": 1920,
            "height": 1080,
            "keyframes": 20,
            "assess": {"wall_s": 8.0, "cpu_s": 14.0, "peak_mib": 900.0, "all_wall_s": [8.0, 8.0, 8.0]},
            "stages_s": {"landmarks": 4.0, "face": 2.0, "start and report": 2.0},
            "decode": {"wall_s": 1.0, "cpu_s": 1.5, "peak_mib": 200.0},
            "landmarker": {"wall_s": 4.0, "cpu_s": 6.0, "peak_mib": 300.0},
        }
    ],
    "literal_s_per_frame": {"ovpm": 2.0, "dvpm": 3.0, "retinaface": 1.0, "all": 6.0},
    "networks": {
        size: {"batch": 16, "per_second": {"ovpm": rate, "retinaface": 2 * rate}}
        for size, rate in (("compact", 20.0), ("paper", 2.0))
    },
}


def row(page: str, start: str) -> list[str]:
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {start}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_every_program_stands_beside_ours() -> None:
    page = to_markdown(FOUND)
    assert row(page, "`palsy assess` |") == ["8", "0.8", "37.5", "14", "900", "1"]
    assert row(page, "MediaPipe") == ["4", "0.4", "75", "6", "300", "0.5"]
    assert row(page, "bare decoding") == ["1", "0.1", "300", "2", "200", "0.125"]
    assert row(page, "the papers' method")[0] == "1800" and row(page, "the papers' method")[-1] == "225"


def test_stages_are_sorted_and_add_up() -> None:
    page = to_markdown(FOUND)
    stages = [line.split("|")[1].strip() for line in page.splitlines() if line.endswith("% |")]
    assert stages == ["landmarks", "face", "start and report"]
    assert row(page, "landmarks") == ["4", "50 %"]


def test_networks_alone() -> None:
    page = to_markdown(FOUND)
    assert row(page, "ovpm") == ["20.0", "2.0", "2"] and row(page, "dvpm") == ["", "", "3"]
    without = {key: value for key, value in FOUND.items() if key not in ("networks", "literal_s_per_frame")}
    assert "Networks alone" not in to_markdown(without) and "papers' method" not in to_markdown(without)


def test_ratios_are_of_what_both_have() -> None:
    before = copy.deepcopy(FOUND)
    before["videos"][0]["assess"]["wall_s"] = 16.0
    del before["videos"][0]["stages_s"]["face"]
    by_name = {name: values for name, *values in ratios(FOUND, before)}
    assert by_name["10 s: palsy assess"] == [16.0, 8.0, 0.5]
    assert "10 s: face" not in by_name and by_name["start: first frame"][2] == 1.0
    assert row(to_markdown(FOUND, before), "10 s: palsy assess") == ["16", "8", "0.5"]


def test_the_file_is_named_by_date_and_commit() -> None:
    assert file_name(FOUND) == "2026-01-02-abcdef0"


@pytest.mark.parametrize(
    "content", [None, "", "[]", "{}", '{"schema_version": 1}', json.dumps(FOUND | {"schema_version": "2.0"}), "\xff"]
)
def test_what_is_no_benchmark_is_one_line(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "before.json"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    with pytest.raises(UsageError, match=r"before\.json: is no benchmark of palsy") as told:
        read_benchmark(path)
    assert "\n" not in str(told.value)


def test_a_benchmark_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "before.json"
    path.write_text(json.dumps(FOUND))
    assert read_benchmark(path) == FOUND
