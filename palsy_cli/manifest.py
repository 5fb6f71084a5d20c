"""Provenance: with what, and how, a result was made. Pure functions; nothing here computes or writes."""

from __future__ import annotations

import dataclasses
import platform
from collections.abc import Iterable, Mapping
from importlib import metadata

import palsy_cli
from palsy_cli.config import Settings
from palsy_cli.records import RunInfo

#: The packages whose versions may change a number.
PACKAGES: tuple[str, ...] = ("torch", "timm", "numpy", "scipy", "opencv-contrib-python-headless", "av", "safetensors")


def run_info(settings: Settings, *, device: str, seconds: Mapping[str, float]) -> RunInfo:
    """The record of a run that ended.

    Args:
        settings: all that could change the answer.
        device: where the networks ran, for example ``cpu`` or ``cuda``.
        seconds: wall-clock time of each stage, by its name.
    """
    return RunInfo(
        version=palsy_cli.__version__,
        device=device,
        seed=settings.seed,
        profile=settings.profile,
        settings_sha256=settings.fingerprint(),
        settings=dataclasses.asdict(settings),
        seconds={stage: round(time, 3) for stage, time in seconds.items()},
        norms=settings.symptoms.norms.used(),
    )


def environment() -> dict[str, str]:
    """Version of palsy, Python and the operating system."""
    return {
        "palsy": palsy_cli.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def package_versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """Installed version of each distribution, ``None`` where it is absent; imports none of them."""
    return {name: _version(name) for name in packages}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
