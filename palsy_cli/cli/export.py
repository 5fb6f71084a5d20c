"""``palsy export``: results for other systems, under pseudonyms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from palsy_cli import console


def export(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="What `palsy assess` wrote, or a folder that holds several.")
    ],
    to: Annotated[Literal["fhir", "redcap", "bids"], typer.Option("--to", help="The format.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder to fill; absent or empty.")],
    visits: Annotated[
        Path | None,
        typer.Option(
            "--visits", metavar="FILE", help="CSV of whose recording each folder is: folder,patient,session,date."
        ),
    ] = None,
    id_map: Annotated[
        Path | None,
        typer.Option("--id-map", metavar="FILE", help="CSV of who is who, made or extended; kept outside of --out."),
    ] = None,
    shift_days: Annotated[
        str | None,
        typer.Option(
            "--shift-days", metavar="auto|DAYS", help="Move each patient's dates; without it none is exported."
        ),
    ] = None,
) -> None:
    """Export results as HL7 FHIR R4, for REDCap or as BIDS derivatives.

    Patients become sub-0001 and so on; no name, path or digest of a video is exported. Prints the folder.
    """
    from palsy_cli import exports

    found = exports.export(results, out, to=to, visits_csv=visits, id_map=id_map, shift=shift_days)
    patients = len({visit.patient for visit in found})
    console.say(f"exported {len(found)} recording(s) of {patients} patient(s); research use only")
    if id_map is None:
        console.warn("no --id-map: who is who was not kept, and numbers may change with the next export")
    if shift_days is None and any(visit.date for visit in found):
        console.warn("dates were left out; --shift-days exports them, moved")
    console.data(str(out))
