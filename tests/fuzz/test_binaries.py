"""Safetensors, checkpoints, NumPy archives, MATLAB files and SQLite."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import shutil
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from hostile import damaged, documents, put, survives
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trees_marks import AFLW_SCHEMA

from palsy_cli.batch.index import INDEX, Index
from palsy_cli.datasets import aflw, bp4d
from palsy_cli.datasets.reading import Unfit
from palsy_cli.errors import ModelError
from palsy_cli.networks.manifest_file import ModelEntry, format_manifest
from palsy_cli.networks.registry import build_network
from palsy_cli.networks.weights import load_network, save_network
from palsy_cli.simulate.rig import load_rig
from palsy_cli.training.checkpoints import read_checkpoint
from palsy_cli.training.packed import pack

FEW = settings(max_examples=max(5, settings().max_examples // 8))
CPU = torch.device("cpu")
CHECKPOINT = pack({"module": {"w": torch.zeros(2, 3)}, "epoch": 3, "score": 0.5, "groups": [{"betas": (0.9, 0.99)}]})


class Bomb:
    """What runs when it is unpickled."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("unpickled"),))


def _npz(**arrays: Any) -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays)
    return stream.getvalue()


def _mat(**values: Any) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, values, do_compression=True)
    return stream.getvalue()


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("binaries")


@pytest.fixture(scope="module")
def whole(room: Path) -> bytes:
    torch.manual_seed(0)
    path = room / "whole.safetensors"
    save_network(build_network("retinaface", "tiny"), path, name="retinaface", size="tiny", config={}, trained_on="x")
    return path.read_bytes()


def load(room: Path, content: bytes) -> object:
    """The network of a file that the manifest vouches for, digest and all: only the content is wrong."""
    folder = room / "models"
    put(folder / "retinaface.safetensors", content)
    digest = hashlib.sha256(content).hexdigest()
    entry = ModelEntry("retinaface", "retinaface", "tiny", "retinaface.safetensors", digest, len(content), "x", "1")
    put(folder / "manifest.toml", format_manifest([entry]).encode())
    return survives(lambda: load_network("retinaface", folder))


def split(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@given(st.data())
@FEW
def test_weights_with_a_wrong_header_or_wrong_bytes(room: Path, whole: bytes, data: st.DataObject) -> None:
    header, tensors = split(whole)
    first = dict(list(header.items())[:3]) | {"__metadata__": header["__metadata__"]}
    changed = data.draw(documents(first))
    content = joined({**header, **changed} if isinstance(changed, dict) else changed, tensors)
    load(room, data.draw(st.just(content) | damaged(whole)))


@given(st.data())
@FEW
def test_weights_that_ask_for_another_network(room: Path, whole: bytes, data: st.DataObject) -> None:
    header, tensors = split(whole)
    config = data.draw(documents(json.loads(header["__metadata__"]["config"])))
    header["__metadata__"]["config"] = json.dumps(config)
    load(room, joined(header, tensors))


def _headers(whole: bytes) -> dict[str, bytes]:
    header, data = split(whole)
    name = next(key for key in header if key != "__metadata__")
    text = json.dumps(header).encode()
    entry = header[name]

    def other(**changes: Any) -> bytes:
        return joined({**header, name: {**entry, **changes}}, data)

    start, end = entry["data_offsets"]
    twice = text[:-1] + b", " + json.dumps({name: entry}).encode()[1:]
    return {
        "a length of 2^60": (1 << 60).to_bytes(8, "little") + whole[8:],
        "a length beyond the file": (len(whole) + 1).to_bytes(8, "little") + whole[8:],
        "a header of 100 MB": joined(text + b" " * (100_000_000 - len(text)), data),
        "overlapping offsets": other(data_offsets=[start + 2, end + 2]),
        "offsets beyond the end": other(data_offsets=[len(data), len(data) + end - start]),
        "offsets backwards": other(data_offsets=[end, start]),
        "negative offsets": other(data_offsets=[-4, end]),
        "another kind": other(dtype="I16"),
        "a kind that is none": other(dtype="OBJECT"),
        "a negative shape": other(shape=[-1, 3]),
        "a huge shape": other(shape=[1 << 62, 4]),
        "shapes that overflow": other(shape=[1 << 32, 1 << 32, 1 << 32]),
        "no shape": other(shape=None),
        "a name twice": joined(twice, data),
        "metadata that is no text": joined({**header, "__metadata__": {"config": 3}}, data),
        "no JSON": joined(b"{" * len(text), data),
        "empty": b"",
        "seven bytes": b"1234567",
        "a pickle": pickle.dumps(Bomb()),
        "a list": joined([], data),
        "zeros": bytes(1000),
    }


@pytest.mark.parametrize(
    "what", list(_headers(joined({"a": {"dtype": "F16", "shape": [1], "data_offsets": [0, 2]}}, b"")))
)
def test_headers_that_lie(room: Path, whole: bytes, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(room)
    found = load(room, _headers(whole)[what])
    assert isinstance(found, ModelError) and found.exit_code == 4, what
    assert not (room / "unpickled").exists()


@pytest.mark.parametrize("named", ["retinaface.safetensors", "retinaface.pt"])
@pytest.mark.parametrize("kind", ["torch.save", "old torch.save", "pickle", "zip"])
def test_what_is_pickled_is_refused_and_never_opened(
    tmp_path: Path, kind: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / named
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.pkl", pickle.dumps(Bomb()))
    else:
        torch.save({"w": Bomb()}, path, _use_new_zipfile_serialization=kind == "torch.save")
    content = path.read_bytes()
    lines = format_manifest(
        [ModelEntry("retinaface", "retinaface", "tiny", "x.safetensors", "0" * 64, len(content), "x", "1")]
    )
    lines = lines.replace("x.safetensors", named).replace("0" * 64, hashlib.sha256(content).hexdigest())
    (tmp_path / "manifest.toml").write_text(lines)
    with pytest.raises(ModelError, match=r"pickle or archive|ends in .safetensors|no header"):
        load_network("retinaface", tmp_path)
    with pytest.raises(ModelError):
        read_checkpoint(path, CPU)
    assert not (tmp_path / "unpickled").exists()


@given(damaged(CHECKPOINT))
def test_a_checkpoint(room: Path, content: bytes) -> None:
    survives(lambda: read_checkpoint(put(room / "last.safetensors", content), CPU))


@given(st.data())
def test_a_checkpoint_with_another_outline(room: Path, data: st.DataObject) -> None:
    header, tensors = split(CHECKPOINT)
    outline = data.draw(documents(json.loads(header["__metadata__"]["values"])))
    content = joined({**header, "__metadata__": {"values": json.dumps(outline)}}, tensors)
    survives(lambda: read_checkpoint(put(room / "last.safetensors", content), CPU))


RIG = _npz(names=np.array(["a"]), d468=np.zeros((1, 468, 3)), c468=np.zeros((468, 3)), mp68=np.arange(68))


@given(damaged(RIG) | st.sampled_from([_npz(names=np.array([Bomb()])), _npz(x=np.zeros(3)), b"PK\x05\x06" + bytes(18)]))
def test_a_rig(room: Path, content: bytes) -> None:
    survives(lambda: load_rig(put(room / "au_rig.npz", content)))


FIT = np.zeros(1, [("pred", object)])
FIT["pred"][0] = np.ones((49, 2))


@given(damaged(_mat(fit=FIT)) | damaged(b"\x89HDF\r\n\x1a\n" + bytes(200)))
@FEW
def test_tracked_points(room: Path, content: bytes) -> None:
    try:
        bp4d.read_tracked(put(room / "F001_T1.mat", content), [0])
    except Unfit as error:
        assert "\n" not in str(error)


def _aflw(*statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as base:
        base.executescript(AFLW_SCHEMA)
        base.execute("INSERT INTO FeatureCoordTypes (feature_id, descr) VALUES (1, 'NoseCenter')")
        base.execute("INSERT INTO Faces VALUES (1, 'a.jpg', 'x')")
        base.execute("INSERT INTO FaceImages VALUES (1, 'x', 'a.jpg', '0/a.jpg', 0, 9, 9)")
        base.execute("INSERT INTO FeatureCoords VALUES (1, 1, 3.5, 4.5, 1)")
        for statement in statements:
            base.executescript(statement)
        base.commit()
        return base.serialize()


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS face_id, 'a' AS file_id FROM n"


@given(damaged(_aflw()))
@example(_aflw("UPDATE FeatureCoords SET x = 'abc'"))
@example(_aflw("UPDATE FeatureCoords SET x = 9e999"))
@example(_aflw("UPDATE FeatureCoords SET x = x'00ff'"))
@example(_aflw("UPDATE FaceImages SET filepath = 7"))
@example(_aflw("UPDATE FaceImages SET filepath = '../../../etc/passwd'"))
@example(_aflw("UPDATE FaceImages SET filepath = 'a' || char(0) || 'b'"))
@example(_aflw("UPDATE Faces SET file_id = x'00ff'"))
@example(_aflw(f"DROP TABLE Faces; CREATE VIEW Faces AS {ENDLESS}"))
def test_the_database_of_aflw(room: Path, content: bytes) -> None:
    put(room / "aflw" / "aflw.sqlite", content)
    survives(lambda: aflw.scan(room / "aflw"))


@given(st.data())
@FEW
def test_an_index_of_a_batch_is_read_or_built_anew(room: Path, data: st.DataObject) -> None:
    out = room / "batch"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    with Index(out) as index:
        index.base.execute("INSERT INTO jobs VALUES ('one', 3, 'no face', '')")
        index.base.commit()
    put(out / INDEX, data.draw(damaged((out / INDEX).read_bytes())))

    def use() -> None:
        with Index(out) as index:
            index.outcomes()
            list(index.facts(iter(("one", "two"))))

    survives(use)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO jobs VALUES ('one', 'abc', 'x', '')",
        "INSERT INTO jobs VALUES ('one', 0, 'x', x'00')",
        "DROP TABLE jobs; CREATE VIEW jobs AS SELECT '1' AS id, 0 AS exit_code, '' AS reason, '' AS facts",
        "CREATE TRIGGER t AFTER INSERT ON jobs BEGIN DELETE FROM jobs; END",
    ],
)
def test_an_index_that_is_not_ours_is_built_anew(tmp_path: Path, statement: str) -> None:
    with Index(tmp_path) as index:
        index.base.executescript(statement)
    with Index(tmp_path) as index:
        assert index.outcomes() == {}
