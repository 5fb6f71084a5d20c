"""What a user reads: JSON, tables and one self-contained page."""

from __future__ import annotations

from pathlib import Path

from palsy_cli.files import atomic_write
from palsy_cli.records import Assessment
from palsy_cli.report.csv_report import action_units_csv, landmarks_csv
from palsy_cli.report.html_report import render_html
from palsy_cli.report.json_report import assessment_json


def write_report(assessment: Assessment, out: Path, *, include_images: bool = False) -> dict[str, Path]:
    """Write ``assessment.json``, both tables and ``report.html`` into ``out``, each whole or not at all.

    Only the owner may read them (mode 0600).

    Args:
        assessment: everything that is known of one video.
        out: the folder; it is made when missing.
        include_images: put pictures of the face into the page. Off, no file shows the patient.

    Returns:
        File name to path.

    Raises:
        UsageError: the folder cannot be written.
    """
    texts = {
        "assessment.json": assessment_json(assessment),
        "action_units.csv": action_units_csv(assessment.keyframes, assessment.action_units),
        "landmarks.csv": landmarks_csv(assessment.clip, assessment.track, assessment.landmarks),
        "report.html": render_html(assessment, include_images=include_images),
    }
    return {name: atomic_write(out / name, text, private=True) for name, text in texts.items()}
