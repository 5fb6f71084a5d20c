"""What a user reads: JSON, tables and one self-contained page."""

from __future__ import annotations

from pathlib import Path

from palsy_cli.files import ACTION_UNITS_CSV, ASSESSMENT_JSON, LANDMARKS_CSV, REPORT_HTML, atomic_write
from palsy_cli.records import Assessment
from palsy_cli.report.csv_report import action_units_csv, landmarks_csv
from palsy_cli.report.html_report import render_html
from palsy_cli.report.json_report import assessment_json


def report_texts(assessment: Assessment, *, include_images: bool = False) -> dict[str, str]:
    """File name to text: ``assessment.json``, both tables and ``report.html``.

    Args:
        assessment: everything that is known of one video.
        include_images: put pictures of the face into the page. Off, no file shows the patient.
    """
    return {
        ASSESSMENT_JSON: assessment_json(assessment),
        ACTION_UNITS_CSV: action_units_csv(assessment.keyframes, assessment.action_units),
        LANDMARKS_CSV: landmarks_csv(assessment.clip, assessment.track, assessment.landmarks),
        REPORT_HTML: render_html(assessment, include_images=include_images),
    }


def write_report(assessment: Assessment, out: Path, *, include_images: bool = False) -> dict[str, Path]:
    """Write ``report_texts`` into ``out``, each file whole or not at all; only the owner may read them (mode 0600).

    Returns:
        File name to path.

    Raises:
        UsageError: the folder cannot be written.
    """
    texts = report_texts(assessment, include_images=include_images)
    return {name: atomic_write(out / name, text, private=True) for name, text in texts.items()}
