"""Names and links that want to lead out of where they belong: nothing is written, removed or read there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hostile import NAMES, put

from palsy_cli.batch.find import find_recordings
from palsy_cli.batch.index import INDEX, Index
from palsy_cli.batch.jobs import RESULTS, Outcome, forget, sweep, write_failure, write_result
from palsy_cli.batch.lock import LOCK, only_batch
from palsy_cli.errors import InputError, ModelError, PalsyError, UsageError
from palsy_cli.exports import export, write_all
from palsy_cli.exports.visits import find_visits
from palsy_cli.files import atomic_write, below, sha256_of
from palsy_cli.networks.manifest_file import ModelEntry, read_manifest
from palsy_cli.training.checkpoints import RunFolder

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX links")
SECRET = "export PATH\n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file outside of the folder that is written."""
    return put(tmp_path / "home" / ".bashrc", SECRET.encode())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def untouched(victim: Path) -> bool:
    return victim.read_text() == SECRET and [path.name for path in victim.parent.iterdir()] == [".bashrc"]


def test_a_linked_result_is_replaced_and_not_written_through(out: Path, victim: Path) -> None:
    (out / "assessment.json").symlink_to(victim)
    atomic_write(out / "assessment.json", "{}", private=True)
    assert untouched(victim) and not (out / "assessment.json").is_symlink()


@pytest.mark.parametrize("name", NAMES)
def test_below_is_below(out: Path, name: str) -> None:
    try:
        place = below(out, name)
    except UsageError as error:
        assert str(error).isprintable()
    else:
        assert place.parent == out and place.resolve().parent == out.resolve()


def test_a_linked_folder_of_results_is_refused(out: Path, victim: Path) -> None:
    (victim.parent / ".part-x").mkdir()
    (victim.parent / "job").mkdir()
    (out / RESULTS).symlink_to(victim.parent)
    for act in (
        lambda: write_result(out, "new", {"assessment.json": "{}"}),
        lambda: write_failure(out, Outcome("new", 3, "x")),
        lambda: forget(out, ["job"]),
        lambda: sweep(out),
    ):
        with pytest.raises(UsageError, match="is a link"):
            act()
    assert sorted(path.name for path in victim.parent.iterdir()) == [".bashrc", ".part-x", "job"]


def test_a_linked_job_is_forgotten_as_a_link(out: Path, victim: Path) -> None:
    (out / RESULTS).mkdir()
    (out / RESULTS / "job").symlink_to(victim.parent)
    with pytest.raises(UsageError, match="is a link"):
        write_result(out, "job", {"assessment.json": "{}"})
    forget(out, ["job"])
    write_result(out, "job", {"assessment.json": "{}"})
    assert untouched(victim) and not (out / RESULTS / "job").is_symlink()


@pytest.mark.parametrize("name", [LOCK, INDEX, f"{INDEX}-wal", f"{INDEX}-shm", f"{INDEX}-journal"])
def test_lock_and_index_do_not_follow_links(out: Path, victim: Path, name: str) -> None:
    (out / name).symlink_to(victim)
    with pytest.raises(UsageError, match="is a link"), only_batch(out), Index(out):
        pass
    assert untouched(victim)


def test_the_log_of_a_training_does_not_follow_links(out: Path, victim: Path) -> None:
    (out / "log.txt").symlink_to(victim)
    with pytest.raises(UsageError, match="is a link"):
        RunFolder(out).say("started")
    assert untouched(victim)


def test_out_itself_may_be_a_link(tmp_path: Path, out: Path) -> None:
    (tmp_path / "shortcut").symlink_to(out)
    with only_batch(tmp_path / "shortcut"), Index(tmp_path / "shortcut"):
        write_result(tmp_path / "shortcut", "job", {"assessment.json": "{}"})
    assert (out / RESULTS / "job" / "assessment.json").is_file()


@pytest.mark.parametrize("name", NAMES[:16])
def test_names_of_patients_leave_nothing_outside_of_an_export(assessed: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(assessed, tmp_path / "results" / "one")
    cells = ('"' + name.replace('"', '""') + '"',) * 2
    put(tmp_path / "visits.csv", f"folder,patient,session\none,{','.join(cells)}\n".encode())
    try:
        export(tmp_path / "results", tmp_path / "bids", to="bids", visits_csv=tmp_path / "visits.csv")
    except PalsyError as error:
        assert str(error).isprintable()
    assert {path.name for path in tmp_path.iterdir()} <= {"results", "visits.csv", "bids"}
    made = [path.relative_to(tmp_path / "bids").as_posix() for path in (tmp_path / "bids").rglob("*")]
    assert all(path.replace("_", "").replace("-", "").replace("/", "").replace(".", "").isalnum() for path in made)


@pytest.mark.parametrize("folder", ["../elsewhere", "/", "~", "one/../../elsewhere", "x" * 300, "a\0b"])
def test_a_list_of_visits_names_folders_of_the_results_only(assessed: Path, tmp_path: Path, folder: str) -> None:
    shutil.copytree(assessed, tmp_path / "results" / "one")
    shutil.copytree(assessed, tmp_path / "elsewhere")
    put(tmp_path / "visits.csv", f"folder,patient,session\n{folder},p,1\n".encode())
    with pytest.raises(InputError, match="are named within"):
        find_visits(tmp_path / "results", tmp_path / "visits.csv")


def test_an_export_names_nothing_outside(out: Path, victim: Path) -> None:
    (out / "empty").mkdir()
    (out / "shortcut").symlink_to(victim.parent)
    with pytest.raises(UsageError, match="not an empty folder"):
        export(out, out / "shortcut", to="bids")
    write_all([("a/b.txt", "x")], out / "empty")
    assert untouched(victim) and (out / "empty" / "a" / "b.txt").is_file()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "..", ".x", "x" * 65, "a b", "\u202ex", "a\n", "CON:", "x\0"])
def test_names_of_models_are_names(name: str) -> None:
    with pytest.raises(ValueError, match="name: expected"):
        ModelEntry(name, "ovpm", "tiny", "a.safetensors", "0" * 64, 1, "x", "1")
    with pytest.raises(ValueError, match="file: expected"):
        ModelEntry("ovpm", "ovpm", "tiny", f"{name}.pt", "0" * 64, 1, "x", "1")


@pytest.mark.parametrize("name", [name for name in NAMES if name])
def test_a_manifest_row_may_name_any_video_and_nothing_but_a_file_is_read(tmp_path: Path, name: str) -> None:
    cell = '"' + name.replace('"', '""') + '"'
    manifest = put(tmp_path / "list.csv", f"path,patient,session\n{cell},{cell},{cell}\n".encode())
    try:
        (found,), _ = find_recordings(manifest, out=tmp_path / "out")
    except PalsyError as error:
        assert str(error).isprintable()
        return
    assert found.name == name.strip() == found.patient == found.session


def test_devices_and_pipes_have_no_digest(tmp_path: Path) -> None:
    """A pipe that nobody writes to would keep a batch waiting for ever."""
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(OSError, match="no file"):
        sha256_of(tmp_path / "pipe.mp4")
    with pytest.raises(PalsyError):
        find_visits(tmp_path / "pipe.mp4")


def test_the_shells_own_pipe_is_read() -> None:
    script = "import sys, pathlib; from palsy_cli.config import load_settings\n"
    script += "print(load_settings(config_file=pathlib.Path(sys.argv[1])).seed)"
    command = ["bash", "-c", f"python=$0; $python -c '{script}' <(echo seed = 7)"]
    done = subprocess.run([*command, sys.executable], capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"


def test_models_named_out_of_their_folder_are_refused(tmp_path: Path) -> None:
    text = (
        'schema_version = "1.0"\n[[model]]\nname = "ovpm"\nnetwork = "ovpm"\nsize = "tiny"\n'
        f'file = "../x.safetensors"\nsha256 = "{"0" * 64}"\nbytes = 1\ntrained_on = ""\nversion = ""'
    )
    put(tmp_path / "manifest.toml", text.encode())
    with pytest.raises(ModelError, match="plain name"):
        read_manifest(tmp_path)
