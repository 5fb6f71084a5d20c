"""One benchmark, hop by hop: the videos, ``palsy assess`` on each, its rivals, the networks alone."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import palsy_cli
from palsy_cli.benchmark.clip import make_clip
from palsy_cli.benchmark.processes import Measured, measure
from palsy_cli.console import ProgressCallback
from palsy_cli.errors import UsageError
from palsy_cli.files import ASSESSMENT_JSON
from palsy_cli.manifest import environment, package_versions
from palsy_cli.networks.device import choose_device
from palsy_cli.stages.video import read_clip

SCHEMA = "1.0"
_SIZES = ("compact", "paper")
_PROBE = ["-m", "palsy_cli.benchmark.probe"]


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        video: the recording, or ``None`` to make one of each length in ``seconds``.
        seconds: lengths of the made-up recordings.
        repeats: how often everything is measured; medians are reported.
        device: as ``--device`` says.
        models: folder of weights, or ``None`` for those that came along.
        landmarker: MediaPipe's bundle ``face_landmarker.task``, or ``None`` to leave MediaPipe out.
        literal: time the papers' method and the networks by themselves, too.
    """

    video: Path | None = None
    seconds: Sequence[float] = (30.0,)
    repeats: int = 3
    device: str = "auto"
    models: Path | None = None
    landmarker: Path | None = None
    literal: bool = True


def run_benchmark(plan: Plan, *, on_progress: ProgressCallback | None = None) -> dict[str, Any]:
    """Measure what the plan says; everything that is compared is measured in turns.

    Returns:
        What ``page.to_markdown`` shows and ``--out`` stores as JSON; times in seconds, memory in MiB.

    Raises:
        UsageError: no such device, or MediaPipe is asked for and not there.
        VideoError: the recording cannot be read.
        PalsyError: a measured program failed.
    """
    device = choose_device(plan.device)
    if plan.landmarker is not None:
        _require_landmarker(plan.landmarker)
    tell = on_progress or (lambda stage, done, total: None)
    with tempfile.TemporaryDirectory(prefix="palsy-benchmark-") as name:
        videos = _videos(plan, Path(name), tell)
        rounds = []
        for number in range(plan.repeats):
            tell("rounds", number, plan.repeats)
            rounds.append(_round(plan, videos, Path(name), device))
    alone = _alone(device, tell) if plan.literal else {}
    return {
        "schema_version": SCHEMA,
        "made_utc": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "machine": _machine(device),
        "repeats": plan.repeats,
        "start": {key: _median(each["start"][key] for each in rounds) for key in rounds[0]["start"]},
        "videos": [_merged([each["videos"][i] for each in rounds]) for i in range(len(videos))],
        **alone,
    }


def _require_landmarker(model: Path) -> None:
    if find_spec("mediapipe") is None:
        raise UsageError("--landmarker needs MediaPipe; install it with: pip install mediapipe")
    if not model.is_file():
        raise UsageError(f"{model}: no such file; --landmarker wants MediaPipe's face_landmarker.task")


def _videos(plan: Plan, folder: Path, tell: ProgressCallback) -> list[Path]:
    """The user's video, or one made for each length."""
    if plan.video is not None:
        return [read_clip(plan.video).path]
    made = []
    for number, seconds in enumerate(plan.seconds):
        tell("videos", number, len(plan.seconds))
        (folder / f"{number}").mkdir()
        made.append(make_clip(folder / f"{number}" / "patient.mp4", seconds=seconds))
    return made


def _round(plan: Plan, videos: list[Path], folder: Path, device: str) -> dict[str, Any]:
    """Everything once."""
    return {
        "start": {
            "help_s": measure(["-m", "palsy_cli", "--help"]).wall_s,
            "first_frame_s": measure([*_PROBE, "first-frame", str(videos[0]), device, str(plan.models or "")]).wall_s,
        },
        "videos": [_one_video(plan, video, folder / "report", device) for video in videos],
    }


def _one_video(plan: Plan, video: Path, report: Path, device: str) -> dict[str, Any]:
    """``palsy assess``, bare decoding and MediaPipe on one video."""
    models = ["--models", str(plan.models)] if plan.models else []
    whole = measure(["-m", "palsy_cli", "assess", str(video), "-o", str(report), "--device", device, *models])
    told = json.loads((report / ASSESSMENT_JSON).read_text(encoding="utf-8"))
    stages = dict(told["run"]["seconds"])
    stages["start and report"] = whole.wall_s - sum(stages.values())
    known = {key: told["video"][key] for key in ("frames", "duration_s", "fps", "width", "height")}
    found = {
        **known,
        "keyframes": told["quality"]["keyframes"],
        "assess": _figures(whole),
        "stages_s": stages,
        "decode": _figures(measure([*_PROBE, "decode", str(video)])),
    }
    if plan.landmarker is not None:
        found["landmarker"] = _figures(measure([*_PROBE, "landmarker", str(video), str(plan.landmarker)]))
    return found


def _figures(measured: Measured) -> dict[str, float]:
    return {"wall_s": measured.wall_s, "cpu_s": measured.cpu_s, "peak_mib": measured.peak_mib}


def _alone(device: str, tell: ProgressCallback) -> dict[str, Any]:
    """The papers' method on one frame, and what each network does in a second."""
    tell("networks", 0, 1 + len(_SIZES))
    literal = json.loads(measure([*_PROBE, "literal", device]).output)
    rates = {}
    for number, size in enumerate(_SIZES, start=1):
        tell("networks", number, 1 + len(_SIZES))
        rates[size] = json.loads(measure([*_PROBE, "networks", device, size]).output)
    return {"literal_s_per_frame": {**literal["networks"], "all": literal["seconds"]}, "networks": rates}


def _merged(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """The same video in all rounds: medians of what was measured, the rest as it is; the single walls kept."""
    first = rounds[0]
    merged: dict[str, Any] = {}
    for key, value in first.items():
        if isinstance(value, dict):
            merged[key] = {name: _median(each[key][name] for each in rounds) for name in value}
        else:
            merged[key] = value
    merged["assess"]["all_wall_s"] = [round(each["assess"]["wall_s"], 3) for each in rounds]
    return merged


def _median(values: Iterable[float]) -> float:
    return round(statistics.median(values), 4)


def _machine(device: str) -> dict[str, Any]:
    """What it ran on."""
    import torch

    gpu = torch.cuda.get_device_name(device) if device.startswith("cuda") else None
    return {
        **environment(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "device": device,
        "gpu": gpu,
        "packages": package_versions(),
    }


def _processor() -> str:
    """The processor's own name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())


def _commit() -> str:
    """Short name of the commit that runs, with ``+`` when something was changed since; else the version."""
    root = Path(palsy_cli.__file__).parents[1]
    if not (root / ".git").exists():
        return palsy_cli.__version__
    try:
        git = ["git", "-C", str(root)]
        name = subprocess.run([*git, "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run([*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return palsy_cli.__version__
    return name.stdout.strip() + ("+" if changed.stdout.strip() else "")
