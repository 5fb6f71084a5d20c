"""Words that a report needs: the notice, names of action units and muscles, reasons in plain English, colours."""

from __future__ import annotations

from dataclasses import dataclass

#: Stands on the first screen and at the end of every report, unchanged.
NOTICE = (
    "Research use only. This software is not a medical device, is not cleared or CE-marked, and must not be used to "
    "diagnose, monitor or treat patients or to decide on their care. Scores are automatic estimates, may be wrong, "
    "and have not been validated for your population, camera or clinic."
)

#: Clinical scales by rule.
SCALE_NAMES: dict[str, str] = {
    "house_brackmann": "House–Brackmann, by rule",
    "fngs": "FNGS 2.0, total 4 to 27",
    "sunnybrook": "Sunnybrook composite, 0 to 100",
    "eface_like": "eFACE-like score, 0 to 100",
}

#: Movements of a recording, as a heading says them.
TASK_NAMES: dict[str, str] = {
    "rest": "At rest",
    "brow_raise": "Raising the brows",
    "frown": "Frowning",
    "gentle_eye_closure": "Gentle eye closure",
    "tight_eye_closure": "Tight eye closure",
    "snarl": "Snarl",
    "smile": "Smile",
    "lip_pucker": "Lip pucker",
    "cheek_puff": "Puffing the cheeks",
    "lower_teeth_EEE": "Showing the lower teeth",
    "open_mouth": "Opening the mouth",
}

#: The same where there is little room.
TASK_SHORT: dict[str, str] = {
    "brow_raise": "brows up",
    "frown": "frown",
    "gentle_eye_closure": "eyes gently",
    "tight_eye_closure": "eyes tightly",
    "snarl": "snarl",
    "smile": "smile",
    "lip_pucker": "pucker",
    "cheek_puff": "cheeks",
    "lower_teeth_EEE": "lower teeth",
    "open_mouth": "mouth open",
}

#: Colours of the patient's sides, distinguishable with every common form of colour blindness.
LEFT_COLOUR = "#0072B2"
RIGHT_COLOUR = "#D55E00"


@dataclass(frozen=True)
class AuName:
    """An action unit in words; ``nerve`` is the cranial nerve of its muscle, ``VII`` being the facial nerve."""

    name: str
    muscle: str
    nerve: str = "VII"


#: Names after FACS; muscles with three names of the source corrected (E27).
AU_NAMES: dict[int, AuName] = {
    1: AuName("inner brow raiser", "frontalis, medial part"),
    2: AuName("outer brow raiser", "frontalis, lateral part"),
    4: AuName("brow lowerer", "corrugator supercilii, procerus, depressor supercilii"),
    5: AuName("upper lid raiser", "levator palpebrae superioris", "III"),
    6: AuName("cheek raiser", "orbicularis oculi, orbital part"),
    9: AuName("nose wrinkler", "levator labii superioris alaeque nasi"),
    12: AuName("lip corner puller", "zygomaticus major"),
    15: AuName("lip corner depressor", "depressor anguli oris"),
    17: AuName("chin raiser", "mentalis"),
    20: AuName("lip stretcher", "risorius, with platysma"),
    25: AuName("lips part", "depressor labii inferioris, or relaxed mentalis or orbicularis oris"),
    26: AuName("jaw drop", "relaxed masseter and temporalis, pterygoids", "V"),
    43: AuName("eye closure", "orbicularis oculi, palpebral part"),
    18: AuName("lip pucker", "orbicularis oris, incisivus labii"),
}

#: Where on the face a unit acts, for naming a synkinesis.
AU_AREAS: dict[int, str] = {
    1: "brow", 2: "brow", 4: "brow", 5: "eye", 6: "eye", 43: "eye", 9: "nose",
    12: "mouth", 15: "mouth", 20: "mouth", 25: "mouth", 26: "mouth", 18: "mouth", 17: "chin",
}  # fmt: skip

#: Clinical names of a synkinesis from the trigger's area to the response's.
SYNKINESIS_NAMES: dict[tuple[str, str], str] = {
    ("mouth", "eye"): "oro-ocular",
    ("eye", "mouth"): "oculo-oral",
    ("brow", "mouth"): "fronto-oral",
    ("brow", "eye"): "fronto-ocular",
    ("mouth", "brow"): "oro-frontal",
    ("eye", "brow"): "oculo-frontal",
}

REASON_WORDS: dict[str, str] = {
    "no_face": "no face found",
    "too_small": "face too small",
    "turned_away": "face turned away",
    "blurred": "blurred",
    "cut_off": "face cut off by the edge of the picture",
    "no_landmarks": "parts of the face not found",
}

ROMAN: tuple[str, ...] = ("I", "II", "III", "IV", "V", "VI")
