"""Colours of the film: those of the report on white paper."""

from __future__ import annotations

INK, MUTED, LINE, SOFT = "#1b2430", "#56616d", "#d9dfe5", "#eef2f5"


def blend(colour: str, amount: float) -> str:
    """Pale grey (0) to ``colour`` (1)."""
    pairs = ((int(SOFT[index : index + 2], 16), int(colour[index : index + 2], 16)) for index in (1, 3, 5))
    return "#" + "".join(f"{round(pale + (full - pale) * amount):02x}" for pale, full in pairs)
