"""The main results in a few lines, for a terminal."""

from __future__ import annotations

from palsy_cli.records import Assessment


def summary(result: Assessment) -> list[tuple[str, str]]:
    """The main results as (name, value); "not assessed" with its reason where there is none."""
    symptoms, grades = result.symptoms, result.grades
    pairs = ", ".join(f"AU{pair.response_au} with AU{pair.trigger_au} ({pair.side})" for pair in symptoms.pairs)
    synkinesis = None if symptoms.synkinesis_present is None else pairs or "none found"
    grade = grades.house_brackmann_grade
    rows = (
        ("weak side", symptoms.weak_side, symptoms.weak_side_reason),
        ("synkinesis", synkinesis, symptoms.synkinesis_reason),
        ("severity", grades.severity_label, grades.severity_reason),
        ("House-Brackmann", None if grade is None else f"grade {grade} of 6", grades.house_brackmann_reason),
    )
    return [(name, value or f"not assessed ({reason or 'no reason given'})") for name, value, reason in rows]
