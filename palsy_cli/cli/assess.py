"""``palsy assess``: the whole way from a video to a report."""

from __future__ import annotations

from pathlib import Path

from palsy_cli import console
from palsy_cli.cli import options
from palsy_cli.cli.overlay_options import Deidentify, Overlay, check_overlay, film
from palsy_cli.cli.report_options import Pdf, browser_if
from palsy_cli.cli.scale_options import ByHand, IpdMm, MmPerPx, Tasks, as_overrides
from palsy_cli.files import REPORT_HTML, REPORT_PDF


def assess(
    video: options.Video,
    out: options.OutFolder = None,
    include_images: options.IncludeImages = False,
    pdf: Pdf = False,
    overlay: Overlay = None,
    deidentify: Deidentify = False,
    mirrored: options.Mirrored = False,
    ipd_mm: IpdMm = None,
    mm_per_px: MmPerPx = None,
    tasks: Tasks = None,
    override: ByHand = None,
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
    check_overlay(video, overlay, deidentify=deidentify)
    given = [*(overrides or ()), *as_overrides(ipd_mm, mm_per_px)]
    chosen = options.resolve(profile=profile, config=config, overrides=given, device=device, models=models)
    browser = browser_if(pdf)
    chosen.prepare()
    from palsy_cli import pipeline
    from palsy_cli.clinic.overrides import read_overrides
    from palsy_cli.report import pdf as printing
    from palsy_cli.report import write_report
    from palsy_cli.report.csv_report import read_tasks
    from palsy_cli.report.summary import summary

    told, by_hand = (None if tasks is None else read_tasks(tasks)), read_overrides(override or ())
    with console.progress() as on_progress:
        result = pipeline.assess(
            video,
            settings=chosen.settings,
            execution=chosen.execution,
            mirrored=mirrored,
            tasks=told,
            by_hand=by_hand,
            on_progress=on_progress,
        )
    folder = out or Path(f"{video.resolve().stem}_assessment")
    write_report(result, folder, include_images=include_images)
    if browser is not None:
        printing.print_pdf(folder / REPORT_HTML, folder / REPORT_PDF, browser)
    film(result, overlay, deidentify=deidentify)
    for warning in result.warnings:
        console.warn(warning)
    console.table(f"{video.name}: research use only, not a medical device", ("", "result"), summary(result))
    console.data(str(folder / REPORT_HTML))
