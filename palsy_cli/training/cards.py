"""The model card beside each weight file: what it is for, what it learned from, what it reached, where it ends."""

from __future__ import annotations

from pathlib import Path

from palsy_cli.files import atomic_write
from palsy_cli.networks.manifest_file import ModelEntry
from palsy_cli.networks.registry import NETWORKS

#: What each network answers, and where its answers must not be trusted.
_TASKS: dict[str, tuple[str, str]] = {
    "retinaface": (
        "Finds faces and their five points.",
        "Faces below 14 pixels, turned by more than about 45 degrees or largely hidden are missed.",
    ),
    "landmark_fcn": (
        "Places the 68 points in a grey 96x96 face crop.",
        "Trained on points that MediaPipe placed and on warped copies of them; it inherits the teacher's habits.",
    ),
    "ovpm": (
        "AU intensities of one half face, and the maps that the difference network compares.",
        "One frame cannot know a person's resting face: its own intensities are rough.",
    ),
    "dvpm": (
        "How much each AU differs between two frames of one half face.",
        "Folds were painted as muscles throw them, not photographed; faint movements are the least certain.",
    ),
    "algrnet": (
        "Severity in four grades from a single frame of strongest movement.",
        "The grades are those of a simulated weakness alike in all branches, not of clinicians.",
    ),
    "hb_cascade": (
        "House-Brackmann grade from a single frame of strongest movement, after segmenting the face.",
        "The grades are those of a simulated weakness alike in all branches, not of clinicians.",
    ),
}
_HELD_OUT = (
    "Figures are of the validation on people that were never trained on (one in ten, by the hash of their photo). "
    "They are simulated too: expect less on real recordings."
)


def write_card(folder: Path, entry: ModelEntry) -> Path:
    """Write ``cards/<name>.md`` in a folder of models; raises UsageError when it cannot be written."""
    task, limit = _TASKS[entry.network]
    figures = "\n".join(f"| {name} | {value} |" for name, value in entry.metrics.items())
    text = f"""# {entry.name}

{task} Network: {NETWORKS[entry.network].paper}; size `{entry.size}`.

- **Intended use:** research on facial movement within palsy. Not a medical device; no clinical decision.
- **Trained on:** {entry.trained_on}. No patient and no real person's picture.
- **Recipe:** {entry.recipe}.
- **Limits:** {limit}
- **File:** `{entry.file}`, {entry.bytes} bytes, SHA-256 `{entry.sha256}`.
- **Licence:** {entry.licence}. Made with palsy {entry.version}.

{_HELD_OUT}

| figure | value |
|---|---|
{figures}
"""
    return atomic_write(folder / "cards" / f"{entry.name}.md", text, private=False)
