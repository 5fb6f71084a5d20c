"""How each number is made, in a sentence each: what a pointer shows beside it, and the last section of the page."""

from __future__ import annotations

from dataclasses import dataclass

from palsy_cli.clinic.definitions import DEFINITIONS


@dataclass(frozen=True)
class Explanation:
    """One number, by the end of its anchor ``how-...``."""

    title: str
    words: str


#: In the order of the page. What depends on the settings of a run is added where the page is laid out.
EXPLAINED: dict[str, Explanation] = {
    "action-unit": Explanation(
        "Action unit intensity, 0 to 5",
        "Each half of the face is compared with other moments of the same half by a pair of networks; 0 is "
        "absent, 1 to 5 are the FACS letters A to E.",
    ),
    "active-mean": Explanation(
        "Strength (active mean)",
        "Mean intensity of a side over the keyframes in which the unit is active on either side. Difference: left "
        "minus right.",
    ),
    "weak-side": Explanation(
        "Weak side",
        "The differences of a region’s action units are summed; the side with less is weaker, unless the "
        "difference lies within what healthy faces show.",
    ),
    "symmetry": Explanation(
        "Symmetry",
        "What the weaker side reaches of the stronger: of a movement measured with the ruler, the smaller value "
        "divided by the larger; of muscle activity, 1 minus the difference divided by the stronger side, both "
        "summed over the action units of a region. 100 % is symmetric.",
    ),
    "severity": Explanation(
        "Severity",
        "A graph network sees the keyframes of strongest movement; the class with the largest mean probability is "
        "reported. Normal stands for House–Brackmann I, low for II, medium for III and IV, high for V and VI.",
    ),
    "house-brackmann": Explanation(
        "House–Brackmann grade, by networks",
        "A cascaded encoder grades the same keyframes from I (normal) to VI (no movement); the expected value is "
        "the sum of grade × probability.",
    ),
    "by-rule": Explanation(
        "Clinical scales, by rule",
        "Items follow from the measures and the synkinesis, each with what it rests on; no picture is looked at. "
        "An item that cannot be seen makes the total a range, or leaves it out.",
    ),
    "synkinesis": Explanation(
        "Synkinesis",
        "P(i | j) is the share of the keyframes with trigger j active in which response i is active too. It is "
        "compared between the sides for pairs that healthy faces do not couple; a pair that differs clearly is "
        "flagged.",
    ),
    "movements": Explanation(
        "Movements and their times",
        "Found in the video by the direction in which the 68 points leave their places at rest; onset and end at "
        "15 % of a full movement, the peak where it is furthest. Eyes also close where AU43 is 3.5 or more, and "
        "tightly where AU6, which raises the cheek, is 1.5 or more.",
    ),
    "scale": Explanation(
        "Millimetres",
        "The visible iris is 11.7 mm across in nearly everybody; measured in open eyes at rest, once, it gives "
        "the millimetres of an eye distance. A distance of the pupils or a size of the pixels, if given, takes "
        "its place.",
    ),
    "measures": Explanation(
        "Measures",
        "Lengths on the face’s own axes, head movement taken out; medians over the frames at rest, or over those "
        "in which a movement is at 80 % of its extent or more.",
    ),
    "quality": Explanation(
        "Frames and keyframes",
        "Every frame is looked at; one is usable when the face is found, large, sharp and frontal enough. "
        "Keyframes are usable frames that differ from each other.",
    ),
}


def measure_words(name: str) -> str:
    """How a measure is made, by its name; blank for one without a definition."""
    found = DEFINITIONS.get(name)
    return f"{found.title}: {found.formula} ({found.source})" if found else ""
