"""Provenance of a run."""

from __future__ import annotations

import palsy_cli
from palsy_cli.config import Settings, load_settings
from palsy_cli.manifest import environment, package_versions, run_info


def test_run_info_names_what_made_the_result() -> None:
    settings = load_settings(overrides=["seed=3"])
    info = run_info(settings, device="cpu", seconds={"video": 0.123456})
    assert (info.version, info.device, info.seed, info.profile) == (palsy_cli.__version__, "cpu", 3, "clinical")
    assert info.settings_sha256 == settings.fingerprint() != Settings().fingerprint()
    assert info.settings["seed"] == 3 and info.settings["keyframes"]["threshold"] == settings.keyframes.threshold
    assert info.seconds == {"video": 0.123}


def test_versions() -> None:
    found = package_versions(("numpy", "no-such-distribution"))
    assert found["numpy"] and found["no-such-distribution"] is None
    assert environment()["palsy"] == palsy_cli.__version__
