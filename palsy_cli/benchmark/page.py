"""A benchmark as a page to read, and beside an earlier one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from palsy_cli.documents import read_json
from palsy_cli.errors import UsageError

_RIVALS = {"decode": "bare decoding", "landmarker": "MediaPipe Face Landmarker, every frame"}


def file_name(found: Mapping[str, Any]) -> str:
    """Date and commit, without suffix."""
    return f"{found['made_utc'][:10]}-{found['commit'].rstrip('+')}"


def read_benchmark(path: Path) -> dict[str, Any]:
    """An earlier benchmark's JSON; raises UsageError when it is none."""
    try:
        found = read_json(path)
        if found["schema_version"].partition(".")[0] != "1":
            raise ValueError(f"schema {found['schema_version']}")
        if not all(isinstance(value, int | float) for value in factors(found).values()):
            raise ValueError("a figure is no number")
        str(found["commit"])
    except (ArithmeticError, ValueError, TypeError, LookupError, AttributeError) as error:
        raise UsageError(
            f"{path}: is no benchmark of palsy ({error}); name the JSON that `palsy benchmark` wrote"
        ) from error
    return dict(found)


def factors(found: Mapping[str, Any]) -> dict[str, float]:
    """Every figure that two benchmarks can be compared by: seconds and MiB, less is better."""
    values = {"start: palsy --help": found["start"]["help_s"], "start: first frame": found["start"]["first_frame_s"]}
    for video in found["videos"]:
        name = f"{video['duration_s']:g} s"
        values[f"{name}: palsy assess"] = video["assess"]["wall_s"]
        values[f"{name}: processor time"] = video["assess"]["cpu_s"]
        values[f"{name}: peak memory"] = video["assess"]["peak_mib"]
        values |= {f"{name}: {stage}": seconds for stage, seconds in video["stages_s"].items()}
    return values


def ratios(found: Mapping[str, Any], before: Mapping[str, Any]) -> list[tuple[str, float, float, float]]:
    """(figure, before, now, now / before) of all figures that both have."""
    now, then = factors(found), factors(before)
    return [(name, then[name], now[name], now[name] / then[name]) for name in now if then.get(name)]


def to_markdown(found: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> str:
    """The whole page; with ``before`` a table of ratios, too."""
    machine = found["machine"]
    where = machine["gpu"] or machine["processor"]
    lines = [
        f"# Speed, {found['made_utc'][:10]}, {found['commit']}",
        "",
        f"`palsy benchmark` on {machine['cores']} cores, {where}, device {machine['device']}; Python "
        f"{machine['python']}, torch {machine['packages']['torch']}. Medians of {found['repeats']} rounds.",
        "",
        *_table(("start", "seconds"), [(key, _number(value)) for key, value in _starts(found)]),
    ]
    for video in found["videos"]:
        lines += ["", *_video(video, found.get("literal_s_per_frame"))]
    if "networks" in found:
        lines += ["", *_networks(found)]
    if before is not None:
        lines += ["", f"## Against {before['made_utc'][:10]}, {before['commit']}", ""]
        rows = [(name, *map(_number, values)) for name, *values in ratios(found, before)]
        lines += _table(("figure", "before", "now", "ratio"), rows)
    return "\n".join(lines) + "\n"


def _starts(found: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    yield "`palsy --help`", found["start"]["help_s"]
    yield "`palsy assess`, up to the first frames looked at", found["start"]["first_frame_s"]


def _video(video: Mapping[str, Any], literal: Mapping[str, float] | None) -> Iterator[str]:
    """One video: the programs beside each other, then the stages."""
    length, ours = video["duration_s"], video["assess"]
    yield f"## {length:.1f} s, {video['frames']} frames of {video['width']} x {video['height']}"
    yield ""
    rows = [_program("`palsy assess`", ours, video, ours)]
    rows += [_program(title, video[key], video, ours) for key, title in _RIVALS.items() if key in video]
    if literal is not None:
        seconds = literal["all"] * video["frames"]
        told = (f"{seconds:.0f}", f"{seconds / length:.0f}", f"{video['frames'] / seconds:.2f}", "", "")
        rows.append(("the papers' method, every frame (from one frame)", *told, f"{seconds / ours['wall_s']:.0f}"))
    head = ("program", "seconds", "of the video's length", "frames a second", "processor s", "peak MiB", "of ours")
    yield from _table(head, rows)
    yield ""
    stages = sorted(video["stages_s"].items(), key=lambda item: -item[1])
    rows_of_stages = [(name, _number(s), f"{100 * s / ours['wall_s']:.0f} %") for name, s in stages]
    yield from _table(("stage", "seconds", "share"), rows_of_stages)


def _program(
    title: str, figures: Mapping[str, float], video: Mapping[str, Any], ours: Mapping[str, float]
) -> tuple[str, ...]:
    wall = figures["wall_s"]
    shares = (wall / video["duration_s"], video["frames"] / wall)
    more = (figures["cpu_s"], figures["peak_mib"])
    return (title, *map(_number, (wall, *shares)), *(f"{value:.0f}" for value in more), _number(wall / ours["wall_s"]))


def _networks(found: Mapping[str, Any]) -> Iterator[str]:
    """Pictures a second of every network and size; seconds a frame of the papers' method."""
    rates, literal = found["networks"], found["literal_s_per_frame"]
    yield "## Networks alone"
    yield ""
    rows = [
        (name, *(f"{rates[size]['per_second'][name]:.1f}" for size in rates), _number(literal[name]))
        for name in rates["compact"]["per_second"]
    ]
    rows.append(("dvpm", *("" for _ in rates), _number(literal["dvpm"])))
    head = ("network", *(f"pictures a second, {size}" for size in rates), "papers' method, s a frame")
    yield from _table(head, rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(cells) + " |" for cells in lines]


def _number(value: float) -> str:
    """Three digits that count."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
