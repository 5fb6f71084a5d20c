"""A study of awkward people: results as ``palsy assess`` writes them, and whose they are."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from factories import make_assessment

from palsy_cli.records import ALL_AUS, ActionUnits, Grades
from palsy_cli.report import write_report
from palsy_cli.stages.symptoms import find_symptoms

#: Every character of these names breaks something that was put together carelessly.
AWKWARD, FORMULA, CHINESE = "O'Brien <script>", "=cmd|' /C calc'!A0", '李, "Zoë"\r\nvon'
#: Nothing of these may leave: names, the video's path and name, its digest.
SECRETS = ("Brien", "script>", "cmd", "calc", "李", "Zo", "visit 2", "patients/", "ab" * 32)

VISITS = (
    "folder,patient,session,date\n"
    f"a,{AWKWARD},1,2024-03-01\n"
    f"b/deep,{AWKWARD},2,2024-03-31\n"
    f"c,{FORMULA},1,\n"
    'd,"李, ""Zoë""\r\nvon",1,2024-02-29\n'
)


def write_assessed(folder: Path) -> Path:
    """A left-sided palsy with synkinesis, grade III."""
    write_report(make_assessment(), folder)
    return folder


def write_unassessed(folder: Path) -> Path:
    """A face that never moved: nothing could be assessed, and each result says why."""
    still = ActionUnits(ALL_AUS, np.zeros((48, 14)), np.zeros((48, 14)))
    grades = Grades(None, None, "no model was given", "=too few\tkeyframes")
    write_report(make_assessment(action_units=still, symptoms=find_symptoms(still), grades=grades), folder)
    return folder


def write_study(folder: Path, *, assessed: Path, unassessed: Path) -> tuple[Path, Path]:
    """Four recordings of three patients; returns their folder and the table that says who, in which session and when.

    The second recording of the awkward one could not be assessed.
    """
    results, table = folder / "study", folder / "visits.csv"
    for name, source in (("a", assessed), ("b/deep", unassessed), ("c", assessed), ("d", assessed)):
        shutil.copytree(source, results / name)
    table.write_bytes(VISITS.encode())
    return results, table


def contents(folder: Path) -> dict[str, str]:
    """Every file below a folder: path to text."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode("utf-8") for path in files}
