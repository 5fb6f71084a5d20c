"""The model card beside each weight file: what it is for, what it learned from, what it reached, where it ends.

Its parts follow Mitchell et al., *Model Cards for Model Reporting* (2019); a checklist after TRIPOD+AI ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from palsy_cli.files import atomic_write, below
from palsy_cli.networks.manifest_file import ModelEntry
from palsy_cli.networks.registry import NETWORKS
from palsy_cli.report.terms import NOTICE
from palsy_cli.text import markdown_cell
from palsy_cli.training.evaluated import Evaluated, Measured
from palsy_cli.training.tripod import TO_FILL_IN, checklist

#: What a result says of our weights: of the detector, and of those that learned from simulated patients.
TRAINED_ON_PORTRAITS = "AI-generated portraits (faker-js, SFHQ, SFHQ-T2I) and drawn people"
TRAINED_ON_PALSY = "simulated palsy on AI-generated faces (faker-js, SFHQ, SFHQ-T2I) and on drawn people"
#: Weights of which one of these is said saw nobody who exists.
GENERATED: frozenset[str] = frozenset({TRAINED_ON_PORTRAITS, TRAINED_ON_PALSY})


@dataclass(frozen=True)
class _Task:
    """What a network answers, where its answers must not be trusted, errata it follows, figures that concern it."""

    answers: str
    limit: str
    errata: tuple[str, ...]
    groups: tuple[str, ...]
    temperature: bool = False


_GRADES_OF_NOBODY = "The grades are those of a simulated weakness alike in all branches, not of clinicians."
_OF_DEM = ("E14", "E16", "E17", "E18", "E20")
_GRADED = ("severity", "House-Brackmann")
_TASKS: dict[str, _Task] = {
    "retinaface": _Task(
        "Finds faces and their five points.",
        "Faces below 14 pixels, turned by more than about 45 degrees or largely hidden are missed.",
        (),
        ("detection",),
    ),
    "landmark_fcn": _Task(
        "Places the 68 points in a grey 96x96 face crop.",
        "Trained on points that MediaPipe placed and on warped copies of them; it inherits the teacher's habits.",
        ("E1", "E2", "E3", "E4", "E5", "E6"),
        ("landmarks",),
    ),
    "ovpm": _Task(
        "AU intensities of one half face, and the maps that the difference network compares.",
        "One frame cannot know a person's resting face: its own intensities are rough.",
        _OF_DEM,
        ("action units", "difference ensemble"),
    ),
    "dvpm": _Task(
        "How much each AU differs between two frames of one half face.",
        "Folds were painted as muscles throw them, not photographed; faint movements are the least certain.",
        _OF_DEM,
        ("action units", "difference ensemble", "weak side", "synkinesis", "dose response", "held recordings"),
    ),
    "algrnet": _Task(
        "Severity in four grades from a single frame of strongest movement.",
        _GRADES_OF_NOBODY,
        ("E7", "E8", "E9", "E10", "E11", "E12", "E13"),
        _GRADED,
        temperature=True,
    ),
    "hb_cascade": _Task(
        "House-Brackmann grade from a single frame of strongest movement, after segmenting the face.",
        _GRADES_OF_NOBODY,
        ("E21", "E22", "E23", "E24", "E25", "E26"),
        _GRADED,
        temperature=True,
    ),
}
_SPLIT = (
    "by person: one in ten, by the hash of the photo, is never trained on. The same people choose the best epoch and "
    "give the figures below, which are the better for it"
)
#: Names of the manifest's figures that are no figures of agreement.
_NOTES = ("hardware", "minutes")


def write_card(folder: Path, entry: ModelEntry, *, evaluation: Evaluated | None = None) -> Path:
    """Write ``cards/<name>.md`` in a folder of models; raises UsageError when it cannot be written."""
    text = card_text(entry, evaluation=evaluation)
    return atomic_write(below(folder, "cards") / f"{entry.name}.md", text, private=False)


def card_text(entry: ModelEntry, *, evaluation: Evaluated | None = None) -> str:
    """The card of one weight file as Markdown.

    Args:
        entry: what the manifest says of it.
        evaluation: figures with intervals; those of other weights are not shown, and the card says so.
    """
    task = _TASKS[entry.network]
    parts = (
        f"# {entry.name}\n\n{task.answers}\n\n> {NOTICE}",
        "## Model details\n\n" + _details(entry),
        "## Intended use\n\n" + _use(),
        "## Training data\n\n" + _training(entry),
        "## Figures\n\n" + _figures(entry, task, evaluation),
        "## Subgroups\n\n" + _subgroups(entry),
        "## Limits and known errata\n\n" + _limits(task),
        "## TRIPOD+AI\n\n" + _checklist(entry, task),
    )
    return "\n\n".join(parts) + "\n"


def _details(entry: ModelEntry) -> str:
    known = [f"{entry.metrics[name]} {unit}".strip() for name, unit in _made_on() if name in entry.metrics]
    return _bullets(
        ("Network", f"{NETWORKS[entry.network].paper}; size `{entry.size}`"),
        ("File", f"`{entry.file}`, {entry.bytes} bytes, SHA-256 `{entry.sha256}`"),
        ("Licence", f"{entry.licence}. Made with palsy {entry.version}"),
        ("Recipe", entry.recipe or "not recorded"),
        ("Hardware and minutes of training", ", ".join(known) or "not recorded"),
    )


def _made_on() -> Iterator[tuple[str, str]]:
    """Names in the manifest and the unit to print."""
    yield from (("hardware", ""), ("minutes", "minutes"))


def _use() -> str:
    return _bullets(
        ("For", "research on facial movement, within palsy, by people who can judge the video beside the numbers"),
        (
            "Not for",
            "diagnosis, follow-up or treatment of anybody; naming or recognising people; emotion; attractiveness",
        ),
        ("Not measured on", "patients, children, several cameras or clinics; see Subgroups"),
    )


def _training(entry: ModelEntry) -> str:
    if entry.trained_on not in GENERATED:
        return _bullets(
            ("Data", entry.trained_on),
            ("Licence of the data", "not recorded; weights may inherit the limits of the sets that they learned from"),
            ("Split", "not recorded"),
        )
    return _bullets(
        ("Data", f"{entry.trained_on}. No patient and no real person's picture"),
        ("Licence of the data", "CC0 1.0 and MIT, set by set in docs/how-to/retrain.md"),
        ("Split", _SPLIT),
        ("Truth", "that of the simulation; the points of photos are MediaPipe's"),
    )


def _figures(entry: ModelEntry, task: _Task, evaluation: Evaluated | None) -> str:
    metrics = [(name, str(value)) for name, value in entry.metrics.items() if name not in _NOTES]
    validated = _rows(("figure", "value"), metrics) if metrics else "None recorded."
    return (
        "Validation of this network alone, at the end of its training. The manifest holds single numbers, so intervals "
        f"are not available.\n\n{validated}\n\n{_evaluation(entry, task, evaluation)}"
    )


def _evaluation(entry: ModelEntry, task: _Task, evaluation: Evaluated | None) -> str:
    absent = "Figures with 95 % intervals: not available: "
    if evaluation is None:
        return f"{absent}no evaluation was given (`palsy modelcard {entry.name} --evaluation simulated.json`)."
    if not evaluation.is_of(entry.name, entry.sha256):
        return f"{absent}the evaluation that was given is of other weights."
    shown = [figure for figure in evaluation.figures if figure.group in task.groups]
    if not shown:
        return f"{absent}the evaluation has none that concern this network."
    weights = ", ".join(f"{name} {digest[:12]}" for name, digest in sorted(evaluation.weights.items()))
    rest = "; ".join(f"{name}: {value}" for name, value in evaluation.about.items())
    return (
        "Simulated patients of people never trained on, the whole way of `palsy assess`. All networks have a part in "
        f"these figures ({weights}; {rest}). Intervals: 95 %, people drawn anew. They are simulated: expect less on "
        "real recordings.\n\n" + _rows(("figure", "value", "95 %", "note"), map(_cells, shown))
    )


def _cells(figure: Measured) -> tuple[str, ...]:
    value = "not measured" if figure.value is None else f"{figure.value:.3g}"
    interval = "" if figure.interval is None else f"{figure.interval[0]:.3g} to {figure.interval[1]:.3g}"
    return f"{figure.group}: {figure.name}", value, interval, figure.note


def _subgroups(entry: ModelEntry) -> str:
    why = (
        "sex, age, skin tone, cause of the palsy and camera of generated people are not known"
        if entry.trained_on in GENERATED
        else "no figures by sex, age, skin tone, cause of the palsy or camera are recorded"
    )
    return f"Not available: {why}. A study should report its figures by each of them, and by the affected side."


def _limits(task: _Task) -> str:
    errata = ", ".join(task.errata)
    known = (
        f"{errata} of docs/errata.md: the paper that the network follows is read as told there" if errata else "none"
    )
    return _bullets(
        ("Limits", f"{task.limit.rstrip('.')}. What simulated training can claim: docs/explanation/limits.md"),
        ("Known errata", known),
        ("People", "weights hold no picture; a video of a face remains personal data of whoever is filmed"),
    )


def _checklist(entry: ModelEntry, task: _Task) -> str:
    return (
        "Where the items of the statement (Collins et al., BMJ 2024;385:e078378) are answered for these weights, in "
        "our words; D: development, E: evaluation. A study that uses the weights fills in the rest.\n\n"
        + checklist(_answers(entry, task))
    )


def _answers(entry: ModelEntry, task: _Task) -> dict[str, str]:
    """What this card and the documentation answer; nothing that only a study can know."""
    answers = {
        "3b": "Intended use",
        "5a": f"of the weights: Training data, Figures; of a study: {TO_FILL_IN}",
        "7": "docs/explanation/pipeline.md; not compared between groups",
        "8a": "Model details, Training data",
        "9a": "none was chosen: the network takes pictures",
        "9b": "docs/explanation/pipeline.md",
        "9c": "no judgement: the software measures",
        "10": f"of the weights: no calculation is recorded; of a study: {TO_FILL_IN}",
        "11": "what cannot be measured is left out with its reason (docs/how-to/assess.md)",
        "12a": "Training data",
        "12b": "docs/explanation/pipeline.md",
        "12c": "Model details; docs/paper-map.md; for the weights that ship docs/benchmarks/training-log.md",
        "12e": "Figures; palsy_cli/evaluation/metrics.py",
        "12g": "`palsy assess`, or `palsy_cli.assess` in Python",
        "14": "nothing is recorded; Subgroups",
        "15": "the first line of this card; thresholds: docs/reference/settings.md",
        "18f": "Apache-2.0, the repository of palsy",
        "22": "Model details; palsy_cli/networks",
        "23a": "Figures, Subgroups",
        "26": "Limits and known errata",
        "27a": "docs/how-to/assess.md",
        "27b": "docs/how-to/assess.md: how to film; no interaction",
    }
    if task.temperature:
        answers["12f"] = "one temperature, fitted at validation (`temperature` among the figures)"
    if entry.trained_on in GENERATED:
        answers |= {
            "5b": f"of the weights: nobody's data were collected; of a study: {TO_FILL_IN}",
            "8b": f"of the weights: nobody judged, the truth is simulated; of a study: {TO_FILL_IN}",
            "16": f"both are simulated, from different people; of a study: {TO_FILL_IN}",
            "17": f"of the weights: nobody took part; of a study: {TO_FILL_IN}",
            "18e": f"of the weights: docs/how-to/retrain.md; of a study: {TO_FILL_IN}",
        }
    return answers


def _bullets(*lines: tuple[str, str]) -> str:
    return "\n".join(f"- **{name}:** {text}." for name, text in lines)


def _rows(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "\n".join(f"| {' | '.join(map(markdown_cell, line))} |" for line in lines)
