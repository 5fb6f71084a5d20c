"""Results in the formats of other systems, under pseudonyms: HL7 FHIR R4, REDCap and BIDS derivatives."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from palsy_cli.errors import UsageError
from palsy_cli.exports.bids import bids_files
from palsy_cli.exports.fhir import fhir_files
from palsy_cli.exports.pseudonyms import PseudonymousVisit, pseudonymise
from palsy_cli.exports.redcap import redcap_files
from palsy_cli.exports.visits import Visit, find_visits
from palsy_cli.files import atomic_write

Format = Literal["fhir", "redcap", "bids"]
_FILES: dict[Format, Callable[[Sequence[PseudonymousVisit]], Iterator[tuple[str, str]]]] = {
    "fhir": fhir_files,
    "redcap": redcap_files,
    "bids": bids_files,
}


def export(
    results: Path,
    out: Path,
    *,
    to: Format,
    visits_csv: Path | None = None,
    id_map: Path | None = None,
    shift: str | None = None,
) -> list[Visit]:
    """Write every assessment found in ``results`` into ``out``, all files or none, readable by the owner only.

    Args:
        results: what ``palsy assess`` wrote, or a folder that holds several of those at any depth.
        out: the folder to fill; it must be absent or empty, so that no earlier export mixes with this one.
        to: the format.
        visits_csv: whose recording each folder is, see ``visits.find_visits``.
        id_map: who is who, see ``pseudonyms.pseudonymise``; it may not lie within ``out``.
        shift: days to move every date, or ``auto``; without it no date is exported.

    Returns:
        The visits, by their real names.

    Raises:
        UsageError: ``out`` is in use, ``id_map`` lies within it, ``shift`` is no number, or a file cannot be written.
        InputError: a file of ``results``, the list of visits or the id map cannot be used.
    """
    if id_map is not None and id_map.resolve().is_relative_to(out.resolve()):
        raise UsageError(f"{id_map}: the id map tells who is who and may not lie within {out}; keep it elsewhere")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: not an empty folder; choose another, so that two exports do not mix")
    visits = find_visits(results, visits_csv)
    write_all(_FILES[to](pseudonymise(visits, id_map=id_map, shift=shift)), out)
    return visits


def write_all(files: Iterable[tuple[str, str]], out: Path) -> None:
    """Write (path within ``out``, text) pairs; when one of them fails, ``out`` stays empty.

    Raises:
        UsageError: ``out`` cannot be written.
    """
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(dir=out, prefix=".export-"))
    except OSError as error:
        raise UsageError(f"{out}: cannot be written ({error.strerror or error}); choose another folder") from error
    try:
        for name, text in files:
            atomic_write(staging / name, text, private=True)
        for path in list(staging.iterdir()):
            path.replace(out / path.name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
