"""A BIDS derivative data set: tables of action units and points, and the scores, per subject, session and run.

Names and tables follow the Brain Imaging Data Structure (bids-specification.readthedocs.io), data type ``beh``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from palsy_cli.exports.findings import Findings
from palsy_cli.exports.pseudonyms import PseudonymousVisit
from palsy_cli.exports.recordings import ACTION_UNIT_COLUMNS, LANDMARK_COLUMNS, read_action_units, read_landmarks
from palsy_cli.records import ALL_AUS, FRAME_REASONS
from palsy_cli.report.csv_report import au_columns
from palsy_cli.report.json_report import to_json
from palsy_cli.report.terms import AU_NAMES, NOTICE, REASON_WORDS

BIDS_VERSION = "1.10.0"
#: One recording holds several movements, rest included; which one is when was not marked.
TASK = "facialExpressions"
MISSING = "n/a"

#: The derivatives' own names, which a validator of raw data does not know; videos, should somebody add them beside.
BIDSIGNORE = "*_desc-*_beh.tsv\n*_desc-*_beh.json\n*_video.*\n"
README = f"""Facial palsy, measured from video

{NOTICE}

Each sub-*/ses-*/beh folder holds, for each recording (run):

- *_desc-au_beh.tsv: facial action units of both sides, a row per key frame
- *_desc-landmarks_beh.tsv: 68 points, a row per frame
- *_desc-scores_beh.json: weak side, synkinesis, severity and House-Brackmann grade; null is not assessed

The columns are described in task-{TASK}_desc-*_beh.json. Left and right are the patient's own.
n/a is missing: a frame without a usable face, or what was not measured.
"""


def bids_files(visits: Sequence[PseudonymousVisit]) -> Iterator[tuple[str, str]]:
    """Path within the data set and text of every file."""
    yield "dataset_description.json", to_json(dataset_description(visits))
    yield "README", README
    yield ".bidsignore", BIDSIGNORE
    subjects = sorted({visit.subject for visit in visits})
    yield "participants.tsv", to_tsv(("participant_id",), [[subject] for subject in subjects])
    yield "participants.json", to_json({"participant_id": {"Description": "Pseudonym of the patient"}})
    yield f"task-{TASK}_desc-au_beh.json", to_json(quality_sidecar() | action_unit_sidecar())
    yield f"task-{TASK}_desc-landmarks_beh.json", to_json(quality_sidecar() | landmark_sidecar())
    yield from session_files(visits)
    for visit in visits:
        stem = (
            f"{visit.subject}/ses-{visit.session}/beh/{visit.subject}_ses-{visit.session}_task-{TASK}_run-{visit.run}"
        )
        yield f"{stem}_desc-au_beh.tsv", to_tsv(ACTION_UNIT_COLUMNS, read_action_units(visit.folder))
        yield f"{stem}_desc-landmarks_beh.tsv", to_tsv(LANDMARK_COLUMNS, read_landmarks(visit.folder))
        yield f"{stem}_desc-scores_beh.json", to_json(scores(visit.findings))


def to_tsv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Tab-separated text; a blank cell is ``n/a``. No cell holds a tab or a line end."""
    return "".join("\t".join(cell or MISSING for cell in row) + "\n" for row in (header, *rows))


def dataset_description(visits: Sequence[PseudonymousVisit]) -> dict[str, Any]:
    """What made the data: one entry for each version of palsy that assessed a recording."""
    versions = sorted({visit.findings.version for visit in visits})
    says = "Automatic estimates from video, for research use only"
    return {
        "Name": "Facial palsy, measured from video",
        "BIDSVersion": BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [{"Name": "palsy", "Version": version, "Description": says} for version in versions],
    }


def session_files(visits: Sequence[PseudonymousVisit]) -> Iterator[tuple[str, str]]:
    """The dates of the sessions, where there are some; ``acq_time`` would need the time of day as well."""
    dates: dict[str, dict[str, str]] = {}
    for visit in visits:
        earlier = dates.setdefault(visit.subject, {}).get(f"ses-{visit.session}", "")
        date = visit.date.isoformat() if visit.date else ""
        dates[visit.subject][f"ses-{visit.session}"] = min(filter(None, (earlier, date)), default="")
    if not any(visit.date for visit in visits):
        return
    says = "Date of the first recording, moved by a number of days that is the same for all dates of a subject"
    for subject, sessions in dates.items():
        described = {"session_date": {"Description": says, "Format": "YYYY-MM-DD"}}
        yield f"{subject}/{subject}_sessions.json", to_json(described)
        yield f"{subject}/{subject}_sessions.tsv", to_tsv(("session_id", "session_date"), list(sessions.items()))


def scores(findings: Findings) -> dict[str, Any]:
    """All findings as plain values; ``null`` beside a reason means not assessed."""
    return {"notice": NOTICE, **dataclasses.asdict(findings)}


def quality_sidecar() -> dict[str, Any]:
    """Descriptions of the columns that both tables begin with."""
    return {
        "frame": {"Description": "Number of the decoded frame, from 0"},
        "time_s": {"Description": "Time of the frame", "Units": "s"},
        "success": {"Description": "Whether the frame was used", "Levels": {"0": "no", "1": "yes"}},
        "confidence": {"Description": "How sure the finding is, 0 to 1", "Units": "1"},
        "reason": {
            "Description": "Why the frame was not used",
            "Levels": {code: REASON_WORDS[code] for code in FRAME_REASONS},
        },
    }


def action_unit_sidecar() -> dict[str, Any]:
    """Descriptions of the columns of action units, after FACS."""
    columns: dict[str, Any] = {}
    for au in ALL_AUS:
        for column, side in zip(au_columns(au), ("left", "right"), strict=True):
            says = f"Intensity of action unit {au} ({AU_NAMES[au].name}) on the patient's {side}"
            columns[column] = {"Description": says, "Units": "FACS intensity, 0 (absent) to 5"}
    return columns


def landmark_sidecar() -> dict[str, Any]:
    """Descriptions of the columns of points, in the iBUG order."""
    return {
        f"{axis}_{i}": {"Description": f"Point {i} of 68 (iBUG), {ways} in the upright video", "Units": "pixel"}
        for axis, ways in (("x", "to the right"), ("y", "downwards"))
        for i in range(68)
    }
