"""Recordings of a cohort: folders of every kind, manifests, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from palsy_cli.batch.find import find_recordings
from palsy_cli.errors import InputError, UsageError


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="utf-8")


def found(root: Path, out: Path | None = None) -> list[tuple[str, str, str]]:
    recordings, problems = find_recordings(root, out=out or root.parent / "out")
    assert not problems
    return [(each.name, each.patient, each.session) for each in recordings]


def test_plain_folders_are_patient_and_visit(tmp_path: Path) -> None:
    put(tmp_path, "b/2/clip.MP4", "a/1/clip.mov", "a/1/notes.txt", "alone.avi", "c/clip.webm", "d/x/y/z.mkv")
    assert found(tmp_path) == [
        ("a/1/clip.mov", "a", "1"),
        ("alone.avi", "alone", ""),
        ("b/2/clip.MP4", "b", "2"),
        ("c/clip.webm", "c", ""),
        ("d/x/y/z.mkv", "d", "x/y"),
    ]


def test_bids_names_win_over_depth(tmp_path: Path) -> None:
    put(tmp_path, "raw/sub-01/ses-2/video/clip.mp4", "raw/sub-02/clip.mp4")
    assert found(tmp_path) == [
        ("raw/sub-01/ses-2/video/clip.mp4", "sub-01", "ses-2"),
        ("raw/sub-02/clip.mp4", "sub-02", ""),
    ]


def test_hostile_names_are_names(tmp_path: Path) -> None:
    names = [
        "O'Brien <script>/1/a b.mp4",
        'quo"te/1/c.mp4',
        "new\nline/1/c.mp4",
        "Пациент/визит/видео.mp4",
        "=1+1/1/c.mp4",
    ]
    put(tmp_path, *names)
    assert {name for name, _, _ in found(tmp_path)} == set(names)
    assert ("new\nline/1/c.mp4", "new\nline", "1") in found(tmp_path)


def test_results_hidden_files_and_out_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "a/1/clip.mp4", "a/1/clip_assessment/assessment.json", "a/1/clip_assessment/overlay.mp4")
    put(tmp_path, "a/.trash/clip.mp4", "a/1/._clip.mp4", "out/results/x/clip.mp4")
    assert found(tmp_path, tmp_path / "out") == [("a/1/clip.mp4", "a", "1")]
    put(tmp_path, "results/job/assessment.json", "results/job/overlay.mp4")
    assert ("a/1/clip.mp4", "a", "1") in found(tmp_path, tmp_path), "a cohort that is its own OUT"


def test_loops_of_links_end(tmp_path: Path) -> None:
    put(tmp_path, "a/1/clip.mp4")
    (tmp_path / "a/1/loop").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert [name for name, *_ in found(tmp_path)] == ["a/1/clip.mp4"]


def test_a_link_to_a_patient_elsewhere_is_followed(tmp_path: Path) -> None:
    put(tmp_path, "store/1/clip.mp4")
    (tmp_path / "cohort").mkdir()
    (tmp_path / "cohort/a").symlink_to(tmp_path / "store")
    assert found(tmp_path / "cohort") == [("a/1/clip.mp4", "a", "1")]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_an_unreadable_folder_is_told_and_stops_nothing(tmp_path: Path) -> None:
    put(tmp_path, "a/1/clip.mp4", "b/1/clip.mp4")
    (tmp_path / "b").chmod(0)
    recordings, problems = find_recordings(tmp_path, out=tmp_path / "out")
    (tmp_path / "b").chmod(0o700)
    assert [each.name for each in recordings] == ["a/1/clip.mp4"]
    assert [each.name for each in problems] == ["b"] and "cannot be read" in problems[0].reason


def test_a_folder_that_goes_away_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "a/1/clip.mp4", "b/1/clip.mp4")
    listed = os.scandir

    def scandir(folder: Path) -> object:
        if Path(folder).name == "b":
            raise PermissionError(13, "Permission denied")
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    recordings, problems = find_recordings(tmp_path, out=tmp_path / "out")
    assert [each.name for each in recordings] == ["a/1/clip.mp4"] and [each.name for each in problems] == ["b"]


def test_ten_thousand_folders(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"p{number:05d}").mkdir()
    put(tmp_path, "p00007/1/clip.mp4")
    assert found(tmp_path) == [("p00007/1/clip.mp4", "p00007", "1")]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir(), lambda path: put(path, "a/b.txt")])
def test_nothing_there_is_one_line(tmp_path: Path, make: object) -> None:
    make(tmp_path / "cohort")  # type: ignore[operator]
    with pytest.raises(InputError, match="cohort"):
        find_recordings(tmp_path / "cohort", out=tmp_path / "out")


def manifest(folder: Path, text: str) -> Path:
    path = folder / "manifest.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_manifest_names_patients_sessions_and_mirrors(tmp_path: Path) -> None:
    path = manifest(tmp_path, 'path,patient,session,mirrored\n"a,b.mp4",O\'Brien <script>,2,yes\n/x/c.mp4,p 2,,\n')
    recordings, problems = find_recordings(path, out=tmp_path / "out")
    assert not problems
    first, second = recordings
    assert (first.path, first.patient, first.session, first.mirrored) == (
        tmp_path / "a,b.mp4",
        "O'Brien <script>",
        "2",
        True,
    )
    assert (second.path, second.patient, second.session, second.mirrored) == (Path("/x/c.mp4"), "p 2", "", False)


@pytest.mark.parametrize(
    ("text", "error", "told"),
    [
        ("path,visit\na.mp4,1\n", UsageError, "patient missing"),
        ("file,visit\na.mp4,1\n", UsageError, "path and patient missing"),
        ("path,patient\na.mp4,\n", UsageError, "line 2 names no patient"),
        ("path,patient\n,p\n", UsageError, "line 2 names no path"),
        ("path,patient,mirrored\na.mp4,p,maybe\n", UsageError, "line 2: mirrored"),
        ("path,patient\n", InputError, "no rows"),
        ('path,patient\n"a.mp4,p\n', InputError, "not a readable CSV"),
    ],
)
def test_a_wrong_manifest_is_one_line(tmp_path: Path, text: str, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        find_recordings(manifest(tmp_path, text), out=tmp_path / "out")
