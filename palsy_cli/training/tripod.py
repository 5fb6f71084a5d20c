"""The TRIPOD+AI checklist, in our own words, with the place of each answer.

Source of numbers and topics: Collins et al., TRIPOD+AI statement, BMJ 2024;385:e078378 (27 items, 52 with their
parts). The statement itself is what counts; this table helps the authors of a study to fill it in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TO_FILL_IN = "to be filled in by the study's authors"


@dataclass(frozen=True)
class Item:
    """One part of an item: ``applies`` is D for studies that develop a model, E for those that evaluate one."""

    number: str
    applies: str
    topic: str
    asks: str


#: Number, whom it concerns, topic, what is asked for.
ITEMS: tuple[Item, ...] = tuple(
    Item(*row)
    for row in (
        ("1", "D;E", "title", "that a model is developed or evaluated, for whom, and what it predicts"),
        ("2", "D;E", "abstract", "the items of TRIPOD+AI for abstracts"),
        ("3a", "D;E", "background", "diagnosis or prognosis, why this model, which others there are"),
        ("3b", "D;E", "background", "for which people, for what purpose in their care, and who uses it"),
        ("3c", "D;E", "background", "inequalities of health between social groups that are known"),
        ("4", "D;E", "objectives", "aims; whether the study develops, evaluates, or both"),
        ("5a", "D;E", "data", "sources for development and for evaluation, why these, how representative"),
        ("5b", "D;E", "data", "dates of collection and of follow-up"),
        ("6a", "D;E", "participants", "setting; number and places of centres"),
        ("6b", "D;E", "participants", "who could take part"),
        ("6c", "D;E", "participants", "treatments, and how they were dealt with"),
        ("7", "D;E", "data preparation", "preprocessing and quality checks, and whether alike in all groups"),
        (
            "8a",
            "D;E",
            "outcome",
            "what is predicted, when and how it was assessed, why, and whether alike in all groups",
        ),
        ("8b", "D;E", "outcome", "who judged it, where judgement is needed"),
        ("8c", "D;E", "outcome", "blinding of that judgement"),
        ("9a", "D", "predictors", "how they were chosen before modelling"),
        ("9b", "D;E", "predictors", "definition; how and when they were measured; blinding"),
        ("9c", "D;E", "predictors", "who measured them, where judgement is needed"),
        ("10", "D;E", "sample size", "how it came about, and why it suffices"),
        ("11", "D;E", "missing data", "how they were handled; reasons for leaving data out"),
        ("12a", "D", "analysis", "which data served which purpose; the split"),
        ("12b", "D", "analysis", "form, scaling or transformation of predictors"),
        ("12c", "D", "analysis", "kind of model, why, all steps of building and tuning, internal validation"),
        ("12d", "D;E", "analysis", "differences between clusters such as hospitals"),
        ("12e", "D;E", "analysis", "measures and plots of performance, and why these"),
        ("12f", "E", "analysis", "updating of the model, such as recalibration"),
        ("12g", "E", "analysis", "how predictions were computed"),
        ("13", "D;E", "class imbalance", "methods against it, and recalibration afterwards"),
        ("14", "D;E", "fairness", "what was done for it, and why"),
        ("15", "D", "model output", "what comes out; classes, their thresholds and where these come from"),
        ("16", "D;E", "training versus evaluation", "how the two sets of data differ"),
        ("17", "D;E", "ethical approval", "committee; consent or its waiver"),
        ("18a", "D;E", "open science", "funding and the funders' part"),
        ("18b", "D;E", "open science", "conflicts of interest"),
        ("18c", "D;E", "open science", "where the protocol is, or that there is none"),
        ("18d", "D;E", "open science", "registration, or that there is none"),
        ("18e", "D;E", "open science", "whether the data can be had"),
        ("18f", "D;E", "open science", "whether the code can be had"),
        ("19", "D;E", "patients and public", "their part in the study, or that they had none"),
        ("20a", "D;E", "participants", "flow through the study; how many with and without the outcome"),
        ("20b", "D;E", "participants", "characteristics, overall and by source; differences between groups"),
        ("20c", "E", "participants", "comparison with the people of the development"),
        ("21", "D;E", "model development", "people and outcomes in each analysis"),
        ("22", "D", "model specification", "the whole model, so that others can use it; restrictions"),
        ("23a", "D;E", "performance", "estimates with confidence intervals, key subgroups included"),
        ("23b", "D;E", "performance", "differences between clusters, if examined"),
        ("24", "E", "model updating", "results of updating"),
        ("25", "D;E", "interpretation", "main results as a whole, fairness included"),
        ("26", "D;E", "limitations", "of the study, and what they do to bias, certainty and generality"),
        ("27a", "D", "usability", "how poor or missing input is recognised and handled in use"),
        ("27b", "D", "usability", "what users must do and know"),
        ("27c", "D;E", "usability", "next steps of research"),
    )
)


def checklist(answers: Mapping[str, str]) -> str:
    """The checklist as a Markdown table.

    Args:
        answers: item number to the place where it is answered; items without one are left to the study's authors.

    Raises:
        KeyError: an answer to an item that there is none of.
    """
    unknown = set(answers) - {item.number for item in ITEMS}
    if unknown:
        raise KeyError(f"TRIPOD+AI has no item {', '.join(sorted(unknown))}")
    rows = ["| item | for | topic: what is asked for | where |", "|---|---|---|---|"]
    rows += [
        f"| {item.number} | {item.applies} | {item.topic}: {item.asks} | {answers.get(item.number, TO_FILL_IN)} |"
        for item in ITEMS
    ]
    return "\n".join(rows)
