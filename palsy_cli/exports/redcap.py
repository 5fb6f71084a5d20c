"""REDCap: a data dictionary and records for the Data Import Tool, one instrument named ``facial_palsy_video``.

Only what is measured has a field; scores that a clinician gives belong on an instrument of their own. A blank is
missing, and an import of blanks erases nothing. The instrument is *unverified* (1): nobody has looked at it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from palsy_cli.exports.findings import GRADES, REGIONS, WEAK_SIDES, Pair, RegionFinding
from palsy_cli.exports.pseudonyms import PseudonymousVisit
from palsy_cli.exports.recordings import read_confidence
from palsy_cli.exports.tables import harmless
from palsy_cli.records import SEVERITY_LABELS
from palsy_cli.report.csv_report import decimal, to_csv
from palsy_cli.report.terms import ROMAN

INSTRUMENT = "facial_palsy_video"
UNVERIFIED = "1"
#: The columns of a REDCap data dictionary, in REDCap's order and spelling.
DICTIONARY_COLUMNS: tuple[str, ...] = (
    "Variable / Field Name", "Form Name", "Section Header", "Field Type", "Field Label",
    "Choices, Calculations, OR Slider Labels", "Field Note", "Text Validation Type OR Show Slider Number",
    "Text Validation Min", "Text Validation Max", "Identifier?", "Branching Logic (Show field only if...)",
    "Required Field?", "Custom Alignment", "Question Number (surveys only)", "Matrix Group Name", "Matrix Ranking?",
    "Field Annotation",
)  # fmt: skip

_SIDES = tuple(enumerate(("None", "Left", "Right")))
#: How REDCap projects of facial palsy name the regions.
_SHORT = {"eyebrows": "brow", "eyes": "eye", "mouth": "mouth"}


@dataclass(frozen=True)
class Field:
    """One field: how the dictionary declares it, and its cell for a visit (blank when missing)."""

    name: str
    label: str
    cell: Callable[[PseudonymousVisit], str]
    kind: str = "text"
    choices: tuple[tuple[int, str], ...] = ()
    validation: str = ""
    low: str = ""
    high: str = ""
    note: str = ""
    section: str = ""

    def declaration(self) -> list[str]:
        """The field's row of the data dictionary."""
        row = dict.fromkeys(DICTIONARY_COLUMNS, "") | {
            "Variable / Field Name": self.name,
            "Form Name": INSTRUMENT,
            "Section Header": self.section,
            "Field Type": self.kind,
            "Field Label": self.label,
            "Choices, Calculations, OR Slider Labels": " | ".join(f"{code}, {name}" for code, name in self.choices),
            "Field Note": self.note,
            "Text Validation Type OR Show Slider Number": self.validation,
            "Text Validation Min": self.low,
            "Text Validation Max": self.high,
        }
        return list(row.values())


def redcap_files(visits: Sequence[PseudonymousVisit]) -> Iterator[tuple[str, str]]:
    """Name and text of the data dictionary and of the records.

    A patient with several visits needs a repeating instrument; then, and only then, the columns for it are there, and
    the instance counts the patient's visits.
    """
    fields = all_fields()
    yield f"{INSTRUMENT}_dictionary.csv", to_csv(DICTIONARY_COLUMNS, [field.declaration() for field in fields])
    subjects = [visit.subject for visit in visits]
    repeating = len(set(subjects)) < len(subjects)
    repeat = ("redcap_repeat_instrument", "redcap_repeat_instance") if repeating else ()
    header = [fields[0].name, *repeat, *(field.name for field in fields[1:]), f"{INSTRUMENT}_complete"]
    rows, seen = [], Counter[str]()
    for visit in visits:
        seen[visit.subject] += 1
        instance = (INSTRUMENT, str(seen[visit.subject])) if repeating else ()
        cells = [field.cell(visit) for field in fields]
        rows.append([cells[0], *instance, *cells[1:], UNVERIFIED])
    yield f"{INSTRUMENT}_import.csv", to_csv(header, rows)


def all_fields() -> list[Field]:
    """Every field of the instrument, the record id first."""
    return [*_recording_fields(), *_side_fields(), *_grade_fields(), *_synkinesis_fields(), *_quality_fields()]


def _recording_fields() -> Iterator[Field]:
    yield Field("record_id", "Pseudonym of the patient", lambda visit: visit.subject)
    yield Field(
        "fp_video_id",
        "Recording: pseudonym, session and run",
        lambda visit: visit.label,
        section="Automatic estimates from a video. Research use only; not a medical device.",
    )
    yield Field(
        "fp_visit_date",
        "Date of the recording",
        lambda visit: visit.date.isoformat() if visit.date else "",
        validation="date_ymd",
        note="Moved by a number of days that is the same for all dates of a patient",
    )
    yield Field("fp_tool_version", "Version of palsy", lambda visit: harmless(visit.findings.version))


def _side_fields() -> Iterator[Field]:
    yield Field(
        "fp_side",
        "Weak side",
        lambda visit: _side_code(visit.findings.weak_side),
        "radio",
        (*_SIDES, (3, "Bilateral")),
        note="The patient's own side. Never bilateral when automatic",
        section="Asymmetry",
    )
    for i, region in enumerate(REGIONS):
        yield Field(f"fp_side_{_SHORT[region]}", f"Weak side: {region}", _of_region(i, _region_side), "radio", _SIDES)
        yield Field(
            f"dam_{_SHORT[region]}",
            f"Delta AM: {region}",
            _of_region(i, _region_delta),
            validation="number",
            note="Sum of left minus right active means of its action units, in steps of AU intensity",
        )


def _grade_fields() -> Iterator[Field]:
    yield Field(
        "hb_grade",
        "House-Brackmann grade",
        lambda visit: str(visit.findings.house_brackmann.value) if visit.findings.house_brackmann else "",
        "radio",
        tuple((grade, ROMAN[grade - 1]) for grade in GRADES),
        section="Grades",
    )
    for i, grade in enumerate(GRADES):
        yield _probability(f"hb_prob_{grade}", f"Probability of House-Brackmann grade {ROMAN[i]}", "house_brackmann", i)
    yield Field(
        "fp_severity",
        "Severity",
        lambda visit: str(SEVERITY_LABELS.index(visit.findings.severity.value)) if visit.findings.severity else "",
        "radio",
        tuple((i, label.capitalize()) for i, label in enumerate(SEVERITY_LABELS)),
    )
    for i, label in enumerate(SEVERITY_LABELS):
        yield _probability(f"fp_severity_prob_{i}", f"Probability of severity {label}", "severity", i)


def _synkinesis_fields() -> Iterator[Field]:
    yield Field(
        "syn_present",
        "Synkinesis",
        lambda visit: "" if visit.findings.synkinesis_present is None else f"{visit.findings.synkinesis_present:d}",
        "yesno",
        section="Synkinesis",
    )
    yield Field(
        "syn_max",
        "Largest difference between the sides among the pairs",
        lambda visit: decimal(max((pair.difference for pair in visit.findings.pairs), default=float("nan")), 6),
        validation="number",
        low="0",
        high="1",
        note="Difference of conditional probabilities; blank where no pair was found",
    )
    yield Field("syn_pairs", "Pairs", lambda visit: "; ".join(map(_pair_words, visit.findings.pairs)), "notes")


def _quality_fields() -> Iterator[Field]:
    counts = (
        ("qc_frames", "Usable frames", lambda visit: str(visit.findings.recording.usable_frames)),
        ("qc_frames_total", "All frames", lambda visit: str(visit.findings.recording.frames)),
        ("qc_keyframes", "Key frames", lambda visit: str(visit.findings.recording.keyframes)),
    )
    for name, label, cell in counts:
        section = "Quality" if name == "qc_frames" else ""
        yield Field(name, label, cell, validation="integer", low="0", section=section)
    yield Field(
        "qc_conf",
        "Mean confidence of the face in the key frames",
        lambda visit: decimal(fmean(read_confidence(visit.folder) or [float("nan")]), 4),
        validation="number",
        low="0",
        high="1",
    )
    yield Field(
        "fp_not_assessed",
        "Not assessed, and why",
        lambda visit: harmless("; ".join(f"{name}: {why}" for name, why in visit.findings.not_assessed())),
        "notes",
    )


def _probability(name: str, label: str, scale: str, index: int) -> Field:
    """The probability of one class of ``Findings.<scale>``."""

    def cell(visit: PseudonymousVisit) -> str:
        graded = getattr(visit.findings, scale)
        return decimal(graded.probabilities[index], 6) if graded else ""

    return Field(name, label, cell, validation="number", low="0", high="1")


def _of_region(index: int, say: Callable[[RegionFinding], str]) -> Callable[[PseudonymousVisit], str]:
    return lambda visit: say(visit.findings.regions[index])


def _region_side(region: RegionFinding) -> str:
    return _side_code(region.weak_side)


def _region_delta(region: RegionFinding) -> str:
    return "" if region.delta_am is None else decimal(region.delta_am, 6)


def _side_code(side: str | None) -> str:
    return "" if side is None else str(WEAK_SIDES.index(side))


def _pair_words(pair: Pair) -> str:
    return (
        f"{pair.side} AU{pair.response_au} with {pair.trigger_side} AU{pair.trigger_au} "
        f"({pair.difference:.2f}, {pair.support} key frames)"
    )
