"""simulate, train, evaluate, models and info."""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import Result

from palsy_cli.cli import options
from palsy_cli.config import Execution, Settings
from palsy_cli.evaluation.figures import Figure
from palsy_cli.evaluation.protocol import Request, evaluate_protocol
from palsy_cli.evaluation.run import Evaluation
from palsy_cli.evaluation.tables import Pages
from palsy_cli.networks.registry import NETWORKS, SIZES, build_network
from palsy_cli.networks.weights import describe, save_network, update_manifest
from palsy_cli.training.settings import DataSettings, TrainSettings

Run = Callable[..., Result]


def stand_in(monkeypatch: pytest.MonkeyPatch, module: str, function: str, answer: Any) -> list[dict[str, Any]]:
    """Replace ``module.function``; the list collects what it is called with."""
    calls: list[dict[str, Any]] = []

    def fake(*first: Any, **rest: Any) -> Any:
        calls.append(({"first": first[0]} if first else {}) | rest)
        return answer

    made = ModuleType(module)
    setattr(made, function, fake)
    monkeypatch.setitem(sys.modules, module, made)
    return calls


def test_simulate(palsy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = stand_in(monkeypatch, "palsy_cli.simulate.run", "simulate_patient", Path("made/patient.mp4"))
    assert palsy("simulate").stdout == "made/patient.mp4\n"
    shared = {"settings": Settings(), "execution": Execution()}
    drawn = {"source": None, "side": "left", "grade": 4, "branch": None, "synkinesis": 0.0, "seed": 0, "seconds": None}
    assert calls[0] == {"first": Path("simulated"), **drawn, **shared}
    args = "simulate me.jpg -o made --side right --severity 6 --branch T --synkinesis 0.3 --seed 7 --seconds 5"
    assert palsy(*args.split()).exit_code == 0
    told = {
        "source": Path("me.jpg"),
        "side": "right",
        "grade": 6,
        "branch": "T",
        "synkinesis": 0.3,
        "seed": 7,
        "seconds": 5.0,
    }
    assert calls[1] == {"first": Path("made"), **told, **shared}


def test_train(palsy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = stand_in(monkeypatch, "palsy_cli.training.run", "train", None)
    assert palsy("train", "ovpm", env={"PALSY_DATA": "sets"}).stdout == "runs/ovpm-compact\n"
    assert callable(calls[0].pop("on_progress"))
    assert calls[0] == {
        "first": "ovpm", "data": Path("sets"), "run": Path("runs/ovpm-compact"), "size": "compact", "minutes": None,
        "resume": False, "device": "auto", "export_to": None, "dataset": None, "start": None,
        "settings": TrainSettings(),
    }  # fmt: skip
    args = "train dvpm --data d --run r --size tiny --minutes 2.5 --resume --export m --device cpu"
    assert palsy(*args.split()).stdout == "r\n"
    assert callable(calls[1].pop("on_progress"))
    assert calls[1] == {
        "first": "dvpm", "data": Path("d"), "run": Path("r"), "size": "tiny", "minutes": 2.5,
        "resume": True, "device": "cpu", "export_to": Path("m"), "dataset": None, "start": None,
        "settings": TrainSettings(),
    }  # fmt: skip


def test_train_on_a_data_set(palsy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = stand_in(monkeypatch, "palsy_cli.training.run", "train", None)
    (tmp_path / "my.toml").write_text("[recipe]\nbatch_size = 8\n[network]\nadaptive = false\n")
    args = "train algrnet --dataset bp4d --data d --size paper --config my.toml --set data.fold=2 --set recipe.epochs=3"
    done = palsy(*args.split())
    assert done.stdout == "runs/algrnet-paper-bp4d\n" and done.stderr == ""
    assert calls[0]["dataset"] == "bp4d" and calls[0]["start"] is None
    assert calls[0]["settings"] == TrainSettings(
        {"batch_size": 8, "epochs": 3}, {"adaptive": False}, DataSettings(fold=2)
    )
    assert palsy(*args.split(), "--set", "data.split=paper").stderr.count("erratum E16") == 1


def test_train_on_from_weights(palsy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures marked by hand are what weights are trained on with, unless a set is named."""
    calls = stand_in(monkeypatch, "palsy_cli.training.run", "train", None)
    done = palsy("train", "landmarks", "--from", "shipped", "--data", "d")
    assert done.stdout == "runs/landmark_fcn-compact-marked\n"
    assert calls[0]["first"] == "landmark_fcn" and calls[0]["dataset"] == "marked"
    assert (calls[0]["start"] / "manifest.toml").is_file()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("train ovpm --data d --set recipe.batchsize=8", "did you mean recipe.batch_size?"),
        ("train ovpm --data d --set data.folds=two", "data.folds: expected int"),
        ("train ovpm --data d --set data.fould=2", "did you mean data.fold?"),
        ("train ovpm --data d --set seed=2", "they begin with recipe., network. or data."),
        ("train algrnet --data d --set network.skip_bilsm=true", "did you mean network.skip_bilstm?"),
        ("train all --data d --export m --dataset bp4d", "one network at a time"),
        ("train ovpm --data d --dataset bp5d", "unknown data set 'bp5d'; did you mean bp4d?"),
        ("train retinaface --data d --dataset bp4d", "leave --dataset out"),
        ("evaluate simulated --data d", "makes its own patients"),
    ],
)
def test_wrong_use_is_one_line(palsy: Run, args: str, message: str) -> None:
    done = palsy(*args.split())
    assert done.exit_code == 2 and message in done.stderr and done.stderr.count("\n") == 1


def test_evaluate_a_protocol(palsy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    measured = evaluate_protocol(Request("hb", None, Settings(), Execution(device="cpu")))
    calls: list[Request] = []
    monkeypatch.setattr(
        "palsy_cli.evaluation.protocol.evaluate_protocol", lambda asked: (calls.append(asked), measured)[1]
    )
    args = "evaluate hb --data d --models m --predictions p.csv --split paper --workers 2 --device cpu"
    done = palsy(*args.split())
    assert done.exit_code == 0 and "House-Brackmann" in done.stdout and "erratum E16" in done.stderr
    (asked,) = calls
    assert (asked.protocol, asked.data, asked.predictions) == ("hb", Path("d"), Path("p.csv"))
    assert (asked.split, asked.workers, asked.execution.models_dir) == ("paper", 2, Path("m"))
    out = tmp_path / "figures"
    assert palsy("evaluate", "hb", "-o", out).stdout == f"{out / 'hb.md'}\n"
    assert {path.name for path in out.iterdir()} == {f"hb.{kind}" for kind in ("md", "csv", "json", "tex")}


def test_train_all(palsy: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = stand_in(monkeypatch, "palsy_cli.training.run", "train_all", None)
    args = "train all --data d --minutes 60 --export m"
    assert palsy(*args.split()).stdout == "runs\n"
    assert calls[0]["runs"] == Path("runs") and calls[0]["minutes"] == 60 and calls[0]["export_to"] == Path("m")


def test_train_without_data_says_how_to_name_it(palsy: Run) -> None:
    done = palsy("train", "ovpm")
    assert done.exit_code == 3 and "PALSY_DATA" in done.stderr and done.stderr.count("\n") == 1


def test_evaluate(palsy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    figures = (Figure("severity", "mean F1", 0.5, target=">= 0.85"),)
    found = Evaluation(Pages("simulated", "Simulated patients", figures, {"patients": 3}))
    calls = stand_in(monkeypatch, "palsy_cli.evaluation.run", "evaluate_simulated", found)
    args = "evaluate simulated --photos sets --patients 3 --seed 5 --workers 2 --device cpu --videos clips"
    done = palsy(*args.split())
    assert done.exit_code == 0 and "| severity | mean F1 | 0.5 |  | >= 0.85 | no |" in done.stdout
    assert callable(calls[0].pop("on_progress"))
    assert calls[0] == {
        "first": Path("sets"), "patients": 3, "videos": Path("clips"), "seed": 5, "workers": 2, "settings": Settings(),
        "execution": Execution(device="cpu"),
    }  # fmt: skip
    out = tmp_path / "figures"
    assert palsy("evaluate", "simulated", "--photos", "sets", "-o", out).stdout == f"{out / 'simulated.md'}\n"
    assert sorted(path.name for path in out.iterdir()) == ["simulated.csv", "simulated.json", "simulated.md"]
    assert (out / "simulated.md").read_text() in done.stdout


def test_evaluate_measures(palsy: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = Pages("measures", "Measures", (Figure("movements", "F1", 0.95, target=">= 0.9"),), {"patients": 3})
    calls = stand_in(monkeypatch, "palsy_cli.evaluation.measures", "evaluate_measures", found)
    done = palsy("evaluate", "measures", "--photos", "sets", "-o", tmp_path / "figures")
    assert done.exit_code == 0 and done.stdout == f"{tmp_path / 'figures' / 'measures.md'}\n"
    assert "patients" not in calls[0], "the default is the function's own"
    assert "| movements | F1 | 0.95 |  | >= 0.9 | yes |" in (tmp_path / "figures" / "measures.md").read_text()
    refused = palsy("evaluate", "measures", "--photos", "sets", "--videos", "clips")
    assert refused.exit_code == 2 and "films its own patients" in refused.stderr


def test_evaluate_without_photos_says_how_to_name_them(palsy: Run) -> None:
    done = palsy("evaluate", "simulated")
    assert done.exit_code == 3 and "PALSY_DATA" in done.stderr and done.stderr.count("\n") == 1


def test_choices_are_those_of_the_registry() -> None:
    assert set(typing.get_args(options.NetworkName)) == set(NETWORKS)
    assert set(typing.get_args(options.SizeName)) == set(SIZES)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one tiny, untrained network."""
    folder = tmp_path_factory.mktemp("weights")
    module = build_network("landmark_fcn", "tiny")
    path = folder / "landmark_fcn.safetensors"
    save_network(module, path, name="landmark_fcn", size="tiny", config={}, trained_on="nothing")
    update_manifest(folder, describe(path))
    return folder


def test_models_list(palsy: Run, weights: Path) -> None:
    listed = json.loads(palsy("models", "list", "--json", "--models", weights).stdout)
    assert {model["name"] for model in listed} == set(NETWORKS)
    assert [model["name"] for model in listed if model["present"]] == ["landmark_fcn"]
    lines = palsy("models", "list", "--models", weights).stdout.splitlines()
    assert len(lines) == len(NETWORKS) and all(len(line.split("\t")) == 6 for line in lines)


def test_models_verify_names_what_is_wrong(palsy: Run, weights: Path) -> None:
    done = palsy("models", "verify", "--models", weights, "--json")
    assert done.exit_code == 4 and "ovpm" in done.stderr and "landmark_fcn" not in done.stderr
    assert [model["ok"] for model in json.loads(done.stdout) if model["name"] == "landmark_fcn"] == [True]


def test_models_path_and_who_chose_it(palsy: Run, weights: Path) -> None:
    assert palsy("models", "path", "--models", weights).stdout == f"{weights}\n"
    done = palsy("models", "path", env={"PALSY_MODELS": str(weights)})
    assert done.stdout == f"{weights}\n"


def test_models_of_an_absent_folder_are_exit_4(palsy: Run, tmp_path: Path) -> None:
    for command in ("list", "verify"):
        done = palsy("models", command, "--models", tmp_path / "absent")
        assert done.exit_code == 4 and done.stdout == "" and done.stderr.count("\n") == 1


def test_info(palsy: Run, weights: Path) -> None:
    facts = json.loads(palsy("info", "--json", "--models", weights).stdout)
    assert {"palsy", "python", "system", "packages", "devices", "models"} <= set(facts)
    assert "cpu" in facts["devices"] and facts["packages"]["torch"] and str(weights) in facts["models"]
    assert str(weights) in palsy("info", "--models", weights).stdout
