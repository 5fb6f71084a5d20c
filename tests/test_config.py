"""Settings: precedence, checks, messages, fingerprint."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from palsy_cli.config import PAPER_OVERRIDES, Execution, Settings, load_settings, setting_types
from palsy_cli.errors import ConfigError


def toml(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text)
    return path


def lookup(settings: Settings, name: str) -> object:
    group, _, inner = name.partition(".")
    return getattr(getattr(settings, group), inner) if inner else getattr(settings, group)


def test_flags_win_over_file_over_profile_over_defaults(tmp_path: Path) -> None:
    assert load_settings() == Settings()
    paper = load_settings(profile="paper")
    assert paper.profile == "paper"
    assert all(lookup(paper, name) == value for name, value in PAPER_OVERRIDES.items())
    assert all(lookup(Settings(), name) != value for name, value in PAPER_OVERRIDES.items())
    path = toml(tmp_path, 'profile = "paper"\nseed = 5\n[landmarks]\nweighted = true\ntop_k = 9\n')
    merged = load_settings(config_file=path, overrides=["landmarks.top_k=7"])
    assert (merged.profile, merged.seed, merged.landmarks.weighted, merged.landmarks.top_k) == ("paper", 5, True, 7)
    assert merged.action_units.decode == "argmax"
    assert load_settings(profile="clinical", config_file=path).action_units.decode == "expectation"


@pytest.mark.parametrize("name", sorted(set(setting_types()) - {"symptoms.norms"}))
def test_every_setting_can_be_set_and_changes_the_fingerprint(name: str) -> None:
    value = lookup(Settings(), name)
    if isinstance(value, bool):
        text, expected = str(not value).lower(), not value
    elif isinstance(value, int | float):
        text, expected = str(value + 1), value + 1
    else:
        others = {"clinical": "paper", "own": "retina-face", "expectation": "argmax"}
        text, expected = others[str(value)], others[str(value)]
    changed = load_settings(overrides=[f"{name}={text}"])
    assert lookup(changed, name) == expected
    assert changed.fingerprint() != Settings().fingerprint()


def test_fingerprint_is_of_the_values_alone() -> None:
    assert load_settings(overrides=["seed=0"]).fingerprint() == Settings().fingerprint()
    assert len(Settings().fingerprint()) == 64
    assert not {field.name for field in dataclasses.fields(Execution)} & set(setting_types())


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("keyframes.treshold=3", "did you mean keyframes.threshold"),
        ("zzzzzz=3", "unknown setting 'zzzzzz'$"),
        ("keyframes.threshold=many", "expected float"),
        ("keyframes.threshold=true", "expected float"),
        ("keyframes.threshold=-1", "zero or more"),
        ("keyframes.threshold=1e999", "expected float"),
        ("keyframes.max_keyframes=2.5", "expected int"),
        ("landmarks.weighted=1", "expected bool"),
        ("action_units.decode=median", "expectation, argmax"),
        ("keyframes=3", "unknown setting"),
        ("threshold", "KEY=VALUE"),
        ("=3", "KEY=VALUE"),
    ],
)
def test_wrong_settings_say_what_is_wrong(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(overrides=[override])


@pytest.mark.parametrize("text", ["[face", "[keyframes]\nspeed = 3\n", "keyframes = 3\n"])
def test_wrong_files_say_what_is_wrong(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        load_settings(config_file=toml(tmp_path, text))


def test_absent_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="absent.toml"):
        load_settings(config_file=tmp_path / "absent.toml")
