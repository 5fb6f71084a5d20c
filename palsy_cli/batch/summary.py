"""One row per video with everything a statistician needs, as CSV and as Parquet with the same columns.

Missing is an empty cell (CSV) or null (Parquet), never a number; empty text is missing, too. Why is told by ``reason``
for the whole video and by the columns ``*_reason`` for a part of it. ``COLUMNS`` documents every column;
``docs/reference/cohort.md`` is made from it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from palsy_cli.exports.tables import harmless
from palsy_cli.files import SUMMARY_CSV, atomic_file
from palsy_cli.records import ALL_AUS, FRAME_REASONS, SEVERITY_LABELS
from palsy_cli.text import storable

if TYPE_CHECKING:
    import pyarrow

Kind = Literal["text", "whole", "number", "yes/no"]
Row = Mapping[str, Any]
SUMMARY_PARQUET = "summary.parquet"
_MOST = 2**53
_IS_OF_KIND: dict[Kind, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "whole": lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MOST,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST,
    "yes/no": lambda value: isinstance(value, bool),
}
REGIONS = ("eyebrows", "eyes", "mouth")
#: Between the warnings of a video, and between its synkinetic pairs; no warning and no pair holds one.
WARNINGS_APART, PAIRS_APART = " | ", "; "
#: Rows that are held at a time: some tens of megabytes.
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Column:
    """One column: ``unit`` or range, what it means, and when it is missing though the video was assessed."""

    name: str
    kind: Kind
    unit: str
    meaning: str
    missing: str = ""

    def documentation(self) -> dict[str, str]:
        """What a Parquet file keeps beside the column."""
        return {"unit": self.unit, "meaning": self.meaning, "missing": self.missing}


def _columns() -> tuple[Column, ...]:
    return (*_identity(), *_recording(), *_asymmetry_columns(), *_grade_columns(), *_synkinesis_columns(), *_run())


def _identity() -> Iterator[Column]:
    yield Column("patient", "text", "", "folder or manifest entry", "never")
    yield Column("session", "text", "", "visit", "none was named")
    yield Column("video", "text", "", "path as given, relative to the cohort's folder", "never")
    yield Column("status", "text", "done, failed, waiting", "whether the video was assessed", "never")
    yield Column("exit_code", "whole", "0, 1, 3", "that of `palsy assess`", "the video is waiting")
    yield Column("reason", "text", "", "why a video failed, in one line", "it did not fail")
    yield Column("job_id", "text", "hex", "folder below `results/`; the same for two copies of a video",
                 "the video cannot be read")  # fmt: skip
    yield Column("mirrored", "yes/no", "", "whether it was taken as a mirror image", "never")
    yield Column("video_sha256", "text", "hex", "digest of the video file")


def _recording() -> Iterator[Column]:
    yield Column("fps", "number", "frames/s", "average frame rate", "pictures")
    yield Column("frames", "whole", "frames", "decoded")
    yield Column("duration_s", "number", "s", "length", "pictures")
    yield Column("width", "whole", "pixels", "upright width")
    yield Column("height", "whole", "pixels", "upright height")
    yield Column("frames_with_face", "whole", "frames", "with a face found")
    yield Column("usable_frames", "whole", "frames", "with a face that can be measured")
    for reason in FRAME_REASONS:
        yield Column(f"frames_{reason}", "whole", "frames", f"left out: {reason.replace('_', ' ')}")
    yield Column("keyframes", "whole", "frames", "in which activity was measured")
    yield Column("other_faces", "whole", "faces", "further people in the picture")
    yield Column("warnings", "text", "", "all warnings, ` | ` between them", "there was none")


def _asymmetry_columns() -> Iterator[Column]:
    yield Column("weak_side", "text", "left, right, none", "the weaker side of the face", "see weak_side_reason")
    yield Column("weak_side_reason", "text", "", "why the weak side was not assessed", "it was assessed")
    yield Column("delta_am", "number", "intensity steps", "sum of the regions' `delta_am`; below 0 the left moves less",
                 "no region was assessed")  # fmt: skip
    for region in REGIONS:
        why = f"see {region}_reason"
        yield Column(f"{region}_weak_side", "text", "left, right, none", f"the weaker side of the {region}", why)
        yield Column(f"{region}_delta_am", "number", "intensity steps",
                     "active means, left minus right, summed over the region's action units", why)  # fmt: skip
        yield Column(f"{region}_relative", "number", "0..1", "size of the difference beside the stronger side", why)
        yield Column(f"{region}_reason", "text", "", f"why the region ({region}) was not assessed", "it was assessed")
    for au in ALL_AUS:
        name, why = f"AU{au:02d}", f"never active: AU{au:02d}_keyframes is 0"
        yield Column(f"{name}_am_left", "number", "0..5", f"mean intensity of AU{au} on the left while active", why)
        yield Column(f"{name}_am_right", "number", "0..5", f"mean intensity of AU{au} on the right while active", why)
        yield Column(f"{name}_delta_am", "number", "-5..5", f"AU{au}, left minus right", why)
        yield Column(f"{name}_keyframes", "whole", "frames", f"key frames with AU{au} active on either side",
                     "not measured by these weights")  # fmt: skip


def _grade_columns() -> Iterator[Column]:
    why = "see severity_reason"
    yield Column("severity", "text", ", ".join(SEVERITY_LABELS), "most probable severity", why)
    yield Column("severity_reason", "text", "", "why severity was not assessed", "it was assessed")
    for label in SEVERITY_LABELS:
        yield Column(f"severity_p_{label}", "number", "0..1", f"probability of {label}", why)
    why = "see house_brackmann_reason"
    yield Column("house_brackmann", "whole", "1..6", "most probable House-Brackmann grade", why)
    yield Column("house_brackmann_reason", "text", "", "why the grade was not assessed", "it was assessed")
    yield Column("house_brackmann_expected", "number", "1..6", "mean grade under the probabilities", why)
    for grade in range(1, 7):
        yield Column(f"house_brackmann_p_{grade}", "number", "0..1", f"probability of grade {grade}", why)


def _synkinesis_columns() -> Iterator[Column]:
    why = "see synkinesis_reason"
    yield Column("synkinesis", "yes/no", "", "whether any pair was flagged", why)
    yield Column("synkinesis_reason", "text", "", "why synkinesis was not assessed", "it was assessed")
    yield Column("synkinesis_count", "whole", "pairs", "flagged pairs", why)
    yield Column("synkinesis_pairs", "text", "",
                 "`left:AU06<left:AU20`: AU6 on the left moves when AU20 on the left does; strongest first, `; ` "
                 "between them", "no pair was flagged")  # fmt: skip
    yield Column("synkinesis_max", "number", "0..1", "largest difference of co-occurrence of the flagged pairs",
                 "no pair was flagged")  # fmt: skip


def _run() -> Iterator[Column]:
    yield Column("profile", "text", "clinical, paper", "profile of the settings")
    yield Column("settings_sha256", "text", "hex", "digest of all settings")
    yield Column("models_sha256", "text", "hex", "digest of the digests of all weights; they stand in each report")
    yield Column("palsy_version", "text", "", "version that made the result")
    yield Column("device", "text", "", "where the networks ran")


#: Every column in order.
COLUMNS: tuple[Column, ...] = _columns()


def facts_of(assessment: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that an ``assessment.json`` fills, each of its kind; raises ValueError when it is none."""
    try:
        return checked(_facts_of(assessment))
    except (ArithmeticError, AttributeError, LookupError, TypeError) as error:
        raise ValueError(f"no assessment: {type(error).__name__} {error}") from error


def checked(facts: Any) -> dict[str, Any]:
    """Facts of a video, if every column is of its kind; raises ValueError."""
    if not isinstance(facts, dict):
        raise ValueError("no table of facts")
    kinds = {column.name: column.kind for column in COLUMNS}
    for name, value in facts.items():
        if value is not None and name in kinds and not _IS_OF_KIND[kinds[name]](value):
            raise ValueError(f"{name} is {value!r}, which is no {kinds[name]}")
    return facts


def _facts_of(assessment: Mapping[str, Any]) -> dict[str, Any]:
    """What ``facts_of`` returns, unchecked."""
    video, quality, run = assessment["video"], assessment["quality"], assessment["run"]
    facts: dict[str, Any] = {
        "video_sha256": video["sha256"],
        **{name: video[name] for name in ("mirrored", "fps", "frames", "duration_s", "width", "height")},
        **{name: quality[name] for name in ("frames_with_face", "usable_frames", "keyframes", "other_faces")},
        **{f"frames_{reason}": quality["unusable_frames"].get(reason, 0) for reason in FRAME_REASONS},
        "warnings": WARNINGS_APART.join(quality["warnings"]),
        "weak_side": assessment["weak_side"],
        "weak_side_reason": assessment["weak_side_reason"],
        "profile": run["profile"],
        "settings_sha256": run["settings_sha256"],
        "models_sha256": _digest({role: card["sha256"] for role, card in assessment["models"].items()}),
        "palsy_version": run["version"],
        "device": run["device"],
    }
    return {
        **facts,
        **_asymmetry(assessment["asymmetry"]),
        **_grades(assessment["grades"]),
        **_synkinesis(assessment["synkinesis"]),
    }


def _digest(models: Mapping[str, str]) -> str:
    return hashlib.sha256(json.dumps(models, sort_keys=True).encode()).hexdigest()


def _asymmetry(asymmetry: Mapping[str, Any]) -> dict[str, Any]:
    regions = asymmetry["regions"]
    assessed = {name: regions[name] for name in REGIONS if regions[name] is not None}
    facts: dict[str, Any] = {f"{name}_reason": regions[f"{name}_reason"] for name in REGIONS}
    for name, region in assessed.items():
        facts |= {f"{name}_{value}": region[value] for value in ("weak_side", "delta_am", "relative")}
    if assessed:
        facts["delta_am"] = round(sum(region["delta_am"] for region in assessed.values()), 6) + 0.0
    for unit in asymmetry["action_units"]:
        name = f"AU{unit['au']:02d}"
        facts |= {f"{name}_{value}": unit[value] for value in ("am_left", "am_right", "delta_am")}
        facts[f"{name}_keyframes"] = unit["active_keyframes"]
    return facts


def _grades(grades: Mapping[str, Any]) -> dict[str, Any]:
    severity, grade = grades["severity"], grades["house_brackmann"]
    facts: dict[str, Any] = {name: grades[name] for name in ("severity_reason", "house_brackmann_reason")}
    if severity is not None:
        facts["severity"] = severity["label"]
        facts |= {f"severity_p_{label}": severity["probabilities"][label] for label in SEVERITY_LABELS}
    if grade is not None:
        facts["house_brackmann"] = grade["grade"]
        facts["house_brackmann_expected"] = grade["expected"]
        facts |= {f"house_brackmann_p_{g}": p for g, p in enumerate(grade["probabilities"], start=1)}
    return facts


def _synkinesis(synkinesis: Mapping[str, Any]) -> dict[str, Any]:
    facts = {"synkinesis": synkinesis["present"], "synkinesis_reason": synkinesis["present_reason"]}
    if synkinesis["present"] is None:
        return facts
    pairs = sorted(synkinesis["pairs"], key=lambda pair: -pair["difference"])
    named = [
        f"{pair['side']}:AU{pair['response_au']:02d}<{pair['trigger_side']}:AU{pair['trigger_au']:02d}"
        for pair in pairs
    ]
    return facts | {
        "synkinesis_count": len(pairs),
        "synkinesis_pairs": PAIRS_APART.join(named),
        "synkinesis_max": pairs[0]["difference"] if pairs else None,
    }


def write_summary(out: Path, rows: Iterable[Row]) -> None:
    """Write ``summary.csv`` and ``summary.parquet`` into ``out``: the same rows, readable by the owner only.

    The rows are taken one after the other, so memory does not grow with their number. Keys that are no column are left
    out, absent keys are missing. In the CSV yes and no are 1 and 0, and text that a spreadsheet would run as a formula
    has an apostrophe before it (``palsy_cli.exports.tables.original`` takes it away); Parquet holds the text itself.

    Raises:
        UsageError: a file cannot be written; then both stay as they were.
        pyarrow.ArrowInvalid, pyarrow.ArrowTypeError: a value is not of its column's kind.
    """
    import pyarrow
    from pyarrow import csv, parquet

    schema = _schema()
    in_csv = pyarrow.schema([(f.name, pyarrow.int8() if f.type == pyarrow.bool_() else f.type) for f in schema])
    with (
        atomic_file(out / SUMMARY_CSV, private=True) as text,
        atomic_file(out / SUMMARY_PARQUET, private=True) as binary,
        csv.CSVWriter(text, in_csv) as lines,
        parquet.ParquetWriter(binary, schema, compression="zstd") as groups,
    ):
        remaining = iter(rows)
        while some := list(islice(remaining, _ROWS_AT_ONCE)):
            batch = _batch(some, schema)
            groups.write_batch(batch)
            cells = [_harmless(column) if column.type == pyarrow.string() else column for column in batch.columns]
            lines.write_batch(
                pyarrow.record_batch([c.cast(f.type) for c, f in zip(cells, in_csv, strict=True)], schema=in_csv)
            )


def _schema() -> pyarrow.Schema:
    """Every column with its type and its documentation."""
    import pyarrow

    kinds = {"text": pyarrow.string(), "whole": pyarrow.int64(), "number": pyarrow.float64(), "yes/no": pyarrow.bool_()}
    return pyarrow.schema(pyarrow.field(each.name, kinds[each.kind], metadata=each.documentation()) for each in COLUMNS)


def _batch(rows: Sequence[Row], schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    import pyarrow

    columns = []
    for column, field in zip(COLUMNS, schema, strict=True):
        values = [row.get(column.name) for row in rows]
        if column.kind == "text":
            values = [plain(value) for value in values]
        columns.append(pyarrow.array(values, field.type, from_pandas=True))  # which takes NaN for missing
    return pyarrow.record_batch(columns, schema=schema)


def plain(text: str | None) -> str | None:
    """Text that a table can hold (``storable``), ``None`` when empty: a folder's name need not be text."""
    return storable(text) if text else None


def _harmless(column: pyarrow.Array) -> pyarrow.Array:
    """The same texts, with an apostrophe before what would be a formula."""
    import pyarrow

    return pyarrow.array([text and harmless(text) for text in column.to_pylist()], pyarrow.string())
