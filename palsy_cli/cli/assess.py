"""``palsy assess``: the whole way from a video to a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.cli.report_options import Pdf, browser_if
from palsy_cli.cli.scale_options import IpdMm, MmPerPx, as_overrides
from palsy_cli.files import REPORT_HTML, REPORT_PDF

if TYPE_CHECKING:
    from palsy_cli.records import Assessment


def assess(
    video: options.Video,
    out: options.OutFolder = None,
    include_images: options.IncludeImages = False,
    pdf: Pdf = False,
    mirrored: options.Mirrored = False,
    ipd_mm: IpdMm = None,
    mm_per_px: MmPerPx = None,
    device: options.Device = "auto",
    models: options.Models = None,
    profile: options.ProfileOption = None,
    config: options.Config = None,
    overrides: options.Overrides = None,
) -> None:
    """The whole way: from a video to a report.

    Writes report.html, assessment.json, action_units.csv and landmarks.csv, with --pdf report.pdf too, into --out
    (default: <name>_assessment here) and prints the path of the report.
    """
    told = [*(overrides or ()), *as_overrides(ipd_mm, mm_per_px)]
    chosen = options.resolve(profile=profile, config=config, overrides=told, device=device, models=models)
    browser = browser_if(pdf)
    chosen.prepare()
    from palsy_cli import pipeline
    from palsy_cli.report import pdf as printing
    from palsy_cli.report import write_report

    with console.progress() as on_progress:
        result = pipeline.assess(
            video, settings=chosen.settings, execution=chosen.execution, mirrored=mirrored, on_progress=on_progress
        )
    folder = out or Path(f"{video.resolve().stem}_assessment")
    write_report(result, folder, include_images=include_images)
    if browser is not None:
        printing.print_pdf(folder / REPORT_HTML, folder / REPORT_PDF, browser)
    for warning in result.warnings:
        console.warn(warning)
    console.table(f"{video.name}: research use only, not a medical device", ("", "result"), summary(result))
    console.data(str(folder / REPORT_HTML))


def summary(result: Assessment) -> list[tuple[str, str]]:
    """The main results as (name, value); "not assessed" with its reason where there is none."""
    symptoms, grades = result.symptoms, result.grades
    pairs = ", ".join(f"AU{pair.response_au} with AU{pair.trigger_au} ({pair.side})" for pair in symptoms.pairs)
    synkinesis = None if symptoms.synkinesis_present is None else pairs or "none found"
    grade = grades.house_brackmann_grade
    rows = (
        ("weak side", symptoms.weak_side, symptoms.weak_side_reason),
        ("synkinesis", synkinesis, symptoms.synkinesis_reason),
        ("severity", grades.severity_label, grades.severity_reason),
        ("House-Brackmann", None if grade is None else f"grade {grade} of 6", grades.house_brackmann_reason),
    )
    return [(name, value or f"not assessed ({reason or 'no reason given'})") for name, value, reason in rows]
