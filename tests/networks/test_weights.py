"""Weight files: what is saved is loaded, and anything else is one clear error."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from palsy_cli.errors import ModelError
from palsy_cli.networks.registry import NETWORKS, build_network, network_config
from palsy_cli.networks.weights import (
    MANIFEST,
    ModelEntry,
    ModelSet,
    describe,
    find_models_dir,
    list_models,
    load_network,
    read_manifest,
    save_network,
    update_manifest,
    verify,
)


def publish(directory: Path, name: str, *, seed: int = 0, extra: dict[str, str] | None = None) -> ModelEntry:
    """Save a random tiny network with its manifest entry."""
    torch.manual_seed(seed)
    path = directory / f"{name}.safetensors"
    save_network(build_network(name, "tiny"), path, name=name, size="tiny", config={}, trained_on="random", extra=extra)
    entry = describe(path, recipe="none", metrics={"MAE (px)": 0.5, "faces": 3})
    update_manifest(directory, entry)
    return entry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish(tmp_path, "retinaface")
    return tmp_path


def test_what_is_saved_is_loaded(folder: Path) -> None:
    torch.manual_seed(0)
    saved = build_network("retinaface", "tiny")
    loaded = load_network("retinaface", folder)
    assert not loaded.module.training
    assert loaded.card.trained_on == loaded.metadata["trained_on"] == "random"
    assert loaded.config == network_config("retinaface", "tiny")
    assert loaded.card.sha256 == hashlib.sha256((folder / "retinaface.safetensors").read_bytes()).hexdigest()
    for name, value in saved.state_dict().items():
        restored = loaded.module.state_dict()[name]
        assert restored.dtype == value.dtype, name
        torch.testing.assert_close(restored, value, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_nothing_is_drawn_for_a_network_whose_values_a_file_has(tmp_path: Path, name: str) -> None:
    publish(tmp_path, name)
    before = torch.get_rng_state()
    load_network(name, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_parameters_are_stored_in_half_and_buffers_as_they_are(folder: Path) -> None:
    kinds = {key: value.dtype for key, value in load_file(folder / "retinaface.safetensors").items()}
    assert kinds["backbone.early.0.conv.weight"] == torch.float16
    assert kinds["backbone.early.0.norm.weight"] == torch.float16
    assert kinds["backbone.early.0.norm.running_var"] == torch.float32
    assert kinds["backbone.early.0.norm.num_batches_tracked"] == torch.int64


def test_the_same_weights_give_the_same_file(tmp_path: Path) -> None:
    network = build_network("ovpm", "tiny")
    saved = [
        save_network(network, tmp_path / f"{i}.safetensors", name="ovpm", size="tiny", config={}, trained_on="random")
        for i in range(4)
    ]
    assert len(set(saved)) == 1


def test_a_weight_too_large_for_half_stays_whole_and_a_broken_one_is_refused(tmp_path: Path) -> None:
    network, path = build_network("retinaface", "tiny"), tmp_path / "a.safetensors"
    bias = network.class_heads[0].bias
    with torch.no_grad():
        bias[0] = 1e6
    save_network(network, path, name="retinaface", size="tiny", config={}, trained_on="random")
    assert load_file(path)["class_heads.0.bias"][0] == 1e6
    with torch.no_grad():
        bias[0] = float("nan")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="class_heads.0.bias"):
        save_network(network, path, name="retinaface", size="tiny", config={}, trained_on="random")
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_overrides_travel_in_the_header(tmp_path: Path) -> None:
    path, config = tmp_path / "retinaface.safetensors", {"bgr": False, "mean": (1.0, 2.0, 3.0)}
    network = build_network("retinaface", "tiny", **config)
    save_network(network, path, name="retinaface", size="tiny", config=config, trained_on="random")
    update_manifest(tmp_path, describe(path))
    loaded = load_network("retinaface", tmp_path)
    assert (loaded.module.bgr, loaded.module.mean) == (False, (1.0, 2.0, 3.0))


def test_manifest_round_trip_and_replacement(tmp_path: Path) -> None:
    entry = ModelEntry(
        name="a", network="retinaface", size="tiny", file="a.safetensors", sha256="0" * 64, bytes=1,
        trained_on='drawn "faces" \\ é\n', version="0",
        metrics={"a b": 0.1, "big": 1e-9, "ok": True, "list": [1, 2]},
    )  # fmt: skip
    update_manifest(tmp_path, entry)
    update_manifest(tmp_path, ModelEntry(**{**vars(entry), "name": "b"}))
    newer = ModelEntry(**{**vars(entry), "bytes": 2})
    update_manifest(tmp_path, newer)
    assert read_manifest(tmp_path) == [newer, ModelEntry(**{**vars(entry), "name": "b"})]
    assert [p.name for p in tmp_path.iterdir()] == [MANIFEST]


def test_shipped_manifest_reads() -> None:
    read_manifest(Path(__file__).parents[2] / "models")


def damage_bytes(folder: Path) -> None:
    path = folder / "retinaface.safetensors"
    blob = bytearray(path.read_bytes())
    blob[-1] ^= 1
    path.write_bytes(blob)


def cut_short(folder: Path) -> None:
    path = folder / "retinaface.safetensors"
    path.write_bytes(path.read_bytes()[:-1])


def rewrite(folder: Path, **header: str) -> None:
    """Write the file anew with some header entries or tensors changed, manifest and digest to match."""
    path = folder / "retinaface.safetensors"
    loaded = load_network("retinaface", folder)
    tensors = load_file(path)
    if "drop" in header:
        del tensors[header.pop("drop")]
    metadata = {key: value for key, value in (loaded.metadata | header).items() if value}
    save_file(tensors, path, metadata=metadata)
    (entry,) = read_manifest(folder)
    blob = path.read_bytes()
    sha256 = hashlib.sha256(blob).hexdigest()
    update_manifest(folder, ModelEntry(**{**vars(entry), "sha256": sha256, "bytes": len(blob)}))


def replace_by_text(folder: Path) -> None:
    blob = b"not safetensors"
    (folder / "retinaface.safetensors").write_bytes(blob)
    (entry,) = read_manifest(folder)
    update_manifest(
        folder, ModelEntry(**{**vars(entry), "sha256": hashlib.sha256(blob).hexdigest(), "bytes": len(blob)})
    )


FAULTS = {
    "retinaface.safetensors: the weights of retinaface are missing": lambda d: (d / "retinaface.safetensors").unlink(),
    "SHA-256 differs": damage_bytes,
    "bytes, manifest says": cut_short,
    "cannot be read as safetensors": replace_by_text,
    "header lacks 'config'": lambda d: rewrite(d, config=""),
    "header cannot be read": lambda d: rewrite(d, config="{"),
    "holds ovpm, manifest says retinaface": lambda d: rewrite(d, network="ovpm"),
    "does not fit this version's retinaface .*out_channels": lambda d: rewrite(
        d, config=json.dumps({"width": 0.0625, "out_channels": 6})
    ),
    "does not fit this version's retinaface .*size mismatch": lambda d: rewrite(
        d, config=json.dumps({"width": 0.0625, "out_channels": 8})
    ),
    "does not fit this version's retinaface .*class_heads.0.bias": lambda d: rewrite(d, drop="class_heads.0.bias"),
}


@pytest.mark.parametrize("message", FAULTS)
def test_every_fault_is_one_line_and_exit_code_4(folder: Path, message: str) -> None:
    FAULTS[message](folder)
    with pytest.raises(ModelError, match=message) as caught:
        load_network("retinaface", folder)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4
    (status,) = [s for s in verify(folder) if s.name == "retinaface"]
    assert status.ok is False
    assert status.problem


def test_unknown_model_and_missing_places(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="did you mean retinaface"):
        load_network("retina", folder)
    with pytest.raises(ModelError, match="no such folder"):
        load_network("retinaface", folder / "nowhere")
    (folder / "empty").mkdir()
    with pytest.raises(ModelError, match=f"no {MANIFEST}"):
        load_network("retinaface", folder / "empty")


@pytest.mark.parametrize(
    "text",
    [
        "schema_version = ",
        'schema_version = "2.0"',
        "",
        'schema_version = "1.0"\n[[model]]\nname = "a"',
        'schema_version = "1.0"\n[[model]]\nname = "a"\nnetwork = "a"\nsize = "tiny"\nfile = "../a"\n'
        f'sha256 = "{"0" * 64}"\nbytes = 1\ntrained_on = ""\nversion = ""',
        'schema_version = "1.0"\n[[model]]\nname = "a"\nnetwork = "a"\nsize = "tiny"\nfile = "a"\n'
        'sha256 = "short"\nbytes = 1\ntrained_on = ""\nversion = ""',
    ],
)
def test_a_manifest_that_cannot_be_understood(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ModelError, match="cannot be understood"):
        read_manifest(tmp_path)


def test_list_models_shows_what_is_missing(folder: Path) -> None:
    statuses = {status.name: status for status in list_models(folder)}
    assert set(statuses) == set(NETWORKS)
    assert (statuses["retinaface"].present, statuses["retinaface"].ok) == (True, None)
    assert (statuses["ovpm"].present, statuses["ovpm"].ok) == (False, False)
    assert {s.name: s.ok for s in verify(folder)}["retinaface"] is True


def test_model_set_loads_once_and_gives_its_cards(folder: Path) -> None:
    models = ModelSet(folder)
    assert models.cards() == {}
    assert models.get("retinaface") is models.get("retinaface")
    assert models.cards() == {"retinaface": models.get("retinaface").card}


@pytest.mark.parametrize("trained_with", [None, "0" * 64])
def test_model_set_refuses_a_dvpm_of_another_ovpm(tmp_path: Path, trained_with: str | None) -> None:
    publish(tmp_path, "ovpm")
    publish(tmp_path, "dvpm", extra={} if trained_with is None else {"ovpm_sha256": trained_with})
    with pytest.raises(ModelError, match="another ovpm"):
        ModelSet(tmp_path).get("dvpm")
    assert {s.name: s.ok for s in verify(tmp_path)}["dvpm"] is False


def test_model_set_takes_a_dvpm_with_its_own_ovpm(tmp_path: Path) -> None:
    entry = publish(tmp_path, "ovpm")
    publish(tmp_path, "dvpm", extra={"ovpm_sha256": entry.sha256})
    assert ModelSet(tmp_path).get("dvpm").metadata["ovpm_sha256"] == entry.sha256
    assert {s.name: s.ok for s in verify(tmp_path)}["dvpm"] is True


def test_a_named_place_is_the_only_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PALSY_MODELS", str(tmp_path / "b"))
    assert find_models_dir(tmp_path / "a") == (tmp_path / "a", "--models")
    assert find_models_dir() == (tmp_path / "b", "$PALSY_MODELS")
    monkeypatch.delenv("PALSY_MODELS")
    assert find_models_dir() == (Path(__file__).parents[2] / "models", "checkout")
